"""Keys are random, shown once, stored as a digest, and end when they should."""

import stat

import pytest

from features.errors import UserError
from serving import keys
from serving.keys import KeyStore


class Clock:
    def __init__(self):
        self.now = 1_700_000_000_000_000

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def store(tmp_path, clock):
    return KeyStore(tmp_path / "workspace" / "keys.db", clock)


def test_a_key_has_256_random_bits_and_is_found_again(store):
    token = store.create("marketing", ["lookup", "score"])
    assert token.startswith("hf_")
    assert len(token) == len("hf_") + 43
    key = store.verify(token)
    assert key is not None
    assert (key.name, key.scopes) == ("marketing", ("score", "lookup"))
    assert store.create("other", ["score"]) != token


def test_the_file_holds_no_key_and_is_for_its_owner_only(store):
    token = store.create("marketing", ["score"])
    content = store.path.read_bytes()
    assert token.encode() not in content
    assert token.removeprefix("hf_").encode() not in content
    assert stat.S_IMODE(store.path.stat().st_mode) == 0o600


@pytest.mark.parametrize("wrong", ["", "hf_", "hf_x", "hf_" + "a" * 43, "\ud800", "é"])
def test_a_wrong_key_is_not_found(store, wrong):
    store.create("marketing", ["score"])
    assert store.verify(wrong) is None


def test_without_a_file_no_key_is_good(store):
    assert store.verify("hf_anything") is None
    assert store.entries() == []
    assert not store.path.exists()


def test_a_key_ends_exactly_when_it_expires(store, clock):
    token = store.create("short", ["score"], expires_at=clock.now + 10)
    clock.now += 9
    assert store.verify(token) is not None
    clock.now += 1
    assert store.verify(token) is None


def test_a_revoked_key_ends_at_once_here_and_within_five_seconds_in_another_process(
    store, clock, monkeypatch
):
    token = store.create("gone", ["score"])
    other = KeyStore(store.path, clock)
    passed = [100.0]
    monkeypatch.setattr(keys.time, "monotonic", lambda: passed[0])
    assert other.verify(token) is not None
    assert store.revoke("gone").revoked_at == clock.now
    assert store.verify(token) is None
    passed[0] += 4.9
    assert other.verify(token) is None


def test_keys_are_not_read_from_the_file_for_every_request(store, monkeypatch):
    token = store.create("busy", ["score"])
    reads = []
    rows = store._rows
    monkeypatch.setattr(store, "_rows", lambda: reads.append(1) or rows())
    for _ in range(50):
        assert store.verify(token) is not None
    assert len(reads) <= 2


def test_a_name_is_never_used_twice_not_even_after_revocation(store):
    store.create("marketing", ["score"])
    store.revoke("marketing")
    with pytest.raises(UserError, match="not used twice"):
        store.create("marketing", ["score"])


def test_revoking_twice_keeps_the_first_time(store, clock):
    store.create("marketing", ["score"])
    first = store.revoke("marketing").revoked_at
    clock.now += 5
    assert store.revoke("marketing").revoked_at == first


@pytest.mark.parametrize("name", ["", "a b", "x\n", "-x", "n" * 65, "é", "../x"])
def test_a_name_that_could_confuse_a_log_is_refused(store, name):
    with pytest.raises(UserError, match="name of a key"):
        store.create(name, ["score"])


def test_what_cannot_be_is_refused(store, clock):
    with pytest.raises(UserError, match=r"Did you mean score\?"):
        store.create("a", ["scores"])
    with pytest.raises(UserError, match="needs a scope"):
        store.create("a", [])
    with pytest.raises(UserError, match="would have expired"):
        store.create("a", ["score"], expires_at=clock.now)
    with pytest.raises(UserError, match="no key of that name"):
        store.revoke("nobody")

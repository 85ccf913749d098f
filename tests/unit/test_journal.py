"""The journal of a search outlives the process, and never mixes two searches."""

import pytest

from features.errors import UserError
from training import journal

ABOUT = {"data": "a", "seed": 1}


def write(folder, about, *records):
    with journal.opened(folder, "attrition", about) as book:
        before = book.records
        for record in records:
            book.write(record)
    return before


def test_it_goes_on_where_it_ends(tmp_path):
    assert write(tmp_path, ABOUT, {"n": 0}, {"n": 1}) == ()
    assert write(tmp_path, ABOUT, {"n": 2}) == ({"n": 0}, {"n": 1})
    assert write(tmp_path, ABOUT) == ({"n": 0}, {"n": 1}, {"n": 2})


@pytest.mark.parametrize("left", [b'{"n": 1', b"\xff\xfe\n", b"\x00\x00\x00", b"7\n", b"\n"])
def test_what_a_killed_process_left_half_written_is_dropped(tmp_path, left):
    write(tmp_path, ABOUT, {"n": 0})
    path = tmp_path / "attrition.jsonl"
    path.write_bytes(path.read_bytes() + left)
    assert write(tmp_path, ABOUT, {"n": 1}) == ({"n": 0},)
    assert write(tmp_path, ABOUT) == ({"n": 0}, {"n": 1})


def test_a_journal_cut_anywhere_still_opens(tmp_path):
    write(tmp_path, ABOUT, {"n": 0}, {"n": 1})
    path = tmp_path / "attrition.jsonl"
    whole = path.read_bytes()
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        assert write(tmp_path, ABOUT) in ((), ({"n": 0},))


@pytest.mark.parametrize("other", [{"data": "b", "seed": 1}, {"data": "a", "seed": 2}])
def test_another_subject_starts_anew(tmp_path, other):
    write(tmp_path, ABOUT, {"n": 0})
    assert write(tmp_path, other, {"n": 5}) == ()
    assert write(tmp_path, other) == ({"n": 5},)
    assert write(tmp_path, ABOUT) == ()


def test_numbers_come_back_as_they_were(tmp_path):
    values = [0.1 + 0.2, 1e-300, 2**60 + 1, float("inf")]
    write(tmp_path, ABOUT, {"values": values})
    assert write(tmp_path, ABOUT)[0]["values"] == values


def test_two_searches_never_write_at_once(tmp_path):
    with (
        journal.opened(tmp_path, "attrition", ABOUT),
        pytest.raises(UserError, match="Another run"),
        journal.opened(tmp_path, "attrition", ABOUT),
    ):
        pass


def test_without_a_folder_nothing_is_kept(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert write(None, ABOUT, {"n": 0}) == ()
    assert list(tmp_path.iterdir()) == []

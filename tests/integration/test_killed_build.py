"""A build killed at any moment leaves the old snapshot or the new one, and the next build clears up."""

import multiprocessing
import os
import signal
import threading
import time

import pytest
from dying import build_and_die
from shops import HEADER, built, rows_of, shop

from features.build import build
from features.errors import UserError
from features.store import Store
from features.storing import publication
from features.storing.publication import fingerprint

N_CUSTOMERS = 400


@pytest.fixture(scope="module")
def processes():
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["dying"])
    return context


@pytest.fixture
def business(tmp_path):
    (tmp_path / "purchases.csv").write_text(rows_saying(1))
    business = shop(tmp_path)
    build(business, n_buckets=4)
    return business


def rows_saying(amount):
    """Purchases of which every one has this amount, and one that is refused."""
    rows = "".join(f"c{n},2024-01-{n % 28 + 1:02d},{amount}\n" for n in range(N_CUSTOMERS))
    return HEADER + rows + f"bad,never,{amount}\n"


def amount_read(business):
    """The one amount that a reader sees in every row; the snapshot has all its rows and bytes."""
    store = Store.open(business.workspace)
    assert fingerprint(store.folder) == store.manifest.fingerprint
    rows = rows_of(store, "purchases")
    assert len(rows) == N_CUSTOMERS == store.manifest.tables["purchases"].stored
    (amount,) = {row["amount"] for row in rows}
    return amount / 100


def say(business, amount):
    (business.folder / "purchases.csv").write_text(rows_saying(amount))


def assert_nothing_is_left_over(business):
    store = business.workspace / "store"
    assert {path.name for path in store.iterdir()} == {"CURRENT", "LOCK", "snapshots"}
    assert len(list((store / "snapshots").iterdir())) <= 2


def test_a_build_that_dies_at_any_touch_of_a_file_leaves_the_old_or_the_new_snapshot(business, processes):
    old, seen, moment = 1, [], 1
    while True:
        say(business, old + 1)
        process = processes.Process(target=build_and_die, args=(str(business.path), moment))
        process.start()
        process.join(30)
        now = amount_read(business)
        assert now in {old, old + 1}
        if process.exitcode == 0:
            break
        assert process.exitcode == -signal.SIGKILL
        seen.append(now - old)
        # The moments around publication matter most; they come last, so steps get smaller.
        moment += 3 if len(seen) < 12 else 1
        old = now
    assert len(seen) > 20
    assert set(seen) == {0, 1}
    assert now == old + 1
    assert_nothing_is_left_over(business)


def test_a_build_that_is_killed_at_any_time_leaves_the_old_or_the_new_snapshot(business, processes):
    started = time.monotonic()
    build(business)
    whole = time.monotonic() - started
    old = 1
    for step in range(12):
        say(business, old + 1)
        process = processes.Process(target=build_and_die, args=(str(business.path), 0))
        process.start()
        time.sleep((1.5 * whole + 0.2) * step / 12)
        process.kill()
        process.join(30)
        now = amount_read(business)
        assert now in {old, old + 1}
        old = now
    say(business, 99)
    build(business)
    assert amount_read(business) == 99
    assert_nothing_is_left_over(business)


@pytest.mark.parametrize("step", ["flush", "flush_names"])
def test_a_build_that_fails_to_reach_the_disk_leaves_the_old_snapshot(business, monkeypatch, step):
    def fail(_):
        raise OSError(28, "No space left on device")

    say(business, 2)
    with monkeypatch.context() as patch:
        patch.setattr(publication, step, fail)
        with pytest.raises(UserError, match="No space left on device"):
            build(business)
        assert amount_read(business) == 1
    build(business)
    assert amount_read(business) == 2
    assert_nothing_is_left_over(business)


def test_a_second_build_at_the_same_time_is_refused(business):
    inside, refusals = threading.Event(), []

    def second():
        inside.wait(30)
        with pytest.raises(UserError, match="Another run is writing") as caught:
            build(business)
        refusals.append(caught)

    thread = threading.Thread(target=second)
    thread.start()

    def hold(what, done, total):
        inside.set()
        thread.join(30)

    say(business, 2)
    build(business, hold)
    assert refusals
    assert amount_read(business) == 2


def test_an_open_store_reads_on_while_a_new_one_is_built(business):
    store = Store.open(business.workspace)
    say(business, 2)
    build(business)
    assert {row["amount"] for row in rows_of(store, "purchases")} == {100}
    assert amount_read(business) == 2


def test_only_the_previous_snapshot_is_kept(business):
    for amount in range(2, 6):
        say(business, amount)
        build(business)
    names = sorted(path.name for path in (business.workspace / "store" / "snapshots").iterdir())
    assert names == ["000004", "000005"]


def test_a_refused_build_leaves_the_old_snapshot_and_nothing_else(business):
    say(business, "x")
    with pytest.raises(UserError, match="break the contract"):
        build(business)
    assert amount_read(business) == 1
    assert_nothing_is_left_over(business)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_workspace_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "purchases.csv").write_text(rows_saying(1))
    (tmp_path / "closed").mkdir(mode=0o500)
    with pytest.raises(UserError, match="cannot be written"):
        built(shop(tmp_path, rest='[workspace]\npath = "closed/w"'))

"""The nightly run: every customer is scored or has a reason, and readers see the old or the new run."""

import errno
import json
import os
import shutil
import threading

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from features.build import build
from features.errors import ModelUnavailable, QuestionError, UserError
from features.store import Store
from features.storing.publication import sole_writer
from features.windows import MICROSECONDS_PER_DAY, to_text
from serving import batch, scores
from serving.scorer import SCORE_SCHEMA

PREDICTIONS = [
    "churn_probability",
    "churn_percentile",
    "lifetime_value",
    "lifetime_value_low",
    "lifetime_value_high",
    "value_at_risk",
    "risk_band",
]
NOON = 1_751_371_200_000_000


def silent(what, done, total):
    """Progress that nobody watches."""


def run_score(business, folder, *, cutoff=None, scored_at=NOON, table=None):
    table = table or f"sqlite:///{folder.parent / 'scores.db'}"
    cutoff = Store.open(business.workspace).observed_until if cutoff is None else cutoff
    return batch.score(business, cutoff, scored_at, batch.Target(folder, table), silent)


def answers(run):
    """The scores of a run by customer, without when they were computed."""
    return batch.read_scores(run).drop_columns(["scored_at"]).sort_by("customer_id")


def test_the_usual_readers_of_parquet_read_the_folder(trained, tmp_path):
    run = run_score(trained, tmp_path / "scores")
    assert len(pd.read_parquet(tmp_path / "scores")) == run.customers


def test_a_look_back_does_not_change_what_look_ups_answer(trained, tmp_path):
    newest = Store.open(trained.workspace).observed_until
    table = f"sqlite:///{tmp_path / 'scores.db'}"
    assert run_score(trained, tmp_path / "now", table=table).in_table
    assert not run_score(
        trained, tmp_path / "then", cutoff=newest - 90 * MICROSECONDS_PER_DAY, table=table
    ).in_table
    assert scores.connect(table).batch().cutoff.startswith(to_text(newest))


def test_a_store_in_another_currency_is_not_scored(trained, tmp_path):
    yen = trained.model_copy(update={"business": trained.business.model_copy(update={"currency": "JPY"})})
    with pytest.raises(UserError, match="build"):
        run_score(yen, tmp_path / "scores")


def assert_same(one, other):
    """Equal to the last bit: floats are compared as their bytes."""
    assert one.schema == other.schema
    for name in one.column_names:
        first, second = (column.combine_chunks() for column in (one[name], other[name]))
        assert first.is_null().equals(second.is_null()), name
        if pa.types.is_floating(first.type):
            first, second = (pa.array(c.drop_null().to_numpy().view(np.int64)) for c in (first, second))
        assert first.equals(second), name


@pytest.fixture(scope="module")
def scored(trained, tmp_path_factory):
    """One run that the tests only read."""
    folder = tmp_path_factory.mktemp("scored") / "scores"
    return run_score(trained, folder)


def test_every_customer_of_the_store_is_scored_or_has_a_reason(trained, scored):
    store = Store.open(trained.workspace)
    rows = batch.read_scores(scored)
    stored = [customer for index in range(store.n_buckets) for customer in store.customer_ids(index)]
    assert sorted(rows["customer_id"].to_pylist()) == sorted(stored)
    assert scored.customers == len(rows) == store.manifest.n_customers
    assert scored.customers == scored.scored + sum(scored.not_scored.values())
    assert rows["churn_probability"].null_count == sum(scored.not_scored.values()) > 0
    reasons = rows["not_scored_because"].drop_null().to_pylist()
    assert {reason: reasons.count(reason) for reason in set(reasons)} == scored.not_scored
    assert set(scored.not_scored) == {"never bought", "not bought within 365d"}


def test_who_is_not_eligible_has_a_reason_and_no_predictions(scored):
    assert batch.read_scores(scored).schema == SCORE_SCHEMA
    for row in batch.read_scores(scored).to_pylist():
        empty = {name for name in PREDICTIONS if row[name] is None}
        assert empty == (set() if row["eligible"] else set(PREDICTIONS))
        assert (row["not_scored_because"] is None) == row["eligible"]


def test_the_sums_of_a_run_are_those_of_its_rows(scored):
    rows = batch.read_scores(scored)
    assert scored.mean_churn_probability == pytest.approx(
        np.mean(rows["churn_probability"].drop_null()), rel=1e-12
    )
    assert scored.total_lifetime_value == pytest.approx(np.sum(rows["lifetime_value"].drop_null()), rel=1e-12)


def test_the_percentile_is_the_rank_in_the_base(scored):
    rows = batch.read_scores(scored)
    chance, percentile = (
        rows[name].drop_null().to_numpy() for name in ("churn_probability", "churn_percentile")
    )
    order = np.sort(chance)
    rank = (np.searchsorted(order, chance, "left") + np.searchsorted(order, chance, "right") - 1) / 2
    assert np.abs(percentile - 100 * rank / (len(chance) - 1)).max() <= 0.11
    assert (np.diff(percentile[np.argsort(chance)]) >= 0).all()


def test_the_same_run_twice_gives_the_same_bytes(trained, tmp_path):
    first = run_score(trained, tmp_path / "scores")
    files = {
        path.name: path.read_bytes() for path in (tmp_path / "scores").iterdir() if path.suffix == ".parquet"
    }
    kept = answers(first)
    again = run_score(trained, tmp_path / "scores")
    assert again == first
    assert {name: (tmp_path / "scores" / name).read_bytes() for name in files} == files
    later = run_score(trained, tmp_path / "scores", scored_at=NOON + 1)
    assert later.run != first.run
    assert_same(answers(later), kept)


def test_a_new_run_takes_the_place_of_the_old_one_which_stays_until_the_next(trained, tmp_path):
    folder = tmp_path / "scores"
    run_score(trained, folder)
    first = folder.resolve()
    run_score(trained, folder, scored_at=NOON + 1)
    second = folder.resolve()
    assert folder.is_symlink()
    assert second != first
    assert first.exists()
    run_score(trained, folder, scored_at=NOON + 2)
    versions = folder.resolve().parent
    assert {path.name for path in versions.iterdir()} == {second.name, folder.resolve().name, "LOCK"}
    manifest = json.loads((folder / batch.MANIFEST).read_text())
    assert {path.name for path in folder.iterdir()} == {
        batch.MANIFEST,
        *(part["file"] for part in manifest["parts"]),
    }


def test_a_reader_sees_one_whole_run_at_every_moment(trained, tmp_path):
    folder, seen, done = tmp_path / "scores", set(), threading.Event()
    run_score(trained, folder)

    def read():
        while not done.is_set():
            manifest = json.loads((folder / batch.MANIFEST).read_text())
            seen.add((manifest["run"], sum(part["rows"] for part in manifest["parts"])))

    reader = threading.Thread(target=read)
    reader.start()
    try:
        runs = [run_score(trained, folder, scored_at=NOON + later) for later in range(1, 4)]
    finally:
        done.set()
        reader.join()
    assert {rows for _, rows in seen} == {runs[0].customers}
    assert len(seen) > 1


@pytest.mark.parametrize("kind", ["file", "folder", "link"])
def test_a_place_that_holds_something_else_is_refused(trained, tmp_path, kind):
    folder, other = tmp_path / "scores", tmp_path / "other"
    other.mkdir()
    (other / "mine.txt").write_text("mine")
    if kind == "file":
        folder.write_text("mine")
    elif kind == "folder":
        shutil.copytree(other, folder)
    else:
        folder.symlink_to(other)
    with pytest.raises(UserError, match="was not written by `holdfast score`"):
        run_score(trained, folder)
    assert (other / "mine.txt").read_text() == "mine"
    assert (folder if kind == "file" else folder / "mine.txt").read_text() == "mine"


def test_an_empty_folder_is_taken(trained, tmp_path):
    (tmp_path / "scores").mkdir()
    run = run_score(trained, tmp_path / "scores")
    assert len(batch.read_scores(run)) == run.customers


def test_a_second_run_at_once_is_refused(trained, tmp_path):
    with sole_writer(trained.workspace / batch.RUNS), pytest.raises(UserError, match="Another"):
        run_score(trained, tmp_path / "scores")
    assert not (tmp_path / "scores").exists()


def test_a_second_run_of_another_business_into_the_same_folder_is_refused(trained, tmp_path):
    first = run_score(trained, tmp_path / "scores")
    with (
        sole_writer((tmp_path / "scores").resolve().parent),
        pytest.raises(UserError, match="Another"),
    ):
        run_score(trained, tmp_path / "scores", scored_at=NOON + 1)
    assert len(batch.read_scores(first)) == first.customers


def full(*_, **__):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize(
    ("owner", "name"),
    [(batch.pq, "write_table"), (batch, "flush"), (batch.os, "replace"), (batch, "_rank")],
    ids=["first pass", "flush", "swap", "second pass"],
)
def test_a_full_disk_is_named_and_leaves_the_scores_before(trained, tmp_path, monkeypatch, owner, name):
    folder = tmp_path / "scores"
    before = run_score(trained, folder)
    kept, looked_up = answers(before), look_up(tmp_path / "scores.db", ["C0000000"])
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, full)
        with pytest.raises(UserError, match=r"No space left.*the scores before stay"):
            run_score(trained, folder, scored_at=NOON + 1)
    assert json.loads((folder / batch.MANIFEST).read_text())["run"] == before.run
    assert_same(answers(before), kept)
    assert look_up(tmp_path / "scores.db", ["C0000000"]) == looked_up
    run_score(trained, folder, scored_at=NOON + 2)
    names = {path.name for path in folder.resolve().parent.iterdir()}
    assert names == {before.run, folder.resolve().name, "LOCK"}


def test_a_place_that_cannot_be_written_is_named(trained, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"cannot be written.*--out"):
        run_score(trained, tmp_path / "file" / "scores", table=f"sqlite:///{tmp_path / 'scores.db'}")


def test_a_score_table_that_cannot_be_written_is_named_before_anything_is_scored(trained, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"scores\.db cannot be written"):
        run_score(trained, tmp_path / "scores", table=f"sqlite:///{tmp_path / 'file' / 'scores.db'}")
    assert not (tmp_path / "scores").exists()


def test_a_disk_that_is_full_at_the_score_table_keeps_the_table_before(trained, tmp_path, monkeypatch):
    folder = tmp_path / "scores"
    run_score(trained, folder)
    looked_up = look_up(tmp_path / "scores.db", ["C0000000"])
    with monkeypatch.context() as patch:
        patch.setattr(scores, "publish", full)
        with pytest.raises(UserError, match=r"No space left.*its scores before stay, .*holds the new ones"):
            run_score(trained, folder, scored_at=NOON + 1)
    assert look_up(tmp_path / "scores.db", ["C0000000"]) == looked_up
    assert json.loads((folder / batch.MANIFEST).read_text())["scored_at"] == to_text(NOON + 1)


def test_a_cutoff_beyond_the_facts_is_refused(trained, tmp_path):
    beyond = Store.open(trained.workspace).observed_until + 1
    with pytest.raises(QuestionError, match="choose an earlier --cutoff"):
        run_score(trained, tmp_path / "scores", cutoff=beyond)
    assert list(tmp_path.iterdir()) == []


def test_without_a_champion_nothing_is_scored(workshop, tmp_path):
    (workshop.workspace / "mlflow.db").unlink()
    with pytest.raises(ModelUnavailable, match="no champion for attrition and lifetime-value"):
        run_score(workshop, tmp_path / "scores")
    assert not (tmp_path / "scores").exists()


@pytest.mark.parametrize("n_buckets", [1, 8])
def test_scores_do_not_depend_on_the_number_of_buckets(workshop, scored, tmp_path, n_buckets):
    build(workshop, n_buckets=n_buckets)
    again = run_score(workshop, tmp_path / "scores")
    assert len(json.loads((tmp_path / "scores" / batch.MANIFEST).read_text())["parts"]) == n_buckets
    assert_same(answers(again), answers(scored))


@pytest.mark.parametrize("lifecycle", ["active", "slipping", "lapsed"])
def test_a_customer_alone_is_scored_as_among_others(workshop, scored, tmp_path, lifecycle):
    """One of no known household: those who share one are scored with its members."""
    people = pq.read_table(workshop.folder / "customers.parquet").to_pylist()
    single = {one["customer_id"] for one in people if one["household_id"] is None}
    rows = [row for row in answers(scored).to_pylist() if row["customer_id"] in single]
    row = next(row for row in rows if row["lifecycle"] == lifecycle)
    for table in ("purchases", "customers"):
        source = workshop.folder / f"{table}.parquet"
        rows = pq.read_table(source)
        pq.write_table(rows.filter(pc.field("customer_id") == row["customer_id"]), source)
    build(workshop)
    run = run_score(workshop, tmp_path / "scores")
    (alone,) = answers(run).to_pylist()
    percentile = alone.pop("churn_percentile")
    row.pop("churn_percentile")
    assert alone == row
    assert percentile == (None if lifecycle == "lapsed" else 50.0)


def look_up(path, customers):
    table = scores.SqliteScores(path)
    try:
        return table.lookup(customers)
    finally:
        table.close()


def test_a_look_up_answers_what_the_files_say(scored, tmp_path_factory):
    rows = batch.read_scores(scored).to_pylist()
    for row in rows:
        for name in ("cutoff", "scored_at"):
            row[name] = scores.iso(int(row[name].timestamp() * 1_000_000))
    found = look_up(
        batch.Path(scored.folder).parent / "scores.db", [*(row["customer_id"] for row in rows), "nobody"]
    )
    assert found == [*rows, None]


def test_an_earlier_cutoff_is_scored_from_what_was_known_then(workshop, scored, tmp_path):
    cutoff = Store.open(workshop.workspace).observed_until - 90 * MICROSECONDS_PER_DAY
    then = answers(run_score(workshop, tmp_path / "scores", cutoff=cutoff))
    source = workshop.folder / "purchases.parquet"
    rows, instant = pq.read_table(source), pa.scalar(cutoff, pa.timestamp("us", "UTC"))
    known_at = pc.coalesce(rows["known_at"], rows["purchased_at"])
    known = pc.and_(pc.less(rows["purchased_at"], instant), pc.less(known_at, instant))
    pq.write_table(rows.filter(known), source)
    build(workshop, n_buckets=4)
    assert_same(answers(run_score(workshop, tmp_path / "scores", cutoff=cutoff)), then)
    assert not then.equals(answers(scored))


def test_a_run_is_found_by_its_cutoff(workshop, tmp_path):
    run = run_score(workshop, tmp_path / "scores")
    cutoff = Store.open(workshop.workspace).observed_until
    assert batch.read_run(workshop, cutoff) == run
    with pytest.raises(UserError, match="Nothing has been scored"):
        batch.read_run(workshop, cutoff - 1)
    shutil.rmtree((tmp_path / "scores").resolve())
    with pytest.raises(UserError, match=f"--cutoff {to_text(cutoff)}"):
        batch.read_run(workshop, cutoff)

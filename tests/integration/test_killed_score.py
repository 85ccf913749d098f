"""A run killed at any moment leaves the old scores or the new ones, and the next run clears up."""

import contextlib
import hashlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from serving import batch

ROOT = Path(__file__).resolve().parents[2]
N_MOMENTS = 14
MAY_STAY = {"scores.db.new-previous"}
"""A second link to the previous file stays until the next run where the run before it was killed."""


@pytest.fixture(scope="module")
def runs():
    """A program that forks a run for each line it is given."""
    program = ROOT / "tests" / "dying_scores.py"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-W", "ignore", str(program)], cwd=ROOT, **pipes) as server:
        yield server
        server.stdin.close()


class Night:
    """One base that is scored again and again into the same folder and score table."""

    def __init__(self, runs, business):
        self.runs = runs
        self.folder = business.folder / "scores"
        self.table = business.workspace / "scores.db"
        self.words = [str(business.path), "--out", str(self.folder)]

    def start(self, moment=0):
        """Begin a run that dies before a change of a name; return the number of its process."""
        order = {"words": self.words, "inside": str(self.folder.parent), "moment": moment}
        self.runs.stdin.write(json.dumps(order) + "\n")
        self.runs.stdin.flush()
        heard = self.until("begins")
        return next(line["pid"] for line in heard if "pid" in line)

    def until(self, word):
        """Everything that the runs say up to a word that both the run and the server have said."""
        heard = []
        while not any(word in line for line in heard) or not any(
            "pid" in line or "over" in line for line in heard
        ):
            heard.append(json.loads(self.runs.stdout.readline()))
        return heard

    def end(self):
        """Wait for the end; return the changes of names, and whether the run was killed."""
        heard = self.until("over")
        killed = heard[-1]["over"] == -signal.SIGKILL
        assert killed or {"done": 0} in heard
        return [line["change"] for line in heard if "change" in line], killed

    def run(self):
        """Score to the end; return how long it took from its beginning."""
        self.start()
        began = time.monotonic()
        assert not self.end()[1]
        return time.monotonic() - began

    def run_killed_after(self, seconds):
        """Score and kill the run so long after its beginning; return whether it was still at work."""
        pid = self.start()
        time.sleep(seconds)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        return self.end()[1]

    def run_killed_before(self, moment):
        """Score and die before a change of a name; return the changes until then, and whether it died."""
        self.start(moment)
        return self.end()

    def read(self):
        """What a reader sees: the whole run in the folder and the whole batch in the score table."""
        manifest = json.loads((self.folder / batch.MANIFEST).read_text())
        files = {path.name for path in self.folder.iterdir()}
        assert files == {batch.MANIFEST, *(part["file"] for part in manifest["parts"])}
        rows = []
        for part in manifest["parts"]:
            path = self.folder / part["file"]
            assert hashlib.sha256(path.read_bytes()).hexdigest() == part["sha256"]
            table = pq.read_table(path)
            assert len(table) == part["rows"]
            rows += table.select(["customer_id", "churn_probability", "scored_at"]).to_pylist()
        assert len(rows) == manifest["customers"]
        assert {row["scored_at"].isoformat() for row in rows} == {_moment(manifest["scored_at"])}
        return manifest["run"], {row["customer_id"]: row["churn_probability"] for row in rows}

    def look_up(self):
        """The batch in the score table."""
        database = sqlite3.connect(f"{self.table.as_uri()}?mode=ro&immutable=1", uri=True)
        try:
            assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            (scored_at,) = database.execute("SELECT DISTINCT scored_at FROM scores").fetchall()
            assert database.execute("SELECT scored_at, customers FROM batch").fetchall() == [
                (*scored_at, database.execute("SELECT count(*) FROM scores").fetchone()[0])
            ]
            return scored_at[0], dict(database.execute("SELECT customer_id, churn_probability FROM scores"))
        finally:
            database.close()

    def assert_nothing_is_left_over(self):
        """Two whole versions at most, and no unfinished file of either kind."""
        current = self.folder.resolve()
        versions = {path for path in current.parent.iterdir() if path.name != "LOCK"}
        assert current in versions
        assert len(versions) <= 2
        assert all((version / batch.MANIFEST).is_file() for version in versions)
        names = {path.name for path in self.table.parent.glob("scores.db*")}
        assert names - MAY_STAY == {"scores.db", "scores.db.previous", "scores.db.lock"}


def _moment(text):
    return text.replace("Z", "+00:00")


@pytest.fixture
def night(runs, workshop):
    night = Night(runs, workshop)
    night.run()
    return night


def test_a_run_killed_at_any_time_leaves_the_old_scores_or_the_new(night):
    length, expected = max(night.run() for _ in range(2)), night.read()[1]
    seen, outcomes, n_killed = night.read()[0], set(), 0
    for moment in range(N_MOMENTS):
        n_killed += night.run_killed_after(length * moment / (N_MOMENTS - 2))
        run, scores = night.read()
        assert scores == expected
        assert night.look_up()[1] == expected
        outcomes.add("old" if run == seen else "new")
        seen = run
    assert n_killed >= N_MOMENTS // 2
    assert outcomes == {"old", "new"}
    night.run()
    assert night.read()[0] != seen
    night.assert_nothing_is_left_over()


def test_a_run_that_dies_before_any_change_of_a_name_leaves_the_old_scores_or_the_new(night):
    expected, seen, outcomes = night.read()[1], night.read()[0], []
    moment, died = 1, True
    while died:
        heard, died = night.run_killed_before(moment)
        run, scores = night.read()
        assert scores == night.look_up()[1] == expected
        outcomes.append("old" if run == seen else "new")
        if died and moment % 4 == 0:
            night.run()
            night.assert_nothing_is_left_over()
        seen, moment = night.read()[0], moment + 1
    assert {"os.rename", "os.symlink", "os.link", "shutil.rmtree"} <= set(heard)
    assert moment > 12
    assert set(outcomes) == {"old", "new"}
    night.assert_nothing_is_left_over()


def test_a_first_run_that_is_killed_leaves_no_scores_and_is_repeated(runs, workshop):
    night = Night(runs, workshop)
    _, died = night.run_killed_before(4)
    assert died
    assert not Path(night.folder).exists()
    assert not night.table.exists()
    night.run()
    assert len(night.read()[1]) == len(night.look_up()[1])

"""Going back to the champions before: one command, in seconds, and every score is what it was."""

import json
import time
from pathlib import Path

import pytest

from features.store import Store
from serving import batch, cli
from training import KINDS, jobs
from training.tracking import Tracking

NOON = 1_751_371_200_000_000
MOST_SECONDS = 5


def quiet(_what, _done, _total):
    pass


def score(business, folder):
    """Score everybody, at the same instant of the record; return the bytes of every file of scores."""
    until = Store.open(business.workspace).observed_until
    target = batch.Target(folder, f"sqlite:///{folder.parent / 'scores.db'}")
    run = batch.score(business, until, NOON, target, quiet)
    parts = sorted(Path(run.folder).glob("**/*.parquet"))
    assert parts
    return [part.read_bytes() for part in parts]


@pytest.fixture
def replaced(workshop, tmp_path):
    """A business whose champions have just been replaced, and its scores before and after that."""
    before = score(workshop, tmp_path / "before")
    for one in jobs.train(workshop, jobs.Settings(seed=7, promote=False), quiet):
        Tracking(workshop).promote(one.kind, one.version.number)
    return workshop, before, score(workshop, tmp_path / "after")


def test_one_command_brings_back_every_score_to_the_byte_in_seconds(replaced, tmp_path, capsys):
    business, before, after = replaced
    assert before != after
    replacing = {kind: Tracking(business).champion(kind).number for kind in KINDS}
    started = time.monotonic()
    assert cli.main(["rollback", str(business.path), "--json"]) == 0
    assert time.monotonic() - started < MOST_SECONDS
    assert len(json.loads(capsys.readouterr().out)["champions"]) == len(KINDS)
    assert all(Tracking(business).champion(kind).number < replacing[kind] for kind in KINDS)
    assert score(business, tmp_path / "again") == before

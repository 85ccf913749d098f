"""Replaying history: at every origin nothing is known of what came later."""

import json
from dataclasses import replace

import numpy as np
import pytest

from experiments.simulator import simulate
from features import business as businesses
from features.build import build
from features.errors import QuestionError
from features.store import Store
from features.windows import days, to_text
from serving import cli
from training.backtest import backtest
from training.tracking import Tracking
from training.workshop import Settings


def quiet(_what, _done, _total):
    pass


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    business = businesses.load(simulate(tmp_path_factory.mktemp("shop"), customers=600, seed=11).business)
    build(business, n_buckets=2)
    return business


@pytest.fixture(scope="module")
def replays(shop):
    return list(backtest(shop, 2, Settings(kinds=("attrition",)), quiet))


def test_origins_lie_an_outcome_window_apart_and_the_newest_is_realised(shop, replays):
    until = Store.of(shop).observed_until
    assert [one.origin for one in replays] == [until - days(180).microseconds, until - days(90).microseconds]
    assert [one.facts["cutoff"] for one in replays] == [to_text(one.origin) for one in replays]


def test_a_replay_says_what_training_at_the_origin_would_have_said(shop, replays):
    """The future of an origin changes nothing: a replay that may not look beyond it says the same."""
    newest = replays[-1]
    (alone,) = backtest(shop, 1, Settings(kinds=("attrition",)), quiet)
    assert np.array_equal(alone.evidence.predicted, newest.evidence.predicted)
    (older,) = backtest(shop, 1, Settings(kinds=("attrition",), until=newest.origin), quiet)
    assert older.origin == replays[0].origin
    assert np.array_equal(older.evidence.predicted, replays[0].evidence.predicted)


def test_nothing_is_registered(shop, replays):
    assert replays
    assert Tracking(shop).versions("attrition") == []


def test_a_history_without_an_origin_is_refused(shop):
    early = Store.of(shop).manifest.tables["purchases"].first_at + days(150).microseconds
    with pytest.raises(QuestionError, match="holds no cutoff"):
        list(backtest(shop, 1, replace(Settings(), until=early), quiet))


def test_the_verb_shows_each_cutoff_with_its_figures(shop, capsys):
    assert cli.main(["evaluate", str(shop.path), "--backtest", "--origins", "1", "--json"]) == 0
    lines = json.loads(capsys.readouterr().out)
    assert [line["kind"] for line in lines] == ["attrition", "lifetime-value"]
    assert all(line["metrics"]["model"] and line["metrics"][line["rival"]] for line in lines)


def test_without_a_cutoff_or_backtest_evaluate_asks_for_one(shop, capsys):
    assert cli.main(["evaluate", str(shop.path)]) == 2
    assert "Of which cutoff?" in capsys.readouterr().err

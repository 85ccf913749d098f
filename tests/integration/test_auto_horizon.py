"""``horizon = "auto"`` from the store to the evaluation: advised at the training, and kept from then on."""

import json
from pathlib import Path

import pytest

from experiments.simulator import simulate
from features import business as businesses
from features.build import build
from features.store import Store
from features.windows import days, parse_instant, to_text
from serving import cli
from training import advice, artifact, gate, jobs
from training.tracking import Tracking

UNTIL = parse_instant("2025-01-01")


def quiet(_what, _done, _total):
    pass


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """A simulated business that leaves the horizon open, trained as if today were half a year earlier."""
    folder = tmp_path_factory.mktemp("auto")
    path = simulate(folder, customers=800, seed=3).business
    text = path.read_text(encoding="utf-8")
    assert 'horizon  = "90d" ' in text
    path.write_text(text.replace('horizon  = "90d" ', 'horizon  = "auto"'), encoding="utf-8")
    business = businesses.load(path)
    build(business, n_buckets=4)
    for one in jobs.train(business, jobs.Settings(until=UNTIL, promote=False), quiet):
        Tracking(business).promote(one.kind, one.version.number)
    return business


def champion(business):
    tracking = Tracking(business)
    return artifact.load(tracking.folder(tracking.champion("attrition")))


def advised(business):
    return advice.advise(business, Store.of(business), UNTIL, quiet)


def test_the_model_asks_over_the_horizon_that_was_advised_at_its_training(shop):
    model, found = champion(shop), advised(shop)
    assert model.facts["horizon"] == model.facts["question"]["horizon"] == str(found.horizon)
    assert days(round(model.inputs.horizon_days)) == found.horizon
    assert str(found.horizon) in model.facts["asks"]


def test_the_card_says_why(shop):
    tracking = Tracking(shop)
    version = tracking.champion("attrition")
    card = Path(tracking.client.download_artifacts(version.run_id, "card.md")).read_text(encoding="utf-8")
    assert f"Why this horizon: {advised(shop).reason}" in card


def test_scores_and_their_evaluation_keep_it_whatever_the_advisor_says_now(shop, monkeypatch, capsys):
    """Later facts may move the advice; neither verb asks for it."""
    asked = champion(shop).facts["horizon"]

    def otherwise(*_):
        raise AssertionError("the advisor was asked again")

    monkeypatch.setattr(advice, "advise", otherwise)
    monkeypatch.setattr("training.workshop.settled", otherwise)
    cutoff = to_text(UNTIL)
    assert cli.main(["score", str(shop.path), "--cutoff", cutoff]) == 0
    capsys.readouterr()
    assert cli.main(["evaluate", str(shop.path), "--cutoff", cutoff, "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)["cards"]["attrition"]["facts"]
    assert facts["questions"]["attrition"]["horizon"] == asked
    assert asked in facts["asks"]


def test_a_champion_of_another_horizon_is_judged_by_its_recipe(shop, monkeypatch):
    """Its chances of a shorter silence would lose to any answer to the new question."""
    old = champion(shop)
    seen = {}
    judge = gate.judge

    def watching(found, **how):
        seen[found.kind] = found
        return judge(found, **how)

    monkeypatch.setattr(gate, "judge", watching)
    monkeypatch.setattr(advice, "CANDIDATES", (30,))
    later = UNTIL + days(150).microseconds
    settings = jobs.Settings(kinds=("attrition",), until=later, promote=False)
    (trained,) = jobs.train(shop, settings, quiet)
    assert trained.card["facts"]["horizon"] == "30d" != old.facts["horizon"]
    found = seen["attrition"]
    mean = found.rivals[gate.CHAMPION].mean()
    assert abs(mean - found.realised.mean()) < 0.15

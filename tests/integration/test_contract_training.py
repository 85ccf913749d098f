"""Churn by contract, from the store to the scores of everybody, where nobody buys anything."""

import json

import numpy as np
import pytest
from contracts import OBSERVED_UNTIL, club

from features.build import build
from features.errors import QuestionError
from features.windows import days, parse_instant
from serving import batch, cli
from serving.scorer import Scorer
from training import KINDS, jobs, workshop
from training.evaluation import evaluate
from training.tracking import Tracking


def quiet(_what, _done, _total):
    pass


@pytest.fixture(scope="module")
def business(tmp_path_factory):
    made = club(tmp_path_factory.mktemp("club"))
    build(made, n_buckets=2)
    return made


@pytest.fixture(scope="module")
def trained(business):
    (one, *_) = jobs.train(business, jobs.Settings(until=OBSERVED_UNTIL - days(90).microseconds), quiet)
    return one


def test_who_leaves_is_learnt_from_contracts_alone(trained):
    assert trained.kind == "attrition"
    assert trained.promoted, trained.refusals
    figures = trained.card["metrics"]
    assert figures["model"]["roc_auc"]["value"] > 0.6
    assert figures["model"]["log_loss"]["value"] < figures["attrition_rate"]["log_loss"]["value"]
    assert figures["model"]["log_loss"]["value"] < figures["tenure_rule"]["log_loss"]["value"]


def test_everybody_under_contract_is_scored_and_nobody_else(business, trained, tmp_path):
    cutoff = OBSERVED_UNTIL - days(90).microseconds
    target = batch.Target(tmp_path / "scores", f"sqlite:///{tmp_path / 'scores.db'}")
    run = batch.score(business, cutoff, cutoff, target, quiet)
    scores = batch.read_scores(run).to_pandas()
    assert set(run.not_scored) <= {"not under contract"}
    assert run.scored == scores["eligible"].sum() > 100
    assert scores.loc[scores["eligible"], "churn_probability"].between(0, 1).all()
    assert set(scores.loc[~scores["eligible"], "lifecycle"].dropna()) <= {"lapsed"}
    assert set(scores.loc[scores["eligible"], "lifecycle"]) <= {"new", "active", "returned"}
    known = scores[scores["eligible"]]
    most = known["lifetime_value_high"].max()
    assert most == pytest.approx(30 / (365.25 / 12) * 90 * 0.5, rel=0.02)
    assert (known["lifetime_value_low"] <= known["lifetime_value"]).all()
    assert (known["lifetime_value"] <= known["lifetime_value_high"]).all()
    assert (known["value_at_risk"] == known["churn_probability"] * known["lifetime_value"]).all()
    found = evaluate(
        business, cutoff, batch.read_scores(run), {"business": "club", "questions": run.questions}, quiet
    )
    assert found.customers == run.scored
    assert found.value_predicted == pytest.approx(found.value_realised, rel=0.06)
    assert found.churn_predicted == pytest.approx(found.churn_realised, abs=0.08)


def test_a_run_is_repeated_to_the_byte(business, trained, capsys):
    run = trained.version.run_id
    assert cli.main(["train", str(business.path), "--from-run", run, "--json"]) == 0
    again = json.loads(capsys.readouterr().out)
    assert again[0]["promoted"] is False
    tracking = Tracking(business)
    assert jobs.differing(business, run, [trained]) == []
    newest = tracking.versions("attrition")[0]
    manifests = [
        (tracking.folder(version) / "manifest.json").read_bytes() for version in (trained.version, newest)
    ]
    assert newest.number > trained.version.number
    assert manifests[0] == manifests[1]


def test_a_run_that_never_was_cannot_be_repeated(business, capsys):
    assert cli.main(["train", str(business.path), "--from-run", "0" * 32]) == 2
    assert "No model was registered by a run" in capsys.readouterr().err


def test_no_cutoff_is_older_than_the_first_exit_on_record(tmp_path):
    """A table of today's customers says who left lately; before that nobody seems to have left."""
    lately = club(tmp_path, n=900, ends_from=parse_instant("2023-06-15"), priced=False)
    build(lately, n_buckets=1)
    (one,) = jobs.train(lately, jobs.Settings(promote=False), quiet)
    assert "2023-06-15" <= min(one.card["facts"]["refit_cutoffs"]) < "2023-09-15"


def test_values_alone_are_learnt_from_the_cutoffs_and_customers_of_both(tmp_path):
    lately = club(tmp_path, n=300, ends_from=parse_instant("2023-06-15"))
    build(lately, n_buckets=1)
    alone, both = (
        workshop.set_up(lately, jobs.Settings(kinds=kinds), quiet) for kinds in (("lifetime-value",), KINDS)
    )
    assert alone.plan == both.plan
    assert len(alone.examples.panel) == len(both.examples.panel) > 0


def test_without_prices_there_are_chances_and_no_values(tmp_path):
    free = club(tmp_path, n=300, priced=False)
    build(free, n_buckets=1)
    for one in jobs.train(free, jobs.Settings(promote=False), quiet):
        Tracking(free).promote(one.kind, one.version.number)
    scorer = Scorer.load(free)
    assert scorer.lifetime_value is None
    assert scorer.value_horizon_days is None
    assert [one["kind"] for one in scorer.models()] == ["attrition"]
    run = batch.score(
        free,
        OBSERVED_UNTIL,
        OBSERVED_UNTIL,
        batch.Target(tmp_path / "s", f"sqlite:///{tmp_path / 's.db'}"),
        quiet,
    )
    assert run.total_lifetime_value is None
    scores = batch.read_scores(run).to_pandas()
    assert scores["churn_probability"].notna().any()
    assert scores["lifetime_value"].isna().all()
    with pytest.raises(QuestionError, match="lifetime-value needs purchases, or contracts that have a price"):
        jobs.train(free, jobs.Settings(kinds=("lifetime-value",)), quiet)


def test_probabilities_order_the_plans_as_they_are_left(business, trained):
    scorer = Scorer.load(business)
    from features.store import Store

    store = Store.of(business)
    parts = [
        scorer.score(store.read(index, scorer.columns()), OBSERVED_UNTIL, OBSERVED_UNTIL)
        for index in range(store.n_buckets)
    ]
    chances = np.concatenate([part["churn_probability"].to_numpy(zero_copy_only=False) for part in parts])
    assert np.nanmax(chances) > 2 * np.nanmin(chances)

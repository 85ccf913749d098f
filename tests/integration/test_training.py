"""Training from the store to the registry: runs, gate, promotion, rollback, repeatability."""

import hashlib
import json
import os
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from experiments.simulator import simulate
from features import business as businesses
from features.build import build
from features.errors import ContractMismatch, QualityRefused, QuestionError, UserError
from features.windows import days, parse_instant, to_datetime
from training import KINDS, artifact, jobs, workshop
from training.tracking import CHALLENGER, CHAMPION, Tracking

EARLIER = parse_instant("2025-06-01")


def quiet(_what, _done, _total):
    pass


def train(business, **settings):
    return jobs.train(business, jobs.Settings(**settings), quiet)


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """A small business with a champion of a month ago."""
    folder = tmp_path_factory.mktemp("shop")
    simulate(folder, customers=700, seed=5)
    business = businesses.load(folder / "business.toml")
    build(business)
    first = train(business, until=EARLIER)
    assert [one.promoted for one in first] == [True, True], [one.refusals for one in first]
    return business


def _digests(folder):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def test_a_run_holds_its_models_as_nested_runs_with_card_and_dataset(shop):
    tracking = Tracking(shop)
    version = tracking.champion("attrition")
    run = tracking.client.get_run(version.run_id)
    assert run.data.tags["mlflow.parentRunId"]
    assert run.data.metrics["model.log_loss"] < run.data.metrics["recency_rule.log_loss"]
    (logged,) = run.inputs.dataset_inputs
    assert logged.dataset.digest
    assert {item.path for item in tracking.client.list_artifacts(version.run_id)} >= {"card.json", "card.md"}


def test_no_customer_is_named_in_what_is_tracked(shop):
    from features.store import Store

    store = Store.open(shop.workspace)
    ids = store.customer_ids(0)
    written = b"".join(
        path.read_bytes() for path in (shop.workspace / "artifacts").rglob("*") if path.is_file()
    )
    assert [name for name in ids if name.encode() in written] == []


def test_nothing_after_until_is_used(shop, tmp_path):
    """Trained until a day on all facts, or on the facts that were known that day: the same numbers."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    text = shop.path.read_text(encoding="utf-8").replace('"2025-07-01"', '"2025-06-01"')
    (tmp_path / "business.toml").write_text(text, encoding="utf-8")
    (tmp_path / "customers.parquet").write_bytes((shop.folder / "customers.parquet").read_bytes())
    rows = pq.read_table(shop.folder / "purchases.parquet")
    until = to_datetime(EARLIER)
    known = pc.less(pc.coalesce(rows["known_at"], rows["purchased_at"]), until)
    pq.write_table(
        rows.filter(pc.and_(known, pc.less(rows["purchased_at"], until))), tmp_path / "purchases.parquet"
    )
    past = businesses.load(tmp_path / "business.toml")
    build(past)
    manifests = []
    for business in (shop, past):
        (trained,) = train(business, until=EARLIER, promote=False, kinds=("attrition",))
        folder = Tracking(business).folder(trained.version)
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        manifests.append({key: manifest[key] for key in ("sha256", "prior", "state", "golden")})
    assert manifests[0] == manifests[1]


def test_the_same_data_and_seed_give_the_same_model_bytes(shop):
    tracking = Tracking(shop)
    folders = []
    for _ in range(2):
        trained = train(shop, until=EARLIER, promote=False, kinds=("attrition",))
        folders.append(tracking.folder(trained[0].version))
    assert _digests(folders[0]) == _digests(folders[1])


def test_an_equal_challenger_is_refused_and_the_champion_stays(shop):
    before = Tracking(shop).champion("attrition").number
    trained = train(shop, until=EARLIER)
    with pytest.raises(QualityRefused, match=r"champion.*difference \+0\.00000"):
        jobs.refuse(trained)
    assert not any(one.promoted for one in trained)
    after = Tracking(shop)
    assert after.champion("attrition").number == before
    assert CHALLENGER in after.version("attrition", trained[0].version.number).aliases


def test_a_challenger_that_has_seen_more_is_promoted_and_can_be_rolled_back_in_seconds(shop):
    tracking = Tracking(shop)
    before = {kind: tracking.champion(kind) for kind in KINDS}
    digests = {kind: _digests(tracking.folder(version)) for kind, version in before.items()}
    trained = train(shop)
    assert [one.promoted for one in trained] == [True, True], [one.refusals for one in trained]
    now = {kind: tracking.champion(kind) for kind in KINDS}
    assert all(CHAMPION in version.aliases for version in now.values())
    assert all(now[kind].number > before[kind].number for kind in KINDS)

    started = time.monotonic()
    tracking.rollback(KINDS)
    assert time.monotonic() - started < 5
    for kind in KINDS:
        version = tracking.champion(kind)
        assert version.number == before[kind].number
        assert _digests(tracking.folder(version)) == digests[kind]


def test_there_is_nothing_to_go_back_to_before_the_first_champion(shop):
    with pytest.raises(UserError, match="nothing to go back to"):
        Tracking(shop).rollback(KINDS)


def test_a_search_keeps_the_defaults_unless_it_beats_them(shop):
    trained = train(shop, until=EARLIER, promote=False, kinds=("attrition",), trials=2)
    run_id = trained[0].version.run_id
    path = Tracking(shop).client.download_artifacts(run_id, "trials.json")
    trials = json.loads(Path(path).read_text(encoding="utf-8"))
    assert [trial["number"] for trial in trials] == [0, 1, 2]
    model = artifact.load(Tracking(shop).folder(trained[0].version))
    # The whole model may bear more rounds than the booster that stood for it.
    tried = [trial["parameters"] | {"rounds": None} for trial in trials]
    kept = model.facts["parameters"]
    assert not kept or {**kept, "rounds": None} in tried


def test_the_tracking_uri_of_the_environment_wins(shop, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/other.db")
    elsewhere = Tracking(shop)
    assert elsewhere.champion("attrition") is None
    assert (tmp_path / "other.db").exists()
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert Tracking(shop).champion("attrition") is not None


def test_two_businesses_in_one_process_keep_their_own_registries(shop, tmp_path):
    assert Tracking(shop).champion("attrition") is not None
    assert "MLFLOW_TRACKING_URI" not in os.environ
    other = shop.model_copy(update={"workspace": tmp_path / "other"})
    assert Tracking(other).champion("attrition") is None


def test_scores_are_judged_by_the_question_that_they_answer(shop, tmp_path):
    from serving import batch
    from training.evaluation import evaluate

    cutoff = parse_instant("2025-03-01")
    target = batch.Target(tmp_path / "scores", f"sqlite:///{tmp_path / 'scores.db'}")
    run = batch.score(shop, cutoff, cutoff, target, quiet)
    facts = {"business": "shop", "questions": run.questions}
    found = evaluate(shop, cutoff, batch.read_scores(run), facts, quiet)
    assert found.customers == run.scored
    other = shop.model_copy(update={"churn": shop.churn.model_copy(update={"horizon": days(30)})})
    with pytest.raises(ContractMismatch, match="90d then, 30d now"):
        evaluate(other, cutoff, batch.read_scores(run), facts, quiet)


def test_margin_is_counted_line_by_line_where_only_some_lines_carry_costs(shop):
    from features.panel import panel_of
    from features.store import Store

    store = Store.of(shop)
    (question,) = workshop.questions_of(shop, store, ["lifetime-value"])
    features = workshop.needed_features(store, [question])
    bucket = store.read(0, features.columns)
    panel = panel_of(features, bucket, np.array([store.observed_until]))
    whole = question.margin_on(panel)
    lines = bucket.tables["purchases"]
    rng = np.random.default_rng(0)
    cost = np.where(rng.random(len(lines.at)) < 0.8, np.nan, lines.columns["cost"])
    part = replace(lines, columns={**lines.columns, "cost": cost})
    panel = panel_of(
        features, replace(bucket, tables={**bucket.tables, "purchases": part}), panel.cutoffs[:1]
    )
    expected = 0.8 * question.margin + 0.2 * whole
    assert question.margin_on(panel) == pytest.approx(expected, abs=0.03)


def test_an_attribute_that_changes_its_kind_is_refused(shop):
    from features.panel import panel_of
    from features.store import Store

    model = artifact.load(Tracking(shop).folder(Tracking(shop).champion("attrition")))
    store = Store.of(shop)
    bucket = store.read(0, model.features.columns)
    panel = panel_of(model.features, bucket, np.array([store.observed_until]))
    assert np.isfinite(model.predict(panel)["churn_probability"]).any()
    with pytest.raises(ContractMismatch, match="customers_age was a number"):
        model.predict(replace(panel, levels={**panel.levels, "customers_age": ["old", "young"]}))
    with pytest.raises(ContractMismatch, match="customers_acquisition_channel was a category"):
        model.predict(replace(panel, levels={}))


def test_looking_beyond_the_facts_is_refused(shop):
    with pytest.raises(QuestionError, match="look beyond"):
        train(shop, until=parse_instant("2026-01-01"))


def test_churn_by_exit_is_refused_by_name(shop):
    other = shop.model_copy(update={"churn": shop.churn.model_copy(update={"kind": "exit"})})
    with pytest.raises(QuestionError, match="exit"):
        train(other)


def test_pyfunc_takes_a_panel_with_categories_as_it_is(shop):
    from features.panel import panel_of
    from features.store import Store

    tracking = Tracking(shop)
    model = artifact.load(tracking.folder(tracking.champion("attrition")))
    store = Store.of(shop)
    panel = panel_of(model.features, store.read(0, model.features.columns), np.array([store.observed_until]))
    assert model.inputs.levels
    import mlflow

    uri = f"models:/{tracking.model_name('attrition')}@{CHAMPION}"
    said = mlflow.pyfunc.load_model(uri).predict(panel.to_pandas()[list(model.features.names)])
    expected = model.predict(panel)["churn_probability"]
    assert said["churn_probability"].to_numpy().tobytes() == expected.tobytes()


def test_a_year_is_told_in_the_card_and_to_data_scientists_but_not_in_the_scores(shop):
    from features.panel import panel_of
    from features.store import Store

    tracking = Tracking(shop)
    version = tracking.champion("lifetime-value")
    model = artifact.load(tracking.folder(version))
    assert model.facts["extended_horizons"] == ["365d"]
    (total,) = model.facts["horizon_totals"]
    low, high = total["band"]
    assert low < total["expected"] < high
    path = tracking.client.download_artifacts(version.run_id, "card.json")
    text = " ".join(json.loads(Path(path).read_text(encoding="utf-8"))["limits"])
    assert f"In 365d those who judge it are expected to bring {total['expected']:,.0f} USD" in text
    assert "Its level is a forecast" in text
    store = Store.of(shop)
    panel = panel_of(model.features, store.read(0, model.features.columns), np.array([store.observed_until]))
    import mlflow

    loaded = mlflow.pyfunc.load_model(f"models:/{tracking.model_name('lifetime-value')}@{CHAMPION}")
    assert [column.name for column in loaded.metadata.signature.outputs] == list(model.output_names)
    said = loaded.predict(panel.to_pandas()[list(model.features.names)])
    some = said["lifetime_value"] > 0
    assert (said["lifetime_value_365d"][some] >= said["lifetime_value"][some]).all()
    assert 2 < said["lifetime_value_365d"].sum() / said["lifetime_value"].sum() < 365 / 90
    assert "lifetime_value_365d" not in model.predict(panel)


def test_the_level_is_forecast_from_a_year_ago_for_the_model_and_for_its_judge(shop):
    made = workshop.set_up(shop, jobs.Settings(kinds=("lifetime-value",)), quiet)
    (recipe,) = made.recipes()
    holdout = made.plan.holdout[0]
    assert set(recipe.outlooks) == {holdout, made.until}
    assert all(one.knows_season for one in recipe.outlooks.values())
    rows = recipe.eligible(made.examples.at(made.plan.refit))
    level = recipe.fit(rows, {"rounds": 1}, made.until).estimator.log_level_
    assert level == recipe.outlooks[made.until].log_level

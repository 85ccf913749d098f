"""Reasons: every contribution is where it belongs, and all of them are the answer."""

import json
import re
from dataclasses import replace
from decimal import Decimal
from functools import cache
from itertools import combinations
from math import factorial
from unittest import mock

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from panels import panel_of
from populations import UNTIL, examples, model, panel, recipe
from scipy.special import expit

from features.catalogue import families
from features.errors import ContractMismatch
from features.language import latest
from features.profile import PROFILE
from features.tables import SHARED, TABLES
from training import artifact, boosting, wording
from training.artifact import FittedModel
from training.attrition import AttritionModel
from training.contract_attrition import ContractAttritionModel
from training.inputs import BUYING_RHYTHM, PRIOR_CHURN, ContractInputs, PlainInputs, RhythmInputs
from training.reasons import RHYTHM_FAMILY, SMALLEST, effects, points_of

MODELS = ("silence", "contract", "few contracts", "prior alone")


@cache
def customers(n=700, seed=1):
    """Customers under contract whose reasons are known: the plan, the price, and a survey that few answer."""
    rng = np.random.default_rng(seed)
    plan, region, price = rng.integers(0, 3, n), rng.integers(0, 2, n), rng.gamma(4.0, 8.0, n) + 1
    score = np.where(rng.random(n) < 0.4, np.nan, rng.normal(size=n))
    logit = (
        np.array([-1.0, 0.0, 1.5])[plan] + 0.05 * (price - 32) - np.where(np.isnan(score), 0.5, 1.0 * score)
    )
    left = (rng.random(n) < expit(logit)).astype(float)
    columns = {"price": price, "plan": plan, "score": score, "region": region, "same": np.ones(n)}
    levels = {"plan": ["basic", "gold", "silver"], "region": ["north", "south"]}
    return panel_of(columns, levels), left


@cache
def of_contracts(trees_from):
    """A model of those customers, with trees or without."""
    rows, left = customers()
    inputs = PlainInputs.learn(rows)
    estimator = ContractAttritionModel(rounds=40, trees_from=trees_from).fit(inputs.encode(rows), left)
    return FittedModel("attrition", estimator, inputs, None, latest(PROFILE["price"]), {})


@cache
def prior_alone():
    """A model of so few customers that the prior answers."""
    whole = model("attrition")
    rows = recipe("attrition").eligible(examples("attrition")).rows(np.arange(300))
    X = whole.inputs.encode(rows.panel, whole.prior)
    estimator = AttritionModel(prior_column=PRIOR_CHURN).fit(X, rows.answers["attrition"])
    return replace(whole, estimator=estimator)


def fitted(name):
    """A model and rows that it may be asked about."""
    if "contract" in name:
        return of_contracts(500 if name == "contract" else 10**9), customers(200, seed=2)[0]
    whole = model("attrition") if name == "silence" else prior_alone()
    rows = panel((UNTIL,))
    return whole, rows.rows(rows.column(whole.eligible.name) > 0)


def told(name, rows=None):
    whole, own = fitted(name)
    return effects(whole.inputs, whole.estimator, own if rows is None else rows, whole.prior)


every_model = pytest.mark.parametrize("name", MODELS)


@every_model
def test_the_models_are_of_the_kind_that_their_names_say(name):
    estimator = fitted(name)[0].estimator
    assert bool(estimator.boosters_) == (name in {"silence", "contract"})


# Laws, of which every planted bug breaks one.


def check_all_contributions_and_the_base_are_the_answer(name):
    found, (whole, rows) = told(name), fitted(name)
    assert np.abs(found.contributions.sum(axis=1) + found.base - found.logit).max() < 1e-5
    assert np.ptp(found.base) < 1e-5
    assert np.array_equal(expit(found.logit), whole.predict(rows)["churn_probability"])


def origin_by_name(column, features):
    """Which feature a column is a form of, read from its name."""
    rhythm = {
        "tenure_to_a_year": "purchases_days_since_first",
        "days_since_last_to_a_year": "purchases_days_since_last",
        "days_since_last_per_own_gap": "purchases_days_since_last",
        "days_since_last_per_tenure": "purchases_days_since_last",
        "purchase_days_per_tenure": "purchases_active_days_count_ever",
        "purchase_days": "purchases_active_days_count_ever",
        "amount_per_purchase_day": "purchases_amount_total_ever",
    }
    if column.startswith(("prior_", "purchases_fading")):
        return BUYING_RHYTHM
    return rhythm.get(column) or max((one for one in features if column.startswith(one)), key=len)


def shapley_of(booster, x):
    """Shapley values of the trees for one row, every coalition of the inputs of every tree, slowly."""
    found = np.zeros(len(x))
    for _, tree in booster.trees_to_dataframe().groupby("Tree"):
        nodes = {row.ID: row for row in tree.itertuples()}
        root = nodes[f"{tree.Tree.iloc[0]}-0"]
        players = sorted({int(row.Feature[1:]) for row in nodes.values() if row.Feature != "Leaf"})
        worth = {
            frozenset(known): _expected(nodes, root, x, known)
            for size in range(len(players) + 1)
            for known in combinations(players, size)
        }
        n = len(players)
        for one in players:
            for known in (known for known in worth if one not in known):
                weight = factorial(len(known)) * factorial(n - len(known) - 1) / factorial(n)
                found[one] += weight * (worth[known | {one}] - worth[known])
    return found


def _expected(nodes, node, x, known):
    """The tree's answer where some inputs are known; over the others, by how many went where."""
    if node.Feature == "Leaf":
        return node.Gain
    yes, no, missing = nodes[node.Yes], nodes[node.No], nodes[node.Missing]
    place = int(node.Feature[1:])
    if place in known:
        value = np.float32(x[place])
        goes = missing if np.isnan(value) else yes if value < np.float32(node.Split) else no
        return _expected(nodes, goes, x, known)
    parts = [_expected(nodes, side, x, known) * side.Cover for side in (yes, no)]
    return sum(parts) / (yes.Cover + no.Cover)


def check_trees_and_prior_agree_with_every_coalition(name="silence"):
    """Against Shapley values by their definition, and the prior's offset by its formula."""
    whole, rows = fitted(name)
    rows = rows.rows(np.arange(0, len(rows), 150))
    X, estimator, found = whole.inputs.encode(rows, whole.prior), whole.estimator, told(name, rows)
    weights = {"from_prior": 0.3 * estimator.trust_, "from_rate": 0.7 * estimator.trust_}
    expected = np.zeros_like(found.contributions)
    columns = [origin_by_name(column, rows.features.names) for column in whole.inputs.names]
    for row, x in enumerate(X):
        shares = sum(weights[name] * shapley_of(one, x) for name, one in estimator.boosters_.items())
        for share, origin in zip(shares, columns, strict=True):
            expected[row, found.names.index(origin)] += share
        offset = (1 - weights["from_rate"]) * (x[PRIOR_CHURN] - estimator.prior_mean_)
        expected[row, found.names.index(BUYING_RHYTHM)] += offset
    assert np.abs(found.contributions - expected).max() < 1e-5
    assert (np.abs(found.contributions) > 1e-3).any(axis=0).sum() > 5


def check_a_feature_that_is_changed_changes_its_contribution_alone(name="few contracts"):
    """A sum of functions: another value of one feature moves the answer by what its contribution moves."""
    _, rows = fitted(name)
    before = told(name)
    for place, feature in enumerate(rows.features.names):
        numbers = rows.numbers.copy()
        numbers[:, place] = np.roll(numbers[:, place], 1)
        after = told(name, replace(rows, numbers=numbers))
        moved = after.contributions - before.contributions
        assert np.allclose(moved[:, place], after.logit - before.logit, atol=1e-9), feature
        assert not np.delete(moved, place, axis=1).any(), feature
        assert (np.abs(moved[:, place]).max() > 0.1) == (feature != "customers_same"), feature


def check_the_mean_customer_has_no_contributions():
    found = told("few contracts", customers()[0])
    assert np.abs(found.contributions.mean(axis=0)).max() < 1e-9


def check_the_prior_alone_is_the_only_reason_where_it_answers_alone():
    whole, rows = fitted("prior alone")
    found = told("prior alone")
    prior = whole.inputs.encode(rows, whole.prior)[:, PRIOR_CHURN]
    place = found.names.index(BUYING_RHYTHM)
    assert np.array_equal(found.contributions[:, place], prior - whole.estimator.prior_mean_)
    assert not np.delete(found.contributions, place, axis=1).any()


LAWS = {
    "sum": lambda: [check_all_contributions_and_the_base_are_the_answer(name) for name in MODELS],
    "coalitions": check_trees_and_prior_agree_with_every_coalition,
    "functions": check_a_feature_that_is_changed_changes_its_contribution_alone,
    "mean": check_the_mean_customer_has_no_contributions,
    "prior": check_the_prior_alone_is_the_only_reason_where_it_answers_alone,
}


@pytest.mark.parametrize("law", LAWS)
def test_law(law):
    LAWS[law]()


def _turned(form):
    own = form.origins.fget

    def origins(inputs):
        *rest, last = own(inputs)
        return (last, *rest)

    return mock.patch.object(form, "origins", property(origins))


def _altered(estimator, alter):
    own = estimator.contributions
    return mock.patch.object(estimator, "contributions", lambda self, X: alter(self, own(self, X), X))


def _without_prior(self, shares, X):
    shares[:, PRIOR_CHURN] -= X[:, PRIOR_CHURN] - self.prior_mean_
    return shares


def _without_a_booster(self, shares, X):
    for name in sorted(self.boosters_)[:1]:
        shares -= 0.3 * self.trust_ * boosting.contributions(self.boosters_[name], X)
    return shares


def _without_a_level(_self, shares, _X):
    shares[:, -2] = 0.0
    return shares


PLANTED = {
    "rhythm columns shifted by one": (lambda: _turned(RhythmInputs), {"coalitions", "prior"}),
    "plain columns shifted by one": (lambda: _turned(PlainInputs), {"functions"}),
    "prior's offset dropped": (lambda: _altered(AttritionModel, _without_prior), {"sum", "prior"}),
    "a booster dropped": (lambda: _altered(AttritionModel, _without_a_booster), {"sum", "coalitions"}),
    "a level's column dropped": (
        lambda: _altered(ContractAttritionModel, _without_a_level),
        {"sum", "functions"},
    ),
    "credited to the column before": (
        lambda: _altered(ContractAttritionModel, lambda _self, shares, _X: np.roll(shares, -1, axis=1)),
        {"sum", "functions", "mean"},
    ),
}


@pytest.mark.parametrize("bug", PLANTED)
def test_a_planted_bug_breaks_its_laws(bug):
    plant, breaks = PLANTED[bug]
    for law in breaks:
        with plant(), pytest.raises(AssertionError):
            LAWS[law]()


# Origins.


@pytest.mark.parametrize("name", ["silence", "contract"])
def test_every_column_has_the_origin_that_its_name_says(name):
    inputs = fitted(name)[0].inputs
    named = tuple(origin_by_name(column, inputs.features.names) for column in inputs.names)
    assert inputs.origins == named


def test_the_margin_a_day_is_a_form_of_the_price():
    rows, _ = customers()
    inputs = ContractInputs(rows.features, {}, (), 0.5)
    assert inputs.origins == ("subscriptions_price", *rows.features.names)
    assert len(inputs.origins) == len(inputs.names)


# What no input is made from, and duplicates.


@every_model
def test_a_feature_without_an_input_contributes_nothing(name):
    whole, _ = fitted(name)
    found = told(name)
    unused = [place for place, one in enumerate(found.names) if one not in whole.inputs.origins]
    assert {found.names[place] for place in unused} <= set(whole.inputs.unused)
    assert unused
    assert not found.contributions[:, unused].any()
    assert {one.feature for row in found.strongest(99) for one in row}.isdisjoint(whole.inputs.unused)


def test_a_feature_that_no_tree_looks_at_contributes_nothing():
    whole, rows = fitted("silence")
    used = {
        int(row[1:])
        for booster in whole.estimator.boosters_.values()
        for row in booster.trees_to_dataframe().Feature
        if row != "Leaf"
    }
    origins = {whole.inputs.origins[place] for place in used} | {BUYING_RHYTHM}
    found = told("silence", rows)
    idle = [place for place, one in enumerate(found.names) if one not in origins]
    assert idle
    assert not found.contributions[:, idle].any()


def test_the_same_feature_twice_has_the_same_contribution_twice_in_a_sum_of_functions():
    rng = np.random.default_rng(3)
    one = rng.normal(size=400)
    left = (rng.random(400) < expit(one)).astype(float)
    rows = panel_of({"one": one, "again": one, "price": np.ones(400)})
    inputs = PlainInputs.learn(rows)
    estimator = ContractAttritionModel(trees_from=10**9).fit(inputs.encode(rows), left)
    found = effects(inputs, estimator, rows, None)
    assert np.allclose(found.contributions[:, 0], found.contributions[:, 1], atol=1e-6)
    assert np.abs(found.contributions[:, 0]).max() > 0.1


def test_trees_that_look_at_a_duplicate_credit_the_duplicate_and_nobody_loses():
    """Every second tree is made to look at a copy of the column: both together are what one was."""
    rng = np.random.default_rng(4)
    X = rng.normal(size=(3000, 3))
    X[:, 2] = X[:, 1]
    left = (rng.random(3000) < expit(X[:, 0] + np.where(X[:, 1] > 0.5, 2.0, -0.5))).astype(float)
    parent = AttritionModel(prior_column=0, rounds=20, colsample_bytree=1.0).fit(X, left)
    state, boosters = parent.to_state()
    twin = AttritionModel.from_state(state, {name: _halved(one) for name, one in boosters.items()})
    before, after = parent.contributions(X), twin.contributions(X)
    assert np.array_equal(parent.decision_function(X), twin.decision_function(X))
    assert np.abs(before[:, 2]).max() == 0
    assert np.abs(after[:, 2]).max() > 0.1
    assert np.allclose(before[:, 1], after[:, 1] + after[:, 2], atol=1e-5)


def _halved(booster):
    said = json.loads(boosting.to_bytes(booster))
    for tree in said["learner"]["gradient_booster"]["model"]["trees"][::2]:
        tree["split_indices"] = [2 if place == 1 else place for place in tree["split_indices"]]
    return boosting.from_bytes(json.dumps(said).encode())


# Rows.


@every_model
def test_a_customer_has_the_same_reasons_alone_as_among_others_whatever_their_order(name):
    whole, rows = fitted(name)
    among, every = told(name), whole.reasons(rows)
    for row in range(0, len(rows), 41):
        alone = told(name, rows.rows(np.array([row])))
        assert alone.contributions.tobytes() == among.contributions[row].tobytes()
        assert alone.base.tobytes() == among.base[row].tobytes()
        assert whole.reasons(rows.rows(np.array([row]))) == [every[row]]
    order = np.random.default_rng(5).permutation(len(rows))
    turned = told(name, rows.rows(order))
    assert turned.contributions.tobytes() == among.contributions[order].tobytes()
    assert whole.reasons(rows.rows(order)) == [every[row] for row in order]


def test_many_rows_are_told_in_parts_as_at_once():
    whole, rows = fitted("silence")
    every = whole.reasons(rows)
    with mock.patch.object(artifact, "_TOLD_AT_ONCE", 37):
        assert whole.reasons(rows) == every


def test_who_is_not_eligible_has_no_reasons():
    whole, rows = model("attrition"), panel((UNTIL,))
    eligible = rows.column(whole.eligible.name) > 0
    assert not eligible.all()
    assert [bool(reasons) for reasons in whole.reasons(rows)] == list(eligible)
    assert whole.reasons(rows.rows(np.flatnonzero(eligible))) == [r for r in whole.reasons(rows) if r]
    assert whole.reasons(rows.rows(np.zeros(len(rows), bool))) == []


def test_a_model_that_was_saved_gives_the_same_reasons(tmp_path):
    for name in ("silence", "contract"):
        whole, rows = fitted(name)
        artifact.save(whole, tmp_path / name)
        assert artifact.load(tmp_path / name).reasons(rows) == whole.reasons(rows)


# The strongest.


@every_model
@pytest.mark.parametrize("most", [1, 3, 99])
def test_the_strongest_are_those_that_move_the_probability_most(name, most):
    whole, rows = fitted(name)
    found, frame = told(name), rows.to_pandas()
    for row, reasons in enumerate(whole.reasons(rows, most)):
        moves = {}
        for place, feature in enumerate(found.names):
            given_logit, contribution = found.logit[row], found.contributions[row, place]
            if contribution:
                moves[feature] = 100 * (expit(given_logit) - expit(given_logit - contribution))
        expected = sorted(moves, key=lambda one: -abs(moves[one]))[:most]
        assert [one.feature for one in reasons] == expected
        for one in reasons:
            assert one.effect == pytest.approx(moves[one.feature], abs=1e-9)
            assert np.sign(one.effect) == np.sign(one.contribution)
            if one.feature == BUYING_RHYTHM:
                assert 0 < one.value < 1
            else:
                _check_value(one.value, frame[one.feature][row])


def _check_value(value, given_value):
    if value is None:
        assert pd.isna(given_value)
    else:
        assert value == given_value
        assert isinstance(value, str | float)


def test_a_customer_with_a_missing_answer_and_a_plan_is_told_so():
    rows = panel_of(
        {"price": [80.0], "plan": [1], "score": [np.nan], "region": [0], "same": [1.0]},
        {"plan": ["basic", "silver"], "region": ["north"]},
    )
    whole, _ = fitted("few contracts")
    (reasons,) = whole.reasons(rows, 5)
    values = {one.feature: one.value for one in reasons}
    assert values["customers_plan"] == "silver"
    assert values["customers_score"] is None
    assert values["customers_price"] == 80.0
    assert {one.feature: one.effect > 0 for one in reasons}["customers_plan"]
    found = told("few contracts", rows)
    said = {one.feature: found.in_words(0, one) for one in reasons}
    for feature, start in {"plan": "plan silver", "score": "score not known", "price": "price 80"}.items():
        pattern = rf"{start}: (raises|lowers) the churn probability by [\d.]+ points"
        assert re.fullmatch(pattern, said[f"customers_{feature}"])
    (sentence,) = found.sentences()
    assert list(sentence) == ["profile"]
    assert re.search(r"raises .* points \(above all: (plan silver|price 80)\)$", sentence["profile"])


def test_none_is_asked_for():
    whole, rows = fitted("few contracts")
    with pytest.raises(ValueError, match="at least one reason"):
        whole.reasons(rows, 0)


def test_only_a_churn_probability_has_reasons():
    with pytest.raises(ValueError, match="lifetime-value"):
        model("lifetime-value").reasons(panel((UNTIL,)))


def test_a_panel_of_other_features_is_refused():
    with pytest.raises(ContractMismatch, match="trained on other features"):
        model("attrition").reasons(customers()[0])


# Points.


@given(st.floats(-40, 40), st.floats(-40, 40))
def test_points_are_what_the_probability_would_be_less_without(logit, contribution):
    def chance(z):
        return 1 / (1 + (-Decimal(z)).exp())

    (((found,),)) = points_of(np.array([logit]), np.array([[contribution]]))
    exact = 100 * (chance(logit) - chance(logit - contribution))
    assert float(exact) == pytest.approx(found, rel=1e-6, abs=1e-24 if abs(contribution) > 1e-6 else 1e-9)
    assert np.sign(found) in {0, np.sign(contribution)}
    assert abs(found) <= 100


def test_a_contribution_below_the_least_moves_no_probability_by_more_than_a_quarter_point():
    logits = np.linspace(-5, 5, 1001)
    assert np.abs(points_of(logits, np.full((1001, 1), SMALLEST))).max() <= 0.2501


# Families and words.


@every_model
def test_a_family_contributes_what_its_features_do(name):
    found = told(name)
    by_family = found.by_family()
    for family, given_sum in by_family.items():
        own = [place for place, one in enumerate(found.families) if one == family]
        assert np.allclose(given_sum, found.contributions[:, own].sum(axis=1), atol=1e-12)
    assert set(by_family) == set(found.families)


def test_what_is_made_from_purchase_days_is_the_buying_rhythm():
    found = told("silence")
    family = dict(zip(found.names, found.families, strict=True))
    assert family[BUYING_RHYTHM] == family["purchases_days_since_last"] == RHYTHM_FAMILY
    assert family["purchases_count_90d"] == "transactions"
    assert family["customers_region"] == "profile"


@every_model
def test_every_family_that_matters_has_one_sentence_the_strongest_first(name):
    found = told(name)
    families_given = found.by_family()
    for row, said in enumerate(found.sentences("EUR")):
        assert set(said) == {f for f, given_sum in families_given.items() if abs(given_sum[row]) >= SMALLEST}
        sizes = [
            abs(expit(found.logit[row]) - expit(found.logit[row] - families_given[f][row])) for f in said
        ]
        assert sizes == sorted(sizes, reverse=True)
        for family, sentence in said.items():
            verb = "raises" if families_given[family][row] > 0 else "lowers"
            assert sentence.startswith(f"{family}: {verb} the churn probability by ")
            assert "_" not in sentence


def whole_catalogue():
    columns = {name: {one.name for one in table.columns} for name, table in TABLES.items()}
    columns |= {name: {one.name for one in shared.table.columns} for name, shared in SHARED.items()}
    columns["customers"].add("devices")
    columns["market"].add("rate")
    return families(columns)


@pytest.mark.parametrize("family", whole_catalogue())
def test_every_feature_of_the_catalogue_has_its_family_and_words_of_its_own(family):
    features = whole_catalogue()[family]
    assert set(wording.families_of(features)) == {family}
    words = [wording.words_of(feature) for feature in features]
    assert len(set(words)) == len(words)
    assert not [said for said in words if "_" in said or not said.strip()]


def test_values_are_said_as_people_say_them():
    said = {feature.name: feature for features in whole_catalogue().values() for feature in features}
    money, days = said["lines_amount_total_90d"], said["purchases_days_since_last"]
    assert wording.value_in_words(money, 123456.0, "EUR") == "1,234.56 EUR"
    assert wording.value_in_words(money, 123456.0, "JPY") == "123,456 JPY"
    assert wording.value_in_words(days, 119.6, "EUR") == "120"
    assert wording.value_in_words(days, None, "EUR") == "none"
    assert wording.value_in_words(said["last_question_score"], None, "EUR") == "not known"
    assert wording.value_in_words(said["returns_share_365d"], 0.12345, "EUR") == "0.123"
    assert wording.value_in_words(said["subscriptions_plan"], "gold", "EUR") == "gold"

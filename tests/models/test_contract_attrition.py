"""Attrition under contract: the stack before training, in training and on truth."""

import json

import numpy as np
import pytest
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.utils.estimator_checks import parametrize_with_checks

from training import boosting, crossfit, metrics, spline_logit
from training.contract_attrition import ContractAttritionModel


@parametrize_with_checks([ContractAttritionModel(), ContractAttritionModel(rounds=5, trees_from=0)])
def test_sklearn_accepts_it_with_and_without_trees(estimator, check):
    check(estimator)


def draw(n, seed):
    """Customers whose true chance is a curve, an interaction and a step; some numbers are missing."""
    rng = np.random.default_rng(seed)
    tenure, price, noise = rng.gamma(2, 12, n), rng.lognormal(3, 0.5, n), rng.normal(size=n)
    monthly, auto = (rng.uniform(size=n) < 0.5).astype(float), (rng.uniform(size=n) < 0.3).astype(float)
    logits = -1.5 + 1.2 * monthly - 0.6 * np.log(tenure / 24) + 1.4 * monthly * (price > 20) - 0.5 * auto
    price = np.where(rng.uniform(size=n) < 0.1, np.nan, price)
    y = (rng.uniform(size=n) < expit(logits)).astype(float)
    return np.column_stack([tenure, price, monthly, auto, noise]), y, expit(logits)


@pytest.fixture(scope="module")
def learnt():
    X, y, _ = draw(3000, 1)
    return ContractAttritionModel(rounds=150).fit(X, y)


def raw(model):
    state, boosters = model.to_state()
    return json.dumps(state, allow_nan=False), {
        name: boosting.to_bytes(one) for name, one in boosters.items()
    }


@pytest.mark.parametrize("other", [{}, {"n_jobs": 2}], ids=["again", "with two threads"])
def test_the_same_seed_gives_the_same_bytes(other):
    X, y, _ = draw(900, 2)
    one, two = (ContractAttritionModel(rounds=25, **how).fit(X, y) for how in ({}, other))
    two.n_jobs = one.n_jobs
    assert raw(one) == raw(two)
    assert one.predict_proba(X).tobytes() == two.predict_proba(X).tobytes()


def test_another_seed_gives_another_model():
    X, y, _ = draw(900, 2)
    one, two = (ContractAttritionModel(rounds=25, random_state=seed).fit(X, y) for seed in (0, 1))
    assert raw(one)[1] != raw(two)[1]


def test_it_finds_more_of_the_truth_than_a_plain_logit(learnt):
    (X, y, _), (fresh, left, truth) = draw(3000, 1), draw(8000, 3)
    known = ~np.isnan(fresh[:, 1])
    fresh, left, truth = fresh[known], left[known], truth[known]
    plain = LogisticRegression(max_iter=3000).fit(np.nan_to_num(X, nan=20.0), y).predict_proba(fresh)[:, 1]
    ours = learnt.predict_proba(fresh)[:, 1]
    best = metrics.log_loss(left, truth)
    assert metrics.log_loss(left, ours) - best < 0.6 * (metrics.log_loss(left, plain) - best)


def test_it_is_calibrated_on_customers_it_has_not_seen(learnt):
    X, y, truth = draw(20_000, 4)
    said = learnt.predict_proba(X)[:, 1]
    assert said.mean() == pytest.approx(truth.mean(), abs=0.02)
    for tenth in np.array_split(np.argsort(said), 10):
        assert said[tenth].mean() == pytest.approx(truth[tenth].mean(), abs=0.06)
    assert metrics.expected_calibration_error(y, said) < 0.03


def test_contributions_add_up_to_the_logit(learnt):
    X, _, _ = draw(500, 5)
    found = learnt.contributions(X)
    assert found.shape == (500, 6)
    np.testing.assert_allclose(found.sum(axis=1), learnt.decision_function(X), atol=1e-5)
    assert np.abs(found[:, 4]).mean() < 0.2 * np.abs(found[:, 2]).mean()


def test_every_row_has_the_same_base_value(learnt):
    X, _, _ = draw(100, 5)
    assert np.ptp(learnt.contributions(X)[:, -1]) < 1e-5


def test_what_was_fitted_can_be_carried_as_plain_values(learnt):
    state, boosters = learnt.to_state()
    carried = {name: boosting.from_bytes(boosting.to_bytes(one)) for name, one in boosters.items()}
    again = ContractAttritionModel.from_state(
        json.loads(json.dumps(state, allow_nan=False, sort_keys=True)), dict(sorted(carried.items()))
    )
    X, _, _ = draw(500, 6)
    assert again.decision_function(X).tobytes() == learnt.decision_function(X).tobytes()
    assert again.contributions(X).tobytes() == learnt.contributions(X).tobytes()
    assert again.rung_ == learnt.rung_


def test_one_customer_is_answered_alone_as_among_others(learnt):
    X, _, _ = draw(50, 7)
    alone = np.vstack([learnt.predict_proba(row[None, :]) for row in X])
    assert alone.tobytes() == learnt.predict_proba(X).tobytes()


def test_no_customers_get_no_answers(learnt):
    assert crossfit.margins(learnt.boosters_["pairs"], np.empty((0, 5))).shape == (0,)


@pytest.mark.parametrize("n", [20, 60, 120, 300, 499])
def test_few_customers_get_a_logit_alone(n):
    X, y, _ = draw(n, 8)
    y[:4] = 0.0, 1.0, 1.0, 0.0
    model = ContractAttritionModel().fit(X, y)
    assert model.boosters_ == {}
    assert model.rung_.name == "regularised logit"
    fresh, left, _ = draw(5000, 9)
    said = model.predict_proba(fresh)[:, 1]
    assert metrics.log_loss(left, said) < metrics.log_loss(left, np.full(5000, y.mean())) + 0.02


def test_a_whole_recipe_says_so(learnt):
    assert learnt.rung_.name == "whole recipe"
    assert set(learnt.weights_) == {"logit", "pairs", "shallow", "leaves"}
    assert min(learnt.weights_.values()) >= 0


def test_hardly_any_leavers_get_a_logit_alone():
    X, _, _ = draw(700, 10)
    y = np.zeros(700)
    y[:2] = 1.0
    model = ContractAttritionModel().fit(X, y)
    assert model.boosters_ == {}
    assert "2 customers with the rarer outcome" in model.rung_.why
    assert model.predict_proba(X)[:, 1].mean() == pytest.approx(2 / 700, abs=0.002)


@pytest.mark.parametrize("n", [150, 600])
def test_dead_columns_do_no_harm(n):
    X, y, _ = draw(n, 11)
    nothing, constant = np.full(n, np.nan), np.full(n, 7.0)
    mostly = np.where(np.arange(n) % 10 == 0, 3.0, np.nan)
    heavy = np.where(np.arange(n) % 3 == 0, np.arange(n) * 1.0, 0.0)
    wide = np.column_stack([nothing, X, constant, mostly, heavy])
    model = ContractAttritionModel(rounds=10).fit(wide, y)
    found = model.contributions(wide)
    assert np.isfinite(found).all()
    assert (found[:, [0, 6]] == 0).all()
    strange = np.full((1, 9), np.nan)
    assert np.isfinite(model.predict_proba(strange)).all()
    assert np.isfinite(model.predict_proba(np.full((1, 9), -1e300))).all()


def test_only_dead_columns_give_the_base_rate():
    y = (np.arange(200) % 4 == 0).astype(float)
    model = ContractAttritionModel().fit(np.full((200, 2), np.nan), y)
    np.testing.assert_allclose(model.predict_proba(np.zeros((3, 2)))[:, 1], 0.25, atol=1e-6)


@pytest.mark.parametrize("outcome", [0, 1])
def test_one_class_is_refused(outcome):
    X, _, _ = draw(100, 12)
    with pytest.raises(ValueError, match="1 class"):
        ContractAttritionModel().fit(X, np.full(100, outcome))


def test_rows_of_a_customer_teach_or_judge_together():
    groups = np.repeat(np.arange(300), 3)
    y = (np.arange(900) % 9 == 0).astype(float)
    folds = crossfit.folds_of(y, groups, 5, seed=0)
    assert all(len(set(folds[groups == one])) == 1 for one in range(300))
    leavers = np.bincount(folds, weights=y)
    assert leavers.max() - leavers.min() <= 1


def test_a_customer_seen_at_many_cutoffs_is_not_taken_for_many_customers():
    """A key that repeats itself is learnt by heart unless its rows are kept together."""
    rng = np.random.default_rng(13)
    key, groups = rng.normal(size=(250, 3)), np.repeat(np.arange(250), 6)
    y = np.repeat((rng.uniform(size=250) < 0.3).astype(float), 6)
    X = key[groups]
    together = ContractAttritionModel(rounds=60, trees_from=0).fit(X, y, groups=groups)
    apart = ContractAttritionModel(rounds=60, trees_from=0).fit(X, y)
    assert together.rung_.name == "whole recipe"
    assert np.ptp(together.decision_function(X)) < 0.5 * np.ptp(apart.decision_function(X))


def test_the_largest_cutoff_says_how_many_customers_there_are():
    X, y, _ = draw(900, 14)
    model = ContractAttritionModel().fit(X, y, cutoffs=np.arange(900) % 3)
    assert model.rung_.name == "regularised logit"


def test_very_many_rows_are_judged_once(monkeypatch):
    monkeypatch.setattr("training.contract_attrition._JUDGING_ROWS", 2000)
    X, y, _ = draw(8000, 15)
    model = ContractAttritionModel(rounds=60).fit(X, y)
    fresh, left, truth = draw(8000, 16)
    said = model.predict_proba(fresh)[:, 1]
    assert metrics.log_loss(left, said) < metrics.log_loss(left, truth) + 0.02
    assert all(model.boosters_[name].num_boosted_rounds() == n for name, n in model.rounds_.items())


def test_early_stopping_never_sees_the_rows_it_is_judged_by(monkeypatch):
    """Labels of one fold change: the rounds with which that fold is answered stay."""
    X, y, _ = draw(1000, 17)
    folds = crossfit.folds_of(y, None, 4, seed=0)
    plan = crossfit.plan_of(folds, only_one=False)
    kinds = {"one": {"objective": "binary:logistic", "nthread": 1, "seed": 0, "max_bin": crossfit.BINS}}
    asked = []
    keep = crossfit.Material.margins

    def margins(self, booster, rows, rounds=0):
        asked.append((rows, rounds, booster.best_iteration + 1))
        return keep(self, booster, rows, rounds)

    monkeypatch.setattr(crossfit.Material, "margins", margins)
    crossfit.grow_each(crossfit.Material(X.astype(np.float32), y), plan, kinds, 60)
    best = [own for _, _, own in asked]
    grown = [own + crossfit.PATIENCE for own in best]
    for place, (rows, rounds, _) in enumerate(asked):
        others = round(float(np.mean(best[:place] + best[place + 1 :])))
        assert rounds == min(others, grown[place], 60)
        np.testing.assert_array_equal(rows, plan.judging[place])


def test_a_stack_gives_a_useless_learner_nothing():
    rng = np.random.default_rng(18)
    truth = rng.normal(size=20_000)
    y = (rng.uniform(size=20_000) < expit(truth - 1)).astype(float)
    logits = np.column_stack([0.5 * truth, rng.normal(size=20_000), -truth])
    found = crossfit.stack(logits, y, np.full(3, 1 / 3))
    np.testing.assert_allclose(found, [2.0, 0.0, 0.0, -1.0], atol=0.2)


def test_few_rows_leave_the_stack_where_it_starts():
    y = np.array([0.0, 1.0] * 3)
    found = crossfit.stack(np.zeros((6, 2)), y, np.array([0.7, 0.3]))
    np.testing.assert_allclose(found, [0.7, 0.3, 0.0], atol=1e-6)


def test_the_logit_is_the_maximum_that_another_solver_finds():
    X, y, _ = draw(1500, 19)
    terms = spline_logit.terms_of(X, with_logs=True)
    design = spline_logit.design_of(terms, X)
    ours = spline_logit.solve(design, y, 0.3)
    peer = LogisticRegression(C=0.3, tol=1e-10, max_iter=20_000).fit(design, y)
    np.testing.assert_allclose(ours[:-1], peer.coef_[0], atol=2e-4)
    np.testing.assert_allclose(design @ ours[:-1] + ours[-1], peer.decision_function(design), atol=2e-4)


def test_functions_and_design_say_the_same():
    X, y, _ = draw(800, 20)
    terms = spline_logit.terms_of(X, with_logs=True)
    design = spline_logit.design_of(terms, X)
    solution = spline_logit.solve(design, y, 0.3)
    model = spline_logit.SplineLogit.assemble(terms, X, solution)
    np.testing.assert_allclose(
        model.decision_function(X), spline_logit.logits_of(solution, design), atol=1e-9
    )
    np.testing.assert_allclose(model.contributions(X).sum(axis=1), model.decision_function(X), atol=1e-12)
    np.testing.assert_allclose(model.contributions(X)[:, :-1].mean(axis=0), 0.0, atol=1e-12)


def test_the_terms_never_depend_on_the_labels_but_the_values():
    X, _, _ = draw(400, 21)
    terms = spline_logit.terms_of(X, with_logs=True)
    assert {term.first for term in terms if term.knots and not term.sign} == {0, 1, 4}
    pairs = [(term.first, term.second, term.sign) for term in terms if term.second >= 0]
    assert pairs == [(1, 0, -1.0), (1, 0, 1.0)]
    assert [term.missing for term in terms[:5]] == [False, True, False, False, False]


def test_the_rows_that_stop_the_growing_are_not_the_stacks():
    """With one judging fold: other labels of the stack's rows change no tree, of the other half they do."""
    X, y, _ = draw(1500, 22)
    plan = crossfit.plan_of(crossfit.folds_of(y, None, 3, seed=0), only_one=True)
    kinds = {"one": {"objective": "binary:logistic", "nthread": 1, "seed": 0, "max_bin": crossfit.BINS}}

    def rounds(labels):
        material = crossfit.Material(crossfit.single(X), labels)
        return crossfit.grow_each(material, plan, kinds, 60)["one"].rounds

    stack_rows = plan.judged[crossfit.fresh(plan)]
    for rows, same in ((stack_rows, True), (np.setdiff1d(plan.judged, stack_rows), False)):
        other = y.copy()
        other[rows] = 1 - other[rows]
        assert (rounds(other) == rounds(y)) == same

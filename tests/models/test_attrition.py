"""The attrition model: an honest estimator before training, in training and on truth."""

from itertools import pairwise

import numpy as np
import pytest
from scipy.special import expit, logit
from sklearn.utils.estimator_checks import parametrize_with_checks

from training import boosting, metrics
from training.attrition import AttritionModel


@parametrize_with_checks([AttritionModel(rounds=5)])
def test_sklearn_accepts_it(estimator, check):
    check(estimator)


def draw(n, seed, lift=1.0):
    """Customers whose prior is right but for one thing it does not see; the truth is known."""
    rng = np.random.default_rng(seed)
    prior = rng.normal(0.5, 1.2, n)
    seen, noise = rng.normal(size=n), rng.normal(size=(n, 2))
    truth = expit(prior + lift * np.where(seen > 0.5, 1.5, -0.5))
    left = (rng.uniform(size=n) < truth).astype(float)
    return np.column_stack([prior, seen, noise]), left, truth


def raw(model):
    state, boosters = model.to_state()
    return {name: boosting.to_bytes(booster) for name, booster in boosters.items()}, state


@pytest.fixture(scope="module")
def learnt():
    X, y, _ = draw(6000, 1)
    return AttritionModel(prior_column=0).fit(X, y)


@pytest.mark.parametrize("other", [{}, {"n_jobs": 2}], ids=["again", "with two threads"])
def test_the_same_seed_gives_the_same_bytes(other):
    X, y, _ = draw(3000, 1)
    cutoffs = np.arange(3000) % 3
    one, two = (
        AttritionModel(prior_column=0, rounds=20, random_state=5, **how).fit(X, y, cutoffs)
        for how in ({}, other)
    )
    (bytes_one, state_one), (bytes_two, state_two) = raw(one), raw(two)
    state_two["parameters"]["n_jobs"] = state_one["parameters"]["n_jobs"]
    assert bytes_one == bytes_two
    assert state_one == state_two
    assert one.predict_proba(X).tobytes() == two.predict_proba(X).tobytes()


def test_another_seed_gives_another_model():
    X, y, _ = draw(3000, 1)
    one, two = (AttritionModel(prior_column=0, rounds=20, random_state=seed).fit(X, y) for seed in (0, 1))
    assert raw(one)[0] != raw(two)[0]


def test_it_learns_what_the_prior_does_not_see(learnt):
    X, y, truth = draw(6000, 2)
    said = learnt.predict_proba(X)[:, 1]
    by_prior, at_best = (metrics.log_loss(y, p) for p in (expit(X[:, 0]), truth))
    assert metrics.log_loss(y, said) < by_prior - 0.7 * (by_prior - at_best)
    assert metrics.roc_auc(y, said) > metrics.roc_auc(y, expit(X[:, 0])) + 0.02


def test_it_is_calibrated_on_customers_it_has_not_seen(learnt):
    X, y, truth = draw(20_000, 3)
    said = learnt.predict_proba(X)[:, 1]
    assert said.mean() == pytest.approx(truth.mean(), abs=0.02)
    order = np.array_split(np.argsort(said), 10)
    for tenth in order:
        assert said[tenth].mean() == pytest.approx(truth[tenth].mean(), abs=0.06)
    assert metrics.expected_calibration_error(y, said) < 0.03


def test_it_repeats_the_prior_where_there_is_nothing_to_learn():
    X, y, _ = draw(6000, 4, lift=0.0)
    fresh, _, chance = draw(6000, 5, lift=0.0)
    said = AttritionModel(prior_column=0).fit(X, y).predict_proba(fresh)[:, 1]
    assert np.abs(said - chance).mean() < 0.03
    assert np.corrcoef(said, chance)[0, 1] > 0.98


def test_few_customers_are_told_the_prior():
    """Ten customers at a cutoff are no reason to doubt a prior."""
    X, y, _ = draw(10, 6)
    y[:2] = 0.0, 1.0
    model = AttritionModel(prior_column=0).fit(X, y)
    fresh, _, _ = draw(1000, 7)
    said = logit(model.predict_proba(fresh)[:, 1])
    assert np.abs(said - (fresh[:, 0] + model.level_)).max() < 0.05


def test_the_level_of_each_cutoff_is_its_own():
    """A cutoff at which more leave than the prior says shifts the rest by half of it only."""
    X, _, _ = draw(8000, 8, lift=0.0)
    cutoffs = np.arange(8000) % 2
    rng = np.random.default_rng(9)
    y = (rng.uniform(size=8000) < expit(X[:, 0] + np.where(cutoffs == 1, 1.0, 0.0))).astype(float)
    model = AttritionModel(prior_column=0).fit(X, y, cutoffs)
    assert model.level_ == pytest.approx(0.25, abs=0.05)


def test_a_higher_prior_is_never_a_lower_answer_by_much(learnt):
    grid = np.linspace(-2, 3, 21)
    X = np.column_stack([grid, *np.zeros((3, 21))])
    said = learnt.predict_proba(X)[:, 1]
    assert all(later > earlier - 0.02 for earlier, later in pairwise(said))


def test_contributions_add_up_to_the_logit(learnt):
    X, _, _ = draw(300, 20)
    X[::5, 1] = np.nan
    shares = learnt.contributions(X)
    assert shares.shape == (300, X.shape[1] + 1)
    assert np.abs(shares.sum(axis=1) - learnt.decision_function(X)).max() < 1e-5


def test_the_contribution_of_the_prior_is_exact_where_there_are_no_trees():
    X, y, _ = draw(200, 21)
    model = AttritionModel(prior_column=0).fit(X, y)
    assert model.rung_.name == "prior"
    assert model.boosters_ == {}
    shares = model.contributions(X)
    assert np.abs(shares.sum(axis=1) - model.decision_function(X)).max() < 1e-12
    assert (shares[:, 1:-1] == 0).all()
    assert shares[:, 0] == pytest.approx(X[:, 0] - X[:, 0].mean(), abs=1e-12)


def test_what_is_seen_counts_most_where_it_matters(learnt):
    X, _, _ = draw(500, 22)
    weight = np.abs(learnt.contributions(X)[:, :-1]).mean(axis=0)
    assert weight[:2].min() > 5 * weight[2:].max()


def test_a_level_that_is_given_is_used():
    X, y, _ = draw(3000, 23)
    usual = AttritionModel(prior_column=0, rounds=10).fit(X, y)
    given = AttritionModel(prior_column=0, rounds=10, level=usual.level_ + 0.4).fit(X, y)
    assert raw(given)[0] == raw(usual)[0]
    moved = given.decision_function(X) - usual.decision_function(X)
    assert moved == pytest.approx(0.4, abs=1e-5)


def test_one_customer_is_answered_alone_as_among_others(learnt):
    X, _, _ = draw(50, 10)
    among = learnt.predict_proba(X)
    alone = np.vstack([learnt.predict_proba(row[None, :]) for row in X])
    assert alone.tobytes() == among.tobytes()


@pytest.mark.parametrize("outcome", [0, 1])
def test_one_class_is_refused(outcome):
    X, _, _ = draw(100, 11)
    with pytest.raises(ValueError, match="1 class"):
        AttritionModel().fit(X, np.full(100, outcome))


def test_what_was_fitted_can_be_carried_as_plain_values(learnt):
    state, boosters = learnt.to_state()
    carried = {name: boosting.from_bytes(boosting.to_bytes(one)) for name, one in boosters.items()}
    again = AttritionModel.from_state(state, dict(sorted(carried.items())))
    X, _, _ = draw(500, 12)
    assert again.predict_proba(X).tobytes() == learnt.predict_proba(X).tobytes()
    assert again.contributions(X).tobytes() == learnt.contributions(X).tobytes()
    assert (again.rung_, again.levels_) == (learnt.rung_, learnt.levels_)

"""The lifetime-value model: an honest estimator before training, in training and on truth."""

import numpy as np
import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from training import boosting, metrics
from training.lifetime_value import LifetimeValueModel


@parametrize_with_checks([LifetimeValueModel(rounds=5)])
def test_sklearn_accepts_it(estimator, check):
    check(estimator)


def draw(n, seed, lift=1.0):
    """Customers who spend nothing or a gamma amount; the prior misses one thing; the truth is known."""
    rng = np.random.default_rng(seed)
    prior = rng.gamma(2.0, 20.0, n) + 1.0
    seen, noise = rng.normal(size=n), rng.normal(size=(n, 2))
    truth = prior * np.exp(lift * np.where(seen > 0, 0.5, -0.8))
    buys = rng.uniform(size=n) < 0.5
    spent = np.where(buys, rng.gamma(2.0, truth / 0.5 / 2.0), 0.0)
    return np.column_stack([prior, seen, noise]), spent, truth


def raw(model):
    return {name: boosting.to_bytes(booster) for name, booster in model.boosters_.items()}


@pytest.fixture(scope="module")
def learnt():
    X, y, _ = draw(6000, 1)
    kept, realised, _ = draw(6000, 2)
    return LifetimeValueModel(prior_column=0).fit(X, y).calibrate(kept, realised)


@pytest.mark.parametrize("other", [{}, {"n_jobs": 2}], ids=["again", "with two threads"])
def test_the_same_seed_gives_the_same_bytes(other):
    X, y, _ = draw(3000, 1)
    cutoffs = np.arange(3000) % 3
    one, two = (
        LifetimeValueModel(prior_column=0, rounds=20, random_state=5, **how).fit(X, y, cutoffs)
        for how in ({}, other)
    )
    assert raw(one) == raw(two)
    assert one.predict(X).tobytes() == two.predict(X).tobytes()


def test_it_learns_what_the_prior_does_not_see(learnt):
    X, y, truth = draw(6000, 3)
    said = learnt.predict(X)
    by_prior, by_model, at_best = (metrics.tweedie_deviance(y, p) for p in (X[:, 0], said, truth))
    assert by_model < by_prior - 0.5 * (by_prior - at_best)
    assert metrics.normalised_gini(y, said) > metrics.normalised_gini(y, X[:, 0])


def test_its_total_is_right_on_customers_it_has_not_seen(learnt):
    X, _, truth = draw(20_000, 4)
    assert learnt.predict(X).sum() == pytest.approx(truth.sum(), rel=0.06)


def test_four_in_five_realised_values_lie_in_the_interval(learnt):
    X, y, _ = draw(20_000, 5)
    low, high = learnt.predict_interval(X)
    assert metrics.interval_coverage(y, low, high) >= 0.78
    assert np.mean(y > high) == pytest.approx(0.1, abs=0.02)
    said = learnt.predict(X)
    for tenth in np.array_split(np.argsort(said), 5):
        assert np.mean(y[tenth] > high[tenth]) == pytest.approx(0.1, abs=0.03)


def test_the_interval_encloses_the_expectation(learnt):
    X, _, _ = draw(2000, 6)
    said, (low, high) = learnt.predict(X), learnt.predict_interval(X)
    assert (low >= 0).all()
    assert (low <= said).all()
    assert (said <= high).all()


def test_it_repeats_the_prior_where_there_is_nothing_to_learn():
    X, y, _ = draw(6000, 7, lift=0.0)
    fresh, _, truth = draw(6000, 8, lift=0.0)
    said = LifetimeValueModel(prior_column=0).fit(X, y).predict(fresh)
    assert np.abs(np.log(said / truth)).mean() < 0.08
    assert np.corrcoef(said, truth)[0, 1] > 0.97


def test_few_customers_are_told_the_prior():
    X, y, _ = draw(10, 9)
    model = LifetimeValueModel(prior_column=0).fit(X, y)
    fresh, _, _ = draw(1000, 10)
    assert np.abs(np.log(model.predict(fresh) / fresh[:, 0]) - model.log_level_).max() < 0.05


def test_the_median_is_as_often_exceeded_as_not_where_it_is_not_zero(learnt):
    """Half of these customers bring nothing, so most medians are zero or near it."""
    X, y, _ = draw(20_000, 16)
    median = learnt.predict_median(X)
    some = median > 0
    assert np.mean(y[some] > median[some]) == pytest.approx(0.5, abs=0.04)
    assert metrics.mae(y, median) < metrics.mae(y, learnt.predict(X))


def test_few_customers_are_told_the_prior_alone():
    X, y, _ = draw(300, 17)
    model = LifetimeValueModel(prior_column=0).fit(X, y).calibrate(X, y)
    assert model.rung_.name == "prior"
    assert model.boosters_ == {}
    assert model.predict(X) == pytest.approx(X[:, 0] * np.exp(model.log_level_))
    low, high = model.predict_interval(X)
    assert (low <= high).all()


def test_a_level_that_is_given_moves_every_answer_by_it():
    X, y, _ = draw(3000, 18)
    usual = LifetimeValueModel(prior_column=0, rounds=10).fit(X, y)
    given = LifetimeValueModel(prior_column=0, rounds=10, level=usual.log_level_ + 0.2).fit(X, y)
    assert given.predict(X) / usual.predict(X) == pytest.approx(np.exp(0.2), abs=1e-4)


def test_the_best_customers_are_not_held_down_by_the_cap():
    """One in a thousand brings 200 times as much as the rest, as their prior says."""
    rng = np.random.default_rng(19)
    prior = np.where(np.arange(8000) % 1000 == 0, 4000.0, 20.0)
    y = prior * rng.gamma(2.0, 0.5, 8000)
    X = np.column_stack([prior, rng.normal(size=(8000, 2))])
    said = LifetimeValueModel(prior_column=0).fit(X, y).predict(X)
    assert said[prior > 20].mean() > 0.75 * 4000


def test_expectation_and_interval_in_one_pass_are_those_asked_for_apart(learnt):
    X, _, _ = draw(200, 24)
    apart = (learnt.predict(X), *learnt.predict_interval(X))
    assert np.array_equal(learnt.predict_with_interval(X), apart)


def test_one_enormous_order_does_not_lift_everybody():
    X, y, truth = draw(6000, 11)
    y[17] = 1e9
    said = LifetimeValueModel(prior_column=0).fit(X, y).predict(X)
    assert said.sum() == pytest.approx(truth.sum(), rel=0.1)


def test_values_below_zero_count_as_zero_in_the_fit():
    X, y, _ = draw(2000, 12)
    zeros = np.where(np.arange(2000) % 7 == 0, 0.0, y)
    returned = np.where(np.arange(2000) % 7 == 0, -5.0, y)
    one, two = (LifetimeValueModel(prior_column=0, rounds=10).fit(X, spent) for spent in (zeros, returned))
    assert one.predict(X).tobytes() == two.predict(X).tobytes()
    assert (one.predict(X) >= 0).all()


def test_nobody_spends_anything_is_an_answer():
    X, _, _ = draw(200, 13)
    said = LifetimeValueModel(prior_column=0, rounds=10).fit(X, np.zeros(200)).predict(X)
    assert np.isfinite(said).all()
    assert (said < X[:, 0]).all()


def test_one_customer_is_answered_alone_as_among_others(learnt):
    X, _, _ = draw(50, 14)
    alone = np.concatenate([learnt.predict(row[None, :]) for row in X])
    assert alone.tobytes() == learnt.predict(X).tobytes()
    low, high = learnt.predict_interval(X)
    ends = [learnt.predict_interval(row[None, :]) for row in X]
    assert np.concatenate([end[0] for end in ends]).tobytes() == low.tobytes()
    assert np.concatenate([end[1] for end in ends]).tobytes() == high.tobytes()


def test_what_was_fitted_can_be_carried_as_plain_values_in_any_order(learnt):
    state, boosters = learnt.to_state()
    carried = {name: boosting.from_bytes(boosting.to_bytes(one)) for name, one in boosters.items()}
    again = LifetimeValueModel.from_state(state, dict(sorted(carried.items(), reverse=True)))
    third = LifetimeValueModel.from_state(state, dict(sorted(carried.items())))
    X, _, _ = draw(500, 15)
    assert again.predict(X).tobytes() == third.predict(X).tobytes() == learnt.predict(X).tobytes()
    assert again.predict_median(X).tobytes() == learnt.predict_median(X).tobytes()
    assert np.array_equal(again.predict_interval(X), learnt.predict_interval(X))

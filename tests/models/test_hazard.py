"""Time until a contract ends: laws, oracles and truth."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, logit
from sklearn.utils.estimator_checks import parametrize_with_checks

from training import boosting, hazard, metrics
from training.hazard import ContractHazardModel, contract_value, life_table, observed, person_periods


@parametrize_with_checks([ContractHazardModel(), ContractHazardModel(rounds=5, trees_from=0)])
def test_sklearn_accepts_it_with_and_without_trees(estimator, check):
    check(estimator)


def draw(n, seed, *, periods=12, slope=0.8, censored=True):
    """Customers whose true hazard is constant in time and differs by an input; some are lost from sight."""
    rng = np.random.default_rng(seed)
    X = np.column_stack([rng.normal(size=n), rng.normal(size=n), rng.integers(0, 2, n)])
    chance = expit(-2.3 + slope * X[:, 0] + slope * X[:, 2] - slope / 2)
    leaves_in = rng.geometric(chance)
    seen = rng.integers(0, periods + 1, n) if censored else np.full(n, periods)
    left = leaves_in <= seen
    return X, np.where(left, leaves_in, seen).astype(float), left, chance


def kaplan_meier(y, left, periods):
    """The textbook's loop."""
    curve, still = [], 1.0
    for period in range(1, periods + 1):
        at_risk = sum((y >= period) & (left | (y >= period)))
        gone = sum(left & (y == period))
        still *= 1 - gone / at_risk
        curve.append(still)
    return np.array(curve)


@pytest.fixture(scope="module")
def learnt():
    X, y, left, _ = draw(2500, 1)
    return ContractHazardModel(rounds=100).fit(X, y, left)


@pytest.mark.parametrize("n", [400, 4000])
def test_alike_customers_get_the_curve_of_kaplan_and_meier(n):
    _, y, left, _ = draw(n, 2)
    model = ContractHazardModel(rounds=50).fit(np.ones((n, 2)), y, left)
    expected = kaplan_meier(y, left, 12)
    got = model.survival(np.ones((3, 2)))
    np.testing.assert_allclose(got, np.tile(expected, (3, 1)), atol=20 / n)


def test_constant_hazards_are_recovered(learnt):
    X, _, _, chance = draw(4000, 3)
    truth = 1 - (1 - chance[:, None]) ** np.arange(1, 13)
    said = learnt.probability_left_by(X)
    assert np.abs(said.mean(axis=0) - truth.mean(axis=0)).max() < 0.025
    assert np.corrcoef(logit(said[:, 5]), logit(truth[:, 5]))[0, 1] > 0.95
    for tenth in np.array_split(np.argsort(said[:, 11]), 10):
        assert said[tenth, 11].mean() == pytest.approx(truth[tenth, 11].mean(), abs=0.06)


def test_it_is_calibrated_in_every_period(learnt):
    X, y, left, _ = draw(6000, 4, censored=False)
    said = learnt.probability_left_by(X)
    for period in (1, 3, 6, 12):
        happened = (left & (y <= period)).astype(float)
        assert metrics.expected_calibration_error(happened, said[:, period - 1]) < 0.03


def test_curves_fall_and_stay_between_0_and_1(learnt):
    X, _, _, _ = draw(300, 5)
    X[::3, 0] = np.nan
    X[1::3] = 1e6
    curve = learnt.survival(X)
    assert ((curve >= 0) & (curve <= 1)).all()
    assert (np.diff(curve, axis=1) <= 0).all()
    assert ((learnt.predict(X) >= 0) & (learnt.predict(X) <= 12)).all()


@given(
    st.lists(st.tuples(st.floats(0, 15), st.booleans()), min_size=1, max_size=30),
    st.integers(1, 12),
)
def test_customers_count_where_they_were_watched_and_nowhere_else(lives, periods):
    times, left = np.array([t for t, _ in lives]), np.array([gone for _, gone in lives])
    owner, period, leaves = person_periods(*observed(times, left, periods))
    for one, (time, gone) in enumerate(lives):
        own = period[owner == one]
        last = max(int(np.ceil(time)), 1) if gone else int(np.floor(time))
        np.testing.assert_array_equal(own, np.arange(min(last, periods)))
        assert leaves[owner == one].sum() == (gone and last <= periods)
        if leaves[owner == one].any():
            assert leaves[owner == one][-1] == 1


def test_what_was_not_watched_changes_nothing():
    """Rows of customers who were not watched for a period add nothing but themselves."""
    X, y, left, _ = draw(300, 6)
    table = ContractHazardModel().fit(X, y, left).table_
    more = np.concatenate([y, np.full(200, 0.4)])
    wider = ContractHazardModel().fit(np.vstack([X, X[:200]]), more, np.append(left, np.zeros(200, bool)))
    np.testing.assert_array_equal(wider.table_, table)


def test_being_lost_from_sight_is_not_leaving():
    X, y, left, chance = draw(4000, 7, slope=0.0)
    said = ContractHazardModel(rounds=30).fit(X, y, left).hazards(X)
    assert said.mean() == pytest.approx(chance.mean(), rel=0.08)
    all_left = ContractHazardModel(rounds=30).fit(X, np.maximum(y, 1)).hazards(X)
    assert all_left.mean() > 1.5 * chance.mean()


def test_a_thin_end_leans_on_the_curve_of_the_rest():
    """Nobody was watched beyond the sixth period: the hazard there is like the ones before."""
    X, y, left, chance = draw(3000, 8, periods=6, slope=0.0)
    said = expit(ContractHazardModel(rounds=20).fit(X, y, left).table_)
    assert said[6:] == pytest.approx(chance.mean(), rel=0.3)


@pytest.mark.parametrize(
    ("n", "rung"), [(30, "life table"), (300, "regularised logit"), (600, "whole recipe")]
)
def test_each_size_has_its_rung(n, rung):
    X, y, left, _ = draw(n, 9)
    model = ContractHazardModel(rounds=20).fit(X, y, left)
    assert model.rung_.name == rung
    assert np.isfinite(model.survival(X)).all()


@pytest.mark.parametrize("gone", [False, True])
def test_nobody_or_everybody_leaving_is_no_crash(gone):
    X = np.random.default_rng(0).normal(size=(120, 2))
    model = ContractHazardModel().fit(X, np.full(120, 1.0 if gone else 12.0), np.full(120, gone))
    curve = model.survival(X)
    assert (curve[:, -1] < 0.05).all() if gone else (curve[:, -1] > 0.9).all()


def test_impossible_times_are_refused():
    X = np.zeros((3, 1))
    with pytest.raises(ValueError, match="0 or more"):
        ContractHazardModel().fit(X, [1.0, -1.0, 2.0])
    with pytest.raises(ValueError, match="whole period"):
        ContractHazardModel().fit(X, [0.5, 0.2, 0.9], [False, False, False])
    with pytest.raises(ValueError, match="each row"):
        ContractHazardModel().fit(X, [1.0, 1.0, 2.0], [False])


@pytest.mark.parametrize("other", [{}, {"n_jobs": 2}], ids=["again", "with two threads"])
def test_the_same_seed_gives_the_same_bytes(other):
    X, y, left, _ = draw(700, 10)
    one, two = (ContractHazardModel(rounds=20, **how).fit(X, y, left) for how in ({}, other))
    assert one.survival(X).tobytes() == two.survival(X).tobytes()
    assert boosting.to_bytes(one.boosters_["trees"]) == boosting.to_bytes(two.boosters_["trees"])


@pytest.mark.parametrize("n", [30, 300, 700])
def test_what_was_fitted_can_be_carried_as_plain_values(n):
    X, y, left, _ = draw(n, 11)
    model = ContractHazardModel(rounds=20).fit(X, y, left)
    state, boosters = model.to_state()
    carried = {name: boosting.from_bytes(boosting.to_bytes(one)) for name, one in boosters.items()}
    again = ContractHazardModel.from_state(json.loads(json.dumps(state, allow_nan=False)), carried)
    assert again.survival(X).tobytes() == model.survival(X).tobytes()
    assert again.rung_ == model.rung_


def test_one_customer_is_answered_alone_as_among_others(learnt):
    X, _, _, _ = draw(30, 12)
    alone = np.vstack([learnt.survival(row[None, :]) for row in X])
    assert alone.tobytes() == learnt.survival(X).tobytes()


def test_a_customer_who_never_leaves_is_worth_an_annuity():
    got = contract_value(20.0, np.ones((2, 12)), 0.1, hazard.DAYS_OF_YEAR / 12)
    by_month = 1.1 ** (1 / 12)
    annuity = 20.0 * (1 - by_month**-12) / (by_month - 1) * by_month**0.5
    np.testing.assert_allclose(got, annuity, rtol=1e-12)


def test_the_value_is_the_textbook_sum():
    rng = np.random.default_rng(13)
    curve = np.cumprod(1 - rng.uniform(0, 0.3, (4, 12)), axis=1)
    margin = rng.uniform(5, 20, 4)
    by_hand = []
    for one in range(4):
        total, before = 0.0, 1.0
        for period in range(12):
            there = (before + curve[one, period]) / 2
            total += margin[one] * there / 1.08 ** ((period + 0.5) * 30 / 365.25)
            before = curve[one, period]
        by_hand.append(total)
    np.testing.assert_allclose(contract_value(margin, curve, 0.08, 30), by_hand, rtol=1e-12)
    by_period = np.tile(margin[:, None], (1, 12))
    np.testing.assert_allclose(contract_value(by_period, curve, 0.08, 30), by_hand, rtol=1e-12)


@pytest.mark.parametrize(("rate", "days"), [(-1.0, 30), (0.1, 0), (float("nan"), 30)])
def test_impossible_terms_are_refused(rate, days):
    with pytest.raises(ValueError, match="discount rate"):
        contract_value(1.0, np.ones((1, 12)), rate, days)


def test_the_life_table_counts_leavers_over_those_at_risk():
    period = np.repeat(np.arange(3), [10_000, 8_000, 6_000])
    leaves = np.zeros(24_000)
    leaves[:2000] = leaves[10_000:12_000] = leaves[18_000:18_600] = 1.0
    np.testing.assert_allclose(expit(life_table(period, leaves, 3)), [0.2, 0.25, 0.1], atol=1e-3)

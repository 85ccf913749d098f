"""Laws that every model of purchases obeys."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.btyd import MbgCnbdK, MbgNbd, ParetoNbd, ShiftedBetaGeometric

shapes, scales = st.floats(0.01, 30.0), st.floats(0.5, 500.0)
fitted = {"log_likelihood": st.just(0.0), "n_customers": st.just(0)}
near_one = st.sampled_from([1.0, 1.0 + 1e-9])
mbg = st.builds(MbgNbd, r=shapes, alpha=scales, a=st.one_of(shapes, near_one), b=shapes, **fitted)
cnbd = st.builds(
    MbgCnbdK, r=shapes, alpha=st.floats(5.0, 500.0), a=shapes, b=shapes, k=st.integers(1, 5), **fitted
)
pareto = st.builds(ParetoNbd, r=shapes, alpha=scales, s=st.one_of(shapes, near_one), beta=scales, **fitted)
shops = st.one_of(mbg, cnbd, pareto)
horizons = st.integers(1, 365)


@st.composite
def customers(draw):
    T = draw(st.integers(1, 1500))
    x = draw(st.integers(0, 40))
    t_x = draw(st.integers(0, T)) if x else 0
    return float(x), float(t_x), float(T)


histories = st.lists(customers(), min_size=1, max_size=6)


def answers(shop, horizon, x, t_x, T):
    return (
        shop.probability_alive(x, t_x, T),
        shop.probability_no_purchase(horizon, x, t_x, T),
        shop.probability_no_purchase(horizon, x, t_x, T, gap_days=7),
        shop.expected_purchases(horizon, x, t_x, T),
    )


@settings(max_examples=60)
@given(shop=shops, horizon=horizons, rows=histories)
def test_a_customer_alone_and_among_others_gets_the_same_bytes(shop, horizon, rows):
    table = np.array(rows)
    crowd = np.tile(table, (9, 1))
    among = answers(shop, horizon, *np.ascontiguousarray(crowd.T))
    backwards = answers(shop, horizon, *crowd[::-1].T)
    assert [part[::-1].tobytes() for part in backwards] == [part.tobytes() for part in among]
    for i, row in enumerate(table):
        alone = answers(shop, horizon, *row[:, None])
        for one, many in zip(alone, among, strict=True):
            assert {one.tobytes()} == {value.tobytes() for value in many[i :: len(table)]}


@settings(max_examples=100)
@given(shop=shops, horizon=horizons, customer=customers())
def test_probabilities_are_probabilities_and_purchases_outweigh_the_chance_of_one(shop, horizon, customer):
    columns = [[part] for part in customer]
    alive, silent, silent_after_gap, expected = (float(part[0]) for part in answers(shop, horizon, *columns))
    for probability in (alive, silent, silent_after_gap):
        assert 0.0 <= probability <= 1.0
    assert silent >= 1.0 - alive - 1e-9
    assert expected >= 1.0 - silent - 1e-9


@settings(max_examples=100)
@given(shop=shops, horizon=horizons, customer=customers(), more=st.integers(1, 365))
def test_a_longer_look_ahead_sees_more(shop, horizon, customer, more):
    columns = [[part] for part in customer]
    shorter, longer = (
        (shop.probability_no_purchase(days, *columns)[0], shop.expected_purchases(days, *columns)[0])
        for days in (horizon, horizon + more)
    )
    assert longer[0] <= shorter[0] + 1e-9
    assert longer[1] >= shorter[1] * (1 - 1e-6)


@settings(max_examples=100)
@given(shop=st.one_of(mbg, pareto), horizon=horizons, customer=customers(), more=st.integers(1, 400))
def test_a_longer_silence_makes_a_longer_silence_likelier(shop, horizon, customer, more):
    x, t_x, T = ([part] for part in customer)
    later = [T[0] + more]
    silent, then = (shop.probability_no_purchase(horizon, x, t_x, end)[0] for end in (T, later))
    assert then >= silent - 1e-9
    assert shop.probability_alive(x, t_x, later) <= shop.probability_alive(x, t_x, T) + 1e-12


@settings(max_examples=60)
@given(shop=shops, horizon=horizons, gap=st.integers(1, 40), customer=customers())
def test_a_purchase_in_the_gap_does_not_count(shop, horizon, gap, customer):
    columns = [[part] for part in customer]
    after = shop.probability_no_purchase(horizon, *columns, gap_days=gap)
    assert shop.probability_no_purchase(gap + horizon, *columns) - 1e-9 <= after


@settings(max_examples=60)
@given(shop=shops, horizon=horizons, customer=customers())
def test_hours_instead_of_days_change_no_answer(shop, horizon, customer):
    columns, scaled = [[part] for part in customer], {"alpha": shop.alpha * 24}
    if isinstance(shop, ParetoNbd):
        scaled["beta"] = shop.beta * 24
    finer = type(shop)(**{**vars(shop), **scaled})
    x, t_x, T = customer
    hours = answers(finer, horizon * 24, [x], [t_x * 24], [T * 24])
    days = answers(shop, horizon, *columns)
    assert hours[0] == pytest.approx(days[0], rel=1e-8, abs=1e-12)
    assert hours[1] == pytest.approx(days[1], rel=1e-8)
    assert hours[3] == pytest.approx(days[3], rel=1e-6)


@settings(max_examples=10)
@given(
    rows=st.lists(customers(), min_size=10, max_size=30),
    model=st.sampled_from([MbgNbd, MbgCnbdK, ParetoNbd]),
    seed=st.integers(0, 99),
    hours=st.booleans(),
)
def test_the_order_and_the_repetition_of_rows_do_not_change_the_fit(rows, model, seed, hours):
    table = np.array([*rows, (1.0, 30.0, 100.0), (2.0, 60.0, 90.0)])
    table[:, 1:] *= 1 + hours / 24
    rng = np.random.default_rng(seed)
    assert model.fit(*table.T) == model.fit(*rng.permutation(table).T)
    if not hours:
        times = rng.integers(1, 4, len(table))
        assert model.fit(*table.T, weights=times) == model.fit(*np.repeat(table, times, axis=0).T)


@settings(max_examples=10)
@given(model=st.sampled_from([MbgNbd, MbgCnbdK, ParetoNbd]), seed=st.integers(0, 999))
def test_weeks_instead_of_days_change_the_scale_of_a_fit_alone(model, seed):
    rng = np.random.default_rng(seed)
    T = rng.integers(100, 400, 400) * 1.0
    x = rng.poisson(rng.gamma(0.8, 2.5, 400)) * 1.0
    t_x = np.where(x > 0, np.ceil(T * rng.random(400) ** 0.4), 0.0)
    days, weeks = model.fit(x, t_x, T), model.fit(x, t_x / 7, T / 7)
    assert weeks.r == pytest.approx(days.r, rel=1e-3)
    assert weeks.log_likelihood - np.log(7) * x.sum() == pytest.approx(days.log_likelihood, abs=1e-4)


@settings(max_examples=100)
@given(
    club=st.builds(ShiftedBetaGeometric, alpha=shapes, beta=shapes, **fitted),
    survived=st.integers(0, 60),
    periods=st.integers(1, 40),
    discount=st.one_of(st.just(0.0), st.floats(0.001, 0.5)),
)
def test_contracts_end_sooner_or_later_and_last_longer_the_longer_one_looks(
    club, survived, periods, discount
):
    shorter, longer = (club.probability_leaves(n, survived) for n in (periods, periods + 1))
    assert 0.0 <= shorter <= longer <= 1.0
    assert club.probability_leaves(periods, survived + 1) <= shorter
    some, more = (
        club.expected_remaining([survived], periods=n, discount=discount)[0] for n in (periods, 400)
    )
    assert some <= more <= club.expected_remaining([survived], discount=discount)[0] * (1 + 1e-9)

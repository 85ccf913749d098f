"""Laws of the purchase models."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.btyd import BgNbd, GammaGamma

parameters = st.floats(0.01, 30.0)
shops = st.builds(
    BgNbd,
    r=parameters,
    alpha=st.floats(0.5, 500.0),
    a=st.one_of(parameters, st.sampled_from([1.0, 1.0 + 1e-9])),
    b=parameters,
    log_likelihood=st.just(0.0),
    n_customers=st.just(0),
)
horizons = st.integers(1, 730)


@st.composite
def customers(draw):
    T = draw(st.integers(1, 1500))
    x = draw(st.integers(0, 60))
    t_x = draw(st.integers(0, T)) if x else 0
    return float(x), float(t_x), float(T)


histories = st.lists(customers(), min_size=1, max_size=8)


def answers(shop, horizon, x, t_x, T):
    return (
        shop.probability_alive(x, t_x, T),
        shop.probability_no_purchase(horizon, x, t_x, T),
        shop.probability_no_purchase(horizon, x, t_x, T, gap_days=14),
        shop.expected_purchases(horizon, x, t_x, T),
    )


@settings(deadline=None)
@given(shop=shops, horizon=horizons, rows=histories)
def test_a_customer_alone_and_among_others_gets_the_same_bytes(shop, horizon, rows):
    table = np.array(rows)
    crowd = np.tile(table, (37, 1))
    among = answers(shop, horizon, *np.ascontiguousarray(crowd.T))
    for i, row in enumerate(table):
        alone = answers(shop, horizon, *row[:, None])
        for one, many in zip(alone, among, strict=True):
            assert {one.tobytes()} == {value.tobytes() for value in many[i :: len(table)]}


@settings(deadline=None)
@given(shop=shops, horizon=horizons, rows=histories)
def test_strided_columns_get_the_same_bytes(shop, horizon, rows):
    table = np.tile(np.array(rows), (5, 1))
    dense = answers(shop, horizon, *np.ascontiguousarray(table.T))
    for strided in (table.T, np.repeat(table, 2, axis=0)[::2].T):
        loose = answers(shop, horizon, *strided)
        assert [part.tobytes() for part in loose] == [part.tobytes() for part in dense]
    backwards = answers(shop, horizon, *table[::-1].T)
    assert [part[::-1].tobytes() for part in backwards] == [part.tobytes() for part in dense]


def test_one_among_ten_thousand_gets_the_same_bytes():
    rng = np.random.default_rng(0)
    shop = BgNbd(0.26, 38.0, 0.61, 2.27, 0.0, 0)
    T = rng.uniform(1, 700, 10_000)
    x = rng.poisson(2, 10_000).astype(float)
    t_x = np.where(x > 0, T * rng.random(10_000), 0.0)
    together = answers(shop, 182, x, t_x, T)
    for i in (0, 1, 4999, 9996, 9999):
        alone = answers(shop, 182, x[i : i + 1], t_x[i : i + 1], T[i : i + 1])
        assert [part[0].tobytes() for part in alone] == [part[i].tobytes() for part in together]
    spend = GammaGamma(6.25, 3.74, 15.44)
    means = rng.gamma(2, 20, 10_000)
    all_means = spend.expected_mean(x, means)
    assert all(
        spend.expected_mean(x[i : i + 1], means[i : i + 1])[0] == all_means[i] for i in range(0, 10_000, 97)
    )


@settings(deadline=None)
@given(shop=shops, horizon=horizons, customer=customers())
def test_probabilities_are_probabilities_and_purchases_outweigh_the_chance_of_one(shop, horizon, customer):
    columns = [[part] for part in customer]
    alive, silent, silent_after_gap, expected = (float(part[0]) for part in answers(shop, horizon, *columns))
    for probability in (alive, silent, silent_after_gap):
        assert 0.0 <= probability <= 1.0
    assert silent >= 1.0 - alive - 1e-12
    assert expected >= 1.0 - silent - 1e-9


@settings(deadline=None)
@given(shop=shops, horizon=horizons, customer=customers(), more=st.integers(1, 400))
def test_a_longer_look_ahead_sees_more(shop, horizon, customer, more):
    columns = [[part] for part in customer]
    assert shop.probability_no_purchase(horizon + more, *columns) <= shop.probability_no_purchase(
        horizon, *columns
    )
    shorter, longer = (shop.expected_purchases(days, *columns)[0] for days in (horizon, horizon + more))
    assert longer >= shorter * (1 - 1e-6)


@settings(deadline=None)
@given(shop=shops, horizon=horizons, customer=customers(), more=st.integers(1, 400))
def test_a_longer_silence_makes_a_longer_silence_likelier(shop, horizon, customer, more):
    x, t_x, T = ([part] for part in customer)
    later = [T[0] + more]
    assert shop.probability_no_purchase(horizon, x, t_x, later) >= (
        shop.probability_no_purchase(horizon, x, t_x, T) - 1e-12
    )
    assert shop.probability_alive(x, t_x, later) <= shop.probability_alive(x, t_x, T)


@settings(deadline=None)
@given(shop=shops, horizon=horizons, gap=st.integers(1, 200), customer=customers())
def test_a_purchase_in_the_gap_does_not_count(shop, horizon, gap, customer):
    columns = [[part] for part in customer]
    after = shop.probability_no_purchase(horizon, *columns, gap_days=gap)
    throughout = shop.probability_no_purchase(gap + horizon, *columns)
    at_once = shop.probability_no_purchase(horizon, *columns)
    assert throughout - 1e-9 <= after
    assert at_once - 1e-9 <= after


@settings(deadline=None)
@given(
    p=parameters,
    q=st.floats(1.01, 30.0),
    v=parameters,
    n=st.integers(1, 500),
    mean=st.floats(0.0, 1e4),
)
def test_an_expected_order_lies_between_the_own_mean_and_the_mean_of_all(p, q, v, n, mean):
    spend = GammaGamma(p, q, v)
    expected, of_all = spend.expected_mean([n, 0], [mean, np.nan])
    assert of_all == pytest.approx(p * v / (q - 1))
    low, high = sorted((mean, of_all))
    assert low * (1 - 1e-9) <= expected <= high * (1 + 1e-9)


@settings(deadline=None, max_examples=25)
@given(rows=st.lists(customers(), min_size=10, max_size=40), seed=st.integers(0, 99), hours=st.booleans())
def test_the_order_of_the_rows_does_not_change_the_fit(rows, seed, hours):
    table = np.array([*rows, (1.0, 30.0, 100.0), (2.0, 60.0, 90.0)])
    table[:, 1:] *= 1 + hours / 24
    shuffled = np.random.default_rng(seed).permutation(table)
    assert BgNbd.fit(*table.T) == BgNbd.fit(*shuffled.T)
    spends = (GammaGamma.fit(one[:, 0] + 1, one[:, 2] / 7) for one in (table, shuffled))
    assert len(set(spends)) == 1

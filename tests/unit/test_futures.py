"""Drawn futures against the exact answers."""

import numpy as np
import pytest
from repeat_buyers import FITTED, every_shop
from scipy import special

from training.btyd import BgNbd, GammaGamma, MbgNbd, ParetoNbd, value_quantiles
from training.btyd.futures import _key

SPEND = GammaGamma(p=6.25, q=3.74, v=15.44)
COLUMNS = [np.array(part, dtype=float) for part in ([0, 1, 4, 9], [0, 60, 280, 290], [90, 300, 300, 295])]


@every_shop
@pytest.mark.parametrize(("horizon", "gap"), [(80, 0), (50, 60)])
def test_drawn_purchases_are_as_likely_and_as_many_as_the_formulas_say(shop, horizon, gap):
    drawn = shop.simulate(horizon, *COLUMNS, draws=30_000, seed=1, gap_days=gap)
    silent = shop.probability_no_purchase(horizon, *COLUMNS, gap_days=gap)
    expected = shop.expected_purchases(gap + horizon, *COLUMNS) - shop.expected_purchases(gap, *COLUMNS)
    assert drawn.shape == (4, 30_000)
    assert ((drawn >= 0) & (drawn == np.floor(drawn))).all()
    for seen, exact in (((drawn == 0) * 1.0, silent), (drawn, expected)):
        error = seen.std(axis=1) / np.sqrt(30_000) + 1e-9
        assert (np.abs(seen.mean(axis=1) - exact) < 4.5 * error).all()


@every_shop
def test_the_same_seed_draws_the_same_future(shop):
    first, again, other = (shop.simulate(90, *COLUMNS, draws=50, seed=seed) for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()


def test_drawn_orders_are_worth_what_is_expected_of_them():
    orders = np.tile([[0.0], [1.0], [5.0]], 40_000)
    worth = SPEND.draw(orders, [3, 3, 0], [20.0, 20.0, 0.0], np.random.default_rng(2))
    assert (worth[0] == 0).all()
    mean, error = worth.mean(axis=1), worth.std(axis=1) / 200
    exact = SPEND.expected_mean([3, 3, 0], [20.0, 20.0, 0.0]) * [0, 1, 5]
    assert (np.abs(mean - exact) <= 4 * error).all()


def test_quantiles_of_value_are_where_the_exact_distribution_has_them():
    """P(m purchases) and what m orders are worth both have closed forms when nobody leaves."""
    shop = BgNbd(0.8, 40.0, 1e-9, 1e6, **FITTED)
    x, t_x, T, mean, horizon = 2.0, 90.0, 100.0, 20.0, 120.0
    levels = [0.25, 0.5, 0.9]
    found = value_quantiles(shop, SPEND, levels, horizon, [x], [t_x], [T], [mean], draws=40_000)[0]
    m = np.arange(1, 200)
    z = horizon / (shop.alpha + T + horizon)
    at_least = special.betainc(m, shop.r + x, z)
    exactly = at_least - np.append(at_least[1:], 0.0)
    spent = SPEND.v + (x + 1) * mean
    for level, value in zip(levels, found, strict=True):
        worth = special.betainc(SPEND.p * m, SPEND.q + SPEND.p * (x + 1), value / (value + spent))
        below = 1 - at_least[0] + (exactly * worth).sum()
        assert below == pytest.approx(level, abs=0.01)


@pytest.mark.parametrize(
    "shop", [MbgNbd(0.5, 40.0, 0.8, 2.5, **FITTED), ParetoNbd(0.5, 70.0, 0.6, 82.0, **FITTED)]
)
def test_a_customer_alone_and_among_others_gets_the_same_quantiles(shop):
    means = np.array([20.0, 35.0, 8.0, 14.0])
    crowd = [np.tile(part, 3)[::-1] for part in (*COLUMNS, means)]
    among = value_quantiles(shop, SPEND, [0.1, 0.5, 0.9], 180, *crowd, draws=60)
    assert among.shape == (12, 3)
    assert (np.diff(among, axis=1) >= 0).all()
    for i in range(12):
        alone = value_quantiles(
            shop, SPEND, [0.1, 0.5, 0.9], 180, *(part[i : i + 1] for part in crowd), draws=60
        )
        assert alone.tobytes() == among[i : i + 1].tobytes()
    other = value_quantiles(shop, SPEND, [0.1, 0.5, 0.9], 180, *crowd, draws=60, seed=1)
    assert (other != among).any()


def test_nobody_to_ask_about_has_no_future():
    shop = MbgNbd(0.5, 40.0, 0.8, 2.5, **FITTED)
    assert shop.simulate(90, [], [], [], draws=5, seed=0).shape == (0, 5)
    assert value_quantiles(shop, SPEND, [0.5], 90, [], [], [], []).shape == (0, 1)


def test_customers_who_differ_in_one_number_have_streams_of_chance_of_their_own():
    customers = np.array([2.0, 60.0, 90.0, 20.0]) + np.vstack([np.zeros(4), np.eye(4)])
    keys = {_key(customer.view(np.uint64), seed) for customer in customers for seed in (0, 1)}
    assert len(keys) == 10

"""Quantiles of a value that is often zero, and how ends of an interval are measured."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training import spread
from training.spread import Spread


def draw(n, seed):
    rng = np.random.default_rng(seed)
    chance, mean = rng.uniform(0.02, 0.99, n), rng.gamma(2.0, 20.0, n)
    brought = np.where(rng.uniform(size=n) < chance, rng.gamma(2.0, mean / 2), 0.0)
    return chance, chance * mean, brought


def measured():
    chance, expected, brought = draw(20_000, 1)
    some = brought > 0
    return Spread.of(brought[some], expected[some] / chance[some])


@pytest.fixture(scope="module")
def known():
    return measured()


@pytest.mark.parametrize("level", [0.1, 0.5, 0.9])
def test_so_many_lie_below_a_quantile_at_every_chance(known, level):
    chance, expected, brought = draw(40_000, 2)
    found = known.quantile(level, chance, expected)
    for low, high in ((0.05, 0.5), (0.5, 0.9), (0.9, 1.0)):
        some = (chance > low) & (chance < high) & (found > 0)
        if some.any():
            assert np.mean(brought[some] <= found[some]) == pytest.approx(level, abs=0.03)


@given(st.floats(0.0, 1.0), st.floats(0.0, 1e6), st.floats(0.01, 0.99), st.floats(0.01, 0.99))
def test_a_higher_quantile_is_never_lower(chance, expected, one, other):
    low, high = sorted((one, other))
    known = Spread.of(np.array([1.0, 2.0, 9.0]), np.array([3.0, 3.0, 3.0]))
    ends = [known.quantile(level, np.array([chance]), np.array([expected]))[0] for level in (low, high)]
    assert 0 <= ends[0] <= ends[1]


def test_who_most_likely_brings_nothing_has_a_median_of_nothing(known):
    assert known.quantile(0.5, np.array([0.49, 0.51]), np.array([50.0, 50.0])).tolist()[0] == 0.0
    assert known.quantile(0.5, np.array([0.49, 0.9]), np.array([50.0, 50.0]))[1] > 0


def test_nobody_who_bought_is_an_answer():
    known = Spread.of(np.array([]), np.array([]))
    assert known.quantile(0.9, np.array([0.95]), np.array([9.5])).tolist() == [pytest.approx(10.0)]


def test_an_interval_that_is_too_narrow_is_widened_to_one_in_ten():
    chance, expected, brought = draw(40_000, 3)
    low, high = np.full(len(chance), 1e-3), expected * 0.5
    half = np.arange(len(chance)) % 2 == 0
    found = spread.factors(brought[half], expected[half], low[half], high[half])
    moved = high[~half] * np.interp(expected[~half], found["expected"], found["high"])
    assert np.mean(brought[~half] > moved) == pytest.approx(0.1, abs=0.01)


def test_the_factors_of_right_ends_are_near_one(known):
    """Where the expectation itself ends the interval, at the bottom, they are lower."""
    chance, expected, brought = draw(40_000, 4)
    low, high = known.ends(chance, expected)
    found = spread.factors(brought, expected, low, high)
    assert np.abs(np.log(found["high"][3:])).max() < 0.25

"""Which level is expected at a scoring date: the season where it is known, else half of the recent mean."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit

from features.windows import MICROSECONDS_PER_DAY as DAY
from training import levels

FIRST = 0
SEASON = np.sin(2 * np.pi * np.arange(0, 1500) / 365)


def series_of(day_from, day_to, level):
    days = np.arange(day_from, day_to, 30)
    return levels.Series.of(days * DAY, [level(day) for day in days])


def test_a_level_of_a_year_ago_is_expected_again():
    series = series_of(120, 500, lambda day: 0.4 * SEASON[day])
    found = levels.forecast(series, 600 * DAY, FIRST, 90)
    assert found.method == "season"
    assert found.log_level == pytest.approx(0.4 * SEASON[235], abs=0.03)
    assert "a year ago" in found.why


def test_without_a_year_half_of_the_recent_mean_lasts():
    series = series_of(120, 250, lambda _: 0.3)
    found = levels.forecast(series, 340 * DAY, FIRST, 90)
    assert found.method == "shrunk recent mean"
    assert found.log_level == pytest.approx(0.15)


def test_a_year_without_the_120_days_before_it_is_no_season():
    series = series_of(30, 330, lambda _: 0.3)
    assert levels.forecast(series, 470 * DAY, FIRST, 90).method == "shrunk recent mean"
    assert levels.forecast(series, 486 * DAY, FIRST, 90).method == "season"


def test_only_the_newest_levels_count_where_there_is_no_season():
    old = series_of(0, 300, lambda day: 9.0 if day < 60 else 0.2)
    assert levels.forecast(old, 390 * DAY, FIRST, 90).log_level == pytest.approx(0.1)


def test_growth_is_added_where_it_would_have_helped():
    series = series_of(120, 1380, lambda day: 0.3 * SEASON[day] + 0.001 * day)
    found = levels.forecast(series, 1470 * DAY, FIRST, 90)
    assert found.method == "season and growth"
    truth = 0.3 * SEASON[1470 - 365 * 4] + 0.001 * 1470
    naive = series.near(1470 - 365)
    assert abs(found.log_level - truth) < abs(naive - truth)


def test_growth_is_left_out_where_it_would_have_hurt():
    rng = np.random.default_rng(3)
    series = series_of(120, 1380, lambda day: 0.3 * SEASON[day] + rng.normal(0, 0.1))
    assert levels.forecast(series, 1470 * DAY, FIRST, 90).method == "season"


def test_a_test_on_the_past_sees_only_what_was_realised_then():
    """A jump at the newest cutoff is no error of a forecast that had not been made for it yet."""
    plain = series_of(120, 800, lambda _: 0.2)
    jumped = levels.Series(
        plain.days, np.where(plain.days == plain.days[-1], 3.0, plain.levels), plain.errors
    )
    before = plain.until(plain.days[-1] - 1)
    for span in (90, 120):
        naive, _ = levels._tested(jumped, span)
        expected, _ = levels._tested(before, span)
        assert naive[:-1].tolist() == expected.tolist()


def test_no_level_says_so():
    found = levels.forecast(levels.Series.of([], []), DAY, FIRST, 90)
    assert (found.log_level, found.method) == (0.0, "none")
    assert found.low < 0 < found.high


def test_a_horizon_longer_than_any_realised_one_is_a_scenario():
    series = series_of(120, 500, lambda _: 0.2)
    usual = levels.forecast(series, 600 * DAY, FIRST, 90)
    longer = levels.forecast(series, 600 * DAY, FIRST, 360, trained_days=90)
    assert longer.high - longer.low == pytest.approx(2 * (usual.high - usual.low))
    assert "scenario" in longer.why
    assert "scenario" not in usual.why


@given(st.permutations(range(12)), st.lists(st.floats(-2, 2), min_size=12, max_size=12))
def test_the_order_of_cutoffs_does_not_matter(order, values):
    days = np.arange(12) * 30 + 120
    one = levels.forecast(levels.Series.of(days * DAY, values), 560 * DAY, FIRST, 90)
    mixed = levels.Series.of(days[list(order)] * DAY, np.array(values)[list(order)])
    assert levels.forecast(mixed, 560 * DAY, FIRST, 90) == one
    assert one.low < one.log_level < one.high


@given(st.floats(-1, 1))
def test_a_level_everywhere_is_a_level_ahead(level):
    series = series_of(120, 500, lambda _: level)
    assert levels.forecast(series, 600 * DAY, FIRST, 90).log_level == pytest.approx(level, abs=1e-9)


@given(st.floats(0.02, 0.98), st.floats(-3, 3))
def test_a_shift_makes_the_mean_chance_the_rate(rate, at):
    logits = at + np.linspace(-1, 1, 21)
    assert expit(logits + levels.shift_to(logits, rate)).mean() == pytest.approx(rate, abs=1e-6)


def test_undefined_levels_are_left_out():
    assert len(levels.Series.of([DAY, 2 * DAY], [np.nan, 0.1])) == 1


def test_a_noisy_level_of_a_year_ago_is_drawn_to_what_lasts():
    days = np.arange(120, 500, 30)
    values = [0.4 * SEASON[day] for day in days]
    at = (485 + 120) * DAY
    by_error = [
        levels.forecast(levels.Series.of(days * DAY, values, np.full(len(days), error)), at, FIRST, 90)
        for error in (0.0, 0.1, 0.2, 10.0)
    ]
    lasting = levels.LASTING * np.mean(values[-levels.RECENT :])
    known = [one.log_level for one in by_error]
    assert known[0] == pytest.approx(levels.Series.of(days * DAY, values).near(240), abs=1e-12)
    assert known[1] == pytest.approx((known[0] + lasting) / 2)
    assert known[2] == pytest.approx(lasting + (known[0] - lasting) / 5)
    assert known[3] == pytest.approx(lasting, abs=1e-3)
    assert all(one.knows_season for one in by_error)


def test_the_band_widens_with_the_root_of_the_time():
    found = levels.forecast(series_of(120, 500, lambda _: 0.2), 600 * DAY, FIRST, 90)
    low, high = found.factors(1.0)
    assert np.log([low, high]) == pytest.approx([found.low - found.log_level, found.high - found.log_level])
    assert np.log(found.factors(4.0)) == pytest.approx(2 * np.log([low, high]))

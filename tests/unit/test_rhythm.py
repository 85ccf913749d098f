"""Days on which facts should have come: holidays, seasons and monthly bills are none."""

import numpy as np
import pytest

from features.grading import rhythm

YEAR = 365


def daily(n_days, rows=10, without=()):
    return {day: rows for day in range(n_days) if not any(first <= day < end for first, end in without)}


def gaps(days):
    return [(gap.first, gap.end) for gap in rhythm.silences(days)]


def test_a_full_history_has_no_gap():
    assert gaps(daily(400)) == []


def test_a_month_that_is_missing_is_found_to_the_day():
    assert gaps(daily(400, without=[(100, 131)])) == [(100, 131)]


def test_two_gaps_are_two():
    assert gaps(daily(400, without=[(100, 131), (300, 305)])) == [(100, 131), (300, 305)]


@pytest.mark.parametrize("length", [1, 2])
def test_a_holiday_is_no_gap(length):
    assert gaps(daily(400, without=[(100, 100 + length)])) == []


def test_a_shop_that_is_closed_at_weekends_has_no_gap_but_for_a_whole_week():
    open_days = {day: 10 for day in range(400) if day % 7 < 5}
    assert gaps(open_days) == []
    assert gaps({day: n for day, n in open_days.items() if not 98 <= day < 105}) == [(96, 105)]


def test_bills_on_the_first_of_the_month_leave_a_gap_only_where_a_month_is_missing():
    months = np.arange("1990-01", "1993-01", dtype="datetime64[M]").astype("datetime64[D]").astype(int)
    bills = dict.fromkeys(months.tolist(), 100)
    assert gaps(bills) == []
    del bills[int(months[10])]
    assert gaps(bills) == [(int(months[9]) + 1, int(months[11]))]


def test_too_few_facts_make_no_rhythm():
    rng = np.random.default_rng(0)
    assert gaps(dict.fromkeys(rng.choice(2000, 60, replace=False).tolist(), 1)) == []


def test_a_start_with_few_customers_is_no_gap():
    slow = dict.fromkeys(range(0, 200, 4), 1)
    assert gaps(slow | dict.fromkeys(range(200, 400), 50)) == []


def test_a_season_that_comes_back_is_no_gap():
    """A ski rental is closed from April to November of every year."""
    winters = {day: 20 for day in range(4 * YEAR) if day % YEAR < 100 or day % YEAR > 320}
    assert gaps(winters) == []
    broken = {day: n for day, n in winters.items() if not 2 * YEAR + 20 <= day < 2 * YEAR + 50}
    assert gaps(broken) == [(2 * YEAR + 20, 2 * YEAR + 50)]


def test_days_without_rows_may_be_said_or_left_out():
    days = daily(400, without=[(100, 131)])
    assert gaps(days) == gaps(days | dict.fromkeys(range(100, 131), 0))


@pytest.mark.parametrize("days", [{}, {5: 100}])
def test_no_rhythm_without_two_days(days):
    assert gaps(days) == []


def test_the_expected_rows_are_those_of_the_slower_side():
    days = {day: 20 if day < 100 else 4 for day in range(200) if not 100 <= day < 120}
    (gap,) = rhythm.silences(days)
    assert gap.length == 20
    assert gap.expected == pytest.approx(20 * 4)


def test_a_mistyped_year_is_no_gap():
    assert gaps(daily(400) | {-20_000: 1}) == []

"""Values that stand for none, and real ones that look like them."""

import numpy as np
import pytest

from features.grading import disguises
from features.windows import parse_instant

rng = np.random.default_rng(3)
AGES = rng.integers(18, 91, 1000).astype(float)
INCOMES = np.round(rng.lognormal(10.5, 0.4, 1000))
COUNTS = rng.poisson(1.5, 1000).astype(float)
PRICES = rng.choice([9.99, 19.99, 49.0, 99.0], 1000)


def found(values, *, money=False):
    return [number for number, _ in disguises.numbers(values, money=money)]


def with_some(values, number, n=30):
    return np.append(values, np.full(n, number))


@pytest.mark.parametrize("values", [AGES, INCOMES, COUNTS, PRICES, np.full(50, np.nan), np.empty(0)])
def test_honest_numbers_are_left_alone(values):
    assert found(values) == found(values, money=True) == []


@pytest.mark.parametrize("number", [0, -1, -9, -99, -999, 999, 9999, 99999])
def test_a_number_apart_from_every_age_stands_for_none(number):
    assert found(with_some(AGES, number)) == [number]


@pytest.mark.parametrize("number", [-1, 999_999, 99_999_999])
def test_a_number_apart_from_every_income_stands_for_none(number):
    assert found(with_some(INCOMES, number), money=True) == [number]


def test_a_real_zero_is_left_alone():
    assert found(COUNTS) == []
    assert found(with_some(rng.exponential(20, 1000), 0, 300)) == []
    assert found(with_some(INCOMES, 0), money=True) == [], "free is a price"
    assert found(with_some(PRICES, 0)) == [], "a price list has few prices"


def test_a_negative_number_among_others_is_left_alone():
    assert found(with_some(rng.normal(0, 1, 1000).round(), -1)) == []


def test_ninety_nine_among_ages_may_be_an_age():
    assert found(with_some(AGES, 99)) == []


def test_a_number_that_hardly_occurs_is_left_alone():
    assert found(with_some(AGES, 999, 4)) == []


def test_the_share_is_that_of_the_filled_rows():
    values = np.concatenate([AGES[:90], np.full(10, -1.0), np.full(100, np.nan)])
    assert disguises.numbers(values, money=False) == [(-1.0, 0.1)]


@pytest.mark.parametrize(
    "word",
    ["unknown", "UNKNOWN", " n/a ", "N/A", "-", "--", "?", "null", "NaN", "Unbekannt", "non renseigné"],
)
def test_words_for_nothing_are_known(word):
    assert disguises.is_word_for_nothing(word)


@pytest.mark.parametrize("word", ["none", "No", "other", "a-b", "nation", "", "Nantes", "0"])
def test_words_that_say_something_are_left_alone(word):
    assert not disguises.is_word_for_nothing(word)


def moments(text, n=1):
    return np.full(n, float(parse_instant(text)))


JOINED = np.concatenate([moments(f"20{y}-0{m}-11") for y in range(10, 24) for m in range(1, 10)])


@pytest.mark.parametrize("date", ["1900-01-01", "1970-01-01", "2099-12-31"])
@pytest.mark.parametrize("hour", ["T00:00", "T00:00+02:00", "T00:00-05:00"])
def test_a_date_that_many_share_and_that_lies_apart_stands_for_none(date, hour):
    values = np.concatenate([JOINED, moments(date + hour, 8), [np.nan]])
    assert disguises.dates(values) == [(date, pytest.approx(8 / (len(JOINED) + 8)))]


def test_the_same_date_within_a_history_is_left_alone():
    near = np.concatenate([moments(f"1999-0{m}-01") for m in range(1, 10)])
    assert disguises.dates(np.concatenate([JOINED, near, moments("2000-01-01", 50)])) == []


def test_a_column_that_is_one_such_date_says_so():
    assert disguises.dates(moments("1970-01-01", 20)) == [("1970-01-01", 1.0)]


def test_no_values_hold_no_disguise():
    assert disguises.dates(np.empty(0)) == []
    assert disguises.frequent_codes(np.full(9, np.nan)) == []

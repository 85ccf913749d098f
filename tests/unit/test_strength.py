"""How well a single column tells who leaves, and how sure that is."""

import numpy as np
import pytest
from panels import panel_of
from scipy.special import expit

from training import metrics, strength
from training.strength import View

rng = np.random.default_rng(17)
N = 2000
LEFT = (rng.uniform(size=N) < 0.3).astype(float)


def measured(left=LEFT, levels=None, **columns):
    return {one.view: one for one in strength.strengths(panel_of(columns, levels), left)}


@pytest.mark.parametrize("values", [rng.normal(size=N), rng.integers(0, 4, N).astype(float), np.zeros(N)])
def test_the_area_is_that_of_the_metrics(values):
    scores = expit(values + LEFT)
    area, error = strength.auc(LEFT, scores)
    assert area == pytest.approx(metrics.roc_auc(LEFT, scores))
    assert 0 <= error < 0.02


def test_the_error_is_that_of_many_draws():
    areas, errors = [], []
    for _ in range(300):
        left = (rng.uniform(size=300) < 0.3).astype(float)
        area, error = strength.auc(left, rng.normal(size=300) + left)
        areas.append(area)
        errors.append(error)
    assert np.mean(errors) == pytest.approx(np.std(areas), rel=0.1)


def test_the_direction_does_not_matter():
    up, down = measured(x=LEFT + rng.normal(size=N)), measured(x=-LEFT - rng.normal(size=N))
    assert up[View.ORDER].auc > 0.7
    assert down[View.ORDER].auc > 0.7


def test_noise_is_no_better_than_chance_in_any_way():
    better = 0
    for _ in range(100):
        filled = np.where(rng.uniform(size=N) < 0.5, rng.normal(size=N), np.nan)
        better += sum(one.low() > 0.5 for one in measured(x=filled).values())
    assert better <= 18, "three ways, each above chance once in forty draws"


def test_being_filled_or_not_is_looked_at():
    told = measured(x=np.where(LEFT + rng.normal(size=N) > 0.5, 1.0, np.nan))
    assert told[View.FILLED].low() > 0.6


def test_a_column_that_is_always_filled_has_no_such_view():
    assert View.FILLED not in measured(x=LEFT)


def test_what_rises_and_falls_again_is_seen_in_groups():
    x = rng.uniform(-1, 1, N)
    left = (rng.uniform(size=N) < np.abs(x)).astype(float)
    told = measured(left, x=x)
    assert told[View.ORDER].low() < 0.5
    assert told[View.GROUPS].low() > 0.7


def test_words_are_looked_at_by_their_churn_rate():
    words = np.where(LEFT > 0, rng.integers(0, 2, N), rng.integers(1, 3, N)).astype(float)
    told = measured(x=words, levels={"x": ["a", "b", "c"]})
    assert set(told) == {View.GROUPS}
    assert told[View.GROUPS].low() > 0.7


def test_an_id_says_nothing_about_itself():
    """In its own fold, every id has a churn rate of 0 or 1; learnt from the others, it has none."""
    told = measured(x=rng.permutation(N).astype(float), levels={"x": [str(n) for n in range(N)]})
    assert told[View.GROUPS].auc == pytest.approx(0.5, abs=0.001)


def test_nothing_is_said_of_hardly_any_rows():
    left = np.zeros(N)
    left[:19] = 1
    assert measured(left, x=rng.normal(size=N)) == {}
    left[19] = 1
    assert set(measured(left, x=rng.normal(size=N))) == {View.ORDER, View.GROUPS}


def test_a_wider_interval_covers_more():
    (one, _) = measured(x=LEFT + rng.normal(size=N)).values()
    assert one.low(0.999) < one.low(0.95) < one.auc

"""Mistakes that churn models are known for, each made impossible by name."""

import numpy as np
import pytest
from builders import bucket_of, customer
from clocks import clock_at
from populations import CHURN, CUTOFFS, FEATURES, UNTIL, customers, model, panel

from features.panel import panel_of
from features.windows import MICROSECONDS_PER_DAY, days, parse_instant
from training import labels
from training.inputs import PRIOR_CHURN

WEEKS = 40


def weekly(name, last):
    """A customer who came every week for forty weeks, up to some days before the cutoff."""
    one = customer(name).described(region="north", joined_at=UNTIL - days(365).microseconds)
    for k in range(WEEKS):
        one = one.bought(UNTIL - (last + 7 * k) * MICROSECONDS_PER_DAY, 20.0, channel="web")
    return one


def chance(*customers):
    """Each customer's probability to leave."""
    found = panel_of(FEATURES, bucket_of(customers), np.array([UNTIL]))
    return model("attrition").predict(found)["churn_probability"]


def prior(*customers):
    found = panel_of(FEATURES, bucket_of(customers), np.array([UNTIL]))
    fitted = model("attrition")
    logits = fitted.inputs.encode(found, fitted.prior)[:, PRIOR_CHURN]
    return 1 / (1 + np.exp(-logits))


@pytest.mark.parametrize("asked", [prior, chance], ids=["prior", "model"])
def test_a_vanished_customer_is_a_churner(asked):
    """A weekly visitor who has been away for 80 days has left, however much they bought before."""
    vanished, regular = asked(weekly("vanished", 80), weekly("regular", 3))
    assert vanished > 0.7
    assert vanished > regular + 0.4


@pytest.mark.parametrize("asked", [prior, chance], ids=["prior", "model"])
def test_a_regular_visitor_is_not(asked):
    (regular,) = asked(weekly("regular", 3))
    assert regular < 0.25


def test_the_longer_a_regular_visitor_is_away_the_likelier_they_have_left():
    away = chance(*(weekly(f"away {last}", last) for last in (2, 20, 40, 60, 80)))
    assert (np.diff(away) > -0.02).all()
    assert away[-1] > away[0] + 0.4


def test_a_rare_visitor_who_is_away_as_long_as_usual_has_not_left_as_surely():
    """Away for 60 days is the end for a weekly visitor, and nothing for one who comes every 60 days."""
    rare = customer("rare").described(region="north", joined_at=UNTIL - days(365).microseconds)
    for k in range(6):
        rare = rare.bought(UNTIL - (60 + 60 * k) * MICROSECONDS_PER_DAY, 20.0, channel="web")
    seldom, often = prior(rare, weekly("often", 60))
    assert seldom < often


@pytest.mark.parametrize("now", ["1998-01-01", "2023-07-01", "2080-01-01"])
@pytest.mark.parametrize("kind", ["attrition", "lifetime-value"])
def test_features_do_not_change_when_the_clock_moves(kind, now):
    """Neither do predictions: what is known at a cutoff is the same whenever it is asked."""
    usual = panel((UNTIL,))
    said = model(kind).predict(usual)
    with clock_at(parse_instant(now)):
        moved = panel.__wrapped__((UNTIL,))
        assert moved.numbers.tobytes() == usual.numbers.tobytes()
        for name, values in model(kind).predict(moved).items():
            assert values.tobytes() == said[name].tobytes()


def test_the_probability_is_that_of_silence_in_the_outcome_window():
    """It has a horizon: its mean is near the realised rate of silence, not near a share of the lapsed."""
    bucket = bucket_of(list(customers()))
    newest = CUTOFFS[-1:]
    left = labels.outcomes(CHURN, bucket, np.array(newest), UNTIL)
    found = panel_of(FEATURES, bucket, np.array(newest))
    said = model("attrition").predict(found)["churn_probability"]
    asked = ~np.isnan(said)
    assert said[asked].mean() == pytest.approx(left[asked].mean(), abs=0.06)

"""Levels of past cutoffs are measured as the model needs them, and reach its fits."""

from dataclasses import replace

import numpy as np
import pytest
from populations import CHURN, CUTOFFS, UNTIL, VALUE, examples, priors, recipe
from scipy.special import expit, logit

from features.windows import MICROSECONDS_PER_DAY as DAY
from features.windows import days
from training import seasons
from training.cutoffs import CutoffPlan, Split, plan_cutoffs
from training.levels import Forecast, Series
from training.seasons import Past, level_of_silence, level_of_value

SCALE = 0.4 / 100


def known(kind):
    return Past(examples(kind), priors(), SCALE)


@pytest.mark.parametrize("question", [CHURN, VALUE], ids=["churn", "value"])
def test_the_levels_are_those_that_the_fit_finds_itself(question):
    """Of value up to its cap on single labels, so on labels below it."""
    made, past = recipe(question.name), known(question.name)
    fit = made.fit(past.examples, {"rounds": 1})
    tolerance = 1e-6 if question is CHURN else 0.05
    series = past.series(question, CUTOFFS)
    assert series.levels == pytest.approx(fit.estimator.levels_, abs=tolerance)
    assert (series.errors > 0).all()


def test_the_standard_error_of_a_level_is_that_of_drawing_it_again():
    rng = np.random.default_rng(0)
    logits = rng.normal(0.0, 1.5, 400)
    left = [(rng.random(400) < expit(logits)).astype(float) for _ in range(400)]
    shifts, errors = zip(*(level_of_silence(logits, one) for one in left), strict=True)
    assert np.mean(errors) == pytest.approx(np.std(shifts), rel=0.1)
    value = rng.gamma(1.0, 10.0, (400, 300)) * (rng.random((400, 300)) < 0.4)
    logs, errors = zip(*(level_of_value(np.full(300, 4.0), one) for one in value), strict=True)
    assert np.mean(errors) == pytest.approx(np.std(logs), rel=0.1)


def test_a_few_outcomes_are_no_level():
    past = known("attrition")
    nobody = replace(past.examples, answers={"attrition": np.zeros_like(past.examples.answers["attrition"])})
    assert len(replace(past, examples=nobody).series(CHURN, CUTOFFS)) == 0
    assert len(replace(past, priors={}).series(CHURN, CUTOFFS)) == 0


def test_a_level_is_not_known_before_its_outcome_is():
    at = 1000 * DAY
    cutoffs = np.arange(400, 1000, 30) * DAY
    plain = Series.of(cutoffs, np.full(len(cutoffs), 0.2))
    fresh = cutoffs > at - CHURN.span
    assert fresh.any()
    wild = Series.of(cutoffs, np.where(fresh, 9.0, 0.2))
    assert seasons.forecast_at(wild, at, 0, CHURN) == seasons.forecast_at(plain, at, 0, CHURN)


def test_older_cutoffs_reach_back_a_year_and_120_days_and_only_where_the_history_does():
    span = days(90).microseconds
    for history in (400, 500, 560, 730, 2000):
        until = history * DAY
        plan = plan_cutoffs(0, until, span)
        asked = [plan.holdout[0], until]
        older = seasons._older(asked, plan, 0, span)
        if history < 485:
            assert older == []
            continue
        told = min(at for at in asked if at >= 485 * DAY)
        earliest = max(told - 485 * DAY, 45 * DAY)
        assert 0 <= older[0] - earliest < 30 * DAY
        assert set(np.diff([*older, plan.refit[0]])) == {30 * DAY}


def test_a_fit_takes_the_level_of_its_instant_and_none_where_no_season_is_known():
    season = Forecast(0.25, "A year ago.", 0.1, 0.4, "season")
    recent = replace(season, method="shrunk recent mean")
    made = replace(recipe("attrition"), outlooks={UNTIL: season, CUTOFFS[-1]: recent})
    rows = examples("attrition")
    assert made.fit(rows, {"rounds": 1}, UNTIL).estimator.level_ == 0.25
    own = made.fit(rows, {"rounds": 1}).estimator.level_
    assert made.fit(rows, {"rounds": 1}, CUTOFFS[-1]).estimator.level_ == own
    assert made.fit(rows, {"rounds": 1, "level": 0.1}, UNTIL).estimator.level_ == 0.1


def test_a_season_moves_the_total_as_much_as_it_says():
    made, rows = recipe("lifetime-value"), examples("lifetime-value")
    totals = []
    for level in (0.0, 0.2):
        told = replace(made, outlooks={UNTIL: Forecast(level, "", -1.0, 1.0, "season")})
        fit = told.fit(rows, {"rounds": 5}, UNTIL)
        totals.append(fit.predict(told.eligible(rows).panel).sum())
    assert np.log(totals[1] / totals[0]) == pytest.approx(0.2, abs=0.02)


def test_contracts_have_no_level():
    plan = CutoffPlan((1,), (2,), (1, 2), Split.TIME)
    assert seasons.outlooks_of(None, [], plan, 3, known("attrition"), print) == {}


def test_a_rate_of_one_half_at_even_chances_is_no_shift():
    assert level_of_silence(logit(np.full(40, 0.5)), np.repeat([0.0, 1.0], 20))[0] == pytest.approx(
        0, abs=1e-9
    )

"""Which cutoffs a training uses: nothing of the holdout's future, nothing after `until`."""

import numpy as np
import pytest
from builders import bucket_of, customer
from hypothesis import assume
from hypothesis import strategies as st
from laws import law

from features.errors import QuestionError
from features.language import FeatureSet
from features.panel import panel_of
from features.transactions import REPEAT_FEATURES
from features.windows import MICROSECONDS_PER_DAY, days, parse_duration, parse_instant, to_text
from training import cutoffs, recipe
from training.cutoffs import LONGEST_STEP, MOST_CUTOFFS, SHORTEST_STEP, CutoffPlan, Split
from training.examples import Examples

FIRST = parse_instant("2023-01-01")
DAY = MICROSECONDS_PER_DAY

firsts = st.integers(FIRST, FIRST + DAY)
histories = st.integers(0, 1200 * DAY) | st.integers(0, 1200).map(lambda n: n * DAY)
spans = st.sampled_from(["12h", "30h", "7d", "30d", "90d", "182d", "400d"]).map(
    lambda text: parse_duration(text).microseconds
)


def plan_or_none(first, until, span):
    try:
        return cutoffs.plan_cutoffs(first, until, span)
    except QuestionError:
        return None


@law(150, first=firsts, length=histories, span=spans)
def test_no_training_outcome_ends_after_the_holdout_cutoff(first, length, span):
    plan = plan_or_none(first, first + length, span)
    assume(plan is not None and plan.split == Split.TIME)
    assert max(plan.training) + span <= min(plan.holdout)


@law(150, first=firsts, length=histories, span=spans)
def test_every_outcome_is_over_before_the_training(first, length, span):
    plan = plan_or_none(first, first + length, span)
    assume(plan is not None)
    assert max(plan.training + plan.holdout + plan.refit) + span <= first + length


@law(150, first=firsts, length=histories, span=spans)
def test_cutoffs_are_midnights_in_order_a_week_to_a_month_apart(first, length, span):
    plan = plan_or_none(first, first + length, span)
    assume(plan is not None)
    for chosen in (plan.training, plan.refit):
        assert 1 <= len(chosen) <= MOST_CUTOFFS
        steps = np.diff(chosen)
        assert all(SHORTEST_STEP.microseconds <= step <= LONGEST_STEP.microseconds for step in steps)
        assert all(instant % DAY == 0 and instant >= first for instant in chosen)
    assert plan.holdout == plan.refit[-1:]


@law(150, first=firsts, length=histories, span=spans)
def test_a_history_that_is_too_short_is_refused_and_any_longer_one_is_planned(first, length, span):
    plan = plan_or_none(first, first + length, span)
    longer = plan_or_none(first, first + length + DAY, span)
    assert plan is None or longer is not None


def test_the_cutoffs_of_the_published_purchase_log_are_these():
    plan = cutoffs.plan_cutoffs(
        parse_instant("1997-01-01"), parse_instant("1998-01-01"), days(182).microseconds
    )
    assert plan.split is Split.CUSTOMERS
    assert [to_text(instant) for instant in plan.holdout] == ["1997-07-03"]


def test_a_long_history_is_split_by_time():
    plan = cutoffs.plan_cutoffs(FIRST, parse_instant("2025-01-01"), days(90).microseconds)
    assert plan.split is Split.TIME
    assert [to_text(instant) for instant in plan.holdout] == ["2024-10-03"]
    assert to_text(plan.training[-1]) == "2024-07-05"
    assert to_text(plan.training[0]) == "2023-12-08"


def test_a_short_history_is_split_by_customers():
    plan = cutoffs.plan_cutoffs(FIRST, FIRST + 150 * DAY, days(90).microseconds)
    assert plan.split is Split.CUSTOMERS
    assert plan.training == plan.refit
    assert plan.holdout == plan.training[-1:]


def test_a_horizon_longer_than_the_history_is_refused_in_words():
    with pytest.raises(QuestionError, match=r"longer than the history .*2023-01-01.* 90 days .*Shorten"):
        cutoffs.plan_cutoffs(FIRST, FIRST + 60 * DAY, days(90).microseconds)


def test_customers_who_judge_are_not_learnt_from():
    everybody = [customer(f"c{n}").bought("2023-01-02", 1) for n in range(60)]
    asked = (FIRST + 30 * DAY, FIRST + 60 * DAY)
    panel = panel_of(FeatureSet(*REPEAT_FEATURES), bucket_of(everybody), np.array(asked))
    examples = Examples(panel, {"attrition": np.zeros(len(panel))})
    training, holdout = recipe.split(examples, CutoffPlan(asked, asked[-1:], asked, Split.CUSTOMERS))
    learnt, judging = set(training.panel.customers), set(holdout.panel.customers)
    assert learnt
    assert judging
    assert learnt & judging == set()
    assert learnt | judging == set(range(60))
    assert set(training.panel.cutoffs) == set(asked)
    assert set(holdout.panel.cutoffs) == {asked[-1]}


def test_who_judges_does_not_depend_on_who_else_is_there():
    asked = (FIRST + 30 * DAY,)
    plan = CutoffPlan(asked, asked, asked, Split.CUSTOMERS)

    def judging(names):
        bucket = bucket_of([customer(name).bought("2023-01-02", 1) for name in names])
        panel = panel_of(FeatureSet(*REPEAT_FEATURES), bucket, np.array(asked))
        _, holdout = recipe.split(Examples(panel, {}), plan)
        return {panel.customer_ids[position] for position in holdout.panel.customers}

    names = [f"c{n}" for n in range(40)]
    assert judging(names) & set(names[:20]) == judging(names[19::-1])

"""What happened next: churn and value in the outcome window, counted by hand."""

from dataclasses import replace

import numpy as np
import pytest
from builders import bucket_of, customer
from strategies import CHURN, VALUE

from features.windows import days, parse_instant
from training import labels
from training.questions import Question

CUTOFF = parse_instant("2024-01-01")
START, END = CUTOFF + days(7).microseconds, CUTOFF + days(97).microseconds
ADA = customer("ada").bought("2023-12-01", 1)
PLAIN = replace(VALUE, has_cost=False)


def label(question, one, *, cutoffs=(CUTOFF,), until=END):
    return labels.outcomes(question, bucket_of([one]), np.array(cutoffs), until).tolist()


@pytest.mark.parametrize(
    ("at", "left"), [(START - 1, 1.0), (START, 0.0), (END - 1, 0.0), (END, 1.0), (CUTOFF, 1.0)]
)
def test_a_purchase_in_the_outcome_window_keeps_a_customer(at, left):
    assert label(CHURN, ADA.bought(at, 1)) == [left]


def test_a_free_purchase_keeps_a_customer_and_a_return_does_not():
    assert label(CHURN, ADA.bought(START, 0)) == [0.0]
    assert label(CHURN, ADA.returned(START, 1)) == [1.0]


@pytest.mark.parametrize(("known", "left"), [(END - 1, 0.0), (END, 1.0), (END + 1, 1.0)])
def test_a_purchase_that_is_known_too_late_is_not_an_outcome(known, left):
    assert label(CHURN, ADA.bought(START, 1, known=known)) == [left]


def test_a_late_purchase_counts_where_it_happened_not_where_it_became_known():
    late = ADA.bought(START - 1, 1, known=START + 1)
    assert label(CHURN, late) == [1.0]


@pytest.mark.parametrize("question", [CHURN, VALUE])
def test_an_outcome_window_that_is_not_over_is_refused(question):
    with pytest.raises(ValueError, match="not realised yet"):
        label(question, ADA, until=END - 1)


def test_cutoffs_are_outermost():
    later = CUTOFF + days(90).microseconds
    bucket = bucket_of([ADA, customer("bob").bought(START, 1), customer("cem").bought(END + 1, 1)])
    found = labels.outcomes(CHURN, bucket, np.array([CUTOFF, later]), later + CHURN.span)
    assert found.tolist() == [1.0, 0.0, 1.0, 1.0, 1.0, 0.0]


def test_no_cutoffs_give_no_labels():
    assert label(CHURN, ADA, cutoffs=np.empty(0, np.int64)) == []


def discounted(margin):
    return pytest.approx(margin * 1.1 ** -((7 + 45) / 365), rel=1e-12)


def test_value_is_a_share_of_the_net_amount_discounted_from_the_middle_of_the_window():
    one = ADA.bought(START, 100).bought(END - 1, 50).returned(START + 1, 30).bought(END, 1000)
    assert label(PLAIN, one) == [discounted(0.4 * 120)]


def test_value_is_amount_less_cost_where_the_cost_is_known():
    one = ADA.bought(START, 100, cost=7500).bought(START, 50).bought(START, 10, cost=0)
    assert label(VALUE, one) == [discounted((100 - 75) + 0.4 * 50 + 10)]


def test_who_only_sends_things_back_has_a_value_below_zero():
    assert label(PLAIN, ADA.returned(START, 30)) == [discounted(-0.4 * 30)]


def test_who_does_nothing_is_worth_nothing():
    assert label(VALUE, customer("nobody")) == [0.0]


def test_a_question_without_an_outcome_is_our_bug():
    asked = Question("other", "What else?", CHURN.eligible, days(90), days(0))
    with pytest.raises(TypeError, match="no outcome is defined for Question"):
        label(asked, ADA)

"""Outcomes: the only module that sees the future of a cutoff.

The outcome window is read by the same kernel as the features: an outcome at a cutoff is a feature at the
end of its window.  What was not known before ``until`` does not count, so a label never rests on a fact
that reached the business later than the training.
"""

from dataclasses import replace

import numpy as np

from features import kernel
from features.events import Bucket, Events, Instants, Numbers
from features.language import FeatureSet, days_since_first
from features.transactions import PURCHASES
from features.windows import MICROSECONDS_PER_DAY
from training.questions import (
    PERIODS,
    ChurnQuestion,
    ContractValueQuestion,
    ExitQuestion,
    Question,
    ValueQuestion,
)

_FIRST = FeatureSet(days_since_first(PURCHASES))


def outcomes(question: Question, bucket: Bucket, cutoffs: Instants, until: int) -> Numbers:
    """Answer a question for every customer of a bucket at every cutoff.

    Parameters
    ----------
    question : Question
        What is asked.
    bucket : Bucket
        The customers and their events.
    cutoffs : int64 array (n_cutoffs,)
        Each with its whole outcome window at or before ``until``.
    until : int
        The instant of the training: later facts, and facts known later, are not used.

    Returns
    -------
    float64 array (n_cutoffs * n_customers,)
        Cutoffs outermost.  Churn: 1 left, 0 stayed.  Value: discounted margin in currency units; of
        contracts, what `left_by` returns.

    Raises
    ------
    ValueError
        An outcome window is not over at ``until``.
    """
    ends = cutoffs + question.span
    if len(ends) and int(ends.max()) > until:
        raise ValueError("an outcome window is not realised yet: it ends after `until`")
    if isinstance(question, ChurnQuestion):
        bought = _look_ahead(question.outcome, bucket, ends, until)[:, 0]
        return np.asarray(bought == 0, np.float64)
    if isinstance(question, ExitQuestion):
        return _left(question, _look_ahead(question.outcome, bucket, ends, until))
    if isinstance(question, ContractValueQuestion):
        return left_by(question, bucket, cutoffs, until)
    if isinstance(question, ValueQuestion):
        return _margin(question, _look_ahead(question.outcome, bucket, ends, until))
    raise TypeError(f"no outcome is defined for {type(question).__name__}")


def left_by(question: ContractValueQuestion, bucket: Bucket, cutoffs: Instants, until: int) -> Numbers:
    """Tell by the end of which period every customer of a bucket had left.

    Returns
    -------
    float64 array (n_cutoffs * n_customers, PERIODS)
        Cutoffs outermost.  1 from the period in which the customer first left, 0 before; NaN where a period
        was not over at ``until``.
    """
    left = np.full((len(cutoffs), len(bucket), PERIODS), np.nan)
    for period in range(PERIODS):
        asked = question.until_period(period + 1)
        over = cutoffs + asked.span <= until
        if over.any():
            found = _left(asked, _look_ahead(asked.outcome, bucket, cutoffs[over] + asked.span, until))
            left[over, :, period] = found.reshape(-1, len(bucket))
    return np.maximum.accumulate(left, axis=2).reshape(-1, PERIODS)


def silences(bucket: Bucket, starts: Instants, until: int) -> Numbers:
    """Measure how long every customer of a bucket bought nothing from each start on.

    Parameters
    ----------
    bucket : Bucket
        The customers and their purchases.
    starts : int64 array (n_starts,)
    until : int
        Later facts, and facts known later, are not used.

    Returns
    -------
    float64 array (n_starts * n_customers,)
        Starts outermost.  Days from the start to the first purchase at or after it; NaN where there was
        none before ``until``.
    """
    purchases = bucket.events(PURCHASES.table)
    today = np.array([until], np.int64)
    silent = []
    for start in starts.tolist():
        after = replace(bucket, tables={PURCHASES.table: purchases.keep(purchases.at >= start)})
        ago = kernel.compute(_FIRST, after, today)[:, 0]
        # Rounded to microseconds, or a purchase at a midnight would fall on the day before.
        silent.append((until - start - np.rint(ago * MICROSECONDS_PER_DAY)) / MICROSECONDS_PER_DAY)
    return np.concatenate(silent)


def _look_ahead(outcome: FeatureSet, bucket: Bucket, ends: Instants, until: int) -> Numbers:
    known = {name: _as_known_at(events, until) for name, events in bucket.tables.items()}
    return kernel.compute(outcome, replace(bucket, tables=known), ends)


def _as_known_at(events: Events, until: int) -> Events:
    """Leave out what was not known before ``until``; the rest counts from when it happened."""
    if events.known_at is events.at:
        return events
    known = events.keep(events.known_at < until)
    return replace(known, known_at=known.at)


def _left(question: ExitQuestion, counts: Numbers) -> Numbers:
    """Whether a customer left: has an exit in the outcome window, or an end and no contract when it is over.

    Who left before the window, in the gap for instance, did not leave in it.
    """
    left = counts[:, 0] > 0 if question.has_exits else np.zeros(len(counts), np.bool_)
    if question.has_ends:
        ends, begun, ended = counts.T[-3:]
        left |= (ends > 0) & (begun <= ended)
    return np.asarray(left, np.float64)


def _margin(question: ValueQuestion, sums: Numbers) -> Numbers:
    """Discounted margin in currency units from the sums of the outcome window in minor units."""
    margin = sums[:, 0] * question.margin
    if question.has_cost:
        amount, costed, cost = sums.T
        margin = (costed - cost) + (amount - costed) * question.margin
    return np.asarray(margin * (question.discount / question.minor_units))

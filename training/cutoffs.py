"""Which cutoffs a model is trained on, and which it is judged by.

The holdout is the newest realised cutoff.  No training outcome window ends after it (the purge), so
nothing that a model was fitted to happened in the holdout's future.  Where the history is too short for
that, customers are split instead.
"""

from dataclasses import dataclass
from enum import StrEnum

from features.errors import QuestionError
from features.windows import MICROSECONDS_PER_DAY, days, to_text

MOST_CUTOFFS = 8
LONGEST_STEP, SHORTEST_STEP = days(30), days(7)
LONGEST_RUN_UP = days(90)
"""History wanted before the first training cutoff, or half an outcome window where that is shorter."""


class Split(StrEnum):
    """How the holdout is kept apart: by time, or by customer where the history is short."""

    TIME = "time"
    CUSTOMERS = "customers"


@dataclass(frozen=True)
class CutoffPlan:
    """The cutoffs of one training.

    Attributes
    ----------
    training : tuple of int
        Cutoffs of the fit that is judged, oldest first.
    holdout : tuple of int
        The newest realised cutoff, which judges it; where customers are split, by those kept from the fit.
    refit : tuple of int
        Every realised cutoff: those of the fit that is registered.
    split : Split
        What keeps training and holdout apart.
    """

    training: tuple[int, ...]
    holdout: tuple[int, ...]
    refit: tuple[int, ...]
    split: Split


def plan_cutoffs(first: int, until: int, span: int, recorded: int | None = None) -> CutoffPlan:
    """Choose the cutoffs between the first fact and ``until``.

    Parameters
    ----------
    first : int
        Instant of the first fact.
    until : int
        Facts are complete before this instant; no outcome window ends after it.
    span : int
        Microseconds from a cutoff to the end of its outcome window (gap + horizon).
    recorded : int, optional
        Outcomes are on record from this instant on.  An older cutoff would take everybody for a stayer, so
        none is chosen, except the newest where nothing else is left.

    Returns
    -------
    CutoffPlan

    Raises
    ------
    QuestionError
        No cutoff has both a run-up and a realised outcome.
    """
    wanted = run_up(span)
    earliest = _midnight_at_or_after(first + wanted)
    newest = _midnight_at_or_before(until - span)
    if newest < earliest:
        raise QuestionError(
            f"The horizon is longer than the history allows: facts from {to_text(first)} to {to_text(until)} "
            f"hold no outcome window of {span / MICROSECONDS_PER_DAY:g} days after a run-up of "
            f"{wanted / MICROSECONDS_PER_DAY:g} days. Shorten [churn] horizon or bring an older history."
        )
    earliest = max(earliest, min(newest, _midnight_at_or_after(recorded or earliest)))
    refit = _backwards(newest, earliest)
    purged = _midnight_at_or_before(newest - span)
    if purged < earliest:
        return CutoffPlan(refit, (newest,), refit, Split.CUSTOMERS)
    return CutoffPlan(_backwards(purged, earliest), (newest,), refit, Split.TIME)


def run_up(span: int) -> int:
    """Microseconds of history wanted before the first cutoff, given those of the outcome window."""
    return min(LONGEST_RUN_UP.microseconds, span // 2)


def _midnight_at_or_after(instant: int) -> int:
    return -(-instant // MICROSECONDS_PER_DAY) * MICROSECONDS_PER_DAY


def _midnight_at_or_before(instant: int) -> int:
    return instant // MICROSECONDS_PER_DAY * MICROSECONDS_PER_DAY


def _backwards(newest: int, earliest: int) -> tuple[int, ...]:
    """Up to `MOST_CUTOFFS` midnights from the newest back, a week to a month apart, oldest first."""
    even = (newest - earliest) // (MOST_CUTOFFS - 1) // MICROSECONDS_PER_DAY * MICROSECONDS_PER_DAY
    step = min(max(even, SHORTEST_STEP.microseconds), LONGEST_STEP.microseconds)
    cutoffs = (newest - k * step for k in range(MOST_CUTOFFS))
    return tuple(sorted(cutoff for cutoff in cutoffs if cutoff >= earliest))

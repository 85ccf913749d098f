"""The promotion gate: a challenger must beat its baselines and the champion where none of them was fitted.

It fails closed: what cannot be judged is refused, and every refusal names its number.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from training.card import Evidence
from training.leakage import Suspicion, summary

CHAMPION = "champion"


@dataclass(frozen=True)
class Verdict:
    """What the gate found: it passed if there are no refusals."""

    refusals: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether the challenger may become champion."""
        return not self.refusals


def judge(evidence: Evidence, *, fresher: bool, seed: int, suspicions: Sequence[Suspicion] = ()) -> Verdict:
    """Compare a challenger with every rival on the same holdout rows, and refuse one that learnt from leaks.

    Parameters
    ----------
    evidence : Evidence
        Predictions of the challenger and its rivals for the holdout.
    fresher : bool
        The challenger's training reaches further than the champion's, or rests on other features, those
        that the store has now.  A challenger that is as good as the
        champion (same recipe, same holdout) is then wanted for what it has seen since; otherwise an equal
        one is refused.
    seed : int
        Of the bootstrap.
    suspicions : sequence of Suspicion
        Columns that seem to know the outcome: a figure that rests on them is no figure.

    Returns
    -------
    Verdict
    """
    metric = next(iter(evidence.metrics))
    leaks = [summary(suspicions)] if suspicions else []
    refusals = []
    if len(evidence.realised) == 0 or np.unique(evidence.realised).size == 1:
        refusals.append(f"the holdout has {len(evidence.realised)} rows and one outcome only")
    for whose, said in {"": evidence.predicted, **evidence.rivals}.items():
        if missing := int((~np.isfinite(said)).sum()):
            of_whom = f" of {whose}" if whose else ""
            refusals.append(f"{missing} of {len(said)} predictions{of_whom} are not numbers")
    if refusals:
        return Verdict((*leaks, *refusals))
    for rival in evidence.rivals:
        difference = evidence.beats(rival, seed)
        allowed_tie = rival == CHAMPION and fresher
        if difference.value < 0 or (allowed_tie and difference.value == 0):
            continue
        refusals.append(
            f"{metric} is not better than that of {rival}: difference {difference.value:+.5f} "
            f"({difference.low:+.5f} to {difference.high:+.5f})"
        )
    return Verdict((*leaks, *refusals))

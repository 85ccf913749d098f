"""A letter from A to F for a model, relative to the best baseline, that bad calibration lowers.

The rule
--------
1. **Accuracy.** The gain is the share of the best baseline's loss that the model saves (log-loss of a
   chance, Tweedie deviance of an amount), with a 95 % interval from resampled customers.
   A: at least 5 %. B: at least 2 %. C: more than nothing. All three beyond chance: the interval lies above 0.
   D: a gain that may be chance. E: no gain, which may be chance. F: a loss beyond chance, or not defined.
   The best baseline is the one with the lowest loss; one that says the mean of all for everybody is always
   among them, and one that the model is by design (the prior alone, for few customers) never is.
2. **Calibration.** One letter less where predictions are surely off by more than 10 %, two for more than
   25 %, three for more than 50 %. How much they are surely off is the end of the 95 % interval that is
   nearest to right, of the total (expected over realised, less 1) or of ten groups of like predictions (sum
   of their errors), whichever is larger; for chances in proportion to the rarer outcome.

The letter never falls where the gain, its surest end or the calibration gets better and nothing else changes.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np

from training.card.evidence import MODEL, Evidence, Figures, plain
from training.intervals import Interval, paired_difference

LETTERS = "ABCDEF"
GAINS = ((0.05, "A"), (0.02, "B"), (0.0, "C"))
MISSES = (0.10, 0.25, 0.50)
MEAN_OF_ALL = "mean_of_all"
"""The baseline that says the same for everybody."""

RULE = (
    "A: saves at least 5 % of the best baseline's loss; B: at least 2 %; C: anything, each beyond chance "
    "(the 95 % interval of the gain lies above 0); D: a gain that may be chance; E: no gain, which may be "
    "chance; F: a loss beyond chance, or not defined. One letter less where the total or ten groups of "
    "like predictions are surely (nearest end of the 95 % interval) off by more than 10 %, two for more "
    "than 25 %, three for more than 50 %; chances in proportion to the rarer outcome."
)


@dataclass(frozen=True)
class Grade:
    """A letter and what it rests on.

    Attributes
    ----------
    letter, accuracy : str
        The grade, and what it would be without a look at calibration.
    baseline : str
        The one with the lowest loss.
    gain : Interval
        Share of the baseline's loss that is saved.
    miss : float
        By how much predictions are surely off.
    """

    letter: str
    accuracy: str
    baseline: str
    gain: Interval
    miss: float

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, with the rule."""
        return {
            "letter": self.letter,
            "accuracy": self.accuracy,
            "baseline": self.baseline,
            "gain": plain(self.gain),
            "surely_off": plain(Interval(self.miss, self.miss, self.miss))["value"],
            "rule": RULE,
        }


def accuracy_letter(gain: Interval) -> str:
    """Letter for the share of the best baseline's loss that is saved.

    Examples
    --------
    >>> [
    ...     accuracy_letter(Interval(*gain))
    ...     for gain in ((0.06, 0.01, 0.1), (0.03, 0.01, 0.1), (0.03, -0.01, 0.1))
    ... ]
    ['A', 'B', 'D']
    >>> [accuracy_letter(Interval(*gain)) for gain in ((-0.01, -0.1, 0.1), (-0.01, -0.1, -0.001))]
    ['E', 'F']
    """
    if gain.value > 0 and gain.low > 0:
        return next(letter for least, letter in GAINS if gain.value >= least)
    if gain.value > 0:
        return "D"
    return "E" if gain.high > 0 or gain.value == gain.low == gain.high == 0 else "F"


def lowered(letter: str, miss: float) -> str:
    """Lower a letter by what predictions are surely off; F is the last, and what NaN gets.

    Examples
    --------
    >>> [lowered("A", miss) for miss in (0.1, 0.11, 0.3, 0.6, float("nan"))]
    ['A', 'B', 'C', 'D', 'F']
    """
    if not np.isfinite(miss):
        return LETTERS[-1]
    place = LETTERS.index(letter) + sum(miss > bar for bar in MISSES)
    return LETTERS[min(place, len(LETTERS) - 1)]


def grade(evidence: Evidence, figures: Figures, seed: int, rests_on: Collection[str] = ()) -> Grade:
    """Grade a model by the rule above.

    Parameters
    ----------
    evidence : Evidence
    figures : Figures
        Its metrics.
    seed : int
        Of the resamples.
    rests_on : collection of str
        Baselines that the model is by design.
    """
    baseline, loss, losses = best_baseline(evidence, rests_on)
    difference = paired_difference(losses, evidence.losses(evidence.predicted), evidence.customers, seed=seed)
    ends = (difference.value, difference.low, difference.high)
    gain = Interval(*(end / loss if loss > 0 else float("nan") for end in ends))
    miss = _miss(evidence, figures)
    letter = accuracy_letter(gain)
    return Grade(lowered(letter, miss), letter, baseline, gain, miss)


def best_baseline(evidence: Evidence, rests_on: Collection[str] = ()) -> tuple[str, float, Any]:
    """Return name, mean loss and losses of the baseline with the lowest loss; the mean of all is one."""
    mean = float(evidence.realised.mean())
    constant = np.full(len(evidence.realised), mean if evidence.yardstick.is_chance else max(mean, 1e-9))
    said = {
        MEAN_OF_ALL: constant,
        **{name: evidence.rivals[name] for name in evidence.baselines if name not in rests_on},
    }
    losses = {name: evidence.losses(predicted) for name, predicted in said.items()}
    best = min(losses, key=lambda name: float(losses[name].mean()))
    return best, float(losses[best].mean()), losses[best]


def _miss(evidence: Evidence, figures: Figures) -> float:
    """By how much predictions are surely off, as a share of the rarer outcome or of the total value."""
    of_total, of_groups = evidence.relative_to_rarer
    total = figures.interval(MODEL, "bias")
    error = figures.interval(MODEL, evidence.yardstick.calibration_error)
    nearest = 0.0 if total.low <= 0.0 <= total.high else min(abs(total.low), abs(total.high))
    return float(np.max([nearest * of_total, max(error.low, 0.0) * of_groups]))

"""Metrics of a resample from counts: sorted once, then every draw costs a few passes over the rows.

A resample draws each row some number of times.  Here the number is a weight, and every metric is computed
from running sums of weights in the order of prediction: the same figure as that of `training.metrics` for
the rows written out, to rounding, without copying or sorting them again.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from features.events import Numbers
from training import metrics
from training.card.profit import Costs, best_campaign

Weights = npt.NDArray[np.int64]
_HULL_POINTS = 4_000
"""A ROC curve of more points is thinned to so many before its hull is taken: it moves by less than 0.1 %."""


def value_losses(realised: Numbers, predicted: Numbers) -> Numbers:
    """Tweedie deviance of every row; who only sent things back counts as having bought nothing."""
    return metrics.tweedie_deviances(np.maximum(realised, 0.0), predicted)


class Ranking:
    """Rows in rising order of prediction, with ties side by side; one total for each tie and weight."""

    def __init__(self, predicted: Numbers) -> None:
        self.order = np.argsort(predicted, kind="stable")
        ranked = predicted[self.order]
        self.last = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))
        self.predicted = ranked[self.last]

    def running(self, weighted: npt.NDArray[np.generic]) -> Numbers:
        """Sum up to and with each tie of something given in ranked order, with a 0 before the first."""
        sums = np.zeros(len(self.last) + 1)
        if len(self.last) == len(weighted):
            np.cumsum(weighted, out=sums[1:])
        else:
            sums[1:] = np.cumsum(weighted)[self.last]
        return sums


def _group_sums(rows: Numbers, surplus: Numbers) -> Numbers:
    """Total surplus of ten equal groups of rows; within a tie everybody has its mean."""
    n = int(rows[-1])
    sizes = np.full(metrics.BINS, n // metrics.BINS)
    sizes[: n % metrics.BINS] += 1
    ends = np.concatenate([[0], np.cumsum(sizes)])
    return np.diff(np.interp(ends, rows, surplus))


@dataclass(frozen=True)
class ChanceTally:
    """One draw of chances and outcomes: running sums in rising order of the chance.

    Attributes
    ----------
    rows, left : float64 array (n_ties + 1,)
        How many rows, and how many of them left, up to and with each tie.
    chances : float64 array (n_ties,)
    loss, squares, said : float
        Totals of log-loss, squared error and chance.
    """

    rows: Numbers
    left: Numbers
    chances: Numbers
    loss: float
    squares: float
    said: float

    @cached_property
    def rows_here(self) -> Numbers:
        """How many rows each tie has."""
        return np.diff(self.rows)

    @cached_property
    def left_here(self) -> Numbers:
        """How many of each tie left."""
        return np.diff(self.left)


class Chances:
    """Chances and outcomes, ready to be drawn."""

    def __init__(self, realised: Numbers, predicted: Numbers) -> None:
        self._ranking = Ranking(predicted)
        self._left = realised[self._ranking.order].astype(np.int64)
        losses = metrics.log_losses(realised, predicted)
        self._sums = np.column_stack([losses, (realised - predicted) ** 2, predicted])

    def tally(self, weights: Weights) -> ChanceTally:
        """Count one draw."""
        drawn = weights[self._ranking.order]
        sums = weights.astype(np.float64) @ self._sums
        running = self._ranking.running
        return ChanceTally(
            running(drawn), running(drawn * self._left), self._ranking.predicted, *map(float, sums)
        )


def _auc(t: ChanceTally) -> float:
    stayed = t.rows - t.left
    if t.left[-1] == 0 or stayed[-1] == 0:
        return float("nan")
    above = t.left_here * (stayed[:-1] + stayed[1:]) / 2.0
    return float(above.sum() / (t.left[-1] * stayed[-1]))


def _average_precision(t: ChanceTally) -> float:
    if t.left[-1] in {0, t.rows[-1]}:
        return float("nan")
    found, rows = t.left[-1] - t.left[:-1], t.rows[-1] - t.rows[:-1]
    precision = np.divide(found, rows, out=np.zeros_like(found), where=rows > 0)
    return float((precision * t.left_here).sum() / t.left[-1])


def _calibration_error(t: ChanceTally) -> float:
    surplus = np.concatenate([[0.0], np.cumsum(t.left_here - t.chances * t.rows_here)])
    return float(np.abs(_group_sums(t.rows, surplus)).sum() / t.rows[-1])


def _lift(t: ChanceTally) -> float:
    if t.left[-1] == 0:
        return float("nan")
    top = np.ceil(round(0.10 * t.rows[-1], 9))
    found = t.left[-1] - np.interp(t.rows[-1] - top, t.rows, t.left)
    return float((found / top) / (t.left[-1] / t.rows[-1]))


def profit_of(costs: Costs) -> Callable[[ChanceTally], float]:
    """Expected maximum profit under these costs."""

    def profit(t: ChanceTally) -> float:
        if len(t.rows) <= _HULL_POINTS:
            return best_campaign(t.left_here, t.rows_here, costs).profit
        at = np.linspace(0, len(t.rows) - 1, _HULL_POINTS).astype(np.int64)
        return best_campaign(np.diff(t.left[at]), np.diff(t.rows[at]), costs).profit

    return profit


CHANCE_TALLIES: Mapping[str, Callable[[ChanceTally], float]] = {
    "log_loss": lambda t: t.loss / float(t.rows[-1]),
    "roc_auc": _auc,
    "average_precision": _average_precision,
    "brier": lambda t: t.squares / float(t.rows[-1]),
    "expected_calibration_error": _calibration_error,
    "bias": lambda t: t.said / float(t.left[-1]) - 1.0 if t.left[-1] > 0 else float("nan"),
    "lift_at_10_percent": _lift,
}


@dataclass(frozen=True)
class AmountTally:
    """One draw of values and what was expected: running sums in rising order of what was expected.

    Attributes
    ----------
    rows, surplus : float64 array (n_ties + 1,)
        How many rows, and realised less expected of them, up to and with each tie.
    ranked, perfect : float
        Mean over ranks of the value found so far, from the highest expected and from the highest realised.
    deviance, squares, distance, said, realised : float
        Totals.
    """

    rows: Numbers
    surplus: Numbers
    ranked: float
    perfect: float
    deviance: float
    squares: float
    distance: float
    said: float
    realised: float


class Amounts:
    """Values and what was expected, ready to be drawn."""

    def __init__(self, realised: Numbers, predicted: Numbers) -> None:
        self._realised, surplus = realised, realised - predicted
        self._ranking = Ranking(predicted)
        self._surplus = surplus[self._ranking.order]
        # As in the metric, ties are shuffled by a seed, once.
        shuffled = np.random.default_rng(0).permutation(len(realised))
        self._falling = [shuffled[np.argsort(-by[shuffled], kind="stable")] for by in (predicted, realised)]
        self._sums = np.column_stack(
            [value_losses(realised, predicted), surplus**2, np.abs(surplus), predicted, realised]
        )

    def tally(self, weights: Weights) -> AmountTally:
        """Count one draw."""
        drawn = weights[self._ranking.order]
        sums = weights.astype(np.float64) @ self._sums
        running = self._ranking.running
        found = (self._mean_found(weights, order) for order in self._falling)
        return AmountTally(running(drawn), running(drawn * self._surplus), *found, *map(float, sums))

    def _mean_found(self, weights: Weights, order: npt.NDArray[np.intp]) -> float:
        """Mean over ranks of the value among the first so many."""
        drawn, values = weights[order], self._realised[order]
        later = drawn.sum() - np.cumsum(drawn)
        # Each of the w copies of a row counts at its own rank and at all later ones.
        return float((drawn * values * (later + (drawn + 1) / 2.0)).sum() / drawn.sum())


def _gini(t: AmountTally) -> float:
    random = (t.rows[-1] + 1) / (2 * t.rows[-1]) * t.realised
    possible = t.perfect - random
    return float((t.ranked - random) / possible) if possible > 1e-12 * t.realised else float("nan")


def _decile_error(t: AmountTally) -> float:
    if t.realised <= 0:
        return float("nan")
    return float(np.abs(_group_sums(t.rows, t.surplus)).sum() / t.realised)


AMOUNT_TALLIES: Mapping[str, Callable[[AmountTally], float]] = {
    "tweedie_deviance": lambda t: t.deviance / float(t.rows[-1]),
    "normalised_gini": _gini,
    "rmse": lambda t: float(np.sqrt(t.squares / t.rows[-1])),
    "mae": lambda t: t.distance / float(t.rows[-1]),
    "bias": lambda t: t.said / t.realised - 1.0 if t.realised > 0 else float("nan"),
    "decile_wape": _decile_error,
}

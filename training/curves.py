"""Learning curves: how the loss out of fold falls round by round, on the same folds for every trial.

All folds grow in step, so after every `STEP` rounds there is a loss of all rows, and whoever asked may stop.
Rows are binned once; every trial shares the bins.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import xgboost as xgb

from features.events import Numbers
from training.lessons import Lesson

N_FOLDS = 3
STEP = 10
"""Rounds between two looks at the loss."""
MOST_STEPS = 40
PATIENCE = 3
"""Steps without a new best after which a curve has ended."""
LEAST_STEPS = 3
"""No trial is given up earlier: the first rounds reward whoever learns fast."""
BLOCKS = 100
"""Groups of customers whose losses are summed: enough to tell the noise of a difference."""
_SLOWEST = 0.9


@dataclass(frozen=True)
class Curve:
    """The loss out of fold as a booster grows.

    Attributes
    ----------
    means : tuple of float
        Mean loss after `STEP`, 2 `STEP`, … rounds.
    sums : tuple of float
        Summed loss of every block of customers where the mean is least.
    """

    means: tuple[float, ...]
    sums: tuple[float, ...]

    @property
    def best(self) -> int:
        """Steps after which the mean is least."""
        return int(np.argmin(self.means)) + 1

    @property
    def loss(self) -> float:
        """The least mean."""
        return min(self.means)

    @property
    def ended(self) -> bool:
        """Whether there was no new best for some steps, or no step is left."""
        return len(self.means) - self.best >= PATIENCE or len(self.means) >= MOST_STEPS

    @property
    def forecast(self) -> float:
        """The loss that the curve tends to if its gains go on shrinking as they did last.

        Who learns slowly is not judged by where it stands but by where it goes.

        Examples
        --------
        >>> round(Curve((1.0, 0.5, 0.25), ()).forecast, 3)
        0.0
        """
        if len(self.means) < LEAST_STEPS:
            return -np.inf
        earlier, later = -np.diff(self.means[-LEAST_STEPS:])
        if min(earlier, later) <= 0:
            return self.loss
        ratio = min(later / earlier, _SLOWEST)
        return float(min(self.loss, self.means[-1] - later * ratio / (1 - ratio)))


@dataclass(frozen=True)
class Deal:
    """Who is in which fold and block: customers are dealt like cards, all rows of one together.

    Attributes
    ----------
    folds, blocks : int64 arrays (n_rows,)
    """

    folds: npt.NDArray[np.int64]
    blocks: npt.NDArray[np.int64]

    @classmethod
    def of(cls, places: npt.NDArray[np.int64]) -> Self:
        """Deal by the place of each row's customer in a shuffled deck."""
        return cls(places % N_FOLDS, places // N_FOLDS % BLOCKS)

    def difference(self, one: Curve, other: Curve) -> tuple[float, float]:
        """How much higher the best mean of one curve is than that of another, and its standard error."""
        rows = np.bincount(self.blocks, minlength=BLOCKS).astype(np.float64)
        return paired(np.subtract(one.sums, other.sums), rows)


class Folds:
    """The rows of a lesson, in folds by customer.

    Parameters
    ----------
    lesson : Lesson
    deal : Deal
        The fold and the block of each row.
    max_bin, jobs : int
        Bins of each input, threads; the result does not depend on the threads.
    """

    def __init__(self, lesson: Lesson, deal: Deal, max_bin: int, jobs: int) -> None:
        self.lesson, self.deal, self.jobs = lesson, deal, jobs
        self._judges = [np.flatnonzero(deal.folds == fold) for fold in range(N_FOLDS)]
        self._data = []
        for fold, judge in enumerate(self._judges):
            fit = self._bins(np.flatnonzero(deal.folds != fold), max_bin, None)
            self._data.append((fit, self._bins(judge, max_bin, fit)))

    def _bins(
        self, rows: npt.NDArray[np.int64], max_bin: int, like: xgb.QuantileDMatrix | None
    ) -> xgb.QuantileDMatrix:
        lesson = self.lesson
        return xgb.QuantileDMatrix(
            np.asarray(lesson.X[rows], np.float32),
            lesson.y[rows],
            base_margin=lesson.start[rows],
            max_bin=max_bin,
            ref=like,
            nthread=self.jobs,
        )

    def grow(self, settings: Mapping[str, Any], seed: int) -> Iterator[Curve]:
        """Grow one booster in each fold, and give the curve so far after every step until it has ended.

        Parameters
        ----------
        settings : mapping
            XGBoost's parameters, those of the objective left out.
        seed : int
            Rows and columns are drawn alike for every trial, so differences between trials are not chance.
        """
        how = {**settings, **self.lesson.objective, "seed": seed, "seed_per_iteration": True}
        how |= {"nthread": self.jobs, "verbosity": 0}
        boosters = [xgb.Booster(how, list(data)) for data in self._data]
        curve = Curve((), ())
        while not (curve.means and curve.ended):
            sums = self._step(boosters, len(curve.means) * STEP)
            mean = float(sums.sum() / len(self.lesson.y))
            is_best = not curve.means or mean < curve.loss
            curve = Curve((*curve.means, mean), tuple(map(float, sums)) if is_best else curve.sums)
            yield curve

    def _step(self, boosters: list[xgb.Booster], grown: int) -> Numbers:
        """Let all folds' boosters grow by a step; return the loss of all rows, summed by block."""
        sums = np.zeros(BLOCKS)
        for fold, booster in enumerate(boosters):
            fit, judge = self._data[fold]
            for tree in range(grown, grown + STEP):
                booster.update(fit, tree)
            margins = booster.predict(judge, output_margin=True).astype(np.float64)
            rows = self._judges[fold]
            losses = self.lesson.losses(self.lesson.y[rows], margins)
            sums += np.bincount(self.deal.blocks[rows], weights=losses, minlength=BLOCKS)
        return sums


def paired(differences: Numbers, rows: Numbers) -> tuple[float, float]:
    """Mean of a difference between two losses, and its standard error.

    Parameters
    ----------
    differences, rows : float64 arrays (n_blocks,)
        Summed difference and number of rows of each block.  Rows of one customer are alike, blocks of
        customers are independent.

    Examples
    --------
    >>> paired(np.array([1.0, 3.0]), np.array([2.0, 2.0]))
    (1.0, 0.5)
    """
    differences, rows = differences[rows > 0], rows[rows > 0]
    mean = differences.sum() / rows.sum()
    spread = np.sum((differences - mean * rows) ** 2) * len(rows) / max(len(rows) - 1, 1)
    return float(mean), float(np.sqrt(spread) / rows.sum())

"""Learners judged on rows they have not seen, and the weights with which their logits are added.

A stack that is fitted to what its learners said of their own training rows trusts the wildest of them most.
So every row is answered by learners that have not seen it; the number of rounds with which a row is answered
was chosen on other rows too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import xgboost as xgb
from scipy.optimize import minimize
from scipy.special import expit

from features.events import Numbers

Rows = npt.NDArray[np.int64]

PATIENCE = 40
"""Rounds without a better log-loss on unseen rows, after which growing stops."""
BINS = 64
"""Cuts of an input: a quarter of the usual number, no worse and faster."""
_PULL = 60.0
"""How many customers' worth of evidence it takes to move the weights away from the starting weights."""


@dataclass(frozen=True)
class Plan:
    """Which rows teach and which judge.

    Attributes
    ----------
    teaching, judging : sequence of int array
        Row positions of each fold; no customer is in both.
    """

    teaching: Sequence[Rows]
    judging: Sequence[Rows]

    @property
    def judged(self) -> Rows:
        """Every row that is answered by learners that have not seen it."""
        return np.concatenate(self.judging)


def folds_of(y: Numbers, groups: npt.NDArray[Any] | None, n_folds: int, seed: int) -> Rows:
    """Return the fold of each row, shape (n_rows,): a customer's rows together, leavers spread evenly."""
    own = np.arange(len(y)) if groups is None else np.unique(groups, return_inverse=True)[1]
    leavers = np.bincount(own, weights=y) > 0
    shuffled = np.random.default_rng(seed).permutation(len(leavers))
    order = shuffled[np.argsort(leavers[shuffled], kind="stable")]
    fold = np.empty(len(leavers), np.int64)
    fold[order] = np.arange(len(leavers)) % n_folds
    return fold[own]


def plan_of(folds: Rows, *, only_one: bool) -> Plan:
    """Every fold judges in turn; with very many rows one fold judges, once."""
    numbers = [0] if only_one else [int(number) for number in np.unique(folds)]
    return Plan(
        [np.flatnonzero(folds != number) for number in numbers],
        [np.flatnonzero(folds == number) for number in numbers],
    )


@dataclass(frozen=True)
class Grown:
    """A booster that was judged.

    Attributes
    ----------
    booster : xgboost.Booster
        What answers from now on.
    logits : float64 array (n_judged,)
        What boosters of the same kind said of the rows of `Plan.judged`, unseen by them.
    rounds : int
    """

    booster: xgb.Booster
    logits: Numbers
    rounds: int


@dataclass(frozen=True)
class Material:
    """What boosters are grown from.

    Attributes
    ----------
    X : float32 array (n_rows, n_inputs)
    y : float64 array (n_rows,)
        0 or 1.
    start : float64 array (n_rows,) or None
        Each row's logit before the first tree; None: the same for all, as the parameters say.
    """

    X: npt.NDArray[np.float32]
    y: Numbers
    start: Numbers | None = None

    def matrix(
        self, rows: Rows, threads: int, like: xgb.QuantileDMatrix | None = None
    ) -> xgb.QuantileDMatrix:
        """Some of the rows, cut into the bins of another matrix or into their own."""
        start = None if self.start is None else self.start[rows]
        return xgb.QuantileDMatrix(
            self.X[rows], self.y[rows], base_margin=start, max_bin=BINS, ref=like, nthread=threads
        )

    def margins(self, booster: xgb.Booster, rows: Rows, rounds: int = 0) -> Numbers:
        """What a booster adds to the start of some rows; without a start, its whole logit."""
        return margins(booster, self.X[rows], rounds, alone=self.start is not None)


def grow_each(
    material: Material, plan: Plan, kinds: Mapping[str, dict[str, Any]], rounds: int
) -> dict[str, Grown]:
    """Grow one booster of each kind, and answer the judged rows without having seen them.

    With several folds a fold is answered after the mean number of rounds at which the *other* folds were
    best, and the final booster is grown on all rows for the mean of all folds.  With one fold growing stops
    by one half of the judging rows, and the other half is what the stack may be fitted to (see `fresh`).

    Parameters
    ----------
    material : Material
    plan : Plan
    kinds : mapping of str to dict
        XGBoost's parameters of each kind, the seed and the threads included.
    rounds : int
        At most so many.

    Returns
    -------
    dict of str to Grown
    """
    trials: dict[str, list[_Trial]] = {kind: [] for kind in kinds}
    threads = next(iter(kinds.values()))["nthread"]
    for teaching, judging in zip(plan.teaching, plan.judging, strict=True):
        taught = material.matrix(teaching, threads)
        stops = judging if len(plan.judging) > 1 else judging[::2]
        judge = material.matrix(stops, threads, taught)
        for kind, parameters in kinds.items():
            trials[kind].append(_Trial.run(parameters, taught, judge, rounds))
        del taught, judge
    if len(plan.judging) == 1:
        return {kind: _kept(found[0], material, plan) for kind, found in trials.items()}
    everything = material.matrix(np.arange(len(material.y)), threads)
    return {
        kind: _grown_again(found, material, plan, everything, kinds[kind]) for kind, found in trials.items()
    }


def fresh(plan: Plan) -> npt.NDArray[np.bool_]:
    """Mark the judged rows by which nothing was chosen yet: the stack's, shape (n_judged,)."""
    untouched = np.ones(len(plan.judged), np.bool_)
    if len(plan.judging) == 1:
        untouched[::2] = False
    return untouched


@dataclass(frozen=True)
class _Trial:
    booster: xgb.Booster
    best: int

    @classmethod
    def run(
        cls, parameters: dict[str, Any], taught: xgb.DMatrix, judge: xgb.DMatrix, rounds: int
    ) -> "_Trial":
        """Grow until the judging rows see no more gain."""
        booster = xgb.train(
            parameters,
            taught,
            rounds,
            evals=[(judge, "judge")],
            early_stopping_rounds=PATIENCE,
            verbose_eval=False,
        )
        return cls(booster, booster.best_iteration + 1)


def _kept(trial: _Trial, material: Material, plan: Plan) -> Grown:
    booster = trial.booster[: trial.best]
    return Grown(booster, material.margins(booster, plan.judged), trial.best)


def _grown_again(
    trials: Sequence[_Trial],
    material: Material,
    plan: Plan,
    everything: xgb.QuantileDMatrix,
    parameters: dict[str, Any],
) -> Grown:
    best = np.array([trial.best for trial in trials])
    said = []
    for place, (trial, judging) in enumerate(zip(trials, plan.judging, strict=True)):
        others = round(float(np.delete(best, place).mean()))
        grown = trial.booster.num_boosted_rounds()
        said.append(material.margins(trial.booster, judging, min(others, grown)))
    rounds = round(float(best.mean()))
    return Grown(xgb.train(parameters, everything, rounds), np.concatenate(said), rounds)


def single(X: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Single precision, which trees are grown in; numbers beyond its range become its largest."""
    most = np.finfo(np.float32).max
    return np.ascontiguousarray(np.clip(X, -most, most), np.float32)


def margins(booster: xgb.Booster, X: npt.NDArray[Any], rounds: int = 0, *, alone: bool = False) -> Numbers:
    """Logit of each row after so many rounds (0: all), shape (n_rows,); of the trees alone if so asked."""
    if not len(X):
        return np.empty(0)
    said = booster.inplace_predict(
        single(X),
        predict_type="margin",
        iteration_range=(0, rounds),
        base_margin=np.zeros(len(X), np.float32) if alone else None,
    )
    return np.asarray(said, np.float64)


def stack(logits: Numbers, y: Numbers, start: Numbers, offset: Numbers | float = 0.0) -> Numbers:
    """Weights of the learners, none negative, and the intercept: the calibrated sum of their logits.

    A logistic regression on unseen logits, pulled towards ``start`` as by a few dozen customers: with few
    customers the weights stay there, with many the data decide.  Stacked generalisation: Wolpert 1992, Neural
    Networks 5; not negative: Breiman 1996, Machine Learning 24.

    Parameters
    ----------
    logits : float64 array (n_rows, n_learners)
    y : float64 array (n_rows,)
    start : float64 array (n_learners,)
    offset : float64 array (n_rows,) or float
        What every row has before the learners are added.

    Returns
    -------
    float64 array (n_learners + 1,)
    """
    n, k = logits.shape
    pull = _PULL * y.mean() * (1 - y.mean()) / n

    def loss(w: Numbers) -> tuple[float, Numbers]:
        said = offset + logits @ w[:k] + w[k]
        off, away = expit(said) - y, w[:k] - start
        slope = np.append(logits.T @ off / n + 2 * pull * away, off.mean())
        return float(np.mean(np.logaddexp(0.0, said) - y * said) + pull * away @ away), slope

    found = minimize(
        loss,
        np.append(start, 0.0),
        jac=True,
        method="L-BFGS-B",
        bounds=[(0.0, None)] * k + [(None, None)],
        options={"ftol": 1e-14, "gtol": 1e-9},
    )
    return np.asarray(found.x)

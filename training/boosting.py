"""Gradient boosting from a prior: the one place where XGBoost is called.

A booster is grown from each row's own starting point (``base_margin``), so it learns what the prior gets
wrong and nothing else.  The inputs are binned once for all boosters of an estimator.  Predictions go through
numpy, row by row independent of each other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import xgboost as xgb
from sklearn.base import BaseEstimator

from features.events import Numbers
from training import ladder, levels
from training.ladder import Rung


@dataclass(frozen=True)
class Growth:
    """How a booster is grown: few, shallow, strongly shrunk trees, sound without any search."""

    rounds: int = 150
    max_depth: int = 3
    learning_rate: float = 0.05
    min_child_weight: float = 30.0
    reg_lambda: float = 20.0
    subsample: float = 0.8
    colsample_bytree: float = 0.5
    max_bin: int = 64

    def parameters(self) -> dict[str, Any]:
        """XGBoost's own names, without the number of rounds."""
        return {key: value for key, value in vars(self).items() if key != "rounds"}


class Boosted(BaseEstimator):  # type: ignore[misc]
    """The parameters that the boosted estimators share.

    Parameters
    ----------
    prior_column : int or None
        Column of X with the prior; None: what the labels say on average is the prior.
    level : float or None
        Logarithm of the level, or shift of the logit, at which the prior is expected to stand when it is
        asked, see `training.levels`; None: half of the mean of those at the training cutoffs.
    rounds, max_depth, learning_rate, min_child_weight, reg_lambda, subsample, colsample_bytree, max_bin
        How the boosters are grown, see `Growth`.
    random_state : int
        Same seed, same model bytes.
    n_jobs : int
        Threads of the fit; the result does not depend on it.
    """

    def __init__(
        self,
        *,
        prior_column: int | None = None,
        level: float | None = None,
        rounds: int = 150,
        max_depth: int = 3,
        learning_rate: float = 0.05,
        min_child_weight: float = 30.0,
        reg_lambda: float = 20.0,
        subsample: float = 0.8,
        colsample_bytree: float = 0.5,
        max_bin: int = 64,
        random_state: int = 0,
        n_jobs: int = 1,
    ) -> None:
        self.prior_column = prior_column
        self.level = level
        self.rounds = rounds
        self.max_depth = max_depth
        self.learning_rate = learning_rate
        self.min_child_weight = min_child_weight
        self.reg_lambda = reg_lambda
        self.subsample = subsample
        self.colsample_bytree = colsample_bytree
        self.max_bin = max_bin
        self.random_state = random_state
        self.n_jobs = n_jobs

    def growth(self, *, deeper: int = 0) -> Growth:
        """Return how a booster is grown, some levels deeper where that is asked for."""
        chosen = Growth(**{name: getattr(self, name) for name in Growth.__dataclass_fields__})
        return replace(chosen, max_depth=chosen.max_depth + deeper)

    def lasting(self, shifts: Sequence[float]) -> float:
        """Return the level to expect: the one that was given, or what lasts of the prior's past shifts."""
        return float(self.share_that_lasts * np.mean(shifts)) if self.level is None else float(self.level)

    @property
    def share_that_lasts(self) -> float:
        """How much of the mean of past shifts is expected to last; all of it where there is no prior."""
        return 1.0 if self.prior_column is None else levels.LASTING

    def climb(self, groups: Sequence[npt.NDArray[np.int64]]) -> float:
        """Settle the rung of the ladder; return the weight of the trees against the prior, 0 to 1."""
        customers = max(len(rows) for rows in groups)
        if self.prior_column is None:
            self.rung_ = Rung("whole recipe", "There is no prior to lean on: the trees answer alone.")
            return 1.0
        self.rung_ = ladder.rung(customers)
        return ladder.trust_in_trees(customers)


class Ground:
    """Inputs that are binned once, for boosters that learn different things from the same rows.

    Parameters
    ----------
    X : array (n_rows, n_inputs)
        Inputs; NaN is missing.
    max_bin : int
        Bins of an input.
    seed, jobs : int
        Same seed, same bytes, whatever the number of threads.
    """

    def __init__(self, X: Numbers, max_bin: int, seed: int, jobs: int) -> None:
        self._data = xgb.QuantileDMatrix(np.asarray(X, np.float32), max_bin=max_bin, nthread=jobs)
        self._seed, self._jobs = seed, jobs

    def grow(self, y: Numbers, start: Numbers, growth: Growth, objective: Mapping[str, Any]) -> xgb.Booster:
        """Grow a booster from the starting point of each row.

        Parameters
        ----------
        y : float64 array (n_rows,)
            Labels.
        start : float64 array (n_rows,)
            Starting point on the scale of the objective's link.
        growth : Growth
            Size and shrinkage.
        objective : mapping
            XGBoost's objective and its parameters.
        """
        self._data.set_label(y)
        self._data.set_base_margin(start)
        settings = {**growth.parameters(), **objective, "seed": self._seed, "nthread": self._jobs}
        return xgb.train({**settings, "verbosity": 0}, self._data, growth.rounds)


def margins(booster: xgb.Booster, X: Numbers, start: Numbers) -> Numbers:
    """Start plus the trees' sum for each row, shape (n_rows,)."""
    if not len(X):
        return np.empty(0)
    found = booster.inplace_predict(
        np.ascontiguousarray(X, np.float32),
        predict_type="margin",
        base_margin=np.ascontiguousarray(start, np.float32),
    )
    return np.asarray(found, np.float64)


def contributions(booster: xgb.Booster, X: Numbers) -> Numbers:
    """Share of each input in the trees' sum, and last their mean (TreeSHAP); shape (n_rows, n_inputs + 1)."""
    if not len(X):
        return np.empty((0, X.shape[1] + 1))
    data = xgb.DMatrix(np.ascontiguousarray(X, np.float32), base_margin=np.zeros(len(X)))
    return np.asarray(booster.predict(data, pred_contribs=True), np.float64)


def to_bytes(booster: xgb.Booster) -> bytes:
    """Write a booster as JSON, XGBoost's only format that damaged files do not crash."""
    return bytes(booster.save_raw("json"))


def from_bytes(raw: bytes) -> xgb.Booster:
    """Read what `to_bytes` wrote; the caller has checked its SHA-256."""
    booster = xgb.Booster({"nthread": 1})
    booster.load_model(bytearray(raw))
    return booster


def groups_of(cutoffs: npt.ArrayLike | None, n_rows: int) -> list[npt.NDArray[np.int64]]:
    """Row positions of each cutoff, oldest first; one group where no cutoffs are given."""
    if cutoffs is None:
        return [np.arange(n_rows)]
    values = np.asarray(cutoffs)
    return [np.flatnonzero(values == cutoff) for cutoff in np.unique(values)]

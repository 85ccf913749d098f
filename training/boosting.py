"""Gradient boosting from a prior: the one place where XGBoost is called.

A booster is grown from each row's own starting point (``base_margin``), so it learns what the prior gets
wrong and nothing else.  Predictions go through numpy, row by row independent of each other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import xgboost as xgb
from sklearn.base import BaseEstimator

from features.events import Numbers

LEVEL_TRUST = 0.5
"""How much of the level seen at past cutoffs is expected to last; the other half is season and chance."""

HALF_TRUST = 1000
"""Customers at a cutoff at which trees and prior are trusted alike; with fewer the prior leads.
Measured on simulated shops of 300 to 1000 customers: without it, BG/NBD alone was better than the trees."""


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
        """Return the part of the prior's past shifts that is expected to last."""
        return float(np.mean(shifts)) * (LEVEL_TRUST if self.prior_column is not None else 1.0)

    def trust_in_trees(self, groups: Sequence[npt.NDArray[np.int64]]) -> float:
        """Weight of the trees against the prior, 0 to 1: it grows with the customers they have seen."""
        if self.prior_column is None:
            return 1.0
        customers = max(len(rows) for rows in groups)
        return customers / (customers + HALF_TRUST)


def grow(
    X: Numbers, y: Numbers, start: Numbers, growth: Growth, objective: Mapping[str, Any], seed: int, jobs: int
) -> xgb.Booster:
    """Grow a booster from the starting point of each row.

    Parameters
    ----------
    X : float64 array (n_rows, n_inputs)
        Inputs; NaN is missing.
    y : float64 array (n_rows,)
        Labels.
    start : float64 array (n_rows,)
        Starting point on the scale of the objective's link.
    growth : Growth
        Size and shrinkage.
    objective : mapping
        XGBoost's objective and its parameters.
    seed, jobs : int
        Same seed, same bytes, whatever the number of threads.

    Returns
    -------
    xgboost.Booster
    """
    data = xgb.QuantileDMatrix(
        np.asarray(X, np.float32), y, base_margin=start, max_bin=growth.max_bin, nthread=jobs
    )
    settings = {**growth.parameters(), **objective, "seed": seed, "nthread": jobs, "verbosity": 0}
    return xgb.train(settings, data, growth.rounds)


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

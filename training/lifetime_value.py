"""Lifetime value: boosting from the buy-till-you-die expectation, with an interval that was measured."""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import xgboost as xgb
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted, validate_data

from features.events import Numbers
from training import boosting
from training.boosting import LEVEL_TRUST, Growth

_TWEEDIE = {"objective": "reg:tweedie", "tweedie_variance_power": 1.5, "base_score": 0.5}
_CAP = 0.999
_LEAST = 1e-6
LOW, HIGH = 0.1, 0.9
"""The quantiles of the 80 % interval."""
_MOST_BINS, _ROWS_PER_BIN = 20, 50


class LifetimeValueModel(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """Expected discounted margin over the horizon, and an 80 % interval around it.

    The equal mean of three expectations: the prior at the level that is expected to last, and two boosters
    that start from it (Tweedie loss, variance power 1.5, consistent for the mean of a value that is often
    zero and sometimes large).  Levels move with season and growth, so each training cutoff is fitted at its
    own level, realised ÷ prior, and half of their mean (in logs) is expected to last.  Chance of buying and
    amount are multiplied, never gated: cutting at one half loses most of the revenue.  Prior: BG/NBD ×
    Gamma-Gamma, Fader, Hardie and Lee (2005).

    Labels above their 99.9 % quantile are capped in the fit; negative ones (returns only) count as zero.

    Parameters
    ----------
    prior_column : int or None
        Column of X with the prior's expectation (positive); None: the mean of y is the prior.
    rounds, max_depth, learning_rate, min_child_weight, reg_lambda, subsample, colsample_bytree, max_bin
        How the boosters are grown; the second is one level deeper.
    random_state, n_jobs : int
        Same seed, same model bytes, whatever the number of threads.

    Attributes
    ----------
    log_level_ : float
        Logarithm of the level that is expected to last.
    trust_ : float
        Weight of this mean against the prior alone, 0 to 1; few customers, little trust.
    interval_ : dict
        Set by `calibrate`: expected values and, for each, quantiles of realised ÷ expected.
    """

    def __init__(
        self,
        *,
        prior_column: int | None = None,
        rounds: int = 120,
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

    def fit(self, X: npt.ArrayLike, y: npt.ArrayLike, cutoffs: npt.ArrayLike | None = None) -> Self:
        """Fit to rows of one or several cutoffs.

        Parameters
        ----------
        X : array (n_rows, n_inputs)
            NaN is allowed and means missing, except in the prior's column.
        y : array (n_rows,)
            Realised discounted margin in currency units.
        cutoffs : array (n_rows,) or None
            The cutoff of each row; None: all the same.

        Returns
        -------
        LifetimeValueModel
        """
        inputs, realised = validate_data(self, X, y, ensure_all_finite="allow-nan", y_numeric=True)
        capped = np.clip(realised.astype(np.float64), 0.0, max(float(np.quantile(realised, _CAP)), _LEAST))
        groups = boosting.groups_of(cutoffs, len(capped))
        start = self._start(inputs, capped, groups)
        self.trust_ = boosting.trust_in_trees(groups) if self.prior_column is not None else 1.0
        growth = {name: getattr(self, name) for name in Growth.__dataclass_fields__}
        deeper = {**growth, "max_depth": self.max_depth + 1}
        self.boosters_ = {
            name: boosting.grow(
                inputs, capped, start, Growth(**size), _TWEEDIE, self.random_state, self.n_jobs
            )
            for name, size in (("shallow", growth), ("deeper", deeper))
        }
        return self

    def _start(self, X: Numbers, y: Numbers, groups: list[npt.NDArray[np.int64]]) -> Numbers:
        """Logarithm of the prior, right on average at every cutoff."""
        start, shifts = self._log_prior(X), []
        for rows in groups:
            shifts.append(np.log(max(y[rows].sum(), _LEAST) / np.exp(start[rows]).sum()))
            start[rows] += shifts[-1]
        self.log_level_ = float(np.mean(shifts)) * (LEVEL_TRUST if self.prior_column is not None else 1.0)
        return start

    def _log_prior(self, X: Numbers) -> Numbers:
        if self.prior_column is None:
            return np.zeros(len(X))
        return np.log(np.maximum(X[:, self.prior_column].astype(np.float64), _LEAST))

    def predict(self, X: npt.ArrayLike) -> Numbers:
        """Expected discounted margin in currency units, shape (n_rows,), never negative."""
        check_is_fitted(self)
        inputs: Numbers = validate_data(self, X, reset=False, ensure_all_finite="allow-nan")
        start = self._log_prior(inputs) + self.log_level_
        prior = np.exp(start)
        total = prior.copy()
        for booster in self.boosters_.values():
            total += np.exp(boosting.margins(booster, inputs, start))
        mean = total / (1 + len(self.boosters_))
        return np.asarray(prior + self.trust_ * (mean - prior))

    def calibrate(self, X: npt.ArrayLike, y: npt.ArrayLike) -> Self:
        """Measure the interval on rows that the model was not fitted to.

        In bins of like expectation, the quantiles of realised ÷ expected (conformal prediction by bins,
        Vovk 2012): no assumption about the shape of spending, honest where most realise nothing.
        """
        expected, realised = self.predict(X), np.asarray(y, np.float64)
        n_bins = int(np.clip(len(expected) // _ROWS_PER_BIN, 1, _MOST_BINS))
        bins = np.array_split(np.argsort(expected, kind="stable"), n_bins)
        ratio = realised / np.maximum(expected, _LEAST)
        self.interval_ = {
            "expected": [float(np.median(expected[rows])) for rows in bins],
            "low": [_rank_quantile(ratio[rows], LOW) for rows in bins],
            "high": [_rank_quantile(ratio[rows], HIGH) for rows in bins],
        }
        return self

    def predict_interval(self, X: npt.ArrayLike) -> tuple[Numbers, Numbers]:
        """Lower and upper end of the 80 % interval, each (n_rows,); they enclose the expectation."""
        expected = self.predict(X)
        return self.interval_around(expected)

    def interval_around(self, expected: Numbers) -> tuple[Numbers, Numbers]:
        """Return the interval of rows whose expectation is already known, each (n_rows,)."""
        check_is_fitted(self, "interval_")
        low, high = (
            expected * np.interp(expected, self.interval_["expected"], self.interval_[end])
            for end in ("low", "high")
        )
        return np.minimum(np.maximum(low, 0.0), expected), np.maximum(high, expected)

    def to_state(self) -> tuple[dict[str, Any], dict[str, xgb.Booster]]:
        """What was fitted, as plain JSON values and boosters."""
        check_is_fitted(self)
        return {
            "parameters": self.get_params(),
            "n_features_in": self.n_features_in_,
            "log_level": self.log_level_,
            "trust": self.trust_,
            "interval": self.interval_,
        }, self.boosters_

    @classmethod
    def from_state(cls, state: Mapping[str, Any], boosters: Mapping[str, xgb.Booster]) -> Self:
        """Make the model that `to_state` wrote."""
        model = cls(**state["parameters"])
        model.n_features_in_ = state["n_features_in"]
        model.log_level_, model.interval_ = state["log_level"], state["interval"]
        model.trust_ = state["trust"]
        model.boosters_ = dict(boosters)
        return model

    def __sklearn_tags__(self) -> Tags:
        """NaN allowed; a strongly shrunk model that needs more than a handful of rows."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.regressor_tags.poor_score = True
        return tags


def _rank_quantile(values: Numbers, level: float) -> float:
    """Quantile with the finite-sample correction of conformal prediction: outwards by one rank."""
    n = len(values)
    rank = np.ceil((n + 1) * level) if level > 0.5 else np.floor((n + 1) * level)  # noqa: PLR2004  (the median)
    return float(np.sort(values)[int(np.clip(rank - 1, 0, n - 1))])

"""Lifetime value: boosting from the buy-till-you-die expectation, with an interval that was measured."""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import xgboost as xgb
from sklearn.base import RegressorMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted, validate_data

from features.events import Numbers
from training import boosting
from training.boosting import Boosted

_TWEEDIE = {"objective": "reg:tweedie", "tweedie_variance_power": 1.5, "base_score": 0.5}
_CAP = 0.999
_LEAST = 1e-6
LOW, HIGH = 0.1, 0.9
"""The quantiles of the 80 % interval."""
_MOST_BINS, _ROWS_PER_BIN = 20, 50


class LifetimeValueModel(RegressorMixin, Boosted):  # type: ignore[misc]
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
    rounds, max_depth, …, n_jobs
        As for `training.boosting.Boosted`; the second booster is one level deeper.

    Attributes
    ----------
    log_level_ : float
        Logarithm of the level that is expected to last.
    trust_ : float
        Weight of this mean against the prior alone, 0 to 1; few customers, little trust.
    interval_ : dict
        Set by `calibrate`: expected values and, for each, quantiles of realised ÷ expected.
    """

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
        self.trust_ = self.trust_in_trees(groups)
        sizes = {"shallow": self.growth(), "deeper": self.growth(deeper=1)}
        self.boosters_ = {
            name: boosting.grow(inputs, capped, start, size, _TWEEDIE, self.random_state, self.n_jobs)
            for name, size in sizes.items()
        }
        return self

    def _start(self, X: Numbers, y: Numbers, groups: list[npt.NDArray[np.int64]]) -> Numbers:
        """Logarithm of the prior, right on average at every cutoff."""
        start, shifts = self._log_prior(X), []
        for rows in groups:
            shifts.append(np.log(max(y[rows].sum(), _LEAST) / np.exp(start[rows]).sum()))
            start[rows] += shifts[-1]
        self.log_level_ = self.lasting(shifts)
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
        for name in sorted(self.boosters_):  # a model that was read back sums in the same order
            total += np.exp(boosting.margins(self.boosters_[name], inputs, start))
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

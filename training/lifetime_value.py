"""Lifetime value: boosting from the buy-till-you-die expectation, with a median and a measured interval."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt
import xgboost as xgb
from scipy.special import expit
from sklearn.base import RegressorMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted, validate_data

from features.events import Numbers
from training import boosting, lessons, metrics
from training.boosting import Boosted
from training.ladder import Rung
from training.lessons import Lesson
from training.levels import log_ratio, shift_to
from training.spread import Spread, factors

_LOGISTIC = {"objective": "binary:logistic", "base_score": 0.5}
_TWEEDIE, _NEARER_TO_COUNTS, _AMOUNT = (
    {"objective": "reg:tweedie", "tweedie_variance_power": power, "base_score": 0.5}
    for power in (1.5, 1.3, 1.7)
)
_CAP, _TIMES_EXPECTED = 0.999, 5.0
_LEAST = 1e-6
_BOUND, _FREE = 4, 2
"""Weights of the parts that start from the prior, together, and of the one that does not."""
_BULK = 0.99
_NUMBERS = ("levels", "log_level", "silence_level", "amount_level", "free_start", "ceiling", "trust")


class Starts(NamedTuple):
    """Where the boosters start from at each row: right on average at its level.

    Attributes
    ----------
    value : float64 array (n_rows,)
        Logarithm of the prior at its level.
    level : float64 array (n_rows,)
        Log level.
    silent : float64 array (n_rows,)
        Logit of bringing nothing.
    amount : float64 array (n_rows,)
        Logarithm of what a buyer brings.
    """

    value: Numbers
    level: Numbers
    silent: Numbers
    amount: Numbers

    def rows(self, keep: npt.NDArray[np.bool_]) -> "Starts":
        """Keep some rows."""
        return Starts(*(column[keep] for column in self))


class LifetimeValueModel(RegressorMixin, Boosted):  # type: ignore[misc]
    """Expected discounted margin over the horizon, its median, and an 80 % interval.

    The mean of the prior at its level; of two boosters that start from it (Tweedie loss, consistent for the
    mean of a value that is often zero and sometimes large); of a hurdle, the chance of bringing anything ×
    what it then is; and, counting twice, of a booster that starts from nothing.  That one ranks best and
    cannot say more than it has seen, so it fades out where the prior leaves its bulk.  Levels move with
    season and growth, so each training cutoff is fitted at its own level, realised ÷ prior.  Chance and
    amount are multiplied, never gated: cutting at one half loses most of the revenue.  Prior: BG/NBD ×
    Gamma-Gamma, Fader, Hardie and Lee (2005).

    The median and the interval come from the hurdle: nothing with the chance of nothing, else the expectation
    of a buyer × the quantiles of what buyers brought in training.

    Labels far above both their 99.9 % quantile and their own expectation are capped in the fit; a cap on the
    amount alone would hold down the best customers.  Negative labels (returns only) count as zero.

    Parameters
    ----------
    prior_column : int or None
        Column of X with the prior's expectation (positive); None: the mean of y is the prior.
    chance_column : int or None
        Column of X with the logit of the prior's chance that nothing is brought; None: the rate is the prior.
    level, rounds, max_depth, …, n_jobs
        As for `training.boosting.Boosted`; the booster with variance power 1.5 is one level deeper.

    Attributes
    ----------
    levels_ : list of float
        Log level of each training cutoff, oldest first.
    log_level_ : float
        Logarithm of the level that is expected.
    trust_ : float
        Weight of this mean against the prior alone, 0 to 1; few customers, little trust.
    rung_ : Rung
        Which rung of the ladder was used, and why.
    spread_ : Spread
        How far what buyers bring lies from its expectation; `calibrate` measures it on other rows.
    """

    search_space = lessons.TREES

    def __init__(
        self,
        *,
        prior_column: int | None = None,
        chance_column: int | None = None,
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
        super().__init__(
            prior_column=prior_column, level=level, rounds=rounds, max_depth=max_depth,
            learning_rate=learning_rate, min_child_weight=min_child_weight, reg_lambda=reg_lambda,
            subsample=subsample, colsample_bytree=colsample_bytree, max_bin=max_bin,
            random_state=random_state, n_jobs=n_jobs,
        )  # fmt: skip
        self.chance_column = chance_column

    def fit(self, X: npt.ArrayLike, y: npt.ArrayLike, cutoffs: npt.ArrayLike | None = None) -> Self:
        """Fit to rows of one or several cutoffs.

        Parameters
        ----------
        X : array (n_rows, n_inputs)
            NaN is allowed and means missing, except in the prior's columns.
        y : array (n_rows,)
            Realised discounted margin in currency units.
        cutoffs : array (n_rows,) or None
            The cutoff of each row; None: all the same.

        Returns
        -------
        LifetimeValueModel
        """
        inputs, realised = validate_data(self, X, y, ensure_all_finite="allow-nan", y_numeric=True)
        capped = _capped(realised, np.exp(self._log_prior(inputs)))
        groups = boosting.groups_of(cutoffs, len(capped))
        starts = self._starts(inputs, capped, groups)
        self.trust_, self.boosters_ = self.climb(groups), {}
        if self.trust_ > 0:
            self.boosters_ = self._grow(inputs, capped, starts)
        some = capped > 0
        expected, chance = self._outlook(inputs[some], starts.rows(some))
        self.spread_ = Spread.of(capped[some], expected / np.maximum(chance, _LEAST))
        return self

    def _grow(self, X: Numbers, y: Numbers, starts: Starts) -> dict[str, xgb.Booster]:
        """Grow all boosters; that of the amount on buyers only, where there is any."""
        ground = boosting.Ground(X, self.max_bin, self.random_state, self.n_jobs)
        growth, deeper, some = self.growth(), self.growth(deeper=1), y > 0
        boosters = {
            "shallow": ground.grow(y, starts.value, growth, _NEARER_TO_COUNTS),
            "deeper": ground.grow(y, starts.value, deeper, _TWEEDIE),
            "free": ground.grow(
                y * np.exp(-starts.level), np.full(len(y), self.free_start_), deeper, _TWEEDIE
            ),
            "silent": ground.grow((~some).astype(np.float64), starts.silent, growth, _LOGISTIC),
        }
        if some.any():
            buyers = boosting.Ground(X[some], self.max_bin, self.random_state, self.n_jobs)
            boosters["amount"] = buyers.grow(y[some], starts.amount[some], growth, _AMOUNT)
        return boosters

    def _starts(self, X: Numbers, y: Numbers, groups: list[npt.NDArray[np.int64]]) -> Starts:
        """All starting points, right on average at every cutoff, and what is expected of the levels.

        The level of the amount is what the levels of value and chance leave to it.
        """
        value, silent, amount = self._log_prior(X), self._prior_silence(X), self._log_amount(X)
        self.ceiling_ = float(np.quantile(value, _BULK))
        level, shifts, rises = np.empty(len(y)), [], []
        self.levels_ = []
        for rows in groups:
            none = y[rows] <= 0
            self.levels_.append(log_ratio(y[rows].sum(), np.exp(value[rows]).sum()))
            shifts.append(shift_to(silent[rows], (none.sum() + 0.5) / (len(rows) + 1)))
            rises.append(0.0 if none.all() else log_ratio(y[rows].sum(), np.exp(amount[rows])[~none].sum()))
            level[rows] = self.levels_[-1]
            silent[rows] += shifts[-1]
            amount[rows] += rises[-1]
        self.log_level_ = self.lasting(self.levels_)
        self.free_start_ = float(np.log(max((y * np.exp(-level)).mean(), _LEAST)))
        self.silence_level_ = float(self._chance_share * np.mean(shifts))
        by_chance = float(np.mean(np.subtract(self.levels_, rises)))
        self.amount_level_ = self.log_level_ - self.share_that_lasts * by_chance
        return Starts(value + level, level, silent, amount)

    @property
    def _chance_share(self) -> float:
        return 1.0 if self.chance_column is None else self.share_that_lasts

    def lesson(self, X: Numbers, y: Numbers, cutoffs: npt.ArrayLike | None = None) -> Lesson:
        """What the shallow booster learns; the others grow alike."""
        capped = _capped(y, np.exp(self._log_prior(X)))
        starts = self._starts(X, capped, boosting.groups_of(cutoffs, len(capped)))
        return Lesson(X, capped, starts.value, _NEARER_TO_COUNTS, _losses)

    def row_losses(self, X: npt.ArrayLike, y: npt.ArrayLike) -> Numbers:
        """Tweedie deviance of every row, shape (n_rows,); a net return counts as zero."""
        return metrics.tweedie_deviances(np.maximum(np.asarray(y, np.float64), 0.0), self.predict(X))

    def _log_prior(self, X: Numbers) -> Numbers:
        if self.prior_column is None:
            return np.zeros(len(X))
        return np.log(np.maximum(X[:, self.prior_column].astype(np.float64), _LEAST))

    def _prior_silence(self, X: Numbers) -> Numbers:
        return np.zeros(len(X)) if self.chance_column is None else X[:, self.chance_column].astype(np.float64)

    def _log_amount(self, X: Numbers) -> Numbers:
        """Logarithm of what the prior expects of a buyer."""
        buys = np.maximum(expit(-self._prior_silence(X)), _LEAST)
        return np.asarray(self._log_prior(X) - np.log(buys))

    def _outlook(self, X: Numbers, starts: Starts) -> tuple[Numbers, Numbers]:
        """Expectation and chance of bringing anything."""
        prior, (chance, by_trees) = np.exp(starts.value), self._chance(X, starts.silent)
        if not self.boosters_:
            return prior, chance
        amount = starts.amount
        if "amount" in self.boosters_:
            amount = boosting.margins(self.boosters_["amount"], X, amount)
        bound = prior + by_trees * np.exp(amount)
        for name in ("shallow", "deeper"):
            bound += np.exp(boosting.margins(self.boosters_[name], X, starts.value))
        start = np.full(len(X), self.free_start_)
        free = np.exp(boosting.margins(self.boosters_["free"], X, start) + starts.level)
        in_bulk = np.clip(1 - (starts.value - starts.level - self.ceiling_) / np.log(2), 0.0, 1.0)
        bound /= _BOUND
        # With few customers the free booster is the first not to be trusted.
        share = self.trust_ * _FREE / (_FREE + _BOUND)
        mean = bound + in_bulk * share * (free - bound)
        return prior + self.trust_ * (mean - prior), chance

    def _chance(self, X: Numbers, silent: Numbers) -> tuple[Numbers, Numbers]:
        """Chance of bringing anything, as the trees are trusted and as they say it."""
        if not self.boosters_:
            return expit(-silent), expit(-silent)
        by_trees = boosting.margins(self.boosters_["silent"], X, silent)
        return expit(-(silent + self.trust_ * (by_trees - silent))), expit(-by_trees)

    def _asked(self, X: npt.ArrayLike) -> tuple[Numbers, Numbers]:
        """Expectation and chance of bringing anything at the levels that are expected."""
        check_is_fitted(self)
        inputs: Numbers = validate_data(self, X, reset=False, ensure_all_finite="allow-nan")
        level = np.full(len(inputs), self.log_level_)
        silent = self._prior_silence(inputs) + self.silence_level_
        amount = self._log_amount(inputs) + self.amount_level_
        return self._outlook(inputs, Starts(self._log_prior(inputs) + level, level, silent, amount))

    def predict(self, X: npt.ArrayLike) -> Numbers:
        """Expected discounted margin in currency units, shape (n_rows,), never negative."""
        return self._asked(X)[0]

    def predict_median(self, X: npt.ArrayLike) -> Numbers:
        """Median of the discounted margin, shape (n_rows,): what is as often exceeded as not.

        It has the least absolute error and no use for totals: most customers of a shop bring nothing more
        than half of the time, and their medians are zero.
        """
        expected, chance = self._asked(X)
        return self.spread_.quantile(0.5, chance, expected)

    def calibrate(self, X: npt.ArrayLike, y: npt.ArrayLike) -> Self:
        """Measure the interval on rows that the model was not fitted to, see `training.spread.factors`."""
        expected, chance = self._asked(X)
        ends = self.spread_.ends(chance, expected)
        self.interval_ = factors(np.asarray(y, np.float64), expected, *ends)
        return self

    def predict_interval(self, X: npt.ArrayLike) -> tuple[Numbers, Numbers]:
        """Lower and upper end of the 80 % interval, each (n_rows,); they enclose the expectation."""
        check_is_fitted(self, "interval_")
        return self._ends(*self._asked(X))

    def predict_with_interval(self, X: npt.ArrayLike) -> tuple[Numbers, Numbers, Numbers]:
        """Return the expectation and both ends of its 80 % interval, each (n_rows,)."""
        check_is_fitted(self, "interval_")
        expected, chance = self._asked(X)
        return expected, *self._ends(expected, chance)

    def _ends(self, expected: Numbers, chance: Numbers) -> tuple[Numbers, Numbers]:
        low, high = (
            end * np.interp(expected, self.interval_["expected"], self.interval_[name])
            for name, end in zip(("low", "high"), self.spread_.ends(chance, expected), strict=True)
        )
        return np.clip(low, 0.0, expected), np.maximum(high, expected)

    def to_state(self) -> tuple[dict[str, Any], dict[str, xgb.Booster]]:
        """What was fitted, as plain JSON values and boosters."""
        check_is_fitted(self)
        return {
            "parameters": self.get_params(),
            "n_features_in": self.n_features_in_,
            **{name: getattr(self, f"{name}_") for name in _NUMBERS},
            "rung": asdict(self.rung_),
            "ratios": list(self.spread_.ratios),
            "interval": self.interval_,
        }, self.boosters_

    @classmethod
    def from_state(cls, state: Mapping[str, Any], boosters: Mapping[str, xgb.Booster]) -> Self:
        """Make the model that `to_state` wrote."""
        model = cls(**state["parameters"])
        model.n_features_in_ = state["n_features_in"]
        for name in _NUMBERS:
            setattr(model, f"{name}_", state[name])
        model.rung_, model.spread_ = Rung(**state["rung"]), Spread(tuple(state["ratios"]))
        model.interval_ = state["interval"]
        model.boosters_ = dict(boosters)
        return model

    def __sklearn_tags__(self) -> Tags:
        """NaN allowed; a strongly shrunk model that needs more than a handful of rows."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.regressor_tags.poor_score = True
        return tags


def _capped(realised: Numbers, prior: Numbers) -> Numbers:
    """Labels of at least zero, without those far above both the others and their own expectation."""
    values = np.maximum(realised.astype(np.float64), 0.0)
    usual = np.minimum(values, max(float(np.quantile(values, _CAP)), _LEAST))
    expected = prior * (usual.sum() / prior.sum())
    return np.asarray(np.minimum(values, np.maximum(usual.max(), _TIMES_EXPECTED * expected)))


def _losses(realised: Numbers, logs: Numbers) -> Numbers:
    return metrics.tweedie_deviances(realised, np.exp(logs))

"""Attrition by silence: boosting from the buy-till-you-die chance of silence."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import xgboost as xgb
from scipy.special import expit, logit
from sklearn.base import ClassifierMixin
from sklearn.utils import Tags
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import check_is_fitted, validate_data

from features.events import Numbers
from training import boosting, lessons, metrics
from training.boosting import Boosted
from training.ladder import Rung
from training.lessons import Lesson
from training.levels import shift_to

_LOGISTIC = {"objective": "binary:logistic", "base_score": 0.5}
_OF_RATE = 0.7
"""Weight of the booster that starts from the rate against the one that starts from the prior."""


class AttritionModel(ClassifierMixin, Boosted):  # type: ignore[misc]
    """Chance that a customer buys nothing in the outcome window.

    A weighted mean of the logits of two boosters.  One starts from the prior's logit, shifted at each
    training cutoff so that its mean is the realised rate; it learns what a buy-till-you-die model gets wrong
    and keeps its sense of time.  The other starts from the realised rate alone; it ranks better and drifts
    more.  Their mean ranks as well as the second and is calibrated nearly as well as the first (measured on
    CDNOW).  The prior is a hard baseline in itself: P(no purchase in the horizon), Fader, Hardie and Lee
    (2005); the fewer customers there are, the more the answer leans on it.

    Class weights are never used: they change no rank and ruin the calibration.

    Parameters
    ----------
    prior_column : int or None
        Column of X with the prior's logit; None: the base rate is the prior.
    level, rounds, max_depth, …, n_jobs
        As for `training.boosting.Boosted`.

    Attributes
    ----------
    classes_ : array (2,)
        The labels; the second is the one whose probability is asked.
    levels_ : list of float
        Shift of the prior's logit at each training cutoff, oldest first.
    level_ : float
        Shift of the prior's logit that is expected.
    base_logit_ : float
        Where the booster without a prior starts.
    prior_mean_ : float
        Mean logit of the prior in training; contributions are told against it.
    trust_ : float
        Weight of the boosters against the prior alone, 0 to 1; few customers, little trust.
    rung_ : Rung
        Which rung of the ladder was used, and why.
    """

    search_space = lessons.TREES

    def fit(self, X: npt.ArrayLike, y: npt.ArrayLike, cutoffs: npt.ArrayLike | None = None) -> Self:
        """Fit to rows of one or several cutoffs.

        Parameters
        ----------
        X : array (n_rows, n_inputs)
            NaN is allowed and means missing.
        y : array (n_rows,)
            Two classes.
        cutoffs : array (n_rows,) or None
            The cutoff of each row; None: all the same.

        Returns
        -------
        AttritionModel

        Raises
        ------
        ValueError
            There is one class only.
        """
        inputs, labels = validate_data(self, X, y, ensure_all_finite="allow-nan")
        kind = type_of_target(labels, raise_unknown=True)
        self.classes_, codes = np.unique(labels, return_inverse=True)
        if kind != "binary" or len(self.classes_) < 2:  # noqa: PLR2004  (leave or stay)
            raise ValueError(
                f"Only binary classification is supported. The type of the target is {kind}, "
                f"with {len(self.classes_)} class(es)."
            )
        left = codes.astype(np.float64)
        groups = boosting.groups_of(cutoffs, len(left))
        own, rate = self._starts(inputs, left, groups)
        self.trust_, self.boosters_ = self.climb(groups), {}
        if self.trust_ > 0:
            ground = boosting.Ground(inputs, self.max_bin, self.random_state, self.n_jobs)
            self.boosters_ = {
                name: ground.grow(left, start, self.growth(), _LOGISTIC)
                for name, start in (("from_prior", own), ("from_rate", rate))
            }
        return self

    def _starts(
        self, X: Numbers, left: Numbers, groups: list[npt.NDArray[np.int64]]
    ) -> tuple[Numbers, Numbers]:
        """Both boosters' starting points, each right on average at every cutoff."""
        own, rate = self._prior(X), np.empty(len(left))
        self.levels_, self.prior_mean_ = [], float(own.mean())
        for rows in groups:
            realised = (left[rows].sum() + 0.5) / (len(rows) + 1)
            self.levels_.append(shift_to(own[rows], realised))
            own[rows] += self.levels_[-1]
            rate[rows] = logit(realised)
        self.level_ = self.lasting(self.levels_)
        self.base_logit_ = float(rate[groups[-1][0]])
        if self.prior_column is not None:
            self.base_logit_ += self.level_ - self.levels_[-1]
        return own, rate

    def lesson(self, X: Numbers, y: Numbers, cutoffs: npt.ArrayLike | None = None) -> Lesson:
        """What the booster from the prior learns; it stands for both, since they grow alike."""
        left = (y == np.max(y)).astype(np.float64)
        own, _ = self._starts(X, left, boosting.groups_of(cutoffs, len(left)))
        return Lesson(X, left, own, _LOGISTIC, metrics.logit_losses)

    def row_losses(self, X: npt.ArrayLike, y: npt.ArrayLike) -> Numbers:
        """Logarithmic loss of every row, shape (n_rows,)."""
        left = (np.asarray(y) == self.classes_[1]).astype(np.float64)
        return metrics.logit_losses(left, self.decision_function(X))

    def _prior(self, X: Numbers) -> Numbers:
        return np.zeros(len(X)) if self.prior_column is None else X[:, self.prior_column].astype(np.float64)

    def decision_function(self, X: npt.ArrayLike) -> Numbers:
        """Logit of the second class, shape (n_rows,)."""
        check_is_fitted(self)
        inputs: Numbers = validate_data(self, X, reset=False, ensure_all_finite="allow-nan")
        own = self._prior(inputs) + self.level_
        if not self.boosters_:
            return own
        rate = np.full(len(inputs), self.base_logit_)
        one = boosting.margins(self.boosters_["from_prior"], inputs, own)
        other = boosting.margins(self.boosters_["from_rate"], inputs, rate)
        both = one + _OF_RATE * (other - one)
        return np.asarray(own + self.trust_ * (both - own))

    def contributions(self, X: npt.ArrayLike) -> Numbers:
        """Share of each input in the logit, in logits, shape (n_rows, n_inputs + 1).

        The last column is the base value: the answer for a customer with the mean prior, before anything else
        is known.  A row sums to `decision_function` within single precision; the prior's share is exact.
        """
        check_is_fitted(self)
        inputs: Numbers = validate_data(self, X, reset=False, ensure_all_finite="allow-nan")
        shares, of_rate = np.zeros((len(inputs), inputs.shape[1] + 1)), self.trust_ * _OF_RATE
        weights = {"from_prior": self.trust_ - of_rate, "from_rate": of_rate}
        for name in sorted(self.boosters_):
            shares += weights[name] * boosting.contributions(self.boosters_[name], inputs)
        if self.prior_column is not None:
            shares[:, self.prior_column] += (1 - of_rate) * (self._prior(inputs) - self.prior_mean_)
        shares[:, -1] += (1 - of_rate) * (self.prior_mean_ + self.level_) + of_rate * self.base_logit_
        return shares

    def predict_proba(self, X: npt.ArrayLike) -> Numbers:
        """Probability of both classes, shape (n_rows, 2)."""
        chance = expit(self.decision_function(X))
        return np.column_stack([1 - chance, chance])

    def predict(self, X: npt.ArrayLike) -> npt.NDArray[Any]:
        """Return the more probable class, shape (n_rows,)."""
        more_probable = (self.decision_function(X) > 0).astype(np.int64)
        chosen: npt.NDArray[Any] = self.classes_[more_probable]
        return chosen

    def to_state(self) -> tuple[dict[str, Any], dict[str, xgb.Booster]]:
        """What was fitted, as plain JSON values and boosters; labels must be numbers."""
        check_is_fitted(self)
        return {
            "parameters": self.get_params(),
            "classes": [float(label) for label in self.classes_],
            "n_features_in": self.n_features_in_,
            "level": self.level_,
            "levels": self.levels_,
            "base_logit": self.base_logit_,
            "prior_mean": self.prior_mean_,
            "trust": self.trust_,
            "rung": asdict(self.rung_),
        }, self.boosters_

    @classmethod
    def from_state(cls, state: Mapping[str, Any], boosters: Mapping[str, xgb.Booster]) -> Self:
        """Make the model that `to_state` wrote."""
        model = cls(**state["parameters"])
        model.classes_ = np.array(state["classes"])
        model.n_features_in_ = state["n_features_in"]
        model.level_, model.levels_ = state["level"], list(state["levels"])
        model.base_logit_, model.prior_mean_ = state["base_logit"], state["prior_mean"]
        model.trust_, model.rung_ = state["trust"], Rung(**state["rung"])
        model.boosters_ = dict(boosters)
        return model

    def __sklearn_tags__(self) -> Tags:
        """Two classes only, NaN allowed; strongly shrunk, so more than a handful of rows are needed."""
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        tags.classifier_tags.poor_score = True
        tags.input_tags.allow_nan = True
        return tags

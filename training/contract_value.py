"""Lifetime value of a contract: what it brings a day, for as long as the customer is expected to stay."""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import xgboost as xgb
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted

from features.events import Numbers
from training.hazard import DAYS_OF_YEAR, ContractHazardModel, contract_value
from training.inputs import DAILY_MARGIN
from training.ladder import Rung

LOW, HIGH = 0.1, 0.9
"""The quantiles of the 80 % interval."""


class ContractValueModel(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """Expected discounted margin of a contract over a horizon of some periods.

    The margin a day is known; when the customer leaves is not, so it is a discrete-time hazard that is learnt
    (`training.hazard`).  The value is ``Σ m S(τ) (1 + d)^-τ`` over the periods of the horizon; its interval
    says what the contract brings if the customer leaves early, or late, as one in ten does.

    Parameters
    ----------
    periods : int
        In the horizon.
    period_days, discount_rate : float
        Length of a period; the yearly rate.
    random_state, n_jobs : int
        As for `training.hazard.ContractHazardModel`.

    Attributes
    ----------
    hazard_ : ContractHazardModel
    rung_ : Rung
        Which rung of the ladder was used, and why.
    """

    def __init__(
        self,
        *,
        periods: int = 12,
        period_days: float = 30.0,
        discount_rate: float = 0.0,
        random_state: int = 0,
        n_jobs: int = 1,
    ) -> None:
        self.periods = periods
        self.period_days = period_days
        self.discount_rate = discount_rate
        self.random_state = random_state
        self.n_jobs = n_jobs

    def fit(self, X: npt.ArrayLike, left_by: npt.ArrayLike, groups: npt.ArrayLike | None = None) -> Self:
        """Fit to customers at a cutoff and when they left.

        Parameters
        ----------
        X : array (n_rows, n_inputs)
            The margin a day first; NaN is allowed.
        left_by : array (n_rows, n_periods)
            1 from the period in which a customer left, 0 before, NaN where it is not known yet.
        groups : array (n_rows,) or None
            The customer of each row.
        """
        inputs, left = np.asarray(X, np.float64), np.asarray(left_by, np.float64)
        gone = np.nansum(left, axis=1) > 0
        stayed = (left == 0).sum(axis=1)
        watched = stayed + gone
        seen = watched > 0
        owners = None if groups is None else np.asarray(groups)[seen]
        hazard = ContractHazardModel(
            periods=left.shape[1], random_state=self.random_state, n_jobs=self.n_jobs
        )
        self.hazard_ = hazard.fit(inputs[seen], watched[seen].astype(np.float64), gone[seen], owners)
        self.rung_: Rung = self.hazard_.rung_
        return self

    def survival(self, X: npt.ArrayLike) -> Numbers:
        """Chance to be there still at the end of each period that was learnt, shape (n_rows, n_periods)."""
        check_is_fitted(self)
        return self.hazard_.survival(np.asarray(X, np.float64))

    def predict(self, X: npt.ArrayLike) -> Numbers:
        """Expected discounted margin over the horizon, shape (n_rows,); NaN where there is no price."""
        return self.predict_with_interval(X)[0]

    def predict_with_interval(self, X: npt.ArrayLike) -> tuple[Numbers, Numbers, Numbers]:
        """Return the expectation and both ends of its 80 % interval, each (n_rows,)."""
        inputs = np.asarray(X, np.float64)
        margin = inputs[:, DAILY_MARGIN] * self.period_days
        alive = self._over_horizon(self.survival(inputs))
        expected = contract_value(margin, alive, self.discount_rate, self.period_days)
        ends = [self._if_leaving(margin, alive, share) for share in (LOW, HIGH)]
        return expected, np.minimum(ends[0], expected), np.maximum(ends[1], expected)

    def predict_over(self, X: npt.ArrayLike, days: float) -> Numbers:
        """Expected discounted margin of so many days, shape (n_rows,).

        Beyond what was learnt the last hazard is carried on; a period that is cut short counts in part.
        """
        inputs = np.asarray(X, np.float64)
        whole, part = divmod(days / self.period_days, 1.0)
        margin, n_whole = inputs[:, DAILY_MARGIN] * self.period_days, int(whole)
        alive = self._carried_on(self.survival(inputs), n_whole + 1)
        value = contract_value(margin, alive[:, :n_whole], self.discount_rate, self.period_days)
        there = alive[:, n_whole - 1] if n_whole else np.ones(len(alive))
        stays = (alive[:, n_whole] / np.maximum(there, np.finfo(np.float64).tiny)) ** part
        middle = (n_whole + part / 2) * self.period_days / DAYS_OF_YEAR
        rest = margin * part * there * (1.0 + stays) / 2 * (1.0 + self.discount_rate) ** -middle
        return np.asarray(value + rest)

    def realised(self, X: npt.ArrayLike, left_by: npt.ArrayLike) -> Numbers:
        """Return what the contracts brought in the horizon, at the margin of the cutoff, shape (n_rows,)."""
        alive = 1.0 - np.asarray(left_by, np.float64)[:, : self.periods]
        margin = np.asarray(X, np.float64)[:, DAILY_MARGIN] * self.period_days
        return contract_value(margin, alive, self.discount_rate, self.period_days)

    def _over_horizon(self, survival: Numbers) -> Numbers:
        """Cut the curve at the horizon, or carry its last hazard on to it."""
        return self._carried_on(survival, self.periods)

    @staticmethod
    def _carried_on(survival: Numbers, periods: int) -> Numbers:
        """Cut the curve after some periods, or carry its last hazard on to them."""
        missing = periods - survival.shape[1]
        if missing <= 0:
            return survival[:, :periods]
        before = survival[:, -2] if survival.shape[1] > 1 else np.ones(len(survival))
        stays = survival[:, -1] / np.maximum(before, np.finfo(np.float64).tiny)
        further = survival[:, -1:] * stays[:, None] ** np.arange(1, missing + 1)
        return np.column_stack([survival, further])

    def _if_leaving(self, margin: Numbers, alive: Numbers, share: float) -> Numbers:
        """Value for whoever leaves when a share of such customers has left; all of it where fewer leave."""
        stays = (1.0 - alive < share).astype(np.float64)
        return contract_value(margin, stays, self.discount_rate, self.period_days)

    def to_state(self) -> tuple[dict[str, Any], dict[str, xgb.Booster]]:
        """What was fitted, as plain JSON values and boosters."""
        check_is_fitted(self)
        hazard, boosters = self.hazard_.to_state()
        return {"parameters": self.get_params(), "hazard": hazard}, boosters

    @classmethod
    def from_state(cls, state: Mapping[str, Any], boosters: Mapping[str, xgb.Booster]) -> Self:
        """Make the model that `to_state` wrote."""
        model = cls(**state["parameters"])
        model.hazard_ = ContractHazardModel.from_state(state["hazard"], boosters)
        model.rung_ = model.hazard_.rung_
        return model

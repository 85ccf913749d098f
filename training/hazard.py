"""When customers under contract leave: the chance in each period, the curve of who is still there, its worth.

A discrete-time hazard model: the chance to leave in a period, given that the customer is still there at its
beginning.  Each customer gives one row for each period in which they were observed; those whose future is not
known yet count as long as they were watched, and no longer.  Singer and Willett 1993, Journal of Educational
Statistics 18; Tutz and Schmid 2016, Modeling Discrete Time-to-Event Data.
"""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import xgboost as xgb
from scipy.special import expit, logit
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted, validate_data

from features.errors import QuestionError
from features.events import Numbers
from training import crossfit, ladder, spline_logit
from training.btyd import ShiftedBetaGeometric
from training.crossfit import Material, Rows
from training.ladder import Rung
from training.spline_logit import SplineLogit

PERIODS = 12
DAYS_OF_YEAR = 365.25

_TREES: dict[str, Any] = {
    "max_depth": 4,
    "min_child_weight": 10,
    "subsample": 0.8,
    "colsample_bytree": 0.5,
    "reg_lambda": 10,
    "learning_rate": 0.05,
    "max_bin": crossfit.BINS,
    "objective": "binary:logistic",
    "verbosity": 0,
}
_FOLDS, _STRENGTH, _FEW_STRENGTH = 5, 0.3, 0.03
_FEWEST_LEAVERS = 20
_TABLE_PULL = 5.0
_MOST_ROWS = 200_000
_LOGIT_ROWS = 30_000


class ContractHazardModel(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """How long customers under contract stay, period by period.

    The logit of the hazard is the life table's (everybody's hazard in that period) plus a spline logit of the
    inputs plus trees that see the inputs and the period, so that a customer's curve may have another shape
    than everybody's.  The last two are stacked on customers they have not seen.  With few customers there are
    no trees; with few leavers the life table answers alone.  Its thin end, where hardly anybody was watched
    so long, leans on the shifted-beta-geometric curve.

    Parameters
    ----------
    periods : int
        How many periods ahead are asked about.
    rounds : int
        At most so many trees; unseen customers decide how many.
    trees_from : int
        With fewer customers there are no trees.
    random_state : int
        Same seed, same model bytes.
    n_jobs : int
        Threads of the fit; the result does not depend on it.

    Attributes
    ----------
    rung_ : Rung
        Which rung of the ladder was used, and why.
    table_ : float64 array (periods,)
        Logit of everybody's hazard in each period.
    logit_ : SplineLogit or None
    boosters_ : dict of str to xgboost.Booster
    weights_ : dict of str to float
    intercept_ : float
    """

    def __init__(
        self,
        *,
        periods: int = PERIODS,
        rounds: int = 400,
        trees_from: int = ladder.FEWEST_FOR_TREES,
        random_state: int = 0,
        n_jobs: int = 1,
    ) -> None:
        self.periods = periods
        self.rounds = rounds
        self.trees_from = trees_from
        self.random_state = random_state
        self.n_jobs = n_jobs

    def fit(
        self,
        X: npt.ArrayLike,
        y: npt.ArrayLike,
        left: npt.ArrayLike | None = None,
        groups: npt.ArrayLike | None = None,
    ) -> Self:
        """Fit to customers at a cutoff and what was seen of them after it.

        Parameters
        ----------
        X : array (n_rows, n_inputs)
            Inputs at the cutoff; NaN is allowed and means missing.
        y : array (n_rows,)
            How long each was observed, in periods: until leaving, or until the observation ended. Leaving at
            2.3 or at 3 is leaving in the third period; being watched for 2.3 periods is staying for two.
            What comes after ``periods`` does not count.
        left : bool array (n_rows,) or None
            Whether the customer left at that time; None: all did.
        groups : array (n_rows,) or None
            The customer of each row, where a customer has several.

        Returns
        -------
        ContractHazardModel

        Raises
        ------
        ValueError
            A time is negative, or nobody was watched for a whole period.
        """
        inputs, times = validate_data(self, X, y, ensure_all_finite="allow-nan", y_numeric=True)
        inputs, times = inputs.astype(np.float64), times.astype(np.float64)
        gone = np.ones(len(times), np.bool_) if left is None else np.asarray(left, np.bool_)
        if gone.shape != times.shape:
            raise ValueError("left must say for each row whether the customer left.")
        if (times < 0).any():
            raise ValueError("Negative times in y: expected periods since the cutoff, 0 or more.")
        stayed, gone = observed(times, gone, self.periods)
        owner, period, leaves = person_periods(stayed, gone)
        if not len(owner):
            raise ValueError("Nobody was watched for a whole period: wait, or take a shorter period.")
        self.table_ = life_table(period, leaves, self.periods)
        self.logit_: SplineLogit | None = None
        self.boosters_: dict[str, xgb.Booster] = {}
        self.weights_: dict[str, float] = {}
        self.intercept_ = 0.0
        owners = (
            np.arange(len(times)) if groups is None else np.unique(np.asarray(groups), return_inverse=True)[1]
        )
        self._add_inputs(inputs, owner, period, leaves, owners)
        return self

    def _add_inputs(self, X: Numbers, owner: Rows, period: Rows, leaves: Numbers, owners: Rows) -> None:
        """Add to the life table what the inputs tell, as much as there are customers for."""
        customers, leavers = len(np.unique(owners)), len(np.unique(owners[owner[leaves == 1.0]]))
        self.rung_ = ladder.rung(customers, has_prior=False)
        if leavers < _FEWEST_LEAVERS or leaves.all():
            self.rung_ = Rung("life table", f"{leavers} leavers are too few to tell customers apart by.")
            return
        rows = _some_customers(owner, owners, self.random_state)
        owner, period, leaves = owner[rows], period[rows], leaves[rows]
        start = self.table_[period]
        if customers < self.trees_from:
            self.logit_ = _logit(X[owner], leaves, start, _FEW_STRENGTH, self.random_state)
            self.weights_ = {"logit": 1.0}
            return
        folds = crossfit.folds_of(leaves, owners[owner], _FOLDS, self.random_state)
        plan = crossfit.plan_of(folds, only_one=False)
        said = [
            _logit(X[owner[a]], leaves[a], start[a], _STRENGTH, self.random_state).decision_function(
                X[owner[b]]
            )
            for a, b in zip(plan.teaching, plan.judging, strict=True)
        ]
        kinds = {"trees": _TREES | {"seed": self.random_state, "nthread": self.n_jobs}}
        material = Material(_with_period(X[owner], period), leaves, start)
        grown = crossfit.grow_each(material, plan, kinds, self.rounds)["trees"]
        self.boosters_ = {"trees": grown.booster}
        self.logit_ = _logit(X[owner], leaves, start, _STRENGTH, self.random_state)
        unseen = np.column_stack([np.concatenate(said), grown.logits])
        judged, trust = plan.judged, ladder.trust_in_trees(customers) / 2
        found = crossfit.stack(unseen, leaves[judged], np.array([1 - trust, trust]), start[judged])
        self.weights_ = {"logit": float(found[0]), "trees": float(found[1])}
        self.intercept_ = float(found[2])

    def hazards(self, X: npt.ArrayLike) -> Numbers:
        """Chance to leave in each period for whoever is there at its beginning, shape (n_rows, periods)."""
        check_is_fitted(self)
        inputs = np.asarray(validate_data(self, X, reset=False, ensure_all_finite="allow-nan"), np.float64)
        logits = np.tile(self.table_ + self.intercept_, (len(inputs), 1))
        if self.logit_ is not None:
            logits += (self.weights_["logit"] * self.logit_.decision_function(inputs))[:, None]
        if self.boosters_:
            for period in range(self.periods):
                rows = _with_period(inputs, np.full(len(inputs), period))
                added = crossfit.margins(self.boosters_["trees"], rows, alone=True)
                logits[:, period] += self.weights_["trees"] * added
        return np.asarray(expit(logits))

    def survival(self, X: npt.ArrayLike) -> Numbers:
        """Chance to be there still at the end of each period, shape (n_rows, periods); it never rises."""
        return np.asarray(np.cumprod(1.0 - self.hazards(X), axis=1), np.float64)

    def probability_left_by(self, X: npt.ArrayLike) -> Numbers:
        """Chance to have left by the end of each period, shape (n_rows, periods); it never falls."""
        return 1.0 - self.survival(X)

    def predict(self, X: npt.ArrayLike) -> Numbers:
        """Return the expected number of the next periods that the customer is there, shape (n_rows,)."""
        return np.asarray(present(self.survival(X)).sum(axis=1))

    def to_state(self) -> tuple[dict[str, Any], dict[str, xgb.Booster]]:
        """What was fitted, as plain JSON values and boosters."""
        check_is_fitted(self)
        return {
            "parameters": self.get_params(),
            "n_features_in": self.n_features_in_,
            "rung": asdict(self.rung_),
            "table": [float(value) for value in self.table_],
            "logit": None if self.logit_ is None else self.logit_.to_dict(),
            "weights": self.weights_,
            "intercept": self.intercept_,
        }, self.boosters_

    @classmethod
    def from_state(cls, state: Mapping[str, Any], boosters: Mapping[str, xgb.Booster]) -> Self:
        """Make the model that `to_state` wrote."""
        model = cls(**state["parameters"])
        model.n_features_in_ = state["n_features_in"]
        model.rung_, model.table_ = Rung(**state["rung"]), np.array(state["table"])
        model.logit_ = None if state["logit"] is None else SplineLogit.from_dict(state["logit"])
        model.weights_, model.intercept_ = dict(state["weights"]), state["intercept"]
        model.boosters_ = dict(boosters)
        return model

    def __sklearn_tags__(self) -> Tags:
        """Times are not negative; NaN allowed in X; strongly shrunk."""
        tags = super().__sklearn_tags__()
        tags.target_tags.positive_only = True
        tags.regressor_tags.poor_score = True
        tags.input_tags.allow_nan = True
        return tags


def observed(times: Numbers, left: npt.NDArray[np.bool_], periods: int) -> tuple[Rows, npt.NDArray[np.bool_]]:
    """Whole periods stayed, and whether the customer left in the next one.

    Examples
    --------
    >>> stayed, gone = observed(np.array([2.3, 3.0, 2.3, 15.0]), np.array([True, True, False, True]), 12)
    >>> stayed.tolist(), gone.tolist()
    ([2, 2, 2, 12], [True, True, False, False])
    """
    ends = np.where(left, np.maximum(np.ceil(times), 1.0) - 1.0, np.floor(times))
    within = ends < periods
    return np.minimum(ends, periods).astype(np.int64), left & within


def person_periods(stayed: Rows, left: npt.NDArray[np.bool_]) -> tuple[Rows, Rows, Numbers]:
    """One row for each customer and period watched to its end: customer, period from 0, and 1 if they left.

    Examples
    --------
    >>> owner, period, leaves = person_periods(np.array([1, 0, 2]), np.array([True, False, False]))
    >>> owner.tolist(), period.tolist(), leaves.tolist()
    ([0, 0, 2, 2], [0, 1, 0, 1], [0.0, 1.0, 0.0, 0.0])
    """
    watched = stayed + left
    owner = np.repeat(np.arange(len(stayed)), watched)
    period = np.arange(len(owner)) - np.repeat(np.cumsum(watched) - watched, watched)
    leaves = (left[owner] & (period == stayed[owner])).astype(np.float64)
    return owner, period, leaves


def life_table(period: Rows, leaves: Numbers, periods: int) -> Numbers:
    """Logit of everybody's hazard in each period, shape (periods,).

    Leavers over those at risk (Kaplan and Meier 1958), pulled by a handful of customers towards the
    shifted-beta-geometric curve, or towards the mean hazard where that cannot be fitted.
    """
    at_risk = np.bincount(period, minlength=periods).astype(np.float64)
    leavers = np.bincount(period, weights=leaves, minlength=periods).astype(np.float64)
    mean = (leavers.sum() + 0.5) / (at_risk.sum() + 1.0)
    expected = _smooth_hazards(at_risk, leavers, periods, mean)
    return np.asarray(logit((leavers + _TABLE_PULL * expected) / (at_risk + _TABLE_PULL)))


def _smooth_hazards(at_risk: Numbers, leavers: Numbers, periods: int, mean: float) -> Numbers:
    """Hazards of the shifted-beta-geometric curve; the mean hazard where there is no such curve."""
    seen = at_risk - leavers
    censored = seen - np.append(at_risk[1:], 0.0)
    numbers = np.arange(periods)
    try:
        curve = ShiftedBetaGeometric.fit(
            np.concatenate([numbers, numbers + 1]),
            np.repeat([True, False], periods),
            np.concatenate([leavers, censored]),
        )
    except QuestionError:
        return np.full(periods, mean)
    return np.asarray(np.clip(curve.probability_leaves(1, numbers), mean / 100, 1 - 1e-6))


def _logit(X: Numbers, leaves: Numbers, start: Numbers, strength: float, seed: int) -> SplineLogit:
    """What the inputs add to the life table, the same in every period."""
    rows = np.arange(len(leaves))
    if len(rows) > _LOGIT_ROWS:
        rows = np.sort(np.random.default_rng(seed).choice(rows, _LOGIT_ROWS, replace=False))
    terms = spline_logit.terms_of(X[rows], with_logs=False)
    design = spline_logit.design_of(terms, X[rows])
    solution = spline_logit.solve(design, leaves[rows], strength, offset=start[rows])
    return SplineLogit.assemble(terms, X[rows], solution)


def _some_customers(owner: Rows, owners: Rows, seed: int) -> Rows:
    """Rows of all customers, or of so many drawn ones that they are not too many."""
    share = _MOST_ROWS / max(len(owner), 1)
    if share >= 1:
        return np.arange(len(owner))
    drawn = np.random.default_rng(seed).uniform(size=int(owners.max()) + 1) < share
    return np.flatnonzero(drawn[owners[owner]])


def _with_period(X: Numbers, period: Rows) -> npt.NDArray[np.float32]:
    return crossfit.single(np.column_stack([X, period]))


def present(survival: Numbers) -> Numbers:
    """Expected share of each period that a customer is there, shape of ``survival``; leavers have half."""
    before = np.column_stack([np.ones(len(survival)), survival[:, :-1]])
    return np.asarray((before + survival) / 2)


def contract_value(
    margin_per_period: npt.ArrayLike, survival: Numbers, discount_rate: float, period_days: float
) -> Numbers:
    """Expected discounted margin of the coming periods, shape (n_rows,).

    ``Σ m_i S_i(τ) (1 + d)^-τ``.  Half-period convention: a margin is earned evenly through its period, so it
    counts with the mean of the chances at the period's two ends, and is discounted from its middle.

    Parameters
    ----------
    margin_per_period : float, or array (n_rows,) or (n_rows, periods)
        Margin of a period in which the customer is there; may be negative.
    survival : float64 array (n_rows, periods)
        Chance to be there still at the end of each period.
    discount_rate : float
        Per year; above -1.
    period_days : float
        Length of a period.

    Examples
    --------
    >>> contract_value(10.0, np.ones((1, 12)), 0.0, 30.0).tolist()
    [120.0]
    """
    if not discount_rate > -1.0 or not period_days > 0:
        raise ValueError("Expected a yearly discount rate above -1 and a period of more than 0 days.")
    middle = (np.arange(survival.shape[1]) + 0.5) * period_days / DAYS_OF_YEAR
    margin = np.asarray(margin_per_period, np.float64)
    if margin.ndim == 1:
        margin = margin[:, None]
    return np.asarray((margin * present(survival) * (1.0 + discount_rate) ** -middle).sum(axis=1))

"""Attrition of customers under contract: a spline logit and boosted trees, stacked on unseen rows."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import xgboost as xgb
from scipy.special import expit, logit
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import Tags
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import check_is_fitted, validate_data

from features.events import Numbers
from training import crossfit, ladder, lessons, metrics, spline_logit
from training.boosting import Growth
from training.crossfit import Plan
from training.ladder import Rung
from training.lessons import Lesson
from training.spline_logit import SplineLogit

_TREES: dict[str, dict[str, Any]] = {
    "pairs": {
        "max_depth": 2,
        "min_child_weight": 5,
        "subsample": 0.8,
        "colsample_bytree": 0.5,
        "reg_lambda": 5,
    },
    "leaves": {
        "max_depth": 0,
        "max_leaves": 64,
        "grow_policy": "lossguide",
        "min_child_weight": 10,
        "subsample": 0.8,
        "colsample_bytree": 0.3,
        "reg_lambda": 20,
    },
}
"""Ways to look beside the shallow trees, whose parameters are the model's: at two inputs together, and at as
many as a few customers need."""

_STRENGTHS, _FEW_STRENGTHS = (0.1, 0.3, 1.0), (0.01, 0.03, 0.1, 0.3)
_FOLDS, _MORE_FOLDS, _FEW_ROWS, _CHOOSING_FOLDS = 5, 10, 5_000, 3
_LOGIT_ROWS, _CHOOSING_ROWS = 30_000, 10_000
_JUDGING_ROWS = 50_000
_ENOUGH_DRAWN = 100
_SLOW, _FAST = 0.05, 0.1


class ContractAttritionModel(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Chance that a customer under contract leaves in the outcome window.

    The sum of four logits with weights that are not negative, and an intercept: a spline logit, and boosters
    that see pairs, shallow trees and 64 leaves.  Weights and intercept are fitted to what the learners said
    of rows they had not seen, so the stack is also the calibrator; early stopping never sees the rows that it
    is judged by.  On public contract tables such a stack of sound defaults is as good as a long search, and
    both are far better than the defaults of libraries, calibration above all.

    With few customers the spline logit answers alone, shrunk as strongly as unseen rows ask for.

    Class weights are never used: they change no rank and ruin the calibration.

    Parameters
    ----------
    rounds : int
        At most so many trees of each kind; unseen rows decide how many.
    max_depth, min_child_weight, reg_lambda, subsample, colsample_bytree
        How the shallow trees are grown, see `training.boosting.Growth`.
    trees_from : int
        With fewer customers there are no trees.
    random_state : int
        Same seed, same model bytes.
    n_jobs : int
        Threads of the fit; the result does not depend on it.

    Attributes
    ----------
    classes_ : array (2,)
        The labels; the second is the one whose probability is asked.
    rung_ : Rung
        Which rung of the ladder was used, and why.
    logit_ : SplineLogit
    boosters_ : dict of str to xgboost.Booster
    weights_ : dict of str to float
        Weight of each learner's logit.
    intercept_ : float
    rounds_ : dict of str to int
        Trees of each kind.
    """

    search_space = lessons.TREES

    def __init__(
        self,
        *,
        rounds: int = 600,
        max_depth: int = 4,
        min_child_weight: float = 5.0,
        reg_lambda: float = 5.0,
        subsample: float = 0.8,
        colsample_bytree: float = 0.5,
        trees_from: int = ladder.FEWEST_FOR_TREES,
        random_state: int = 0,
        n_jobs: int = 1,
    ) -> None:
        self.rounds = rounds
        self.max_depth = max_depth
        self.min_child_weight = min_child_weight
        self.reg_lambda = reg_lambda
        self.subsample = subsample
        self.colsample_bytree = colsample_bytree
        self.trees_from = trees_from
        self.random_state = random_state
        self.n_jobs = n_jobs

    def fit(
        self,
        X: npt.ArrayLike,
        y: npt.ArrayLike,
        cutoffs: npt.ArrayLike | None = None,
        groups: npt.ArrayLike | None = None,
    ) -> Self:
        """Fit to rows of one or several cutoffs.

        Parameters
        ----------
        X : array (n_rows, n_inputs)
            NaN is allowed and means missing.
        y : array (n_rows,)
            Two classes.
        cutoffs : array (n_rows,) or None
            The cutoff of each row; the largest has as many rows as there are customers.
        groups : array (n_rows,) or None
            The customer of each row, where a customer has several: then their rows teach or judge together.

        Returns
        -------
        ContractAttritionModel

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
        inputs, left = inputs.astype(np.float64), codes.astype(np.float64)
        owners = None if groups is None else np.asarray(groups)
        customers = _customers(len(left), cutoffs, owners)
        self.boosters_: dict[str, xgb.Booster] = {}
        self.rounds_: dict[str, int] = {}
        if customers < self.trees_from or _rarer(left, owners) < _CHOOSING_FOLDS:
            return self._fit_few(inputs, left, owners, customers)
        return self._fit_many(inputs, left, owners, customers)

    def _fit_few(self, X: Numbers, left: Numbers, owners: npt.NDArray[Any] | None, customers: int) -> Self:
        """The logit alone; where hardly anybody left there is nothing to choose its strength by."""
        n_folds = min(_MORE_FOLDS, _rarer(left, owners))
        choice = (False, _FEW_STRENGTHS[1])
        if n_folds >= _CHOOSING_FOLDS:
            folds = crossfit.folds_of(left, owners, n_folds, self.random_state)
            choice = _choice(X, left, folds, [(False, strength) for strength in _FEW_STRENGTHS])
        self.logit_ = _logit(X, left, choice, self.random_state)
        self.weights_, self.intercept_ = {"logit": 1.0}, 0.0
        self.rung_ = ladder.rung(customers, has_prior=False)
        if customers >= ladder.FEWEST_FOR_TREES:
            rarer = f"{_rarer(left, owners)} customers with the rarer outcome"
            self.rung_ = Rung("regularised logit", f"{rarer} are too few to judge trees by.")
        return self

    def _fit_many(self, X: Numbers, left: Numbers, owners: npt.NDArray[Any] | None, customers: int) -> Self:
        """Logit and trees, stacked on unseen rows."""
        plan = self._plan(left, owners)
        choice = self._choose(X, left, owners)
        said = {"logit": _unseen_logits(X, left, plan, choice, self.random_state)}
        ways = {"pairs": _TREES["pairs"], "shallow": self._shallow(), "leaves": _TREES["leaves"]}
        kinds = {name: self._settings(own, len(left), left.mean()) for name, own in ways.items()}
        material = crossfit.Material(crossfit.single(X), left)
        grown = crossfit.grow_each(material, plan, kinds, self.rounds)
        said |= {name: one.logits for name, one in grown.items()}
        self.boosters_ = {name: one.booster for name, one in grown.items()}
        self.rounds_ = {name: one.rounds for name, one in grown.items()}
        self.logit_ = _logit(X, left, choice, self.random_state)
        rows = crossfit.fresh(plan)
        trust = ladder.trust_in_trees(customers) / len(said)
        start = np.array([1.0 - trust * (len(said) - 1), *[trust] * (len(said) - 1)])
        found = crossfit.stack(np.column_stack(list(said.values()))[rows], left[plan.judged][rows], start)
        self.weights_ = {name: float(weight) for name, weight in zip(said, found[:-1], strict=True)}
        self.intercept_ = float(found[-1])
        self.rung_ = ladder.rung(max(customers, ladder.FEWEST_FOR_TREES), has_prior=False)
        return self

    def _plan(self, left: Numbers, owners: npt.NDArray[Any] | None) -> Plan:
        rows = len(left)
        n_folds = _MORE_FOLDS if rows < _FEW_ROWS else max(_FOLDS, rows // _JUDGING_ROWS)
        folds = crossfit.folds_of(left, owners, min(n_folds, _rarer(left, owners)), self.random_state)
        return crossfit.plan_of(folds, only_one=rows > _JUDGING_ROWS)

    def _choose(self, X: Numbers, left: Numbers, owners: npt.NDArray[Any] | None) -> tuple[bool, float]:
        """Shape and strength of the logit, by log-loss on unseen rows."""
        rows = _some(left, _CHOOSING_ROWS, self.random_state)
        folds = crossfit.folds_of(
            left[rows], None if owners is None else owners[rows], _CHOOSING_FOLDS, self.random_state
        )
        options = [(logs, strength) for logs in (False, True) for strength in _STRENGTHS]
        return _choice(X[rows], left[rows], folds, options)

    def _shallow(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.search_space}

    def growth(self) -> Growth:
        """Return how the shallow trees are grown; unseen rows tell their number."""
        return Growth(rounds=self.rounds, learning_rate=_SLOW, max_bin=crossfit.BINS, **self._shallow())

    def lesson(self, X: Numbers, y: Numbers, cutoffs: npt.ArrayLike | None = None) -> Lesson:
        """What the shallow trees learn; the other learners stay as they are."""
        del cutoffs
        left = (y == np.max(y)).astype(np.float64)
        start = np.full(len(left), logit(left.mean()))
        objective = {"objective": "binary:logistic", "base_score": 0.5}
        return Lesson(X, left, start, objective, metrics.logit_losses, tells_rounds=False)

    def row_losses(self, X: npt.ArrayLike, y: npt.ArrayLike) -> Numbers:
        """Logarithmic loss of every row, shape (n_rows,)."""
        left = (np.asarray(y) == self.classes_[1]).astype(np.float64)
        return metrics.logit_losses(left, self.decision_function(X))

    def _settings(self, own: Mapping[str, Any], rows: int, rate: float) -> dict[str, Any]:
        return {
            **own,
            "objective": "binary:logistic",
            "base_score": float(rate),
            "learning_rate": _FAST if rows > _JUDGING_ROWS else _SLOW,
            "seed": self.random_state,
            "max_bin": crossfit.BINS,
            "nthread": self.n_jobs,
            "verbosity": 0,
        }

    def decision_function(self, X: npt.ArrayLike) -> Numbers:
        """Logit of the second class, shape (n_rows,)."""
        inputs = self._inputs(X)
        total = self.intercept_ + self.weights_["logit"] * self.logit_.decision_function(inputs)
        for name in sorted(self.boosters_):  # a model that was read back sums in the same order
            total = total + self.weights_[name] * crossfit.margins(self.boosters_[name], inputs)
        return np.asarray(total)

    def predict_proba(self, X: npt.ArrayLike) -> Numbers:
        """Probability of both classes, shape (n_rows, 2)."""
        chance = expit(self.decision_function(X))
        return np.column_stack([1 - chance, chance])

    def predict(self, X: npt.ArrayLike) -> npt.NDArray[Any]:
        """Return the more probable class, shape (n_rows,)."""
        more_probable = (self.decision_function(X) > 0).astype(np.int64)
        chosen: npt.NDArray[Any] = self.classes_[more_probable]
        return chosen

    def contributions(self, X: npt.ArrayLike) -> Numbers:
        """What each input adds to the logit, shape (n_rows, n_inputs + 1); the last column is the base value.

        Exact terms of the spline logit against its mean customer, and exact Shapley values of the trees
        (Lundberg et al. 2020, Nature Machine Intelligence 2), weighted as in the stack.  A row sums to
        `decision_function` within the trees' single precision.
        """
        inputs = self._inputs(X)
        total = self.weights_["logit"] * self.logit_.contributions(inputs)
        total[:, -1] += self.intercept_
        rows = xgb.DMatrix(crossfit.single(inputs), nthread=self.n_jobs)
        for name in sorted(self.boosters_):
            if self.weights_[name]:  # Shapley values are dear, also of trees that are not listened to
                total += self.weights_[name] * self.boosters_[name].predict(rows, pred_contribs=True)
        return total

    def _inputs(self, X: npt.ArrayLike) -> Numbers:
        check_is_fitted(self)
        inputs = validate_data(self, X, reset=False, ensure_all_finite="allow-nan")
        return np.asarray(inputs, np.float64)

    def to_state(self) -> tuple[dict[str, Any], dict[str, xgb.Booster]]:
        """What was fitted, as plain JSON values and boosters; labels must be numbers."""
        check_is_fitted(self)
        return {
            "parameters": self.get_params(),
            "classes": [float(label) for label in self.classes_],
            "n_features_in": self.n_features_in_,
            "rung": asdict(self.rung_),
            "logit": self.logit_.to_dict(),
            "weights": self.weights_,
            "intercept": self.intercept_,
            "rounds": self.rounds_,
        }, self.boosters_

    @classmethod
    def from_state(cls, state: Mapping[str, Any], boosters: Mapping[str, xgb.Booster]) -> Self:
        """Make the model that `to_state` wrote."""
        model = cls(**state["parameters"])
        model.classes_ = np.array(state["classes"])
        model.n_features_in_ = state["n_features_in"]
        model.rung_, model.rounds_ = Rung(**state["rung"]), dict(state["rounds"])
        model.logit_ = SplineLogit.from_dict(state["logit"])
        model.weights_, model.intercept_ = dict(state["weights"]), state["intercept"]
        model.boosters_ = dict(boosters)
        return model

    def __sklearn_tags__(self) -> Tags:
        """Two classes only, NaN allowed; strongly shrunk, so more than a handful of rows are needed."""
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        tags.classifier_tags.poor_score = True
        tags.input_tags.allow_nan = True
        return tags


def _customers(rows: int, cutoffs: npt.ArrayLike | None, owners: npt.NDArray[Any] | None) -> int:
    """How many customers the rows are of."""
    if owners is not None:
        return len(np.unique(owners))
    return rows if cutoffs is None else int(np.unique(np.asarray(cutoffs), return_counts=True)[1].max())


def _rarer(left: Numbers, owners: npt.NDArray[Any] | None) -> int:
    """How many customers had the rarer outcome."""
    own = np.arange(len(left)) if owners is None else owners
    return min(len(np.unique(own[left == outcome])) for outcome in (0.0, 1.0))


def _some(left: Numbers, most: int, seed: int) -> npt.NDArray[np.int64]:
    """Positions of all rows, or of so many drawn ones if enough of the rarer outcome are among them."""
    rows = len(left)
    rarer = min(left.sum(), rows - left.sum())
    if rows <= most or rarer * most < _ENOUGH_DRAWN * rows:
        return np.arange(rows)
    return np.sort(np.random.default_rng(seed).choice(rows, most, replace=False))


def _choice(
    X: Numbers, left: Numbers, folds: npt.NDArray[np.int64], options: list[tuple[bool, float]]
) -> tuple[bool, float]:
    """The option with the least log-loss on unseen rows; options of one shape stand in rising strength."""
    losses = np.zeros(len(options))
    designs = {
        logs: spline_logit.design_of(spline_logit.terms_of(X, with_logs=logs), X) for logs, _ in options
    }
    for number in np.unique(folds):
        taught, start, shape = folds != number, None, None
        for place, (logs, strength) in enumerate(options):
            start, shape = (start if shape == logs else None), logs
            start = spline_logit.solve(designs[logs][taught], left[taught], strength, start)
            said = spline_logit.logits_of(start, designs[logs][~taught])
            losses[place] += (np.logaddexp(0.0, said) - left[~taught] * said).sum()
    return options[int(np.argmin(losses))]


def _logit(X: Numbers, left: Numbers, choice: tuple[bool, float], seed: int) -> SplineLogit:
    """The spline logit of the chosen shape and strength."""
    rows = _some(left, _LOGIT_ROWS, seed)
    inputs, labels = X[rows], left[rows]
    terms = spline_logit.terms_of(inputs, with_logs=choice[0])
    solution = spline_logit.solve(spline_logit.design_of(terms, inputs), labels, choice[1])
    return SplineLogit.assemble(terms, inputs, solution)


def _unseen_logits(X: Numbers, left: Numbers, plan: Plan, choice: tuple[bool, float], seed: int) -> Numbers:
    """What logits of the same choice said of the judged rows, unseen by them, shape (n_judged,)."""
    return np.concatenate(
        [
            _logit(X[teaching], left[teaching], choice, seed).decision_function(X[judging])
            for teaching, judging in zip(plan.teaching, plan.judging, strict=True)
        ]
    )

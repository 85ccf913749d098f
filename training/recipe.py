"""The recipe of a model: labelled rows in, a fitted model and the evidence for or against it out."""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from features.errors import QuestionError
from features.events import Numbers
from features.panel import Panel
from features.transactions import REPEAT_FEATURES
from training.attrition import AttritionModel
from training.baselines import RecencyRule
from training.card import Evidence
from training.cutoffs import CutoffPlan, Split
from training.examples import Examples
from training.inputs import PRIOR_CHURN, PRIOR_VALUE, Inputs, RepeatBuying
from training.lifetime_value import LifetimeValueModel
from training.questions import Question

FEWEST_CUSTOMERS, FEWEST_OF_EACH = 100, 20
HOLDOUT_PART = 4
"""Where customers are split, one in so many is kept from the fit."""

_SINCE_LAST = REPEAT_FEATURES.names[2]


@dataclass(frozen=True)
class Recipe:
    """How one kind of model is made.

    Attributes
    ----------
    question : Question
        Its name is the kind.
    value_scale : float
        What a minor unit of amount is worth as discounted margin.
    priors : mapping of int to RepeatBuying
        The prior at each cutoff, fitted to what was known there.
    seed : int
    """

    question: Question
    value_scale: float
    priors: Mapping[int, RepeatBuying]
    seed: int

    @property
    def kind(self) -> str:
        """``attrition`` or ``lifetime-value``."""
        return self.question.name

    def make(self, **parameters: Any) -> Any:
        """Make an unfitted estimator."""
        settings = {"random_state": self.seed, "n_jobs": 2, **parameters}
        if self.kind == "attrition":
            return AttritionModel(prior_column=PRIOR_CHURN, **settings)
        return LifetimeValueModel(prior_column=PRIOR_VALUE, **settings)

    def inputs(self, panel: Panel) -> Inputs:
        """Learn the inputs from a training panel."""
        days, gap = self.question.horizon.days, self.question.gap.days
        return Inputs.learn(panel, days, gap, self.value_scale)

    def encode(self, inputs: Inputs, panel: Panel) -> Numbers:
        """Make the inputs of every row with the prior of its own cutoff, shape (n_rows, n_inputs)."""
        X = np.empty((len(panel), len(inputs.names)))
        for cutoff in np.unique(panel.cutoffs):
            rows = panel.cutoffs == cutoff
            X[rows] = inputs.encode(panel.rows(rows), self.priors[int(cutoff)])
        return X

    def eligible(self, examples: Examples) -> Examples:
        """Keep the rows that may be asked about."""
        return examples.rows(examples.panel.column(self.question.eligible.name) > 0)

    def fit(self, examples: Examples, parameters: Mapping[str, Any]) -> "Fit":
        """Fit to the eligible rows.

        Raises
        ------
        QuestionError
            Too few customers, or too few of either outcome.
        """
        rows = self.eligible(examples)
        y = rows.answers[self.kind]
        _check_enough(self.question, rows, y)
        inputs = self.inputs(rows.panel)
        X = self.encode(inputs, rows.panel)
        return Fit(self, inputs, self.make(**parameters).fit(X, y, rows.panel.cutoffs))


@dataclass(frozen=True)
class Fit:
    """A fitted estimator with the inputs it knows."""

    recipe: Recipe
    inputs: Inputs
    estimator: Any

    def predict(self, panel: Panel) -> Numbers:
        """Probability of leaving, or expected value, of every row, shape (n_rows,)."""
        X = self.recipe.encode(self.inputs, panel)
        if self.recipe.kind == "attrition":
            return np.asarray(self.estimator.predict_proba(X)[:, 1])
        return np.asarray(self.estimator.predict(X))


def split(examples: Examples, plan: CutoffPlan) -> tuple[Examples, Examples]:
    """Divide rows into training and holdout as the plan says; no customer's row is in both at a cutoff."""
    if plan.split is Split.TIME:
        return examples.at(plan.training), examples.at(plan.holdout)
    kept = _kept_customers(examples.panel.customer_ids)[examples.panel.customers]
    in_training = np.isin(examples.panel.cutoffs, list(plan.training))
    in_holdout = np.isin(examples.panel.cutoffs, list(plan.holdout))
    return examples.rows(in_training & ~kept), examples.rows(in_holdout & kept)


def _kept_customers(customer_ids: Sequence[str]) -> npt.NDArray[np.bool_]:
    """One customer in `HOLDOUT_PART`, the same ones whatever the order and the rest of the base."""
    marks = [zlib.crc32(str(customer).encode()) % HOLDOUT_PART == 0 for customer in customer_ids]
    return np.array(marks, np.bool_)


def evidence(fit: Fit, training: Examples, holdout: Examples, rivals: Mapping[str, Numbers]) -> Evidence:
    """Predict the holdout's eligible rows with a fit, its baselines and further rivals.

    Parameters
    ----------
    fit : Fit
        Fitted to ``training``; a lifetime-value estimator is calibrated on the holdout on the way.
    training, holdout : Examples
        Eligible rows.
    rivals : mapping of str to array (n_holdout_rows,)
        Predictions of further rivals, such as the champion.

    Returns
    -------
    Evidence
        The interval of each half of the holdout's customers was calibrated on the other half.
    """
    recipe, kind = fit.recipe, fit.recipe.kind
    X = recipe.encode(fit.inputs, holdout.panel)
    y, customers = holdout.answers[kind], holdout.panel.customers
    if kind == "attrition":
        since = training.panel.column(_SINCE_LAST)[:, None]
        rule = RecencyRule().fit(since, training.answers[kind])
        by_rule = rule.predict_proba(holdout.panel.column(_SINCE_LAST)[:, None])[:, 1]
        baselines = {"bg_nbd": expit(X[:, PRIOR_CHURN]), "recency_rule": by_rule}
        return Evidence(kind, y, customers, fit.estimator.predict_proba(X)[:, 1], {**baselines, **rivals})
    low, high = _cross_calibrated(fit.estimator, X, y, customers)
    baselines = {"bg_nbd_gamma_gamma": X[:, PRIOR_VALUE]}
    return Evidence(kind, y, customers, fit.estimator.predict(X), {**baselines, **rivals}, low, high)


def _cross_calibrated(
    estimator: Any, X: Numbers, y: Numbers, customers: npt.NDArray[np.int64]
) -> tuple[Numbers, Numbers]:
    """Interval of each half of the customers by the other half; the estimator keeps that of all."""
    low, high = np.empty(len(y)), np.empty(len(y))
    for half in (customers % 2 == 0, customers % 2 == 1):
        low[half], high[half] = estimator.calibrate(X[~half], y[~half]).predict_interval(X[half])
    estimator.calibrate(X, y)
    return low, high


def _check_enough(question: Question, rows: Examples, y: Numbers) -> None:
    n_customers = len(np.unique(rows.panel.customers))
    if n_customers < FEWEST_CUSTOMERS:
        raise QuestionError(
            f"{question.name}: {n_customers} eligible customers are too few to learn from; "
            f"at least {FEWEST_CUSTOMERS} are needed. Widen [churn] eligible or bring more customers."
        )
    fewest = int(min((y > 0).sum(), (y <= 0).sum())) if question.name == "attrition" else int((y > 0).sum())
    if fewest < FEWEST_OF_EACH:
        what = "of one class" if question.name == "attrition" else "with any value"
        raise QuestionError(
            f"{question.name}: there are {fewest} rows {what} among {len(y)}; at least {FEWEST_OF_EACH} are "
            "needed to learn who leaves and who stays. Change [churn] horizon so that both happen."
        )

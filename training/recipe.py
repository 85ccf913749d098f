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
from training.attrition import AttritionModel as ContractAttritionModel  # TEMPORARY
from training.baselines import RecencyRule
from training.card import Evidence
from training.cutoffs import CutoffPlan, Split
from training.examples import Examples
from training.inputs import PRIOR_CHURN, PRIOR_VALUE, Inputs, PlainInputs, RhythmInputs
from training.lifetime_value import LifetimeValueModel
from training.questions import TENURE, ChurnQuestion, ExitQuestion, Question, ValueQuestion
from training.repeat_buying import RepeatBuying

FEWEST_CUSTOMERS, FEWEST_OF_EACH = 100, 20
N_THREADS = 2
HOLDOUT_PART = 4
"""Where customers are split, one in so many is kept from the fit."""

_SINCE_LAST = REPEAT_FEATURES.names[2]


@dataclass(frozen=True)
class Recipe:
    """How one kind of model is made: its inputs, its estimator, and the rules that it has to beat.

    Attributes
    ----------
    question : Question
        Its name is the kind.
    value_scale : float
        What a minor unit of amount is worth as discounted margin.
    priors : mapping of int to RepeatBuying
        The prior at each cutoff, fitted to what was known there; empty where nothing is bought.
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
        raise NotImplementedError

    def inputs(self, panel: Panel) -> Inputs:
        """Learn the inputs from a training panel."""
        days, gap = self.question.horizon.days, self.question.gap.days
        return RhythmInputs.learn(panel, days, gap, self.value_scale)

    def encode(self, inputs: Inputs, panel: Panel) -> Numbers:
        """Make the inputs of every row with the prior of its own cutoff, shape (n_rows, n_inputs)."""
        X = np.empty((len(panel), len(inputs.names)))
        for cutoff in np.unique(panel.cutoffs):
            rows = panel.cutoffs == cutoff
            X[rows] = inputs.encode(panel.rows(rows), self.priors.get(int(cutoff)))
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

    def predict(self, estimator: Any, X: Numbers) -> Numbers:
        """Probability of leaving, or expected value, of every row, shape (n_rows,)."""
        raise NotImplementedError

    def baselines(self, X: Numbers, training: Examples, holdout: Examples) -> dict[str, Numbers]:
        """Return what simple rules that know the training rows say of the holdout, each (n_rows,)."""
        raise NotImplementedError

    def interval(
        self, estimator: Any, X: Numbers, y: Numbers, customers: npt.NDArray[np.int64]
    ) -> tuple[Numbers, Numbers] | tuple[None, None]:
        """Return the interval of every holdout row, where the kind has one."""
        del estimator, X, y, customers
        return None, None


class SilenceRecipe(Recipe):
    """Attrition of those who may buy or not: boosting from the chance of silence."""

    def make(self, **parameters: Any) -> Any:
        """Make an unfitted estimator."""
        settings = {"random_state": self.seed, "n_jobs": N_THREADS, **parameters}
        return AttritionModel(prior_column=PRIOR_CHURN, **settings)

    def predict(self, estimator: Any, X: Numbers) -> Numbers:
        """Probability of leaving, shape (n_rows,)."""
        return np.asarray(estimator.predict_proba(X)[:, 1])

    def baselines(self, X: Numbers, training: Examples, holdout: Examples) -> dict[str, Numbers]:
        """BG/NBD alone, and the rule that the longest silent have left."""
        return {
            "bg_nbd": expit(X[:, PRIOR_CHURN]),
            "recency_rule": self._rule(training, holdout, _SINCE_LAST, 1),
        }

    def _rule(self, training: Examples, holdout: Examples, feature: str, rising: int) -> Numbers:
        """Churn rate by one feature, rising (1) or falling (-1) with it."""
        seen = rising * training.panel.column(feature)[:, None]
        rule = RecencyRule().fit(seen, training.answers[self.kind])
        return np.asarray(rule.predict_proba(rising * holdout.panel.column(feature)[:, None])[:, 1])


class ContractRecipe(SilenceRecipe):
    """Attrition of those under contract: a stack of learners on the features as they are."""

    def make(self, **parameters: Any) -> Any:
        """Make an unfitted estimator."""
        return ContractAttritionModel(**{"random_state": self.seed, "n_jobs": N_THREADS, **parameters})

    def inputs(self, panel: Panel) -> Inputs:
        """Learn the inputs from a training panel."""
        return PlainInputs.learn(panel)

    def baselines(self, X: Numbers, training: Examples, holdout: Examples) -> dict[str, Numbers]:
        """Return the attrition rate, and the rule that who has stayed longest stays."""
        del X
        rate = training.answers[self.kind].mean()
        found = {"attrition_rate": np.full(len(holdout.panel), rate)}
        if TENURE in holdout.panel.features.names:
            found["tenure_rule"] = self._rule(training, holdout, TENURE, -1)
        return found


class ValueRecipe(Recipe):
    """Lifetime value of those who may buy or not: boosting from the expected value."""

    def make(self, **parameters: Any) -> Any:
        """Make an unfitted estimator."""
        settings = {"random_state": self.seed, "n_jobs": N_THREADS, **parameters}
        return LifetimeValueModel(prior_column=PRIOR_VALUE, **settings)

    def predict(self, estimator: Any, X: Numbers) -> Numbers:
        """Return the expected value, shape (n_rows,)."""
        return np.asarray(estimator.predict(X))

    def baselines(self, X: Numbers, training: Examples, holdout: Examples) -> dict[str, Numbers]:
        """BG/NBD and Gamma-Gamma alone."""
        del training, holdout
        return {"bg_nbd_gamma_gamma": X[:, PRIOR_VALUE]}

    def interval(
        self, estimator: Any, X: Numbers, y: Numbers, customers: npt.NDArray[np.int64]
    ) -> tuple[Numbers, Numbers] | tuple[None, None]:
        """Interval of each half of the customers by the other half; the estimator keeps that of all."""
        low, high = np.empty(len(y)), np.empty(len(y))
        for half in (customers % 2 == 0, customers % 2 == 1):
            low[half], high[half] = estimator.calibrate(X[~half], y[~half]).predict_interval(X[half])
        estimator.calibrate(X, y)
        return low, high


_RECIPES: dict[type[Question], type[Recipe]] = {
    ChurnQuestion: SilenceRecipe,
    ExitQuestion: ContractRecipe,
    ValueQuestion: ValueRecipe,
}


def recipe_of(
    question: Question, value_scale: float, priors: Mapping[int, RepeatBuying], seed: int
) -> Recipe:
    """Return how a question is answered."""
    return _RECIPES[type(question)](question, value_scale, priors, seed)


@dataclass(frozen=True)
class Fit:
    """A fitted estimator with the inputs it knows."""

    recipe: Recipe
    inputs: Inputs
    estimator: Any

    def predict(self, panel: Panel) -> Numbers:
        """Probability of leaving, or expected value, of every row, shape (n_rows,)."""
        return self.recipe.predict(self.estimator, self.recipe.encode(self.inputs, panel))


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
    recipe, estimator = fit.recipe, fit.estimator
    X = recipe.encode(fit.inputs, holdout.panel)
    y, customers = holdout.answers[recipe.kind], holdout.panel.customers
    low, high = recipe.interval(estimator, X, y, customers)
    others = {**recipe.baselines(X, training, holdout), **rivals}
    return Evidence(recipe.kind, y, customers, recipe.predict(estimator, X), others, low, high)


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

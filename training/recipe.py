"""The recipe of a model: labelled rows in, a fitted model and the evidence for or against it out."""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from features.errors import QuestionError
from features.events import Numbers
from features.panel import Panel
from training.card import Evidence
from training.cutoffs import CutoffPlan, Split
from training.examples import Examples
from training.inputs import (
    Inputs,
    RhythmInputs,
)
from training.levels import Forecast
from training.questions import Question, ValueQuestion
from training.repeat_buying import RepeatBuying
from training.segments import segments

FEWEST_CUSTOMERS, FEWEST_OF_EACH = 100, 20
N_THREADS = 2
HOLDOUT_PART = 4
"""Where customers are split, one in so many is kept from the fit."""


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
    outlooks : mapping of int to Forecast
        The level that is expected at an instant for which a fit is made.
    """

    question: Question
    value_scale: float
    priors: Mapping[int, RepeatBuying]
    seed: int
    outlooks: Mapping[int, Forecast] = field(default_factory=dict)

    cautions: ClassVar[tuple[str, ...]] = ()
    """What a reader of the figures of such models must know."""

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

    def level_at(self, instant: int | None) -> dict[str, float]:
        """Parameter of an estimator that is asked at an instant; none where no season is known.

        The estimator's own way is then half of the mean of its training levels.
        """
        found = self.outlooks.get(instant) if instant is not None else None
        return {"level": found.log_level} if found is not None and found.knows_season else {}

    def fit(self, examples: Examples, parameters: Mapping[str, Any], instant: int | None = None) -> "Fit":
        """Fit to the eligible rows, to be asked at an instant.

        Raises
        ------
        QuestionError
            Too few customers, or too few of either outcome.
        """
        rows = self.eligible(examples)
        _check_enough(self.question, rows, self.outcomes(rows))
        inputs = self.inputs(rows.panel)
        X = self.encode(inputs, rows.panel)
        made = self.make(**{**self.level_at(instant), **parameters})
        return Fit(self, inputs, self.teach(made, X, rows))

    def teach(self, estimator: Any, X: Numbers, rows: Examples) -> Any:
        """Fit an estimator to rows of several cutoffs."""
        return estimator.fit(X, rows.answers[self.kind], rows.panel.cutoffs)

    def outcomes(self, rows: Examples) -> Numbers:
        """Return the answer of each row as one number, above zero where there is something to learn from."""
        return rows.answers[self.kind]

    def realised(self, rows: Examples) -> Numbers:
        """Return what a prediction is compared with, shape (n_rows,)."""
        return rows.answers[self.kind]

    def gone(self, rows: Examples) -> Numbers:
        """Return 1 for who left, 0 for who stayed: what a column that knows the outcome would tell."""
        return np.asarray(rows.answers[self.kind] > 0, np.float64)

    def known_before(self, examples: Examples, instant: int) -> Examples:
        """Leave out of the answers what happened at an instant or later."""
        del instant
        return examples

    def predict(self, estimator: Any, X: Numbers) -> Numbers:
        """Probability of leaving, or expected value, of every row, shape (n_rows,)."""
        raise NotImplementedError

    def keep_measured(self, estimator: Any, judged: Any) -> None:
        """Give an estimator what the holdout measured of the one that was judged by it."""

    def values(self, X: Numbers) -> Numbers | None:
        """Return what each customer is worth who stays, where the inputs say it, shape (n_rows,)."""
        del X
        return None

    def rests_on(self, estimator: Any) -> tuple[str, ...]:
        """Return the baselines that an estimator is by design: with few customers the prior answers alone."""
        del estimator
        return ()

    def baselines(self, X: Numbers, training: Examples, holdout: Examples) -> dict[str, Numbers]:
        """Return what simple rules that know the training rows say of the holdout, each (n_rows,)."""
        raise NotImplementedError

    def untrained(self, rows: Examples) -> dict[str, Numbers]:
        """Return what models without training say of rows of one cutoff, the best known first."""
        raise NotImplementedError

    def interval(
        self, estimator: Any, X: Numbers, y: Numbers, customers: npt.NDArray[np.int64]
    ) -> tuple[Numbers, Numbers] | tuple[None, None]:
        """Return the interval of every holdout row, where the kind has one."""
        del estimator, X, y, customers
        return None, None


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
    y, customers = recipe.realised(holdout), holdout.panel.customers
    low, high = recipe.interval(estimator, X, y, customers)
    others = {**recipe.baselines(X, training, holdout), **rivals}
    groups, values = segments(holdout.panel), recipe.values(X)
    return Evidence(
        recipe.kind, y, customers, recipe.predict(estimator, X), others, low, high, groups, values
    )


def columns(rows: Examples, names: Sequence[str]) -> Numbers:
    """Some features of some rows, shape (n_rows, n_names)."""
    return np.column_stack([rows.panel.column(name) for name in names])


def _check_enough(question: Question, rows: Examples, y: Numbers) -> None:
    """Refuse what nothing can be learnt from."""
    if missing := int((~np.isfinite(y)).sum()):
        raise QuestionError(
            f"{question.name}: {missing} of {len(y)} outcomes {'is' if missing == 1 else 'are'} not a "
            "number, and nothing can be learnt from that. Run `holdfast check` and build again."
        )
    n_customers = len(np.unique(rows.panel.customers))
    if n_customers < FEWEST_CUSTOMERS:
        raise QuestionError(
            f"{question.name}: {n_customers} eligible customers are too few to learn from; "
            f"at least {FEWEST_CUSTOMERS} are needed. Widen [churn] eligible or bring more customers."
        )
    _check_both_outcomes(question, rows.panel.customers, y)


def _check_both_outcomes(question: Question, customers: npt.NDArray[np.int64], y: Numbers) -> None:
    """Refuse where hardly anybody has one of the outcomes; who has it at several cutoffs counts once."""
    some, none = (len(np.unique(customers[chosen])) for chosen in (y > 0, y <= 0))
    if isinstance(question, ValueQuestion):
        fewest, said, lesson = some, f"{some} customers bring any value", "what they are worth"
    else:
        fewest, lesson = min(some, none), "who leaves and who stays"
        said = f"{some} customers leave and {none} stay"
    setting = "[churn] horizon" if question.name == "attrition" else "[value] horizons"
    if fewest < FEWEST_OF_EACH:
        raise QuestionError(
            f"{question.name}: {said} at the cutoffs to learn from; at least {FEWEST_OF_EACH} must, to learn "
            f"{lesson}. Change {setting} so that both happen, or bring more customers."
        )

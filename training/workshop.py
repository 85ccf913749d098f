"""What the models of one training share: the store, the cutoffs, the labelled rows, the priors."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from features.business import Business
from features.catalogue import features_for
from features.errors import QuestionError
from features.language import FeatureSet
from features.panel import Panel
from features.store import Store
from features.transactions import REPEAT_FEATURES
from features.windows import to_text
from training import KINDS
from training.advice import settled
from training.buying_recipes import SilenceRecipe, ValueRecipe
from training.contract_recipes import ContractRecipe, ContractValueRecipe
from training.cutoffs import CutoffPlan, plan_cutoffs
from training.examples import Examples, assemble, first_left
from training.levels import Forecast
from training.questions import (
    ChurnQuestion,
    ContractValueQuestion,
    ExitQuestion,
    Question,
    ValueQuestion,
    churn_question,
    contract_value_question,
    kinds_of,
    value_question,
)
from training.recipe import Recipe
from training.repeat_buying import RepeatBuying, has_bought
from training.seasons import Outlooks, Past, outlooks_of
from training.tracking import Tracking

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Settings:
    """What a training is asked for.

    Attributes
    ----------
    kinds : tuple of str
        Empty: every kind of model that the business can have.
    until : int, optional
        Nothing later is used; everything known by default.
    trials : int
        Hyperparameter sets that are tried after the defaults.
    search_seconds : float, optional
        No trial goes on for longer.
    seed : int
    promote : bool
    show : bool
        Whether a search draws its progress.
    parameters : mapping, optional
        By kind, the hyperparameters to take instead of searching.
    """

    kinds: tuple[str, ...] = ()
    until: int | None = None
    trials: int = 0
    search_seconds: float | None = None
    seed: int = 0
    promote: bool = True
    show: bool = False
    parameters: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Workshop:
    """Everything that the models of one training share."""

    business: Business
    store: Store
    tracking: Tracking
    settings: Settings
    until: int
    plan: CutoffPlan
    examples: Examples
    priors: Mapping[int, RepeatBuying]
    questions: tuple[Question, ...]
    horizon_reason: str
    outlooks: Outlooks

    def recipes(self) -> list[Recipe]:
        """Return the recipe of every kind of model that is asked for."""
        newest = self.examples.at(self.plan.refit[-1:]).panel
        every = recipes_of(self.questions, self.priors, newest, self.settings.seed, self.outlooks)
        return [made for made in every if made.kind in (self.settings.kinds or KINDS)]


_RECIPES: dict[type[Question], type[Recipe]] = {
    ChurnQuestion: SilenceRecipe,
    ExitQuestion: ContractRecipe,
    ValueQuestion: ValueRecipe,
    ContractValueQuestion: ContractValueRecipe,
}


def recipe_of(
    question: Question,
    value_scale: float,
    priors: Mapping[int, RepeatBuying],
    seed: int,
    outlooks: Mapping[int, Forecast] | None = None,
) -> Recipe:
    """Return how a question is answered."""
    return _RECIPES[type(question)](question, value_scale, priors, seed, outlooks or {})


def recipes_of(
    questions: Sequence[Question],
    priors: Mapping[int, RepeatBuying],
    newest: Panel,
    seed: int,
    outlooks: Outlooks | None = None,
) -> list[Recipe]:
    """Return how several questions are answered, money at the margin of the newest rows."""
    scale, found = value_scale_of(questions, newest), outlooks or {}
    return [recipe_of(question, scale, priors, seed, found.get(question.name)) for question in questions]


def value_scale_of(questions: Sequence[Question], newest: Panel) -> float:
    """Return what a minor unit of amount is worth, at the margin of the newest rows."""
    values = [question for question in questions if isinstance(question, ValueQuestion)]
    return values[0].scale(values[0].margin_on(newest)) if values else 1.0


def set_up(business: Business, settings: Settings, progress: Progress) -> Workshop:
    """Plan the cutoffs and compute what was known at each of them, and what happened next.

    Parameters
    ----------
    business : Business
        Its store has been built.
    settings : Settings
    progress : callable
        Told (what, done, total).

    Raises
    ------
    QuestionError
        The history does not hold the question.
    """
    store = Store.of(business)
    until = store.observed_until if settings.until is None else settings.until
    if until > store.observed_until:
        raise QuestionError(
            f"The facts are complete before {to_text(store.observed_until)}; "
            f"training as if today were {to_text(until)} would look beyond them."
        )
    business, horizon_reason = settled(business, store, until, progress)
    questions_of(business, store, settings.kinds)  # refuses a kind that the business cannot have
    # All kinds share their cutoffs and rows, so a kind comes out the same whether trained alone or not.
    questions = questions_of(business, store, kinds_of(business))
    plan = _plan(store, questions, until)
    features = needed_features(store, questions)
    cutoffs = sorted({*plan.training, *plan.holdout, *plan.refit})
    examples = assemble(store, features, questions, cutoffs, until, progress)
    priors = priors_of(questions, examples.panel)
    if priors:
        newest = assemble(store, REPEAT_FEATURES, (), [until], until, progress).panel
        priors |= priors_of(questions, newest)
    scale = value_scale_of(questions, examples.at(plan.refit[-1:]).panel)
    outlooks = outlooks_of(store, questions, plan, until, Past(examples, priors, scale), progress)
    return Workshop(
        business, store, Tracking(business), settings, until, plan, examples, priors, questions,
        horizon_reason, outlooks,
    )  # fmt: skip


def can_train(store: Store, questions: Sequence[Question], until: int) -> bool:
    """Whether the history before an instant holds a cutoff to train on."""
    try:
        _plan(store, questions, until)
    except QuestionError:
        return False
    return True


def _plan(store: Store, questions: Sequence[Question], until: int) -> CutoffPlan:
    """Choose the cutoffs between the first contract or purchase and ``until``."""
    tables = store.manifest.tables
    firsts = [tables[name].first_at for name in ("subscriptions", "purchases") if name in tables]
    first = min((first for first in firsts if first is not None), default=until)
    if first >= until:
        raise QuestionError(f"There is no purchase and no contract before {to_text(until)}.")
    churns = [one.churn if isinstance(one, ContractValueQuestion) else one for one in questions]
    asked = [question for question in churns if isinstance(question, ExitQuestion)]
    recorded = first_left(store, asked[0], until) if asked else None
    return plan_cutoffs(first, until, max(question.span for question in questions), recorded)


def questions_of(business: Business, store: Store, kinds: Sequence[str]) -> tuple[Question, ...]:
    """Return the questions of a business, one for each kind of model.

    Raises
    ------
    QuestionError
        The business has no table that could answer one of them.
    """
    possible = kinds_of(business)
    for kind in kinds:
        if kind not in possible:
            raise QuestionError(
                f"A model of {kind} needs purchases, or contracts that have a price and may end. Declare "
                "[tables.purchases], or map price in [tables.subscriptions], or leave it out."
            )
    churn = churn_question(business)
    asked: dict[str, Question] = {"attrition": churn}
    if "purchases" in business.tables:
        has_cost = "cost" in store.manifest.tables["purchases"].columns
        asked["lifetime-value"] = value_question(business, has_cost=has_cost)
    elif isinstance(churn, ExitQuestion):
        asked["lifetime-value"] = contract_value_question(business, churn)
    return tuple(asked[kind] for kind in kinds)


def needed_features(store: Store, questions: Sequence[Question]) -> FeatureSet:
    """Every feature that the store allows, and what tells who is eligible."""
    columns = {name: set(record.columns) for name, record in store.manifest.tables.items()}
    features = features_for(columns)
    missing = [q.eligible for q in questions if q.eligible.name not in features.names]
    return features + FeatureSet(*dict.fromkeys(missing))


def priors_of(questions: Sequence[Question], panel: Panel) -> dict[int, RepeatBuying]:
    """Fit the prior at every cutoff of a panel to everybody who had bought; none if no question needs it."""
    if not any(isinstance(question, ChurnQuestion | ValueQuestion) for question in questions):
        return {}
    bought = panel.rows(has_bought(panel))
    cutoffs = np.unique(bought.cutoffs)
    return {int(cutoff): RepeatBuying.fit(bought.rows(bought.cutoffs == cutoff)) for cutoff in cutoffs}

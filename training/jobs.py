"""Training from the store to the registry: plan, assemble, fit, judge, refit, register, promote."""

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from features.business import Business
from features.catalogue import features_for
from features.errors import QualityRefused, QuestionError, did_you_mean
from features.language import FeatureSet
from features.store import Store
from features.transactions import REPEAT_FEATURES
from features.windows import to_text
from training import KINDS, artifact, card, gate, leakage, recipe, search
from training.advice import settled
from training.artifact import FittedModel
from training.cutoffs import CutoffPlan, plan_cutoffs
from training.examples import Examples, assemble, first_left
from training.questions import (
    ExitQuestion,
    Question,
    ValueQuestion,
    churn_question,
    kinds_of,
    own_table,
    value_question,
)
from training.recipe import Fit, Recipe, recipe_of
from training.repeat_buying import RepeatBuying, has_bought
from training.tracking import Tracking, Version

Progress = Callable[[str, int, int], None]
_NO_VALID_FROM = (
    "Columns of customers are taken as always true, since there is no valid_from. One that is written "
    "as of today, such as a status, would leak the future: map valid_from or leave it out."
)


@dataclass(frozen=True)
class Settings:
    """What a training is asked for.

    Without ``kinds``, every kind of model that the business can have; without ``until``, everything known.
    """

    kinds: tuple[str, ...] = ()
    until: int | None = None
    trials: int = 0
    seed: int = 0
    promote: bool = True
    show: bool = False


@dataclass(frozen=True)
class Trained:
    """What became of one kind of model."""

    kind: str
    version: Version
    card: Mapping[str, Any]
    refusals: tuple[str, ...]
    promoted: bool


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

    def recipe(self, question: Question, value_scale: float) -> Recipe:
        """Return the recipe of one kind of model."""
        return recipe_of(question, value_scale, self.priors, self.settings.seed)


def train(business: Business, settings: Settings, progress: Progress) -> list[Trained]:
    """Train, judge and register models.

    Parameters
    ----------
    business : Business
        Its store has been built.
    settings : Settings
        ``until`` defaults to ``observed_until``; nothing later is used.
    progress : callable
        Told (what, done, total).

    Returns
    -------
    list of Trained
        One for each kind; those that the gate refused are registered as challengers only.

    Raises
    ------
    QuestionError
        The history does not hold the question, or too few customers do.  Nothing is registered.
    """
    for kind in settings.kinds:
        if kind not in KINDS:
            raise QuestionError(f"There is no model {kind!r}. {did_you_mean(kind, KINDS)}")
    shop = _set_up(business, settings, progress)
    scale = _value_scale(shop)
    judged = [_judge(shop, shop.recipe(question, scale), progress) for question in shop.questions]
    with shop.tracking.run("train"):
        return [_register(shop, one, progress) for one in judged]


def refuse(trained: Sequence[Trained]) -> None:
    """Raise `QualityRefused` where the gate refused any model, naming every reason."""
    reasons = [f"{one.kind}: {reason}" for one in trained for reason in one.refusals]
    if reasons:
        leaks = any(reason.startswith(leakage.KNOWS) for one in trained for reason in one.refusals)
        advice = f" {leakage.REMEDY}." if leaks else ""
        raise QualityRefused("The gate refused to promote. " + "; ".join(reasons) + "." + advice)


def _set_up(business: Business, settings: Settings, progress: Progress) -> Workshop:
    store = Store.of(business)
    until = store.observed_until if settings.until is None else settings.until
    if until > store.observed_until:
        raise QuestionError(
            f"The facts are complete before {to_text(store.observed_until)}; "
            f"training as if today were {to_text(until)} would look beyond them."
        )
    business, horizon_reason = settled(business, store, until, progress)
    questions = questions_of(business, store, settings.kinds or kinds_of(business))
    plan = _plan(store, questions, until)
    features = needed_features(store, questions_of(business, store, kinds_of(business)))
    cutoffs = sorted({*plan.training, *plan.holdout, *plan.refit})
    examples = assemble(store, features, questions, cutoffs, until, progress)
    priors = _priors(store, examples, until, progress) if _start_from_priors(questions) else {}
    return Workshop(
        business, store, Tracking(business), settings, until, plan, examples, priors, questions,
        horizon_reason,
    )  # fmt: skip


def _plan(store: Store, questions: Sequence[Question], until: int) -> CutoffPlan:
    """Choose the cutoffs between the first contract or purchase and ``until``."""
    tables = store.manifest.tables
    firsts = [tables[name].first_at for name in ("subscriptions", "purchases") if name in tables]
    first = min((first for first in firsts if first is not None), default=until)
    if first >= until:
        raise QuestionError(f"There is no purchase and no contract before {to_text(until)}.")
    asked = [question for question in questions if isinstance(question, ExitQuestion)]
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
    asked: dict[str, Question] = {"attrition": churn_question(business)}
    if "lifetime-value" in possible:
        has_cost = "cost" in store.manifest.tables["purchases"].columns
        asked["lifetime-value"] = value_question(business, has_cost=has_cost)
    for kind in kinds:
        if kind not in possible:
            raise QuestionError(
                f"A model of {kind} needs purchases. Declare [tables.purchases], or leave it out."
            )
    return tuple(asked[kind] for kind in kinds)


def needed_features(store: Store, questions: Sequence[Question]) -> FeatureSet:
    """Every feature that the store allows, and what tells who is eligible."""
    columns = {name: set(record.columns) for name, record in store.manifest.tables.items()}
    features = features_for(columns)
    missing = [q.eligible for q in questions if q.eligible.name not in features.names]
    return features + FeatureSet(*dict.fromkeys(missing))


def _start_from_priors(questions: Sequence[Question]) -> bool:
    return any(not isinstance(question, ExitQuestion) for question in questions)


def _priors(store: Store, examples: Examples, until: int, progress: Progress) -> dict[int, RepeatBuying]:
    """Fit the prior at every cutoff, and at ``until`` for the model that is registered."""
    panel = examples.panel.rows(has_bought(examples.panel))
    priors = {
        int(cutoff): RepeatBuying.fit(panel.rows(panel.cutoffs == cutoff))
        for cutoff in np.unique(panel.cutoffs)
    }
    newest = assemble(store, REPEAT_FEATURES, (), [until], until, progress)
    return priors | {until: RepeatBuying.fit(newest.panel)}


def _value_scale(shop: Workshop) -> float:
    """Discounted margin of a minor unit of amount, as of the newest refit cutoff."""
    newest = shop.examples.at(shop.plan.refit[-1:]).panel
    values = [question for question in shop.questions if isinstance(question, ValueQuestion)]
    return values[0].scale(values[0].margin_on(newest)) if values else 1.0


@dataclass(frozen=True)
class Judged:
    """A fit on the training cutoffs, what the holdout said of it, and the parameters it was made with."""

    fit: Fit
    evidence: card.Evidence
    verdict: gate.Verdict
    parameters: Mapping[str, Any]
    trials: tuple[search.Trial, ...]
    suspicions: tuple[leakage.Suspicion, ...]


def _judge(shop: Workshop, made: Recipe, progress: Progress) -> Judged:
    """Search, fit to the training cutoffs and judge on the holdout."""
    training, holdout = recipe.split(shop.examples, shop.plan)
    training, holdout = made.eligible(training), made.eligible(holdout)
    parameters, trials = _search(shop, made, training)
    progress(f"fit {made.kind}", 0, 1)
    fit = made.fit(training, parameters)
    champion = _champion(shop, made.kind)
    rivals = {}
    if champion is not None:
        rivals[gate.CHAMPION] = _champion_predictions(shop, made, champion, training, holdout)
    found = recipe.evidence(fit, training, holdout, rivals)
    fresher = champion is not None and (
        champion.facts["trained_until"] < to_text(shop.until)
        or champion.features.contract != shop.examples.panel.features.contract
    )
    progress(f"fit {made.kind}", 1, 1)
    suspects = _suspicions(shop, made)
    verdict = gate.judge(found, fresher=fresher, seed=shop.settings.seed, suspicions=suspects)
    return Judged(fit, found, verdict, parameters, trials, suspects)


def _suspicions(shop: Workshop, made: Recipe) -> tuple[leakage.Suspicion, ...]:
    """Name the columns that seem to know the outcome of the newest realised cutoff.

    What is written as of today tells the most about the outcome that is nearest to today.
    """
    rows = made.eligible(shop.examples.at(shop.plan.refit[-1:]))
    answers = rows.answers[made.kind]
    # Who brings less than most stands for who leaves.
    left = answers > 0 if made.kind == "attrition" else answers <= np.median(answers)
    own, trusted = own_table(made.question, shop.business), shop.business.quality.trusted
    return leakage.suspicions(rows.panel, left.astype(np.float64), own, trusted)


def _search(
    shop: Workshop, made: Recipe, training: Examples
) -> tuple[Mapping[str, Any], tuple[search.Trial, ...]]:
    if shop.settings.trials == 0:
        return {}, ()
    X = made.encode(made.inputs(training.panel), training.panel)
    panel = training.panel
    task = search.Task(made.make, made.kind, X, training.answers[made.kind], panel.cutoffs, panel.customers)
    trials: list[search.Trial] = []
    settings = shop.settings
    best = search.search(task, settings.trials, settings.seed, trials.append, show=settings.show)
    return best, tuple(trials)


def _champion(shop: Workshop, kind: str) -> FittedModel | None:
    version = shop.tracking.champion(kind)
    return artifact.load(shop.tracking.folder(version)) if version else None


def _champion_predictions(
    shop: Workshop, made: Recipe, champion: FittedModel, training: Examples, holdout: Examples
) -> Any:
    """Predictions of the champion for the holdout, from nothing that happened in it.

    A champion that was fitted to the holdout's outcomes, or that was asked another question (a horizon that
    the advisor has changed since), is judged by its recipe: the same parameters, fitted to the same rows as
    the challenger.  Any other is asked as it stands.
    """
    same_features = champion.features.contract == holdout.panel.features.contract
    saw_holdout = champion.facts["trained_until"] > to_text(min(shop.plan.holdout))
    same_question = champion.facts["question"] == json.loads(json.dumps(made.question.to_dict()))
    if saw_holdout or not same_features or not same_question:
        return made.fit(training, champion.facts["parameters"]).predict(holdout.panel)
    return champion.predict(holdout.panel)[artifact.output_names(made.kind)[0]]


def _register(shop: Workshop, judged: Judged, progress: Progress) -> Trained:
    """Refit to every realised cutoff, write the model, register it and, if it may, promote it."""
    kind = judged.fit.recipe.kind
    progress(f"register {kind}", 0, 1)
    facts = _facts(shop, judged)
    filled = card.write(judged.evidence, facts, shop.settings.seed, judged.suspicions)
    model = _refitted(shop, judged, {**facts, "metrics": filled["metrics"]["model"]})
    with shop.tracking.run(kind, nested=True), tempfile.TemporaryDirectory() as scratch:
        shop.tracking.log_dataset(
            shop.business.business.name, shop.store.manifest.fingerprint, facts["training_rows"]
        )
        documents: dict[str, Any] = {"card.json": filled, "card.md": card.to_markdown(filled)}
        if judged.trials:
            documents["trials.json"] = [vars(trial) for trial in judged.trials]
        shop.tracking.log(_parameters(facts, judged), _flat(filled), documents)
        artifact.save(model, Path(scratch) / "model")
        version = shop.tracking.register(kind, Path(scratch) / "model", _signature(model))
    promoted = shop.settings.promote and judged.verdict.passed
    shop.tracking.note_gate(version, judged.verdict.refusals)
    if promoted:
        shop.tracking.promote(kind, version.number)
    progress(f"register {kind}", 1, 1)
    return Trained(kind, version, filled, judged.verdict.refusals, promoted)


def _refitted(shop: Workshop, judged: Judged, facts: Mapping[str, Any]) -> FittedModel:
    """Fit the same recipe to every realised cutoff; the interval stays as the holdout measured it."""
    made = judged.fit.recipe
    rows = made.eligible(shop.examples.at(shop.plan.refit))
    fit = made.fit(rows, judged.parameters)
    if made.kind == "lifetime-value":
        fit.estimator.interval_ = judged.fit.estimator.interval_
    model = FittedModel(
        made.kind, fit.estimator, fit.inputs, shop.priors.get(shop.until), made.question.eligible, facts
    )
    return model.with_golden(rows.panel)


def _facts(shop: Workshop, judged: Judged) -> dict[str, Any]:
    question, plan = judged.fit.recipe.question, shop.plan
    return {
        "business": shop.business.business.name,
        "asks": question.asks,
        "question": question.to_dict(),
        "currency": shop.business.business.currency,
        "cautions": _cautions(shop.business),
        "fingerprint": shop.store.manifest.fingerprint,
        "trained_until": to_text(shop.until),
        "horizon": str(question.horizon),
        "horizon_reason": shop.horizon_reason if question.name == "attrition" else "",
        "gap": str(question.gap),
        "split": str(plan.split),
        "training_cutoffs": [to_text(cutoff) for cutoff in plan.training],
        "holdout_cutoffs": [to_text(cutoff) for cutoff in plan.holdout],
        "refit_cutoffs": [to_text(cutoff) for cutoff in plan.refit],
        "training_rows": len(shop.examples.panel),
        "mean_outcome": _mean_outcome(shop, judged.fit.recipe),
        "features": len(judged.fit.inputs.features),
        "seed": shop.settings.seed,
        "parameters": dict(judged.parameters),
    }


def _cautions(business: Business) -> list[str]:
    """What a reader of the figures must know about the data."""
    customers = business.tables.get("customers", ())
    return [] if all("valid_from" in source.mapping for source in customers) else [_NO_VALID_FROM]


def _mean_outcome(shop: Workshop, made: Recipe) -> float:
    """Churn rate, or mean value, of the eligible at the refit cutoffs."""
    return float(made.eligible(shop.examples.at(shop.plan.refit)).answers[made.kind].mean())


def _parameters(facts: Mapping[str, Any], judged: Judged) -> dict[str, Any]:
    plain = {key: value for key, value in facts.items() if isinstance(value, str | int)}
    del plain["training_rows"]
    return {**plain, **judged.fit.estimator.get_params()}


def _flat(filled: Mapping[str, Any]) -> dict[str, float]:
    """Figures of the card with their rivals', those that are defined."""
    flat = {
        f"{name}.{metric}": figure["value"]
        for name, figures in filled["metrics"].items()
        for metric, figure in figures.items()
    }
    flat["interval.coverage"] = filled.get("interval", {}).get("coverage")
    return {name: value for name, value in flat.items() if value is not None}


def _signature(model: FittedModel) -> dict[str, dict[str, str]]:
    inputs = {name: "string" if name in model.inputs.levels else "double" for name in model.features.names}
    return {"inputs": inputs, "outputs": dict.fromkeys(artifact.output_names(model.kind), "double")}

"""Judging a challenger: search, fit to the training cutoffs, predict the holdout beside its rivals."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from features.windows import to_text
from training import artifact, card, gate, leakage, recipe, search
from training.artifact import FittedModel
from training.examples import Examples
from training.questions import own_table
from training.recipe import Fit, Recipe
from training.workshop import Progress, Workshop


@dataclass(frozen=True)
class Judged:
    """A fit on the training cutoffs, what the holdout said of it, and the parameters it was made with."""

    fit: Fit
    evidence: card.Evidence
    verdict: gate.Verdict
    parameters: Mapping[str, Any]
    trials: tuple[search.Trial, ...]
    suspicions: tuple[leakage.Suspicion, ...]


def judge(shop: Workshop, made: Recipe, progress: Progress) -> Judged:
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
    given = shop.settings.parameters.get(made.kind)
    if given is not None or shop.settings.trials == 0:
        return given or {}, ()
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

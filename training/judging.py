"""Judging a challenger: search, fit to the training cutoffs, predict the holdout beside its rivals."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from features.catalogue import fingerprint
from features.language import FeatureSet
from features.windows import to_text
from training import artifact, card, gate, leakage, recipe, search
from training.artifact import FittedModel
from training.card.evidence import CHAMPION
from training.cutoffs import Split
from training.examples import Examples
from training.gate import FeatureChange
from training.questions import own_table
from training.recipe import Fit, Recipe
from training.workshop import Progress, Workshop

_BY_RECIPE = (
    "The champion could not be asked as it stands (it has seen the holdout, or answers another question or "
    "other features): its recipe was judged, fitted to the same rows. An equal figure is the same recipe."
)
_OTHER_CATALOGUE = "the catalogue of features has changed"


@dataclass(frozen=True)
class Searched:
    """The parameters that a fit is made with, and what a search for better ones tried and found."""

    parameters: Mapping[str, Any]
    trials: tuple[search.Trial, ...] = ()
    judgement: search.Judgement | None = None


@dataclass(frozen=True)
class Judged:
    """A fit on the training cutoffs, what the holdout said of it, and how its parameters were found."""

    fit: Fit
    evidence: card.Evidence
    verdict: gate.Verdict
    searched: Searched
    suspicions: tuple[leakage.Suspicion, ...]
    cautions: tuple[str, ...] = ()


def judge(shop: Workshop, made: Recipe, champion: FittedModel | None, progress: Progress) -> Judged:
    """Search, fit to the training cutoffs and judge on the holdout, beside the champion if there is one."""
    training, holdout = recipe.split(shop.examples, shop.plan)
    training = made.known_before(made.eligible(training), _unseen_from(shop))
    holdout = made.eligible(holdout)
    searched = _search(shop, made, training)
    progress(f"fit {made.kind}", 0, 1)
    fit = made.fit(training, searched.parameters, min(shop.plan.holdout))
    rivals = {}
    if champion is not None:
        rivals[CHAMPION] = _champion_predictions(shop, made, champion, training, holdout)
    found = recipe.evidence(fit, training, holdout, rivals)
    progress(f"fit {made.kind}", 1, 1)
    suspects = _suspicions(shop, made)
    verdict = gate.judge(
        found,
        fresher=champion is not None and _is_fresher(shop, fit, champion),
        seed=shop.settings.seed,
        suspicions=suspects,
        features=None if champion is None else _changed(champion, fit.inputs.features),
        rests_on=made.rests_on(fit.estimator),
    )
    cautions = (_BY_RECIPE,) if champion and _is_judged_by_recipe(shop, made, champion) else ()
    return Judged(fit, found, verdict, searched, suspects, cautions)


def _is_fresher(shop: Workshop, fit: Fit, champion: FittedModel) -> bool:
    """Whether the challenger has more to go by: newer or other facts, other features, another question."""
    return (
        champion.facts["trained_until"] < to_text(shop.until)
        or champion.facts["fingerprint"] != shop.store.manifest.fingerprint
        or champion.features.contract != fit.inputs.features.contract
        or not _asks_the_same(champion, fit.recipe)
        or type(champion.estimator) is not type(fit.estimator)
    )


def _asks_the_same(champion: FittedModel, made: Recipe) -> bool:
    return bool(champion.facts["question"] == json.loads(json.dumps(made.question.to_dict())))


def _is_judged_by_recipe(shop: Workshop, made: Recipe, champion: FittedModel) -> bool:
    """Whether a champion cannot be asked as it stands: it saw the holdout, or was asked something else."""
    return (
        champion.facts["trained_until"] > to_text(min(shop.plan.holdout))
        or champion.features.contract != shop.examples.panel.features.contract
        or not _asks_the_same(champion, made)
    )


def _changed(champion: FittedModel, features: FeatureSet) -> FeatureChange:
    """Compare the features with the champion's; another catalogue explains what columns do not."""
    changed = FeatureChange.between(champion.features, features)
    if champion.facts.get("catalogue") == fingerprint():
        return changed
    names = (*changed.lost, *changed.gained, *changed.altered)
    return replace(changed, explained={**dict.fromkeys(names, _OTHER_CATALOGUE), **changed.explained})


def _unseen_from(shop: Workshop) -> int:
    """From when on the fit that is judged may know nothing."""
    return min(shop.plan.holdout) if shop.plan.split is Split.TIME else shop.until


def _suspicions(shop: Workshop, made: Recipe) -> tuple[leakage.Suspicion, ...]:
    """Name the columns that seem to know the outcome of the newest realised cutoff.

    What is written as of today tells the most about the outcome that is nearest to today.
    """
    rows = made.eligible(shop.examples.at(shop.plan.refit[-1:]))
    own, trusted = own_table(made.question, shop.business), shop.business.quality.trusted
    return leakage.suspicions(rows.panel, made.gone(rows), own, trusted)


def _search(shop: Workshop, made: Recipe, training: Examples) -> Searched:
    """Look for better parameters, unless they are given; the search goes on where a killed one ended."""
    settings = shop.settings
    given = settings.parameters.get(made.kind)
    if given is not None or settings.trials == 0:
        return Searched(given or {})
    panel = training.panel
    X = made.encode(made.inputs(panel), panel)
    task = search.Task(made.make, made.kind, X, training.answers[made.kind], panel.cutoffs, panel.customers)
    trials: list[search.Trial] = []
    judgements: list[search.Judgement] = []
    best = search.search(
        task,
        settings.trials,
        settings.seed,
        trials.append,
        show=settings.show,
        seconds=settings.search_seconds,
        folder=shop.business.workspace / "search",
        judged=judgements.append,
    )
    return Searched(best, tuple(trials), judgements[0] if judgements else None)


def _champion_predictions(
    shop: Workshop, made: Recipe, champion: FittedModel, training: Examples, holdout: Examples
) -> Any:
    """Predictions of the champion for the holdout, from nothing that happened in it.

    A champion that was fitted to the holdout's outcomes, or that was asked another question (a horizon that
    the advisor has changed since), is judged by its recipe: the same parameters, fitted to the same rows as
    the challenger.  Any other is asked as it stands.
    """
    if not _is_judged_by_recipe(shop, made, champion):
        return champion.predict(holdout.panel)[artifact.output_names(made.kind)[0]]
    # The parameters of another estimator mean nothing to this one.
    is_alike = type(champion.estimator) is type(made.make())
    parameters = champion.facts["parameters"] if is_alike else {}
    return made.fit(training, parameters, min(shop.plan.holdout)).predict(holdout.panel)

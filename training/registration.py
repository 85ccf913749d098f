"""Registering what was judged: refit to every realised cutoff, write and log."""

import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from features.business import Business
from features.catalogue import fingerprint
from features.windows import to_text
from training import artifact, card, horizons, recipe
from training.artifact import FittedModel
from training.judging import Judged
from training.recipe import Recipe
from training.tracking import Version
from training.workshop import Progress, Workshop

_NO_VALID_FROM = (
    "Columns of customers are taken as always true, since there is no valid_from. One that is written "
    "as of today, such as a status, would leak the future: map valid_from or leave it out."
)


@dataclass(frozen=True)
class Trained:
    """What became of one kind of model."""

    kind: str
    version: Version
    card: Mapping[str, Any]
    refusals: tuple[str, ...]
    promoted: bool


def register(shop: Workshop, judged: Judged, progress: Progress) -> Trained:
    """Refit to every realised cutoff, write the model and register it."""
    kind = judged.fit.recipe.kind
    progress(f"register {kind}", 0, 1)
    facts = _facts(shop, judged)
    checks = [check.to_dict() for check in judged.verdict.checks]
    itself = judged.fit.recipe.rests_on(judged.fit.estimator)
    filled = card.write(judged.evidence, facts, shop.settings.seed, judged.suspicions, checks, itself)
    model = refitted(shop, judged, _for_model(facts, filled))
    with shop.tracking.run(kind, nested=True), tempfile.TemporaryDirectory() as scratch:
        shop.tracking.log_dataset(
            shop.business.business.name, shop.store.manifest.fingerprint, facts["training_rows"]
        )
        documents: dict[str, Any] = {
            "card.json": filled,
            "card.md": card.to_markdown(filled),
            "card.html": card.to_html(filled),
        }
        if judged.searched.trials:
            documents["trials.json"] = [vars(trial) for trial in judged.searched.trials]
        shop.tracking.log(_parameters(facts, judged), _flat(filled), documents)
        artifact.save(model, Path(scratch) / "model")
        version = shop.tracking.register(kind, Path(scratch) / "model", _signature(model))
    shop.tracking.note_gate(version, judged.verdict.refusals)
    progress(f"register {kind}", 1, 1)
    return Trained(kind, version, filled, judged.verdict.refusals, promoted=False)


def _for_model(facts: Mapping[str, Any], filled: Mapping[str, Any]) -> dict[str, Any]:
    """What a model carries of itself: the same where the run is repeated, so not how it was compared."""
    kept = {key: value for key, value in facts.items() if key not in {"searched", "cautions"}}
    return {**kept, "metrics": filled["metrics"]["model"]}


def refitted(shop: Workshop, judged: Judged, facts: Mapping[str, Any]) -> FittedModel:
    """Fit the same recipe to every realised cutoff; the interval stays as the holdout measured it.

    Parameters
    ----------
    shop : Workshop
    judged : Judged
    facts : mapping
        Plain JSON values that the model carries.

    Returns
    -------
    FittedModel
        What is registered, with its golden rows.
    """
    made = judged.fit.recipe
    rows = made.eligible(shop.examples.at(shop.plan.refit))
    fit = made.fit(rows, judged.searched.parameters, shop.until)
    made.keep_measured(fit.estimator, judged.fit.estimator)
    model = FittedModel(
        made.kind,
        fit.estimator,
        fit.inputs,
        shop.priors.get(shop.until),
        made.question.eligible,
        facts,
        longer=horizons.longer_of(made.question),
    )
    return model.with_golden(rows.panel)


def _facts(shop: Workshop, judged: Judged) -> dict[str, Any]:
    question, plan = judged.fit.recipe.question, shop.plan
    level = judged.fit.recipe.outlooks.get(shop.until)
    return {
        "business": shop.business.business.name,
        "asks": question.asks,
        "question": question.to_dict(),
        "currency": shop.business.business.currency,
        "cautions": [*_cautions(shop.business), *judged.cautions, *judged.fit.recipe.cautions],
        "fingerprint": shop.store.manifest.fingerprint,
        "trained_until": to_text(shop.until),
        "horizon": str(question.horizon),
        "horizon_reason": shop.horizon_reason if question.name == "attrition" else "",
        "gap": str(question.gap),
        **_longer(shop, judged),
        "split": str(plan.split),
        "training_cutoffs": [to_text(cutoff) for cutoff in plan.training],
        "holdout_cutoffs": [to_text(cutoff) for cutoff in plan.holdout],
        "refit_cutoffs": [to_text(cutoff) for cutoff in plan.refit],
        "training_rows": len(shop.examples.panel),
        "mean_outcome": _mean_outcome(shop, judged.fit.recipe),
        "features": len(judged.fit.inputs.features),
        "catalogue": fingerprint(),
        "searched": asdict(judged.searched.judgement) if judged.searched.judgement else None,
        "unused": list(judged.fit.inputs.unused),
        "rung": asdict(judged.fit.estimator.rung_),
        "level": asdict(level) if level else None,
        "seed": shop.settings.seed,
        "parameters": dict(judged.searched.parameters),
    }


def _longer(shop: Workshop, judged: Judged) -> dict[str, Any]:
    """Name the longer horizons, and what those who judge are expected to bring in each."""
    fit, longer = judged.fit, horizons.longer_of(judged.fit.recipe.question)
    if longer is None:
        return {}
    at = min(shop.plan.holdout)
    panel = fit.recipe.eligible(recipe.split(shop.examples, shop.plan)[1]).panel
    X, level = fit.recipe.encode(fit.inputs, panel), fit.recipe.outlooks.get(at)
    said = horizons.extended(longer, fit.estimator, shop.priors.get(at), panel, X, judged.evidence.predicted)
    names = [str(horizon) for horizon in longer.horizons]
    totals = [float(values.sum()) for values in said]
    bands = [
        level.factors(horizon.days / longer.first.days) if level else None for horizon in longer.horizons
    ]
    return {
        "extended_horizons": names,
        "horizon_totals": [
            {"horizon": name, "expected": total, "band": [total * end for end in band] if band else None}
            for name, total, band in zip(names, totals, bands, strict=True)
        ],
    }


def _cautions(business: Business) -> list[str]:
    """What a reader of the figures must know about the data."""
    customers = business.tables.get("customers", ())
    return [] if all("valid_from" in source.mapping for source in customers) else [_NO_VALID_FROM]


def _mean_outcome(shop: Workshop, made: Recipe) -> float:
    """Churn rate, or mean value, of the eligible at the refit cutoffs."""
    return float(made.realised(made.eligible(shop.examples.at(shop.plan.refit))).mean())


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
    return {"inputs": inputs, "outputs": dict.fromkeys(model.output_names, "double")}

"""The evaluation card: every figure of a model beside its baselines, with intervals, for people to read.

`write` fills in a card of plain JSON values, `to_html` makes one self-contained page of it, `to_markdown` and
`to_table` text for a terminal.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from training import metrics
from training.card.campaign import campaign
from training.card.curves import all_curves, tenths
from training.card.evidence import (
    CHURN_METRICS,
    MODEL,
    VALUE_METRICS,
    YARDSTICKS,
    Evidence,
    Metric,
    Yardstick,
    measure,
)
from training.card.grade import grade
from training.card.limits import limits
from training.card.page import to_html
from training.card.profit import Costs
from training.card.segments import worst
from training.card.summary import sentences
from training.card.tallies import value_losses
from training.card.text import to_markdown, to_table
from training.leakage import Suspicion

__all__ = [
    "CHURN_METRICS",
    "VALUE_METRICS",
    "YARDSTICKS",
    "Costs",
    "Evidence",
    "Metric",
    "Yardstick",
    "to_html",
    "to_markdown",
    "to_table",
    "value_losses",
    "write",
]

_NOMINAL = 0.8


def write(
    evidence: Evidence,
    facts: Mapping[str, Any],
    seed: int,
    suspicions: Sequence[Suspicion] = (),
    checks: Iterable[Mapping[str, Any]] = (),
    rests_on: Collection[str] = (),
) -> dict[str, Any]:
    """Fill in a card.

    Parameters
    ----------
    evidence : Evidence
        Predictions for the holdout.
    facts : mapping
        What the model was trained on, as plain JSON values.
    seed : int
        Of the bootstrap.
    suspicions : sequence of Suspicion
        Columns that seem to know the outcome.
    checks : iterable of mapping
        What the gate looked at: ``name``, ``passed`` and ``said``.
    rests_on : collection of str
        Baselines that the model is by design; it is not graded against itself.

    Returns
    -------
    dict
        Plain JSON values: ``facts``, ``suspicions``, ``rows``, ``grade``, ``summary`` (three sentences),
        ``metrics`` (value, low, high for the model and each rival), ``against`` (differences), ``deciles``,
        ``curves``, ``segments``, ``limits``, ``checks``; ``profit`` for chances, ``interval`` for amounts.
    """
    figures = measure(evidence, seed)
    grading = grade(evidence, figures, seed, rests_on)
    rival = grading.baseline if grading.baseline in evidence.rivals else None
    card: dict[str, Any] = {
        "kind": evidence.kind,
        "facts": dict(facts),
        "suspicions": [one.to_dict() for one in suspicions],
        "rows": len(evidence.realised),
        "customers": len(np.unique(evidence.customers)),
        "expected_total": float(evidence.predicted.sum()),
        "realised_total": float(evidence.realised.sum()),
        "seed": seed,
        "resamples": len(figures.found[MODEL]) - 1,
        "metrics": {name: figures.of(name) for name in evidence.predictions},
        "against": {name: figures.against(MODEL, name) for name in evidence.rivals},
        "deciles": tenths(evidence),
        "curves": all_curves(evidence),
        "grade": grading.to_dict(),
        "segments": worst(evidence, rival),
        "checks": [dict(one) for one in checks],
        **_of_kind(evidence),
    }
    return {**card, "summary": sentences(card), "limits": limits(card)}


def _of_kind(evidence: Evidence) -> dict[str, Any]:
    """What only chances, or only amounts with an interval, have."""
    if evidence.yardstick.is_chance:
        return {"profit": campaign(evidence)}
    if evidence.low is None or evidence.high is None:
        return {}
    found = {
        "nominal": _NOMINAL,
        "coverage": metrics.interval_coverage(evidence.realised, evidence.low, evidence.high),
        "above": float(np.mean(evidence.realised > evidence.high)),
        "below": float(np.mean(evidence.realised < evidence.low)),
    }
    return {"interval": found}

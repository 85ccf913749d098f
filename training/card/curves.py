"""The curves of a card as points: calibration by tenth, cumulative gain, ROC, precision and recall."""

from typing import Any

import numpy as np

from features.events import Numbers
from training.card.evidence import Evidence
from training.card.spread import ratios, wilson
from training.card.tallies import Ranking

_SHARES = np.linspace(0.0, 1.0, 101)
_POINTS, _BARS = 120, 25


def tenths(evidence: Evidence) -> list[dict[str, float | None]]:
    """Mean prediction and mean outcome of each tenth of the rows, highest predictions first.

    Each mean outcome has a 95 % interval that counts customers (``low``, ``high``), for chances Wilson's.
    """
    n = len(evidence.realised)
    order = np.argsort(-evidence.predicted, kind="stable")
    groups = np.empty(n, np.int64)
    parts = [rows for rows in np.array_split(order, 10) if len(rows)]
    for place, rows in enumerate(parts):
        groups[rows] = place
    found = ratios(evidence.realised, np.ones(n), groups, evidence.customers, len(parts))
    low, high = found.ends()
    if evidence.yardstick.is_chance:
        low, high = wilson(found.value, found.error, found.rows)
    return [
        {
            "rows": len(rows),
            "predicted": float(evidence.predicted[rows].mean()),
            "realised": float(evidence.realised[rows].mean()),
            "low": rounded(low[place]),
            "high": rounded(high[place]),
        }
        for place, rows in enumerate(parts)
    ]


def gains(evidence: Evidence) -> dict[str, list[float | None]]:
    """Share of all that was to be found (leavers, value) in the top 0, 1, … 100 % of each ranking."""
    total = float(evidence.realised.sum())
    found = {}
    for name, predicted in evidence.predictions.items():
        rows, realised = _from_the_top(evidence.realised, predicted)
        part = np.interp(_SHARES * len(predicted), rows, realised)
        found[name] = [rounded(one / total) if total > 0 else None for one in part]
    return found


def perfect_gain(realised: Numbers) -> list[float | None]:
    """Share found by whoever knows the outcome."""
    total = float(realised.sum())
    rows, values = _from_the_top(realised, realised)
    part = np.interp(_SHARES * len(realised), rows, values)
    return [rounded(one / total) if total > 0 else None for one in part]


def roc(evidence: Evidence) -> dict[str, list[list[float | None]]]:
    """False alarm rate and share of leavers found, as points of each ranking's curve."""
    found = {}
    for name, predicted in evidence.predictions.items():
        rows, left = _from_the_top(evidence.realised, predicted)
        stayed = rows - left
        along = np.linspace(0.0, rows[-1], _POINTS)
        alarms, hits = np.interp(along, rows, stayed), np.interp(along, rows, left)
        found[name] = _points(_divided(alarms, stayed[-1]), _divided(hits, left[-1]))
    return found


def precision_recall(evidence: Evidence) -> dict[str, list[list[float | None]]]:
    """Share of leavers found and share of the contacted who left, as points of each ranking's curve."""
    found = {}
    for name, predicted in evidence.predictions.items():
        rows, left = _from_the_top(evidence.realised, predicted)
        first = max(rows[-1] / 500, min(20.0, rows[-1]))
        along = np.geomspace(first, rows[-1], _POINTS)
        hits = np.interp(along, rows, left)
        found[name] = _points(_divided(hits, left[-1]), hits / along)
    return found


def rounded(value: float) -> float | None:
    """Five significant digits are enough for a picture; what is not defined is null."""
    return float(f"{value:.5g}") if np.isfinite(value) else None


def _from_the_top(realised: Numbers, predicted: Numbers) -> tuple[Numbers, Numbers]:
    """Rows and what they brought, up to and with each tie, the highest predictions first."""
    ranking = Ranking(-predicted)
    return ranking.running(np.ones(len(realised))), ranking.running(realised[ranking.order])


def _divided(part: Numbers, whole: float) -> Numbers:
    return part / whole if whole > 0 else np.full(len(part), np.nan)


def _points(x: Numbers, y: Numbers) -> list[list[float | None]]:
    return [[rounded(a), rounded(b)] for a, b in zip(x, y, strict=True)]


def all_curves(evidence: Evidence) -> dict[str, Any]:
    """Every curve that this kind has."""
    found: dict[str, Any] = {"gain": gains(evidence), "perfect_gain": perfect_gain(evidence.realised)}
    if evidence.yardstick.is_chance:
        counts = np.histogram(evidence.predicted, bins=_BARS, range=(0.0, 1.0))[0]
        found |= {
            "roc": roc(evidence),
            "precision_recall": precision_recall(evidence),
            "histogram": [int(count) for count in counts],
        }
    return found

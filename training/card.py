"""The evaluation card: every figure of a model beside its baselines, with intervals, for people to read."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from features.events import Numbers
from training import metrics
from training.intervals import Interval, paired_difference, percentiles, resample
from training.leakage import REMEDY, Suspicion

Metric = Callable[[npt.ArrayLike, npt.ArrayLike], float]

CHURN_METRICS: dict[str, Metric] = {
    "log_loss": metrics.log_loss,
    "roc_auc": metrics.roc_auc,
    "average_precision": metrics.average_precision,
    "brier": metrics.brier,
    "expected_calibration_error": metrics.expected_calibration_error,
    "lift_at_10_percent": metrics.lift_at(0.10),
}


def value_losses(realised: Numbers, predicted: Numbers) -> Numbers:
    """Tweedie deviance of every row; who only sent things back counts as having bought nothing."""
    return metrics.tweedie_deviances(np.maximum(realised, 0.0), predicted)


def _value_loss(realised: npt.ArrayLike, predicted: npt.ArrayLike) -> float:
    return float(value_losses(np.asarray(realised), np.asarray(predicted)).mean())


VALUE_METRICS: dict[str, Metric] = {
    "tweedie_deviance": _value_loss,
    "normalised_gini": metrics.normalised_gini,
    "rmse": metrics.rmse,
    "mae": metrics.mae,
    "bias": metrics.bias,
    "decile_wape": metrics.decile_wape,
}
_LEVEL = 0.95
_INFLATED = {"expected_calibration_error", "decile_wape"}
"""Sums of absolute errors grow with every resampling; their intervals are mirrored (basic bootstrap)."""
_RESAMPLES, _ROWS_IN_ALL = (100, 500), 2_000_000
"""More rows need fewer draws for equally steady intervals of what is steadier itself."""


@dataclass(frozen=True)
class Evidence:
    """Predictions of a model and of its rivals for the same rows, with what then happened.

    Attributes
    ----------
    kind : str
        ``attrition`` or ``lifetime-value``.
    realised : float64 array (n_rows,)
    customers : int64 array (n_rows,)
        The customer of each row; intervals resample customers.
    predicted : float64 array (n_rows,)
        The model that is judged.
    rivals : mapping of str to float64 array (n_rows,)
        Baselines by name, and ``champion`` where there is one.
    low, high : float64 array (n_rows,) or None
        The interval of a lifetime value.
    """

    kind: str
    realised: Numbers
    customers: npt.NDArray[np.int64]
    predicted: Numbers
    rivals: Mapping[str, Numbers]
    low: Numbers | None = None
    high: Numbers | None = None

    @property
    def metrics(self) -> dict[str, Metric]:
        """The metrics of this kind; the first is the one that a gate judges by."""
        return CHURN_METRICS if self.kind == "attrition" else VALUE_METRICS

    def losses(self, predicted: Numbers) -> Numbers:
        """Loss of every row: what the first metric is the mean of."""
        row_losses = metrics.log_losses if self.kind == "attrition" else value_losses
        return row_losses(self.realised, predicted)

    def beats(self, rival: str, seed: int) -> Interval:
        """Mean loss of the model less that of a rival: below zero, the model is better."""
        return paired_difference(
            self.losses(self.predicted), self.losses(self.rivals[rival]), self.customers, seed=seed
        )


def write(
    evidence: Evidence, facts: Mapping[str, Any], seed: int, suspicions: Sequence[Suspicion] = ()
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

    Returns
    -------
    dict
        Plain JSON values: ``facts``, ``suspicions``, ``rows``, ``metrics`` (value, low, high for the model
        and each baseline), ``against`` (difference of the loss), ``deciles`` and, for values, ``interval``.
    """
    figures = _figures(evidence, seed)
    card: dict[str, Any] = {
        "kind": evidence.kind,
        "facts": dict(facts),
        "suspicions": [one.to_dict() for one in suspicions],
        "rows": len(evidence.realised),
        "metrics": {name: _intervals(evidence, found) for name, found in figures.items()},
        "against": {name: _intervals(evidence, figures["model"] - figures[name]) for name in evidence.rivals},
        "deciles": _deciles(evidence),
    }
    if evidence.low is not None and evidence.high is not None:
        card["interval"] = {
            "nominal": 0.8,
            "coverage": metrics.interval_coverage(evidence.realised, evidence.low, evidence.high),
            "above": float(np.mean(evidence.realised > evidence.high)),
            "below": float(np.mean(evidence.realised < evidence.low)),
        }
    return card


def _figures(evidence: Evidence, seed: int) -> dict[str, Numbers]:
    """Every metric of the model and each rival, (1 + n_resamples, n_metrics): the rows as they are first."""
    n = len(evidence.realised)
    resamples = int(np.clip(_ROWS_IN_ALL // max(n, 1), *_RESAMPLES))
    predictions = {"model": evidence.predicted, **evidence.rivals}
    figures: dict[str, list[list[float]]] = {name: [] for name in predictions}
    for rows in (np.arange(n), *resample(n, evidence.customers, resamples, seed)):
        for name, predicted in predictions.items():
            realised, said = evidence.realised[rows], predicted[rows]
            figures[name].append([metric(realised, said) for metric in evidence.metrics.values()])
    return {name: np.array(found) for name, found in figures.items()}


def _intervals(evidence: Evidence, figures: Numbers) -> dict[str, dict[str, float | None]]:
    found = {}
    for position, name in enumerate(evidence.metrics):
        value, draws = float(figures[0, position]), figures[1:, position]
        if name in _INFLATED:
            draws = 2 * value - draws
        interval = percentiles(value, draws, _LEVEL)
        found[name] = {key: _number(value) for key, value in asdict(interval).items()}
    return found


def _number(value: float) -> float | None:
    """JSON has no NaN: a figure that is not defined is null."""
    return float(value) if np.isfinite(value) else None


def _deciles(evidence: Evidence) -> list[dict[str, float]]:
    """Mean prediction and mean outcome of each tenth of the rows, highest predictions first."""
    order = np.argsort(-evidence.predicted, kind="stable")
    tenths = [rows for rows in np.array_split(order, 10) if len(rows)]
    return [
        {
            "rows": len(rows),
            "predicted": float(evidence.predicted[rows].mean()),
            "realised": float(evidence.realised[rows].mean()),
        }
        for rows in tenths
    ]


def to_markdown(card: Mapping[str, Any]) -> str:
    """Write a card as one page of Markdown: the figures beside the baselines, then the deciles."""
    facts = card["facts"]
    lines = [
        f"# {facts['business']}: {card['kind']}",
        "",
        f"Asked: {facts['asks']}",
        *([f"Why this horizon: {facts['horizon_reason']}"] if facts.get("horizon_reason") else []),
        f"Judged on {card['rows']:,} rows kept from the fit by {facts['split']}.",
        f"Cutoffs of the holdout: {', '.join(facts['holdout_cutoffs'])}.",
        f"Cutoffs of the fit that is judged: {', '.join(facts['training_cutoffs'])}.",
        *facts.get("cautions", ()),
        *_suspected(card),
        f"The registered model is the same recipe fitted again to {', '.join(facts['refit_cutoffs'])}.",
        "",
        to_table(card),
    ]
    if "interval" in card:
        found = card["interval"]
        lines += ["", f"80 % interval: {found['coverage']:.1%} inside, {found['above']:.1%} above it."]
    lines += ["", "| tenth | rows | predicted | realised |", "|---|---|---|---|"]
    lines += [
        f"| {place} | {tenth['rows']:,} | {tenth['predicted']:.4g} | {tenth['realised']:.4g} |"
        for place, tenth in enumerate(card["deciles"], start=1)
    ]
    return "\n".join(lines) + "\n"


def _suspected(card: Mapping[str, Any]) -> list[str]:
    """Name the columns that seem to know the outcome with their figures, and what to do, once."""
    found = card.get("suspicions", ())
    if not found:
        return []
    lines = [f"- {one['column']} {one['why']}." for one in found]
    return ["", "Columns that seem to know the outcome:", "", *lines, "", f"{REMEDY}.", ""]


def to_table(card: Mapping[str, Any]) -> str:
    """Write the figures of a card: the model, each rival, and the model less each rival.

    A difference whose interval does not hold zero is more than chance.
    """
    rivals = list(card["against"])
    header = ["figure (95 % interval)", "model", *rivals, *(f"model - {rival}" for rival in rivals)]
    lines = ["| " + " | ".join(header) + " |", "|---" * len(header) + "|"]
    for metric, figure in card["metrics"]["model"].items():
        cells = [_cell(figure)]
        cells += [_cell(card["metrics"][rival][metric]) for rival in rivals]
        cells += [_cell(card["against"][rival][metric]) for rival in rivals]
        lines.append("| " + " | ".join([metric, *cells]) + " |")
    return "\n".join(lines)


def _cell(figure: Mapping[str, float | None]) -> str:
    if figure["value"] is None:
        return "not defined"
    if figure["low"] is None or figure["high"] is None:
        return f"{figure['value']:.4g}"
    return f"{figure['value']:.4g} ({figure['low']:.4g} to {figure['high']:.4g})"

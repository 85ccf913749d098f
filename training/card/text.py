"""A card as Markdown, and its figures as one table."""

from collections.abc import Mapping
from typing import Any

from training.leakage import REMEDY


def to_markdown(card: Mapping[str, Any]) -> str:
    """Write a card as one page of Markdown: the figures beside the baselines, then the deciles."""
    facts = card["facts"]
    lines = [
        f"# {facts['business']}: {card['kind']}",
        "",
        *_graded(card),
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


def _graded(card: Mapping[str, Any]) -> list[str]:
    if "grade" not in card:
        return []
    return [f"**Grade {card['grade']['letter']}.** {' '.join(card['summary'])}", ""]


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
        cells = [cell(figure)]
        cells += [cell(card["metrics"][rival][metric]) for rival in rivals]
        cells += [cell(card["against"][rival][metric]) for rival in rivals]
        lines.append("| " + " | ".join([metric, *cells]) + " |")
    return "\n".join(lines)


def cell(figure: Mapping[str, float | None]) -> str:
    """Write a figure with its interval."""
    if figure["value"] is None:
        return "not defined"
    if figure["low"] is None or figure["high"] is None:
        return f"{figure['value']:.4g}"
    return f"{figure['value']:.4g} ({figure['low']:.4g} to {figure['high']:.4g})"

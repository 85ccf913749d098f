"""The verb `evaluate`: what was predicted against what then happened, once or cutoff by cutoff."""

from argparse import Namespace
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from features import business as businesses
from features.errors import UserError
from serving.verbs import Answer, progress, table

_SHOWN = {
    "attrition": ("roc_auc", "log_loss", "expected_calibration_error"),
    "lifetime-value": ("normalised_gini", "rmse", "bias"),
}
"""The figures of each kind that the table of a back-test shows."""


def evaluate(arguments: Namespace) -> Answer:
    """Compare the scores of a cutoff with what then happened, or replay history."""
    if arguments.backtest:
        return _backtest(arguments)
    if arguments.cutoff is None:
        raise UserError("Of which cutoff? Write --cutoff with one that was scored, or --backtest.")
    from serving import batch
    from training.card import to_table
    from training.evaluation import evaluate as judge

    business = businesses.load(arguments.business)
    run = batch.read_run(business, arguments.cutoff)
    in_sample = run.trained_until > run.cutoff
    facts = {
        "business": business.business.name,
        "cutoff": run.cutoff,
        "models": list(run.models),
        "trained_until": run.trained_until,
        "in_sample": in_sample,
        "questions": run.questions,
    }
    found = judge(business, arguments.cutoff, batch.read_scores(run), facts, progress())
    lines = [
        f"{found.customers:,} customers scored as of {run.cutoff} by {' and '.join(run.models)}.",
        f"Left: {found.churn_realised:.1%} realised, {found.churn_predicted:.1%} predicted.",
        *_values(found, business.business.currency),
    ]
    tables = [f"\n{kind}\n{to_table(card)}" for kind, card in found.cards.items()]
    complaint = (
        f"These models were trained until {run.trained_until} and have seen outcomes after {run.cutoff}: "
        f"the figures flatter. Train with --until {run.cutoff} and score again."
    )
    data = {**asdict(found), "in_sample": in_sample}
    return Answer(data, "\n".join([*lines, *tables]), complaint=complaint if in_sample else "")


def _values(found: Any, currency: str) -> list[str]:
    """Say how the total of the values compares, where there is a model of them."""
    if found.value_predicted is None:
        return []
    off = f" ({found.value_predicted / found.value_realised - 1:+.1%})" if found.value_realised else ""
    figures = f"{found.value_realised:,.0f} realised, {found.value_predicted:,.0f} predicted"
    return [f"Value in {currency}: {figures}{off}."]


def _backtest(arguments: Namespace) -> Answer:
    """Replay history cutoff by cutoff: train as if today were each, and see what happened."""
    from training.backtest import backtest, summary
    from training.workshop import Settings

    business = businesses.load(arguments.business)
    settings = Settings(seed=arguments.seed, until=arguments.cutoff)
    lines = summary(list(backtest(business, arguments.origins, settings, progress())), arguments.seed)
    pages = [_replays(kind, [line for line in lines if line["kind"] == kind]) for kind in _SHOWN]
    return Answer(lines, "\n\n".join(page for page in pages if page))


def _replays(kind: str, lines: list[dict[str, Any]]) -> str:
    """Write the replays of one kind as a table: at each cutoff the figures beside those of a simple model."""
    if not lines:
        return ""
    rows = [row for line in lines for row in _figures(line, _SHOWN[kind])]
    return f"{kind}\n{table(['cutoff', 'customers', 'figure', 'model', lines[0]['rival']], rows)}"


def _figures(line: dict[str, Any], shown: Sequence[str]) -> Iterator[list[Any]]:
    """One row for each figure of a cutoff, then the total, then by how much the loss is smaller."""
    metrics, rival = line["metrics"], line["rival"]
    for place, name in enumerate(shown):
        where = [line["cutoff"], line["rows"]] if place == 0 else ["", None]
        said = (metrics[who][name]["value"] for who in ("model", rival))
        yield [*where, name, *("not defined" if value is None else f"{value:.4f}" for value in said)]
    total = f"{line['predicted'] / line['realised'] - 1:+.1%}" if line["realised"] else None
    yield ["", None, "predicted against realised", total, None]
    gained, loss = line["difference"], next(iter(metrics["model"]))
    interval = f"{gained['value']:+.4f} ({gained['low']:+.4f} to {gained['high']:+.4f})"
    yield ["", None, f"{loss}, model - {rival}", interval, None]

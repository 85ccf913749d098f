"""Attrition by silence and lifetime value on purchase logs, by rolling origin, beside their peers.

``python -m experiments.benchmarks.purchase_logs --from downloads``

For a horizon H and an origin T: inputs from ``date < T``, outcomes in ``[T, T + H)``, for everybody with a
purchase before T.  Training cutoffs are T - H and earlier ones, so every training outcome window ends at or
before T.  The buy-till-you-die models are fitted again at each cutoff, to what was known there.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from experiments.benchmarks.log_peers import silence_peers, value_peers
from experiments.datasets import load as load_dataset
from features import business as businesses
from features.build import build
from features.events import Numbers
from features.language import count
from features.store import Store
from features.transactions import PURCHASES
from features.windows import MICROSECONDS_PER_DAY, Duration, days, parse_instant
from training import intervals, metrics
from training.examples import Examples, assemble
from training.questions import ChurnQuestion, Question, ValueQuestion
from training.recipe import Recipe
from training.repeat_buying import RepeatBuying
from training.workshop import needed_features, recipe_of

_EVER = days(36_500)
_CENTS = 100
OURS = "**Holdfast**"
RESAMPLES = 200


@dataclass(frozen=True)
class Protocol:
    """Where a log is cut.

    Attributes
    ----------
    data : str
        Name of the data set.
    horizon_days : int
    origins : tuple of str
        The cutoffs that are judged.
    step_days, history_days, most_cutoffs : int
        Between two training cutoffs, before the first of them, and how many there are at most.
    """

    data: str
    horizon_days: int
    origins: tuple[str, ...]
    step_days: int
    history_days: int
    most_cutoffs: int

    def training(self, origin: int, first: int) -> tuple[int, ...]:
        """Training cutoffs of an origin, oldest first, given the instant of the first fact."""
        day = MICROSECONDS_PER_DAY
        newest = origin - self.horizon_days * day
        wanted = (newest - k * self.step_days * day for k in range(self.most_cutoffs))
        return tuple(sorted(at for at in wanted if at >= first + self.history_days * day))


PROTOCOLS = (
    Protocol("cdnow", 91, ("1997-12-31", "1998-03-31"), 30, 100, 8),
    Protocol("cdnow", 181, ("1997-12-31",), 14, 90, 6),
    Protocol("complete_journey", 91, ("2017-10-01",), 30, 60, 8),
)
"""CDNOW as in the literature's comparisons; Complete Journey with the last quarter of its year."""


@dataclass(frozen=True)
class Judged:
    """What was said of one origin's customers, and what happened: of models by name, each (n_customers,)."""

    realised: Numbers
    customers: npt.NDArray[np.int64]
    said: Mapping[str, Numbers]


@dataclass(frozen=True)
class Row:
    """The figures of one model, means over the origins, and their differences from the first peer's."""

    data: str
    horizon_days: int
    asks: str
    model: str
    figures: Mapping[str, float]
    against: Mapping[str, intervals.Interval]


def main() -> int:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--from", dest="source", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--out", type=Path, default=None, help="the Markdown file to write")
    parser.add_argument(
        "--data", nargs="*", default=sorted({p.data for p in PROTOCOLS}), help="which of them"
    )
    arguments = parser.parse_args()
    chosen = [protocol for protocol in PROTOCOLS if protocol.data in arguments.data]
    table = to_table(measure(arguments.source, chosen))
    print(table)
    if arguments.out is not None:
        arguments.out.write_text(table, encoding="utf-8")
    return 0


def measure(source: Path, protocols: Iterable[Protocol] = PROTOCOLS) -> list[Row]:
    """Load and build the data sets in a scratch folder and follow the protocols."""
    rows, stores = [], {}
    with tempfile.TemporaryDirectory() as scratch:
        for protocol in protocols:
            if protocol.data not in stores:
                folder = Path(scratch) / protocol.data
                load_dataset(protocol.data, source / protocol.data, folder)
                business = businesses.load(folder / "business.toml")
                build(business)
                stores[protocol.data] = Store.of(business)
            rows += follow(stores[protocol.data], protocol)
    return rows


def follow(store: Store, protocol: Protocol) -> list[Row]:
    """Follow a protocol on a built store, for both questions."""
    origins = [parse_instant(origin) for origin in protocol.origins]
    found = [_origin(store, protocol, origin) for origin in origins]
    return [row for asks in _MEASURES for row in _rows(protocol, asks, [one[asks] for one in found])]


def _origin(store: Store, protocol: Protocol, origin: int) -> dict[str, Judged]:
    """Fit on the training cutoffs of an origin and predict it, with ours and with every peer."""
    first = store.manifest.tables["purchases"].first_at
    if first is None:
        raise ValueError("the store has no purchases")
    training = protocol.training(origin, first // MICROSECONDS_PER_DAY * MICROSECONDS_PER_DAY)
    asked = questions(days(protocol.horizon_days))
    features = needed_features(store, asked)
    examples = assemble(store, features, asked, [*training, origin], store.observed_until, _quiet)
    priors = {at: RepeatBuying.fit(examples.at([at]).panel) for at in (*training, origin)}
    seen, judged = examples.at(training), examples.at([origin])
    return {
        question.name: _judge(recipe_of(question, 1 / _CENTS, priors, seed=0), seen, judged)
        for question in asked
    }


def questions(horizon: Duration) -> tuple[Question, ...]:
    """Return both questions of the protocol: of everybody, with value as the amount in currency units."""
    anybody, gap = count(PURCHASES).over(_EVER)[0], days(0)
    return (
        ChurnQuestion("attrition", "Buys nothing?", anybody, horizon, gap),
        ValueQuestion(
            "lifetime-value", "Buys for how much?", anybody, horizon, gap, 1.0, 0.0,
            has_cost=False, minor_units=_CENTS,
        ),
    )  # fmt: skip


def _judge(recipe: Recipe, seen: Examples, judged: Examples) -> Judged:
    inputs = recipe.inputs(seen.panel)
    X, rows = recipe.encode(inputs, seen.panel), recipe.encode(inputs, judged.panel)
    y, cutoffs = seen.answers[recipe.kind], seen.panel.cutoffs
    estimator = recipe.make(n_jobs=1).fit(X, y, cutoffs)
    said = {OURS: recipe.predict(estimator, rows)}
    if recipe.kind == "attrition":
        said |= silence_peers(X, y, rows, judged.panel, recipe.question.horizon.days)
    else:
        said |= {f"{OURS}, median head": estimator.predict_median(rows)}
        said |= value_peers(X, y, rows, judged.panel, recipe.question.horizon.days)
    return Judged(judged.answers[recipe.kind], judged.panel.customers, said)


def _absolute_bias(y: Numbers, predicted: Numbers) -> float:
    return abs(metrics.bias(y, predicted))


_MEASURES: dict[str, dict[str, Any]] = {
    "attrition": {
        "AUC": metrics.roc_auc,
        "log-loss": metrics.log_loss,
        "ECE": metrics.expected_calibration_error,
    },
    "lifetime-value": {
        "RMSE": metrics.rmse,
        "Gini": metrics.normalised_gini,
        "abs. bias": _absolute_bias,
        "MAE": metrics.mae,
    },
}


def _rows(protocol: Protocol, asks: str, found: Sequence[Judged]) -> list[Row]:
    """The figures of every model, with intervals of their differences from the first peer."""
    models = list(found[0].said)
    peer = next(model for model in models if OURS not in model)
    figures = _figures(asks, found, models)
    drawn = [_figures(asks, some, models) for some in _resampled(found)]
    rows = []
    for model in models:
        against = {
            name: intervals.percentiles(
                figures[model][name] - figures[peer][name],
                np.array([one[model][name] - one[peer][name] for one in drawn]),
                0.95,
            )
            for name in _MEASURES[asks]
            if model != peer
        }
        rows.append(Row(protocol.data, protocol.horizon_days, asks, model, figures[model], against))
    return rows


def _figures(asks: str, found: Sequence[Judged], models: Sequence[str]) -> dict[str, dict[str, float]]:
    """Means over the origins, by model and measure."""
    return {
        model: {
            name: float(np.mean([measure(one.realised, one.said[model]) for one in found]))
            for name, measure in _MEASURES[asks].items()
        }
        for model in models
    }


def _resampled(found: Sequence[Judged]) -> Iterable[list[Judged]]:
    """Draw customers with replacement, each with their rows at every origin."""
    origin = np.repeat(np.arange(len(found)), [len(one.realised) for one in found])
    place = np.concatenate([np.arange(len(one.realised)) for one in found])
    customers = np.concatenate([one.customers for one in found])
    for rows in intervals.resample(len(customers), customers, RESAMPLES, seed=0):
        yield [_some(one, place[rows[origin[rows] == k]]) for k, one in enumerate(found)]


def _some(one: Judged, rows: npt.NDArray[np.intp]) -> Judged:
    said = {model: values[rows] for model, values in one.said.items()}
    return Judged(one.realised[rows], one.customers[rows], said)


_HEADER = ("data", "days", "asks", "model", *(name for kind in _MEASURES.values() for name in kind))


def to_table(rows: Iterable[Row]) -> str:
    """One Markdown table; in brackets the 95 % interval of the difference from the BG/NBD."""
    lines = [f"| {' | '.join(_HEADER)} |", f"|{'---|' * len(_HEADER)}"]
    for row in rows:
        cells = [row.data, str(row.horizon_days), row.asks, row.model]
        cells += [_cell(row, name) for kind in _MEASURES.values() for name in kind]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _cell(row: Row, name: str) -> str:
    if name not in row.figures:
        return ""
    digits = 2 if name in {"RMSE", "MAE"} else 4
    text = f"{row.figures[name]:.{digits}f}"
    if name not in row.against:
        return text
    difference = row.against[name]
    return f"{text} ({difference.low:+.{digits}f} to {difference.high:+.{digits}f})"


def _quiet(_what: str, _done: int, _total: int) -> None:
    """Say nothing: the table is the output."""


if __name__ == "__main__":
    sys.exit(main())

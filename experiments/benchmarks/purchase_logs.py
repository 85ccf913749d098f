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
import pyarrow as pa
import pyarrow.parquet as pq

from experiments.benchmarks.accuracy_page import Line
from experiments.benchmarks.accuracy_page import to_table as markdown
from experiments.benchmarks.log_peers import AVERAGE_SPEND, silence_peers, value_peers
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
_MEDIAN = f"{OURS}, median head"
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
    goals : tuple of (str, str, float)
        Question, measure and figure to reach; of the share found, in units of that by average spend.
    """

    data: str
    horizon_days: int
    origins: tuple[str, ...]
    step_days: int
    history_days: int
    most_cutoffs: int
    goals: tuple[tuple[str, str, float], ...] = ()

    def training(self, origin: int, first: int) -> tuple[int, ...]:
        """Training cutoffs of an origin, oldest first, given the instant of the first fact."""
        day = MICROSECONDS_PER_DAY
        newest = origin - self.horizon_days * day
        wanted = (newest - k * self.step_days * day for k in range(self.most_cutoffs))
        return tuple(sorted(at for at in wanted if at >= first + self.history_days * day))


SHARE_FOUND = "top 20 % found"
_CHURN, _VALUE = "attrition", "lifetime-value"
_BEYOND_SPEND = (_VALUE, SHARE_FOUND, 1.1)

PROTOCOLS = (
    Protocol(
        "cdnow", 91, ("1997-12-31", "1998-03-31"), 30, 100, 8,
        (
            (_CHURN, "AUC", 0.825), (_CHURN, "log-loss", 0.320), (_VALUE, "RMSE", 32.7),
            (_VALUE, "Gini", 0.766), (_VALUE, "abs. bias", 0.08), (_VALUE, "MAE", 9.2), _BEYOND_SPEND,
        ),
    ),
    Protocol(
        "cdnow", 181, ("1997-12-31",), 14, 90, 6,
        (
            (_CHURN, "AUC", 0.806), (_CHURN, "log-loss", 0.412), (_VALUE, "RMSE", 55.5),
            (_VALUE, "Gini", 0.761), _BEYOND_SPEND,
        ),
    ),
    Protocol("complete_journey", 91, ("2017-10-01",), 30, 60, 8, (_BEYOND_SPEND,)),
)  # fmt: skip
"""CDNOW as in the literature's comparisons; Complete Journey with the last quarter of its year."""


@dataclass(frozen=True)
class Judged:
    """What was said of one origin's customers, and what happened: of models by name, each (n_customers,)."""

    realised: Numbers
    customers: npt.NDArray[np.int64]
    said: Mapping[str, Numbers]


@dataclass(frozen=True)
class Row:
    """The figures of one model, means over the origins; of a peer, ours minus each of them."""

    data: str
    horizon_days: int
    asks: str
    model: str
    figures: Mapping[str, float]
    ours_minus: Mapping[str, intervals.Interval]


def main() -> int:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--from", dest="source", type=Path, required=True, help="folder of the data sets")
    parser.add_argument(
        "--data", nargs="*", default=sorted({p.data for p in PROTOCOLS}), help="which of them"
    )
    arguments = parser.parse_args()
    chosen = [protocol for protocol in PROTOCOLS if protocol.data in arguments.data]
    for protocol in chosen:
        print(to_table(measure(arguments.source, protocol)))
    return 0


def measure(source: Path, protocol: Protocol, one_of: int = 1, resamples: int = RESAMPLES) -> list[Row]:
    """Load and build a data set in a scratch folder and follow a protocol.

    Parameters
    ----------
    source : Path
        The folder of the data sets.
    protocol : Protocol
    one_of : int
        For a quick look, one of so many customers of CDNOW only.
    resamples : int
        Behind each interval.
    """
    with tempfile.TemporaryDirectory() as scratch:
        folder, published = Path(scratch) / protocol.data, source / protocol.data
        if one_of > 1 and protocol.data == "cdnow":
            published = thinned(published, Path(scratch) / "published", one_of)
        load_dataset(protocol.data, published, folder)
        business = businesses.load(folder / "business.toml")
        build(business)
        return follow(Store.of(business), protocol, resamples)


def thinned(published: Path, target: Path, one_of: int) -> Path:
    """Write CDNOW with one of so many customers, and return its folder."""
    orders = pq.read_table(published / "transactions.parquet")
    # The ids are numbers in order of the first purchase, so every day keeps its share of customers.
    ids = np.array(orders["customer_id"].to_pylist(), np.int64)
    target.mkdir(parents=True)
    pq.write_table(orders.filter(pa.array(ids % one_of == 0)), target / "transactions.parquet")
    return target


def follow(store: Store, protocol: Protocol, resamples: int = RESAMPLES) -> list[Row]:
    """Follow a protocol on a built store, for both questions."""
    origins = [parse_instant(origin) for origin in protocol.origins]
    found = [_origin(store, protocol, origin) for origin in origins]
    return [
        row for asks in _MEASURES for row in _rows(protocol, asks, [one[asks] for one in found], resamples)
    ]


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
        said |= {_MEDIAN: estimator.predict_median(rows)}
        said |= value_peers(X, y, rows, judged.panel, recipe.question.horizon.days)
    return Judged(judged.answers[recipe.kind], judged.panel.customers, said)


def _absolute_bias(y: Numbers, predicted: Numbers) -> float:
    return abs(metrics.bias(y, predicted))


def share_found(y: Numbers, predicted: Numbers, share: float = 0.2) -> float:
    """Share of the customers who were the best that were ranked among the best, Microsoft's measure of a CLV.

    The best are the top share by what they spent; where fewer than so many spent anything, those who did.
    Customers with tied predictions are found with equal chances.

    Examples
    --------
    >>> share_found(np.array([9.0, 5.0, 0.0, 0.0]), np.array([3.0, 1.0, 2.0, 0.0]), share=0.5)
    0.5
    """
    wanted = max(round(share * len(y)), 1)
    best = (y >= np.partition(y, -wanted)[-wanted]) & (y > 0)
    if not best.any():
        return float("nan")
    last = np.partition(predicted, -wanted)[-wanted]
    above, tied = predicted > last, predicted == last
    chance = (wanted - above.sum()) / tied.sum()
    return float((best[above].sum() + chance * best[tied].sum()) / best.sum())


_RISING = {"AUC", "Gini", SHARE_FOUND}
_MEASURES: dict[str, dict[str, Any]] = {
    _CHURN: {
        "AUC": metrics.roc_auc,
        "log-loss": metrics.log_loss,
        "ECE": metrics.expected_calibration_error,
    },
    _VALUE: {
        "RMSE": metrics.rmse,
        "Gini": metrics.normalised_gini,
        "abs. bias": _absolute_bias,
        "MAE": metrics.mae,
        SHARE_FOUND: share_found,
    },
}


def _rows(protocol: Protocol, asks: str, found: Sequence[Judged], resamples: int) -> list[Row]:
    """The figures of every model; of a peer, intervals of ours minus each."""
    models = list(found[0].said)
    figures = _figures(asks, found, models)
    drawn = [_figures(asks, some, models) for some in _resampled(found, resamples)]
    rows = []
    for model in models:
        minus = {
            name: intervals.percentiles(
                figures[ours_for(name)][name] - figures[model][name],
                np.array([one[ours_for(name)][name] - one[model][name] for one in drawn]),
                0.95,
            )
            for name in _MEASURES[asks]
            if OURS not in model
        }
        rows.append(Row(protocol.data, protocol.horizon_days, asks, model, figures[model], minus))
    return rows


def ours_for(measure: str) -> str:
    """Which of our heads answers: absolute errors ask for the median, all else for the mean."""
    return _MEDIAN if measure == "MAE" else OURS


def lines_of(protocol: Protocol, rows: Sequence[Row]) -> list[Line]:
    """Ours beside the goals of a protocol and the best peer by each measure."""
    found = []
    where = f"{protocol.data}, {protocol.horizon_days} d"
    for asks, name, wanted in protocol.goals:
        by_model = {row.model: row for row in rows if row.asks == asks}
        peers = [row for row in by_model.values() if row.ours_minus]
        rises = name in _RISING
        best = (max if rises else min)(peers, key=lambda row: row.figures[name])
        goal = wanted * by_model[AVERAGE_SPEND].figures[name] if name == SHARE_FOUND else wanted
        minus = best.ours_minus[name]
        found.append(
            Line(
                f"{where}: {asks}", name, "≥" if rises else "≤", goal,
                by_model[ours_for(name)].figures[name], best.model, best.figures[name],
                (minus.value, minus.low, minus.high), _digits(name),
            )
        )  # fmt: skip
    return found


def _figures(asks: str, found: Sequence[Judged], models: Sequence[str]) -> dict[str, dict[str, float]]:
    """Means over the origins, by model and measure."""
    return {
        model: {
            name: float(np.mean([measure(one.realised, one.said[model]) for one in found]))
            for name, measure in _MEASURES[asks].items()
        }
        for model in models
    }


def _resampled(found: Sequence[Judged], resamples: int) -> Iterable[list[Judged]]:
    """Draw customers with replacement, each with their rows at every origin."""
    origin = np.repeat(np.arange(len(found)), [len(one.realised) for one in found])
    place = np.concatenate([np.arange(len(one.realised)) for one in found])
    customers = np.concatenate([one.customers for one in found])
    for rows in intervals.resample(len(customers), customers, resamples, seed=0):
        yield [_some(one, place[rows[origin[rows] == k]]) for k, one in enumerate(found)]


def _some(one: Judged, rows: npt.NDArray[np.intp]) -> Judged:
    said = {model: values[rows] for model, values in one.said.items()}
    return Judged(one.realised[rows], one.customers[rows], said)


def to_table(rows: Sequence[Row]) -> str:
    """One table for each question; in brackets the 95 % interval of ours minus the peer's."""
    return "\n\n".join(
        markdown(
            (asks, *measures),
            ([row.model, *(_cell(row, name) for name in measures)] for row in rows if row.asks == asks),
        )
        for asks, measures in _MEASURES.items()
    )


def _digits(name: str) -> int:
    return 2 if name in {"RMSE", "MAE"} else 4


def _cell(row: Row, name: str) -> str:
    text = f"{row.figures[name]:.{_digits(name)}f}"
    if name not in row.ours_minus:
        return text
    minus = row.ours_minus[name]
    return f"{text} [{minus.low:+.{_digits(name)}f}, {minus.high:+.{_digits(name)}f}]"


def _quiet(_what: str, _done: int, _total: int) -> None:
    """Say nothing: the table is the output."""


if __name__ == "__main__":
    sys.exit(main())

"""How long every step takes, beside its peers and beside the limit, in one run on one machine.

``python -m experiments.benchmarks.steps --customers 100000 --out experiments/results/steps.md``

Ratios are of CPU seconds: they depend little on what else the machine does and not on its cores.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from experiments.benchmarks import rivals, work
from experiments.benchmarks.machine import described
from experiments.benchmarks.stopwatch import Figures, Lap, alone, take_turns
from experiments.simulator import simulate
from features.build import build
from features.store import Store
from training.tracking import Tracking

PACKAGES = ("duckdb", "mlflow", "numba", "numpy", "pandas", "pyarrow", "xgboost-cpu")
KINDS = ("attrition", "lifetime-value")
BAR_SECONDS = 60
_READING = (
    "Each figure is the least of several runs that took turns, each lap in a process of its own; memory is "
    "the peak above the start (of a command: all of it). Ratios are of CPU seconds: ÷ peer and ÷ limit say "
    "how many times as much as the peer (_p_) and as the limit (_l_)."
)


@dataclass(frozen=True)
class Group:
    """One step of ours with what it is compared with.

    Attributes
    ----------
    title : str
    laps : mapping of str to str
        What the table says of each lap; ours first.
    peer, limit : str
        The laps that the ratios refer to; empty where there is none.
    counts : str
        Which rows are counted: ``purchases`` or ``customers``.
    """

    title: str
    laps: Mapping[str, str]
    peer: str
    limit: str
    counts: str


GROUPS = (
    Group(
        "Build: sources to store",
        {
            "build": "**build**: check, order by customer and time, write",
            "sort_and_write": "DuckDB: sort the same rows and write them, nothing checked",
            "scan_source": "DuckDB: bare scan of the needed columns, raw file",
        },
        "sort_and_write",
        "scan_source",
        "purchases",
    ),
    Group(
        "Features",
        {
            "one_cutoff": "**features**, one cutoff",
            "six_cutoffs": "**features**, six cutoffs in one pass",
            "in_sql": "DuckDB SQL over the raw log, one cutoff, {subset} of the features",
            "in_pandas": "pandas as in a notebook, one cutoff, the same {subset}",
            "scan_store": "DuckDB: bare scan of the needed columns, store",
        },
        "in_sql",
        "scan_store",
        "purchases",
    ),
    Group(
        "Prediction for features in memory",
        {
            "predict": "**both champions**: prior, inputs, boosters, interval",
            "pyfunc": "`mlflow.pyfunc`: both champions over the same frame",
            "inplace_predict": "`Booster.inplace_predict`: their boosters alone",
        },
        "pyfunc",
        "inplace_predict",
        "customers",
    ),
    Group(
        "The full base",
        {
            "score": "**score**: store to Parquet and score table, models loaded from the registry",
            "command_score": "`holdfast score` from start to end, imports included",
            "command_build": "`holdfast build` from start to end, imports included",
            "train": "**train**: both models, judged and refitted (one run)",
        },
        "",
        "inplace_predict",
        "customers",
    ),
)


@dataclass(frozen=True)
class Measured:
    """All figures of one run of the benchmark."""

    customers: int
    purchases: int
    features: int
    figures: Mapping[str, Figures]
    disagreement: float

    def ratio(self, lap: str, other: str) -> float:
        """CPU seconds of one lap by those of another."""
        return self.figures[lap].cpu_seconds / max(self.figures[other].cpu_seconds, 1e-9)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--customers", type=int, default=100_000, help="how many to simulate")
    parser.add_argument("--folder", type=Path, help="keep the business here, and use it if it is there")
    parser.add_argument("--rounds", type=int, default=3, help="how often everything takes its turn")
    parser.add_argument("--out", type=Path, help="the Markdown file to write")
    arguments = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as scratch:
        folder = (arguments.folder or Path(scratch) / "business").absolute()
        page = to_page(measure(folder, arguments.customers, arguments.rounds))
    print(page)
    if arguments.out is not None:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(page, encoding="utf-8")
    return 0


def measure(folder: Path, customers: int, rounds: int) -> Measured:
    """Make the business where it is not there yet, and measure everything in turn."""
    once = prepare(folder, customers)
    figures = {**once, **take_turns(work.LAPS, folder, rounds)}
    store = Store.open(work.business_of(folder).workspace)
    return Measured(
        store.manifest.n_customers,
        store.manifest.tables["purchases"].stored,
        len(work.every_feature(store)),
        figures,
        disagreement(folder),
    )


def prepare(folder: Path, customers: int) -> dict[str, Figures]:
    """Simulate, build, train and promote, each if it has not been done; return how long training took."""
    if not (folder / "business.toml").exists():
        simulate(folder, customers=customers, seed=1)
    business = work.business_of(folder)
    if not (business.workspace / "store").exists():
        build(business)
    tracking, note = Tracking(business), folder / "training.json"
    if not note.exists() or any(tracking.champion(kind) is None for kind in KINDS):
        trained = alone(Lap(work.train), folder)
        for kind in KINDS:
            tracking.promote(kind, tracking.versions(kind)[0].number)
        note.write_text(json.dumps(asdict(trained)), encoding="utf-8")
    return {"train": Figures(**json.loads(note.read_text(encoding="utf-8")))}


def disagreement(folder: Path) -> float:
    """Return the largest relative difference between the kernel, SQL and pandas over everybody."""
    store = Store.open(work.business_of(folder).workspace)
    cutoff = store.observed_until
    panel = work.panel_at(store, rivals.SUBSET, np.array([cutoff], np.int64)).to_pandas()
    ours = panel.drop(columns="cutoff").set_index("customer_id")
    worst = 0.0
    for rival in (rivals.in_sql, rivals.in_pandas):
        theirs = rival(folder / "purchases.parquet", cutoff)
        one = ours.loc[theirs.index, theirs.columns].to_numpy(np.float64)
        other = theirs.to_numpy(np.float64)
        if not np.array_equal(np.isnan(one), np.isnan(other)):
            raise RuntimeError(f"{rival.__name__} leaves out other values than the kernel")
        worst = max(worst, float(np.nanmax(np.abs(one - other) / np.maximum(np.abs(other), 1.0))))
    return worst


def to_page(measured: Measured) -> str:
    """Write the tables as Markdown."""
    size = f"{measured.customers:,} simulated customers, {measured.purchases:,} purchase lines"
    lines = [
        "# How long every step takes",
        "",
        f"{size}, {measured.features} features. {described(PACKAGES)}",
        "",
        _READING,
    ]
    for group in GROUPS:
        lines += _table(group, measured)
    lines += ["", "## Goals", "", *_goals(measured), ""]
    return "\n".join(lines)


def _table(group: Group, measured: Measured) -> list[str]:
    rows = {"purchases": measured.purchases, "customers": measured.customers}[group.counts]
    header = f"| what | {group.counts} | seconds | CPU s | MB | {group.counts}/s | ÷ peer | ÷ limit | runs |"
    lines = ["", f"## {group.title}", "", header, "|---|" + "---:|" * 8]
    for lap, says in group.laps.items():
        if lap not in measured.figures:
            continue
        found = measured.figures[lap]
        ratios = [
            f"{measured.ratio(lap, other):,.2f}" if other else "" for other in (group.peer, group.limit)
        ]
        mark = {group.peer: " (_p_)", group.limit: " (_l_)"}.get(lap, "")
        cells = [
            says.format(subset=len(rivals.SUBSET)) + mark,
            f"{rows:,}",
            f"{found.seconds:,.2f}",
            f"{found.cpu_seconds:,.2f}",
            f"{found.megabytes:,.0f}",
            f"{rows / found.seconds:,.0f}",
            *ratios,
            str(found.runs),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _goals(measured: Measured) -> list[str]:
    """Say which goals are met."""
    seconds = {name: found.seconds for name, found in measured.figures.items()}
    night = seconds["command_build"] + seconds["one_cutoff"] + seconds["command_score"]
    goals = [
        (f"build, features and score as commands in {BAR_SECONDS} s", night, BAR_SECONDS, "s"),
        ("build at most 2 × sorting and writing", measured.ratio("build", "sort_and_write"), 2, "×"),
        ("features at most 3 × the bare scan", measured.ratio("one_cutoff", "scan_store"), 3, "×"),
        ("six cutoffs at most 2 × one", measured.ratio("six_cutoffs", "one_cutoff"), 2, "×"),
        ("features at most 1/8 of the SQL", measured.ratio("one_cutoff", "in_sql"), 1 / 8, "×"),
        ("prediction at most 1/3 of `mlflow.pyfunc`", measured.ratio("predict", "pyfunc"), 1 / 3, "×"),
    ]
    lines = [
        f"- {'met' if found <= most else '**missed**'}: {says}: {found:.2f} {unit}"
        for says, found, most, unit in goals
    ]
    same = (
        f"- the kernel, SQL and pandas agree on every value (largest difference {measured.disagreement:.0e})"
    )
    note = (
        "- `mlflow.pyfunc` runs the same model code as we do, since a registered model is data: "
        "what it adds is the frame and its schema"
    )
    return [*lines, note, same]


if __name__ == "__main__":
    sys.exit(main())

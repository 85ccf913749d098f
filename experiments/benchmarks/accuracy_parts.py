"""The parts of the accuracy benchmark: what each measures, and which goals it answers."""

import json
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from experiments.benchmarks import contract_tables, ensemble_cost, product_check, purchase_logs
from experiments.benchmarks.accuracy_page import Line, Part, to_table
from experiments.benchmarks.contract_tables import OURS, TABLES
from experiments.benchmarks.lifetimes_peer import NAMES
from experiments.benchmarks.purchase_logs import PROTOCOLS, Protocol
from experiments.benchmarks.search import COLUMNS
from experiments.benchmarks.tuned_peer import TRIALS, TunedXgboost
from training.btyd import BgNbd

_ROOT = Path(__file__).resolve().parents[2]
_TENTH = 0.1
_MINUTE = 60
_MILLION = 1e6
_WEEK = 7
_REDUCED_ROWS, _REDUCED_CUSTOMERS, _REDUCED_DRAWS, _REDUCED_TRIALS = 600, 10, 10, 2
"""A reduced run: so many rows, one of so many customers, so many resamples, so many trials."""


@dataclass(frozen=True)
class Order:
    """What is asked of every part.

    Attributes
    ----------
    source : Path
        The folder of public data.
    peers : Path or None
        The Python that has lifetimes.
    is_reduced : bool
        A quick look: fewer rows, customers, resamples and trials; the figures mean nothing.
    cost_rows : tuple of int
        Rows of the costs of the ensembles.
    """

    source: Path
    peers: Path | None = None
    is_reduced: bool = False
    cost_rows: tuple[int, ...] = (100_000,)


def contract(key: str, order: Order) -> Part:
    """Ours and the defaults of libraries on one contract table."""
    repeats, rows = (1, _REDUCED_ROWS) if order.is_reduced else (None, None)
    judged = contract_tables.judge(TABLES[key], order.source, repeats, rows)
    return Part(contract_tables.lines_of(TABLES[key], judged), contract_tables.to_markdown({key: judged}))


def tuned(order: Order) -> Part:
    """Ours and XGBoost tuned by Optuna on Telco, both on the first repeat, with the time that each takes."""
    trials, rows = (_REDUCED_TRIALS, _REDUCED_ROWS) if order.is_reduced else (TRIALS, None)
    name = f"XGBoost, {trials} Optuna trials"
    contestants: dict[str, Callable[[], Any]] = {
        OURS: contract_tables.models()[OURS],
        name: partial(TunedXgboost, trials),
    }
    judged = contract_tables.judge(TABLES["telco"], order.source, 1, rows, contestants)
    ours, theirs = (float(judged[one].by_fold["seconds"].mean()) for one in (OURS, name))
    line = Line(
        TABLES["telco"].name, f"CPU time of a fit, as a share of {trials} trials", "≤", _TENTH,
        ours / theirs, name, 1.0, digits=3,
    )  # fmt: skip
    says = (
        f"The first repeat only, five folds: a search takes {theirs:.0f} CPU s, our fit {ours:.1f}. "
        "Every trial is judged in five folds of the teaching rows."
    )
    table = contract_tables.to_markdown({"telco": judged}, with_goals=False)
    return Part([line], f"{says}\n\n{table}")


def log(protocol: Protocol, order: Order) -> Part:
    """Ours and the peers on one purchase log, by rolling origin."""
    one_of, draws = (_REDUCED_CUSTOMERS, _REDUCED_DRAWS) if order.is_reduced else (1, purchase_logs.RESAMPLES)
    rows = purchase_logs.measure(order.source, protocol, one_of, draws)
    says = (
        f"Judged at {' and '.join(protocol.origins)}; in brackets the 95 % interval of ours minus it. "
        "Peers that learn are given our inputs, which are in proportion to a customer's own history."
    )
    return Part(purchase_logs.lines_of(protocol, rows), f"{says}\n\n{purchase_logs.to_table(rows)}")


def lifetimes(order: Order) -> Part:
    """Our BG/NBD beside that of lifetimes, on CDNOW's published sample and on the whole log."""
    if order.peers is None:
        return Part([], "Not measured: no Python with lifetimes was given (`--peers`).")
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "histories.npz"
        whole = histories(order.source)
        np.savez(file, x=whole[0], t_x=whole[1], T=whole[2])
        command = [str(order.peers.absolute()), "-m", "experiments.benchmarks.lifetimes_peer", str(file)]
        answer = subprocess.run(  # noqa: S603  (our own command)
            command, check=True, stdout=subprocess.PIPE, text=True, cwd=_ROOT
        )
    found = json.loads(answer.stdout)
    x, t_x, T = (np.array(values) for values in found["histories"])
    lines, rows = [], []
    for name, own in (("sample", (x, t_x, T)), ("log", whole)):
        line, both = _likelihoods(name, own, found["fits"][name])
        lines.append(line)
        rows += both
    heads = ("CDNOW, weeks", "BG/NBD by", *NAMES, "log-likelihood")
    return Part(lines, to_table(heads, rows))


def _likelihoods(
    name: str, own: tuple[Any, Any, Any], theirs: Mapping[str, float]
) -> tuple[Line, list[list[str]]]:
    """Fit ours to the same histories and put both side by side."""
    model = BgNbd.fit(*own)
    ours = {one: float(getattr(model, one)) for one in NAMES} | {"log_likelihood": model.log_likelihood}
    lost = (theirs["log_likelihood"] - model.log_likelihood) / abs(theirs["log_likelihood"])
    title = {"sample": "published sample", "log": "whole log"}[name]
    line = Line(
        f"CDNOW, {title}", "BG/NBD: log-likelihood lost against lifetimes, millionths", "≤", 1.0,
        _MILLION * lost, "lifetimes", 0.0, digits=3,
    )  # fmt: skip
    rows = [
        [
            f"{title}, {len(own[0]):,} customers",
            who,
            *(f"{fit[one]:.4f}" for one in (*NAMES, "log_likelihood")),
        ]
        for who, fit in (("Holdfast", ours), ("lifetimes", theirs))
    ]
    return line, rows


def histories(source: Path) -> tuple[Any, Any, Any]:
    """Return x, t_x and T in weeks of CDNOW's customers at the end of the file, by pandas alone."""
    orders = pd.read_parquet(source / "cdnow" / "transactions.parquet")
    days = pd.to_datetime(orders["date"])
    grouped = days.groupby(orders["customer_id"])
    first, last = grouped.min(), grouped.max()
    x = (grouped.nunique() - 1).to_numpy(np.float64)
    t_x, T = ((end - first).dt.days.to_numpy(np.float64) / _WEEK for end in (last, days.max()))
    return x, t_x, T


def product(order: Order) -> Part:
    """CDNOW from file to scores, and the time that `train` takes with all defaults."""
    with tempfile.TemporaryDirectory() as scratch:
        one_of = _REDUCED_CUSTOMERS if order.is_reduced else 1
        source = product_check.source_of(order.source, Path(scratch), one_of)
        found = product_check.measure(source, Path(scratch) / "judged")
        wall, cpu = product_check.training_seconds(source, Path(scratch) / "timed")
    where = "CDNOW, `holdfast train`, all defaults"
    lines = [
        Line(where, "seconds by the clock", "≤", _MINUTE, wall, digits=1),
        Line(where, "CPU seconds", "≤", _MINUTE, cpu, digits=1),
    ]
    return Part(lines, product_check.details(found))


def cost(order: Order) -> Part:
    """What the whole attrition ensembles cost beside one XGBoost."""
    lines, rows = [], []
    for n in (_REDUCED_ROWS,) if order.is_reduced else order.cost_rows:
        found = ensemble_cost.cost(n)
        for name, seconds in (("by silence", found.silence), ("by contract", found.contract)):
            where = f"attrition {name}, {n:,} rows × {COLUMNS} inputs"
            times = seconds / found.plain
            lines.append(Line(where, "CPU time in fits of XGBoost", "≤", ensemble_cost.GOAL, times, digits=2))
            rows.append([f"{n:,}", name, f"{found.plain:.1f}", f"{seconds:.1f}", f"{times:.2f}"])
    heads = (
        "rows",
        "ensemble",
        f"XGBoost, {ensemble_cost.PLAIN_ROUNDS} rounds, CPU s",
        "ours, CPU s",
        "ratio",
    )
    return Part(lines, to_table(heads, rows))


def _log_name(protocol: Protocol) -> str:
    return f"{protocol.data}_{protocol.horizon_days}"


PARTS: Mapping[str, tuple[str, Callable[[Order], Part]]] = {
    **{key: (table.name, partial(contract, key)) for key, table in TABLES.items()},
    "telco_tuned": ("Telco beside a search", tuned),
    **{
        _log_name(protocol): (f"{protocol.data}, {protocol.horizon_days} days", partial(log, protocol))
        for protocol in PROTOCOLS
    },
    "lifetimes": ("BG/NBD beside lifetimes", lifetimes),
    "product": ("CDNOW through the product", product),
    "cost": ("What the ensembles cost", cost),
}
"""By name: the title of the part, and what measures it."""

"""What of the features is measured here: our own work, and DuckDB's and pandas' on the same log.

Every folder holds ``log.parquet`` and ``business.toml`` (see `experiments.benchmarks.feature_log`), and, once
it is prepared, the store and ``clustered.parquet``; ``many`` is a second workspace whose store has many
more buckets.  The folder ``tiny`` beside it is what everybody warms up on.
"""

import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa

from experiments.benchmarks import feature_requests, feature_sql
from experiments.benchmarks.feature_answers import keep
from experiments.benchmarks.feature_log import COLUMNS, CUTOFF, tiny_of
from experiments.benchmarks.feature_set import FEATURES
from experiments.benchmarks.stopwatch import Lap, Work
from features import business as businesses
from features.build import build as build_store
from features.business import Business
from features.language import FeatureSet
from features.panel import Panel, each_bucket, panel_of
from features.store import Store
from features.windows import days

MANY = "many"
"""Name of the workspace with many buckets."""

_LEAST_MANY = 64

CALLS = 200
"""How often a request is answered in one run."""

N_CUTOFFS = 6
_STEP = days(60).microseconds
_ONE = np.array([CUTOFF], np.int64)


def prepare(folder: Path) -> tuple[int, int]:
    """Make what the laps of the large log read; return how many buckets the store has, and that with many."""
    cluster(folder)
    business = business_of(folder)
    n_buckets = build_store(business).manifest.n_buckets
    n_many = max(4 * n_buckets, _LEAST_MANY)
    build_store(_in_workspace(business, MANY), n_buckets=n_many)
    return n_buckets, n_many


def prepare_few(folder: Path, buckets: float) -> None:
    """Make what the laps of a small log read; the store gets so many buckets, or a few more."""
    cluster(folder)
    build_store(business_of(folder), n_buckets=1 << max(0, math.ceil(math.log2(max(buckets, 1)))))


def cluster(folder: Path) -> None:
    """Write the log in order of customer and time, unless it is there."""
    if not (folder / "clustered.parquet").exists():
        feature_sql.run(feature_sql.sort_and_write(folder / "log.parquet", folder / "clustered.parquet"))


def business_of(folder: Path) -> Business:
    """Return the business of the benchmark."""
    return businesses.load(folder / "business.toml")


def store_of(folder: Path, workspace: str = businesses.WORKSPACE) -> Store:
    """Open a store of the benchmark."""
    return Store.open(folder / workspace)


def _in_workspace(business: Business, name: str) -> Business:
    return business.model_copy(update={"workspace": business.folder / name})


def _sql(folder: Path, make: Callable[[Path], str], file: str = "log.parquet") -> Work:
    """Run a query of DuckDB over a log."""
    feature_sql.run(make(tiny_of(folder) / file))
    query = make(folder / file)
    return lambda: feature_sql.run(query)


def scan_log(folder: Path) -> Work:
    """Touch every value of the columns that the features need, in the raw log."""
    return _sql(folder, lambda log: feature_sql.scan({str(log): COLUMNS}))


def scan_store(folder: Path) -> Work:
    """Touch every value that the features need, in the store."""
    purchases = ["customer", "at", *sorted(FEATURES.columns["purchases"])]

    def query(place: Path) -> str:
        snapshot = store_of(place).folder
        wanted = {"purchases": purchases, "customers": ["customer_id"]}
        return feature_sql.scan(
            {str(snapshot / name / "*.parquet"): columns for name, columns in wanted.items()}
        )

    feature_sql.run(query(tiny_of(folder)))
    scan = query(folder)
    return lambda: feature_sql.run(scan)


def in_pandas(folder: Path) -> Work:
    """All features in pandas."""
    from experiments.benchmarks import feature_rivals

    feature_rivals.in_pandas(tiny_of(folder) / "log.parquet")
    return lambda: feature_rivals.in_pandas(folder / "log.parquet")


def features(folder: Path) -> Work:
    """All features from the store, those of everybody in memory at the end."""
    store = store_of(folder)
    _warm_up(folder)
    return lambda: list(_panels(store, _ONE))


def keep_panels(answer: object, folder: Path) -> None:
    """Keep our features as a table."""
    panels: list[Panel] = answer  # type: ignore[assignment]
    values = np.concatenate([panel.numbers for panel in panels])
    ids = [int(customer) for panel in panels for customer in panel.customer_ids]
    columns = {name: values[:, position] for position, name in enumerate(FEATURES.names)}
    keep(pa.table({"customer_id": ids, **columns}), folder, "features")


def stream(folder: Path, n_cutoffs: int = 1, workspace: str = businesses.WORKSPACE) -> Work:
    """All features from the store, handed on a bucket at a time."""
    store = store_of(folder, workspace)
    cutoffs = np.array([CUTOFF - turn * _STEP for turn in range(n_cutoffs)], np.int64)
    _warm_up(folder)

    def work() -> int:
        return sum(len(panel) for panel in _panels(store, cutoffs))

    return work


def _warm_up(folder: Path) -> None:
    """Load the compiled code."""
    for _ in _panels(store_of(tiny_of(folder)), _ONE):
        pass


def _panels(store: Store, cutoffs: "np.typing.NDArray[np.int64]") -> Iterator[Panel]:
    return each_bucket(store, FEATURES.columns, lambda bucket: panel_of(FEATURES, bucket, cutoffs))


def build(folder: Path) -> Work:
    """Log to a new store, in a workspace of its own."""
    build_store(_in_workspace(business_of(tiny_of(folder)), "scratch"))
    business = _in_workspace(business_of(folder), "scratch")
    shutil.rmtree(business.workspace, ignore_errors=True)
    return lambda: build_store(business)


def sort_and_write(folder: Path) -> Work:
    """Let DuckDB order the same rows and write them."""
    return _sql(folder, lambda log: feature_sql.sort_and_write(log, log.with_name("sorted.parquet")))


def request(_folder: Path) -> Work:
    """The 38 features of one customer's 200 purchases."""
    return _calls(FEATURES, feature_requests.purchases_only(), shared=False)


def request_whole(_folder: Path) -> Work:
    """Every feature of the catalogue from one customer's 200 events of every table."""
    return _calls(feature_requests.whole_catalogue(), feature_requests.of_every_table(), shared=True)


def _calls(declared: FeatureSet, tables: dict[str, feature_requests.Rows], *, shared: bool) -> Work:
    """Answer a request some times; the first answer, which loads the kernel, is not measured."""
    bucket = feature_requests.bucket_of(tables, shared=shared)
    panel_of(declared, bucket, _ONE)

    def work() -> None:
        for _ in range(CALLS):
            panel_of(declared, bucket, _ONE)

    return work


def ordering(_folder: Path) -> Work:
    """One customer's 200 purchases brought in order, as a request does before."""
    rows = feature_requests.purchases_only()["purchases"]

    def work() -> None:
        for _ in range(CALLS):
            feature_requests.arranged("purchases", rows)

    return work


LAPS = {
    "scan_log": Lap(scan_log, 3),
    "scan_store": Lap(scan_store, 3),
    "group_by": Lap(partial(_sql, make=feature_sql.group_by), 3),
    "features": Lap(features, 3, keep=keep_panels),
    "best_sql_clustered": Lap(
        partial(_sql, make=feature_sql.best, file="clustered.parquet"),
        keep=partial(keep, name="best_sql_clustered"),
    ),
    "best_sql": Lap(partial(_sql, make=feature_sql.best), keep=partial(keep, name="best_sql")),
    "usual_sql": Lap(partial(_sql, make=feature_sql.usual), keep=partial(keep, name="usual_sql")),
    "pandas": Lap(in_pandas, keep=partial(keep, name="pandas")),
    "build": Lap(build),
    "sort_and_write": Lap(sort_and_write),
    "stream": Lap(stream, 3),
    "six_cutoffs": Lap(partial(stream, n_cutoffs=N_CUTOFFS), 3),
    "many_buckets": Lap(partial(stream, workspace=MANY), 3),
    "request": Lap(request, 5),
    "request_whole": Lap(request_whole, 5),
    "ordering": Lap(ordering, 5),
}
"""Everything that our own Python measures on the large log, in the order in which it takes turns."""

LAPS_OF_FEW = {"few": Lap(stream, 3), "features_of_few": Lap(features, keep=keep_panels)}
"""What it measures on the small log."""


def first_call(folder: Path) -> dict[str, float]:
    """Seconds of the first features of a process: compiled, and again with what was compiled on disk."""
    with tempfile.TemporaryDirectory() as cache:
        compiled, loaded = (_first(folder, {"NUMBA_CACHE_DIR": cache}) for _ in range(2))
    return {"compiled": compiled, "loaded": loaded}


def _first(folder: Path, environment: dict[str, str]) -> float:
    command = [sys.executable, "-m", "experiments.benchmarks.feature_requests", str(folder)]
    answer = subprocess.run(  # noqa: S603  (our own command)
        command, check=True, stdout=subprocess.PIPE, text=True, env={**os.environ, **environment}
    )
    seconds: dict[str, float] = json.loads(answer.stdout)
    return sum(seconds.values())

"""The pieces of work that are timed: our own steps, their rivals, and the limits that nobody can pass."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np

from experiments.benchmarks.stopwatch import Lap, Work
from features import business as businesses
from features.build import build as build_store
from features.business import Business
from features.catalogue import features_for
from features.language import FeatureSet
from features.panel import Panel, concatenate, each_bucket, panel_of
from features.store import Store, folder_of
from features.windows import days

if TYPE_CHECKING:
    from serving.scorer import Scorer
    from training.artifact import FittedModel

_STEP = days(30).microseconds
_SCORED_AT = 0


def business_of(folder: Path) -> Business:
    """Return the business that the benchmark simulated."""
    return businesses.load(folder / "business.toml")


def every_feature(store: Store) -> FeatureSet:
    """Return the features that the store allows."""
    return features_for({name: set(record.columns) for name, record in store.manifest.tables.items()})


def panel_at(store: Store, features: FeatureSet, cutoffs: "np.typing.NDArray[np.int64]") -> Panel:
    """Return the features of everybody, in memory."""
    return concatenate(list(each_bucket(store, features.columns, lambda b: panel_of(features, b, cutoffs))))


def quiet(_what: str, _done: int, _total: int) -> None:
    """Watch no progress."""


def build(folder: Path) -> Work:
    """Sources to a new store, in a workspace of its own."""
    business = _scratch(business_of(folder), "build")
    return lambda: build_store(business)


def sort_and_write(folder: Path) -> Work:
    """Let DuckDB sort the same rows by customer and time and write them, without checking any."""
    business = business_of(folder)
    out = _scratch(business, "sorted").workspace
    out.mkdir(parents=True, exist_ok=True)

    def work() -> None:
        with duckdb.connect() as connection:
            connection.execute("SET enable_progress_bar = false")
            for table, order in (("purchases", "customer_id, purchased_at"), ("customers", "customer_id")):
                connection.execute(
                    f"COPY (SELECT * FROM read_parquet('{folder / table}.parquet') ORDER BY {order}) "
                    f"TO '{out / table}.parquet' (COMPRESSION lz4)"
                )

    return work


def scan_source(folder: Path) -> Work:
    """Let DuckDB touch every value of the columns that the features need, in the raw files."""
    times = {"purchases": ["purchased_at"], "customers": []}
    columns = every_feature(Store.open(business_of(folder).workspace)).columns
    wanted = {
        str(folder / f"{table}.parquet"): ["customer_id", *times[table], *sorted(columns[table])]
        for table in times
    }
    return lambda: _scan(wanted)


def scan_store(folder: Path) -> Work:
    """Let DuckDB touch every value of the columns that the features need, in the store."""
    store = Store.open(business_of(folder).workspace)
    wanted = {}
    for table, columns in every_feature(store).columns.items():
        known = ["known_at"] if store.manifest.tables[table].late else []
        files = str(store.folder / folder_of(table) / "*.parquet")
        wanted[files] = ["customer", "at", *known, *sorted(columns)]
    wanted[str(store.folder / "customers" / "*.parquet")] = ["customer_id"]
    return lambda: _scan(wanted)


def _scan(wanted: dict[str, list[str]]) -> None:
    """Sum up every value, of texts their lengths, so that none can be skipped."""
    ways = {"VARCHAR": "sum(strlen({}))", "BOOLEAN": "sum({}::INTEGER)"}
    with duckdb.connect() as connection:
        connection.execute("SET enable_progress_bar = false")
        for files, columns in wanted.items():
            rows = f"FROM read_parquet('{files}')"
            kinds = {name: kind for name, kind, *_ in connection.sql(f"DESCRIBE {rows}").fetchall()}
            sums = [
                ways.get(kinds[name], "sum(epoch_us({}))" if "TIME" in kinds[name] else "sum({})").format(
                    f'"{name}"'
                )
                for name in columns
            ]
            connection.sql(f"SELECT {', '.join(sums)} {rows}").fetchall()


def one_cutoff(folder: Path) -> Work:
    """Every feature of everybody at one cutoff, a bucket at a time."""
    return _features(folder, 1)


def six_cutoffs(folder: Path) -> Work:
    """Every feature of everybody at six cutoffs, in one pass."""
    return _features(folder, 6)


def _features(folder: Path, n_cutoffs: int) -> Work:
    store = Store.open(business_of(folder).workspace)
    features = every_feature(store)
    cutoffs = np.array([store.observed_until - k * _STEP for k in range(n_cutoffs)], np.int64)

    def work() -> None:
        for panel in each_bucket(store, features.columns, lambda b: panel_of(features, b, cutoffs)):
            if not len(panel):
                raise RuntimeError("a bucket without customers")

    return work


def in_sql(folder: Path) -> Work:
    """Most features as plain SQL over the raw log."""
    from experiments.benchmarks import rivals

    cutoff = Store.open(business_of(folder).workspace).observed_until
    return lambda: rivals.in_sql(folder / "purchases.parquet", cutoff)


def in_pandas(folder: Path) -> Work:
    """Most features as a notebook computes them."""
    from experiments.benchmarks import rivals

    cutoff = Store.open(business_of(folder).workspace).observed_until
    return lambda: rivals.in_pandas(folder / "purchases.parquet", cutoff)


def train(folder: Path) -> Work:
    """Both kinds of model, judged, refitted and registered."""
    from training import jobs

    business = business_of(folder)
    return lambda: jobs.train(business, jobs.Settings(promote=False), quiet)


def score(folder: Path) -> Work:
    """Score the full base into Parquet files and a score table."""
    from serving import batch

    business = business_of(folder)
    cutoff = Store.open(business.workspace).observed_until
    out = _scratch(business, "scores").workspace
    out.mkdir(parents=True, exist_ok=True)
    url = f"sqlite:///{out / 'scores.db'}"
    return lambda: batch.score(business, cutoff, _SCORED_AT, batch.Target(out / "scores", url), quiet)


def predict(folder: Path) -> Work:
    """Both champions' answers for features that are there."""
    scorer, panel = _ready(folder)
    models = _both(scorer)
    return lambda: [model.predict(panel) for model in models]


def _both(scorer: "Scorer") -> "list[FittedModel]":
    """The champions of a business that has both."""
    return [model for model in (scorer.attrition, scorer.lifetime_value) if model is not None]


def inplace_predict(folder: Path) -> Work:
    """XGBoost alone: the champions' boosters over inputs that are there."""
    scorer, panel = _ready(folder)
    ready = []
    for model in _both(scorer):
        rows = panel.rows(panel.column(model.eligible.name) > 0)
        inputs = np.ascontiguousarray(model.inputs.encode(rows, model.prior), np.float32)
        ready += [(booster, inputs) for booster in model.estimator.boosters_.values()]
    return lambda: [booster.inplace_predict(inputs) for booster, inputs in ready]


def pyfunc(folder: Path) -> Work:
    """Both champions as MLflow loads them, over the features as a frame."""
    scorer, panel = _ready(folder)
    import mlflow

    names = [version.name for version in scorer.versions.values()]
    models: list[Any] = [mlflow.pyfunc.load_model(f"models:/{name}@champion") for name in names]
    # MLflow takes no categories for a column of text.
    frame = panel.to_pandas()[list(panel.features.names)].astype(dict.fromkeys(panel.levels, "str"))
    return lambda: [model.predict(frame) for model in models]


def command_build(folder: Path) -> Work:
    """Run `holdfast build` as a person does."""
    return _command("build", str(folder / "business.toml"))


def command_score(folder: Path) -> Work:
    """Run `holdfast score` as a person does."""
    return _command("score", str(folder / "business.toml"))


def _command(*words: str) -> Work:
    command = [sys.executable, "-W", "ignore", "-m", "serving.cli", *words, "--json"]
    return lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL)  # noqa: S603  (our own command)


def _ready(folder: Path) -> "tuple[Scorer, Panel]":
    """Return the champions and the features of everybody."""
    from serving.scorer import Scorer

    business = business_of(folder)
    scorer, store = Scorer.load(business), Store.open(business.workspace)
    return scorer, panel_at(store, scorer.attrition.features, np.array([store.observed_until], np.int64))


def _scratch(business: Business, name: str) -> Business:
    """Return the same business with an empty workspace beside its own."""
    place = business.folder / "scratch" / name
    shutil.rmtree(place, ignore_errors=True)
    return business.model_copy(update={"workspace": place})


LAPS = {
    "scan_source": Lap(scan_source, 3),
    "scan_store": Lap(scan_store, 3),
    "build": Lap(build),
    "sort_and_write": Lap(sort_and_write),
    "one_cutoff": Lap(one_cutoff, 4),
    "six_cutoffs": Lap(six_cutoffs, 3),
    "in_sql": Lap(in_sql, 2),
    "in_pandas": Lap(in_pandas),
    "predict": Lap(predict, 3),
    "inplace_predict": Lap(inplace_predict, 3),
    "pyfunc": Lap(pyfunc, 2),
    "score": Lap(score, 2),
    "command_build": Lap(command_build, in_command=True),
    "command_score": Lap(command_score, in_command=True),
}
"""Everything that is measured more than once, in the order in which it takes turns."""

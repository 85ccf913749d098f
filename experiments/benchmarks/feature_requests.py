"""One customer's events as a request brings them, and what the first call of all costs.

``python -m experiments.benchmarks.feature_requests FOLDER`` prints, as JSON, the seconds that the first
features of a process take: for the store of the business in the folder and for a request.
"""

import argparse
import json
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from experiments.benchmarks.feature_log import CUTOFF
from features import business as businesses
from features.catalogue import features_for
from features.events import Bucket, Events, Shared, arrange, arrange_shared
from features.language import FeatureSet
from features.panel import panel_of
from features.store import Store
from features.tables import SHARED, TABLES, Column, Kind, Table
from features.windows import MICROSECONDS_PER_DAY

EVENTS = {
    "purchases": 120,
    "contacts": 40,
    "campaigns": 15,
    "surveys": 12,
    "customers": 7,
    "subscriptions": 5,
    "exits": 1,
}
"""How many events of each table the customer has: 200 together."""

N_EVENTS = sum(EVENTS.values())

_MONTHS = 36
_WORDS = ("alpha", "beta", "gamma", "delta")
_KEPT_APART = {"customer_id", "event_id", "known_at"}

Rows = Mapping[str, list[object]]


def columns_of(table: Table) -> list[Column]:
    """Return the columns of a table that carry values, its own time apart."""
    apart = {*_KEPT_APART, table.at}
    return [column for column in table.columns if column.name not in apart and column.kind is not Kind.TEXT]


def whole_catalogue() -> FeatureSet:
    """Return every feature of a business that has every table."""
    columns = {name: {column.name for column in columns_of(TABLES[name])} for name in TABLES}
    columns["market"] |= {"unemployment"}
    return features_for(columns)


def draw(table: Table, rows: int, seed: int) -> Rows:
    """Draw the rows of one table over the two years before the cutoff, in no order."""
    rng = np.random.default_rng(seed)
    drawn: dict[str, list[object]] = {table.at: list(_instants(rng, rows))}
    for column in columns_of(table):
        drawn[column.name] = _values(rng, column, rows)
    return drawn


def _instants(rng: np.random.Generator, rows: int) -> list[int]:
    instants: list[int] = (CUTOFF - rng.integers(1, 730 * MICROSECONDS_PER_DAY, rows)).tolist()
    return instants


def _values(rng: np.random.Generator, column: Column, rows: int) -> list[object]:
    """Draw the values of one column."""
    if column.kind is Kind.TIME:
        return list(_instants(rng, rows))
    if column.kind in {Kind.CATEGORY, Kind.ID}:
        return rng.choice(_WORDS, rows).tolist()  # type: ignore[no-any-return]
    highest = 2 if column.kind is Kind.FLAG else 1_000
    return rng.integers(0, highest, rows).tolist()  # type: ignore[no-any-return]


def purchases_only() -> dict[str, Rows]:
    """Return 200 purchases of one customer."""
    return {"purchases": draw(TABLES["purchases"], N_EVENTS, 1)}


def of_every_table() -> dict[str, Rows]:
    """Return 200 events of one customer, some of every table."""
    return {name: draw(TABLES[name], rows, seed) for seed, (name, rows) in enumerate(EVENTS.items())}


def bucket_of(tables: Mapping[str, Rows], *, shared: bool = False) -> Bucket:
    """Bring the events of one customer in order, as a request does."""
    nobody = {name: _shared(name) for name in SHARED} if shared else {}
    return Bucket(["one"], {name: arranged(name, rows) for name, rows in tables.items()}, nobody)


def arranged(table: str, rows: Rows) -> Events:
    """Bring the rows of one table in order."""
    return arrange(TABLES[table], 1, np.zeros(len(rows[TABLES[table].at]), np.int64), rows)


def _shared(name: str) -> Shared:
    """Draw a table that is nobody's own: three years of months for each of its groups."""
    contract = SHARED[name]
    rows = dict(draw(contract.table, _MONTHS * len(_WORDS), 11))
    if name == "market":
        rows["unemployment"] = np.random.default_rng(12).integers(2, 12, _MONTHS * len(_WORDS)).tolist()
    return arrange_shared(contract.table, contract.key, rows)


def main() -> None:
    """Time the first features of this process."""
    parser = argparse.ArgumentParser(description="Time the first features of a process.")
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    store = Store.open(businesses.load(folder / "business.toml").workspace)
    stored = features_for({name: set(record.columns) for name, record in store.manifest.tables.items()})
    bucket, cutoffs = store.read(0, stored.columns), np.array([CUTOFF], np.int64)
    catalogue, request = whole_catalogue(), bucket_of(of_every_table(), shared=True)
    start = time.perf_counter()
    panel_of(stored, bucket, cutoffs)
    after_store = time.perf_counter()
    panel_of(catalogue, request, cutoffs)
    print(json.dumps({"store": after_store - start, "request": time.perf_counter() - after_store}))


if __name__ == "__main__":
    main()

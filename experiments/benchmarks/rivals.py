"""Rivals: the same features as an analyst would write them, in SQL and in pandas, from the raw log.

Both are written out from the declarations, so they compute what the kernel computes: whatever a plain
GROUP BY gives.  Gaps between purchases, trends, shares and what is derived are left out.
"""

from collections.abc import Sequence
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd

from features.language import Aggregate, Condition, Feature, FeatureSet
from features.transactions import TRANSACTION_FEATURES
from features.windows import MICROSECONDS_PER_DAY

_GROUPED = {
    Aggregate.COUNT,
    Aggregate.ACTIVE_DAYS,
    Aggregate.TOTAL,
    Aggregate.MEAN,
    Aggregate.MAX,
    Aggregate.STD,
    Aggregate.DISTINCT,
    Aggregate.DAYS_SINCE_LAST,
    Aggregate.DAYS_SINCE_FIRST,
}

_TAKEN = [f for f in TRANSACTION_FEATURES if isinstance(f, Feature) and f.aggregate in _GROUPED]
_TAKEN = [f for f in _TAKEN if all(test.operator != "in" for test in f.source.conditions)]

SUBSET = FeatureSet(*_TAKEN)
"""What both compute."""

_MONEY = ("amount", "discount", "cost")
_MINOR = 100


def query(source: Path, cutoff: int) -> str:
    """SQL of the features at a cutoff, one row for each customer with a purchase before it."""
    columns = ", ".join(f'{_expression(feature, cutoff)} AS "{feature.name}"' for feature in _TAKEN)
    return (
        f"SELECT customer_id, {columns} FROM ("
        f"SELECT *, epoch_us(purchased_at) AS happened FROM read_parquet('{source}') "
        f"WHERE epoch_us(purchased_at) < {cutoff} AND epoch_us(coalesce(known_at, purchased_at)) < {cutoff}) "
        "GROUP BY customer_id"
    )


def in_sql(source: Path, cutoff: int) -> pd.DataFrame:
    """Compute the features with DuckDB."""
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'; SET enable_progress_bar = false")
        found: pd.DataFrame = connection.sql(query(source, cutoff)).df()
    return found.set_index("customer_id")


def _expression(feature: Feature, cutoff: int) -> str:
    """SQL of one feature, in minor units."""
    column = f"{feature.column} * {_MINOR}" if feature.column in _MONEY else str(feature.column)
    tests = [
        f"{test.column} IS NOT NULL"
        if test.operator == "known"
        else f"{test.column} {test.operator} {test.value}"
        for test in feature.source.conditions
    ]
    if feature.window is not None:
        tests.append(f"happened >= {cutoff - feature.window.microseconds}")
    what = {
        Aggregate.COUNT: "count(*)",
        Aggregate.ACTIVE_DAYS: f"count(DISTINCT happened // {MICROSECONDS_PER_DAY})",
        Aggregate.TOTAL: f"sum({column})",
        Aggregate.MEAN: f"avg({column})",
        Aggregate.MAX: f"max({column})",
        Aggregate.STD: f"stddev_samp({column})",
        Aggregate.DISTINCT: f"count(DISTINCT {column})",
        Aggregate.DAYS_SINCE_LAST: "max(happened)",
        Aggregate.DAYS_SINCE_FIRST: "min(happened)",
    }[feature.aggregate]
    kept = f"{what} FILTER ({' AND '.join(tests)})" if tests else what
    if feature.aggregate is Aggregate.TOTAL:
        return f"coalesce({kept}, 0)::DOUBLE"
    if feature.aggregate in {Aggregate.DAYS_SINCE_LAST, Aggregate.DAYS_SINCE_FIRST}:
        return f"({cutoff} - {kept}) / {MICROSECONDS_PER_DAY}"
    return f"({kept})::DOUBLE"


def in_pandas(source: Path, cutoff: int) -> pd.DataFrame:
    """Compute the features as a notebook does: read the file, and group once for each window."""
    log = pd.read_parquet(source)
    log["happened"] = log["purchased_at"].astype("datetime64[us, UTC]").astype("int64")
    known = log["known_at"].fillna(log["purchased_at"]).astype("datetime64[us, UTC]").astype("int64")
    log = log[(log["happened"] < cutoff) & (known < cutoff)].copy()
    log["day"] = log["happened"] // MICROSECONDS_PER_DAY
    for column in _MONEY:
        log[column] = (log[column].astype("float64") * _MINOR).round()
    found = pd.DataFrame(index=pd.Index(np.sort(log["customer_id"].unique()), name="customer_id"))
    for name, values in _columns(log, _TAKEN, cutoff):
        found[name] = values
    counts = [f.name for f in _TAKEN if f.aggregate in _ZERO_WHERE_NOTHING]
    return found.fillna(dict.fromkeys(counts, 0.0)).astype("float64")


_ZERO_WHERE_NOTHING = {Aggregate.COUNT, Aggregate.ACTIVE_DAYS, Aggregate.TOTAL, Aggregate.DISTINCT}


def _columns(
    log: pd.DataFrame, features: Sequence[Feature], cutoff: int
) -> "list[tuple[str, pd.Series[float]]]":
    """Return every feature, by name; each selection of rows is made and grouped once."""
    found = []
    kept: dict[object, pd.DataFrame] = {}
    for feature in features:
        key = (feature.source.conditions, feature.window)
        if key not in kept:
            kept[key] = _select(log, feature, cutoff)
        found.append((feature.name, _aggregate(kept[key], feature, cutoff)))
    return found


def _select(log: pd.DataFrame, feature: Feature, cutoff: int) -> pd.DataFrame:
    """Keep the rows that a feature looks at."""
    for test in feature.source.conditions:
        log = log[_passes(log, test)]
    return log if feature.window is None else log[log["happened"] >= cutoff - feature.window.microseconds]


def _passes(log: pd.DataFrame, test: Condition) -> "pd.Series[bool]":
    column = log[test.column]
    if test.operator == "known":
        return column.notna()
    return column < test.value if test.operator == "<" else column >= test.value


def _aggregate(log: pd.DataFrame, feature: Feature, cutoff: int) -> "pd.Series[float]":
    """Compute one feature of some rows."""
    grouped = log.groupby("customer_id")
    if feature.aggregate is Aggregate.COUNT:
        return grouped["day"].size().astype("float64")
    if feature.aggregate is Aggregate.ACTIVE_DAYS:
        return grouped["day"].nunique().astype("float64")
    if feature.aggregate in {Aggregate.DAYS_SINCE_LAST, Aggregate.DAYS_SINCE_FIRST}:
        newest = feature.aggregate is Aggregate.DAYS_SINCE_LAST
        instants = grouped["happened"].max() if newest else grouped["happened"].min()
        return (cutoff - instants) / MICROSECONDS_PER_DAY
    ways = {Aggregate.TOTAL: "sum", Aggregate.DISTINCT: "nunique"}
    values: pd.Series[float] = grouped[str(feature.column)].agg(
        ways.get(feature.aggregate, feature.aggregate.value)
    )
    return values

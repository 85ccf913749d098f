"""The features of the purchase log with polars, pandas, lifetimes and featuretools, each as well as it can.

Some of them want packages that do not go together with ours, so this module runs with any Python that has
numpy, pandas and pyarrow: ``python -m experiments.benchmarks.feature_rivals NAME FOLDER`` measures one of
them there, keeps what it computed, and prints its figures as JSON.
"""

import argparse
import importlib
import importlib.metadata
import json
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from experiments.benchmarks.feature_answers import keep
from experiments.benchmarks.feature_log import COLUMNS, OBSERVED_UNTIL, WINDOWS, tiny_of
from experiments.benchmarks.stopwatch import Lap, Work, runs_here

Table = Any
"""A table of polars, whose types we do not have."""

_CUTOFF = pd.Timestamp(OBSERVED_UNTIL)
_TRENDS = (180, 365)
_DAY = pd.Timedelta(days=1)
_DAY_SECONDS = 86_400


def in_pandas(log: Path) -> pd.DataFrame:
    """Compute all features with pandas, vectorised: every window is selected and grouped once."""
    rows = pd.read_parquet(log, columns=list(COLUMNS))
    rows = rows[rows["purchased_at"] < _CUTOFF]
    rows["channel"] = rows["channel"].astype("category").cat.codes
    rows["web"] = rows["channel"] == rows["channel"].max()
    found = _pandas_recency(rows)
    for window in WINDOWS:
        _pandas_window(found, rows[rows["purchased_at"] >= _CUTOFF - window * _DAY], window)
    for window in _TRENDS:
        _pandas_trends(found, rows, window)
    _pandas_gaps(found, rows)
    return found


def _pandas_recency(rows: pd.DataFrame) -> pd.DataFrame:
    grouped = rows.groupby("customer_id")["purchased_at"]
    return pd.DataFrame(
        {
            "purchases_days_since_first": (_CUTOFF - grouped.min()).dt.total_seconds() / _DAY_SECONDS,
            "purchases_days_since_last": (_CUTOFF - grouped.max()).dt.total_seconds() / _DAY_SECONDS,
        }
    )


def _pandas_window(found: pd.DataFrame, inside: pd.DataFrame, window: int) -> None:
    """Add the columns of one window."""
    grouped = inside.groupby("customer_id").agg(
        count=("amount", "size"),
        total=("amount", "sum"),
        mean=("amount", "mean"),
        largest=("amount", "max"),
        web=("web", "mean"),
    )
    grouped = grouped.reindex(found.index)
    found[f"purchases_count_{window}d"] = grouped["count"].fillna(0)
    found[f"purchases_amount_total_{window}d"] = grouped["total"].fillna(0)
    found[f"purchases_amount_mean_{window}d"] = grouped["mean"]
    found[f"purchases_amount_max_{window}d"] = grouped["largest"]
    found[f"purchases_channel_web_share_{window}d"] = grouped["web"]
    for column in ("product_id", "channel"):
        # Several times as fast as nunique.
        different = inside[["customer_id", column]].drop_duplicates().groupby("customer_id").size()
        found[f"purchases_{column}_distinct_count_{window}d"] = different.reindex(found.index).fillna(0)


def _pandas_trends(found: pd.DataFrame, rows: pd.DataFrame, window: int) -> None:
    """Add the trends of one window."""
    newer = rows[rows["purchased_at"] >= _CUTOFF - window / 2 * _DAY].groupby("customer_id")["amount"]
    for name, what, halves in (
        ("count", "count", newer.size()),
        ("amount", "amount_total", newer.sum()),
    ):
        both = found[f"purchases_{what}_{window}d"]
        recent = halves.reindex(found.index).fillna(0)
        found[f"purchases_{name}_trend_{window}d"] = (2 * recent - both) / both.where(both > 0)


def _pandas_gaps(found: pd.DataFrame, rows: pd.DataFrame) -> None:
    """Add mean and deviation of the days between days with purchases."""
    days = pd.DataFrame({"customer_id": rows["customer_id"], "day": rows["purchased_at"].dt.floor("D")})
    days = days.drop_duplicates().sort_values(["customer_id", "day"])
    before = days["day"].shift().where(days["customer_id"] == days["customer_id"].shift())
    days["gap"] = (days["day"] - before).dt.days
    for label, kept in (("365d", days[before >= _CUTOFF - 365 * _DAY]), ("ever", days)):
        grouped = kept.groupby("customer_id")["gap"]
        found[f"purchases_gap_days_mean_{label}"] = grouped.mean()
        found[f"purchases_gap_days_std_{label}"] = grouped.std()


def in_polars(log: Path) -> Table:
    """Compute all features with polars: one lazy query, whose windows are masks within one group-by."""
    pl: Any = importlib.import_module("polars")
    at = pl.col("purchased_at")
    rows = pl.scan_parquet(log).select(COLUMNS).filter(at < _CUTOFF)
    since = ((_CUTOFF - edge).dt.total_microseconds() / (_DAY_SECONDS * 1e6) for edge in (at.min(), at.max()))
    columns = [line for window in WINDOWS for line in _polars_window(pl, window)]
    columns += [line for window in _TRENDS for line in _polars_trends(pl, window)]
    found = rows.group_by("customer_id").agg(
        *columns,
        *(
            days.alias(f"purchases_days_since_{edge}")
            for edge, days in zip(("first", "last"), since, strict=True)
        ),
    )
    for column in ("product_id", "channel"):
        different = _polars_distinct(pl, rows, column)
        found = found.join(different, on="customer_id", how="left")
    found = found.with_columns(pl.col("^.*_distinct_count_.*$").fill_null(0))
    return found.join(_polars_gaps(pl, rows), on="customer_id").collect()


def _polars_window(pl: Any, window: int) -> list[Any]:
    """Columns of one window, without what is distinct."""
    inside = pl.col("purchased_at") >= _CUTOFF - window * _DAY
    amount = pl.when(inside).then(pl.col("amount"))
    return [
        inside.sum().alias(f"purchases_count_{window}d"),
        amount.sum().alias(f"purchases_amount_total_{window}d"),
        amount.mean().alias(f"purchases_amount_mean_{window}d"),
        amount.max().alias(f"purchases_amount_max_{window}d"),
        pl.when(inside)
        .then(pl.col("channel") == "web")
        .mean()
        .alias(f"purchases_channel_web_share_{window}d"),
    ]


def _polars_trends(pl: Any, window: int) -> list[Any]:
    """Columns of the trends of one window: 0 / 0 is NaN."""
    at, lines = pl.col("purchased_at"), []
    for name, what in (("count", pl.lit(1)), ("amount", pl.col("amount"))):
        newer = pl.when(at >= _CUTOFF - window / 2 * _DAY).then(what).sum()
        both = pl.when(at >= _CUTOFF - window * _DAY).then(what).sum()
        lines.append(((2 * newer - both) / both).alias(f"purchases_{name}_trend_{window}d"))
    return lines


def _polars_distinct(pl: Any, rows: Table, column: str) -> Table:
    """Count the different values: a value lies in a window if its newest row does."""
    edges = {f"purchases_{column}_distinct_count_{window}d": _CUTOFF - window * _DAY for window in WINDOWS}
    inside = rows.filter(pl.col("purchased_at") >= min(edges.values()))
    newest = inside.group_by("customer_id", column).agg(newest=pl.col("purchased_at").max())
    counts = [(pl.col("newest") >= edge).sum().alias(name) for name, edge in edges.items()]
    return newest.group_by("customer_id").agg(counts)


def _polars_gaps(pl: Any, rows: Table) -> Table:
    """Mean and deviation of the days between days with purchases."""
    customer, day, gap = (pl.col(name) for name in ("customer_id", "day", "gap"))
    days = rows.select("customer_id", day=pl.col("purchased_at").dt.date()).unique()
    days = days.sort("customer_id", "day").with_columns(
        before=pl.when(customer == customer.shift()).then(day.shift())
    )
    days = days.with_columns(gap=(day - pl.col("before")).dt.total_days())
    recent = pl.when(pl.col("before") >= (_CUTOFF - 365 * _DAY).date()).then(gap)
    return days.group_by("customer_id").agg(
        recent.mean().alias("purchases_gap_days_mean_365d"),
        gap.mean().alias("purchases_gap_days_mean_ever"),
        recent.std().alias("purchases_gap_days_std_365d"),
        gap.std().alias("purchases_gap_days_std_ever"),
    )


def in_lifetimes(log: Path) -> pd.DataFrame:
    """Compute the four columns of lifetimes: frequency, recency, T and monetary_value."""
    lifetimes: Any = importlib.import_module("lifetimes.utils")
    rows = pd.read_parquet(log, columns=["customer_id", "purchased_at", "amount"])
    found: pd.DataFrame = lifetimes.summary_data_from_transaction_data(
        rows, "customer_id", "purchased_at", "amount", observation_period_end=_CUTOFF
    )
    return found


def in_featuretools(log: Path) -> pd.DataFrame:
    """Compute all features with featuretools; the gaps need a primitive of our own."""
    featuretools: Any = importlib.import_module("featuretools")
    entities = _entities(featuretools, log)
    gaps = _gaps_primitive()
    found = _featuretools_cheap(featuretools, entities)
    spans = {"365d": "365 days", "ever": None}
    for label, span in spans.items():
        matrix = _matrix(featuretools, entities, span, [gaps])
        for place, what in enumerate(("mean", "std")):
            found[f"purchases_gap_days_{what}_{label}"] = matrix[f"GAPS(purchases.purchased_at)[{place}]"]
    halves = {
        window: _matrix(featuretools, entities, f"{window * 12} hours", ["count", "sum"])
        for window in _TRENDS
    }
    for window, half in halves.items():
        for name, what, column in (
            ("count", "count", "COUNT(purchases)"),
            ("amount", "amount_total", "SUM(purchases.amount)"),
        ):
            both = found[f"purchases_{what}_{window}d"]
            found[f"purchases_{name}_trend_{window}d"] = (2 * half[column].fillna(0) - both) / both.where(
                both > 0
            )
    edges = ["time_since_first", "time_since_last"]
    since = _matrix(featuretools, entities, None, edges) / _DAY_SECONDS
    for edge in edges:
        column = f"{edge.upper()}(purchases.purchased_at)"
        found[f"purchases_days_{edge.removeprefix('time_')}"] = since[column]
    return found


def in_featuretools_cheap(log: Path) -> pd.DataFrame:
    """Compute what featuretools computes with its own fast primitives: neither gaps nor trends nor ages."""
    featuretools: Any = importlib.import_module("featuretools")
    return _featuretools_cheap(featuretools, _entities(featuretools, log))


def _entities(featuretools: Any, log: Path) -> Any:
    """Make an entity set of the log."""
    entities = featuretools.EntitySet("shop")
    entities.add_dataframe(
        dataframe_name="purchases",
        dataframe=pd.read_parquet(log, columns=["purchase_id", *COLUMNS]),
        index="purchase_id",
        time_index="purchased_at",
        logical_types={"channel": "Categorical", "product_id": "Categorical"},
    )
    entities.normalize_dataframe("purchases", "customers", "customer_id", make_time_index=False)
    entities.add_interesting_values(dataframe_name="purchases", values={"channel": ["web"]})
    return entities


def _matrix(featuretools: Any, entities: Any, span: str | None, primitives: list[Any]) -> pd.DataFrame:
    """Compute some primitives of the purchases of every customer."""
    matrix: pd.DataFrame = featuretools.dfs(
        entityset=entities,
        target_dataframe_name="customers",
        agg_primitives=primitives,
        where_primitives=[one for one in primitives if one == "count"],
        trans_primitives=[],
        cutoff_time=_CUTOFF,
        training_window=span,
        include_cutoff_time=False,
        max_depth=1,
    )[0]
    return matrix


def _featuretools_cheap(featuretools: Any, entities: Any) -> pd.DataFrame:
    columns: dict[str, pd.Series[float]] = {}
    for window in WINDOWS:
        primitives = ["count", "sum", "mean", "max", "num_unique"]
        matrix = _matrix(featuretools, entities, f"{window} days", primitives)
        count, web = matrix["COUNT(purchases)"], matrix["COUNT(purchases WHERE channel = web)"]
        named = {
            "count": count,
            "amount_total": matrix["SUM(purchases.amount)"],
            "amount_mean": matrix["MEAN(purchases.amount)"],
            "amount_max": matrix["MAX(purchases.amount)"],
            "product_id_distinct_count": matrix["NUM_UNIQUE(purchases.product_id)"].fillna(0),
            "channel_distinct_count": matrix["NUM_UNIQUE(purchases.channel)"].fillna(0),
            "channel_web_share": web / count.where(count > 0),
        }
        columns |= {f"purchases_{name}_{window}d": values for name, values in named.items()}
    return pd.DataFrame(columns)


def _gaps_primitive() -> Any:
    """Make a primitive of mean and deviation of the days between days with purchases."""
    primitives: Any = importlib.import_module("featuretools.primitives")
    schema: Any = importlib.import_module("woodwork.column_schema")
    kinds: Any = importlib.import_module("woodwork.logical_types")

    class Gaps(primitives.AggregationPrimitive):  # type: ignore[misc]  # no types
        name = "gaps"
        input_types = (schema.ColumnSchema(logical_type=kinds.Datetime),)
        return_type = schema.ColumnSchema(semantic_tags={"numeric"})
        number_output_features = 2

        def get_function(self) -> Callable[["pd.Series[pd.Timestamp]"], list[float]]:
            return _gaps

    return Gaps


def _gaps(times: "pd.Series[pd.Timestamp]") -> list[float]:
    days = np.unique(times.to_numpy("datetime64[D]").astype(np.int64))
    gaps = np.diff(days).astype(np.float64)
    return [gaps.mean() if len(gaps) else np.nan, gaps.std(ddof=1) if len(gaps) > 1 else np.nan]


def keep_lifetimes(answer: object, folder: Path) -> None:
    """Keep what lifetimes and we both say: T, T less recency, and recency by frequency."""
    found: pd.DataFrame = answer  # type: ignore[assignment]
    both = {
        "whole_purchases_days_since_first": found["T"],
        "whole_purchases_days_since_last": found["T"] - found["recency"],
        "purchases_gap_days_mean_ever": found["recency"] / found["frequency"].where(found["frequency"] > 0),
    }
    keep(pd.DataFrame(both), folder, "lifetimes")


PACKAGES = {
    "polars": "polars",
    "lifetimes": "lifetimes",
    "featuretools_cheap": "featuretools",
    "featuretools": "featuretools",
}
"""What each rival needs beside numpy, pandas and pyarrow."""

_WORK: dict[str, Callable[[Path], object]] = {
    "polars": in_polars,
    "lifetimes": in_lifetimes,
    "featuretools_cheap": in_featuretools_cheap,
    "featuretools": in_featuretools,
}


def lap_of(name: str) -> Lap:
    """Return the lap of a rival."""

    def prepare(folder: Path) -> Work:
        _WORK[name](tiny_of(folder) / "log.parquet")
        return lambda: _WORK[name](folder / "log.parquet")

    return Lap(prepare, keep=keep_lifetimes if name == "lifetimes" else partial(keep, name=name))


def installed() -> dict[str, str]:
    """Return the versions of the packages that are here."""
    found = {}
    for package in {*PACKAGES.values(), "numpy", "pandas"}:
        with suppress(importlib.metadata.PackageNotFoundError):
            found[package] = importlib.metadata.version(package)
    return found


def main() -> None:
    """Measure one rival, or say with ``installed`` which of them can be."""
    parser = argparse.ArgumentParser(description="Measure one rival on the purchase log.")
    parser.add_argument("name", choices=["installed", *PACKAGES])
    parser.add_argument("folder", type=Path, nargs="?")
    arguments = parser.parse_args()
    if arguments.name == "installed":
        print(json.dumps(installed()))
        return
    warnings.simplefilter("ignore")  # theirs, about packages newer than they are
    runs = runs_here(lap_of(arguments.name), arguments.folder)
    print(json.dumps(asdict(runs)))


if __name__ == "__main__":
    main()

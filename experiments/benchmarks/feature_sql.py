"""DuckDB on the purchase log: the limits, the features as they are usually written, and the best we found."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import duckdb
import pyarrow as pa

from experiments.benchmarks.feature_log import CHANNELS, OBSERVED_UNTIL, WINDOWS

_CUTOFF = f"TIMESTAMP '{OBSERVED_UNTIL}'"
_TRENDS = (180, 365)


def run(query: str) -> pa.Table | None:
    """Run a query in a DuckDB of its own; every row of the answer ends up in memory."""
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'; SET enable_progress_bar = false")
        answer = connection.sql(query)
        return None if answer is None else answer.to_arrow_table()


def scan(wanted: Mapping[str, Sequence[str]]) -> str:
    """SQL that touches every value of some columns of some files: texts are measured, all else is summed."""
    ways = {"VARCHAR": "sum(strlen({}))", "TIMESTAMP": "sum(epoch_us({}))"}
    parts = []
    with duckdb.connect() as connection:
        for files, columns in wanted.items():
            rows = connection.sql(f"DESCRIBE FROM read_parquet('{files}')").fetchall()
            kinds = {name: kind for name, kind, *_ in rows}
            sums = [ways.get(kinds[column], "sum({})").format(f'"{column}"') for column in columns]
            parts.append(f"(SELECT {', '.join(sums)} FROM read_parquet('{files}'))")
    return f"SELECT * FROM {', '.join(parts)}"


def group_by(log: Path) -> str:
    """SQL of the least that any features need: one group-by without a window."""
    return (
        "SELECT customer_id, count(*) AS n, sum(amount) AS total, max(amount) AS largest, "
        f"max(purchased_at) AS newest FROM read_parquet('{log}') GROUP BY customer_id"
    )


def sort_and_write(log: Path, out: Path) -> str:
    """SQL that orders the same rows by customer and time and writes them; nothing is checked."""
    return (
        f"COPY (FROM read_parquet('{log}') ORDER BY customer_id, purchased_at) TO '{out}' (COMPRESSION lz4)"
    )


def usual(log: Path) -> str:
    """SQL of the features as an analyst writes them: one FILTER for each window, DISTINCT, days by lag."""
    columns = ",\n    ".join([line for window in WINDOWS for line in _usual_window(window)] + _usual_trends())
    return f"""
WITH log AS (
  SELECT customer_id, purchased_at, product_id, channel, amount
  FROM read_parquet('{log}') WHERE purchased_at < {_CUTOFF}
), summed AS (
  SELECT customer_id,
    {columns},
    epoch({_CUTOFF} - min(purchased_at)) / 86400 AS purchases_days_since_first,
    epoch({_CUTOFF} - max(purchased_at)) / 86400 AS purchases_days_since_last
  FROM log GROUP BY customer_id
), visits AS (
  SELECT DISTINCT customer_id, CAST(purchased_at AS DATE) AS visited FROM log
), gaps AS (
  SELECT customer_id, lag(visited) OVER earlier AS left_at, visited - lag(visited) OVER earlier AS gap
  FROM visits WINDOW earlier AS (PARTITION BY customer_id ORDER BY visited)
), rhythm AS (
  SELECT customer_id, {_GAPS} FROM gaps GROUP BY customer_id
)
SELECT * FROM summed JOIN rhythm USING (customer_id)"""


def best(log: Path) -> str:
    """SQL of the same features with all that we know of DuckDB.

    No DISTINCT: a product is new in a window if its last purchase before the cutoff lies in it, and channels
    are bits of a mask.  Rows outside every window are skipped by the statistics of the file, those inside
    are summed up by customer and band of time before the windows are put together from the bands.
    """
    starts = [*reversed(_edges())]
    bands = " ".join(f"WHEN purchased_at >= {_since(edge)} THEN {edge}" for edge in _edges()[:-1])
    bits = " ".join(f"WHEN '{channel}' THEN {1 << place}" for place, channel in enumerate(CHANNELS))
    inside = f"purchased_at < {_CUTOFF} AND purchased_at >= {_since(starts[0])}"
    products = ", ".join(
        f"count(*) FILTER (newest >= {_since(window)}) AS products_{window}" for window in WINDOWS
    )
    return f"""
WITH bands AS (
  SELECT customer_id, CASE {bands} ELSE {starts[0]} END AS band, count(*) AS n, sum(amount) AS paid,
    max(amount) AS largest, count_if(channel = 'web') AS web, bit_or(CASE channel {bits} END) AS channels
  FROM read_parquet('{log}') WHERE {inside} GROUP BY ALL
), windowed AS (
  SELECT customer_id, {", ".join(line for window in WINDOWS for line in _banded(window))},
    {", ".join(_banded_half(window) for window in _TRENDS)}
  FROM bands GROUP BY customer_id
), products AS (
  SELECT customer_id, {products}
  FROM (SELECT customer_id, product_id, max(purchased_at) AS newest FROM read_parquet('{log}')
        WHERE {inside} GROUP BY ALL)
  GROUP BY customer_id
), visits AS (
  SELECT customer_id, purchased_at,
    lag(purchased_at) OVER (PARTITION BY customer_id ORDER BY purchased_at) AS left_at
  FROM read_parquet('{log}') WHERE purchased_at < {_CUTOFF}
), gaps AS (
  SELECT *, nullif(CAST(purchased_at AS DATE) - CAST(left_at AS DATE), 0) AS gap FROM visits
), rhythm AS (
  SELECT customer_id, {_GAPS}, min(purchased_at) AS first, max(purchased_at) AS last
  FROM gaps GROUP BY customer_id
)
SELECT customer_id, COLUMNS('gap'),
  {", ".join(line for window in WINDOWS for line in _best_window(window))},
  {", ".join(line for window in _TRENDS for line in _best_trend(window))},
  epoch({_CUTOFF} - first) / 86400 AS purchases_days_since_first,
  epoch({_CUTOFF} - last) / 86400 AS purchases_days_since_last
FROM rhythm LEFT JOIN windowed USING (customer_id) LEFT JOIN products USING (customer_id)"""


def _since(window: float) -> str:
    """SQL of the first instant of a window of so many days."""
    return f"({_CUTOFF} - INTERVAL {round(window * 24)} HOUR)"


def _edges() -> list[float]:
    """Days before the cutoff at which a window or half a window opens, the nearest first."""
    return sorted({*WINDOWS, *(window / 2 for window in _TRENDS)})


_GAPS = f"""avg(gap) FILTER (left_at >= {_since(365)}) AS purchases_gap_days_mean_365d,
    avg(gap) AS purchases_gap_days_mean_ever,
    stddev_samp(gap) FILTER (left_at >= {_since(365)}) AS purchases_gap_days_std_365d,
    stddev_samp(gap) AS purchases_gap_days_std_ever"""


def _usual_window(window: int) -> list[str]:
    """Columns of one window over the rows of the log."""
    inside = f"FILTER (purchased_at >= {_since(window)})"
    from_web = f"FILTER (channel = 'web' AND purchased_at >= {_since(window)})"
    return [
        f"count(*) {inside} AS purchases_count_{window}d",
        f"coalesce(sum(amount) {inside}, 0) AS purchases_amount_total_{window}d",
        f"avg(amount) {inside} AS purchases_amount_mean_{window}d",
        f"max(amount) {inside} AS purchases_amount_max_{window}d",
        f"count(DISTINCT product_id) {inside} AS purchases_product_id_distinct_count_{window}d",
        f"count(DISTINCT channel) {inside} AS purchases_channel_distinct_count_{window}d",
        f"count(*) {from_web} / nullif(count(*) {inside}, 0) AS purchases_channel_web_share_{window}d",
    ]


def _usual_trends() -> list[str]:
    """Columns of the trends over the rows of the log: (newer half - older half) / both."""
    lines = []
    for window in _TRENDS:
        newer, both = (f"FILTER (purchased_at >= {_since(days)})" for days in (window / 2, window))
        for what, measure in (("count", "count(*)"), ("amount", "sum(amount)")):
            whole = f"nullif(coalesce({measure} {both}, 0), 0)"
            recent = f"coalesce({measure} {newer}, 0)"
            lines.append(f"(2 * {recent} - {whole}) / {whole} AS purchases_{what}_trend_{window}d")
    return lines


def _banded(window: int) -> list[str]:
    """What one window is put together from, out of the bands it spans."""
    inside = f"FILTER (band <= {window})"
    return [
        f"sum(n) {inside} AS n_{window}",
        f"sum(paid) {inside} AS paid_{window}",
        f"max(largest) {inside} AS largest_{window}",
        f"sum(web) {inside} AS web_{window}",
        f"bit_or(channels) {inside} AS channels_{window}",
    ]


def _banded_half(window: int) -> str:
    """What the newer half of a trend is made from."""
    inside = f"FILTER (band <= {window / 2})"
    return f"sum(n) {inside} AS newer_n_{window}, sum(paid) {inside} AS newer_paid_{window}"


def _best_window(window: int) -> list[str]:
    """Columns of one window."""
    return [
        f"coalesce(n_{window}, 0) AS purchases_count_{window}d",
        f"coalesce(paid_{window}, 0) AS purchases_amount_total_{window}d",
        f"paid_{window} / n_{window} AS purchases_amount_mean_{window}d",
        f"largest_{window} AS purchases_amount_max_{window}d",
        f"coalesce(products_{window}, 0) AS purchases_product_id_distinct_count_{window}d",
        f"coalesce(bit_count(channels_{window}), 0) AS purchases_channel_distinct_count_{window}d",
        f"web_{window} / n_{window} AS purchases_channel_web_share_{window}d",
    ]


def _best_trend(window: int) -> list[str]:
    """Columns of the trends of one window."""
    return [
        f"(2 * coalesce(newer_{part}_{window}, 0) - {part}_{window}) / {part}_{window} "
        f"AS purchases_{what}_trend_{window}d"
        for what, part in (("count", "n"), ("amount", "paid"))
    ]

"""A made-up company with contracts: dear plans in the north are left sooner, and nobody buys anything."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from features.business import Business, load
from features.windows import MICROSECONDS_PER_DAY, parse_instant

OPENED, OBSERVED_UNTIL = parse_instant("2022-01-01"), parse_instant("2024-01-01")

TOML = """
[business]
name = "club"
currency = "EUR"
timezone = "UTC"
observed_until = "2024-01-01"

[tables.customers]
source = "customers.parquet"
columns = { customer_id = "customer_id", region = "region", joined_at = "joined_at" }
attributes = { devices = "number" }

[tables.subscriptions]
source = "subscriptions.parquet"

[tables.subscriptions.columns]
customer_id = "customer_id"
started_at = "started_at"
ended_at = "ended_at"
plan = "plan"
price = "price"
billing_period = "billing_period"

[churn]
kind = "exit"
horizon = "90d"

[value]
horizons = ["90d", "365d"]
margin = 0.5
discount_rate = 0.1
"""


def club(
    folder: Path, n: int = 600, seed: int = 1, ends_from: int = OPENED, *, priced: bool = True
) -> Business:
    """Write customers, their contracts and business.toml.

    They join on random days of two years and leave at a rate of their own: exp(-1.5) a year, more by exp(1.5)
    with the dear plan and by exp(1) in the north.  Who left before ``ends_from`` is not on record;
    without ``priced`` no price is mapped.
    """
    rng = np.random.default_rng(seed)
    north, dear = rng.random(n) < 0.5, rng.random(n) < 0.5
    joined = OPENED + (rng.uniform(0, 650, n) * MICROSECONDS_PER_DAY).astype(np.int64)
    yearly = np.exp(-1.5 + 1.5 * dear + 1.0 * north)
    left = joined + (rng.exponential(365 / yearly) * MICROSECONDS_PER_DAY).astype(np.int64)
    kept = left >= ends_from
    north, dear, joined, left = (column[kept] for column in (north, dear, joined, left))
    n = len(left)
    ids = [f"m{place:05d}" for place in range(n)]
    instants = pa.timestamp("us", "UTC")
    pq.write_table(
        pa.table(
            {
                "customer_id": ids,
                "region": np.where(north, "north", "south"),
                "joined_at": pa.array(joined, instants),
                "devices": rng.integers(1, 5, n),
            }
        ),
        folder / "customers.parquet",
    )
    pq.write_table(
        pa.table(
            {
                "customer_id": ids,
                "started_at": pa.array(joined, instants),
                "ended_at": pa.array(left, instants, mask=left >= OBSERVED_UNTIL),
                "plan": np.where(dear, "gold", "basic"),
                "price": np.where(dear, 30.0, 10.0),
                "billing_period": ["month"] * n,
            }
        ),
        folder / "subscriptions.parquet",
    )
    text = TOML if priced else TOML.replace('price = "price"\n', "")
    (folder / "business.toml").write_text(text, encoding="utf-8")
    return load(folder / "business.toml")

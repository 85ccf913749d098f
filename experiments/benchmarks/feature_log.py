"""The purchase log that every implementation reads.

The log is raw as a shop's: one row for each line bought, in order of time, ids and times as they come.
One time in twenty is a midnight, so some lie exactly on the edges of the windows.
"""

import argparse
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from features.windows import MICROSECONDS_PER_DAY

PURCHASES_OF_A_CUSTOMER = 20
"""On average; everybody has one at least."""

OBSERVED_UNTIL = date(2025, 7, 1)
"""The cutoff: the midnight (UTC) after the newest purchase."""

CUTOFF = (OBSERVED_UNTIL - date(1970, 1, 1)).days * MICROSECONDS_PER_DAY
"""The same as an instant."""

WINDOWS = (30, 90, 180, 365)
"""Days that the features look back."""

CHANNELS = ("app", "market", "phone", "shop", "web")

COLUMNS = ("customer_id", "purchased_at", "product_id", "channel", "amount")
"""What of the log the features need."""

_BUSINESS = f"""[business]
name           = "benchmark"
currency       = "USD"
timezone       = "UTC"
observed_until = "{OBSERVED_UNTIL}"

[tables.purchases]
source = "log.parquet"

[tables.purchases.columns]
event_id     = "purchase_id"
customer_id  = "customer_id"
purchased_at = "purchased_at"
product_id   = "product_id"
channel      = "channel"
amount       = "amount"
"""

_HISTORY = 730 * MICROSECONDS_PER_DAY
_SECOND = 1_000_000
_N_PRODUCTS = 2_000
_ROWS_OF_A_GROUP = 1 << 20
_SEED = 3


def tiny_of(folder: Path) -> Path:
    """Return the folder of the log on which everybody warms up; all logs lie beside each other."""
    return folder.parent / "tiny"


def write_log(folder: Path, customers: int) -> Path:
    """Write ``log.parquet`` and ``business.toml``, unless they are there; the same number gives the same log.

    Parameters
    ----------
    folder : Path
        Made if need be.
    customers : int
        How many, each with 20 purchases on average over two years.

    Returns
    -------
    Path
        The log: purchase_id, customer_id (int64), purchased_at (microseconds UTC), product_id (int32),
        channel (text), amount (float64, two decimals).
    """
    log = folder / "log.parquet"
    if log.exists():
        return log
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "business.toml").write_text(_BUSINESS, encoding="utf-8")
    partial = log.with_suffix(".partial")
    pq.write_table(draw_log(customers), partial, compression="snappy", row_group_size=_ROWS_OF_A_GROUP)
    partial.rename(log)
    return log


def draw_log(customers: int) -> pa.Table:
    """Draw the purchases of some customers, in order of time."""
    rng = np.random.default_rng([_SEED, customers])
    rows = PURCHASES_OF_A_CUSTOMER * customers
    customer, at = _visits(rng, customers, rows)
    # The square makes some products far more common than others.
    product = (rng.random(rows, np.float32) ** 2 * _N_PRODUCTS).astype(np.int32)
    price = np.exp(rng.normal(3.0, 0.8, _N_PRODUCTS)) + 0.5
    amount = np.round(price[product] * rng.uniform(0.8, 1.2, rows), 2)
    habit = rng.integers(0, len(CHANNELS), customers, np.int8)
    elsewhere = rng.random(rows, np.float32) < 0.3  # noqa: PLR2004  (three purchases in ten)
    channel = np.where(elsewhere, rng.integers(0, len(CHANNELS), rows, np.int8), habit[customer])
    return pa.table(
        {
            "purchase_id": np.arange(rows, dtype=np.int64),
            "customer_id": customer,
            "purchased_at": pa.array(at, pa.timestamp("us")),
            "product_id": product,
            "channel": pa.DictionaryArray.from_arrays(channel, list(CHANNELS)).cast(pa.string()),
            "amount": amount,
        }
    )


def _visits(
    rng: np.random.Generator, customers: int, rows: int
) -> tuple["np.typing.NDArray[np.int64]", "np.typing.NDArray[np.int64]"]:
    """Who buys when, in order of time: everybody between a first and a last day of their own."""
    weight = rng.gamma(0.8, size=customers)
    bought = 1 + rng.multinomial(rows - customers, weight / weight.sum())
    customer = np.repeat(rng.permutation(customers), bought)
    first = rng.random(customers) * 0.9
    stays = (1 - first) * np.minimum(1, rng.exponential(0.8, customers) + 0.02)
    at = ((first[customer] + stays[customer] * rng.random(rows)) * _HISTORY).astype(np.int64)
    at = CUTOFF - _HISTORY + at // _SECOND * _SECOND
    midnight = rng.random(rows, np.float32) < 0.05  # noqa: PLR2004  (one in twenty)
    at[midnight] -= at[midnight] % MICROSECONDS_PER_DAY
    order = np.argsort(at, kind="stable")
    return customer[order].astype(np.int64), at[order]


def main() -> None:
    """Write a log: ``python -m experiments.benchmarks.feature_log FOLDER CUSTOMERS``."""
    parser = argparse.ArgumentParser(description="Write the purchase log of the benchmark.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("customers", type=int)
    arguments = parser.parse_args()
    print(write_log(arguments.folder, arguments.customers))


if __name__ == "__main__":
    main()

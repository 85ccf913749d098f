"""A small shop on disk: its files, its business.toml, and what a build made of them."""

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from features.build import BuildReport, build
from features.business import Business, load
from features.store import Store

COLUMNS = {"customer_id": "id", "purchased_at": "date", "amount": "amount"}
HEADER = "id,date,amount\n"
GOOD = "".join(f"good{n},2024-03-{n + 1:02d},{n}.50\n" for n in range(10))
"""Ten rows without fault, so that a bad one beside them is no reason to refuse the table."""


def toml_of(tables: dict[str, Any], *, rest: str = "", **business: object) -> str:
    """Write business.toml; a table may have a list of sources; ``timezone=None`` leaves the timezone out."""
    business = {"name": "shop", "currency": "USD", "timezone": "UTC"} | business
    lines = ["[business]", *(f"{key} = {value!r}" for key, value in business.items() if value is not None)]
    for name, given in tables.items():
        heading = f"[[tables.{name}]]" if isinstance(given, list) else f"[tables.{name}]"
        for keys in given if isinstance(given, list) else [given]:
            lines += [heading, *(f"{key} = {_inline(value)}" for key, value in keys.items())]
    return "\n".join([*lines, rest]) + "\n"


def shop(folder: Path, source: str = "purchases.csv", *, rest: str = "", tables=None, **keys) -> Business:
    """Declare one table of purchases (and others); keys of [business] are given by name."""
    table_keys = {
        key: keys.pop(key)
        for key in ("columns", "formats", "attributes", "table", "query", "rows")
        if key in keys
    }
    purchases = {"source": source, "columns": COLUMNS} | table_keys
    path = folder / "business.toml"
    path.write_text(toml_of({"purchases": purchases} | (tables or {}), rest=rest, **keys), encoding="utf-8")
    return load(path)


def csv_shop(folder: Path, rows: str, header: str = HEADER, **keys) -> Business:
    """Declare purchases that lie in one CSV file."""
    (folder / "purchases.csv").write_bytes((header + rows).encode())
    return shop(folder, **keys)


def built(business: Business, **how) -> tuple[BuildReport, Store]:
    """Build and open the store."""
    report = build(business, **how)
    return report, Store.open(business.workspace)


def rows_of(store: Store, table: str) -> list[dict[str, object]]:
    """All stored rows of a table with the ids and words in place of positions and codes."""
    columns = store.manifest.tables[table].columns
    rows = []
    for index in range(store.n_buckets):
        bucket = store.read(index, {table: list(columns)})
        events = bucket.tables[table]
        for customer, customer_id in enumerate(bucket.customer_ids):
            for row in range(events.offsets[customer], events.offsets[customer + 1]):
                values = {name: events.columns[name][row] for name in columns}
                for name, levels in events.levels.items():
                    values[name] = None if values[name] < 0 else levels[values[name]]
                rows.append(
                    {
                        "customer_id": customer_id,
                        "at": int(events.at[row]),
                        "known_at": int(events.known_at[row]),
                    }
                    | values
                )
    return rows


def rejected_of(store: Store, table: str) -> list[dict[str, object]]:
    """All refused rows of a table."""
    return pq.read_table(store.folder / "rejected" / f"{table}.parquet").to_pylist()


def _inline(value: object) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key!r} = {_inline(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(_inline(item) for item in value) + "]"
    return repr(value)

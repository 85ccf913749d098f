"""CDNOW: a shop of music CDs, as one table of orders."""

import re
from datetime import date
from decimal import Decimal
from pathlib import Path

import pyarrow as pa

from experiments.datasets.files import MONEY, Published
from experiments.datasets.tables import Loaded, Target
from features.errors import DataError

ORDERS = Published(
    names=("CDNOW_master.txt", "transactions.parquet"),
    source='It is published as "CDNOW dataset" on Bruce Hardie\'s site, brucehardie.com: CDNOW_master.txt.',
    columns={"customer_id": pa.string(), "date": pa.date32(), "quantity": pa.int64(), "amount": MONEY},
)
"""One row is one order."""

ORDERS_ROWS = 69_659
"""Orders as published."""

_LINE = re.compile(r"\s*(\d+)\s+(\d{8})\s+(\d{1,6})\s+(\d{1,9}\.\d{2})\s*", re.ASCII)


def load_cdnow(source: Path, target: Path) -> Loaded:
    """Load CDNOW: 69,659 orders of 23,570 customers, $2,500,315.63, from 1997-01-01 to 1998-06-30.

    A user gets it from Bruce Hardie's site, brucehardie.com, as "CDNOW dataset"; it holds
    ``CDNOW_master.txt`` with customer id, date as 19970101, number of CDs and dollars, separated by blanks.
    A ``transactions.parquet`` with customer_id, date, quantity and amount is taken as well.
    """
    file = ORDERS.find(source)
    table = ORDERS.read(file) if file.suffix == ".parquet" else _read_text(file)
    table = table.sort_by([(name, "ascending") for name in table.column_names])
    return Target(target, "cdnow", [file]).write({"purchases": table}, len(table), ORDERS_ROWS)


def _read_text(file: Path) -> pa.Table:
    """Read the text as published, with or without its line of names."""
    lines = file.read_text(encoding="ascii", errors="replace").splitlines()
    named = bool(lines) and lines[0].split()[:2] == ["customer_id", "date"]
    rows = [_row(file, at, line) for at, line in enumerate(lines, 1) if line.strip() and at > named]
    if not rows:
        raise DataError(f"{file.name} is empty. {ORDERS.source}")
    columns = [list(column) for column in zip(*rows, strict=True)]
    return pa.table(columns, schema=pa.schema(ORDERS.columns.items()))


def _row(file: Path, at: int, line: str) -> tuple[str, date, int, Decimal]:
    """Read one line."""
    match = _LINE.fullmatch(line)
    day = _day(match.group(2)) if match else None
    if match is None or day is None:
        raise DataError(
            f"Line {at} of {file.name} is not as in CDNOW_master.txt: customer id, date as 19970101, "
            f"number of CDs and dollars with two decimals, separated by blanks. {ORDERS.source}"
        )
    return match.group(1), day, int(match.group(3)), Decimal(match.group(4))


def _day(text: str) -> date | None:
    """Return the day written as 19970101; None where there is no such day."""
    try:
        return date(int(text[:4]), int(text[4:6]), int(text[6:]))
    except ValueError:
        return None

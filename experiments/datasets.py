"""Public data sets as a business: tables and a ``business.toml`` that the command line takes.

Holdfast ships none of them; the user brings the files.
A further set is one function from the files to `Loaded`, and its line in `DATASETS`.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from experiments.folders import appearing, refuse_foreign, write_business
from features.errors import DataError, UserError, did_you_mean

CDNOW_ROWS = 69_659
"""Rows of CDNOW as published."""

_CDNOW_SOURCE = (
    'It is published as "CDNOW dataset" on Bruce Hardie\'s site, brucehardie.com: CDNOW_master.txt.'
)
_CDNOW_LINE = re.compile(r"\s*(\d+)\s+(\d{8})\s+(\d{1,6})\s+(\d{1,9}\.\d{2})\s*", re.ASCII)
_CENT_ERROR = 1e-6
"""How far from whole cents a float amount may be; CDNOW's are within 1e-11."""
_CDNOW_SCHEMA = pa.schema(
    [
        ("customer_id", pa.string()),
        ("date", pa.date32()),
        ("quantity", pa.int64()),
        ("amount", pa.decimal128(12, 2)),
    ]
)
_CDNOW_BUSINESS = """dataset cdnow: a shop of music CDs, everybody whose first purchase was in early 1997.

[business]
name           = "cdnow"
currency       = "USD"
timezone       = "UTC"          # the file has dates without a zone; a day begins at this zone's midnight
# The file ends with 1998-06-30. Read as complete for one day more, it holds 26 whole weeks after 1998-01-01;
# whoever would have bought on that one day only counts as silent.
observed_until = "1998-07-02"

# One row is one order. Two orders of a customer on one day are two real orders.
[tables.purchases]
source = "transactions.parquet" # relative to this file

[tables.purchases.columns]      # our name = the name in the source
customer_id  = "customer_id"
purchased_at = "date"
amount       = "amount"         # dollars; some CDs were free
quantity     = "quantity"       # CDs

[churn]
kind     = "silence"            # a customer is lost who buys nothing ...
horizon  = "182d"               # ... for half a year ...
gap      = "0d"                 # ... counted from the cutoff on
eligible = "365d"               # asked about: whoever bought within a year before the cutoff

[value]
horizons      = ["182d"]        # how far ahead a customer is valued
margin        = 1.0             # no cost in the file: value is revenue, so that it compares with dollars
discount_rate = 0.0             # no discount either, for the same reason

[workspace]
path = ".holdfast"              # where Holdfast keeps what it computes; may be deleted
"""


@dataclass(frozen=True)
class Loaded:
    """What was written for a public data set.

    Attributes
    ----------
    business : Path
        The ``business.toml``.
    rows, customers : int
        Rows of the main table, and customers in it.
    published_rows : int
        Rows of the set as published; a file with fewer is a part of it.
    """

    business: Path
    rows: int
    customers: int
    published_rows: int


def load(name: str, source: Path, target: Path) -> Loaded:
    """Turn the files of a public data set into tables and a ``business.toml``.

    Parameters
    ----------
    name : str
        One of `DATASETS`.
    source : Path
        The folder with the published files, or the file itself.
    target : Path
        The folder to write to, made if need be; files of an earlier call are replaced.

    Raises
    ------
    UserError
        The name is not known, or the folder holds a ``business.toml`` that we did not write.
    DataError
        The files are not there, or not of the published shape.
    """
    if name not in DATASETS:
        raise UserError(f"{name!r} is not a data set that Holdfast can load. {did_you_mean(name, DATASETS)}")
    refuse_foreign(target)
    return DATASETS[name](source, target)


def load_cdnow(source: Path, target: Path) -> Loaded:
    """Load CDNOW: 69,659 orders of 23,570 customers, $2,500,315.63, from 1997-01-01 to 1998-06-30.

    A user gets it from Bruce Hardie's site, brucehardie.com, as "CDNOW dataset"; it holds
    ``CDNOW_master.txt`` with customer id, date as 19970101, number of CDs and dollars, separated by blanks.
    A ``transactions.parquet`` with customer_id, date, quantity and amount is taken as well.
    """
    file = _cdnow_file(source)
    written = target / "transactions.parquet"
    if written.exists() and written.samefile(file):
        raise UserError("The data set would be written over its own source. Name another folder to write to.")
    table = _cdnow_parquet(file) if file.suffix == ".parquet" else _cdnow_text(file)
    table = table.sort_by([(name, "ascending") for name in table.column_names])
    with appearing(written) as partial:
        pq.write_table(table, partial, compression="zstd")
    customers = pc.count_distinct(table["customer_id"]).as_py()
    return Loaded(write_business(target, _CDNOW_BUSINESS), len(table), customers, CDNOW_ROWS)


DATASETS: dict[str, Callable[[Path, Path], Loaded]] = {"cdnow": load_cdnow}
"""The public data sets that can be loaded, by name."""


def _cdnow_file(source: Path) -> Path:
    """Find the file; the published text comes first."""
    files = [source] if source.is_file() else [source / "CDNOW_master.txt", source / "transactions.parquet"]
    for file in files:
        if file.is_file():
            return file
    raise DataError(
        f"There is no CDNOW_master.txt and no transactions.parquet in {source}. {_CDNOW_SOURCE} "
        "Name the folder that holds it, or the file."
    )


def _cdnow_text(file: Path) -> pa.Table:
    """Read the text as published, with or without its line of names."""
    lines = file.read_text(encoding="ascii", errors="replace").splitlines()
    named = bool(lines) and lines[0].split()[:2] == ["customer_id", "date"]
    rows = [_cdnow_row(file, at, line) for at, line in enumerate(lines, 1) if line.strip() and at > named]
    if not rows:
        raise DataError(f"{file.name} is empty. {_CDNOW_SOURCE}")
    columns = [list(column) for column in zip(*rows, strict=True)]
    return pa.table(columns, schema=_CDNOW_SCHEMA)


def _cdnow_row(file: Path, at: int, line: str) -> tuple[str, date, int, Decimal]:
    """Read one line."""
    match = _CDNOW_LINE.fullmatch(line)
    day = _day(match.group(2)) if match else None
    if match is None or day is None:
        raise DataError(
            f"Line {at} of {file.name} is not as in CDNOW_master.txt: customer id, date as 19970101, "
            f"number of CDs and dollars with two decimals, separated by blanks. {_CDNOW_SOURCE}"
        )
    return match.group(1), day, int(match.group(3)), Decimal(match.group(4))


def _day(text: str) -> date | None:
    """Return the day written as 19970101; None where there is no such day."""
    try:
        return date(int(text[:4]), int(text[4:6]), int(text[6:]))
    except ValueError:
        return None


def _cdnow_parquet(file: Path) -> pa.Table:
    """Read the same as Parquet; ids must be text, or their leading zeros are lost already."""
    try:
        table = pq.read_table(file)
    except pa.ArrowInvalid:
        raise DataError(f"{file.name} is not a Parquet file. {_CDNOW_SOURCE}") from None
    for name in _CDNOW_SCHEMA.names:
        if name not in table.column_names:
            raise DataError(f"{file.name} has no column {name}. {did_you_mean(name, table.column_names)}")
        if table[name].null_count:
            raise DataError(f"Column {name} of {file.name} has empty cells; CDNOW has none. {_CDNOW_SOURCE}")
    kind = table.schema.field("customer_id").type
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        raise DataError(
            f"Column customer_id of {file.name} is {kind}, but must be text: "
            "ids such as 00001 keep their zeros."
        )
    exact = _exact(table)
    if exact is None:
        raise DataError(
            f"{file.name} does not hold a date, a whole quantity and dollars with two decimals in every row. "
            f"{_CDNOW_SOURCE}"
        )
    return exact


def _exact(table: pa.Table) -> pa.Table | None:
    """Return the table with exact types; None where that would alter a value."""
    try:
        cents = pc.multiply(table["amount"].cast(pa.float64()), 100.0)
        exact = table.select(_CDNOW_SCHEMA.names).cast(_CDNOW_SCHEMA)
    except pa.ArrowException:
        return None
    off = pc.abs(pc.subtract(cents, pc.round(cents)))
    return exact if pc.all(pc.less(off, _CENT_ERROR)).as_py() else None

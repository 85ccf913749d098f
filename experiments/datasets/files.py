"""Files of a public data set: found in the folder that the user names, and read as they were published."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pc_csv
import pyarrow.parquet as pq

from features.errors import DataError, did_you_mean

MONEY = pa.decimal128(12, 2)
"""Amounts with two decimals."""

_CENT_ERROR = 1e-6
"""How far from whole cents a float amount may be; those of the public sets are within 1e-10."""
_EMPTY = ["", "NA"]
"""How CSV files write that there is no value; R writes NA."""
_DAY_FIRST = re.compile(r"\d{2}-\d{2}-\d{4}( \d{2}:\d{2})?", re.ASCII)


@dataclass(frozen=True)
class Published:
    """A file as its publisher ships it.

    Attributes
    ----------
    names : tuple of str
        What it may be called, the first found is taken.
    source : str
        Where to get it, in one or two sentences.
    columns : mapping of str to pa.DataType
        The columns that are read; others may be there.
    optional : frozenset of str
        Those of them that may have empty cells.
    key : str or None
        A column that has every value once.
    """

    names: tuple[str, ...]
    source: str
    columns: Mapping[str, pa.DataType]
    optional: frozenset[str] = frozenset()
    key: str | None = None

    def find(self, source: Path) -> Path:
        """Find the file in a folder; a source that is a file itself is taken as it is.

        Raises
        ------
        DataError
            It is not there; the message says where to get it.
        """
        files = [source] if source.is_file() else [source / name for name in self.names]
        for file in files:
            if file.is_file():
                return file
        raise DataError(
            f"There is no {' and no '.join(self.names)} in {source}. {self.source} "
            "Name the folder that holds it, or the file."
        )

    def read(self, file: Path) -> pa.Table:
        """Read the columns with the types that they have by contract.

        Raises
        ------
        DataError
            The file is of another shape: says which column, and what was expected.
        """
        raw = self._open(file)
        for name in self.columns:
            if name not in raw.column_names:
                raise DataError(
                    f"{file.name} has no column {name}. {did_you_mean(name, raw.column_names)} {self.source}"
                )
        if not len(raw):
            raise DataError(f"{file.name} is empty. {self.source}")
        table = pa.table({name: self._typed(raw[name], name, file) for name in self.columns})
        if self.key is not None and pc.count_distinct(table[self.key]).as_py() < len(table):
            raise DataError(
                f"Column {self.key} of {file.name} has a value more than once, but names one row each. "
                f"{self.source}"
            )
        return table

    def _open(self, file: Path) -> pa.Table:
        """Read the raw columns: those of Parquet have types, those of CSV are text."""
        is_csv = file.suffix == ".csv"
        try:
            return _read_csv(file) if is_csv else pq.read_table(file)
        except pa.ArrowInvalid:
            kind = "CSV" if is_csv else "Parquet"
            raise DataError(f"{file.name} is not a {kind} file. {self.source}") from None

    def _typed(self, column: pa.ChunkedArray, name: str, file: Path) -> pa.ChunkedArray:
        """Return a column with its type, unaltered in every value."""
        kind = self.columns[name]
        given = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
        if pa.types.is_string(kind) and not _is_text(given):
            raise DataError(
                f"Column {name} of {file.name} is {given}, but must be text: "
                "ids such as 00001 keep their zeros."
            )
        if column.null_count and name not in self.optional:
            raise DataError(
                f"Column {name} of {file.name} has empty cells; the published one has none. {self.source}"
            )
        typed = _exact(column, kind)
        if typed is None:
            raise DataError(
                f"Column {name} of {file.name} does not hold {_WHAT[kind]} in every row. {self.source}"
            )
        return typed


_WHAT = {
    pa.string(): "text",
    pa.bool_(): "true or false",
    pa.int64(): "a whole number",
    pa.float64(): "a number",
    pa.date32(): "a date",
    pa.timestamp("us"): "a time",
    pa.timestamp("us", "UTC"): "a time in UTC",
    MONEY: "money with two decimals",
}


def folder_of(source: Path) -> Path:
    """Return the folder of a set of several files, of which one may have been named."""
    return source.parent if source.is_file() else source


def _read_csv(file: Path) -> pa.Table:
    """Read every field as text."""
    with pc_csv.open_csv(file) as opened:
        names = opened.schema.names
    convert = pc_csv.ConvertOptions(
        column_types=dict.fromkeys(names, pa.string()), null_values=_EMPTY, strings_can_be_null=True
    )
    return pc_csv.read_csv(file, convert_options=convert)


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _exact(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray | None:
    """Return the column as that type; None where this would alter a value."""
    try:
        if pa.types.is_temporal(kind) and _is_text(column.type):
            column = _moments(column)
        typed = column.cast(kind)
        # These two casts round silently; the others refuse to.
        is_same = _whole_cents(column) if kind == MONEY else _same_days(column, typed)
    except pa.ArrowException:
        return None
    return typed if is_same else None


def _same_days(column: pa.ChunkedArray, typed: pa.ChunkedArray) -> bool:
    """Whether no time of day was cut off."""
    if not (pa.types.is_timestamp(column.type) and pa.types.is_date(typed.type)):
        return True
    return pc.any(pc.not_equal(typed.cast(column.type), column)).as_py() is not True


def _whole_cents(column: pa.ChunkedArray) -> bool:
    """Whether every amount has two decimals, but for what a float cannot hold."""
    if not pa.types.is_floating(column.type):
        return True
    cents = pc.multiply(column.cast(pa.float64()), 100.0)
    off = pc.abs(pc.subtract(cents, pc.round(cents)))
    return pc.all(pc.less(off, _CENT_ERROR)).as_py() is not False


def _moments(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Read dates and times that begin with the day; others are left to be read as ISO 8601."""
    first = column.drop_null().slice(0, 1).to_pylist()
    match = _DAY_FIRST.fullmatch(first[0]) if first else None
    if match is None:
        return column
    form = "%d-%m-%Y %H:%M" if match.group(1) else "%d-%m-%Y"
    return pc.strptime(column, format=form, unit="us")

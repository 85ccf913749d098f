"""The header of a CSV file, and the one damage that DuckDB lets pass."""

import csv
import gzip
import re
import zlib
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path
from typing import IO

from features.errors import DataError
from features.naming import refuse_repeated

DELIMITERS = ",;\t|"
"""What may stand between two fields; the one that splits the header into most fields is taken."""

# Names are listed in messages; values, which a file without a header has in their place, must not be.
_VALUE = re.compile(r"[-+$]?\d[\d.,:/+\-TZ ]*")

CUT_OFF = (EOFError, zlib.error, gzip.BadGzipFile)
"""What a damaged compressed file raises."""


@dataclass(frozen=True)
class Header:
    """The columns of a CSV file and what stands between them."""

    columns: tuple[str, ...]
    delimiter: str


def header_of(table: str, file: Path) -> Header:
    """Read the first row of a CSV file.

    Raises
    ------
    DataError
        The file is empty, is not UTF-8, or names a column twice.
    """
    try:
        with TextIOWrapper(_open(file), encoding="utf-8-sig", errors="surrogateescape", newline="") as stream:
            line = stream.readline()
            delimiter = max(DELIMITERS, key=_outside_quotes(line).count)
            stream.seek(0)
            columns = next(csv.reader(stream, delimiter=delimiter, strict=True), [])
            "".join(columns).encode()
    except UnicodeEncodeError:
        raise DataError(f"{table}: {file.name} is not UTF-8 text. Convert it to UTF-8.") from None
    except csv.Error:
        raise DataError(f"{table}: the header of {file.name} has a stray quote. Correct the file.") from None
    except CUT_OFF:
        raise DataError(f"{table}: {file.name} is cut off or damaged. Write it again.") from None
    if not any(column.strip() for column in columns):
        raise DataError(f"{table}: {file.name} is empty; expected a header and rows.")
    named = [column or f"column {place}" for place, column in enumerate(columns, 1)]
    if any(_VALUE.fullmatch(column) for column in named):
        raise DataError(
            f"{table}: the first row of {file.name} holds numbers or times; expected the names of the "
            "columns. Add a header."
        )
    refuse_repeated(table, file.name, named)
    return Header(tuple(named), delimiter)


def trailing_fields(table: str, file: Path, header: Header) -> None:
    """Refuse rows that end in one empty field too many.

    DuckDB drops a last empty field that has no column.  Rows that end in the delimiter are rare, so the file
    is only parsed here if there is one.

    Raises
    ------
    DataError
        Names the first such line.
    """
    try:
        line, fields = _first_longer(file, header) if _ends_in_delimiter(file, header.delimiter) else (0, 0)
    except CUT_OFF:
        raise DataError(f"{table}: {file.name} is cut off or damaged. Write it again.") from None
    if line:
        raise DataError(
            f"{table}: line {line} of the file {file.name} has {fields} fields, "
            f"expected {len(header.columns)}. Correct the file."
        )


def _first_longer(file: Path, header: Header) -> tuple[int, int]:
    """Line and fields of the first row with more fields than columns, zeros if there is none."""
    with TextIOWrapper(_open(file), encoding="utf-8-sig", errors="replace", newline="") as stream:
        reader = csv.reader(stream, delimiter=header.delimiter)
        for row in reader:
            if len(row) > len(header.columns):
                return reader.line_num, len(row)
    return 0, 0


def _open(file: Path) -> IO[bytes]:
    """Open a file that may be compressed."""
    return gzip.open(file, "rb") if file.suffix == ".gz" else file.open("rb")  # type: ignore[return-value]


def _outside_quotes(line: str) -> str:
    """Return the parts of a line that are not in quotes."""
    return "".join(line.split('"')[::2])


def _ends_in_delimiter(file: Path, delimiter: str) -> bool:
    """Whether any line ends in the delimiter."""
    mark = delimiter.encode()
    endings = (mark + b"\n", mark + b"\r")
    before = b""
    with _open(file) as stream:
        while block := stream.read(1 << 24):
            window = before + block
            if any(ending in window for ending in endings):
                return True
            before = block[-1:]
    return before == mark

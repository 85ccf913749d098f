"""Sources: files, globs, folders and databases as rows of raw columns under our names.

Nothing is interpreted here: CSV and JSON lines are read as text, Parquet keeps its types, a database is read
once into a Parquet file of the staging folder.  What a column means is decided in `features.readings`.
"""

import glob
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from features.business import Business, Source
from features.delimited import Header, header_of, trailing_fields
from features.errors import DataError
from features.naming import name, refuse_repeated, require, text, texts

KINDS_OF_FILES = {
    ".parquet": "parquet",
    ".pq": "parquet",
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".json": "json",
    ".jsonl": "json",
    ".ndjson": "json",
}
"""How a file is read, by the end of its name (before .gz)."""

# A row is at least this many bytes: the id, a date, an amount and the marks between them.
_SHORTEST_ROW = {"csv": 16, "json": 40}
_LINE = re.compile(r"(?:Line:?|line) (\d+)")


@dataclass(frozen=True)
class Raw:
    """The raw rows of one source.

    Attributes
    ----------
    relation : str
        SQL of the rows, one column for each mapped column under our name.
    types : mapping of str to str
        DuckDB's type of each of them.
    origin : mapping of str to str
        What each is called in the source.
    is_text : bool
        Whether the file says nothing about types.
    rows_at_most : int
        An upper bound of how many rows there are.
    """

    relation: str
    types: Mapping[str, str]
    origin: Mapping[str, str]
    is_text: bool
    rows_at_most: int


@dataclass(frozen=True)
class Place:
    """Where a table comes from: its files, all of one kind, or a database."""

    table: str
    source: Source
    files: tuple[Path, ...]
    kind: str


def find(business: Business, name: str) -> Place:
    """Find the files of a table.

    Raises
    ------
    DataError
        There are none, or they are of different or unknown kinds.
    """
    source = business.tables[name]
    if source.is_database:
        return Place(name, source, (), "database")
    path = business.folder / source.source
    if path.is_dir():
        files = [file for file in sorted(path.rglob("*")) if file.is_file() and _is_visible(file, path)]
    elif path.is_file():
        files = [path]
    else:
        files = [Path(text) for text in sorted(glob.glob(str(path), recursive=True))]  # noqa: PTH207  (absolute)
        files = [file for file in files if file.is_file()]
    if not files:
        raise DataError(f"{name}: there is no file at {source.source!r}. Correct source in [tables.{name}].")
    kinds = {_kind(name, file) for file in files}
    if len(kinds) > 1:
        raise DataError(f"{name}: {source.source!r} mixes {' and '.join(sorted(kinds))} files. Use a glob.")
    return Place(name, source, tuple(files), kinds.pop())


def connect(staging: Path, places: Collection[Place], memory: str, threads: int) -> duckdb.DuckDBPyConnection:
    """Open a DuckDB that may read these files and write below the staging folder, and nothing else."""
    connection = duckdb.connect(
        config={
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "memory_limit": memory,
            "threads": str(threads),
            "temp_directory": str(staging / "spill"),
            "preserve_insertion_order": "true",
        }
    )
    files = [str(file) for place in places for file in place.files]
    connection.execute(f"SET allowed_paths = {texts(files)}")
    connection.execute(f"SET allowed_directories = {texts([str(staging)])}")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET enable_progress_bar = false")  # it would be drawn over --json
    connection.execute("SET lock_configuration = true")
    return connection


def read(connection: duckdb.DuckDBPyConnection, place: Place, staging: Path) -> Raw:
    """Look at a source and say how its rows are read.

    Raises
    ------
    DataError
        It is empty, damaged, or lacks a mapped column.
    """
    if place.kind == "database":
        from features.postgres import fetch

        file = staging / f"{place.table}.parquet"
        fetch(place.table, place.source, file)
        place = Place(place.table, place.source, (file,), "parquet")
    with reading(place.table):
        if place.kind == "csv":
            return _read_csv(place)
        if place.kind == "json":
            return _read_json(connection, place)
        return _read_parquet(connection, place)


@contextmanager
def reading(table: str) -> Iterator[None]:
    """Turn DuckDB's complaints about a damaged file into a DataError that shows none of its content."""
    try:
        yield
    except (duckdb.InvalidInputException, duckdb.IOException, duckdb.ConversionException) as error:
        if "No space left" in str(error) or "Permission denied" in str(error):
            raise OSError(None, str(error).rsplit(": ", 1)[-1]) from None
        raise DataError(f"{table}: {_damage(str(error))}") from None
    except duckdb.BinderException as error:
        if "non-record JSON" not in str(error):
            raise
        raise DataError(f"{table}: a line of the file is not a JSON object. Correct the file.") from None


def _is_visible(file: Path, folder: Path) -> bool:
    """Whether a file of a folder is data rather than a mark left by some tool."""
    return not any(part.startswith((".", "_")) for part in file.relative_to(folder).parts)


def _kind(table: str, file: Path) -> str:
    """How a file is read."""
    suffix = file.with_suffix("").suffix if file.suffix == ".gz" else file.suffix
    kind = KINDS_OF_FILES.get(suffix.lower())
    if kind is None or (kind == "parquet" and file.suffix == ".gz"):
        known = ", ".join(KINDS_OF_FILES)
        raise DataError(f"{table}: {file.name} is of no known kind. Files end in {known} (text also in .gz).")
    return kind


def _damage(message: str) -> str:
    """What DuckDB found, without the line it found it in."""
    found = _LINE.search(message)
    where = f"line {found.group(1)} of the file" if found else "the file"
    if "unterminated quote" in message:
        return f"{where} has a quote that is never closed, or text after a closing quote. Correct the file."
    counts = re.search(r"Expected Number of Columns: (\d+) Found: (\d+)", message)
    if counts:
        return f"{where} has {counts.group(2)} fields, expected {counts.group(1)}. Correct the file."
    if "nicode" in message or "utf-8" in message.lower():
        return f"{where} is not UTF-8 text. Convert the file to UTF-8."
    if "Maximum line size" in message:
        return f"{where} is longer than 2 MB. Is a quote never closed?"
    if "JSON" in message:
        return f"{where} is not a JSON object on one line. Correct or complete the file."
    return f"{where} is damaged or cut off (or mixes line ends). Write it again."


def _read_parquet(connection: duckdb.DuckDBPyConnection, place: Place) -> Raw:
    """Parquet files: typed, all of the same types."""
    mapping = place.source.mapping
    rows = 0
    seen: dict[str, pa.DataType] = {}
    for file in place.files:
        try:
            with pq.ParquetFile(file) as parquet:
                schema, found = parquet.schema_arrow, parquet.metadata.num_rows
        except (pa.ArrowInvalid, OSError):
            raise DataError(
                f"{place.table}: {file.name} is not a whole Parquet file. Write it again."
            ) from None
        require(place.table, mapping, schema.names, file.name)
        refuse_repeated(place.table, file.name, schema.names)
        for theirs in mapping.values():
            kind = schema.field(theirs).type
            if seen.setdefault(theirs, kind) != kind:
                raise DataError(
                    f"{place.table}: column {theirs!r} is {kind} in {file.name} and {seen[theirs]} in "
                    "the files before it. Write all files with one type."
                )
        rows += found
    listed = texts([str(file) for file in place.files])
    relation = f"SELECT {_renamed(mapping)} FROM read_parquet({listed}, hive_partitioning = false)"
    return Raw(relation, _types(connection, relation), mapping, is_text=False, rows_at_most=rows)


def _read_csv(place: Place) -> Raw:
    """CSV files: every field is text, every row has the fields of the header."""
    mapping = place.source.mapping
    by_header: dict[Header, list[Path]] = {}
    for file in place.files:
        header = header_of(place.table, file)
        require(place.table, mapping, header.columns, file.name)
        trailing_fields(place.table, file, header)
        by_header.setdefault(header, []).append(file)
    parts = [
        f"SELECT {_renamed(mapping)} FROM read_csv({texts([str(f) for f in files])}, auto_detect = false, "
        f"columns = {_struct(header.columns)}, header = true, delim = {text(header.delimiter)}, "
        """quote = '"', escape = '"', strict_mode = true, null_padding = false, ignore_errors = false)"""
        for header, files in by_header.items()
    ]
    return Raw(
        " UNION ALL ".join(parts),
        dict.fromkeys(mapping, "VARCHAR"),
        mapping,
        is_text=True,
        rows_at_most=_at_most(place),
    )


def _read_json(connection: duckdb.DuckDBPyConnection, place: Place) -> Raw:
    """JSON lines: every value is text; numbers keep their digits."""
    mapping = place.source.mapping
    if not any(file.stat().st_size for file in place.files):
        raise DataError(f"{place.table}: the source has no rows. Correct source in [tables.{place.table}].")
    listed = texts([str(file) for file in place.files])
    shape = f"format = 'newline_delimited', records = 'true', maximum_object_size = {2**24}"
    detected = f"SELECT * FROM read_json({listed}, {shape}, maximum_depth = 1, sample_size = {{}})"
    found = _types(connection, detected.format(10_000))
    if not found.keys() >= set(mapping.values()):
        found = _types(connection, detected.format(-1))
    require(place.table, mapping, found.keys(), place.source.source)
    for ours in mapping.keys() & {"customer_id", "event_id"}:
        _refuse_fractions(connection, place, ours, f"FROM read_json({listed}, {shape}, columns = {{}})")
    columns = _struct(sorted(set(mapping.values())))
    relation = f"SELECT {_renamed(mapping)} FROM read_json({listed}, {shape}, columns = {columns})"
    types = dict.fromkeys(mapping, "VARCHAR")
    return Raw(relation, types, mapping, is_text=True, rows_at_most=_at_most(place))


def _refuse_fractions(connection: duckdb.DuckDBPyConnection, place: Place, ours: str, rows: str) -> None:
    """Refuse ids that are written as numbers with a point: their text has been lost where they come from."""
    theirs = place.source.mapping[ours]
    columns = f"{{{text(theirs)}: 'JSON'}}"
    raw = f"CAST({name(theirs)} AS VARCHAR)"
    row = connection.execute(
        f"SELECT count(*) {rows.format(columns)} WHERE regexp_full_match({raw}, '-?[0-9.]+([eE].*)?') "
        f"AND NOT regexp_full_match({raw}, '-?[0-9]+')"
    ).fetchone()
    if row and row[0]:
        raise DataError(
            f"{place.table}: column {theirs!r} (for {ours}) has numbers with a point; expected text or whole "
            "numbers. Write the ids as text where they come from."
        )


def _struct(columns: Collection[str]) -> str:
    """Write the columns of a text file in SQL."""
    return "{" + ", ".join(f"{text(column)}: 'VARCHAR'" for column in columns) + "}"


def _renamed(mapping: Mapping[str, str]) -> str:
    """Write the mapped columns under our names in SQL."""
    return ", ".join(f"{name(theirs)} AS {name(ours)}" for ours, theirs in mapping.items())


def _types(connection: duckdb.DuckDBPyConnection, relation: str) -> dict[str, str]:
    """DuckDB's type of every column."""
    rows = connection.execute(f"DESCRIBE {relation}").fetchall()
    return {row[0]: row[1] for row in rows}


def _at_most(place: Place) -> int:
    """Bound the rows of text files by their bytes; compressed ones hold up to thirty times as many."""
    shortest = _SHORTEST_ROW[place.kind]
    return sum(
        file.stat().st_size * (30 if file.suffix == ".gz" else 1) // shortest + 1 for file in place.files
    )

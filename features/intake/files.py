"""Files: Parquet, CSV and JSON lines as rows of raw columns."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from features.errors import DataError
from features.intake.delimited import Header, header_of, trailing_fields
from features.intake.origins import Place, Raw
from features.naming import name, refuse_repeated, require, text, texts

# A row is at least this many bytes: the id, a date, an amount and the marks between them.
_SHORTEST_ROW = {"csv": 16, "json": 40}
_JSON_SHAPE = f"format = 'newline_delimited', records = 'true', maximum_object_size = {2**24}"
ALLOW = "Allow this user to read it, or correct the source in business.toml."
"""What to do about a file or folder that cannot be read."""

_IDS = frozenset({"customer_id", "event_id", "source_id"})


def refuse_unreadable(table: str, paths: Collection[Path]) -> None:
    """Refuse files and folders that this user may not read.

    Raises
    ------
    DataError
        Names the first such file or folder.
    """
    for path in paths:
        try:
            if path.is_dir():
                next(path.iterdir(), None)
            else:
                path.open("rb").close()
        except OSError as error:
            raise DataError(f"{table}: {path} cannot be read: {error.strerror}. {ALLOW}") from None


def read_parquet(connection: duckdb.DuckDBPyConnection, place: Place) -> Raw:
    """Parquet files: typed, all of the same types.

    Raises
    ------
    DataError
        A file is damaged, or the mapped columns are not in all of them, each with one type.
    """
    mapping = place.source.mapping
    schemas = _schemas(place)
    for file, (schema, _) in schemas.items():
        where = file.name if place.source.query is None else "the query"
        require(place.table, mapping, schema.names, where)
    _refuse_other_types(place, schemas, mapping.values())
    relation = f"SELECT {_renamed(mapping)} {_from_parquet(place)}"
    rows = sum(found for _, found in schemas.values())
    return Raw(place, relation, _types(connection, relation), is_text=False, rows_at_most=rows)


def read_csv(_connection: duckdb.DuckDBPyConnection, place: Place) -> Raw:
    """CSV files: every field is text, every row has the fields of the header.

    Raises
    ------
    DataError
        A file is empty or damaged, or lacks a mapped column.
    """
    mapping = place.source.mapping
    relation = " UNION ALL ".join(
        f"SELECT {_renamed(mapping)} {_from_csv(header, files)}"
        for header, files in _by_header(place, mapping).items()
    )
    types = dict.fromkeys(mapping, "VARCHAR")
    return Raw(place, relation, types, is_text=True, rows_at_most=_at_most(place))


def read_json(connection: duckdb.DuckDBPyConnection, place: Place) -> Raw:
    """JSON lines: every value is text; numbers keep their digits.

    Raises
    ------
    DataError
        The files are empty, lack a mapped column, or have ids with a point.
    """
    mapping = place.source.mapping
    wanted = set(mapping.values())
    found = _json_columns(connection, place, 10_000)
    if not found >= wanted:
        found = _json_columns(connection, place, -1)
    require(place.table, mapping, found, place.source.source)
    _refuse_fractions(connection, place, wanted)
    relation = f"SELECT {_renamed(mapping)} {_from_json(place, wanted)}"
    types = dict.fromkeys(mapping, "VARCHAR")
    return Raw(place, relation, types, is_text=True, rows_at_most=_at_most(place))


def everything(connection: duckdb.DuckDBPyConnection, place: Place) -> str:
    """SQL of all rows of the files of one source with all their columns, read as strictly as mapped ones.

    Raises
    ------
    DataError
        A file is empty or damaged, or has other columns than the others.
    """
    if place.kind == "parquet":
        schemas = _schemas(place)
        columns = [schema.names for schema, _ in schemas.values()]
        _refuse_other_columns(place, columns)
        _refuse_other_types(place, schemas, columns[0])
        return f"SELECT * {_from_parquet(place)}"
    if place.kind == "csv":
        by_header = _by_header(place, {})
        columns = [list(header.columns) for header in by_header]
        _refuse_other_columns(place, columns)
        first = ", ".join(name(column) for column in columns[0])
        return " UNION ALL ".join(
            f"SELECT {first} {_from_csv(header, files)}" for header, files in by_header.items()
        )
    found = _json_columns(connection, place, -1)
    _refuse_fractions(connection, place, found)
    return f"SELECT * {_from_json(place, found)}"


def _schemas(place: Place) -> dict[Path, tuple[pa.Schema, int]]:
    """Columns and number of rows of every Parquet file."""
    schemas = {}
    for file in place.files:
        try:
            with pq.ParquetFile(file) as parquet:
                schemas[file] = parquet.schema_arrow, parquet.metadata.num_rows
        except (pa.ArrowInvalid, OSError):
            raise DataError(
                f"{place.table}: {file.name} is not a whole Parquet file. Write it again."
            ) from None
        refuse_repeated(place.table, file.name, schemas[file][0].names)
    return schemas


def _refuse_other_types(
    place: Place, schemas: Mapping[Path, tuple[pa.Schema, int]], columns: Collection[str]
) -> None:
    """Refuse Parquet files that have a column with different types."""
    seen: dict[str, pa.DataType] = {}
    for file, (schema, _) in schemas.items():
        for column in columns:
            kind = schema.field(column).type
            if seen.setdefault(column, kind) != kind:
                raise DataError(
                    f"{place.table}: column {column!r} is {kind} in {file.name} and {seen[column]} in "
                    "the files before it. Write all files with one type."
                )


def _refuse_other_columns(place: Place, columns: Sequence[Collection[str]]) -> None:
    """Refuse files of one query that do not have the same columns."""
    for others in columns[1:]:
        odd = sorted(set(columns[0]) ^ set(others))
        if odd:
            raise DataError(
                f"{place.table}: column {odd[0]!r} is in some of the files and not in others; a query needs "
                "the same columns in all. Write all files with the same columns."
            )


def _by_header(place: Place, mapping: Mapping[str, str]) -> dict[Header, list[Path]]:
    """CSV files by their header."""
    by_header: dict[Header, list[Path]] = {}
    for file in place.files:
        header = header_of(place.table, file)
        require(place.table, mapping, header.columns, file.name)
        trailing_fields(place.table, file, header)
        by_header.setdefault(header, []).append(file)
    return by_header


def _json_columns(connection: duckdb.DuckDBPyConnection, place: Place, sampled: int) -> set[str]:
    """Names that the objects of JSON lines have, as far as a sample shows; -1 looks at all of them."""
    if not any(file.stat().st_size for file in place.files):
        raise DataError(f"{place.table}: the source has no rows. Correct source in [tables.{place.table}].")
    listed = texts([str(file) for file in place.files])
    shape = f"{_JSON_SHAPE}, maximum_depth = 1, sample_size = {sampled}"
    return set(_types(connection, f"SELECT * FROM read_json({listed}, {shape})"))


def _refuse_fractions(
    connection: duckdb.DuckDBPyConnection, place: Place, available: Collection[str]
) -> None:
    """Refuse ids that are written as numbers with a point: their text has been lost where they come from."""
    ids = {ours: theirs for ours, theirs in place.source.mapping.items() if ours in _IDS}
    for ours, theirs in ids.items():
        if theirs not in available:
            continue
        raw = f"CAST({name(theirs)} AS VARCHAR)"
        is_number = f"regexp_full_match({raw}, '-?[0-9.]+([eE].*)?')"
        row = connection.execute(
            f"SELECT count(*) {_from_json(place, [theirs], 'JSON')} "
            f"WHERE {is_number} AND NOT regexp_full_match({raw}, '-?[0-9]+')"
        ).fetchone()
        if row and row[0]:
            raise DataError(
                f"{place.table}: column {theirs!r} (for {ours}) has numbers with a point; expected text or "
                "whole numbers. Write the ids as text where they come from."
            )


def _from_parquet(place: Place) -> str:
    """SQL of the Parquet files of a source."""
    listed = texts([str(file) for file in place.files])
    return f"FROM read_parquet({listed}, hive_partitioning = false)"


def _from_csv(header: Header, files: Collection[Path]) -> str:
    """SQL of CSV files with one header."""
    return (
        f"FROM read_csv({texts([str(file) for file in files])}, auto_detect = false, "
        f"columns = {_struct(header.columns)}, header = true, delim = {text(header.delimiter)}, "
        """quote = '"', escape = '"', strict_mode = true, null_padding = false, ignore_errors = false)"""
    )


def _from_json(place: Place, columns: Collection[str], kind: str = "VARCHAR") -> str:
    """SQL of some columns of the JSON lines of a source."""
    listed = texts([str(file) for file in place.files])
    return f"FROM read_json({listed}, {_JSON_SHAPE}, columns = {_struct(sorted(columns), kind)})"


def _struct(columns: Collection[str], kind: str = "VARCHAR") -> str:
    """Write the columns of a text file in SQL."""
    return "{" + ", ".join(f"{text(column)}: '{kind}'" for column in columns) + "}"


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

"""Sources: files, globs, folders, databases and queries as rows of raw columns under our names.

Nothing is interpreted here: CSV and JSON lines are read as text, Parquet keeps its types, a database and a
query are read once into a Parquet file of the staging folder.  What a column means is decided in
`features.intake.readings`.
"""

import glob
import re
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import duckdb

from features.business import Business
from features.errors import DataError
from features.intake.files import ALLOW, everything, read_csv, read_json, read_parquet, refuse_unreadable
from features.intake.origins import Place, Raw
from features.intake.queries import answer
from features.mapping import labels_of
from features.naming import texts
from features.tables import TABLES

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

_LINE = re.compile(r"(?:Line:?|line) (\d+)")


def find_all(business: Business) -> list[Place]:
    """Find the files of every table, and those of the identities.

    Raises
    ------
    DataError
        There are none, or they are of different or unknown kinds.
    """
    places = [place for table in TABLES if table in business.tables for place in find(business, table)]
    if business.identities is not None:
        places.append(_find(business, Place("identities", business.identities, (), "database")))
    return places


def find(business: Business, table: str) -> tuple[Place, ...]:
    """Find the files of every source of a table.

    Raises
    ------
    DataError
        There are none, or they are of different or unknown kinds.
    """
    sources = business.tables[table]
    several = len(sources) > 1
    return tuple(
        _find(business, Place(table, source, (), "database", label, several))
        for label, source in zip(labels_of(sources), sources, strict=True)
    )


def _find(business: Business, place: Place) -> Place:
    """Find the files of one source; a database has none."""
    table, source = place.table, place.source
    if source.is_database:
        return place
    with named(place):
        files = _files(table, business.folder / source.source)
        if not files:
            raise DataError(
                f"{table}: there is no file at {source.source!r}. Correct source in [tables.{table}]."
            )
        kinds = {_kind(table, file) for file in files}
        if len(kinds) > 1:
            mixed = " and ".join(sorted(kinds))
            raise DataError(f"{table}: {source.source!r} mixes {mixed} files. Use a glob.")
    return replace(place, files=tuple(files), kind=kinds.pop())


def _files(table: str, path: Path) -> list[Path]:
    """List the files of a file, a folder or a glob, all of which may be read."""
    try:
        if path.is_dir():
            below = [path, *(found for found in sorted(path.rglob("*")) if _is_visible(found, path))]
            files = [found for found in below if found.is_file()]
            refuse_unreadable(table, [found for found in below if found.is_dir()])
        elif path.is_file():
            files = [path]
        else:
            found = [Path(text) for text in sorted(glob.glob(str(path), recursive=True))]  # noqa: PTH207  (absolute)
            files = [file for file in found if file.is_file()]
    except OSError as error:
        raise DataError(f"{table}: {path} cannot be read: {error.strerror}. {ALLOW}") from None
    refuse_unreadable(table, files)
    return files


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
        It is empty, damaged, or lacks a mapped column, or its query cannot be answered.
    """
    fetched = staging / f"{place.table}.{place.label}.parquet"
    with reading(place):
        if place.kind == "database":
            from features.intake.postgres import fetch

            fetch(place.table, place.source, fetched)
        elif place.source.query is not None:
            rows = everything(connection, place)
            answer(connection, place.table, place.source.query, rows, fetched)
        else:
            return _READERS[place.kind](connection, place)
        raw = read_parquet(connection, replace(place, files=(fetched,)))
        return replace(raw, is_text=place.kind in {"csv", "json"})


def read_all(
    connection: duckdb.DuckDBPyConnection, places: Iterable[Place], staging: Path
) -> dict[str, list[Raw]]:
    """Look at the sources of all tables; each table's are in the order of business.toml."""
    raws: dict[str, list[Raw]] = {}
    for place in places:
        raws.setdefault(place.table, []).append(read(connection, place, staging))
    return raws


@contextmanager
def named(place: Place) -> Iterator[None]:
    """Say in a DataError about a table which of its sources it is about."""
    try:
        yield
    except DataError as error:
        said = str(error).replace("[tables.identities]", "[identities]")
        if place.is_one_of_several:
            said = said.replace(f"{place.table}:", f"{place.table} (source {place.label}):", 1)
        raise DataError(said) from None


@contextmanager
def reading(place: Place) -> Iterator[None]:
    """Turn DuckDB's complaints about a damaged file into a DataError that shows none of its content."""
    with named(place):
        try:
            yield
        except (duckdb.InvalidInputException, duckdb.IOException, duckdb.ConversionException) as error:
            if "No space left" in str(error) or "Permission denied" in str(error):
                raise OSError(None, str(error).rsplit(": ", 1)[-1]) from None
            raise DataError(f"{place.table}: {_damage(str(error))}") from None
        except duckdb.BinderException as error:
            if "non-record JSON" not in str(error):
                raise
            raise DataError(
                f"{place.table}: a line of the file is not a JSON object. Correct the file."
            ) from None


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


_READERS = {"parquet": read_parquet, "csv": read_csv, "json": read_json}

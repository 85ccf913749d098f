"""Inventory: the sources that the user names, opened and looked at.

A folder or a glob may hold several sources: files with the same columns are one.
"""

import glob
import os
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import duckdb

from features.errors import DataError, UserError
from features.intake.delimited import header_of
from features.intake.files import everything
from features.intake.origins import Place, Rows
from features.intake.sources import KINDS_OF_FILES, connect, reading
from features.naming import name, text
from features.proposing.listing import inside, readable, titled
from features.proposing.profiling import SAMPLE_ROWS, Profiles, profile
from features.proposing.vocabulary import words

_BLANKS = re.compile(r"\S+(\s+\S+)+")
_DATABASES = ("postgresql://", "postgres://")
_MEMORY = "1GB"


@dataclass(frozen=True)
class Found:
    """One source that was looked at.

    Attributes
    ----------
    label : str
        What it is called in comments: the name of its file, folder or database table;
        with its folder where another one is called alike.
    source : str
        The file, folder, glob or database URL.
    table : str or None
        The table of the database.
    files : tuple of Path
    rows : int
    columns : mapping of str to ColumnProfile
    sample : str
        The table of the connection that holds its sample.
    relation : str
        SQL of all its rows, or of the part of a database table that was looked at.
    """

    label: str
    source: str
    table: str | None
    files: tuple[Path, ...]
    rows: int
    columns: Profiles
    sample: str
    relation: str

    @property
    def stem(self) -> str:
        """Its name without what it ends in, or the schema it is in."""
        if self.table:
            return self.label.split(".")[-1]
        return self.label.rsplit("/", 1)[-1].split(".")[0]

    @property
    def words(self) -> tuple[str, ...]:
        """The words of its name."""
        return words(self.stem)

    def fresh(self, column: str) -> str:
        """Name a column that a query adds: as given, or otherwise where the source has that name already."""
        taken = {own.lower() for own in self.columns}
        while column.lower() in taken:
            column += "_added"
        return column

    @property
    def is_text(self) -> bool:
        """Whether all its columns come as text."""
        return all(column.type == "VARCHAR" for column in self.columns.values())


@dataclass(frozen=True)
class Inventory:
    """All sources that were looked at, those that cannot be read with the reason, and where samples are."""

    found: tuple[Found, ...]
    unreadable: tuple[tuple[str, str], ...]
    connection: duckdb.DuckDBPyConnection


Progress = Callable[[str, int, int], None]


def take(sources: Sequence[str], staging: Path, progress: Progress) -> Inventory:
    """Open every source and look at its columns.

    Parameters
    ----------
    sources : sequence of str
        Files, folders, globs and database URLs.
    staging : Path
        A folder for rows of databases.
    progress : callable
        Called with (what, done, total).

    Returns
    -------
    Inventory

    Raises
    ------
    UserError
        There is nothing at a source, or the system refuses to read it.
    DataError
        A named file cannot be read; of a folder or glob, all of them cannot.
    """
    places, unreadable = _places(sources, staging)
    connection = connect(staging, places, _MEMORY, len(os.sched_getaffinity(0)))
    found = []
    for number, place in enumerate(places):
        progress("looking", number, len(places))
        found.append(_look(connection, place, number, staging))
    progress("looking", len(places), len(places))
    return Inventory(tuple(found), tuple(unreadable), connection)


def _places(sources: Sequence[str], staging: Path) -> tuple[list[Place], list[tuple[str, str]]]:
    """Open every source once, however often it is named."""
    places: list[Place] = []
    unreadable: list[tuple[str, str]] = []
    seen: set[Path] = set()
    for source in dict.fromkeys(sources):
        if is_database(source):
            known = {(place.source.source, place.table) for place in places}
            places += [p for p in _tables(source, staging) if (p.source.source, p.table) not in known]
        else:
            opened, refused = _open(source, seen)
            places += opened
            unreadable += refused
    return titled(places), unreadable


def is_database(source: str) -> bool:
    """Whether a source is the URL of a database."""
    return source.startswith(_DATABASES)


def _open(source: str, seen: set[Path]) -> tuple[list[Place], list[tuple[str, str]]]:
    """Find the files of one source that no other one named, those with the same columns together."""
    path = Path(source).absolute()
    named = inside(path)
    if named == [path]:
        kind, is_new = _kind(path), path.resolve() not in seen
        seen.add(path.resolve())
        return [Place(path.name, Rows(source=str(path)), (path,), kind)] if is_new else [], []
    every = [file for file in named if file.is_file() and _is_data(file, path)]
    files = [file for file in every if file.resolve() not in seen]
    seen.update(file.resolve() for file in files)
    if every and not files:
        return [], []
    if not files:
        raise UserError(
            f"There is nothing to read at {source!r}. Name files, folders or globs of Parquet, CSV or JSON "
            "lines, or a postgresql:// URL."
        )
    groups: dict[tuple[str, Collection[str]], list[Path]] = {}
    refused = []
    for file in files:
        try:
            groups.setdefault((_kind(file), _columns(file)), []).append(file)
        except DataError as error:
            refused.append((file.name, str(error).removeprefix(f"{file.name}: ")))
    if not groups:
        raise DataError(f"{refused[0][0]}: {refused[0][1]}")
    whole = path if len(groups) == 1 and not refused and files == every else None
    places = [place for (kind, _), own in groups.items() for place in _together(own, kind, whole)]
    return places, refused


def _together(files: list[Path], kind: str, every: Path | None) -> list[Place]:
    """Write files with the same columns as one source, where a folder or a glob names just them."""
    if len(files) == 1:
        return [Place(files[0].name, Rows(source=str(files[0])), tuple(files), kind)]
    start = os.path.commonprefix([file.name for file in files])  # noqa: RUF071  (letters are wanted)
    pattern = f"{files[0].parent}/{start}*{files[0].suffix}"
    named = every or (Path(pattern) if sorted(glob.glob(pattern)) == sorted(map(str, files)) else None)  # noqa: PTH207  (absolute)
    if named:
        return [Place(named.name, Rows(source=str(named)), tuple(files), kind)]
    return [Place(file.name, Rows(source=str(file)), (file,), kind) for file in files]


def _is_data(file: Path, folder: Path) -> bool:
    """Whether a file of a folder or glob is one that we read, and no mark left by some tool."""
    inner = file.relative_to(folder) if folder.is_dir() else Path(file.name)
    return _suffix(file) in KINDS_OF_FILES and not any(p.startswith((".", "_")) for p in inner.parts)


def _suffix(file: Path) -> str:
    """Return what the name of a file ends in, without .gz."""
    return (file.with_suffix("").suffix if file.suffix == ".gz" else file.suffix).lower()


def _kind(file: Path) -> str:
    """How a file is read."""
    kind = KINDS_OF_FILES.get(_suffix(file))
    if kind is None:
        raise DataError(
            f"{file.name} is of no known kind. Files end in {', '.join(KINDS_OF_FILES)} (text also in .gz)."
        )
    return kind


def _columns(file: Path) -> tuple[str, ...]:
    """Columns of one file, as far as they are cheap to see."""
    kind = _kind(file)
    place = Place(file.name, Rows(source=str(file)), (file,), kind)
    with readable(str(file)), duckdb.connect() as connection, reading(place):
        if kind == "csv":
            return _header(file)
        rows = everything(connection, place)
        return tuple(row[0] for row in connection.execute(f"DESCRIBE {rows}").fetchall())


def _header(file: Path) -> tuple[str, ...]:
    """Columns of a CSV file; one whose columns are separated by blanks cannot be read."""
    columns = header_of(file.name, file).columns
    if len(columns) == 1 and _BLANKS.fullmatch(columns[0].strip()):
        known = (
            "`holdfast dataset cdnow` reads it" if "cdnow" in file.name.lower() else "Write it with commas"
        )
        raise DataError(
            f"{file.name}: its columns are separated by blanks; expected commas, semicolons, tabs or |. "
            f"{known}."
        )
    return columns


def _look(connection: duckdb.DuckDBPyConnection, place: Place, number: int, staging: Path) -> Found:
    """Look at the columns of one source."""
    sample, total = f"sample {number}", None
    with readable(place.source.source if place.files else place.table), reading(place):
        if place.kind == "csv":
            _header(place.files[0])
        if place.kind == "database":
            file, total = _fetch_part(place, number, staging)
            rows = f"SELECT * FROM read_parquet({text(str(file))})"
        else:
            rows = everything(connection, place)
        columns = profile(connection, rows, sample, total)
    if not next(iter(columns.values())).rows:
        raise DataError(f"{place.table}: the source has no rows.")
    n_rows = next(iter(columns.values())).rows
    return Found(
        place.table, place.source.source, place.source.table, place.files, n_rows, columns, sample, rows
    )


def _tables(url: str, staging: Path) -> list[Place]:
    """List the tables of a database, or the one that stands behind #."""
    given = url
    url, _, wanted = url.partition("#")
    _require_answer(given, url)
    query = (
        "SELECT (table_schema || '.' || table_name)::text AS name, "
        "string_agg(column_name::text, chr(10) ORDER BY ordinal_position) AS columns "
        "FROM information_schema.columns WHERE table_schema NOT IN ('pg_catalog', 'information_schema') "
        "GROUP BY 1 ORDER BY 1"
    )
    rows = _ask(url, query, ("name", "columns"), staging / "tables.parquet")
    known = {row[0]: dict.fromkeys(row[1].split("\n")) for row in rows}
    chosen = [table for table in known if wanted in {"", table, table.removeprefix("public.")}]
    if not chosen:
        listed = ", ".join(known) or "none"
        raise UserError(f"The database has no table {wanted!r}. Known: {listed}." if wanted else
                        "The database has no tables that this user may read.")  # fmt: skip
    return [
        Place(table, Rows(source=url, table=table, columns={c: c for c in known[table]}), (), "database")
        for table in chosen
    ]


def _fetch_part(place: Place, number: int, staging: Path) -> tuple[Path, int]:
    """Fetch the first rows of a database table, and count all of them."""
    from features.intake.postgres import fetch

    table = ".".join(name(part) for part in str(place.source.table).split("."))
    counted = _ask(place.source.source, f"SELECT count(*) AS n FROM {table}", ("n",), staging / "n.parquet")
    file = staging / f"part {number}.parquet"
    query = f"SELECT * FROM {table} LIMIT {SAMPLE_ROWS}"
    source = place.source.model_copy(update={"table": None, "query": query})
    fetch(place.table, source, file, is_mapped=False)
    return file, int(counted[0][0])


def _require_answer(given: str, url: str) -> None:
    """Make sure that a database answers, and name it by host and port where it does not."""
    from features.intake.postgres import look

    try:
        look("the database", Rows(source=url, query="SELECT 1", columns={}))
    except DataError:
        raise DataError(
            f"The database {_address(given, url)}of the URL you gave cannot be reached or refuses "
            "to connect. Correct the URL, or start the database."
        ) from None


def _address(given: str, url: str) -> str:
    """Host and port of a URL; nothing where a password with / or # in it could be taken for them."""
    try:
        parts = urlsplit(url)
        port = parts.port or 5432
    except ValueError:
        return ""
    is_clear = "@" not in given or ("@" in parts.netloc and given.count("@") == 1)
    return f"at {parts.hostname}:{port} " if is_clear and parts.hostname else ""


def _ask(url: str, query: str, columns: Sequence[str], file: Path) -> list[tuple[str, ...]]:
    """Ask a database something small."""
    from features.intake.postgres import fetch

    asked = Rows(source=url, query=query, columns={c: c for c in columns})
    fetch("the database", asked, file, is_mapped=False)
    rows: list[tuple[str, ...]] = duckdb.execute(f"SELECT * FROM read_parquet({text(str(file))})").fetchall()
    return rows

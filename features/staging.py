"""Staging: the checked rows of one table, divided by customer, before they are put in order.

Rows are first written to Parquet files by slice, a hash of the customer; one slice at a time is then sorted.
So memory is bounded by a slice, whatever the size of the table.
"""

import shutil
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from features.business import Business, Source
from features.checks import readings_of, typed_rows
from features.errors import DataError
from features.events import value_columns
from features.naming import name, text, texts
from features.readings import Reading, no_timezone
from features.sources import Raw, reading
from features.tables import TABLES, Kind, Table

MOST_REJECTED = 0.20
"""Share of rejected rows above which a build refuses the table."""

REFUSED_SLICE = -1
"""The slice that holds the rows that are refused."""

USED_TWICE = "event_id is used for different rows"
"""Why rows with one event id and different content are refused."""


@dataclass
class Staged:
    """One table on its way into the store.

    ``values`` are the value columns in the order of the store, ``texts`` the free texts, with their kinds;
    ``now`` is the instant of the build.
    """

    table: Table
    raw: Raw
    readings: list[Reading]
    folder: Path
    values: dict[str, Kind]
    texts: list[str]
    now: int
    rows_in: int = 0
    duplicates: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    has_repeats: bool = False

    @property
    def name(self) -> str:
        """Name of the table."""
        return self.table.name

    @property
    def rejected(self) -> int:
        """How many rows are refused."""
        return sum(self.reasons.values())

    @property
    def has_events(self) -> bool:
        """Whether rows carry an event id."""
        return any(column.name == "event_id" for column in self.readings)

    @property
    def every(self) -> str:
        """SQL of all staged rows, the refused ones too."""
        return _read(sorted(self.folder.glob("*/*.parquet")))

    def rows(self, slices: Collection[int] | None = None) -> str:
        """SQL of the staged rows of some slices, of all by default, without the refused ones."""
        every = sorted(self.folder.glob("*/*.parquet"))
        wanted = {f"_slice={number}" for number in slices or ()}
        refused = f"_slice={REFUSED_SLICE}"
        found = [f for f in every if f.parent.name != refused and (slices is None or f.parent.name in wanted)]
        return _read(found) if found else f"{_read(every[:1])} WHERE false"

    def typed(self, business: Business) -> str:
        """SQL of the rows of the source with their typed values and the reasons to refuse some."""
        return typed_rows(business, self.table, self.raw, self.readings, self.now)

    def kept(self, slices: Collection[int] | None = None) -> str:
        """SQL of the rows that go into the store: of repeated events one, of contradictory ones none."""
        if not self.has_repeats:
            return self.rows(slices)
        repeated, used_twice = name(f"repeated {self.name}"), name(f"used twice {self.name}")
        return (
            f"WITH staged AS ({self.rows(slices)}) "
            f"SELECT * FROM staged ANTI JOIN {repeated} USING (event_id) UNION ALL "
            f"SELECT * FROM staged SEMI JOIN {repeated} USING (event_id) "
            f"ANTI JOIN {used_twice} USING (event_id) "
            "QUALIFY row_number() OVER (PARTITION BY event_id ORDER BY _known_at) = 1"
        )


def _read(files: Sequence[Path]) -> str:
    """SQL of the rows of staged files."""
    return f"SELECT * FROM read_parquet({texts([str(file) for file in files])}, hive_partitioning = false)"


def stage(
    connection: duckdb.DuckDBPyConnection,
    business: Business,
    table: str,
    raw: Raw,
    folder: Path,
    n_slices: int,
    now: int,
) -> Staged:
    """Check the rows of one table and divide them by customer.

    Raises
    ------
    DataError
        The table is empty, a column cannot be read as its kind, or too many rows are refused.
    """
    contract = TABLES[table]
    with reading(table):
        kinds = _kinds(connection, contract, business.tables[table], raw)
        readings = readings_of(business, contract, raw, kinds)
        order = value_columns(contract, dict.fromkeys(kinds))
        free = [column for column, kind in kinds.items() if kind is Kind.TEXT]
        staged = Staged(contract, raw, readings, folder / table, {c: kinds[c] for c in order}, free, now)
        _divide(connection, business, staged, n_slices)
    _count(connection, staged)
    _refuse_times(connection, business, staged)
    _find_repeats(connection, staged)
    _refuse_table(staged)
    return staged


def _kinds(connection: duckdb.DuckDBPyConnection, table: Table, source: Source, raw: Raw) -> dict[str, Kind]:
    """Kind of every mapped column; the source decides that of undeclared attributes."""
    own = {column.name: column.kind for column in table.columns}
    kinds = {column: own[column] for column in source.mapping if column in own}
    for attribute, declared in source.attribute_kinds.items():
        if attribute not in own:
            kinds[attribute] = declared or _kind_of(connection, attribute, raw)
    return kinds


def _kind_of(connection: duckdb.DuckDBPyConnection, column: str, raw: Raw) -> Kind:
    """Kind of an attribute from its type, or, in text files, from all its values."""
    kind = raw.types[column]
    if kind == "BOOLEAN":
        return Kind.FLAG
    if kind in {
        "DATE",
        "TIMESTAMP",
        "TIMESTAMP_S",
        "TIMESTAMP_MS",
        "TIMESTAMP_NS",
        "TIMESTAMP WITH TIME ZONE",
    }:
        return Kind.TIME
    if kind in {"DOUBLE", "FLOAT"} or "INT" in kind or kind.startswith("DECIMAL"):
        return Kind.NUMBER
    if not raw.is_text:
        return Kind.CATEGORY
    # A leading zero is the mark of a code, not of a number.
    number = "[+-]?(0|[1-9][0-9]*)([.][0-9]*)?([eE][+-]?[0-9]{1,3})?"
    value = f"trim({name(column)})"
    row = connection.execute(
        f"SELECT bool_and(regexp_full_match({value}, '{number}')), "
        f"bool_and(lower({value}) IN ('true', 'false')) FROM ({raw.relation}) WHERE {value} <> ''"
    ).fetchone()
    is_number, is_flag = row or (None, None)
    if is_number:
        return Kind.NUMBER
    return Kind.FLAG if is_flag else Kind.CATEGORY


def _divide(connection: duckdb.DuckDBPyConnection, business: Business, staged: Staged, n_slices: int) -> None:
    """Write the checked rows to one folder for each slice."""
    kept = ["customer_id", *(["event_id"] if staged.has_events else []), *staged.values, *staged.texts]
    columns = [f"{name('v ' + column)} AS {name(column)}" for column in kept]
    columns += [f"{name('naive ' + column.name)}" for column in staged.readings if column.naive]
    hashed = f"md5_number({name('v customer_id')}) & {n_slices - 1}" if n_slices > 1 else "0"
    rows = staged.typed(business)
    staged.folder.mkdir()
    connection.execute(
        f"COPY (SELECT {', '.join(columns)}, _at, _known_at, _reason, "
        f"CASE WHEN _reason IS NULL THEN CAST({hashed} AS INTEGER) ELSE {REFUSED_SLICE} END AS _slice "
        f"FROM ({rows})) TO {text(str(staged.folder))} "
        "(FORMAT parquet, PARTITION_BY (_slice), OVERWRITE_OR_IGNORE, COMPRESSION lz4)"
    )


def _count(connection: duckdb.DuckDBPyConnection, staged: Staged) -> None:
    """Count all rows and the reasons to refuse some."""
    if not any(staged.folder.glob("*/*.parquet")):
        raise DataError(f"{staged.name}: the source has no rows. Correct source in [tables.{staged.name}].")
    sql = f"SELECT _reason, count(*) FROM ({staged.every}) GROUP BY 1 ORDER BY 1"
    counts = connection.execute(sql).fetchall()
    staged.rows_in = sum(count for _, count in counts)
    staged.reasons = {reason: count for reason, count in counts if reason is not None}


def _refuse_times(connection: duckdb.DuckDBPyConnection, business: Business, staged: Staged) -> None:
    """Refuse a column of text whose times are of another form, or partly with and partly without a zone."""
    for column in (r for r in staged.readings if r.kind is Kind.TIME and r.trimmed):
        if staged.reasons.get(f"{column.name} is not a time", 0) > MOST_REJECTED * staged.rows_in:
            raise _other_form(connection, business, staged, column.name)
        if column.naive is None:
            continue
        mark = name(f"naive {column.name}")
        row = connection.execute(
            f"SELECT count(*) FILTER ({mark}), count(*) FILTER (NOT {mark}) FROM ({staged.every})"
        ).fetchone()
        naive, aware = row or (0, 0)
        if naive and aware:
            raise DataError(
                f"{staged.name}: {naive} times in {column.name} carry no zone and {aware} do. "
                "Write all of them with a zone, or none."
            )
        if naive and business.business.timezone is None:
            raise no_timezone(staged.name, column.name)


def _other_form(
    connection: duckdb.DuckDBPyConnection, business: Business, staged: Staged, column: str
) -> DataError:
    """Return the error of times in another form than expected: shows their shape, never a value."""
    reason = f"{column} is not a time"
    shape = name(column)
    for pattern, mark in (("[\\p{L}\\p{M}]", "a"), ("\\p{N}", "d"), ("[^ad /.:,;+()_-]", "?")):
        shape = f"regexp_replace({shape}, '{pattern}', '{mark}', 'g')"
    rows = staged.typed(business)
    row = connection.execute(
        f"SELECT left({shape}, 40), count(*) FROM ({rows}) WHERE _reason = {text(reason)} "
        "GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 1"
    ).fetchone()
    shown = row[0] if row else ""
    declared = business.tables[staged.name].formats.get(column)
    expected = f"not of the declared format {declared!r}" if declared else "not ISO 8601 (such as 2024-12-31)"
    return DataError(
        f"{staged.name}: {staged.reasons[reason]} of {staged.rows_in} times in {column} are {expected}; "
        f"most have the shape {shown!r}. Declare it: "
        f'formats = {{ {column} = "%d/%m/%Y" }} (or "%m/%d/%Y", "epoch_seconds", …) '
        f"in [tables.{staged.name}]."
    )


def _find_repeats(connection: duckdb.DuckDBPyConnection, staged: Staged) -> None:
    """Find events that came more than once, and ids that are used for different rows."""
    if staged.name == "customers":
        _refuse_repeated_facts(connection, staged)
    if not staged.has_events:
        return
    repeated, used_twice = name(f"repeated {staged.name}"), name(f"used twice {staged.name}")
    rows = staged.rows()
    connection.execute(
        f"CREATE TEMP TABLE {repeated} AS SELECT event_id FROM ({rows}) WHERE event_id IS NOT NULL "
        "GROUP BY event_id HAVING count(*) > 1"
    )
    # An event that is delivered again is known again, later: that is no contradiction.
    content = ", ".join(name(column) for column in ["customer_id", "_at", *staged.values, *staged.texts])
    connection.execute(
        f"CREATE TEMP TABLE {used_twice} AS SELECT event_id, count(*) AS n FROM ({rows}) "
        f"SEMI JOIN {repeated} USING (event_id) GROUP BY event_id "
        f"HAVING count(DISTINCT struct_pack({content})) > 1"
    )
    row = connection.execute(
        f"SELECT (SELECT count(*) FROM {repeated}), "
        f"(SELECT count(*) FROM ({rows}) SEMI JOIN {repeated} USING (event_id)), "
        f"(SELECT count(*) FROM {used_twice}), (SELECT coalesce(sum(n), 0) FROM {used_twice})"
    ).fetchone()
    ids, in_all, ids_used_twice, refused = row or (0, 0, 0, 0)
    staged.has_repeats = ids > 0
    staged.duplicates = (in_all - refused) - (ids - ids_used_twice)
    if refused:
        staged.reasons[USED_TWICE] = int(refused)


def _refuse_repeated_facts(connection: duckdb.DuckDBPyConnection, staged: Staged) -> None:
    """Refuse a table of customers that says two things of one customer at one time."""
    row = connection.execute(
        "SELECT count(*) FROM ("
        f"SELECT 1 FROM ({staged.rows()}) GROUP BY customer_id, _at HAVING count(*) > 1)"
    ).fetchone()
    if row and row[0]:
        raise DataError(
            f"customers: {row[0]} customers have more than one row for the same valid_from. Expected one "
            "for each customer_id, or for each customer_id and valid_from. Remove others, or map valid_from."
        )


def _refuse_table(staged: Staged) -> None:
    """Refuse a table of which little is left."""
    if staged.rejected > MOST_REJECTED * staged.rows_in:
        reasons = sorted(staged.reasons.items(), key=lambda item: (-item[1], item[0]))
        listed = "; ".join(f"{reason}: {count}" for reason, count in reasons)
        raise DataError(
            f"{staged.name}: {staged.rejected} of {staged.rows_in} rows break the contract, more than "
            f"{MOST_REJECTED:.0%}. {listed}. "
            f"Correct the source, or its columns and formats in [tables.{staged.name}]."
        )


def write_rejected(
    connection: duckdb.DuckDBPyConnection, business: Business, staged: Staged, path: Path
) -> None:
    """Write the refused rows: their row in the source (from 1), the reason, and their raw values as text.

    Raises
    ------
    DataError
        The source has changed since it was checked.
    """
    raw = ", ".join(f"CAST({name(r.name)} AS VARCHAR) AS {name(r.name)}" for r in staged.readings)
    rows = staged.typed(business)
    reason = "_reason"
    if USED_TWICE in staged.reasons:
        used_twice = name(f"used twice {staged.name}")
        is_one = f"{name('v event_id')} IN (SELECT event_id FROM {used_twice})"
        reason = f"coalesce(_reason, CASE WHEN {is_one} THEN {text(USED_TWICE)} END)"
    sql = (
        f"SELECT _row AS row, _why AS reason, {raw} FROM (SELECT *, {reason} AS _why "
        f"FROM (SELECT row_number() OVER () AS _row, * FROM ({rows}))) WHERE _why IS NOT NULL ORDER BY _row"
    )
    with reading(staged.name):
        connection.execute(f"COPY ({sql}) TO {text(str(path))} (FORMAT parquet)")
        row = connection.execute(f"SELECT count(*) FROM read_parquet({text(str(path))})").fetchone()
    if row is None or row[0] != staged.rejected:
        raise DataError(
            f"{staged.name}: the source changed while it was read. Build again when it is complete."
        )


def clear(staged: Staged) -> None:
    """Remove the files of a staged table."""
    shutil.rmtree(staged.folder)

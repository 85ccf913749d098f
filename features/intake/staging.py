"""Staging: the checked rows of one table, divided by customer, before they are put in order.

Rows are first written to files by slice, a hash of the customer; one slice at a time is then put in order.
So memory is bounded by a slice, whatever the size of the table.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from features.business import Business
from features.errors import DataError
from features.events import value_columns
from features.intake.checks import readings_of
from features.intake.feeds import NULL_OF, Feed, Staged
from features.intake.identities import Identities
from features.intake.kinds import kinds_of
from features.intake.origins import Raw, Source
from features.intake.readings import SMALL
from features.intake.refusals import refuse_table, refuse_times
from features.intake.repeats import find_repeats
from features.intake.slices import KEY, REFUSED, SLICE, divide, offer
from features.intake.sources import reading
from features.naming import name
from features.storing.households import keyed_rows, slice_of
from features.tables import TABLES, Kind


@dataclass(frozen=True)
class Division:
    """How the rows of a build are divided by customer.

    Attributes
    ----------
    n_slices : int
        A power of two.
    identities : Identities, optional
        Which ids are one customer.
    keyed : bool
        Whether some customers are divided by a key of their household rather than by their id.
    """

    n_slices: int
    identities: Identities | None = None
    keyed: bool = False


def stage(
    connection: duckdb.DuckDBPyConnection,
    business: Business,
    raws: Sequence[Raw],
    folder: Path,
    now: int,
    division: Division,
) -> Staged:
    """Check the rows of all sources of one table and divide them by customer.

    Parameters
    ----------
    connection : DuckDBPyConnection
        A database that may read the sources and write below the folder.
    business : Business
        What business.toml says.
    raws : sequence of Raw
        The sources of the table.
    folder : Path
        Where the table's own folder is made.
    now : int
        The instant of the build.
    division : Division

    Raises
    ------
    DataError
        The table is empty, a column cannot be read as its kind, or too many rows are refused.
    """
    staged = _begin(connection, business, raws, folder, now, division)
    for feed in staged.feeds:
        with reading(feed.raw.place):
            _divide(connection, business, staged, feed, division)
            _count(connection, staged, feed)
            _note(connection, staged, feed)
            refuse_times(connection, business, staged, feed)
    find_repeats(connection, staged)
    refuse_table(staged)
    return staged


def _begin(
    connection: duckdb.DuckDBPyConnection,
    business: Business,
    raws: Sequence[Raw],
    folder: Path,
    now: int,
    division: Division,
) -> Staged:
    """Say how every source of a table is read, and make its folder."""
    table = raws[0].place.table
    contract = TABLES[table]
    kinds = kinds_of(connection, contract, raws)
    values = {column: kinds[column] for column in value_columns(contract, kinds)}
    may_combine = len(raws) > 1 or division.identities is not None or table == "market"
    whole = _whole(raws, kinds, division)
    staged = Staged(contract, [], folder / table, kinds, values, now, may_combine, whole)
    for number, raw in enumerate(raws):
        with reading(raw.place):
            own = {column: kind for column, kind in kinds.items() if column in raw.types}
            staged.feeds.append(Feed(number, raw, readings_of(business, contract, raw, own)))
    staged.folder.mkdir()
    return staged


def _whole(raws: Sequence[Raw], kinds: Mapping[str, Kind], division: Division) -> frozenset[str]:
    """Find the ids and categories that can stay numbers as long as nobody asks for their text."""
    if raws[0].place.table == "customers":  # their ids and households are compared with one another
        return frozenset()
    texts = {"customer_id"} if division.identities else set()
    found = {column for column, kind in kinds.items() if kind in {Kind.ID, Kind.CATEGORY}} - texts
    types = {column: {raw.types[column] for raw in raws if column in raw.types} for column in found}
    return frozenset(column for column in found if types[column] <= SMALL)


def _divide(
    connection: duckdb.DuckDBPyConnection, business: Business, staged: Staged, feed: Feed, division: Division
) -> None:
    """Write the checked rows by slice; rows that are nobody's own lie in the first."""
    rows = staged.typed(business, feed)
    value_of = {r.name: _value(r.name, staged) for r in feed.readings}
    source, given = feed.raw.place.source, name("v customer_id")
    identities, n_slices = division.identities, division.n_slices
    merged = identities.customers_of(source) if identities and isinstance(source, Source) else None
    if merged and staged.has_customers:
        rows = f"SELECT r.*, i.customer_id AS _customer FROM ({rows}) AS r LEFT JOIN ({merged}) AS i "
        rows += f"ON i.source_id = r.{given}"
        given = value_of["customer_id"] = f"coalesce(_customer, {given})"
    is_divided = n_slices > 1 and staged.has_customers
    if is_divided and division.keyed:
        rows = keyed_rows(rows, given)
    hashed = slice_of(given, n_slices, keyed=division.keyed) if is_divided else "0"
    columns = _columns(staged, feed, value_of)
    if "event_id" in value_of:
        columns.append(f"CASE WHEN _reason IS NULL THEN {staged.key_of(value_of['event_id'])} END AS {KEY}")
    divided = (
        f"SELECT {', '.join(columns)}, "
        f"CASE WHEN _reason IS NULL THEN {hashed} ELSE {REFUSED} END AS {SLICE} FROM ({rows})"
    )
    if not divide(connection, divided, staged.folder, str(feed.number), n_slices):
        table = staged.name
        raise DataError(f"{table}: the source has no rows. Correct source in [tables.{table}].")
    offer(connection, staged.folder, str(feed.number), staged.relation(feed))


def _columns(staged: Staged, feed: Feed, value_of: Mapping[str, str]) -> list[str]:
    """SQL of the columns of every staged file of the table; what the source does not have is null."""
    columns = [
        f"{value_of.get(column) or _nothing(column, staged)} AS {name(column)}" for column in staged.columns
    ]
    own = {mark for reading in feed.readings for mark in reading.marks}
    every = dict.fromkeys(
        mark for each in staged.feeds for reading in each.readings for mark in reading.marks
    )
    columns += [name(mark) if mark in own else f"NULL::BOOLEAN AS {name(mark)}" for mark in every]
    return [*columns, "_at", *(["_known_at"] if "known_at" in staged.kinds else []), "_reason"]


def _value(column: str, staged: Staged) -> str:
    """SQL of the value of a column as it is staged."""
    return f"CAST({name(column)} AS BIGINT)" if column in staged.whole else name(f"v {column}")


def _nothing(column: str, staged: Staged) -> str:
    """SQL of the value of a column that a source does not have."""
    return "NULL::BIGINT" if column in staged.whole else NULL_OF[staged.kinds[column]]


def _count(connection: duckdb.DuckDBPyConnection, staged: Staged, feed: Feed) -> None:
    """Count the rows of one source and the reasons to refuse some."""
    table = staged.name
    sql = f"SELECT _reason, count(*) FROM ({staged.rows_of(feed)}) GROUP BY 1 ORDER BY 1"
    counts = connection.execute(sql).fetchall()
    feed.rows_in = sum(count for _, count in counts)
    feed.reasons = {reason: count for reason, count in counts if reason is not None}
    source = feed.raw.place.source
    expected = source.rows if isinstance(source, Source) else None
    if expected not in {None, feed.rows_in}:
        raise DataError(
            f"{table}: the source has {feed.rows_in} rows; expected {expected}. Complete it, or correct rows "
            f"in [tables.{table}]."
        )
    for reason, count in feed.reasons.items():
        staged.reasons[reason] = staged.reasons.get(reason, 0) + count


def _note(connection: duckdb.DuckDBPyConnection, staged: Staged, feed: Feed) -> None:
    """Count the ends of one source that are none yet."""
    for column in (r.name for r in feed.readings if r.endless):
        sql = f"SELECT count(*) FROM ({staged.rows_of(feed)}) WHERE _reason IS NULL AND "
        row = connection.execute(sql + name(f"endless {column}")).fetchone()
        if row and row[0]:
            note = f"{column} in the year 9999 or later, read as not yet"
            staged.notes[note] = staged.notes.get(note, 0) + row[0]

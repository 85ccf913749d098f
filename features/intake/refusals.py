"""Refusals: times of another form than said, tables of which little is left, and refused rows."""

from collections.abc import Iterable
from pathlib import Path

import duckdb

from features.business import Business
from features.errors import DataError
from features.intake.feeds import USED_TWICE, Feed, Staged
from features.intake.origins import Source
from features.intake.readings import no_timezone
from features.intake.sources import named, reading
from features.naming import name, text
from features.tables import Kind

MOST_REJECTED = 0.20
"""Share of rejected rows above which a build refuses a source, or the whole table."""


def refuse_times(
    connection: duckdb.DuckDBPyConnection, business: Business, staged: Staged, feed: Feed
) -> None:
    """Refuse a column of text whose times are of another form, or partly with and partly without a zone.

    Raises
    ------
    DataError
        Says how many there are, and what they look like.
    """
    source = feed.raw.place.source
    zone = (source.timezone if isinstance(source, Source) else None) or business.business.timezone
    for column in (r for r in feed.readings if r.kind is Kind.TIME and r.trimmed):
        if feed.reasons.get(f"{column.name} is not a time", 0) > MOST_REJECTED * feed.rows_in:
            raise _other_form(connection, business, staged, feed, column.name)
        if column.naive is None:
            continue
        mark = name(f"naive {column.name}")
        row = connection.execute(
            f"SELECT count(*) FILTER ({mark}), count(*) FILTER (NOT {mark}) FROM ({staged.rows_of(feed)})"
        ).fetchone()
        naive, aware = row or (0, 0)
        if naive and aware:
            raise DataError(
                f"{staged.name}: {naive} times in {column.name} carry no zone and {aware} do. "
                "Write all of them with a zone, or none."
            )
        if naive and zone is None:
            raise no_timezone(staged.name, column.name)


def _other_form(
    connection: duckdb.DuckDBPyConnection, business: Business, staged: Staged, feed: Feed, column: str
) -> DataError:
    """Return the error of times in another form than expected: shows their shape, never a value."""
    reason = f"{column} is not a time"
    shape = name(column)
    for pattern, mark in (("[\\p{L}\\p{M}]", "a"), ("\\p{N}", "d"), ("[^ad /.:,;+()_-]", "?")):
        shape = f"regexp_replace({shape}, '{pattern}', '{mark}', 'g')"
    row = connection.execute(
        f"SELECT left({shape}, 40), count(*) FROM ({staged.typed(business, feed)}) "
        f"WHERE _reason = {text(reason)} GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 1"
    ).fetchone()
    shown = row[0] if row else ""
    source = feed.raw.place.source
    declared = source.formats.get(column) if isinstance(source, Source) else None
    expected = f"not of the declared format {declared!r}" if declared else "not ISO 8601 (such as 2024-12-31)"
    return DataError(
        f"{staged.name}: {feed.reasons[reason]} of {feed.rows_in} times in {column} are {expected}; "
        f"most have the shape {shown!r}. Declare it: "
        f'formats = {{ {column} = "%d/%m/%Y" }} (or "%m/%d/%Y", "epoch_seconds", …) '
        f"in [tables.{staged.name}]."
    )


def refuse_table(staged: Staged) -> None:
    """Refuse a table, or a source of it, of which little is left.

    Raises
    ------
    DataError
        Lists the reasons to refuse its rows.
    """
    for feed in staged.feeds:
        with named(feed.raw.place):
            _refuse_most(staged.name, feed.rows_in, feed.reasons)
    _refuse_most(staged.name, staged.rows_in, staged.reasons)


def _refuse_most(table: str, rows_in: int, counts: dict[str, int]) -> None:
    """Refuse rows most of which are refused."""
    rejected = sum(counts.values())
    if rejected > MOST_REJECTED * rows_in:
        reasons = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        listed = "; ".join(f"{reason}: {count}" for reason, count in reasons)
        raise DataError(
            f"{table}: {rejected} of {rows_in} rows break the contract, more than "
            f"{MOST_REJECTED:.0%}. {listed}. "
            f"Correct the source, or its columns and formats in [tables.{table}]."
        )


def write_rejected(
    connection: duckdb.DuckDBPyConnection, business: Business, staged: Staged, path: Path
) -> None:
    """Write the refused rows: the source, their row in it (from 1), the reason, and raw values as text.

    Raises
    ------
    DataError
        The source has changed since it was checked.
    """
    columns = dict.fromkeys(reading.name for feed in staged.feeds for reading in feed.readings)
    parts = " UNION ALL ".join(_rejected_of(business, staged, feed, columns) for feed in staged.feeds)
    # The table exits has a column reason of its own.
    taken = {"source": "given_source", "row": "given_row", "reason": "given_reason"}
    raw = ", ".join(f"{name(column)} AS {name(taken.get(column, column))}" for column in columns)
    sql = f"SELECT _label AS source, _row AS row, _why AS reason, {raw} FROM ({parts}) ORDER BY _number, _row"
    with reading(staged.feeds[0].raw.place):
        connection.execute(f"COPY ({sql}) TO {text(str(path))} (FORMAT parquet)")
        row = connection.execute(f"SELECT count(*) FROM read_parquet({text(str(path))})").fetchone()
    if row is None or row[0] != staged.rejected:
        raise DataError(
            f"{staged.name}: the source changed while it was read. Build again when it is complete."
        )


def _rejected_of(business: Business, staged: Staged, feed: Feed, columns: Iterable[str]) -> str:
    """SQL of the refused rows of one source."""
    raw = ", ".join(
        f"CAST({name(column)} AS VARCHAR) AS {name(column)}"
        if feed.has(column)
        else f"NULL::VARCHAR AS {name(column)}"
        for column in columns
    )
    reason = "_reason"
    if USED_TWICE in staged.reasons and feed.has("event_id"):
        used_twice = name(f"used twice {staged.name}")
        is_one = f"{name('v event_id')} IN (SELECT CAST(event_id AS VARCHAR) FROM {used_twice})"
        reason = f"coalesce(_reason, CASE WHEN {is_one} THEN {text(USED_TWICE)} END)"
    numbered = f"SELECT row_number() OVER () AS _row, * FROM ({staged.typed(business, feed)})"
    return (
        f"SELECT {feed.number} AS _number, {text(feed.raw.place.label)} AS _label, _row, _why, {raw} "
        f"FROM (SELECT *, {reason} AS _why FROM ({numbered})) WHERE _why IS NOT NULL"
    )

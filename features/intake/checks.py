"""Checks: the typed rows of a table, each with the first reason to refuse it."""

from collections.abc import Callable, Mapping, Sequence

from features.business import Business
from features.intake.origins import Raw, Source
from features.intake.readings import (
    Place,
    Reading,
    read_category,
    read_currency,
    read_flag,
    read_id,
    read_money,
    read_number,
    read_text,
    read_time,
)
from features.naming import name, text
from features.tables import Kind, Table
from features.windows import BEGINNING

_READERS: dict[Kind, Callable[[Place], Reading]] = {
    Kind.ID: read_id,
    Kind.TIME: read_time,
    Kind.MONEY: read_money,
    Kind.NUMBER: read_number,
    Kind.FLAG: read_flag,
    Kind.CATEGORY: read_category,
    Kind.TEXT: read_text,
}


HAPPENED = frozenset({"purchases", "contacts", "surveys", "exits", "market"})
"""Tables whose rows have happened; those of the others may be plans, so their times may lie ahead."""


def readings_of(business: Business, table: Table, raw: Raw, kinds: Mapping[str, Kind]) -> list[Reading]:
    """Say how every mapped column of a table is read.

    Parameters
    ----------
    business : Business
        Its timezone and currency.
    table : Table
        The contract.
    raw : Raw
        The source, with its declared formats and timezone.
    kinds : mapping of str to Kind
        What every mapped column is to become, attributes included.

    Returns
    -------
    list of Reading

    Raises
    ------
    DataError
        A column has a type that cannot be read as its kind.
    """
    readers = {column: _READERS[kind] for column, kind in kinds.items()}
    source = raw.place.source
    if isinstance(source, Source) and source.has_currencies:
        readers["currency"] = read_currency
    return [read(_place(business, table, raw, column)) for column, read in readers.items()]


def _place(business: Business, table: Table, raw: Raw, column: str) -> Place:
    """Say what the reading of one column depends on."""
    source, zone, form = raw.place.source, business.business.timezone, None
    if isinstance(source, Source):
        zone, form = source.timezone or zone, source.formats.get(column)
    is_required = column in table.required
    return Place(business, table.name, column, raw.types[column], is_required, raw.origin[column], form, zone)


def typed_rows(
    business: Business, table: Table, raw: Raw, readings: Sequence[Reading], now: int | None = None
) -> str:
    """SQL of the typed rows of a table: ``"v name"`` for each column, ``_at``, ``_known_at`` and ``_reason``.

    ``_reason`` is null for a row that is kept.  The raw columns stay beside the typed ones.
    ``now`` is the instant of the build: without a declared observed_until nothing can have happened after it.
    """
    steps = [
        [f"{r.trimmed} AS {name('t ' + r.name)}" for r in readings if r.trimmed],
        [f"{r.parsed} AS {name('p ' + r.name)}" for r in readings if r.parsed],
        [f"{r.value} AS {name('v ' + r.name)}" for r in readings]
        + [f"{sql} AS {name(mark)}" for r in readings for mark, sql in r.marks.items()],
        _row_columns(business, table, {r.name for r in readings}, readings, now),
    ]
    rows = raw.relation
    for step in steps:
        if step:
            rows = f"SELECT *, {', '.join(step)} FROM ({rows})"
    return rows


def _row_columns(
    business: Business, table: Table, names: set[str], readings: Sequence[Reading], now: int | None
) -> list[str]:
    """SQL of what belongs to the row rather than to a column: its times, and the reason to refuse it."""
    at = name(f"v {table.at}") if table.at in names else "NULL::BIGINT"
    happened = f"coalesce({at}, {BEGINNING})"
    known = f"greatest({name('v known_at')}, {happened})" if "known_at" in names else happened
    refusals = [_refusal(reading) for reading in readings if reading.reasons]
    until = business.business.observed_until
    if until is not None:
        refusals.append(
            f"CASE WHEN {at} >= {until} THEN {text(f'{table.at} is not before observed_until')} END"
        )
    elif now is not None and table.name in HAPPENED:
        refusals.append(f"CASE WHEN {at} >= {now} THEN {text(f'{table.at} is after the build')} END")
    return [f"{happened} AS _at", f"{known} AS _known_at", f"coalesce({', '.join(refusals)}) AS _reason"]


def _refusal(reading: Reading) -> str:
    """SQL of the first reason to refuse a row for one of its columns."""
    cases = " ".join(f"WHEN {condition} THEN {text(reason)}" for condition, reason in reading.reasons)
    return f"CASE WHEN {reading.fine} THEN NULL {cases} END"

"""Kinds: what the columns of a table become, agreed among its sources."""

from collections.abc import Sequence

import duckdb

from features.errors import DataError
from features.intake.origins import Raw, Source
from features.intake.sources import reading
from features.naming import name
from features.tables import Kind, Table

_TIMES = {
    "DATE",
    "TIMESTAMP",
    "TIMESTAMP_S",
    "TIMESTAMP_MS",
    "TIMESTAMP_NS",
    "TIMESTAMP WITH TIME ZONE",
}
# A leading zero is the mark of a code, not of a number.
_NUMBER = "[+-]?(0|[1-9][0-9]*)([.][0-9]*)?([eE][+-]?[0-9]{1,3})?"


def kinds_of(connection: duckdb.DuckDBPyConnection, table: Table, raws: Sequence[Raw]) -> dict[str, Kind]:
    """Kind of every column that any source of a table has.

    The contract says it for the columns of the table, a declaration for an attribute, and for attributes that
    nobody declares the type in the source or, in text files, all their values.

    Parameters
    ----------
    connection : DuckDBPyConnection
        A database that may read the sources.
    table : Table
        The contract.
    raws : sequence of Raw
        Its sources.

    Returns
    -------
    dict of str to Kind

    Raises
    ------
    DataError
        Two sources show different kinds of an attribute that neither declares.
    """
    own = {column.name: column.kind for column in table.columns}
    kinds = {column: own[column] for raw in raws for column in raw.origin if column in own}
    declared = _declared(raws)
    for attribute in _attributes(table, raws):
        kind = declared.get(attribute)
        if kind is None and table.name == "market":
            kind = Kind.NUMBER
        kinds[attribute] = kind or _shown(connection, table, attribute, raws)
    return kinds


def _attributes(table: Table, raws: Sequence[Raw]) -> list[str]:
    """Names of the attributes of all sources."""
    own = {column.name for column in table.columns}
    mapped = dict.fromkeys(column for raw in raws for column in raw.origin if column not in own)
    sources = [raw.place.source for raw in raws]
    if any(isinstance(source, Source) and source.has_currencies for source in sources):
        mapped.pop("currency")
    return list(mapped)


def _declared(raws: Sequence[Raw]) -> dict[str, Kind]:
    """Kinds of the attributes that a source declares; they hold for all sources of the table."""
    sources = [raw.place.source for raw in raws]
    kinds = (source.attribute_kinds for source in sources if isinstance(source, Source))
    return {name: kind for each in kinds for name, kind in each.items() if kind is not None}


def _shown(connection: duckdb.DuckDBPyConnection, table: Table, attribute: str, raws: Sequence[Raw]) -> Kind:
    """Kind that the sources show for an attribute; one without any value shows none."""
    seen: dict[Kind, Raw] = {}
    for raw in raws:
        with reading(raw.place):
            kind = _kind_of(connection, attribute, raw) if attribute in raw.types else None
        if kind is not None:
            seen.setdefault(kind, raw)
    if len(seen) > 1:
        (one, first), (other, second) = list(seen.items())[:2]
        raise DataError(
            f"{table.name}: the attribute {attribute} is a {one} in the source {first.place.label} and a "
            f"{other} in {second.place.label}. Declare its kind in [tables.{table.name}]: "
            f'attributes = {{ {attribute} = "category" }}.'
        )
    return next(iter(seen), Kind.CATEGORY)


def _kind_of(connection: duckdb.DuckDBPyConnection, column: str, raw: Raw) -> Kind | None:
    """Kind of an attribute from its type, or, in text files, from all its values; None if it has none."""
    kind = raw.types[column]
    if kind in _TIMES:
        return Kind.TIME
    if kind in {"DOUBLE", "FLOAT"} or "INT" in kind or kind.startswith("DECIMAL"):
        return Kind.NUMBER
    if kind == "BOOLEAN" or not raw.is_text:
        return Kind.FLAG if kind == "BOOLEAN" else Kind.CATEGORY
    value = f"trim({name(column)})"
    row = connection.execute(
        f"SELECT bool_and(regexp_full_match({value}, '{_NUMBER}')), "
        f"bool_and(lower({value}) IN ('true', 'false')) FROM ({raw.relation}) WHERE {value} <> ''"
    ).fetchone()
    is_number, is_flag = row or (None, None)
    if is_number is None:
        return None
    if is_number:
        return Kind.NUMBER
    return Kind.FLAG if is_flag else Kind.CATEGORY

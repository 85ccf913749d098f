"""Identities: which ids of the sources are one customer.

A web shop and a till know the same person under two ids.  ``[identities]`` says so, once, and every table
that has a customer_id uses it; ids that it does not name stay as they are.
"""

from dataclasses import dataclass

import duckdb

from features.business import Business
from features.errors import DataError
from features.intake.checks import readings_of, typed_rows
from features.intake.origins import Raw, Source
from features.intake.sources import reading
from features.naming import name, text, texts
from features.tables import Column, Kind, Table

IDENTITIES = Table(
    "identities",
    "valid_from",
    (
        Column("source_id", Kind.ID, required=True),
        Column("customer_id", Kind.ID, required=True),
        Column("source", Kind.CATEGORY, required=True),
    ),
)
"""The contract of the identities: the id of a source, the customer, and the name of the source."""


@dataclass(frozen=True)
class Identities:
    """The identities of a business, read into DuckDB.

    ``of_sources`` says whether every id is that of one source by name.
    """

    of_sources: bool

    def customers_of(self, source: Source) -> str | None:
        """SQL of ``source_id`` and ``customer_id`` for the ids of one source, None where it has none."""
        if not self.of_sources:
            return "SELECT source_id, customer_id FROM identities"
        if source.name is None:
            return None
        return f"SELECT source_id, customer_id FROM identities WHERE source = {text(source.name)}"


def read_identities(connection: duckdb.DuckDBPyConnection, business: Business, raw: Raw) -> Identities:
    """Read the identities, as strictly as a table.

    Parameters
    ----------
    connection : DuckDBPyConnection
        The database that gets the table ``identities``.
    business : Business
        Its sources.
    raw : Raw
        The source of the identities.

    Returns
    -------
    Identities

    Raises
    ------
    DataError
        A row cannot be read, an id is of two customers, or names a source that is not there.
    """
    own = {column.name: column.kind for column in IDENTITIES.columns}
    kinds = {column: own[column] for column in raw.origin}
    source = name("v source") if "source" in kinds else "NULL::VARCHAR"
    with reading(raw.place):
        typed = typed_rows(business, IDENTITIES, raw, readings_of(business, IDENTITIES, raw, kinds))
        connection.execute(
            f"CREATE TEMP TABLE identities AS SELECT DISTINCT {name('v source_id')} AS source_id, "
            f"{name('v customer_id')} AS customer_id, {source} AS source, _reason FROM ({typed})"
        )
        reasons = connection.execute(
            f"SELECT _reason, count(*) FROM ({typed}) WHERE _reason IS NOT NULL GROUP BY 1 ORDER BY 1"
        ).fetchall()
    _refuse_rows(connection, reasons)
    _refuse_conflicts(connection)
    if "source" in kinds:
        _refuse_unknown_sources(connection, business)
    else:
        _refuse_chains(connection)
    return Identities("source" in kinds)


def _refuse_rows(connection: duckdb.DuckDBPyConnection, reasons: list[tuple[str, int]]) -> None:
    """Refuse identities that are empty or cannot all be read."""
    if not _count(connection, "SELECT 1 FROM identities LIMIT 1"):
        raise DataError("identities: the source has no rows. Correct source in [identities].")
    if reasons:
        listed = "; ".join(f"{reason}: {count}" for reason, count in reasons)
        raise DataError(f"identities: every row must be readable, but {listed}. Correct the source.")


def _refuse_conflicts(connection: duckdb.DuckDBPyConnection) -> None:
    """Refuse ids that are of two customers."""
    count = _count(connection, "SELECT 1 FROM identities GROUP BY source, source_id HAVING count(*) > 1")
    if count:
        raise DataError(
            f"identities: {count} source ids belong to more than one customer_id. Expected one for each; "
            "correct the source, or map source, where ids are those of one source only."
        )


def _refuse_chains(connection: duckdb.DuckDBPyConnection) -> None:
    """Refuse customers that are themselves ids of another customer: nobody can say which is meant."""
    count = _count(
        connection,
        "SELECT 1 FROM identities AS i SEMI JOIN (SELECT source_id FROM identities "
        "WHERE source_id <> customer_id) AS other ON other.source_id = i.customer_id",
    )
    if count:
        raise DataError(
            f"identities: {count} rows lead to a customer_id that is itself an id of another customer. "
            "Write the last customer_id in every row."
        )


def _refuse_unknown_sources(connection: duckdb.DuckDBPyConnection, business: Business) -> None:
    """Refuse ids of sources that no table has."""
    known = sorted({s.name for sources in business.tables.values() for s in sources if s.name})
    count = _count(connection, f"SELECT 1 FROM identities WHERE source NOT IN {_tuple(known)}")
    if count:
        raise DataError(
            f"identities: {count} rows are of sources that no table has. Known: {', '.join(known)}. "
            "Give a source that name, or leave the rows out with a query in [identities]."
        )


def _tuple(values: list[str]) -> str:
    """Write texts as they stand after IN."""
    return f"({texts(values)[1:-1]})"


def _count(connection: duckdb.DuckDBPyConnection, rows: str) -> int:
    """Count rows."""
    row = connection.execute(f"SELECT count(*) FROM ({rows})").fetchone()
    return int(row[0]) if row else 0

"""Attributes: which further columns describe a customer, and which are better left out."""

import re
from collections.abc import Collection, Mapping

import duckdb

from features.proposing.drafts import Ledger, Line, facts
from features.proposing.hindsight import tell_tales
from features.proposing.inventory import Found
from features.proposing.matching import could_be
from features.proposing.profiling import ColumnProfile, Look
from features.proposing.vocabulary import fit, meaning, words
from features.tables import TABLES, Kind

_NOT_PLAIN = re.compile(r"[^A-Za-z0-9_]+")
_CODES = {"zip", "zipcode", "postcode", "postal", "plz", "code", "id", "nr"}
_TAKEN = {"customer", "at", "known_at", "event_id", "row", "reason"}
_KINDS = {Look.FLAG: "flag", Look.NUMBER: "number", Look.CATEGORY: "category"}


def describe(
    connection: duckdb.DuckDBPyConnection, found: Found, ledger: Ledger, left: str | None
) -> tuple[tuple[Line, ...], tuple[Line, ...]]:
    """Choose the attributes of customers; what is left out goes into the ledger with the reason.

    Parameters
    ----------
    connection : DuckDBPyConnection
    found : Found
    ledger : Ledger
        What has become of its columns so far.
    left : str or None
        SQL of whether somebody has left, if the source says so.

    Returns
    -------
    (tuple of Line, tuple of Line)
        The attributes with their kinds, and the mapping of those whose names are not plain.
    """
    for column in ledger.rest(found.columns):
        reason = _unfit(found.columns[column])
        if reason:
            ledger.left_out[column] = reason
    rest = ledger.rest(found.columns)
    ledger.left_out.update(tell_tales(connection, found.sample, found.columns, left, rest))
    kinds = {column: _kind(found.columns[column]) for column in ledger.rest(found.columns)}
    return _declared("customers", found, ledger, kinds)


def indicators(found: Found, ledger: Ledger) -> tuple[tuple[Line, ...], tuple[Line, ...]]:
    """Choose the numbers of the market, as `describe` does the attributes of customers."""
    unused = [column for column in found.columns.values() if column.name not in ledger.used]
    kinds = {column.name: "number" for column in unused if could_be(Kind.NUMBER, column.name, column)}
    return _declared("market", found, ledger, kinds)


def _declared(
    table: str, found: Found, ledger: Ledger, kinds: Mapping[str, str]
) -> tuple[tuple[Line, ...], tuple[Line, ...]]:
    """Lines of further columns, and the mapping of those whose names are not plain."""
    taken = {column.name.lower() for column in TABLES[table].columns} | _TAKEN
    attributes, renamed = [], []
    for column, kind in kinds.items():
        plain = plain_name(column, taken)
        taken.add(plain.lower())
        attributes.append(Line(plain, kind, facts(found.columns[column])))
        renamed += [Line(plain, column)] if plain != column else []
        ledger.used.add(column)
    return tuple(attributes), tuple(renamed)


def plain_name(column: str, taken: Collection[str]) -> str:
    """Write the name of a column with letters, digits and _ only, and not as one that is taken.

    Examples
    --------
    >>> plain_name("Monthly Charges ($)", {"row"}), plain_name("row", {"row"}), plain_name("1st", set())
    ('Monthly_Charges', 'row_given', 'column_1st')
    """
    plain = _NOT_PLAIN.sub("_", column).strip("_")
    if not plain or not plain[0].isalpha():
        plain = f"column_{plain}".rstrip("_")
    while plain.lower() in taken:
        plain += "_given"
    return plain


def _kind(column: ColumnProfile) -> str:
    """Kind of an attribute; numbers that are codes are categories."""
    is_code = column.look is Look.NUMBER and bool(_CODES & set(words(column.name)))
    return "category" if is_code else _KINDS[column.look]


def _unfit(column: ColumnProfile) -> str | None:
    """Why a column describes nobody, None where it might."""
    by_look = {
        Look.EMPTY: "empty",
        Look.TEXT: "free text",
        Look.TIME: "a time; this table has no place for it",
        Look.ID: "nearly every row has its own value, so it says nothing about anybody else",
    }
    reason = by_look.get(column.look)
    if (
        fit(column.name, meaning("personal"))
        and column.look is not Look.FLAG
        and column.distinct > column.sampled / 10
    ):
        reason = "a name"
    if fit(column.name, meaning("decision_cost")):
        reason = "what a right or wrong decision costs, not what a customer is like"
    if column.distinct == 1 and column.filled == column.rows:
        reason = "the same in every row"
    if column.look is Look.NUMBER and not column.is_believable:
        reason = "has numbers too large to be believed"
    if column.look is Look.NUMBER and column.form is not None:
        reason = "numbers with marks between groups, which attributes are not read with"
    return reason

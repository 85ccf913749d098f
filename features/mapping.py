"""The mapping of a table: what business.toml says of it, compared with the table's contract."""

import re
from typing import TYPE_CHECKING

from features.errors import did_you_mean
from features.tables import TABLES, Kind, Table

if TYPE_CHECKING:
    from features.business import Source

EPOCH_UNITS = {"epoch_seconds": 1_000_000, "epoch_milliseconds": 1_000, "epoch_microseconds": 1}
"""Formats of times that are counted since 1970: their name, and how many microseconds one is."""

MONEY_FORMATS = ("1,234.56", "1.234,56", "minor", "rounded")
"""Formats of money beside plain decimal numbers."""

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_TAKEN = {"customer", "at", "known_at", "event_id", "row", "reason"}


def problem_of(name: str, source: "Source") -> str | None:
    """Say what is wrong with a table of business.toml and what to write, None where nothing is.

    Parameters
    ----------
    name : str
        The table.
    source : Source
        What the file says about it.

    Returns
    -------
    str or None
    """
    if name not in TABLES:
        return f"there is no such table. {did_you_mean(name, TABLES)}"
    if name == "market":
        return "this version does not read the table market yet. Remove the section."
    table = TABLES[name]
    return (
        _place_problem(source)
        or _attribute_problem(table, source)
        or _column_problem(table, source)
        or _format_problem(table, source)
    )


def _place_problem(source: "Source") -> str | None:
    """What is wrong with where the rows come from."""
    selected = (source.table is not None) + (source.query is not None)
    if source.is_database:
        if selected == 1:
            return None
        return 'a database needs either table = "public.orders" or query = "select …", and only one of them.'
    if "://" in source.source:
        scheme = source.source.split("://")[0]
        return f"cannot read {scheme}:// sources. Write a file, a glob, a folder or a postgresql:// URL."
    return "table and query go with a postgresql:// source; a file has neither." if selected else None


def _attribute_problem(table: Table, source: "Source") -> str | None:
    """What is wrong with the declared attributes."""
    own = {column.name: column.kind for column in table.columns}
    lower = {column.lower(): column for column in own}
    for name, kind in source.attribute_kinds.items():
        if not _NAME.fullmatch(name):
            return (
                f"the attribute {name!r} is not a plain name (a letter, then letters, digits and _). "
                f'Write a plain name in attributes and columns = {{ plain_name = "{name}" }}.'
            )
        if name in own and kind not in {None, own[name]}:
            return f"{name} is a column of this table and has the kind {own[name]}, not {kind}."
        if lower.setdefault(name.lower(), name) != name:
            other = lower[name.lower()]
            return f"the attribute {name!r} differs from {other} only in capital letters. Rename one."
        if name not in own and name.lower() in _TAKEN:
            return f"the attribute name {name!r} is taken by the store. Map it under another name in columns."
    return None


def _column_problem(table: Table, source: "Source") -> str | None:
    """What is wrong with the mapped columns."""
    own = [column.name for column in table.columns]
    for name in source.columns:
        if name not in own and name not in source.attributes:
            return (
                f"columns: {name} is not a column of this table. {did_you_mean(name, own)} "
                f'Further columns are declared with attributes = ["{name}"].'
            )
    for name in table.required:
        if name not in source.mapping:
            return f'columns: {name} is required. Add {name} = "its name in the source".'
    return None


def _format_problem(table: Table, source: "Source") -> str | None:
    """What is wrong with the declared formats."""
    kinds = {column.name: column.kind for column in table.columns if column.name in source.mapping}
    for name, form in source.formats.items():
        kind = kinds.get(name)
        if kind not in {Kind.TIME, Kind.MONEY}:
            known = [n for n, k in kinds.items() if k in {Kind.TIME, Kind.MONEY}]
            return f"formats: {name} is not a mapped column of times or money. {did_you_mean(name, known)}"
        if kind is Kind.MONEY and form not in MONEY_FORMATS:
            return f"formats: {form!r} is not a format of money. {did_you_mean(form, MONEY_FORMATS)}"
        if kind is Kind.TIME and form not in EPOCH_UNITS and not _is_strptime(form):
            known = [*EPOCH_UNITS, "%d/%m/%Y"]
            return f"formats: {form!r} is not a format of times. {did_you_mean(form, known)}"
    return None


def _is_strptime(form: str) -> bool:
    """Whether DuckDB can read times in this format."""
    import duckdb

    if "%" not in form:
        return False
    try:
        duckdb.connect().execute("SELECT try_strptime('', ?)", [form]).fetchall()
    except duckdb.Error:
        return False
    return True

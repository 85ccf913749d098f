"""The mapping of a table: what business.toml says of it, compared with the table's contract."""

import re
from collections.abc import Collection, Sequence

from features.errors import did_you_mean
from features.intake.origins import Identities, Rows, Source
from features.tables import TABLES, Kind, Table

EPOCH_UNITS = {"epoch_seconds": 1_000_000, "epoch_milliseconds": 1_000, "epoch_microseconds": 1}
"""Formats of times that are counted since 1970: their name, and how many microseconds one is."""

MONEY_FORMATS = ("1,234.56", "1.234,56", "minor", "rounded")
"""Formats of money beside plain decimal numbers."""

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_TAKEN = {"customer", "at", "known_at", "event_id", "row", "reason"}


def problem_of(name: str, source: Source) -> str | None:
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
    table = TABLES[name]
    return (
        _place_problem(source)
        or _attribute_problem(table, source)
        or _indicator_problem(table, source)
        or _column_problem(table, source)
        or _format_problem(table, source)
    )


def sources_problem(sources: Sequence[Source]) -> str | None:
    """Say what is wrong with the sources of one table beside each other, None where nothing is.

    Parameters
    ----------
    sources : sequence of Source
        What the file says about each.

    Returns
    -------
    str or None
    """
    if len({source.has_currencies for source in sources if "currency" in source.mapping}) > 1:
        return "currency is in columns of one source and in attributes of another. Write it in columns."
    labels = labels_of(sources)
    kinds: dict[str, tuple[Kind, str]] = {}
    for label, source in zip(labels, sources, strict=True):
        if labels.count(label) > 1:
            return f"more than one source has the name {label!r}. Give each its own."
        for name, kind in source.attribute_kinds.items():
            other, where = kinds.setdefault(name, (kind, label)) if kind else (kind, label)
            if other is not kind:
                return (
                    f"the attribute {name} is a {other} in the source {where} and a {kind} in {label}. "
                    "Declare one kind, or two attributes."
                )
    return None


def labels_of(sources: Sequence[Source]) -> list[str]:
    """What each source of a table is called: its name, or its position, counted from 1."""
    return [source.name or str(number) for number, source in enumerate(sources, 1)]


def identities_problem(identities: Identities, names: Collection[str]) -> str | None:
    """Say what is wrong with the section of identities, None where nothing is.

    Parameters
    ----------
    identities : Identities
        What the file says.
    names : collection of str
        The names of the sources of all tables.

    Returns
    -------
    str or None
    """
    known = ("source_id", "customer_id", "source")
    for name in identities.columns:
        if name not in known:
            return f"columns: {name} is not a column of identities. {did_you_mean(name, known)}"
    for name in known[:2]:
        if name not in identities.columns:
            return f'columns: {name} is required. Add {name} = "its name in the source".'
    if "source" in identities.columns and not names:
        return (
            "columns: source says which source an id is of, but no source of a table has a name. "
            'Add name = "web" to it.'
        )
    return _place_problem(identities)


def _place_problem(source: Rows) -> str | None:
    """What is wrong with where the rows come from."""
    if source.is_database:
        if (source.table is None) != (source.query is None):
            return None
        return 'a database needs either table = "public.orders" or query = "select …", and only one of them.'
    if "://" in source.source:
        scheme = source.source.split("://")[0]
        return f"cannot read {scheme}:// sources. Write a file, a glob, a folder or a postgresql:// URL."
    if source.table is not None:
        return "table goes with a postgresql:// source; the rows of a file are its table."
    return None


def _attribute_problem(table: Table, source: Source) -> str | None:
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


def _indicator_problem(table: Table, source: Source) -> str | None:
    """What is wrong with the indicators of the market."""
    if table.name != "market":
        return None
    own = {column.name for column in table.columns}
    indicators = {name: kind for name, kind in source.attribute_kinds.items() if name not in own}
    for name, kind in indicators.items():
        if kind not in {None, Kind.NUMBER}:
            return f'the indicators of market are numbers; {name} is declared as {kind}. Write "number".'
    if not indicators:
        return 'market needs at least one indicator. Add attributes = ["unemployment"].'
    return None


def _column_problem(table: Table, source: Source) -> str | None:
    """What is wrong with the mapped columns."""
    own = [column.name for column in table.columns]
    # The currency of a row is compared with the business's, and not kept.
    known = [*own, "currency"] if any(column.kind is Kind.MONEY for column in table.columns) else own
    for name in source.columns:
        if name not in known and name not in source.attributes:
            return (
                f"columns: {name} is not a column of this table. {did_you_mean(name, own)} "
                f'Further columns are declared with attributes = ["{name}"].'
            )
    for name in table.required:
        if name not in source.mapping:
            return f'columns: {name} is required. Add {name} = "its name in the source".'
    return None


def _format_problem(table: Table, source: Source) -> str | None:
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

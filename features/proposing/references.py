"""References: which column of each source says whose row it is.

Names decide first; where they say nothing, a column with the values of another source's key does.
"""

from collections.abc import Sequence

import duckdb

from features.naming import name
from features.proposing.inventory import Found, Inventory
from features.proposing.profiling import ColumnProfile, Look
from features.proposing.vocabulary import EXACT, WITHIN, fit, meaning, value_words, words

_LEAST = 0.95
_VALUES = 1000
_FEW = 20


def customer_columns(inventory: Inventory) -> dict[str, str]:
    """Find the column of each source that tells whose row it is.

    Parameters
    ----------
    inventory : Inventory

    Returns
    -------
    dict of str to str
        By the sample of the source; sources of nobody's rows are not in it.
    """
    chosen = _by_name(inventory.found)
    known = [found for found in inventory.found if found.sample in chosen]
    for found in inventory.found:
        if found.sample not in chosen:
            column = _by_reference(inventory.connection, found, known, chosen)
            if column is not None:
                chosen[found.sample] = column
    return chosen or _by_content(inventory)


def own_number(found: Found) -> str | None:
    """Return a column such as ``id`` that numbers the rows of a source, if there is one."""
    numbering = (column.name for column in found.columns.values() if _is_bare(column) and column.is_unique)
    return next(numbering, None)


def is_exactly_unique(connection: duckdb.DuckDBPyConnection, found: Found, column: str) -> bool:
    """Whether no value comes twice in all rows of a source."""
    if not found.columns[column].is_unique:
        return False
    row = connection.execute(
        f"SELECT count(*) = count(DISTINCT {name(column)}) FROM ({found.relation})"
    ).fetchone()
    return bool(row and row[0])


def pointed_at(inventory: Inventory, found: Found) -> tuple[str, Found] | None:
    """Return a column of a source that holds the keys of another source, and that source."""
    for other in inventory.found:
        for column, own in found.columns.items():
            key = other.columns.get(column)
            is_pair = other is not found and key is not None and key.is_unique and own.is_key
            if is_pair and _share_in(inventory.connection, (found, column), (other, column)) >= _LEAST:
                return column, other
    return None


def customer_fit(column: str) -> int:
    """How well a name fits a column that tells customers apart.

    Examples
    --------
    >>> customer_fit("customerID") > customer_fit("household_id") > customer_fit("customer_status")
    True
    """
    phrases = meaning("customer")
    best = fit(column, phrases)
    if best > WITHIN:
        return best
    own, best = words(column), 0
    for place, phrase in enumerate(phrases):
        rest = [word for word in own if word not in phrase]
        if set(phrase) <= set(own) and set(rest) <= value_words("id"):
            best = max(best, WITHIN - place)
    return best


def _by_name(found: Sequence[Found]) -> dict[str, str]:
    """Choose the best name of each source; households only where nobody knows customers."""
    chosen: dict[str, tuple[int, str]] = {}
    for source in found:
        fits = [(customer_fit(c.name), -n, c.name) for n, c in enumerate(source.columns.values()) if c.is_key]
        best = max(fits, default=(0, 0, ""))
        if best[0]:
            chosen[source.sample] = best[0], best[2]
    of_people = any(not fit(column, meaning("household")) for _, column in chosen.values())
    return {
        sample: column
        for sample, (_, column) in chosen.items()
        if not (of_people and fit(column, meaning("household")))
    }


def _by_reference(
    connection: duckdb.DuckDBPyConnection, found: Found, known: Sequence[Found], chosen: dict[str, str]
) -> str | None:
    """Find a column that shares its values with the customers of another source."""
    for other in known:
        theirs = chosen[other.sample]
        key = other.columns[theirs]
        for column in found.columns.values():
            if not column.is_key or column.distinct < _FEW:
                continue
            is_theirs = column.is_unique and _is_bare(column)
            if is_theirs and _share_in(connection, (other, theirs), (found, column.name)) >= _LEAST:
                return column.name
            is_ours = key.is_unique and not column.is_unique and _is_telling(column)
            if is_ours and _share_in(connection, (found, column.name), (other, theirs)) >= _LEAST:
                return column.name
    return None


def _by_content(inventory: Inventory) -> dict[str, str]:
    """Find a key that most other sources point at, where no name says anything."""
    best: dict[str, str] = {}
    for key_source in inventory.found:
        for key in key_source.columns.values():
            if not (key.is_key and key.is_unique and key.distinct >= _FEW):
                continue
            chosen = {key_source.sample: key.name}
            for found in inventory.found:
                column = _pointing(inventory.connection, found, (key_source, key.name))
                if found is not key_source and column is not None:
                    chosen[found.sample] = column
            if len(chosen) > max(1, len(best)):
                best = chosen
    return best


def _pointing(connection: duckdb.DuckDBPyConnection, found: Found, key: tuple[Found, str]) -> str | None:
    """Return a column of a source whose values are those of a key, if there is one."""
    for column in found.columns.values():
        could = column.is_key and not column.is_unique and column.distinct >= _FEW and _is_telling(column)
        if could and _share_in(connection, (found, column.name), key) >= _LEAST:
            return column.name
    return None


def _is_bare(column: ColumnProfile) -> bool:
    """Whether a column is called ``id`` or the like, and nothing more."""
    own = words(column.name)
    return column.is_key and bool(own) and set(own) <= value_words("id")


def _is_telling(column: ColumnProfile) -> bool:
    """Whether equal values are no accident: texts, or numbers that are not small counts."""
    return column.look in {Look.ID, Look.CATEGORY} or column.highest >= EXACT


def _share_in(connection: duckdb.DuckDBPyConnection, own: tuple[Found, str], key: tuple[Found, str]) -> float:
    """Share of the sampled values of a column that are values of another source's column."""
    value, wanted = (f"CAST({name(column)} AS VARCHAR)" for _, column in (own, key))
    values = (
        f"SELECT DISTINCT {value} AS v FROM {name(own[0].sample)} WHERE {value} <> '' "
        f"ORDER BY 1 LIMIT {_VALUES}"
    )
    row = connection.execute(
        f"SELECT avg((v IN (SELECT {wanted} FROM ({key[0].relation})))::INT) FROM ({values})"
    ).fetchone()
    return float(row[0] or 0) if row else 0.0

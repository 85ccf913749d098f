"""Names: how names and texts are written in SQL, and the columns that a source must have."""

from collections.abc import Collection, Mapping

from features.errors import DataError, did_you_mean


def name(value: str) -> str:
    """Write a name in SQL.

    Examples
    --------
    >>> name("amount")
    '"amount"'
    """
    return '"' + value.replace('"', '""') + '"'


def text(value: str) -> str:
    """Write a text in SQL.

    Examples
    --------
    >>> text("it's")
    "'it''s'"
    """
    return "'" + value.replace("'", "''") + "'"


def texts(values: Collection[str]) -> str:
    """Write texts as a list in SQL.

    Examples
    --------
    >>> texts(["a", "b"])
    "['a', 'b']"
    """
    return "[" + ", ".join(text(value) for value in values) + "]"


def require(table: str, mapping: Mapping[str, str], available: Collection[str], where: str) -> None:
    """Refuse a source that lacks a mapped column.

    Parameters
    ----------
    table : str
        Our name of the table.
    mapping : mapping of str to str
        Our names of columns, and their names in the source.
    available : collection of str
        The columns of the source.
    where : str
        What to call the source.

    Raises
    ------
    DataError
        Names the column, what is there and the nearest name.
    """
    for ours, theirs in mapping.items():
        if theirs not in available:
            raise DataError(
                f"{table}: column {theirs!r} (for {ours}) is not in {where}. "
                f"{did_you_mean(theirs, available)} Correct columns in [tables.{table}]."
            )


def refuse_repeated(table: str, where: str, columns: Collection[str]) -> None:
    """Refuse columns of one name; names that differ in capital letters only are one to DuckDB.

    Raises
    ------
    DataError
        Names the first of them.
    """
    seen: set[str] = set()
    for column in columns:
        if column.lower() in seen:
            raise DataError(f"{table}: {where} has more than one column {column!r}. Give each its own name.")
        seen.add(column.lower())

"""Queries: what business.toml asks of the rows of its files, answered by DuckDB.

The rows are there under the name ``source``; those of text files are text, so a query casts what it counts.
The answer is written down once, so everything later sees the same rows in the same order.
"""

import re
from pathlib import Path

import duckdb

from features.errors import DataError
from features.naming import name, text

_ABOUT_THE_QUERY = (duckdb.ParserException, duckdb.BinderException, duckdb.CatalogException)
# Parquet has no whole numbers of 128 bits and would keep them as floating ones.
_KEPT_AS = {"HUGEINT": "DECIMAL(38, 0)", "UHUGEINT": "DECIMAL(38, 0)"}
_ABOUT_A_VALUE = (duckdb.ConversionException, duckdb.OutOfRangeException)
_LITERAL = re.compile("'[^']*'")
# What stands in quotes, and numbers, may come from the data; names of types hold digits too.
_QUOTED = re.compile(r"'.*'|\".*\"", re.DOTALL)
_NUMBER = re.compile(r"(?<![A-Za-z_0-9])[-+]?\d[\w.:+-]*")


def answer(connection: duckdb.DuckDBPyConnection, table: str, query: str, rows: str, path: Path) -> None:
    """Write the answer to a query to a Parquet file.

    Parameters
    ----------
    connection : DuckDBPyConnection
        A database that may read the files and write below the staging folder.
    table : str
        Our name of the table that is asked for.
    query : str
        One ``select``, from ``source``.
    rows : str
        SQL of what ``source`` is.
    path : Path
        The file to write.

    Raises
    ------
    DataError
        It is no such query, or it cannot be answered.
    """
    with_source = f"WITH source AS ({rows}) "
    try:
        asked = _the_select(table, query)
        answered = f"{with_source}SELECT * FROM ({asked}\n)"
        types = connection.execute(f"DESCRIBE {answered}").fetchall()
        wide = [f"CAST({name(t[0])} AS {_KEPT_AS[t[1]]}) AS {name(t[0])}" for t in types if t[1] in _KEPT_AS]
        kept = f"* REPLACE ({', '.join(wide)})" if wide else "*"
        connection.execute(
            f"COPY ({with_source}SELECT {kept} FROM ({asked}\n)) TO {text(str(path))} (FORMAT parquet)"
        )
    except duckdb.Error as error:
        if _is_damage(str(error)):
            raise
        raise DataError(
            f"{table}: the query cannot be answered: {_without_values(error)}. "
            f"Correct query in [tables.{table}]; its rows are those of source."
        ) from None


def _the_select(table: str, query: str) -> str:
    """Return the query without what ends it, or refuse anything but one select."""
    statements = duckdb.extract_statements(query)
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        raise DataError(
            f"{table}: the query is not one select. Write select … from source in [tables.{table}]."
        )
    return query.strip().rstrip(";")


def _is_damage(message: str) -> bool:
    """Whether DuckDB complains about a file or the machine rather than about the query."""
    marks = ("CSV Error", "Malformed JSON in file", "non-record JSON", "Out of Memory", "No space left")
    return message.startswith("IO Error") or any(mark in message for mark in marks)


def _without_values(error: duckdb.Error) -> str:
    """DuckDB's message without the query; where the data may speak in it, what they say is left out."""
    message = str(error).split("\n\nLINE", 1)[0]
    if isinstance(error, _ABOUT_THE_QUERY):
        return _LITERAL.sub("…", " ".join(message.split())).rstrip(" .!")
    if isinstance(error, _ABOUT_A_VALUE):
        return _NUMBER.sub("…", _QUOTED.sub("…", message)).split("\n", 1)[0].rstrip(" .!")
    if isinstance(error, duckdb.PermissionException):
        return "it may read nothing but source"
    return message.split(":", 1)[0]

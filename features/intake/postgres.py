"""PostgreSQL as a source: one query, streamed in Arrow batches into a Parquet file of the staging folder.

The rows are fetched once, so everything later sees the same ones.
The URL may hold a password; it is never shown.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from features.errors import DataError, UserError
from features.intake.origins import Rows
from features.naming import name, require


def fetch(table: str, source: Rows, path: Path, *, is_mapped: bool = True) -> None:
    """Write the mapped columns of a table or query to a Parquet file.

    Parameters
    ----------
    table : str
        Our name of the table.
    source : Rows
        A database URL with a table or a query.
    path : Path
        The file to write.
    is_mapped : bool, default True
        Whether a business.toml asks, which an error can then point to.

    Raises
    ------
    DataError
        The database cannot be reached, refuses the query, or lacks a mapped column.
    UserError
        The driver is not installed.
    """
    rows = f"({source.query}) AS source" if source.query is not None else _qualified(str(source.table))
    where = "the query" if source.query is not None else str(source.table)
    place = f" in [tables.{table}]" if is_mapped else ""
    with _asking(table, place), _connect(source.source) as connection, connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION READ ONLY")
        cursor.execute(f"SELECT * FROM {rows} LIMIT 0")
        available = [column[0] for column in cursor.description]
        require(table, source.mapping, available, where)
        columns = ", ".join(name(column) for column in dict.fromkeys(source.mapping.values()))
        cursor.execute(f"SELECT {columns} FROM {rows}")
        reader = cursor.fetch_record_batch()
        schema = pa.schema([_plain(field) for field in reader.schema])
        with pq.ParquetWriter(path, schema, compression="lz4") as writer:
            for batch in reader:
                writer.write_table(pa.Table.from_batches([batch]).cast(schema))


def look(table: str, source: Rows) -> None:
    """Make sure that the database of a table answers, without reading any row.

    Raises
    ------
    DataError
        The database cannot be reached, or refuses.
    UserError
        The driver is not installed.
    """
    with _asking(table, ""), _connect(source.source) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        cursor.fetchall()


def _connect(url: str) -> Any:
    """Open the database."""
    try:
        from adbc_driver_postgresql import dbapi
    except ImportError:
        raise UserError(
            "Reading postgresql:// needs the PostgreSQL driver. Install it: pip install 'holdfast[postgres]'."
        ) from None
    return dbapi.connect(url)


@contextmanager
def _asking(table: str, place: str) -> Iterator[None]:
    """Turn what the driver raises into a DataError without the URL, the query or any value.

    The ``place`` is where a business.toml names the table, as in ``" in [tables.purchases]"``.
    """
    from adbc_driver_manager import Error, OperationalError

    try:
        yield
    except Error as error:
        state = getattr(error, "sqlstate", None)
        if isinstance(error, OperationalError) and not state:
            raise DataError(
                f"{table}: the database cannot be reached or refuses to connect. "
                f"Correct the postgresql:// URL{place}, or start the database."
            ) from None
        if state == "42P01":
            raise DataError(f"{table}: the database has no such table. Correct its name{place}.") from None
        raise DataError(
            f"{table}: the database refused to read the rows (SQLSTATE {state or 'unknown'}). "
            f"Try the same table or query{place} in psql."
        ) from None
    except OSError as error:
        if error.errno is not None:
            raise
        # What fails after the first rows comes through Arrow, without a number.
        raise DataError(
            f"{table}: the database broke off while its rows were read. "
            f"Try the same table or query{place} in psql."
        ) from None


def _qualified(table: str) -> str:
    """Write the name of a table, with or without its schema, in SQL."""
    return ".".join(name(part) for part in table.split("."))


def _plain(field: pa.Field) -> pa.Field:
    """Return the field as Parquet can hold it; numeric and other types come as text and stay text."""
    kind = field.type
    return pa.field(field.name, kind.storage_type if isinstance(kind, pa.BaseExtensionType) else kind)

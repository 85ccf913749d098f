"""Writing batches of scores in bulk: Arrow streams through ADBC into SQLite files and PostgreSQL.

Split from `serving.scores`, whose promises it keeps, so that looking up needs no database driver.
"""

import fcntl
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

from features.errors import ModelUnavailable, UserError
from serving.scores import (
    APPLICATION_ID,
    BatchInfo,
    Score,
    info_from,
    info_row,
    refuse_foreign,
    storable,
)

_LOCK_KEY = 4_850_219
_BATCHES = """
CREATE TABLE IF NOT EXISTS holdfast_batches (
    number BIGINT PRIMARY KEY, cutoff TEXT NOT NULL, scored_at TEXT NOT NULL, customers BIGINT NOT NULL,
    churn_grid TEXT NOT NULL, kinds TEXT NOT NULL
)
"""
_REFUSED = {
    "2BP01": "The scores have other columns than before, and other objects of the database depend on "
    "the view holdfast_scores. Drop them, publish again, and create them anew.",
    "42501": "The account of the score table may not make tables in its schema, or does not own those there. "
    "Grant it CREATE on the schema, or publish with the account that made them.",
    "42809": "The database has something else under the name holdfast_scores. "
    "Choose another database or schema for the scores.",
    "23505": "The batch has a customer twice; expected unique ids. Run `holdfast score` again.",
}
"""What to do when PostgreSQL refuses, by its SQLSTATE."""


class Batch(Protocol):
    """A batch of scores that can be described and streamed."""

    def info(self, number: int) -> BatchInfo:
        """Describe it, as the batch of that number."""
        ...

    def stream(self) -> pa.RecordBatchReader:
        """Return its rows in types that a database takes."""
        ...


def replace_sqlite(path: Path, batch: Batch) -> None:
    """Write a batch beside the current file, then put it in its place; the current one becomes the previous.

    Raises
    ------
    UserError
        The file at the path is not a score table.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with _only_writer(path):
        refuse_foreign(path)
        for left in path.parent.glob(f"{path.name}.new*"):
            left.unlink()
        fresh = path.with_name(f"{path.name}.new")
        _write_sqlite(fresh, batch, _number_of(path) + 1)
        _to_disk(fresh)
        if path.exists():
            kept = path.with_name(f"{path.name}.previous")
            linked = path.with_name(f"{path.name}.new-previous")
            os.link(path, linked)
            linked.replace(kept)
        fresh.replace(path)
        _to_disk(path.parent)


def _write_sqlite(path: Path, batch: Batch, number: int) -> None:
    """Write a new SQLite file; nobody reads it yet, so it needs neither journal nor locks."""
    from adbc_driver_sqlite import dbapi

    info = batch.info(number)
    with dbapi.connect(str(path), autocommit=True) as connection, connection.cursor() as cursor:
        for pragma in (f"application_id = {APPLICATION_ID}", "journal_mode = OFF", "synchronous = OFF"):
            cursor.execute(f"PRAGMA {pragma}")
            cursor.fetchall()
        cursor.adbc_ingest("scores", batch.stream(), mode="create")
        cursor.execute("CREATE UNIQUE INDEX scores_by_customer ON scores (customer_id)")
        cursor.adbc_ingest("batch", pa.Table.from_pylist([info_row(info)]), mode="create")


def _number_of(path: Path) -> int:
    """Return the number of the batch in a file, 0 where there is none."""
    from serving.scores import SqliteScores

    table = SqliteScores(path)
    try:
        info = table.batch()
    finally:
        table.close()
    return 0 if info is None else info.number


@contextmanager
def _only_writer(path: Path) -> Iterator[None]:
    """Hold the lock of the writers of a score table; it falls with the process that holds it."""
    with path.with_name(f"{path.name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(
                "Another run is publishing scores to this file. Wait until it has finished."
            ) from None
        yield


def _to_disk(path: Path) -> None:
    """Make a file or folder survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def add_to_postgres(url: str, batch: Batch) -> None:
    """Add a batch and make it the current one, in one transaction; only the one before it is kept.

    Raises
    ------
    UserError
        The database cannot be reached, or refuses.
    """
    with _writing(url) as connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT pg_advisory_xact_lock({_LOCK_KEY})")
        cursor.fetchall()
        cursor.execute(_BATCHES)
        cursor.execute("SELECT coalesce(max(number), 0) FROM holdfast_batches")
        number = int(cursor.fetchone()[0]) + 1
        table = f"holdfast_scores_{number}"
        cursor.adbc_ingest(table, batch.stream(), mode="create")
        cursor.execute(f"CREATE UNIQUE INDEX ON {table} (customer_id)")
        cursor.adbc_ingest(
            "holdfast_batches", pa.Table.from_pylist([info_row(batch.info(number))]), mode="append"
        )
        _switch(cursor, number, table)
        cursor.execute(f"SELECT number FROM holdfast_batches WHERE number < {number - 1}")
        for (old,) in cursor.fetchall():
            cursor.execute(f"DROP TABLE IF EXISTS holdfast_scores_{int(old)}")
            cursor.execute(f"DELETE FROM holdfast_batches WHERE number = {int(old)}")
        connection.commit()


def _switch(cursor: Any, number: int, table: str) -> None:
    """Point the view at a batch; where its columns stay, so do the grants on it and the views over it."""
    before = _columns(cursor, "holdfast_scores")
    if before and before != [("batch", "integer"), *_columns(cursor, table)]:
        cursor.execute("DROP VIEW holdfast_scores")
    cursor.execute(f"CREATE OR REPLACE VIEW holdfast_scores AS SELECT {number} AS batch, * FROM {table}")


def _columns(cursor: Any, relation: str) -> list[tuple[str, str]]:
    """Return the names and types of a relation's columns in order, none where there is no such relation."""
    cursor.execute(
        "SELECT attname::text, format_type(atttypid, atttypmod) FROM pg_attribute "
        f"WHERE attrelid = to_regclass('{relation}') AND attnum > 0 AND NOT attisdropped ORDER BY attnum"
    )
    return [(str(column), str(kind)) for column, kind in cursor.fetchall()]


def require_postgres(url: str) -> None:
    """Connect and ask whether tables may be made; write nothing.

    Raises
    ------
    UserError
        The database cannot be reached, or this account may not publish there.
    """
    with _writing(url) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT coalesce(has_schema_privilege(current_schema(), 'CREATE'), false)")
        if not cursor.fetchone()[0]:
            raise UserError(_REFUSED["42501"])


@contextmanager
def _writing(url: str) -> Iterator[Any]:
    """Connect for writing; what the driver raises becomes a UserError without the URL or any value."""
    from adbc_driver_manager import Error

    try:
        connection = _postgres(url)
    except Error:
        raise UserError(
            "The database of the score table cannot be reached or refuses to connect. "
            "Correct its postgresql:// URL, or start the database."
        ) from None
    try:
        with connection:
            yield connection
    except Error as error:
        state = getattr(error, "sqlstate", None)
        if not state:
            raise UserError(
                "The database of the score table stopped answering, or the scores to publish cannot be read. "
                "The batch before stays. Publish again."
            ) from None
        other = f"The database of the score table refused (SQLSTATE {state}). Its log says why."
        raise UserError(_REFUSED.get(state, other)) from None


class PostgresScores:
    """The current batch in PostgreSQL."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._lock = threading.Lock()
        self._connection: Any = None
        self._info: BatchInfo | None = None

    def lookup(self, customer_ids: Sequence[str]) -> list[Score | None]:
        """Return the score of each customer in order, None for one that the batch does not hold."""
        asked = [name for name in dict.fromkeys(customer_ids) if storable(name)]
        if not asked:
            return [None] * len(customer_ids)
        marks = ",".join(f"${position}" for position in range(1, len(asked) + 1))
        with self._lock:
            if not self._published():
                return [None] * len(customer_ids)
            rows = self._query(f"SELECT * FROM holdfast_scores WHERE customer_id IN ({marks})", asked)
            found = {}
            for number, *row in rows:
                score = self._described(int(number)).decoder()(row)
                found[score["customer_id"]] = score
        return [found.get(name) for name in customer_ids]

    def batch(self) -> BatchInfo | None:
        """Return what is known about the current batch, None before the first."""
        with self._lock:
            if not self._published():
                return None
            newest = self._query("SELECT max(number) FROM holdfast_batches", [])[0][0]
            return None if newest is None else self._described(int(newest))

    def close(self) -> None:
        """Let go of the connection."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
            self._connection = None

    def _published(self) -> bool:
        """Whether there is a batch; once there is one there always is."""
        if self._info is not None:
            return True
        return self._query("SELECT to_regclass('holdfast_scores')::text", [])[0][0] is not None

    def _described(self, number: int) -> BatchInfo:
        """Return what is known about a batch, read once."""
        if self._info is None or self._info.number != number:
            columns = "number, cutoff, scored_at, customers, churn_grid, kinds"
            sql = f"SELECT {columns} FROM holdfast_batches WHERE number = $1"
            self._info = info_from(self._query(sql, [number])[0])
        return self._info

    def _query(self, sql: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
        """Run one query; a connection that broke since the last one is opened again, once.

        Raises
        ------
        ModelUnavailable
            The database does not answer.
        """
        from adbc_driver_manager import Error

        if self._connection is not None:
            try:
                return self._run(sql, values)
            except Error:
                self._connection.close()
                self._connection = None
        try:
            self._connection = _postgres(self._url, autocommit=True)
            return self._run(sql, values)
        except Error as error:
            raise ModelUnavailable("The score table does not answer. Try again later.") from error

    def _run(self, sql: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
        """Run one query on the open connection."""
        with self._connection.cursor() as cursor:
            cursor.execute(sql, tuple(values) if values else None)
            return list(cursor.fetchall())


def _postgres(url: str, *, autocommit: bool = False) -> Any:
    """Connect, or say which extra is missing."""
    try:
        from adbc_driver_postgresql import dbapi
    except ImportError:
        raise UserError(
            "PostgreSQL needs its driver. Install it with `pip install 'holdfast[postgres]'`."
        ) from None
    return dbapi.connect(url, autocommit=autocommit)

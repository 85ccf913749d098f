"""The score table: the last batch of scores, ready to be looked up by customer.

===================== =====================================================================================
where                 what
===================== =====================================================================================
``sqlite:///path``    one file that is one batch: tables ``scores`` and ``batch``.  A new batch is a new file
                      that takes the old one's place (rename); ``<path>.previous`` is the batch before.
``postgresql://…``    view ``holdfast_scores`` of a table ``holdfast_scores_N``, and ``holdfast_batches``.
                      A new batch and the switch of the view are one transaction; N - 1 is kept.
===================== =====================================================================================

Either way readers see the old batch or the new one, never a half, whenever the writer dies.
Columns are those of the batch; times are ISO 8601 text and lists are JSON text, so both read the same.

A SQLite batch is never changed in place, therefore it is read without locks (``immutable=1``).  That is
faster, and it is needed: ADBC brings its own SQLite library, and two of them must not share locks of a file.
"""

import json
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.dataset as ds

from features.errors import DataError, ModelUnavailable, UserError
from serving.contract import iso

APPLICATION_ID = 0x48465343
"""Marks a SQLite file as a score table ("HFSC")."""

GRID_POINTS = 1001
_ROWS_AT_A_TIME = 50_000
_HEADER = 100

Score = dict[str, object]
Decoder = Callable[[Any], object]


@dataclass(frozen=True)
class BatchInfo:
    """What is known about a batch of scores.

    Attributes
    ----------
    number : int
        Counts the batches of one table, from 1.
    cutoff, scored_at : str
        ISO 8601, as in the scores.
    customers : int
        How many customers it holds.
    churn_grid : tuple of float
        Quantiles 0, 0.001, … 1 of the churn probability over the base; empty where nobody was eligible.
    kinds : tuple of (str, str)
        Name and kind of each column: ``plain``, ``flag`` or ``json``.
    """

    number: int
    cutoff: str
    scored_at: str
    customers: int
    churn_grid: tuple[float, ...]
    kinds: tuple[tuple[str, str], ...]

    def decoder(self) -> Callable[[Sequence[Any]], Score]:
        """Return a function from a row of the table to a score as in the API."""
        names = [name for name, _ in self.kinds]
        decoders = [_DECODERS[kind] for _, kind in self.kinds]

        def decode(row: Sequence[Any]) -> Score:
            return {
                name: None if value is None else read(value)
                for name, read, value in zip(names, decoders, row, strict=True)
            }

        return decode


_DECODERS: dict[str, Decoder] = {"plain": lambda value: value, "flag": bool, "json": json.loads}
_COLUMNS = ("number", "cutoff", "scored_at", "customers", "churn_grid", "kinds")


class ScoreTable(Protocol):
    """Where scores are looked up."""

    def lookup(self, customer_ids: Sequence[str]) -> list[Score | None]:
        """Return the score of each customer in order, None for one that the batch does not hold."""
        ...

    def batch(self) -> BatchInfo | None:
        """Return what is known about the current batch, None before the first."""
        ...

    def close(self) -> None:
        """Let go of the database."""
        ...


def connect(url: str) -> ScoreTable:
    """Open a score table for reading; it need not exist yet.

    Raises
    ------
    UserError
        The URL is neither ``sqlite:///path`` nor ``postgresql://…``.
    """
    if url.startswith("sqlite:///"):
        return SqliteScores(sqlite_path(url))
    _require_postgres(url)
    from serving.warehouse import PostgresScores

    return PostgresScores(url)


def reachable(url: str) -> None:
    """Make sure that a batch could be published here, and write nothing.

    Raises
    ------
    UserError
        The URL is not understood, the database does not answer, or the file is not ours to write.
    """
    if not url.startswith("sqlite:///"):
        _require_postgres(url)
        from serving.warehouse import require_postgres

        require_postgres(url)
        return
    path = sqlite_path(url).absolute()
    try:
        refuse_foreign(path)
        folder = next(parent for parent in path.parents if parent.exists())
        writable = folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)
    except OSError:
        writable = False
    if not writable:
        raise UserError(f"{path} cannot be written. Choose another path for the scores, or open its folder.")


def publish(parquet_folder: Path, url: str, churn_grid: Sequence[float] | None = None) -> None:
    """Make the scores of a folder the current batch, all at once.

    Parameters
    ----------
    parquet_folder : Path
        Parquet files with the columns of a score, one row per customer.
    url : str
        ``sqlite:///path`` or ``postgresql://…``.
    churn_grid : sequence of float, optional
        Quantiles of the churn probability over the base; computed from the folder unless given.

    Raises
    ------
    DataError
        The folder holds no scores.
    UserError
        The URL is not understood, the SQLite file is not a score table, or PostgreSQL refuses.
    """
    batch = _Batch(parquet_folder, churn_grid)
    if url.startswith("sqlite:///"):
        from serving.warehouse import replace_sqlite

        replace_sqlite(sqlite_path(url), batch)
        return
    _require_postgres(url)
    from serving.warehouse import add_to_postgres

    add_to_postgres(url, batch)


def percentile(
    churn_grid: Sequence[float], probabilities: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Rank churn probabilities in the base, from 0 to 100; ties get the middle of their ranks.

    Examples
    --------
    >>> percentile([0.1, 0.2, 0.3], np.array([0.2, 0.9])).tolist()
    [50.0, 100.0]
    """
    grid = np.asarray(churn_grid)
    below = np.searchsorted(grid, probabilities, "left")
    upto = np.searchsorted(grid, probabilities, "right")
    ranks = 50.0 * (below + upto) / len(grid)
    return np.where(np.isnan(probabilities), np.nan, ranks)


def sqlite_path(url: str) -> Path:
    """Return the path of a ``sqlite:///`` URL: three slashes and a path, relative or absolute.

    Examples
    --------
    >>> str(sqlite_path("sqlite:////var/scores.db"))
    '/var/scores.db'
    """
    return Path(url.removeprefix("sqlite:///"))


def is_score_table(path: Path) -> bool:
    """Whether a file is a SQLite file that this module wrote, judged from its header."""
    with path.open("rb") as file:
        header = file.read(_HEADER)
    return header[:15] == b"SQLite format 3" and header[68:72] == APPLICATION_ID.to_bytes(4, "big")


class SqliteScores:
    """A batch in a SQLite file; a new file at the same path is noticed by the next call."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._identity: tuple[int, int, int] | None = None
        self._database: sqlite3.Connection | None = None
        self._info: BatchInfo | None = None
        self._decode: Callable[[Sequence[Any]], Score] = dict

    def lookup(self, customer_ids: Sequence[str]) -> list[Score | None]:
        """Return the score of each customer in order, None for one that the batch does not hold."""
        asked = [name for name in dict.fromkeys(customer_ids) if storable(name)]
        with self._lock:
            database = self._current()
            if database is None or not asked:
                return [None] * len(customer_ids)
            marks = ",".join("?" * len(asked))
            rows = database.execute(f"SELECT * FROM scores WHERE customer_id IN ({marks})", asked).fetchall()
            found = {score["customer_id"]: score for score in map(self._decode, rows)}
        return [found.get(name) for name in customer_ids]

    def batch(self) -> BatchInfo | None:
        """Return what is known about the current batch, None before the first."""
        with self._lock:
            return None if self._current() is None else self._info

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._drop()

    def _drop(self) -> None:
        """Close the connection and forget the file."""
        if self._database is not None:
            self._database.close()
        self._database, self._identity, self._info = None, None, None

    def _current(self) -> sqlite3.Connection | None:
        """Return a connection to the file that is at the path now."""
        try:
            status = self._path.stat()
        except FileNotFoundError:
            self._drop()
            return None
        identity = (status.st_dev, status.st_ino, status.st_mtime_ns)
        if identity != self._identity:
            self._drop()
            if not is_score_table(self._path):
                raise ModelUnavailable("The score table cannot be read: its file is something else.")
            uri = f"{self._path.absolute().as_uri()}?mode=ro&immutable=1"
            self._database = sqlite3.connect(uri, uri=True, check_same_thread=False)
            row = self._database.execute(f"SELECT {', '.join(_COLUMNS)} FROM batch").fetchone()
            self._info = info_from(row)
            self._decode = self._info.decoder()
            self._identity = identity
        return self._database


def refuse_foreign(path: Path) -> None:
    """Refuse a file that is not a score table, before anything overwrites it.

    Raises
    ------
    UserError
        The file exists and was not written by `publish`.
    """
    if path.exists() and not is_score_table(path):
        raise UserError(f"{path} exists and is not a score table. Choose a path of its own for the scores.")


def storable(customer_id: str) -> bool:
    """Whether a database can hold this text; what it cannot hold, it does not have."""
    return "\0" not in customer_id and not any("\ud800" <= character <= "\udfff" for character in customer_id)


def info_row(info: BatchInfo) -> dict[str, object]:
    """Return the row of a batch table that `info_from` reads."""
    return {
        "number": info.number,
        "cutoff": info.cutoff,
        "scored_at": info.scored_at,
        "customers": info.customers,
        "churn_grid": json.dumps(info.churn_grid),
        "kinds": json.dumps(info.kinds),
    }


def info_from(row: Sequence[Any]) -> BatchInfo:
    """Read a row of a batch table."""
    number, cutoff, scored_at, customers, grid, kinds = row
    pairs = tuple((name, kind) for name, kind in json.loads(kinds))
    return BatchInfo(int(number), cutoff, scored_at, int(customers), tuple(json.loads(grid)), pairs)


class _Batch:
    """The scores of a Parquet folder as one stream for a database."""

    def __init__(self, folder: Path, churn_grid: Sequence[float] | None) -> None:
        files = sorted(str(path) for path in folder.rglob("*.parquet"))
        self._dataset = ds.dataset(files, format="parquet") if files else None
        if self._dataset is None or self._dataset.count_rows() == 0:
            raise DataError("The folder holds no scores. Run `holdfast score` first.")
        self._given_grid = churn_grid

    def info(self, number: int) -> BatchInfo:
        """Describe the batch, as the one of that number."""
        assert self._dataset is not None  # noqa: S101  (checked at construction)
        times = self._dataset.head(1, columns=["cutoff", "scored_at"])
        cutoff, scored_at = (str(_as_text(times[name])[0]) for name in ("cutoff", "scored_at"))
        kinds = tuple((field.name, _kind(field.type)) for field in self._dataset.schema)
        return BatchInfo(number, cutoff, scored_at, self._dataset.count_rows(), self._grid(), kinds)

    def stream(self) -> pa.RecordBatchReader:
        """Return the rows, a few at a time, in types that every database takes."""
        assert self._dataset is not None  # noqa: S101  (checked at construction)
        schema = pa.schema([pa.field(f.name, _stored_type(f.type)) for f in self._dataset.schema])
        return pa.RecordBatchReader.from_batches(schema, self._rows(schema))

    def _rows(self, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        """Yield the encoded rows."""
        assert self._dataset is not None  # noqa: S101  (checked at construction)
        for rows in self._dataset.to_batches(batch_size=_ROWS_AT_A_TIME):
            columns = [
                _stored(column, field.type) for column, field in zip(rows.columns, schema, strict=True)
            ]
            yield pa.RecordBatch.from_arrays(columns, schema=schema)

    def _grid(self) -> tuple[float, ...]:
        """Return the quantiles of the churn probability over the base."""
        assert self._dataset is not None  # noqa: S101  (checked at construction)
        if self._given_grid is not None:
            return tuple(float(value) for value in self._given_grid)
        column = self._dataset.to_table(columns=["churn_probability"])["churn_probability"].drop_null()
        values = column.to_numpy()
        return tuple(np.quantile(values, np.linspace(0, 1, GRID_POINTS)).tolist()) if len(values) else ()


def _kind(arrow_type: pa.DataType) -> str:
    """Say how a stored column is read back."""
    if pa.types.is_boolean(arrow_type):
        return "flag"
    return "json" if pa.types.is_nested(arrow_type) else "plain"


def _stored_type(arrow_type: pa.DataType) -> pa.DataType:
    """Return the type that a column has in a database."""
    if pa.types.is_boolean(arrow_type) or pa.types.is_integer(arrow_type):
        return arrow_type
    return pa.float64() if pa.types.is_floating(arrow_type) else pa.string()


def _stored(column: pa.Array, stored_type: pa.DataType) -> pa.Array:
    """Encode a column for a database."""
    if pa.types.is_nested(column.type):
        texts = [None if value is None else json.dumps(value) for value in column.to_pylist()]
        return pa.array(texts, stored_type)
    return _as_text(column) if pa.types.is_timestamp(column.type) else column.cast(stored_type)


def _as_text(column: pa.Array) -> pa.Array:
    """Write a column of times as ISO 8601; a batch has few different ones."""
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    coded = column.cast(pa.timestamp("us", column.type.tz)).cast(pa.int64()).dictionary_encode()
    texts = pa.array([iso(instant) for instant in coded.dictionary.to_pylist()], pa.string())
    return pa.DictionaryArray.from_arrays(coded.indices, texts).cast(pa.string())


def _require_postgres(url: str) -> None:
    """Refuse what is neither of the two databases; the URL may hold a password, so it is not repeated."""
    if not url.startswith(("postgresql://", "postgres://")):
        raise UserError(
            "The score table is a URL: sqlite:///path/scores.db or postgresql://user:password@host/database."
        )

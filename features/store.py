"""The store: the single view of every customer, one customer's events together and in order of time.

::

    <workspace>/store/CURRENT                      name of the snapshot that readers see
    <workspace>/store/snapshots/<name>/
        manifest.json                              counts, kinds, and what the snapshot was built from
        customers/NNNN.parquet                     customer_id: the customers of a bucket, sorted
        <table>/NNNN.parquet                       customer (position above), at, known_at (if late), values
        profile/NNNN.parquet                       the same for the rows of the table customers
        shared/<table>.parquet                     at and values of rows that are nobody's own, by group
        levels/<table>.<column>.parquet            sorted values of a category; a code is a position here
        rejected/<table>.parquet                   row, reason, and the raw columns as text

Everybody who has ever been of one household is in one bucket.
A snapshot never changes once it is named in ``CURRENT``.
"""

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from features.business import Business
from features.errors import DataError, UserError, did_you_mean
from features.events import Bucket, Codes, Events, Numbers, Shared, share
from features.tables import SHARED, TABLES, Kind

FORMAT = 2
"""Version of the layout; a store of another version is built again."""


@dataclass(frozen=True)
class TableRecord:
    """What a build found in one table; ``rows_in = stored + duplicates + rejected``.

    ``reasons`` counts rejected rows; ``notes`` counts values that were read otherwise than they are written.
    """

    rows_in: int
    stored: int
    duplicates: int
    rejected: int
    reasons: dict[str, int]
    first_at: int | None
    last_at: int | None
    late: bool
    columns: dict[str, str]
    notes: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Manifest:
    """What a snapshot is: the content of ``manifest.json``.

    ``observed_until``, ``first_at`` and ``last_at`` are instants; ``fingerprint`` is the SHA-256 of the
    hashes of all files, so two snapshots with one fingerprint hold the same bytes.
    """

    name: str
    currency: str
    minor_digits: int
    timezone: str | None
    observed_until: int
    n_customers: int
    n_buckets: int
    tables: dict[str, TableRecord]
    fingerprint: str
    format: int = FORMAT

    def to_json(self) -> str:
        """Write the manifest as JSON."""
        return json.dumps(asdict(self), indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "Manifest":
        """Read a manifest.

        Raises
        ------
        UserError
            It was written by another version of Holdfast.
        """
        data: dict[str, Any] = json.loads(text)
        if data.get("format") != FORMAT:
            raise UserError(
                f"The store has the format {data.get('format')}; this version reads {FORMAT}. "
                "Run `holdfast build`."
            )
        tables = {name: TableRecord(**record) for name, record in data.pop("tables").items()}
        return cls(tables=tables, **data)


def folder_of(table: str) -> str:
    """Name of the folder of a table: the rows of ``customers`` lie in ``profile``."""
    return "profile" if table == "customers" else table


def file_of(folder: Path, index: int) -> Path:
    """Path of the file of a bucket."""
    return folder / f"{index:04d}.parquet"


class Levels(Mapping[str, Sequence[str]]):
    """The sorted values of category columns, each read when first asked for."""

    def __init__(self, columns: Collection[str], read: Callable[[str], Sequence[str]]) -> None:
        self._columns = tuple(columns)
        self._read = read

    def __getitem__(self, column: str) -> Sequence[str]:
        """Return the values of one column."""
        if column not in self._columns:
            raise KeyError(column)
        return self._read(column)

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names of the columns."""
        return iter(self._columns)

    def __len__(self) -> int:
        """Return the number of columns."""
        return len(self._columns)


@dataclass(frozen=True)
class Store:
    """One snapshot, open for reading.

    Use `Store.open`.  Later builds do not change what an open store reads.
    """

    folder: Path
    manifest: Manifest
    _levels: dict[tuple[str, str], Sequence[str]] = field(default_factory=dict, repr=False, compare=False)
    _shared: dict[tuple[str, frozenset[str]], Shared] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def open(cls, workspace: Path) -> "Store":
        """Open the current snapshot of a workspace.

        Raises
        ------
        UserError
            Nothing has been built there, or by another version.
        """
        store = Path(workspace) / "store"
        try:
            snapshot = store / "snapshots" / (store / "CURRENT").read_text(encoding="utf-8").strip()
            text = (snapshot / "manifest.json").read_text(encoding="utf-8")
        except FileNotFoundError:
            raise UserError(
                f"Nothing has been built in {workspace} yet. Run `holdfast build business.toml`."
            ) from None
        return cls(snapshot, Manifest.from_json(text))

    @classmethod
    def of(cls, business: Business) -> "Store":
        """Open the current snapshot of a business.

        Raises
        ------
        UserError
            Nothing has been built, or it was built with another currency.
        """
        store = cls.open(business.workspace)
        built, asked = store.manifest.currency, business.business.currency
        if (built, store.manifest.minor_digits) != (asked, business.minor_digits):
            raise UserError(
                f"The store was built in {built}, business.toml says {asked}. Run `holdfast build` again."
            )
        return store

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel to another process without what was read."""
        return type(self), (self.folder, self.manifest)

    @property
    def n_buckets(self) -> int:
        """How many buckets the customers are divided into."""
        return self.manifest.n_buckets

    @property
    def observed_until(self) -> int:
        """The instant before which facts are complete."""
        return self.manifest.observed_until

    @cached_property
    def tables(self) -> tuple[str, ...]:
        """Names of the tables that the business has, in the order of the single view."""
        return tuple(name for name in TABLES if name in self.manifest.tables)

    def customer_ids(self, index: int) -> list[str]:
        """Return the customers of a bucket, sorted."""
        ids: list[str] = _read(file_of(self.folder / "customers", index)).column(0).to_pylist()
        return ids

    def levels(self, table: str, column: str) -> Sequence[str]:
        """Return the sorted values of a category column."""
        key = (table, column)
        if key not in self._levels:
            file = self.folder / "levels" / f"{table}.{column}.parquet"
            self._levels[key] = pq.read_table(file).column(0).to_pylist()
        return self._levels[key]

    def read(self, index: int, columns: Mapping[str, Collection[str]]) -> Bucket:
        """Read one bucket.

        Parameters
        ----------
        index : int
            Which bucket, from 0 to ``n_buckets - 1``.
        columns : mapping of str to collection of str
            For each table that is wanted the value columns that are wanted; a table that the business does
            not have is absent from the answer.  The key of a shared table need not be named.

        Returns
        -------
        Bucket

        Raises
        ------
        DataError
            A wanted column is not in the store.
        """
        ids = self.customer_ids(index)
        tables = {
            table: self._events(index, len(ids), table, tuple(wanted))
            for table, wanted in columns.items()
            if table in self.manifest.tables and table not in SHARED
        }
        return Bucket(ids, tables, self.shared(columns))

    def shared(self, columns: Mapping[str, Collection[str]]) -> dict[str, Shared]:
        """Return the shared tables among those that are wanted: what every customer is scored with.

        Each is read once.

        Raises
        ------
        DataError
            A wanted column is not in the store.
        """
        found = {}
        for table, wanted in columns.items():
            if table in SHARED and table in self.manifest.tables:
                values = frozenset(wanted) - {SHARED[table].key}
                if (table, values) not in self._shared:
                    self._shared[table, values] = self._read_shared(table, values)
                found[table] = self._shared[table, values]
        return found

    def _read_shared(self, table: str, wanted: frozenset[str]) -> Shared:
        """Read a shared table, all of it: rows of one time are ordered by every value."""
        record, key = self.manifest.tables[table], SHARED[table].key
        self._require(table, wanted)
        rows = pq.read_table(self.folder / "shared" / f"{table}.parquet")
        values = {column: _array(rows.column(column), Kind(kind)) for column, kind in record.columns.items()}
        return share(
            self.levels(table, key) if key in values else [],
            np.asarray(values.pop(key), np.int32) if key in values else None,
            rows.column("at").to_numpy(),
            values,
            self._levels_of(table, wanted),
            sorted(wanted),
        )

    def _events(self, index: int, n_customers: int, table: str, wanted: Sequence[str]) -> Events:
        """Read the rows of one table."""
        record = self.manifest.tables[table]
        self._require(table, wanted)
        structural = ["customer", "at", "known_at"] if record.late else ["customer", "at"]
        file = file_of(self.folder / folder_of(table), index)
        rows = _read(file, [*structural, *wanted])
        customer = rows.column("customer").to_numpy()
        offsets = np.searchsorted(customer, np.arange(n_customers + 1, dtype=np.int32)).astype(np.int64)
        at = rows.column("at").to_numpy()
        known_at = rows.column("known_at").to_numpy() if record.late else at
        values = {column: _array(rows.column(column), Kind(record.columns[column])) for column in wanted}
        return Events(offsets, at, known_at, values, self._levels_of(table, wanted))

    def _require(self, table: str, wanted: Collection[str]) -> None:
        """Refuse columns that the store does not have."""
        known = self.manifest.tables[table].columns
        for column in wanted:
            if column not in known:
                raise DataError(
                    f"{table}: the store has no column {column!r}. {did_you_mean(column, known)} "
                    f"Map it in [tables.{table}] and build again."
                )

    def _levels_of(self, table: str, wanted: Collection[str]) -> Levels:
        """Return the levels of those columns that are categories, each read when first asked for."""
        kinds = self.manifest.tables[table].columns
        categories = [column for column in wanted if kinds[column] == Kind.CATEGORY]
        return Levels(categories, lambda column: self.levels(table, column))


def _read(file: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """Read some columns of a file of a bucket; other buckets are read at the same time."""
    with pq.ParquetFile(file) as rows:
        return rows.read(columns, use_threads=False)


def _array(column: pa.ChunkedArray, kind: Kind) -> Numbers | Codes:
    """One column as the kernel wants it."""
    if kind is Kind.CATEGORY:
        codes: Codes = column.to_numpy()
        return codes
    if kind is Kind.TEXT:
        texts: Any = column.to_numpy()
        return texts  # type: ignore[no-any-return]
    numbers: Numbers = np.asarray(column.to_numpy(), dtype=np.float64)
    return numbers

"""Build: sources become a new snapshot of the store."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from features.business import Business
from features.errors import UserError
from features.naming import name
from features.publication import fingerprint, publish, sole_writer, unfinished
from features.sources import Place, Raw, connect, find, read
from features.staging import Staged, stage, write_rejected
from features.store import Manifest, TableRecord, file_of, folder_of
from features.tables import TABLES, Kind
from features.windows import BEGINNING, next_midnight, to_instant

ROWS_OF_A_BUCKET = 500_000
"""About how many rows a bucket holds at most; memory is bounded by it."""

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how many steps are done, and how many there are."""


@dataclass(frozen=True)
class BuildReport:
    """What a build did: the new snapshot's folder and its manifest."""

    snapshot: Path
    manifest: Manifest


@dataclass(frozen=True)
class Job:
    """What the steps of one build share."""

    business: Business
    connection: duckdb.DuckDBPyConnection
    folder: Path
    progress: Progress
    now: int

    @property
    def staging(self) -> Path:
        """Where checked rows wait to be put in order."""
        return self.folder / "staging"

    @property
    def output(self) -> Path:
        """What becomes the snapshot."""
        return self.folder / "snapshot"


def build(
    business: Business,
    progress: Progress | None = None,
    *,
    n_buckets: int | None = None,
    memory: str | None = None,
    threads: int | None = None,
    now: int | None = None,
) -> BuildReport:
    """Read every source, check every row, and publish a new snapshot; readers never see a half of it.

    Parameters
    ----------
    business : Business
        What to read.
    progress : callable, optional
        Called with (what, done, total).
    n_buckets : int, optional
        A power of two; by default one for every 500 000 rows.
    memory : str, optional
        What DuckDB may use, as in ``"2GB"``; by default half of the machine, at most 4 GB.
    threads : int, optional
        By default all cores.
    now : int, optional
        The instant of the build; by default the clock's.  Nothing can have happened after it.

    Raises
    ------
    DataError
        A table breaks its contract; the old snapshot stays.
    UserError
        Another run is writing, or the disk or the memory does not suffice.
    """
    if n_buckets is not None and n_buckets & (n_buckets - 1):
        raise ValueError(f"n_buckets is {n_buckets}; expected a power of two")
    store = business.workspace / "store"
    places = [find(business, table) for table in TABLES if table in business.tables]
    with sole_writer(store), _limits(store), unfinished(store) as folder:
        cores = threads or len(os.sched_getaffinity(0))
        with connect(folder, places, memory or _memory(), cores) as connection:
            job = Job(business, connection, folder, progress or _silent, _clock() if now is None else now)
            manifest = _build(job, places, n_buckets)
        return BuildReport(publish(store, job.output), manifest)


def _build(job: Job, places: list[Place], n_buckets: int | None) -> Manifest:
    """Write a whole snapshot into the output folder."""
    job.staging.mkdir()
    job.output.mkdir()
    raws = {place.table: read(job.connection, place, job.staging) for place in places}
    tables = _stage_all(job, raws, n_buckets)
    manifest = _write(job, tables, n_buckets or _buckets(sum(table.rows_in for table in tables)))
    (job.output / "manifest.json").write_text(manifest.to_json(), encoding="utf-8")
    return manifest


@contextmanager
def _limits(store: Path) -> Iterator[None]:
    """Say what to do where the disk or the memory of the machine does not suffice."""
    try:
        yield
    except duckdb.OutOfMemoryException:
        raise UserError(
            "The build needs more memory or more space on the disk than it may use. "
            "Free some, or give it more memory. The previous snapshot stays."
        ) from None
    except OSError as error:
        raise UserError(
            f"The build stopped: {error.strerror or 'a file cannot be read or written'}. Check the space and "
            f"the permissions of {store} and of the sources. The previous snapshot stays."
        ) from None


def _silent(what: str, done: int, total: int) -> None:
    """Progress that nobody watches."""


def _clock() -> int:
    """Return the present instant."""
    return to_instant(datetime.now(UTC))


def _memory() -> str:
    """Half of the machine's memory, at most 4 GB."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return f"{min(machine // 2, 4 << 30) >> 20}MiB"


def _buckets(rows: int) -> int:
    """Return the smallest power of two that leaves no bucket with more rows than it should have."""
    return 1 << max(0, (rows - 1) // ROWS_OF_A_BUCKET).bit_length()


def _stage_all(job: Job, raws: dict[str, Raw], n_buckets: int | None) -> list[Staged]:
    """Check and divide every table."""
    n_slices = n_buckets or _buckets(sum(raw.rows_at_most for raw in raws.values()))
    tables = []
    for done, (table, raw) in enumerate(raws.items()):
        job.progress("checking", done, len(raws))
        tables.append(stage(job.connection, job.business, table, raw, job.staging, n_slices, job.now))
    job.progress("checking", len(raws), len(raws))
    return tables


def _write(job: Job, tables: list[Staged], n_buckets: int) -> Manifest:
    """Write levels, buckets and refused rows, and account for every row."""
    (job.output / "customers").mkdir()
    for table in tables:
        (job.output / folder_of(table.name)).mkdir()
        _write_levels(job, table)
    n_slices = 1 + max(int(f.name.split("=")[1]) for t in tables for f in t.folder.glob("_slice=*"))
    late = {table.name: _is_late(job, table) for table in tables}
    stored = dict.fromkeys(late, 0)
    n_customers = 0
    for index in range(n_buckets):
        job.progress("writing", index, n_buckets)
        slices = range(index, n_slices, n_buckets)
        n_customers += _write_customers(job, tables, slices, index)
        for table in tables:
            stored[table.name] += _write_rows(job, table, slices, index, late=late[table.name])
    job.progress("writing", n_buckets, n_buckets)
    for table in tables:
        if table.rejected:
            (job.output / "rejected").mkdir(exist_ok=True)
            path = job.output / "rejected" / f"{table.name}.parquet"
            write_rejected(job.connection, job.business, table, path)
    return _manifest(job, tables, stored, late, n_customers, n_buckets)


def _write_levels(job: Job, table: Staged) -> None:
    """Write the sorted values of every category, and keep their codes for the joins."""
    (job.output / "levels").mkdir(exist_ok=True)
    for column, kind in table.values.items():
        if kind is not Kind.CATEGORY:
            continue
        levels = _levels_name(table, column)
        job.connection.execute(
            f"CREATE TEMP TABLE {levels} AS "
            "SELECT level, CAST(row_number() OVER (ORDER BY level) - 1 AS INTEGER) AS code FROM ("
            f"SELECT DISTINCT {name(column)} AS level FROM ({table.kept()}) WHERE level IS NOT NULL)"
        )
        rows = job.connection.sql(
            f"SELECT level AS {name(column)} FROM {levels} ORDER BY code"
        ).to_arrow_table()
        _write_file(rows, job.output / "levels" / f"{table.name}.{column}.parquet")


def _levels_name(table: Staged, column: str) -> str:
    """Name of the table of a category's codes."""
    return name(f"levels {table.name}.{column}")


def _is_late(job: Job, table: Staged) -> bool:
    """Whether any row became known after it happened."""
    row = job.connection.execute(f"SELECT bool_or(_known_at > _at) FROM ({table.kept()})").fetchone()
    return bool(row and row[0])


def _write_customers(job: Job, tables: list[Staged], slices: range, index: int) -> int:
    """Write the customers of one bucket, and keep their positions for the joins."""
    every = " UNION ".join(f"SELECT customer_id FROM ({table.kept(slices)})" for table in tables)
    job.connection.execute(
        "CREATE OR REPLACE TEMP TABLE positions AS "
        "SELECT customer_id, CAST(row_number() OVER (ORDER BY customer_id) - 1 AS INTEGER) AS customer "
        f"FROM (SELECT DISTINCT customer_id FROM ({every}))"
    )
    rows = job.connection.sql("SELECT customer_id FROM positions ORDER BY customer").to_arrow_table()
    _write_file(rows, file_of(job.output / "customers", index))
    return int(rows.num_rows)


def _write_rows(job: Job, table: Staged, slices: range, index: int, *, late: bool) -> int:
    """Write the rows of one table and bucket in the order that `features.events.arrange` gives."""
    values, order, joins = [], [], []
    for place, (column, kind) in enumerate(table.values.items()):
        if kind is Kind.CATEGORY:
            joins.append(
                f"LEFT JOIN {_levels_name(table, column)} AS l{place} ON l{place}.level = r.{name(column)}"
            )
            values.append(f"coalesce(l{place}.code, -1) AS {name(column)}")
            order.append(name(column))
        else:
            values.append(f"r.{name(column)}")
            order.append(f"{name(column)} NULLS LAST")
    # Free text is no part of that order, but two rows that differ in it only must have one order as well.
    free = [f"r.{name(column)}" for column in table.texts]
    order += [f"{name(column)} NULLS FIRST" for column in table.texts]
    columns = ["customer", '_at AS "at"', "_known_at AS known_at", *values, *free]
    sql = (
        f"SELECT {', '.join(columns)} FROM ({table.kept(slices)}) AS r "
        f"JOIN positions USING (customer_id) {' '.join(joins)} "
        f"ORDER BY {', '.join(['customer', '_at', '_known_at', *order])}"
    )
    rows = job.connection.sql(sql).to_arrow_table()
    if not late:
        rows = rows.drop_columns(["known_at"])
    _write_file(rows, file_of(job.output / folder_of(table.name), index))
    return int(rows.num_rows)


def _write_file(rows: pa.Table, path: Path) -> None:
    """Write a Parquet file whose bytes depend on the rows alone."""
    rows = rows.replace_schema_metadata(None)
    pq.write_table(
        rows, path, compression="lz4", use_dictionary=False, write_statistics=False, store_schema=False
    )


def _manifest(
    job: Job,
    tables: list[Staged],
    stored: dict[str, int],
    late: dict[str, bool],
    n_customers: int,
    n_buckets: int,
) -> Manifest:
    """Account for every row."""
    records = {t.name: _record(job, t, stored[t.name], late=late[t.name]) for t in tables}
    identity = job.business.business
    return Manifest(
        name=identity.name,
        currency=identity.currency,
        minor_digits=job.business.minor_digits,
        timezone=identity.timezone,
        observed_until=_observed_until(job, tables),
        n_customers=n_customers,
        n_buckets=n_buckets,
        tables=records,
        fingerprint=fingerprint(job.output),
    )


def _observed_until(job: Job, tables: list[Staged]) -> int:
    """Return what is declared, else the midnight after the newest purchase, but never later than the build.

    Without purchases the starts of subscriptions count, but not those that are still to come.
    """
    declared = job.business.business.observed_until
    if declared is not None:
        return declared
    staged = {table.name: table for table in tables}
    table = staged.get("purchases") or staged["subscriptions"]
    row = job.connection.execute(f"SELECT max(_at) FROM ({table.kept()}) WHERE _at < {job.now}").fetchone()
    newest = row[0] if row else None
    return job.now if newest is None else min(next_midnight(newest), job.now)


def _record(job: Job, table: Staged, stored: int, *, late: bool) -> TableRecord:
    """Account for every row of one table."""
    if table.rows_in != stored + table.duplicates + table.rejected:
        raise AssertionError(f"{table.name}: rows in = stored + duplicates + rejected does not hold")
    row = job.connection.execute(
        f"SELECT min(_at), max(_at) FROM ({table.kept()}) WHERE _at > {BEGINNING}"
    ).fetchone()
    first, last = row or (None, None)
    return TableRecord(
        rows_in=table.rows_in,
        stored=stored,
        duplicates=table.duplicates,
        rejected=table.rejected,
        reasons=dict(sorted(table.reasons.items())),
        first_at=first,
        last_at=last,
        late=late,
        columns={**{c: str(k) for c, k in table.values.items()}, **dict.fromkeys(table.texts, "text")},
    )

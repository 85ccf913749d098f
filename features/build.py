"""Build: sources become a new snapshot of the store."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from features.business import Business
from features.errors import UserError
from features.intake.feeds import Staged
from features.intake.identities import read_identities
from features.intake.origins import Place, Raw
from features.intake.refusals import write_rejected
from features.intake.sources import connect, find_all, read_all
from features.intake.staging import Division, stage
from features.store import Manifest, TableRecord
from features.storing.assembly import Contents, write_customers, write_market, write_prices
from features.storing.households import divide_again, find_keys
from features.storing.job import Job, Progress
from features.storing.prices import KINDS, with_prices
from features.storing.publication import fingerprint, publish, sole_writer, unfinished
from features.tables import PLAN_PRICES
from features.windows import next_midnight, to_instant

ROWS_OF_A_BUCKET = 500_000
"""About how many rows a bucket holds at most; memory is bounded by it."""


@dataclass(frozen=True)
class BuildReport:
    """What a build did: the new snapshot's folder and its manifest."""

    snapshot: Path
    manifest: Manifest


def build(
    business: Business,
    progress: Progress | None = None,
    *,
    n_buckets: int | None = None,
    memory: str | None = None,
    threads: int | None = None,
    now: int | None = None,
    trial: bool = False,
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

    trial : bool
        The store is for one look only, so that no message speaks of it.

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
    places = find_all(business)
    with sole_writer(store), _limits(store, trial=trial), unfinished(store) as folder:
        cores = threads or len(os.sched_getaffinity(0))
        with connect(folder, places, memory or _memory(), cores) as connection:
            job = Job(
                business, connection, folder, progress or _silent, cores, _clock() if now is None else now
            )
            manifest = _build(job, places, n_buckets)
        return BuildReport(publish(store, job.output), manifest)


def _build(job: Job, places: list[Place], n_buckets: int | None) -> Manifest:
    """Write a whole snapshot into the output folder."""
    job.staging.mkdir()
    job.output.mkdir()
    raws = read_all(job.connection, places, job.staging)
    # Nothing is known yet but an upper bound of the rows, so there are at least as many slices as buckets.
    n_slices = n_buckets or _buckets(sum(raw.rows_at_most for each in raws.values() for raw in each))
    tables = _stage_all(job, raws, n_slices)
    manifest = _write(job, tables, n_slices, n_buckets)
    (job.output / "manifest.json").write_text(manifest.to_json(), encoding="utf-8")
    return manifest


@contextmanager
def _limits(store: Path, *, trial: bool) -> Iterator[None]:
    """Say what to do where the disk or the memory of the machine does not suffice."""
    who = "Reading the data" if trial else "The build"
    stays = "" if trial else " The previous snapshot stays."
    try:
        yield
    except duckdb.OutOfMemoryException:
        raise UserError(
            f"{who} needs more memory or more space on the disk than it may use. "
            f"Free some, or give it more memory.{stays}"
        ) from None
    except OSError as error:
        where = "the folder for temporary files (TMPDIR)" if trial else str(store)
        raise UserError(
            f"{who} stopped: {error.strerror or 'a file cannot be read or written'}. Check the space and "
            f"the permissions of {where} and of the sources.{stays}"
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


def _stage_all(job: Job, raws: dict[str, list[Raw]], n_slices: int) -> list[Staged]:
    """Check and divide every table; customers come first, since they say who belongs together."""
    same = raws.pop("identities", None)
    identities = read_identities(job.connection, job.business, same[0]) if same else None
    tables: list[Staged] = []
    keyed = False
    for done, (table, sources) in enumerate(raws.items()):
        job.progress("checking", done, len(raws))
        division = Division(n_slices, identities, keyed)
        staged = stage(job.connection, job.business, sources, job.staging, job.now, division)
        if table == "customers" and "household_id" in staged.values:
            keyed = find_keys(job.connection, staged) and n_slices > 1
            if keyed:
                divide_again(job.connection, staged, n_slices)
        tables.append(staged)
    job.progress("checking", len(raws), len(raws))
    return tables


def _write(job: Job, tables: list[Staged], n_slices: int, n_buckets: int | None) -> Manifest:
    """Write levels, buckets and refused rows, and account for every row."""
    of_customers = [table for table in tables if table.has_customers]
    n_buckets = n_buckets or _buckets(sum(table.rows_in for table in of_customers))
    n_customers, contents = write_customers(job, of_customers, n_slices, n_buckets)
    observed_until = _observed_until(job, of_customers)
    for market in (table for table in tables if not table.has_customers):
        contents[market.name] = write_market(job, market)
    records = {table.name: _record(table, contents[table.name]) for table in tables}
    subscriptions = with_prices(of_customers)
    if subscriptions:
        records[PLAN_PRICES.name] = _made(write_prices(job, subscriptions, observed_until))
    _write_all_rejected(job, tables)
    identity = job.business.business
    return Manifest(
        name=identity.name,
        currency=identity.currency,
        minor_digits=job.business.minor_digits,
        timezone=identity.timezone,
        observed_until=observed_until,
        n_customers=n_customers,
        n_buckets=n_buckets,
        tables=records,
        fingerprint=fingerprint(job.output),
    )


def _write_all_rejected(job: Job, tables: list[Staged]) -> None:
    """Write the refused rows of every table that has some."""
    for table in tables:
        if table.rejected:
            (job.output / "rejected").mkdir(exist_ok=True)
            path = job.output / "rejected" / f"{table.name}.parquet"
            write_rejected(job.connection, job.business, table, path)


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


def _record(table: Staged, contents: Contents) -> TableRecord:
    """Account for every row of one table."""
    if table.rows_in != contents.stored + table.duplicates + table.rejected:
        raise AssertionError(f"{table.name}: rows in = stored + duplicates + rejected does not hold")
    return TableRecord(
        rows_in=table.rows_in,
        stored=contents.stored,
        duplicates=table.duplicates,
        rejected=table.rejected,
        reasons=dict(sorted(table.reasons.items())),
        first_at=contents.first_at,
        last_at=contents.last_at,
        late=contents.late,
        columns={**{c: str(k) for c, k in table.values.items()}, **dict.fromkeys(table.texts, "text")},
        notes=dict(sorted(table.notes.items())),
    )


def _made(contents: Contents) -> TableRecord:
    """Account for the prices of plans, which the build makes itself."""
    return TableRecord(
        rows_in=contents.stored,
        stored=contents.stored,
        duplicates=0,
        rejected=0,
        reasons={},
        first_at=contents.first_at,
        last_at=contents.last_at,
        late=False,
        columns={column: str(kind) for column, kind in KINDS.items()},
    )

"""Assembly: staged tables become the files of a snapshot."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from features.events import Codes
from features.intake.feeds import Staged
from features.intake.slices import read_slices
from features.naming import name
from features.store import file_of, folder_of
from features.storing.buckets import (
    Part,
    arrange,
    keep,
    number_customers,
    part_of,
    take_up,
    translated,
    write_parquet,
)
from features.storing.job import Job
from features.storing.levels import keep_words, merge
from features.storing.ordering import encode
from features.storing.prices import KINDS, plan_prices
from features.tables import SHARED, Kind

_THESE = "these_slices"
"""Name of the slices that are being read."""


@dataclass(frozen=True)
class Contents:
    """What was written of one table."""

    stored: int
    late: bool
    first_at: int | None
    last_at: int | None


@dataclass(frozen=True)
class Look:
    """What was found in one bucket: the number of customers, and the part of every table."""

    n_customers: int
    parts: dict[str, Part]


def write_customers(
    job: Job, tables: Sequence[Staged], n_slices: int, n_buckets: int
) -> tuple[int, dict[str, Contents]]:
    """Write all that belongs to customers, bucket by bucket, and the levels.

    Returns
    -------
    int
        How many customers there are.
    dict of str to Contents
        What was written, by table.
    """
    for folder in ("customers", "levels", *(folder_of(table.name) for table in tables)):
        (job.output / folder).mkdir()
    for table in tables:
        _kept(job, table).mkdir(parents=True)
        _words(job, table).mkdir(parents=True)

    def ready(index: int) -> dict[str, pa.Table]:
        return {table.name: _read(job, table, range(index, n_slices, n_buckets)) for table in tables}

    def work(index: int, rows: dict[str, pa.Table]) -> Look:
        return _look(job, tables, index, rows)

    looks = job.each("ordering", n_buckets, ready, work)
    found = {table.name: _contents([look.parts[table.name] for look in looks]) for table in tables}
    codes = {table.name: _levels(job, table, looks) for table in tables}

    def write(index: int, _: None) -> None:
        for table in tables:
            _write(job, table, index, codes[table.name][index], late=found[table.name].late)

    job.each("writing", n_buckets, lambda _: None, write)
    return sum(look.n_customers for look in looks), found


def write_market(job: Job, market: Staged) -> Contents:
    """Write the market, which is nobody's own."""
    return _write_shared(job, market.name, _read(job, market, None), market.values)


def write_prices(job: Job, subscriptions: Staged, until: int) -> Contents:
    """Work out what plans cost, month by month, and write it."""
    rows = job.rows(plan_prices(subscriptions, until))
    return _write_shared(job, "plan_prices", rows, KINDS)


def _read(job: Job, table: Staged, slices: range | None) -> pa.Table:
    """Read the staged rows of some slices."""
    own = ["customer_id"] if table.has_customers else []
    columns = [*own, "_at", "_known_at", *table.values, *table.texts]
    wanted = ", ".join(name(column) for column in columns)
    if slices is None:
        return job.rows(f"SELECT {wanted} FROM ({table.kept()})")
    these = read_slices(table.folder, slices)
    if table.has_repeats:
        job.connection.complete()
        job.connection.register(_THESE, these)
        return job.rows(
            f"SELECT {wanted} FROM ({table.kept(f'SELECT {table.staged_columns} FROM {_THESE}')})"
        )
    if "_known_at" not in these.column_names:
        these = these.append_column("_known_at", these.column("_at"))
    return these.select(columns)


def _look(job: Job, tables: Sequence[Staged], index: int, rows: dict[str, pa.Table]) -> Look:
    """Order the rows of one bucket, keep them, and write its customers."""
    ids, owners = number_customers(rows)
    write_parquet(pa.table({"customer_id": ids}), file_of(job.output / "customers", index))
    parts = {}
    for table in tables:
        arranged = arrange(rows[table.name], owners[table.name], table.values, table.texts)
        keep(arranged.rows, _file(_kept(job, table), index))
        if arranged.words:
            keep_words(arranged.words, index, file_of(_words(job, table), index))
        parts[table.name] = part_of(arranged)
    return Look(len(ids), parts)


def _levels(job: Job, table: Staged, looks: Sequence[Look]) -> list[dict[str, Codes]]:
    """Write the levels of a table, and return the code of each bucket's words."""
    parts = [look.parts[table.name] for look in looks]
    if not parts[0].n_words:
        return [{} for _ in parts]
    return merge(job.connection, _words(job, table), parts, job.output / "levels" / table.name)


def _write(job: Job, table: Staged, index: int, codes: dict[str, Codes], *, late: bool) -> None:
    """Write the rows of one table and bucket as they stay."""
    kept = _file(_kept(job, table), index)
    rows = translated(take_up(kept), codes)
    if not late:
        rows = rows.drop_columns(["known_at"])
    write_parquet(rows, file_of(job.output / folder_of(table.name), index))
    kept.unlink()


def _write_shared(job: Job, table: str, rows: pa.Table, kinds: dict[str, Kind]) -> Contents:
    """Write the one file of a shared table, ordered by group and time, and its levels."""
    key = SHARED[table].key
    no_group = pa.chunked_array([pa.nulls(rows.num_rows, pa.string())])
    group, _ = encode(rows.column(key) if key in kinds else no_group)
    arranged = arrange(rows, group.astype("int64") + 1, kinds)
    (job.output / "shared").mkdir(exist_ok=True)
    write_parquet(
        arranged.rows.drop_columns(["customer", "known_at"]), job.output / "shared" / f"{table}.parquet"
    )
    for column, words in arranged.words.items():
        path = job.output / "levels" / f"{table}.{column}.parquet"
        write_parquet(pa.table({column: words}), path)
    return _contents([part_of(arranged)])


def _contents(parts: Sequence[Part]) -> Contents:
    """Add up the parts of a table."""
    first = [part.first_at for part in parts if part.first_at is not None]
    last = [part.last_at for part in parts if part.last_at is not None]
    return Contents(
        stored=sum(part.n_rows for part in parts),
        late=any(part.is_late for part in parts),
        first_at=min(first, default=None),
        last_at=max(last, default=None),
    )


def _kept(job: Job, table: Staged) -> Path:
    """Folder of the ordered rows of a table."""
    return job.staging / "ordered" / table.name


def _words(job: Job, table: Staged) -> Path:
    """Folder of the words of a table."""
    return job.staging / "words" / table.name


def _file(folder: Path, index: int) -> Path:
    """Path of what is kept of a bucket."""
    return folder / f"{index:04d}.arrow"

"""Slices: checked rows divided by customer, so that those of a few customers can be read without the others.

Rows come in chunks.  The rows of a chunk are put together by slice and become one Arrow file, in which every
slice is one batch; reading a slice takes its batch from every file.  So only two chunks are in memory while
rows are divided, one file is open whatever the number of slices, and what is read is mapped, not copied.
"""

from collections.abc import Collection, Iterator
from functools import partial
from pathlib import Path

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.dataset as ds
from pyarrow import fs

from features.turns import in_turn

Keys = npt.NDArray[np.int64]
"""Numbers that stand for event ids: two that are equal have one, and two that are not hardly ever."""

CHUNK = 1 << 19
"""About how many rows are divided at a time."""

SLICE = "_slice"
"""The column that says which slice a row belongs to: from 0 up, or `REFUSED`."""

KEY = "_event"
"""The column of `Keys`, which go to a file of their own; null where a row has none."""

REFUSED = -1
"""The slice of the rows that are refused: the first batch of every file."""


def divide(connection: duckdb.DuckDBPyConnection, sql: str, folder: Path, label: str, n_slices: int) -> int:
    """Write the rows of a query by slice.

    Parameters
    ----------
    connection : DuckDBPyConnection
    sql : str
        The rows, with a column `SLICE` and perhaps a column `KEY`.
    folder : Path
        Where the files go.
    label : str
        The beginning of their names.
    n_slices : int
        How many slices there are beside that of the refused rows.

    Returns
    -------
    int
        How many rows there were.
    """
    connection.complete()

    def chunks() -> Iterator[tuple[Path, pa.RecordBatch]]:
        for number, chunk in enumerate(connection.sql(sql).to_arrow_reader(CHUNK)):
            yield folder / f"{label}_{number:06d}.arrow", chunk

    return sum(in_turn(partial(_write, n_slices), chunks(), 1))


def _write(n_slices: int, placed: tuple[Path, pa.RecordBatch]) -> int:
    """Write one chunk by slice, and its keys beside it; return how many rows it has."""
    path, chunk = placed
    slices = chunk.column(SLICE).to_numpy() - REFUSED
    # numpy sorts the smallest whole numbers fastest.
    order = np.argsort(slices.astype(np.min_scalar_type(n_slices)), kind="stable")
    ends = np.cumsum(np.bincount(slices, minlength=n_slices + 1))
    if KEY in chunk.schema.names:
        chunk.column(KEY).drop_null().to_numpy().tofile(path.with_suffix(".keys"))
        chunk = chunk.drop_columns([KEY])
    rows = chunk.drop_columns([SLICE]).take(pa.array(order))
    with pa.ipc.new_file(path, rows.schema) as writer:
        for begin, end in zip([0, *ends[:-1]], ends, strict=True):
            writer.write_batch(rows.slice(begin, end - begin))
    return len(order)


def keys_of(folder: Path) -> list[Keys]:
    """Map the keys of all chunks into memory."""
    files = (path for path in sorted(folder.glob("*.keys")) if path.stat().st_size)
    return [np.memmap(path, np.int64, "r") for path in files]


def read_slices(folder: Path, slices: Collection[int]) -> pa.Table:
    """Read the rows of some slices."""
    batches = []
    for path in sorted(folder.glob("*.arrow")):
        with pa.memory_map(str(path)) as source, pa.ipc.open_file(source) as file:
            batches += [file.get_batch(number - REFUSED) for number in slices]
    return pa.Table.from_batches(batches)


def offer(connection: duckdb.DuckDBPyConnection, folder: Path, label: str, relation: str) -> None:
    """Let SQL read all rows of the files whose names begin with a label, refused ones too, by a name."""
    files = [str(path) for path in sorted(folder.glob(f"{label}_*.arrow"))]
    connection.complete()
    mapped = fs.LocalFileSystem(use_mmap=True)
    connection.register(relation, ds.dataset(files, filesystem=mapped, format="ipc"))

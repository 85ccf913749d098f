"""Levels: the words of all buckets become one sorted list for each category."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from features.events import Codes
from features.naming import text
from features.storing.buckets import Part, write_parquet


def keep_words(words: Mapping[str, pa.Array], index: int, path: Path) -> None:
    """Write the words of one table and bucket, each with its column, its bucket and its number there."""
    n = sum(map(len, words.values()))
    place = np.repeat(np.arange(len(words), dtype=np.int32), [len(found) for found in words.values()])
    rows = {
        "place": place,
        "level": pa.concat_arrays([*words.values()]),
        "bucket": np.full(n, index, np.int32),
        "number": np.arange(n, dtype=np.int32),
    }
    pq.write_table(pa.table(rows), path, compression="none", use_dictionary=False, write_statistics=False)


def merge(
    connection: duckdb.DuckDBPyConnection, folder: Path, parts: Sequence[Part], output: Path
) -> list[dict[str, Codes]]:
    """Sort the words of one table from all buckets, write them, and say what became of each.

    Parameters
    ----------
    connection : DuckDBPyConnection
    folder : Path
        What `keep_words` has written.
    parts : sequence of Part
        What every bucket has of the table.
    output : Path
        Where the levels go; each file's name begins with this one's.

    Returns
    -------
    list of dict
        For each bucket and category the code of each of the bucket's words.
    """
    columns = list(parts[0].n_words)
    starts = np.cumsum([0, *(sum(part.n_words.values()) for part in parts)])
    connection.complete()
    reader = connection.sql(
        f"SELECT place, level, bucket, number FROM read_parquet({text(str(folder / '*.parquet'))}) "
        "ORDER BY place, level"
    ).to_arrow_reader(1 << 18)
    rank = np.empty(starts[-1], np.int32)
    levels, n_levels = ranked(reader, starts, rank, len(columns))
    first = np.cumsum([0, *n_levels])
    for place, column in enumerate(columns):
        rows = pa.table({column: levels.slice(first[place], n_levels[place]).combine_chunks()})
        write_parquet(rows, output.with_name(f"{output.name}.{column}.parquet"))
    return [
        _codes(part, rank[start:], dict(zip(columns, first.tolist(), strict=False)))
        for part, start in zip(parts, starts, strict=False)
    ]


def ranked(
    reader: Iterable[pa.RecordBatch], starts: "np.typing.NDArray[np.int64]", rank: Codes, n_columns: int
) -> tuple[pa.ChunkedArray, list[int]]:
    """Number the sorted words, equal ones alike; return them, and how many each column has.

    ``rank`` gets the number of each word at the place that its bucket and its number there say.
    """
    chunks, counts = [pa.array([], pa.string())], np.zeros(n_columns, np.int64)
    n, last_place, last_level = 0, -1, None
    for batch in reader:
        if not batch.num_rows:
            continue
        place, level = batch.column("place").to_numpy(), batch.column("level")
        is_new = np.empty(len(place), np.bool_)
        is_new[0] = place[0] != last_place or level[0].as_py() != last_level
        same = pc.equal(level[1:], level[:-1]).to_numpy(zero_copy_only=False)
        is_new[1:] = (place[1:] != place[:-1]) | ~same
        where = starts[batch.column("bucket").to_numpy()] + batch.column("number").to_numpy()
        rank[where] = n - 1 + np.cumsum(is_new)
        chunks.append(level.filter(pa.array(is_new)))
        counts += np.bincount(place[is_new], minlength=n_columns)
        n += int(is_new.sum())
        last_place, last_level = place[-1], level[-1].as_py()
    return pa.chunked_array(chunks), counts.tolist()


def _codes(part: Part, rank: Codes, first: Mapping[str, int]) -> dict[str, Codes]:
    """Return the codes of one bucket's words."""
    codes, begin = {}, 0
    for column, n in part.n_words.items():
        codes[column] = rank[begin : begin + n] - np.int32(first[column])
        begin += n
    return codes

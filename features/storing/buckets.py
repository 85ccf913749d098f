"""Buckets on their way into the store: the checked rows of some customers are numbered, ordered and written.

That takes two looks at a bucket, since the code of a word is its position among the words of all buckets.
The first look leaves rows in their final order whose codes are those of the bucket's own words; the second
translates the codes.  Both look at one bucket alone, so memory is bounded by it, and several may be at work.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from features.events import NULL_CODE, Codes
from features.storing.ordering import Key, encode, numbers, ordered, words
from features.tables import Kind
from features.windows import BEGINNING

Owners = npt.NDArray[np.int64]
"""The position of each row's owner: a customer of the bucket."""


@dataclass(frozen=True)
class Arranged:
    """The rows of one table in their final order.

    Attributes
    ----------
    rows : pa.Table
        customer, at, known_at, values (codes are positions in ``words``), texts.
    words : mapping of str to pa.Array
        The sorted values of every category.
    """

    rows: pa.Table
    words: Mapping[str, pa.Array]


@dataclass(frozen=True)
class Part:
    """What was found in the rows of one table and bucket.

    Attributes
    ----------
    n_rows : int
    is_late : bool
        Whether any row became known after it happened.
    first_at, last_at : int or None
        The earliest and latest instant of rows that did not always hold.
    n_words : mapping of str to int
        How many words each category has here.
    """

    n_rows: int
    is_late: bool
    first_at: int | None
    last_at: int | None
    n_words: Mapping[str, int]


def part_of(arranged: Arranged) -> Part:
    """Say what is in the rows of a table."""
    at, known_at = (arranged.rows.column(name).to_numpy() for name in ("at", "known_at"))
    dated = at[at > BEGINNING]
    return Part(
        n_rows=len(at),
        is_late=bool((known_at > at).any()),
        first_at=int(dated.min()) if len(dated) else None,
        last_at=int(dated.max()) if len(dated) else None,
        n_words={column: len(found) for column, found in arranged.words.items()},
    )


def number_customers(tables: Mapping[str, pa.Table]) -> tuple[pa.Array, dict[str, Owners]]:
    """Return all customers that have rows, sorted, and the position of each row's customer among them."""
    encoded = {name: encode(rows.column("customer_id")) for name, rows in tables.items()}
    ids = pa.concat_arrays([found for _, found in encoded.values()]).unique().sort()
    owners = {
        name: pc.index_in(found, ids).to_numpy().astype(np.int64)[codes]
        for name, (codes, found) in encoded.items()
    }
    return ids, owners


def arrange(rows: pa.Table, owner: Owners, kinds: Mapping[str, Kind], free: Sequence[str] = ()) -> Arranged:
    """Put rows in the order that `features.events.arrange` gives: the owner, the time, then every column.

    Parameters
    ----------
    rows : pa.Table
        _at, _known_at, values and texts, in any order.
    owner : int64 array (n_rows,)
        Whose each row is.
    kinds : mapping of str to Kind
        The value columns in the order of the store.
    free : sequence of str
        The free texts.
    """
    at, known_at = rows.column("_at"), rows.column("_known_at")
    keys: list[Key] = [numbers(at.to_numpy()), numbers(known_at.to_numpy())]
    found: dict[str, pa.Array] = {}
    values: dict[str, pa.Array | Codes] = {}
    for column, kind in kinds.items():
        if kind is Kind.CATEGORY:
            codes, found[column] = encode(rows.column(column))
            values[column] = codes
            keys.append(numbers(codes))
        else:
            array = rows.column(column).combine_chunks()
            values[column] = array
            keys.append(numbers(array.to_numpy(zero_copy_only=False)))
    # Free text is no part of that order, but two rows that differ in it only must have one order as well.
    # A bucket's texts may be longer than an array of plain strings can be.
    texts = {column: rows.column(column).cast(pa.large_string()).combine_chunks() for column in free}
    keys += [words(text) for text in texts.values()]
    order = ordered(owner, keys)
    columns = {"customer": owner.astype(np.int32), "at": at, "known_at": known_at, **values, **texts}
    return Arranged(pa.table({name: _taken(column, order) for name, column in columns.items()}), found)


def _taken(column: pa.Array | pa.ChunkedArray | Codes, order: Owners) -> pa.Array:
    """Take rows of a column."""
    if isinstance(column, np.ndarray):
        return pa.array(column[order])
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    return column.take(pa.array(order))


def translated(rows: pa.Table, codes: Mapping[str, Codes]) -> pa.Table:
    """Put the codes of all words in place of those of a bucket's own.

    Parameters
    ----------
    rows : pa.Table
    codes : mapping of str to int32 array (n_words,)
        For every category the new code of each of the bucket's words.
    """
    for column, new in codes.items():
        code_of = np.append(new, np.int32(NULL_CODE))
        place = rows.schema.get_field_index(column)
        rows = rows.set_column(place, column, pa.array(code_of[rows.column(column).to_numpy()]))
    return rows


def keep(rows: pa.Table, path: Path) -> None:
    """Write rows for the second look."""
    with pa.ipc.new_file(path, rows.schema) as writer:
        writer.write_table(rows)


def take_up(path: Path) -> pa.Table:
    """Read what was kept for the second look."""
    with pa.memory_map(str(path)) as source:
        return pa.ipc.open_file(source).read_all()


def write_parquet(rows: pa.Table, path: Path) -> None:
    """Write a Parquet file whose bytes depend on the rows alone.

    Columns without nulls say so: a reader need not look for them, which is a quarter of its work.
    """
    fields = [field.with_nullable(rows[field.name].null_count > 0) for field in rows.schema]
    pq.write_table(
        rows.cast(pa.schema(fields)),
        path,
        compression="lz4",
        use_dictionary=False,
        write_statistics=False,
        store_schema=False,
    )

"""Ordering: one order of rows, whatever order they came in.

Rows are sorted by one key after the other, and each key is looked at only where all keys before it tie.
That is cheap: of a shop's lines few are still equal after customer, time and amount.

>>> rows = np.array([7, 7, 5]), np.array([np.nan, 2.0, 9.0])
>>> ordered(np.array([1, 0, 0]), [numbers(column) for column in rows]).tolist()
[2, 1, 0]
"""

from collections.abc import Callable, Iterable

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from features.events import NULL_CODE, Codes

Rows = npt.NDArray[np.int64]
"""Positions of rows."""

Key = Callable[[Rows], Rows]
"""Gives whole numbers for some rows, in whose order the rows are to stand."""

_SIGN = np.int64(0x7FFF_FFFF_FFFF_FFFF)
_HALF = np.uint64(32)
_BITS = 63
_FEW = (1 << 16) - 1  # numpy sorts numbers of sixteen bits many times as fast as longer ones


def numbers(column: npt.NDArray[np.generic]) -> Key:
    """Order by numbers, NaN last.

    Parameters
    ----------
    column : array (n_rows,) of whole numbers or float64
    """
    if column.dtype != np.float64:
        return lambda rows: column[rows].astype(np.int64)

    def key(rows: Rows) -> Rows:
        values: npt.NDArray[np.float64] = column[rows]  # type: ignore[assignment]
        bits = values.view(np.int64)
        # Of negative numbers the larger has the smaller bits.
        upright = np.where(bits < 0, bits ^ _SIGN, bits)
        return np.where(np.isnan(values), _SIGN, upright)

    return key


def encode(column: pa.Array | pa.ChunkedArray) -> tuple[Codes, pa.Array]:
    """Turn texts into codes of their sorted distinct values (code point order), null into -1.

    Whole numbers are ordered as texts, too.

    Examples
    --------
    >>> codes, words = encode(pa.chunked_array([["web", None], ["shop", "web"]]))
    >>> codes.tolist(), words.to_pylist()
    ([1, -1, 0, 1], ['shop', 'web'])
    """
    encoded = column.dictionary_encode()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    found = encoded.dictionary
    if pa.types.is_integer(found.type):
        found = found.cast(pa.string())
    order = pc.sort_indices(found)
    code_of = np.full(len(found) + 1, NULL_CODE, np.int32)
    code_of[order.to_numpy()] = np.arange(len(found), dtype=np.int32)
    codes: Codes = code_of[encoded.indices.fill_null(len(found)).to_numpy()]
    return codes, found.take(order)


def words(column: pa.Array) -> Key:
    """Order by texts in code point order, null first."""

    def key(rows: Rows) -> Rows:
        codes, _ = encode(column.take(pa.array(rows)))
        return codes.astype(np.int64)

    return key


def ordered(owner: npt.NDArray[np.int64], keys: Iterable[Key]) -> Rows:
    """Return the order of rows by owner, then by every key.

    Parameters
    ----------
    owner : int64 array (n_rows,)
        From 0 up; negative numbers are not allowed.
    keys : iterable of Key
        The first decides first.

    Returns
    -------
    int64 array (n_rows,)
        The positions of the rows in their new order.  Rows that tie in every key stand in any order.
    """
    order = np.arange(len(owner))
    tied, group = order.copy(), owner
    for key in keys:
        rows = order[tied]
        values = key(rows)
        sequence = _sorted(group, values)
        order[tied] = rows[sequence]
        group, values = group[sequence], values[sequence]
        is_new = np.empty(len(tied) + 1, np.bool_)
        is_new[0] = is_new[-1] = True
        is_new[1:-1] = (group[1:] != group[:-1]) | (values[1:] != values[:-1])
        ties = ~(is_new[1:] & is_new[:-1])
        tied, group = tied[ties], (np.cumsum(is_new[:-1]) - 1)[ties]
        if not len(tied):
            break
    return order


def _sorted(group: Rows, values: Rows) -> Rows:
    """Return the order by group, then by value."""
    if not len(group):
        return group
    if int(group.max()) <= _FEW:
        by_value = np.argsort(values, kind="stable")
        return by_value[np.argsort(group[by_value].astype(np.uint16), kind="stable")]
    least = int(values.min())
    width = (int(values.max()) - least).bit_length()
    if width + int(group.max()).bit_length() <= _BITS:
        # Rows that stand nearly in order already, as they often do, are quick for the stable sort only.
        return np.argsort((group << np.int64(width)) | (values - least), kind="stable")
    by_value = np.argsort(values, kind="stable")
    place = np.arange(len(values), dtype=np.uint64)
    packed = np.sort((group[by_value].astype(np.uint64) << _HALF) | place)
    return by_value[(packed & np.uint64(0xFFFF_FFFF)).astype(np.int64)]

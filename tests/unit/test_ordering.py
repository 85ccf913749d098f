"""Rows have one order, and it is that of a plain sort by every key."""

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from features.storing.ordering import numbers, ordered, words

FEW = [np.nan, -np.inf, -1.5, -1.0, 0.0, 0.1, 2.0, 1e300, np.inf]
rows = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.integers(0, 2),
        st.sampled_from(FEW),
        st.sampled_from([-(2**62), -1, 0, 1, 2**62]),
        st.sampled_from([None, "", "a", "B", "é", "\uffff", "\U0001f600"]),
        st.integers(-1, 1),
    ),
    max_size=40,
)


def plainly(row):
    """What a row is compared by: NaN last, null texts first, texts by code point."""
    owner, first, number, wide, text, last = row
    return owner, first, number != number, number, wide, text is not None, text or "", last  # noqa: PLR0124


@given(rows)
def test_the_order_is_that_of_a_sort_by_owner_and_then_by_every_key(rows):
    columns = list(zip(*rows, strict=True)) or [()] * 6
    keys = [
        numbers(np.array(columns[1], np.int64)),
        numbers(np.array(columns[2], np.float64)),
        numbers(np.array(columns[3], np.int64)),
        words(pa.array(columns[4], pa.large_string())),
        numbers(np.array(columns[5], np.int32)),
    ]
    order = ordered(np.array(columns[0], np.int64), keys)
    assert sorted(order.tolist()) == list(range(len(rows)))
    compared = [plainly(row) for row in rows]
    found = [compared[row] for row in order]
    # NaN is not below or above anything, and stands where its flag says.
    flat = [tuple(0 if part != part else part for part in row) for row in found]  # noqa: PLR0124
    assert flat == sorted(flat)


def test_many_rows_of_few_owners_are_ordered_whether_or_not_they_come_in_order():
    random = np.random.default_rng(1)
    owner, at = random.integers(0, 50, 5000), random.integers(-(2**61), 2**61, 5000)
    order = ordered(owner, [numbers(at)])
    assert np.array_equal(order, np.lexsort([at, owner]))
    assert np.array_equal(ordered(owner[order], [numbers(at[order])]), np.arange(5000))

"""The quick way to tally says, to the last bit, what the walk says."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from features import walks
from features.windows import MICROSECONDS_PER_DAY as DAY

moments = st.one_of(
    st.integers(-3, 12).map(lambda day: day * DAY),
    st.integers(-3, 12).map(lambda day: day * DAY - 1),
    st.integers(-3 * DAY, 12 * DAY),
)


@given(
    histories=st.lists(st.lists(moments, max_size=6).map(sorted), min_size=1, max_size=5),
    cutoffs=st.lists(moments, min_size=1, max_size=4, unique=True).map(sorted),
    windows=st.lists(st.sampled_from([1, DAY, DAY + 1, 5 * DAY, walks.EVER]), min_size=1, unique=True).map(
        sorted
    ),
)
def test_what_was_known_at_once_is_tallied_as_by_walking(histories, cutoffs, windows):
    n = len(histories)
    offsets = np.cumsum([0, *map(len, histories)])
    at = np.array([moment for history in histories for moment in history], np.int64)
    cutoffs, windows = np.array(cutoffs, np.int64), np.array(windows, np.int64)
    starts, ends = np.empty((2, len(cutoffs), n), np.int64)
    walks.locate(offsets, np.arange(n)[None, :], 0, at, cutoffs, starts, ends)
    walked, quick = np.empty((2, 5 * len(windows), len(cutoffs), n))
    walks.tally(starts, ends, at, at, cutoffs, windows, walked)
    walks.tally_known(starts, ends, at, *walks.marks(offsets, at), cutoffs, windows, quick)
    assert walked.tobytes() == quick.tobytes()

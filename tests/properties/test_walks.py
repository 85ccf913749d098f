"""The quick ways to walk say, to the last bit, what the plain walks say."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features import shortcuts, walks
from features.events import NULL_CODE
from features.windows import MICROSECONDS_PER_DAY as DAY

moments = st.one_of(
    st.integers(-3, 12).map(lambda day: day * DAY),
    st.integers(-3, 12).map(lambda day: day * DAY - 1),
    st.integers(-3 * DAY, 12 * DAY),
)
rows = st.lists(st.tuples(moments, st.integers(NULL_CODE, 3), st.booleans()), max_size=8).map(sorted)


class Found:
    """Some customers' rows, and the edges of every window: `walks.EVER` is the last."""

    def __init__(self, histories, cutoffs, windows):
        self.offsets = np.cumsum([0, *map(len, histories)])
        every = [row for history in histories for row in history]
        self.at = np.array([moment for moment, _, _ in every], np.int64)
        self.codes = np.array([code for _, code, _ in every], np.int32)
        self.passed = np.array([passed for _, _, passed in every], np.bool_)
        self.cutoffs, self.spans = np.array(cutoffs, np.int64), np.array([*windows, walks.EVER], np.int64)
        self.windows = np.arange(1, 1 + len(self.spans))
        self.edges = self.located(self.offsets, self.at)

    def located(self, offsets, at):
        n = len(offsets) - 1
        edges = np.empty((1 + len(self.spans), len(self.cutoffs), n), np.int64)
        walks.locate(offsets, np.arange(n)[None, :], 0, at, self.cutoffs, edges[-1], edges[0])
        walks.edge(at, self.cutoffs, self.spans, edges)
        return edges

    def out(self, figures):
        return np.empty((figures * len(self.windows), *self.edges.shape[1:]))

    def counted(self, quick):
        out = self.out(1)
        if quick:
            shortcuts.count(self.edges, self.windows, out)
        else:
            walks.count(self.edges, self.at, self.cutoffs, self.windows, out)
        return out

    def rhythm(self, quick):
        out = self.out(2)
        if quick:
            shortcuts.rhythm(self.edges, *shortcuts.marks(self.offsets, self.at), self.windows, out)
        else:
            walks.rhythm(self.edges, self.at, self.at, self.cutoffs, self.windows, out)
        return out

    def distinct(self, quick):
        out = self.out(1)
        if quick:
            shortcuts.distinct(self.edges, shortcuts.following(self.codes, 4), self.windows, out)
        else:
            room = np.zeros((2, 4), np.int32)
            walks.distinct(self.edges, self.at, self.codes, *room, self.cutoffs, self.windows, out)
        return out


found = st.builds(
    Found,
    st.lists(rows, min_size=1, max_size=5),
    st.lists(moments, min_size=1, max_size=4, unique=True),
    st.lists(st.sampled_from([1, DAY, DAY + 1, 5 * DAY]), unique=True).map(sorted),
)


@pytest.mark.parametrize("figures", [Found.counted, Found.rhythm, Found.distinct])
@given(found=found)
def test_what_was_known_at_once_is_said_as_by_walking(figures, found):
    assert figures(found, quick=True).tobytes() == figures(found, quick=False).tobytes()


@given(found=found)
def test_the_edges_among_some_rows_are_those_of_these_rows_alone(found):
    before = np.concatenate([[0], np.cumsum(found.passed)])
    edges = np.empty_like(found.edges)
    walks.kept(before, found.edges, edges)
    assert edges.tobytes() == found.located(before[found.offsets], found.at[found.passed]).tobytes()


def test_an_owner_with_a_gap_of_ages_takes_no_digits_from_the_others():
    """A row that was always true lies ages before the next; its squared gap must not stay in the sums."""
    ages = [(-(2**62), 0, True), (0, 0, True)]
    near = [(0, 0, True), (3 * DAY, 0, True), (4 * DAY, 0, True)]
    alone, among = Found([near], [9 * DAY], []), Found([*[ages] * 9, near], [9 * DAY], [])
    squares = []
    for found in (alone, among):
        out = found.out(2)
        shortcuts.rhythm(found.edges, *shortcuts.marks(found.offsets, found.at), found.windows, out)
        squares.append(out[1, 0, -1])
    assert squares == [10.0, 10.0]

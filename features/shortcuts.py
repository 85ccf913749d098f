"""Shorter ways to the figures of some walks, where every row was known when it happened.

Then what a window holds does not depend on the cutoff but for where it begins and ends, so most of the work
is done once for all cutoffs.  The walks of `features.walks` are the general way; both give the same bytes.
"""

import numpy as np
from numba import njit

from features.events import Codes, Instants, Numbers
from features.walks import Places, longest
from features.windows import MICROSECONDS_PER_DAY


@njit(cache=True, nogil=True)
def count(edges: Places, windows: Places, out: Numbers) -> None:  # pragma: no cover (compiled)
    """How many rows."""
    _, n_cutoffs, n = edges.shape
    for w in range(len(windows)):
        for k in range(n_cutoffs):
            for i in range(n):
                out[w, k, i] = edges[0, k, i] - edges[windows[w], k, i]


@njit(cache=True, nogil=True)
def marks(offsets: Places, at: Instants) -> tuple[Numbers, Numbers]:  # pragma: no cover (compiled)
    """Days begun, and squared day gaps, summed up from each owner's first row on: (n_events,) both."""
    days, gap_squares = np.empty(len(at)), np.empty(len(at))
    for i in range(len(offsets) - 1):
        # Anew for each owner: what others did must not take digits from the sums.
        before, n_days, squares = 0, 0.0, 0.0
        for j in range(offsets[i], offsets[i + 1]):
            day = at[j] // MICROSECONDS_PER_DAY
            gap = day - before if j > offsets[i] else 0
            squares += float(gap) ** 2
            n_days += gap > 0
            days[j], gap_squares[j] = n_days, squares
            before = day
    return days, gap_squares


@njit(cache=True, nogil=True)
def rhythm(
    edges: Places, days: Numbers, gap_squares: Numbers, windows: Places, out: Numbers
) -> None:  # pragma: no cover (compiled)
    """Active days, sum of squared day gaps: from `marks`, without walking.

    Differences of whole numbers below 2**53 are exact.
    """
    (_, n_cutoffs, n), n_windows = edges.shape, len(windows)
    for w in range(n_windows):
        for k in range(n_cutoffs):
            for i in range(n):
                first, end = edges[windows[w], k, i], edges[0, k, i]
                found = first < end
                out[w, k, i] = days[end - 1] - days[first] + 1 if found else 0.0
                out[n_windows + w, k, i] = gap_squares[end - 1] - gap_squares[first] if found else 0.0


@njit(cache=True, nogil=True)
def following(codes: Codes, n_levels: int) -> Codes:  # pragma: no cover (compiled)
    """Return the next row of the same code, past the last where there is none; -1 for a null.

    It may be another owner's, and then it lies beyond every cutoff of this one, as it should.
    """
    last = np.full(n_levels, len(codes), np.int32)
    found = np.empty(len(codes), np.int32)
    for j in range(len(codes) - 1, -1, -1):
        code = codes[j]
        found[j] = -1
        if code >= 0:
            found[j] = last[code]
            last[code] = j
    return found


@njit(cache=True, nogil=True)
def distinct(
    edges: Places, following: Codes, windows: Places, out: Numbers
) -> None:  # pragma: no cover (compiled)
    """How many different codes: those rows count of whose code no other follows before the cutoff."""
    _, n_cutoffs, n = edges.shape
    running = np.zeros(1 + longest(edges, windows[-1]), np.int32)
    for k in range(n_cutoffs):
        for i in range(n):
            found, end = 0, edges[0, k, i]
            for r in range(end - edges[windows[-1], k, i]):
                found += following[end - 1 - r] >= end
                running[r + 1] = found
            for w in range(len(windows)):
                out[w, k, i] = running[end - edges[windows[w], k, i]]

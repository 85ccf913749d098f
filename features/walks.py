"""The compiled walks of the kernel: one pass backwards from each cutoff for each customer.

Every walk starts at the newest event before the cutoff and leaves the windows one after the other,
the shortest first, writing its running figures down as it leaves each.
An event that was not known before the cutoff is stepped over.

All of them take ``offsets (n_customers + 1,)``, ``at`` and ``known_at (n_events,)``, ``cutoffs`` and
``windows`` (ascending lengths in microseconds; `EVER` has no beginning), and release the GIL.
"""

import numpy as np
from numba import njit

from features.events import Codes, Instants, Numbers
from features.windows import MICROSECONDS_PER_DAY

EVER = 2**63 - 1
"""The length of a window without a beginning."""


@njit(cache=True, nogil=True)
def _newest(at: Instants, start: int, end: int, cutoff: int) -> int:  # pragma: no cover (compiled)
    """Position after the last of ``at[start:end]`` that lies before the cutoff."""
    while start < end:
        middle = (start + end) // 2
        if at[middle] < cutoff:
            start = middle + 1
        else:
            end = middle
    return start


@njit(cache=True, nogil=True)
def _opens(cutoff: int, window: int) -> int:  # pragma: no cover (compiled)
    """First instant of the window; an endless one has no first instant."""
    return -(2**63) if window == EVER else cutoff - window


@njit(cache=True, nogil=True)
def tally(
    offsets: Instants, at: Instants, known_at: Instants, cutoffs: Instants, windows: Instants
) -> Numbers:  # pragma: no cover (compiled)
    """Count, active days, first, last, sum of squared day gaps: (5, n_windows, n_cutoffs, n_customers)."""
    n_customers, n_windows = len(offsets) - 1, len(windows)
    out = np.empty((5, n_windows, len(cutoffs), n_customers))
    for i in range(n_customers):
        for k, cutoff in enumerate(cutoffs):
            count, days, gap_squares, last_day = 0.0, 0.0, 0.0, 0
            first, last = np.nan, np.nan
            j = _newest(at, offsets[i], offsets[i + 1], cutoff) - 1
            for w in range(n_windows):
                opens = _opens(cutoff, windows[w])
                while j >= offsets[i] and at[j] >= opens:
                    if known_at[j] < cutoff:
                        day = at[j] // MICROSECONDS_PER_DAY
                        if count == 0:
                            last = float(at[j])
                            days = 1.0
                        elif day != last_day:
                            days += 1
                            gap_squares += float(last_day - day) ** 2
                        count += 1
                        first = float(at[j])
                        last_day = day
                    j -= 1
                out[0, w, k, i] = count
                out[1, w, k, i] = days
                out[2, w, k, i] = first
                out[3, w, k, i] = last
                out[4, w, k, i] = gap_squares
    return out


@njit(cache=True, nogil=True)
def sums(
    offsets: Instants, at: Instants, known_at: Instants, values: Numbers, cutoffs: Instants, windows: Instants
) -> Numbers:  # pragma: no cover (compiled)
    """Filled count, total, sum of squares, maximum: (4, n_windows, n_cutoffs, n_customers)."""
    n_customers, n_windows = len(offsets) - 1, len(windows)
    out = np.empty((4, n_windows, len(cutoffs), n_customers))
    for i in range(n_customers):
        for k, cutoff in enumerate(cutoffs):
            filled, total, squares, largest = 0.0, 0.0, 0.0, np.nan
            j = _newest(at, offsets[i], offsets[i + 1], cutoff) - 1
            for w in range(n_windows):
                opens = _opens(cutoff, windows[w])
                while j >= offsets[i] and at[j] >= opens:
                    value = values[j]
                    if known_at[j] < cutoff and not np.isnan(value):
                        filled += 1
                        total += value
                        squares += value * value
                        if not value <= largest:
                            largest = value
                    j -= 1
                out[0, w, k, i] = filled
                out[1, w, k, i] = total
                out[2, w, k, i] = squares
                out[3, w, k, i] = largest
    return out


@njit(cache=True, nogil=True)
def distinct(
    offsets: Instants,
    at: Instants,
    known_at: Instants,
    codes: Codes,
    n_levels: int,
    cutoffs: Instants,
    windows: Instants,
) -> Numbers:  # pragma: no cover (compiled)
    """Different codes among ``0 … n_levels - 1``, nulls left out: (1, n_windows, n_cutoffs, n_customers)."""
    n_customers, n_windows = len(offsets) - 1, len(windows)
    out = np.empty((1, n_windows, len(cutoffs), n_customers))
    seen_in = np.full(n_levels, -1, np.int64)
    for i in range(n_customers):
        for k, cutoff in enumerate(cutoffs):
            turn, different = k * n_customers + i, 0.0
            j = _newest(at, offsets[i], offsets[i + 1], cutoff) - 1
            for w in range(n_windows):
                opens = _opens(cutoff, windows[w])
                while j >= offsets[i] and at[j] >= opens:
                    code = codes[j]
                    if known_at[j] < cutoff and code >= 0 and seen_in[code] != turn:
                        seen_in[code] = turn
                        different += 1
                    j -= 1
                out[0, w, k, i] = different
    return out


@njit(cache=True, nogil=True)
def latest(
    offsets: Instants, at: Instants, known_at: Instants, values: Numbers, cutoffs: Instants
) -> Numbers:  # pragma: no cover (compiled)
    """Return the value on the newest visible row, NaN where there is none: (n_cutoffs, n_customers)."""
    n_customers = len(offsets) - 1
    out = np.full((len(cutoffs), n_customers), np.nan)
    for i in range(n_customers):
        for k, cutoff in enumerate(cutoffs):
            j = _newest(at, offsets[i], offsets[i + 1], cutoff) - 1
            while j >= offsets[i] and known_at[j] >= cutoff:
                j -= 1
            if j >= offsets[i]:
                out[k, i] = values[j]
    return out

"""The compiled walks of the kernel: one pass backwards from each cutoff for each customer.

`locate` finds for each customer and cutoff the rows ``[starts, ends)`` that happened before the cutoff.
Every walk then goes from ``ends - 1`` down and leaves the windows one after the other, the shortest first,
writing its running figures down as it leaves each.  A row that was not known before the cutoff is stepped
over.

All of them work on a run of ``n`` customers and release the GIL.  They take ``starts`` and ``ends``
(n_cutoffs, n), ``at`` and ``known_at`` (n_events,), ``cutoffs`` and ``windows`` (ascending lengths in
microseconds; `EVER` has no beginning), and write figure ``f`` of window ``w`` to
``out[f * n_windows + w, cutoff, customer]``.
"""

import numpy as np
import numpy.typing as npt
from numba import njit

from features.events import Codes, Instants, Numbers
from features.windows import MICROSECONDS_PER_DAY

EVER = 2**63 - 1
"""The length of a window without a beginning."""

Places = npt.NDArray[np.int64]


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
def locate(
    offsets: Places, owners: Places, first: int, at: Instants, cutoffs: Instants, starts: Places, ends: Places
) -> None:  # pragma: no cover (compiled)
    """Find the rows before each cutoff of the customers ``first … first + n``.

    ``owners`` (1 or n_cutoffs, n_customers) names the run of rows ``offsets`` that each customer looks at.
    """
    n_cutoffs, n = starts.shape
    for k in range(n_cutoffs):
        row = k if len(owners) > 1 else 0
        for i in range(n):
            owner = owners[row, first + i]
            starts[k, i] = offsets[owner]
            ends[k, i] = _newest(at, offsets[owner], offsets[owner + 1], cutoffs[k])


@njit(cache=True, nogil=True)
def tally(
    starts: Places,
    ends: Places,
    at: Instants,
    known_at: Instants,
    cutoffs: Instants,
    windows: Instants,
    out: Numbers,
) -> None:  # pragma: no cover (compiled)
    """Count, active days, first, last, sum of squared day gaps."""
    (n_cutoffs, n), n_windows = starts.shape, len(windows)
    for k in range(n_cutoffs):
        cutoff = cutoffs[k]
        for i in range(n):
            count, days, gap_squares, last_day = 0.0, 0.0, 0.0, 0
            first, last = np.nan, np.nan
            j = ends[k, i] - 1
            for w in range(n_windows):
                opens = _opens(cutoff, windows[w])
                while j >= starts[k, i] and at[j] >= opens:
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
                out[w, k, i] = count
                out[n_windows + w, k, i] = days
                out[2 * n_windows + w, k, i] = first
                out[3 * n_windows + w, k, i] = last
                out[4 * n_windows + w, k, i] = gap_squares


@njit(cache=True, nogil=True)
def marks(offsets: Places, at: Instants) -> tuple[Numbers, Numbers]:  # pragma: no cover (compiled)
    """Days begun, and squared day gaps, summed up from the first row of all to each: (n_events,) both."""
    days, gap_squares = np.empty(len(at)), np.empty(len(at))
    n_days, squares = 0.0, 0.0
    for i in range(len(offsets) - 1):
        for j in range(offsets[i], offsets[i + 1]):
            gap = at[j] // MICROSECONDS_PER_DAY - at[j - 1] // MICROSECONDS_PER_DAY if j > offsets[i] else 0
            squares += float(gap) ** 2
            n_days += gap > 0
            days[j], gap_squares[j] = n_days, squares
    return days, gap_squares


@njit(cache=True, nogil=True)
def tally_known(
    starts: Places,
    ends: Places,
    at: Instants,
    days: Numbers,
    gap_squares: Numbers,
    cutoffs: Instants,
    windows: Instants,
    out: Numbers,
) -> None:  # pragma: no cover (compiled)
    """The figures of `tally` where every row was known at once: from `marks`, without walking.

    Differences of whole numbers below 2**53 are exact, so both give the same bytes.
    """
    (n_cutoffs, n), n_windows = starts.shape, len(windows)
    for k in range(n_cutoffs):
        for i in range(n):
            first, end = ends[k, i], ends[k, i]
            for w in range(n_windows):
                first = _newest(at, starts[k, i], first, _opens(cutoffs[k], windows[w]))
                found = first < end
                out[w, k, i] = end - first
                out[n_windows + w, k, i] = days[end - 1] - days[first] + 1 if found else 0.0
                out[2 * n_windows + w, k, i] = at[first] if found else np.nan
                out[3 * n_windows + w, k, i] = at[end - 1] if found else np.nan
                out[4 * n_windows + w, k, i] = gap_squares[end - 1] - gap_squares[first] if found else 0.0


@njit(cache=True, nogil=True)
def sums(
    starts: Places,
    ends: Places,
    at: Instants,
    known_at: Instants,
    values: Numbers,
    cutoffs: Instants,
    windows: Instants,
    out: Numbers,
) -> None:  # pragma: no cover (compiled)
    """Filled count, total, sum of squares, largest, smallest."""
    (n_cutoffs, n), n_windows = starts.shape, len(windows)
    for k in range(n_cutoffs):
        cutoff = cutoffs[k]
        for i in range(n):
            filled, total, squares, largest, smallest = 0.0, 0.0, 0.0, np.nan, np.nan
            j = ends[k, i] - 1
            for w in range(n_windows):
                opens = _opens(cutoff, windows[w])
                while j >= starts[k, i] and at[j] >= opens:
                    value = values[j]
                    if known_at[j] < cutoff and not np.isnan(value):
                        filled += 1
                        total += value
                        squares += value * value
                        if not value <= largest:
                            largest = value
                        if not value >= smallest:
                            smallest = value
                    j -= 1
                out[w, k, i] = filled
                out[n_windows + w, k, i] = total
                out[2 * n_windows + w, k, i] = squares
                out[3 * n_windows + w, k, i] = largest
                out[4 * n_windows + w, k, i] = smallest


@njit(cache=True, nogil=True)
def distinct(
    starts: Places,
    ends: Places,
    at: Instants,
    known_at: Instants,
    codes: Codes,
    counts: Codes,
    seen: Codes,
    cutoffs: Instants,
    windows: Instants,
    out: Numbers,
) -> None:  # pragma: no cover (compiled)
    """How many different codes; ``counts`` and ``seen`` (n_levels,) are zero before and after."""
    (n_cutoffs, n), n_windows = starts.shape, len(windows)
    for k in range(n_cutoffs):
        cutoff = cutoffs[k]
        for i in range(n):
            n_seen = 0
            j = ends[k, i] - 1
            for w in range(n_windows):
                opens = _opens(cutoff, windows[w])
                while j >= starts[k, i] and at[j] >= opens:
                    code = codes[j]
                    if known_at[j] < cutoff and code >= 0 and counts[code] == 0:
                        counts[code] = 1
                        seen[n_seen] = code
                        n_seen += 1
                    j -= 1
                out[w, k, i] = n_seen
            for s in range(n_seen):
                counts[seen[s]] = 0


@njit(cache=True, nogil=True)
def variety(
    starts: Places,
    ends: Places,
    at: Instants,
    known_at: Instants,
    codes: Codes,
    counts: Codes,
    seen: Codes,
    cutoffs: Instants,
    windows: Instants,
    out: Numbers,
) -> None:  # pragma: no cover (compiled)
    """Sum of squared shares, entropy, most frequent code; ``counts`` and ``seen`` as for `distinct`."""
    (n_cutoffs, n), n_windows = starts.shape, len(windows)
    for k in range(n_cutoffs):
        cutoff = cutoffs[k]
        for i in range(n):
            n_seen, filled = 0, 0
            j = ends[k, i] - 1
            for w in range(n_windows):
                opens = _opens(cutoff, windows[w])
                while j >= starts[k, i] and at[j] >= opens:
                    code = codes[j]
                    if known_at[j] < cutoff and code >= 0:
                        if counts[code] == 0:
                            seen[n_seen] = code
                            n_seen += 1
                        counts[code] += 1
                        filled += 1
                    j -= 1
                squares, spread, favourite = 0, 0.0, -1
                for s in range(n_seen):
                    times = counts[seen[s]]
                    squares += times * times
                    spread -= times / filled * np.log(times / filled)
                    more = favourite < 0 or times > counts[favourite]
                    if more or (times == counts[favourite] and seen[s] < favourite):
                        favourite = seen[s]
                out[w, k, i] = squares / (filled * filled) if filled else np.nan
                out[n_windows + w, k, i] = spread if filled else np.nan
                out[2 * n_windows + w, k, i] = favourite if filled else np.nan
            for s in range(n_seen):
                counts[seen[s]] = 0


@njit(cache=True, nogil=True)
def moves(
    starts: Places,
    ends: Places,
    at: Instants,
    known_at: Instants,
    values: Numbers,
    cutoffs: Instants,
    windows: Instants,
    out: Numbers,
) -> None:  # pragma: no cover (compiled)
    """Changes, rises and falls against the filled row before (in the window or not), newest, oldest."""
    (n_cutoffs, n), n_windows = starts.shape, len(windows)
    for k in range(n_cutoffs):
        cutoff = cutoffs[k]
        for i in range(n):
            rises, falls, newest, oldest = 0, 0, np.nan, np.nan
            before = ends[k, i] - 1
            for w in range(n_windows):
                opens = _opens(cutoff, windows[w])
                # ``before`` is the next row to be looked at; the one that is left last waits for it in
                # ``oldest``, so what is compared beyond the window belongs to the row inside.
                while before >= starts[k, i]:
                    value = values[before]
                    if known_at[before] >= cutoff or np.isnan(value):
                        before -= 1
                        continue
                    if at[before] < opens:
                        break
                    if np.isnan(newest):
                        newest = value
                    elif oldest > value:
                        rises += 1
                    elif oldest < value:
                        falls += 1
                    oldest = value
                    before -= 1
                beyond = values[before] if before >= starts[k, i] else np.nan
                rise, fall = int(oldest > beyond), int(oldest < beyond)
                out[w, k, i] = rises + falls + rise + fall
                out[n_windows + w, k, i] = rises + rise
                out[2 * n_windows + w, k, i] = falls + fall
                out[3 * n_windows + w, k, i] = newest
                out[4 * n_windows + w, k, i] = oldest


@njit(cache=True, nogil=True)
def latest(
    starts: Places,
    ends: Places,
    known_at: Instants,
    values: Numbers,
    past: bool,  # noqa: FBT001  (compiled code takes no names)
    cutoffs: Instants,
    out: Numbers,
) -> None:  # pragma: no cover (compiled)
    """Return the newest visible value that is filled, NaN where there is none: out (1, n_cutoffs, n).

    With ``past`` the values are times, and one that lies ahead counts as not filled: nobody knows it.
    """
    n_cutoffs, n = starts.shape
    for k in range(n_cutoffs):
        for i in range(n):
            j = ends[k, i] - 1
            while j >= starts[k, i] and (
                known_at[j] >= cutoffs[k] or np.isnan(values[j]) or (past and values[j] >= cutoffs[k])
            ):
                j -= 1
            out[0, k, i] = values[j] if j >= starts[k, i] else np.nan


@njit(cache=True, nogil=True)
def latest_at(
    starts: Places,
    ends: Places,
    at: Instants,
    known_at: Instants,
    values: Numbers,
    cutoffs: Instants,
    instants: Numbers,
    out: Numbers,
) -> None:  # pragma: no cover (compiled)
    """Return the newest visible value that is filled at or before ``instants`` (n_cutoffs, n)."""
    n_cutoffs, n = starts.shape
    for k in range(n_cutoffs):
        for i in range(n):
            j = ends[k, i] - 1
            while j >= starts[k, i] and (
                known_at[j] >= cutoffs[k] or not at[j] <= instants[k, i] or np.isnan(values[j])
            ):
                j -= 1
            out[0, k, i] = values[j] if j >= starts[k, i] else np.nan


@njit(cache=True, nogil=True)
def merge(
    members: Places, first: Places, offsets: Places, at: Instants, known_at: Instants
) -> tuple[Places, Places]:  # pragma: no cover (compiled)
    """Merge the rows of the members of every group by time; of equal ones the first member's stands first."""
    n_groups = len(first) - 1
    rows, ends = np.empty(len(at), np.int64), np.empty(n_groups, np.int64)
    following = offsets[:-1].copy()
    place = 0
    for g in range(n_groups):
        left = 0
        for m in members[first[g] : first[g + 1]]:
            left += offsets[m + 1] - offsets[m]
        for _ in range(left):
            best = -1
            for m in members[first[g] : first[g + 1]]:
                j = following[m]
                if j == offsets[m + 1]:
                    continue
                b = following[best]
                if best < 0 or at[j] < at[b] or (at[j] == at[b] and known_at[j] < known_at[b]):
                    best = m
            rows[place] = following[best]
            following[best] += 1
            place += 1
        ends[g] = place
    return rows[:place], ends

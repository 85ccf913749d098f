"""The compiled walks of the kernel: one pass backwards from each cutoff for each customer.

`locate` and `edge` find for each customer and cutoff the rows that happened before the cutoff, and the
first row of each window.  Every walk then goes from the last of them down, the shortest window first, and
gives each window the running figures.  A row that was not known before the cutoff is stepped over.

All of them work on a run of ``n`` customers and release the GIL.  ``edges`` (n_edges, n_cutoffs, n) say where
the rows end (0), each window begins, and the rows begin (-1).  ``known_at`` is (n_events,);
``windows`` are the places of some windows among the edges, the shortest first.
Figure ``f`` of window ``w`` is written to ``out[f * n_windows + w, cutoff, customer]``.
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
def edge(
    at: Instants, cutoffs: Instants, spans: Instants, edges: Places
) -> None:  # pragma: no cover (compiled)
    """Find where each window begins: ``edges`` holds what `locate` found, ends first and starts last."""
    _, n_cutoffs, n = edges.shape
    for k in range(n_cutoffs):
        for i in range(n):
            start, first = edges[-1, k, i], edges[0, k, i]
            for s in range(len(spans) - 1):
                while first > start and at[first - 1] >= cutoffs[k] - spans[s]:
                    first -= 1
                edges[1 + s, k, i] = first


@njit(cache=True, nogil=True)
def kept(before: Places, edges: Places, out: Places) -> None:  # pragma: no cover (compiled)
    """Find the edges among some of the rows; ``before`` (n_events + 1,) counts those before each row."""
    n_edges, n_cutoffs, n = edges.shape
    for e in range(n_edges):
        for k in range(n_cutoffs):
            for i in range(n):
                out[e, k, i] = before[edges[e, k, i]]


@njit(cache=True, nogil=True)
def count(
    edges: Places, known_at: Instants, cutoffs: Instants, windows: Places, out: Numbers
) -> None:  # pragma: no cover (compiled)
    """How many rows."""
    _, n_cutoffs, n = edges.shape
    for k in range(n_cutoffs):
        for i in range(n):
            found = 0
            j = edges[0, k, i] - 1
            for w in range(len(windows)):
                while j >= edges[windows[w], k, i]:
                    found += known_at[j] < cutoffs[k]
                    j -= 1
                out[w, k, i] = found


@njit(cache=True, nogil=True)
def bounds(
    edges: Places, at: Instants, known_at: Instants, cutoffs: Instants, windows: Places, out: Numbers
) -> None:  # pragma: no cover (compiled)
    """First, last."""
    (_, n_cutoffs, n), n_windows = edges.shape, len(windows)
    for w in range(n_windows):
        for k in range(n_cutoffs):
            for i in range(n):
                first, last = edges[windows[w], k, i], edges[0, k, i] - 1
                while last >= first and known_at[last] >= cutoffs[k]:
                    last -= 1
                while first <= last and known_at[first] >= cutoffs[k]:
                    first += 1
                out[w, k, i] = at[first] if first <= last else np.nan
                out[n_windows + w, k, i] = at[last] if first <= last else np.nan


@njit(cache=True, nogil=True)
def rhythm(
    edges: Places, at: Instants, known_at: Instants, cutoffs: Instants, windows: Places, out: Numbers
) -> None:  # pragma: no cover (compiled)
    """Active days, sum of squared day gaps."""
    (_, n_cutoffs, n), n_windows = edges.shape, len(windows)
    for k in range(n_cutoffs):
        for i in range(n):
            days, gap_squares, last_day = 0.0, 0.0, 0
            j = edges[0, k, i] - 1
            for w in range(n_windows):
                while j >= edges[windows[w], k, i]:
                    if known_at[j] < cutoffs[k]:
                        day = at[j] // MICROSECONDS_PER_DAY
                        if days == 0:
                            days = 1.0
                        elif day != last_day:
                            days += 1
                            gap_squares += float(last_day - day) ** 2
                        last_day = day
                    j -= 1
                out[w, k, i] = days
                out[n_windows + w, k, i] = gap_squares


@njit(cache=True, nogil=True)
def longest(edges: Places, window: int) -> int:  # pragma: no cover (compiled)
    """Most rows that anybody has in a window."""
    rows = 0
    for k in range(edges.shape[1]):
        for i in range(edges.shape[2]):
            found = edges[0, k, i] - edges[window, k, i]
            if found > rows:  # noqa: PLR1730  (`max` takes longer to compile)
                rows = found
    return rows


@njit(cache=True, nogil=True)
def sums(
    edges: Places, known_at: Instants, values: Numbers, cutoffs: Instants, windows: Places, out: Numbers
) -> None:  # pragma: no cover (compiled)
    """Filled count, total, sum of squares, largest, smallest."""
    (_, n_cutoffs, n), n_windows = edges.shape, len(windows)
    # The figures of every length of the walk, from which each window takes its own: one loop, not one each.
    running = np.empty((1 + longest(edges, windows[-1]), 5))
    for f in range(5):
        running[0, f] = 0.0 if f < 3 else np.nan  # noqa: PLR2004  (three sums and two extremes)
    for k in range(n_cutoffs):
        for i in range(n):
            filled, total, squares, largest, smallest = 0.0, 0.0, 0.0, -np.inf, np.inf
            end = edges[0, k, i]
            for r in range(end - edges[windows[-1], k, i]):
                j = end - 1 - r
                value = values[j]
                if known_at[j] < cutoffs[k] and not np.isnan(value):
                    filled += 1
                    total += value
                    squares += value * value
                    largest, smallest = max(largest, value), min(smallest, value)
                figures = running[r + 1]
                figures[0], figures[1], figures[2] = filled, total, squares
                figures[3] = largest if filled else np.nan
                figures[4] = smallest if filled else np.nan
            for w in range(n_windows):
                figures = running[end - edges[windows[w], k, i]]
                for f in range(5):
                    out[f * n_windows + w, k, i] = figures[f]


@njit(cache=True, nogil=True)
def distinct(
    edges: Places,
    known_at: Instants,
    codes: Codes,
    counts: Codes,
    seen: Codes,
    cutoffs: Instants,
    windows: Places,
    out: Numbers,
) -> None:  # pragma: no cover (compiled)
    """How many different codes; ``counts`` and ``seen`` (n_levels,) are zero before and after."""
    (_, n_cutoffs, n), n_windows = edges.shape, len(windows)
    for k in range(n_cutoffs):
        cutoff = cutoffs[k]
        for i in range(n):
            n_seen = 0
            j = edges[0, k, i] - 1
            for w in range(n_windows):
                while j >= edges[windows[w], k, i]:
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
    edges: Places,
    known_at: Instants,
    codes: Codes,
    counts: Codes,
    seen: Codes,
    cutoffs: Instants,
    windows: Places,
    out: Numbers,
) -> None:  # pragma: no cover (compiled)
    """Sum of squared shares, entropy, most frequent code; ``counts`` and ``seen`` as for `distinct`."""
    (_, n_cutoffs, n), n_windows = edges.shape, len(windows)
    for k in range(n_cutoffs):
        cutoff = cutoffs[k]
        for i in range(n):
            n_seen, filled = 0, 0
            j = edges[0, k, i] - 1
            for w in range(n_windows):
                while j >= edges[windows[w], k, i]:
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
    edges: Places,
    known_at: Instants,
    values: Numbers,
    cutoffs: Instants,
    windows: Places,
    out: Numbers,
) -> None:  # pragma: no cover (compiled)
    """Changes, rises and falls against the filled row before (in the window or not), newest, oldest."""
    (_, n_cutoffs, n), n_windows = edges.shape, len(windows)
    for k in range(n_cutoffs):
        cutoff = cutoffs[k]
        for i in range(n):
            rises, falls, newest, oldest = 0, 0, np.nan, np.nan
            before = edges[0, k, i] - 1
            for w in range(n_windows):
                # ``before`` is the next row to be looked at; the one that is left last waits for it in
                # ``oldest``, so what is compared beyond the window belongs to the row inside.
                while before >= edges[-1, k, i]:
                    value = values[before]
                    if known_at[before] >= cutoff or np.isnan(value):
                        before -= 1
                        continue
                    if before < edges[windows[w], k, i]:
                        break
                    if np.isnan(newest):
                        newest = value
                    elif oldest > value:
                        rises += 1
                    elif oldest < value:
                        falls += 1
                    oldest = value
                    before -= 1
                beyond = values[before] if before >= edges[-1, k, i] else np.nan
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

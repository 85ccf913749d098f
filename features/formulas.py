"""The compiled formulas of the kernel: from the figures of the walks to the values of the features.

A program is a list of lines ``(operation, a, b, c, d, extra)``.  Line ``p`` reads the figures ``a … d`` and
writes the figure ``base + p``; a figure is a row of the block ``(n_figures, n_cutoffs, n_customers)``.
Each formula is one IEEE operation after the other, so equal figures give equal bytes.
"""

import numpy as np
import numpy.typing as npt
from numba import njit

from features.events import Instants, Numbers
from features.windows import MICROSECONDS_PER_DAY

RATIO, DIFFERENCE, TREND, QUIET = range(4)
STD, GAP_MEAN, GAP_STD = range(4, 7)
SINCE, RENEWAL, SEASONAL = range(7, 10)
"""The operations: of two figures, of many values, of the cutoff."""

Lines = npt.NDArray[np.int64]


@njit(cache=True, nogil=True)
def _ratio(part: float, whole: float) -> float:  # pragma: no cover (compiled)
    """Part by whole; NaN where the whole is nothing."""
    return part / whole if whole != 0 else np.nan


@njit(cache=True, nogil=True)
def _deviation(n: float, total: float, squares: float) -> float:  # pragma: no cover (compiled)
    """Sample standard deviation from the sums of values and squares; NaN below two values.

    Exact but for rounding while n times the squares is whole and below 2**53, as that of a hundred amounts of
    9,000.00 is.  Else digits cancel: of 16 about twice as many as the mean has more than the deviation.
    """
    if not n > 1:
        return np.nan
    return np.sqrt(max(n * squares - total * total, 0.0) / (n * (n - 1)))  # type: ignore[no-any-return]


@njit(cache=True, nogil=True)
def _balance(one: float, other: float) -> float:  # pragma: no cover (compiled)
    """(one - other) / both, either at least 0, so within -1 and 1; NaN where both are 0 or less."""
    one, other = max(one, 0.0), max(other, 0.0)
    return (one - other) / (one + other) if one + other > 0 else np.nan


@njit(cache=True, nogil=True)
def _season(now: float, before: float, first: float, begun: float) -> float:  # pragma: no cover (compiled)
    """Compare with a year earlier; NaN where nothing had happened when that window began."""
    return _balance(now, before) if first <= begun else np.nan


@njit(cache=True, nogil=True)
def _gaps(first: float, last: float) -> float:  # pragma: no cover (compiled)
    """Whole days from the day of the first event to that of the last."""
    return np.floor(last / MICROSECONDS_PER_DAY) - np.floor(first / MICROSECONDS_PER_DAY)  # type: ignore[no-any-return]


@njit(cache=True, nogil=True)
def _renewal(elapsed: float, period: float) -> float:  # pragma: no cover (compiled)
    """Days until a period is over once more; NaN where its length is not understood."""
    return period - elapsed % period if period > 0 else np.nan


@njit(cache=True, nogil=True)
def _spread(
    operation: int, a: Numbers, b: Numbers, c: Numbers, d: Numbers, out: Numbers
) -> None:  # pragma: no cover (compiled)
    """Apply a formula of n, total and squares, or of first, last, days and squared gaps."""
    for i in range(len(out)):
        if operation == STD:
            out[i] = _deviation(a[i], b[i], c[i])
        elif operation == GAP_STD:
            out[i] = _deviation(c[i] - 1, _gaps(a[i], b[i]), d[i])
        else:  # GAP_MEAN
            out[i] = _ratio(_gaps(a[i], b[i]), max(c[i] - 1, 0.0))


@njit(cache=True, nogil=True)
def _combine(operation: int, a: Numbers, b: Numbers, out: Numbers) -> None:  # pragma: no cover (compiled)
    """Apply a formula of two figures."""
    if operation == RATIO:
        for i in range(len(out)):
            out[i] = _ratio(a[i], b[i])
    elif operation == DIFFERENCE:
        for i in range(len(out)):
            out[i] = a[i] - b[i]
    elif operation == TREND:  # newer half, both halves
        for i in range(len(out)):
            out[i] = _balance(a[i], b[i] - a[i])
    else:  # QUIET: days since something, days since anything
        for i in range(len(out)):
            out[i] = 0.0 if b[i] < a[i] else a[i]


@njit(cache=True, nogil=True)
def _date(
    operation: int, a: Numbers, b: Numbers, c: Numbers, d: Numbers, extra: int, cutoff: int, out: Numbers
) -> None:  # pragma: no cover (compiled)
    """Apply a formula that looks at the cutoff."""
    for i in range(len(out)):
        if operation == SINCE:
            out[i] = (cutoff - a[i]) / MICROSECONDS_PER_DAY
        elif operation == RENEWAL:  # newest event, days of its period
            out[i] = _renewal((cutoff - a[i]) / MICROSECONDS_PER_DAY, b[i])
        else:  # SEASONAL: now, up to the earlier window's beginning, up to its end, first event
            out[i] = _season(a[i], b[i] - c[i], d[i], cutoff - extra)


@njit(cache=True, nogil=True)
def evaluate(block: Numbers, base: int, lines: Lines, cutoffs: Instants) -> None:  # pragma: no cover
    """Run the lines of a program over the figures of a run of customers."""
    for p in range(len(lines)):
        operation, one, two, three, four, extra = lines[p]
        for k in range(len(cutoffs)):
            a, b, c, d = block[one, k], block[two, k], block[three, k], block[four, k]
            out = block[base + p, k]
            if operation <= QUIET:
                _combine(operation, a, b, out)
            elif operation <= GAP_STD:
                _spread(operation, a, b, c, d, out)
            else:
                _date(operation, a, b, c, d, extra, cutoffs[k], out)


@njit(cache=True, nogil=True)
def collect(
    block: Numbers, figures: Lines, first: int, n_customers: int, out: Numbers
) -> None:  # pragma: no cover (compiled)
    """Write the figures of the features to the rows ``cutoff * n_customers + customer`` of the panel."""
    _, n_cutoffs, n = block.shape
    for k in range(n_cutoffs):
        for i in range(n):
            row = k * n_customers + first + i
            for f in range(len(figures)):
                out[row, f] = block[figures[f], k, i]

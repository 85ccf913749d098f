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

COPY, RATIO, DIFFERENCE, STD, TREND, SEASONAL, SINCE, GAP_MEAN, GAP_STD, RENEWAL, QUIET, SMALLER = range(12)
"""The operations; see `_value`."""

Lines = npt.NDArray[np.int64]


@njit(cache=True, nogil=True, error_model="numpy")
def _ratio(part: Numbers, whole: Numbers) -> Numbers:  # pragma: no cover (compiled)
    """Part by whole; NaN where the whole is nothing."""
    return np.where(whole != 0, part / whole, np.nan)


@njit(cache=True, nogil=True, error_model="numpy")
def _deviation(n: Numbers, total: Numbers, squares: Numbers) -> Numbers:  # pragma: no cover (compiled)
    """Sample standard deviation from exact sums; NaN below two values."""
    spread = np.maximum(n * squares - total * total, 0.0)
    return np.where(n > 1, np.sqrt(spread / (n * (n - 1))), np.nan)


@njit(cache=True, nogil=True, error_model="numpy")
def _balance(one: Numbers, other: Numbers) -> Numbers:  # pragma: no cover (compiled)
    """(one - other) / both; NaN where both are nothing."""
    return np.where(one + other > 0, (one - other) / (one + other), np.nan)


@njit(cache=True, nogil=True)
def _gaps(first: Numbers, last: Numbers) -> Numbers:  # pragma: no cover (compiled)
    """Whole days from the day of the first event to that of the last."""
    return np.floor(last / MICROSECONDS_PER_DAY) - np.floor(first / MICROSECONDS_PER_DAY)


@njit(cache=True, nogil=True, error_model="numpy")
def _values(  # noqa: C901  (one branch for each formula)
    operation: int, a: Numbers, b: Numbers, c: Numbers, d: Numbers, extra: int, cutoff: Numbers
) -> Numbers:  # pragma: no cover (compiled)
    """Apply one formula to every customer and cutoff."""
    if operation == COPY:
        values = a
    elif operation == RATIO:
        values = _ratio(a, b)
    elif operation == DIFFERENCE:
        values = a - b
    elif operation == STD:
        values = _deviation(a, b, c)
    elif operation == TREND:  # newer half, both halves
        values = _balance(a, b - a)
    elif operation == SEASONAL:  # now, up to the earlier window's beginning, up to its end, first event
        values = np.where(d <= cutoff - extra, _balance(a, b - c), np.nan)
    elif operation == SINCE:
        values = (cutoff - a) / MICROSECONDS_PER_DAY
    elif operation == GAP_MEAN:  # first, last, days
        values = _ratio(_gaps(a, b), np.maximum(c - 1, 0.0))
    elif operation == GAP_STD:  # first, last, days, squared gaps
        values = _deviation(c - 1, _gaps(a, b), d)
    elif operation == RENEWAL:  # newest event, days of its period
        values = np.where(b > 0, b - (cutoff - a) / MICROSECONDS_PER_DAY % b, np.nan)
    elif operation == QUIET:  # days since something, days since anything
        values = np.where(b < a, 0.0, a)
    else:  # SMALLER
        values = np.minimum(a, b)
    return values


@njit(cache=True, nogil=True)
def evaluate(block: Numbers, base: int, lines: Lines, cutoffs: Instants) -> None:  # pragma: no cover
    """Run the lines of a program over the figures of a run of customers."""
    n_figures, n_cutoffs, n = block.shape
    rows = block.reshape(n_figures, n_cutoffs * n)
    cutoff = np.repeat(cutoffs, n).astype(np.float64)
    for p in range(len(lines)):
        operation, a, b, c, d, extra = lines[p]
        rows[base + p] = _values(operation, rows[a], rows[b], rows[c], rows[d], extra, cutoff)


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

"""How sure a measured figure is: percentile intervals from resampled customers.

The customer is what is drawn, never the row: a customer asked about at three cutoffs brings all three rows
into a resample or none, because their rows tell much the same story (Efron 1979; Field and Welsh 2007).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

# Fewer resamples with a defined figure than this say that it rests on next to nobody.
_ENOUGH_DEFINED = 0.95

_MOST_BUNDLES = 10_000
"""More customers than twice this are drawn in so many bundles.

Bundles are independent and alike as customers are; the width of the interval of a mean then has a relative
error of 1 / sqrt(2 x bundles), 0.7 %, far below that of 500 draws.
"""


@dataclass(frozen=True)
class Interval:
    """A figure and the interval around it.

    Attributes
    ----------
    value : float
        The figure on the data as they are.
    low, high : float
        Ends of the interval, NaN where they are undefined; comparisons with NaN fail, so a gate stays shut.
    """

    value: float
    low: float
    high: float


def bootstrap(
    metric: Callable[[ArrayLike, ArrayLike], float],
    y: ArrayLike,
    p: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    resamples: int = 500,
    level: float = 0.95,
    seed: int,
) -> Interval:
    """Interval of a metric: a share ``level`` of the figures of ``resamples`` draws with replacement.

    Ends are NaN where over 5 % of the resamples leave the metric undefined (say, hardly any churner).

    Parameters
    ----------
    metric : callable
        ``metric(y, p) -> float``, as in `training.metrics`.
    y, p : array_like of shape (n_rows,)
        What happened and what was said.
    groups : array_like of shape (n_rows,), optional
        The customer of each row; by default every row is a customer of its own.

    Examples
    --------
    >>> from training.metrics import bias
    >>> found = bootstrap(bias, [1.0, 2.0, 3.0, 2.0], [2.0, 2.0, 2.0, 2.0], seed=1)
    >>> found.low < found.value == 0.0 < found.high
    True
    """
    outcome, said = np.asarray(y, dtype=np.float64), np.asarray(p, dtype=np.float64)
    draws = resample(len(outcome), groups, _checked(resamples, level), seed)
    figures = np.array([metric(outcome[rows], said[rows]) for rows in draws])
    return percentiles(float(metric(outcome, said)), figures, level)


def resample(n_rows: int, groups: ArrayLike | None, resamples: int, seed: int) -> Iterator[NDArray[np.intp]]:
    """Draw customers with replacement, each with all of its rows, and yield the positions of the rows.

    Several figures of several models, computed from one draw, differ by the models alone.
    """
    order, first, size = _rows_of_customers(n_rows, groups)
    generator = np.random.default_rng(seed)
    for _ in range(resamples):
        yield order[_drawn_rows(generator, first, size)]


def draw_weights(
    n_rows: int, groups: ArrayLike | None, resamples: int, seed: int
) -> Iterator[NDArray[np.int64]]:
    """Draw the same as `resample`, and yield how often each row is drawn.

    A figure that is made from counts needs no rows to be copied and nothing to be sorted again.

    Examples
    --------
    >>> [weights.sum() for weights in draw_weights(3, None, 2, seed=1)]
    [np.int64(3), np.int64(3)]
    """
    customer, n_customers = _customers_of_rows(n_rows, groups)
    generator = np.random.default_rng(seed)
    for _ in range(resamples):
        drawn = np.bincount(generator.integers(n_customers, size=n_customers), minlength=n_customers)
        yield drawn[customer]


def paired_difference(
    loss_a: ArrayLike,
    loss_b: ArrayLike,
    groups: ArrayLike | None = None,
    *,
    resamples: int = 500,
    level: float = 0.95,
    seed: int,
) -> Interval:
    """Interval of mean(loss_a - loss_b) on the same rows: below 0 throughout, ``a`` is better beyond chance.

    Pairing removes what makes a customer hard for both, so it sees differences that two separate intervals
    hide.

    Parameters
    ----------
    loss_a, loss_b : array_like of shape (n_rows,)
        Losses of two models row by row, such as `training.metrics.log_losses`.
    groups : array_like of shape (n_rows,), optional
        The customer of each row; by default every row is a customer of its own.
    resamples, level, seed
        As for `bootstrap`.

    Examples
    --------
    >>> better = paired_difference([0.1, 0.2, 0.1, 0.3], [0.3, 0.4, 0.2, 0.6], seed=1)
    >>> better.high < 0
    True
    """
    difference = np.asarray(loss_a, dtype=np.float64) - np.asarray(loss_b, dtype=np.float64)
    customer, n_customers = _customers_of_rows(len(difference), groups)
    figures = np.empty(_checked(resamples, level))
    generator = np.random.default_rng(seed)
    if n_customers > 2 * _MOST_BUNDLES:
        customer = (generator.permutation(n_customers) % _MOST_BUNDLES)[customer]
        n_customers = _MOST_BUNDLES
    totals, size = np.bincount(customer, weights=difference), np.bincount(customer)
    for i in range(resamples):
        drawn = generator.integers(n_customers, size=n_customers)
        figures[i] = totals[drawn].sum() / size[drawn].sum()
    return percentiles(float(totals.sum() / size.sum()), figures, level)


def _checked(resamples: int, level: float) -> int:
    if resamples < 1 or not 0.0 < level < 1.0:
        raise ValueError("Expected at least one resample and a level between 0 and 1.")
    return resamples


def _rows_of_customers(
    n_rows: int, groups: ArrayLike | None
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """Rows with those of a customer side by side; for each customer the first of them and how many."""
    customer, _ = _customers_of_rows(n_rows, groups)
    size = np.bincount(customer)
    return np.argsort(customer, kind="stable"), np.cumsum(size) - size, size


def _customers_of_rows(n_rows: int, groups: ArrayLike | None) -> tuple[NDArray[np.intp], int]:
    """Number the customers from 0: that of every row, and how many there are."""
    if not n_rows:
        raise ValueError("Expected at least one row.")
    if groups is None:
        return np.arange(n_rows), n_rows
    found, customer = np.unique(np.asarray(groups), return_inverse=True)
    if customer.shape != (n_rows,):
        raise ValueError("groups must name the customer of every row.")
    return customer, len(found)


def _drawn_rows(
    generator: np.random.Generator, first: NDArray[np.intp], size: NDArray[np.intp]
) -> NDArray[np.intp]:
    drawn = generator.integers(len(first), size=len(first))
    sizes = size[drawn]
    before = np.cumsum(sizes) - sizes
    return np.repeat(first[drawn] - before, sizes) + np.arange(int(sizes.sum()))


def percentiles(value: float, figures: Floats, level: float) -> Interval:
    """Return a figure with the range that holds a share ``level`` of its resampled values."""
    defined = figures[~np.isnan(figures)]
    if np.isnan(value) or len(defined) < _ENOUGH_DEFINED * len(figures):
        return Interval(value, float("nan"), float("nan"))
    low, high = np.quantile(defined, [(1.0 - level) / 2.0, (1.0 + level) / 2.0])
    return Interval(value, float(low), float(high))

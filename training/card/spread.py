"""How far a share or a mean of a group may be off: spreads that count customers, never rows.

The rows of a customer tell much the same story.  The spread of a ratio of totals is therefore taken from the
totals of customers (the linearised, or sandwich, estimate: Cochran 1977, ch. 6), at once for all groups.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri

from features.events import Numbers

Codes = npt.NDArray[np.int64]
_Z = float(ndtri(0.975))


@dataclass(frozen=True)
class Ratios:
    """Total over total in each group, with its standard error; NaN where the lower total is 0.

    Attributes
    ----------
    rows, value, error : float64 array (n_groups,)
    """

    rows: Numbers
    value: Numbers
    error: Numbers

    def ends(self) -> tuple[Numbers, Numbers]:
        """95 % interval of each ratio."""
        return self.value - _Z * self.error, self.value + _Z * self.error


def ratios(upper: Numbers, lower: Numbers, groups: Codes, customers: Codes, n_groups: int) -> Ratios:
    """Divide totals of each group by totals, and say how sure that is.

    Parameters
    ----------
    upper, lower : float64 array (n_rows,)
    groups, customers : int64 array (n_rows,)
        The group of each row, from 0; rows of a group below 0 are left out.
    n_groups : int

    Examples
    --------
    >>> one = np.ones(4)
    >>> found = ratios(np.array([1.0, 0.0, 1.0, 1.0]), one, np.array([0, 0, 1, 1]), np.arange(4), 2)
    >>> found.value, found.error.round(3)
    (array([0.5, 1. ]), array([0.354, 0.   ]))
    """
    kept = groups >= 0
    upper, lower, groups, customers = upper[kept], lower[kept], groups[kept], customers[kept]
    above, below = (np.bincount(groups, weights=part, minlength=n_groups) for part in (upper, lower))
    value = np.divide(above, below, out=np.full(n_groups, np.nan), where=below > 0)
    squares = _squares(upper - value[groups] * lower, groups, customers, n_groups)
    error = np.divide(np.sqrt(squares), below, out=np.full(n_groups, np.nan), where=below > 0)
    return Ratios(np.bincount(groups, minlength=n_groups).astype(np.float64), value, error)


def chances_of_zero(differences: Numbers, groups: Codes, customers: Codes, n_groups: int) -> Numbers:
    """How likely totals as far from 0 as those of each group are by chance alone, on both sides.

    Examples
    --------
    >>> four_and_two = np.array([0, 0, 0, 0, 1, 1])
    >>> differences = np.array([1.0, 1.0, 1.0, 1.0, -1.0, 1.0])
    >>> chances_of_zero(differences, four_and_two, np.arange(6), 2).round(4)
    array([0.0455, 1.    ])
    """
    kept = groups >= 0
    differences, groups, customers = differences[kept], groups[kept], customers[kept]
    total = np.bincount(groups, weights=differences, minlength=n_groups)
    spread = np.sqrt(_squares(differences, groups, customers, n_groups))
    z = np.divide(total, spread, out=np.zeros(n_groups), where=spread > 0)
    return np.asarray(2.0 * ndtr(-np.abs(z)))


def wilson(share: Numbers, error: Numbers, rows: Numbers) -> tuple[Numbers, Numbers]:
    """Interval of shares that stays within 0 and 1 and has a width where nobody or everybody is meant.

    Wilson 1927, with as many independent rows as give the standard error.

    Examples
    --------
    >>> low, high = wilson(np.array([0.0]), np.array([0.0]), np.array([35.0]))
    >>> low.round(3), high.round(3)
    (array([0.]), array([0.099]))
    """
    plain = share * (1.0 - share)
    n = np.divide(plain, error**2, out=np.asarray(rows, np.float64).copy(), where=(error > 0) & (plain > 0))
    n = np.minimum(n, rows)
    middle = (share + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
    half = _Z * np.sqrt(plain / n + _Z**2 / (4 * n**2)) / (1 + _Z**2 / n)
    return np.maximum(middle - half, 0.0), np.minimum(middle + half, 1.0)


def beyond_chance(chances: Numbers, level: float = 0.05) -> npt.NDArray[np.bool_]:
    """Which of several findings are more than chance, however many were looked at (Holm 1979).

    Examples
    --------
    >>> beyond_chance(np.array([0.06, 0.001, 0.02]))
    array([False,  True,  True])
    >>> beyond_chance(np.array([0.06, 0.001, 0.03]))
    array([False,  True, False])
    """
    order = np.argsort(chances, kind="stable")
    passed = chances[order] <= level / np.arange(len(chances), 0, -1)
    found = np.zeros(len(chances), np.bool_)
    found[order] = np.logical_and.accumulate(passed)
    return found


def _squares(values: Numbers, groups: Codes, customers: Codes, n_groups: int) -> Numbers:
    """Sum over the customers of each group of their squared total."""
    if not len(values):
        return np.zeros(n_groups)
    span = int(customers.max()) + 1
    if len(np.unique(customers)) == len(customers):
        return np.asarray(np.bincount(groups, weights=values**2, minlength=n_groups), np.float64)
    pairs, which = np.unique(groups * span + customers, return_inverse=True)
    totals = np.bincount(which, weights=values)
    return np.asarray(np.bincount(pairs // span, weights=totals**2, minlength=n_groups), np.float64)

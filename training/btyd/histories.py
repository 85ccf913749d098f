"""Purchase histories as the models want them: checked, equal ones together, thinned.

A history is ``x`` repeat purchases (the first one is not counted), ``t_x`` days from the first to the last
purchase, ``T`` days from the first purchase to the cutoff. No model here needs to know more of a customer.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from features.errors import QuestionError

Floats = NDArray[np.float64]

FEWEST_CUSTOMERS = 10
# A first climb over about this many rows finds the neighbourhood; the full table then needs 2 or 3 steps.
WARM_ROWS = 4096


@dataclass(frozen=True)
class Histories:
    """Weighted histories in order of ``x``; equal ones are one row where times are whole days."""

    x: Floats
    t_x: Floats
    T: Floats
    weights: Floats

    @classmethod
    def of(cls, x: Floats, t_x: Floats, T: Floats, weights: Floats) -> Self:
        """Put equal histories together; arrays of shape ``(n_customers,)``."""
        return cls(*_equal_rows_together(x, t_x, T, weights))

    @classmethod
    def to_fit(cls, x: ArrayLike, t_x: ArrayLike, T: ArrayLike, weights: ArrayLike | None) -> Self:
        """Check what a model is to be fitted to.

        Raises
        ------
        QuestionError
            Fewer than 10 customers, or no repeat purchase at all.
        ValueError
            A history that cannot be, such as ``T`` of 0 or ``t_x`` after ``T``.
        """
        x, t_x, T = checked(x, t_x, T)
        counted = counts_of(weights, len(x))
        some = counted > 0
        check_enough(counted, some, "customers with a purchase")
        if not (x[some] > 0).any():
            raise QuestionError(
                "No customer bought a second time before the cutoff, so neither purchase rates nor drop-out "
                "can be estimated. Use a longer history (an earlier first purchase or a later cutoff)."
            )
        return cls.of(x[some], t_x[some], T[some], counted[some])

    def thinned(self) -> Self:
        """Every k-th row, some thousands of them."""
        few = slice(None, None, max(1, len(self.x) // WARM_ROWS))
        return type(self).of(self.x[few], self.t_x[few], self.T[few], self.weights[few])

    @property
    def n_customers(self) -> float:
        """How many customers the rows stand for."""
        return float(self.weights.sum())

    @property
    def mean_rate(self) -> float:
        """Repeat purchases a day, as if nobody ever left."""
        return float((self.weights * self.x).sum() / (self.weights * self.T).sum())

    def more_than(self) -> Floats:
        """Customers with more than j repeat purchases, for j = 0, 1, 2 and so on."""
        per_count = np.bincount(self.x.astype(np.int64), weights=self.weights).astype(np.float64)
        return np.cumsum(per_count[::-1])[::-1][1:]


def checked(x: ArrayLike, t_x: ArrayLike, T: ArrayLike) -> tuple[Floats, Floats, Floats]:
    """Contiguous float64 arrays of one length: with strided ones numpy may round differently."""
    x, t_x, T = (np.ascontiguousarray(column, dtype=np.float64) for column in (x, t_x, T))
    if x.ndim != 1 or not x.shape == t_x.shape == T.shape:
        raise ValueError("x, t_x and T must be one-dimensional and of one length.")
    if not (np.isfinite(x).all() and np.isfinite(t_x).all() and np.isfinite(T).all()):
        raise ValueError(
            "x, t_x and T must be finite; customers without a purchase have no history to judge."
        )
    if (x < 0).any() or (x != np.floor(x)).any():
        raise ValueError("x counts repeat purchases: expected whole numbers of at least 0.")
    if (T <= 0).any():
        raise ValueError("T is 0 or less: the first purchase must lie before the cutoff.")
    if (t_x < 0).any() or (t_x > T).any():
        raise ValueError(
            "t_x must lie between 0 and T: the last purchase is after the first, before the cutoff."
        )
    if (t_x[x == 0] > 0).any():
        raise ValueError("t_x must be 0 where x is 0: with one purchase, the first is the last.")
    return x, t_x, T


def asked_once(
    answer: Callable[[Floats, Floats, Floats], Floats], x: Floats, t_x: Floats, T: Floats
) -> Floats:
    """Answer for every row, with each different history asked about once: where answers take long."""
    order = np.lexsort((t_x, T, x))
    columns = [column[order] for column in (x, t_x, T)]
    new = np.ones(len(x), np.bool_)
    new[1:] = np.logical_or.reduce([column[1:] != column[:-1] for column in columns])
    found = np.empty(len(x))
    found[order] = answer(*(column[new] for column in columns))[np.cumsum(new) - 1]
    return found


def counts_of(weights: ArrayLike | None, n: int) -> Floats:
    """How many customers each of ``n`` rows stands for; 1 by default."""
    if weights is None:
        return np.ones(n)
    counted = np.ascontiguousarray(weights, dtype=np.float64)
    if counted.shape != (n,) or not np.isfinite(counted).all() or (counted < 0).any():
        raise ValueError("weights must be finite, at least 0, and one per row.")
    return counted


def days_of(days: float, name: str) -> float:
    """Check a number of days to look ahead."""
    if not 0 <= days < np.inf:
        raise ValueError(f"{name} must be a finite number of days, at least 0.")
    return float(days)


def check_enough(weights: Floats, usable: NDArray[np.bool_], what: str) -> None:
    """Refuse to fit fewer than 10 customers."""
    n = float(weights[usable].sum())
    if n < FEWEST_CUSTOMERS:
        raise QuestionError(
            f"Only {n:g} {what}; the purchase models need at least {FEWEST_CUSTOMERS}. "
            "Use a longer history or a wider population."
        )


def _equal_rows_together(
    x: Floats, t_x: Floats, T: Floats, weights: Floats
) -> tuple[Floats, Floats, Floats, Floats]:
    """One row per different history where times are whole days (else one per customer), in order of ``x``."""
    days = float(T.max()) + 1.0
    whole = (t_x == np.floor(t_x)).all() and (np.floor(T) == T).all()
    if not whole or (x.max() + 1.0) * days**2 > 2.0**62:
        order = np.lexsort((weights, t_x, T, x))
        return x[order], t_x[order], T[order], weights[order]
    key = ((x * days + T) * days + t_x).astype(np.int64)
    base = int(days)
    if (weights == 1.0).all():
        unique, counts = np.unique(key, return_counts=True)
    else:
        unique, inverse = np.unique(key, return_inverse=True)
        counts = np.bincount(inverse, weights=weights)
    rest, last = np.divmod(unique, base)
    count, span = np.divmod(rest, base)
    return (
        count.astype(np.float64),
        last.astype(np.float64),
        span.astype(np.float64),
        counts.astype(np.float64),
    )

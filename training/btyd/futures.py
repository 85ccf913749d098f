"""Futures drawn by chance: what customers may buy and spend, and the quantiles of it."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike

from training.btyd.climbing import Floats
from training.btyd.gamma_gamma import GammaGamma
from training.btyd.histories import checked, days_of


class Simulating(Protocol):
    """A model of purchases whose future can be drawn."""

    def simulate(
        self,
        horizon_days: float,
        x: ArrayLike,
        t_x: ArrayLike,
        T: ArrayLike,
        *,
        draws: int,
        seed: int | np.random.Generator,
        gap_days: float = 0.0,
    ) -> Floats:
        """Draw how often each customer buys in the outcome window, shape ``(n_customers, draws)``."""
        ...


def window_of(horizon_days: float, gap_days: float) -> tuple[float, float]:
    """Return the outcome window in days after the cutoff."""
    horizon, gap = days_of(horizon_days, "horizon_days"), days_of(gap_days, "gap_days")
    return gap, gap + horizon


def value_quantiles(
    rhythm: Simulating,
    spend: GammaGamma,
    levels: Sequence[float],
    horizon_days: float,
    x: ArrayLike,
    t_x: ArrayLike,
    T: ArrayLike,
    mean_value: ArrayLike,
    *,
    draws: int = 500,
    seed: int = 0,
    gap_days: float = 0.0,
) -> Floats:
    """Quantiles of what each customer spends in the outcome window.

    Each customer has a stream of chance of their own, made from the seed and their history, so the answer
    does not depend on who else is asked about, and equal customers get equal answers.

    Parameters
    ----------
    rhythm, spend
        The models of purchases and of order values.
    levels : sequence of float
        Which quantiles, between 0 and 1.
    horizon_days, gap_days : float
        Length of the outcome window, and days between the cutoff and it.
    x, t_x, T : array_like of shape (n_customers,)
        Repeat purchases, days from first to last purchase, days from first purchase to cutoff.
    mean_value : array_like of shape (n_customers,)
        Mean value of the ``x + 1`` orders so far, in currency units.
    draws : int
        Futures drawn for each different customer.
    seed : int
        At least 0.

    Returns
    -------
    ndarray of shape (n_customers, n_levels)
    """
    x, t_x, T = checked(x, t_x, T)
    customers = np.column_stack([x, t_x, T, np.asarray(mean_value, dtype=np.float64)]) + 0.0
    different, which = np.unique(customers, axis=0, return_inverse=True)
    words = np.ascontiguousarray(different).view(np.uint64)
    worth = np.empty((len(different), draws))
    for i, customer in enumerate(different):
        rng = np.random.Generator(np.random.Philox(key=_key(words[i], seed)))
        columns = customer[:3, None]
        bought = rhythm.simulate(horizon_days, *columns, draws=draws, seed=rng, gap_days=gap_days)
        worth[i] = spend.draw(bought, customer[:1] + 1.0, customer[3:], rng)
    return np.asarray(np.quantile(worth, np.asarray(levels), axis=1).T[which.reshape(-1)])


_MIXER = 0x9E3779B97F4A7C15
_WORD = 2**64 - 1


def _key(words: ArrayLike, seed: int) -> int:
    """Return a number of 64 bits from a customer's history and the seed."""
    mixed = seed & _WORD
    for word in np.asarray(words).tolist():
        mixed = ((mixed ^ word) * _MIXER) & _WORD
        mixed ^= mixed >> 29
    return mixed

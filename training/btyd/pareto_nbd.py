"""Customers who buy at a rate of their own and may leave for good at any time: Pareto/NBD."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from training.btyd.climbing import Floats, best_of
from training.btyd.departures import LeavingAtAnyTime, days_left
from training.btyd.futures import window_of
from training.btyd.histories import Histories, checked, days_of

_NAMES = ("r", "alpha", "s", "beta")
# r, s, and the mean days observed times this as beta / s.
_STARTS = ((0.5, 0.6, 1.0), (1.0, 0.1, 10.0), (3.0, 2.0, 3.0))
# Beyond these a population cannot be told from one of equal customers, and the formulas lose digits.
_LOWER = np.log([1e-4, 1e-6, 1e-6, 1e-6])
_UPPER = np.log([1e3, 1e9, 1e3, 1e9])


@dataclass(frozen=True)
class ParetoNbd:
    """The Pareto/NBD model: gamma purchase rates, and gamma rates of leaving at any time.

    A customer buys at a constant rate lambda ~ Gamma(r, alpha) a day while active, and stays for an
    exponential time with a rate mu ~ Gamma(s, beta) a day.
    Schmittlein, Morrison and Colombo 1987, Counting your customers: who are they and what will they do next?
    Management Science 33(1).

    Attributes
    ----------
    r, alpha : float
        Shape and rate of the purchase rates; ``alpha`` is in days.
    s, beta : float
        Shape and rate of the rates of leaving; ``beta`` is in days.
    log_likelihood : float
        At the maximum, with the constants of the papers (time in days).
    n_customers : int
        How many customers it was fitted on.
    standard_errors : mapping of str to float or None
        Of the parameters; None where the data cannot tell one from 0 or from infinity.

    Examples
    --------
    >>> shop = ParetoNbd(r=0.55, alpha=74.0, s=0.61, beta=81.0, log_likelihood=0.0, n_customers=0)
    >>> shop.probability_alive(x=[0, 2], t_x=[0, 200], T=[273, 273]).round(3)
    array([0.291, 0.827])
    """

    r: float
    alpha: float
    s: float
    beta: float
    log_likelihood: float
    n_customers: int
    standard_errors: Mapping[str, float | None] = field(default_factory=dict, compare=False, repr=False)

    kind: ClassVar[str] = "pareto_nbd"

    @classmethod
    def fit(cls, x: ArrayLike, t_x: ArrayLike, T: ArrayLike, weights: ArrayLike | None = None) -> Self:
        """Find the parameters that make these histories most likely.

        Parameters
        ----------
        x, t_x, T : array_like of shape (n_customers,)
            Repeat purchases, days from first to last purchase, days from first purchase to cutoff.
        weights : array_like of shape (n_customers,), optional
            How many customers each row stands for; 1 by default.

        Raises
        ------
        QuestionError
            Fewer than 10 customers, no repeat purchase at all, or no maximum was found.
        ValueError
            A history that cannot be, such as ``T`` of 0 or ``t_x`` after ``T``.
        """
        rows = Histories.to_fit(x, t_x, T, weights)
        days = float((rows.weights * rows.T).sum() / rows.n_customers)
        starts = [np.log([r, r / rows.mean_rate, s, s * times * days]) for r, s, times in _STARTS]
        summit = best_of(LeavingAtAnyTime.of(rows), starts, (_LOWER, _UPPER))
        errors = summit.standard_errors(_NAMES, summit.parameters)
        r, alpha, s, beta = summit.parameters
        return cls(r, alpha, s, beta, summit.value, round(rows.n_customers), errors)

    def probability_alive(self, x: ArrayLike, t_x: ArrayLike, T: ArrayLike) -> Floats:
        """Chance that a customer has not left for good by the cutoff, shape ``(n_customers,)``."""
        x, t_x, T = checked(x, t_x, T)
        n, u, w = self.r + x, self.alpha + t_x, self.beta + t_x
        active, left = self._falls(T - t_x, n, u, w), np.zeros_like(x)
        for since, days in days_left(T - t_x, (n, u, self.s, w)):
            left += days * self.s / (w + since) * self._falls(since, n, u, w)
        return np.asarray(active / (active + left))

    def probability_no_purchase(
        self, horizon_days: float, x: ArrayLike, t_x: ArrayLike, T: ArrayLike, *, gap_days: float = 0.0
    ) -> Floats:
        """Chance of no purchase in the outcome window: the churn probability of this model.

        1 minus P(alive) times the integral over the day of the first purchase in the window, up to which an
        active customer must stay.

        Parameters
        ----------
        horizon_days : float
            Length of the outcome window; 0 gives 1.
        x, t_x, T : array_like of shape (n_customers,)
            Repeat purchases, days from first to last purchase, days from first purchase to cutoff.
        gap_days : float
            Days between the cutoff and the outcome window; what is bought there does not count.

        Returns
        -------
        ndarray of shape (n_customers,)
        """
        horizon, gap = days_of(horizon_days, "horizon_days"), days_of(gap_days, "gap_days")
        alive = self.probability_alive(x, t_x, T)
        x, t_x, T = checked(x, t_x, T)
        n, u, w = self.r + x, self.alpha + T, self.beta + T + gap
        buys = np.zeros_like(x)
        for since, days in days_left(np.full_like(x, horizon), (n, u, self.s, w)):
            buys += days * n / (u + since) * self._falls(since, n, u, w)
        stays = np.exp(-self.s * np.log1p(gap / (self.beta + T)))
        return np.asarray(np.clip(1.0 - alive * stays * buys, 0.0, 1.0))

    def expected_purchases(self, horizon_days: float, x: ArrayLike, t_x: ArrayLike, T: ArrayLike) -> Floats:
        """Expected number of purchases in ``[cutoff, cutoff + horizon)``.

        Equation 41 of Fader and Hardie 2005, A note on deriving the Pareto/NBD model, in a form that has no
        pole at ``s`` of 1.

        Parameters
        ----------
        horizon_days : float
            Length of the outcome window.
        x, t_x, T : array_like of shape (n_customers,)
            Repeat purchases, days from first to last purchase, days from first purchase to cutoff.

        Returns
        -------
        ndarray of shape (n_customers,)
        """
        horizon = days_of(horizon_days, "horizon_days")
        alive = self.probability_alive(x, t_x, T)
        x, t_x, T = checked(x, t_x, T)
        ahead = np.log1p(horizon / (self.beta + T))
        days = (self.beta + T) * ahead * special.exprel((1.0 - self.s) * ahead)
        return np.asarray(alive * (self.r + x) / (self.alpha + T) * days)

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
        """Draw how often each customer buys in the outcome window, shape ``(n_customers, draws)``.

        Customers are independent of each other. The numbers depend on the seed and on all rows of the table.
        """
        (start, end), rng = window_of(horizon_days, gap_days), np.random.default_rng(seed)
        alive = self.probability_alive(x, t_x, T)
        x, t_x, T = checked(x, t_x, T)
        shape = (len(x), draws)
        rate = rng.standard_gamma((self.r + x)[:, None], shape) / (self.alpha + T)[:, None]
        # A rate of leaving that underflows to 0 is that of a customer who stays for ever.
        leaving = np.maximum(rng.standard_gamma(self.s, shape), 1e-300) / (self.beta + T)[:, None]
        stays = rng.standard_exponential(shape) / leaving
        days = np.clip(stays, start, end) - start
        return np.asarray(rng.poisson(rate * days) * (rng.random(shape) < alive[:, None]) * 1.0)

    def _falls(self, days: Floats, n: Floats, u: Floats, w: Floats) -> Floats:
        """Chance of an active customer to neither buy nor leave for some days."""
        return np.asarray(np.exp(-n * np.log1p(days / u) - self.s * np.log1p(days / w)))

"""Buy till you die: how often a customer buys, when they stop, and what an order is worth.

Two classic models of a purchase log without contracts, fitted by maximum likelihood in milliseconds:

- :class:`BgNbd`: purchases arrive at a customer's own rate; after each one the customer may leave for good
  (Fader, Hardie and Lee 2005, "Counting your customers" the easy way, Marketing Science 24(2)).
- :class:`GammaGamma`: what an order of a customer is worth on average, shrunk towards everybody's
  (Fader and Hardie 2013, The gamma-gamma model of monetary value).

Symbols of the papers, used here only: ``x`` repeat purchases (the first one is not counted), ``t_x`` days
from the first to the last purchase, ``T`` days from the first purchase to the cutoff.
Purchases of one day are one purchase by convention.

The answers for a customer are elementwise: they do not depend on who else is asked about, to the last bit.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from features.errors import QuestionError
from training.likelihoods import Histories, Spends, best_of

Floats = NDArray[np.float64]

FEWEST_CUSTOMERS = 10

# r, a, b; alpha follows from the mean rate. Heterogeneous shops, the paper's shop, loyal shops.
_STARTS = ((0.3, 1.0, 3.0), (1.0, 0.3, 1.0), (3.0, 0.05, 1.0))
# Beyond these a population cannot be told from one of equal customers, and the formulas lose digits.
_BGNBD_LOWER = np.log([1e-4, 1e-6, 1e-6, 1e-6])
_BGNBD_UPPER = np.log([1e3, 1e9, 1e3, 1e6])
# Where its parts come this near to 0, the closed form of expected purchases has lost half its digits.
_FEWEST_DIGITS = 1e-7
_SMALLEST = 1e-250
_LAST_DIGIT = 1e-15
_SPEND_LOWER = np.log([1e-3, 1e-2, 1e-6])
_SPEND_UPPER = np.log([1e4, 1e4, 1e6])


@dataclass(frozen=True)
class BgNbd:
    """The BG/NBD model: gamma purchase rates, beta chances of leaving after each purchase.

    A customer buys at a constant rate lambda ~ Gamma(r, alpha) a day while active, and leaves after any
    purchase with probability p ~ Beta(a, b). Nobody leaves without having bought again, so P(alive) of a
    customer with one purchase is 1: it is no churn score. :meth:`probability_no_purchase` is.

    Attributes
    ----------
    r, alpha : float
        Shape and rate of the purchase rates; ``alpha`` is in days.
    a, b : float
        The beta distribution of the chance of leaving.
    log_likelihood : float
        At the maximum, with the constants of the paper (time in days).
    n_customers : int
        How many customers it was fitted on.

    Examples
    --------
    >>> shop = BgNbd(r=0.24, alpha=31.0, a=0.8, b=2.4, log_likelihood=0.0, n_customers=0)
    >>> shop.probability_no_purchase(180, x=[0, 2], t_x=[0, 200], T=[273, 273]).round(3)
    array([0.894, 0.549])
    """

    r: float
    alpha: float
    a: float
    b: float
    log_likelihood: float
    n_customers: int

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
        x, t_x, T = _histories(x, t_x, T)
        counted = _weights(weights, len(x))
        some = counted > 0
        _check_enough(counted, some, "customers with a purchase")
        if not (x[some] > 0).any():
            raise QuestionError(
                "No customer bought a second time before the cutoff, so neither purchase rates nor drop-out "
                "can be estimated. Use a longer history (an earlier first purchase or a later cutoff)."
            )
        rows = Histories.of(x[some], t_x[some], T[some], counted[some])
        mean_rate = float((rows.weights * rows.x).sum() / (rows.weights * rows.T).sum())
        starts = [np.log([r, r / mean_rate, a, b]) for r, a, b in _STARTS]
        theta, value = best_of(rows, starts, (_BGNBD_LOWER, _BGNBD_UPPER))
        r, alpha, a, b = (float(parameter) for parameter in np.exp(theta))
        return cls(r, alpha, a, b, value, round(float(counted.sum())))

    def probability_alive(self, x: ArrayLike, t_x: ArrayLike, T: ArrayLike) -> Floats:
        """Chance that a customer has not left for good by the cutoff; 1 for customers with one purchase.

        Returns an array of shape ``(n_customers,)``. Fader, Hardie and Lee 2008, "Computing P(alive)", eq. 6.
        """
        return np.asarray(special.expit(-self._odds_of_having_left(*_histories(x, t_x, T))))

    def probability_no_purchase(
        self, horizon_days: float, x: ArrayLike, t_x: ArrayLike, T: ArrayLike, *, gap_days: float = 0.0
    ) -> Floats:
        """Chance of no purchase in the outcome window: the churn probability of this model.

        Either the customer has left, or is active and silent. Leaving needs a purchase, so a silent active
        customer stays active and waits with lambda ~ Gamma(r + x, alpha + T), which gives
        ``((alpha + T) / (alpha + T + h)) ** (r + x)``. In a gap the customer may buy and leave: then
        ``E[exp(-lambda p g)]`` over p ~ Beta(a, b + x), a hypergeometric function, is the chance to be still
        active after it, and the waiting behind it is integrated likewise.

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
        horizon, gap = _days(horizon_days, "horizon_days"), _days(gap_days, "gap_days")
        x, t_x, T = _histories(x, t_x, T)
        odds, seen = self._odds_of_having_left(x, t_x, T), self.alpha + T
        silent = np.exp(-(self.r + x) * np.log1p(horizon / seen))
        if gap > 0:
            left = 1.0 - self._still_active(x, gap / (seen + gap))
            silent = left + silent * self._still_active(x, gap / (seen + horizon + gap))
        return np.asarray(np.clip(special.expit(odds) + special.expit(-odds) * silent, 0.0, 1.0))

    def expected_purchases(self, horizon_days: float, x: ArrayLike, t_x: ArrayLike, T: ArrayLike) -> Floats:
        """Expected number of purchases in ``[cutoff, cutoff + horizon)``.

        Equation 10 of the paper after two transformations of its hypergeometric function (Pfaff, Euler): its
        first two arguments no longer grow with ``x``, so heavy buyers neither overflow nor lose digits.
        Where that form is ill-conditioned (``a`` near 1, extreme parameters) a sum of positive terms is used.

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
        horizon = _days(horizon_days, "horizon_days")
        x, t_x, T = _histories(x, t_x, T)
        alive = special.expit(-self._odds_of_having_left(x, t_x, T))
        z = horizon / (self.alpha + T + horizon)
        return np.asarray(alive * self._purchases_while_active(x, z))

    def _odds_of_having_left(self, x: Floats, t_x: Floats, T: Floats) -> Floats:
        """Log odds of having left by the cutoff; minus infinity where nothing was bought again."""
        again = x > 0
        chances = np.where(again, self.b + x - 1.0, 1.0)
        odds = np.log(self.a / chances) + (self.r + x) * np.log1p((T - t_x) / (self.alpha + t_x))
        return np.where(again, odds, -np.inf)

    def _purchases_while_active(self, x: Floats, z: Floats) -> Floats:
        c = self.a + self.b + x - 1.0
        with np.errstate(all="ignore"):  # what does not come out finite is done again below
            shrinkage = (1.0 - z) ** (self.a - 1.0)
            ended = 1.0 - shrinkage * special.hyp2f1(self.a + self.b - 1.0 - self.r, self.a - 1.0, c, z)
        safe = np.isfinite(ended) & (shrinkage > _SMALLEST)
        safe &= (np.abs(ended) > _FEWEST_DIGITS) & (np.abs(c) > _FEWEST_DIGITS)
        expected = np.empty_like(x)
        expected[safe] = c[safe] / (self.a - 1.0) * ended[safe]
        expected[~safe] = self._sum_of_terms(x[~safe], z[~safe])
        return expected

    def _still_active(self, x: Floats, z: Floats) -> Floats:
        with np.errstate(all="ignore"):  # what does not come out finite is done again below
            shrinkage = (1.0 - z) ** self.a
            active = shrinkage * special.hyp2f1(self.a + self.b - self.r, self.a, self.a + self.b + x, z)
        doubtful = ~np.isfinite(active) | (shrinkage < _SMALLEST)
        active[doubtful] = 1.0 - self._sum_of_terms(x[doubtful], z[doubtful], leaving=True)
        return np.asarray(active)

    def _sum_of_terms(self, x: Floats, z: Floats, *, leaving: bool = False) -> Floats:
        """Sum P(the rate alone would give more than k purchases) times P(stayed after each of k) over k.

        These are the purchases of an active customer; with ``leaving``, those after which the customer left.
        """
        total, stayed = np.zeros_like(x), np.ones_like(x)
        rows, k = np.arange(len(x)), 0
        while len(rows):
            leave = self.a / (self.a + self.b + x[rows] + k)
            term = special.betainc(k + 1.0, self.r + x[rows], z[rows]) * stayed[rows]
            total[rows] += term * leave if leaving else term
            stayed[rows] *= 1.0 - leave
            rows = rows[term > _LAST_DIGIT * total[rows]]
            k += 1
        return total


@dataclass(frozen=True)
class GammaGamma:
    """The gamma-gamma model: orders of a customer vary around a mean of their own, and means vary too.

    Order values are Gamma(p, rate) with rate ~ Gamma(q, v); ``q > 1`` so that the population mean exists.
    Assumes that what an order is worth does not depend on how often the customer orders.

    Examples
    --------
    >>> spend = GammaGamma(p=6.25, q=3.74, v=15.44)
    >>> spend.expected_mean(n=[0, 1, 10], mean_value=[0.0, 20.0, 20.0]).round(2)
    array([35.22, 24.64, 20.64])
    """

    p: float
    q: float
    v: float

    @classmethod
    def fit(cls, n: ArrayLike, mean_value: ArrayLike, weights: ArrayLike | None = None) -> Self:
        """Find the parameters that make these mean order values most likely.

        Parameters
        ----------
        n : array_like of shape (n_customers,)
            Orders behind each mean.
        mean_value : array_like of shape (n_customers,)
            Mean value of an order, in currency units. Rows with no order, or without a positive mean
            (returned goods), are left out.
        weights : array_like of shape (n_customers,), optional
            How many customers each row stands for.

        Raises
        ------
        QuestionError
            Fewer than 10 customers with a positive mean, or no maximum was found.
        ValueError
            Shapes differ, or a count is negative or not finite.
        """
        n, mean_value = _spends(n, mean_value)
        counted = _weights(weights, len(n))
        usable = (n > 0) & (mean_value > 0) & (counted > 0)
        _check_enough(counted, usable, "customers with a positive order value")
        rows = Spends.of(n[usable], mean_value[usable], counted[usable])
        starts = [np.log([p, q - 1.0, (q - 1.0) / p]) for p, q in ((6.0, 4.0), (1.0, 2.0), (2.0, 8.0))]
        theta, _ = best_of(rows, starts, (_SPEND_LOWER, _SPEND_UPPER))
        p, beyond_one, v = (float(parameter) for parameter in np.exp(theta))
        return cls(p, 1.0 + beyond_one, v * rows.scale)

    def expected_mean(self, n: ArrayLike, mean_value: ArrayLike) -> Floats:
        """Expected value of a future order: between the customer's own mean and the population's.

        Where ``n`` is 0 it is the population mean ``p v / (q - 1)`` and ``mean_value`` is not looked at;
        a mean below 0 (returned goods) counts as 0. Returns shape ``(n_customers,)``. Eq. 5 of the paper.
        """
        n, mean_value = _spends(n, mean_value)
        spent = n * np.maximum(mean_value, 0.0)
        return np.asarray(self.p * (self.v + spent) / (self.p * n + self.q - 1.0))


def _histories(x: ArrayLike, t_x: ArrayLike, T: ArrayLike) -> tuple[Floats, Floats, Floats]:
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


def _spends(n: ArrayLike, mean_value: ArrayLike) -> tuple[Floats, Floats]:
    n = np.ascontiguousarray(n, dtype=np.float64)
    mean_value = np.ascontiguousarray(mean_value, dtype=np.float64)
    if n.ndim != 1 or n.shape != mean_value.shape:
        raise ValueError("n and mean_value must be one-dimensional and of one length.")
    if not np.isfinite(n).all() or (n < 0).any():
        raise ValueError("n counts orders: expected finite numbers of at least 0.")
    mean_value = np.where(n > 0, mean_value, 0.0)
    if not np.isfinite(mean_value).all():
        raise ValueError("mean_value must be finite wherever there is an order.")
    return n, mean_value


def _weights(weights: ArrayLike | None, n: int) -> Floats:
    if weights is None:
        return np.ones(n)
    counted = np.ascontiguousarray(weights, dtype=np.float64)
    if counted.shape != (n,) or not np.isfinite(counted).all() or (counted < 0).any():
        raise ValueError("weights must be finite, at least 0, and one per row.")
    return counted


def _days(days: float, name: str) -> float:
    if not 0 <= days < np.inf:
        raise ValueError(f"{name} must be a finite number of days, at least 0.")
    return float(days)


def _check_enough(weights: Floats, usable: NDArray[np.bool_], what: str) -> None:
    n = float(weights[usable].sum())
    if n < FEWEST_CUSTOMERS:
        raise QuestionError(
            f"Only {n:g} {what}; the purchase models need at least {FEWEST_CUSTOMERS}. "
            "Use a longer history or a wider population."
        )

"""What an order of a customer is worth: the gamma-gamma model and its log-likelihood."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from training.btyd.climbing import Climb, Floats, best_of, in_logs
from training.btyd.histories import WARM_ROWS, check_enough, counts_of

_LOWER = np.log([1e-3, 1e-2, 1e-6])
_UPPER = np.log([1e4, 1e4, 1e6])


@dataclass(frozen=True)
class GammaGamma:
    """The gamma-gamma model: orders of a customer vary around a mean of their own, and means vary too.

    Order values are Gamma(p, rate) with rate ~ Gamma(q, v); ``q > 1`` so that the population mean exists.
    Assumes that what an order is worth does not depend on how often the customer orders.
    Fader and Hardie 2013, The gamma-gamma model of monetary value.

    Attributes
    ----------
    p, q, v : float
        Shape of a customer's orders, shape and rate of the customers' rates; ``v`` is in currency units.
    standard_errors : mapping of str to float or None
        Of the parameters; None where the data cannot tell.

    Examples
    --------
    >>> spend = GammaGamma(p=6.25, q=3.74, v=15.44)
    >>> spend.expected_mean(n=[0, 1, 10], mean_value=[0.0, 20.0, 20.0]).round(2)
    array([35.22, 24.64, 20.64])
    """

    p: float
    q: float
    v: float
    standard_errors: Mapping[str, float | None] = field(default_factory=dict, compare=False, repr=False)

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
        counted = counts_of(weights, len(n))
        usable = (n > 0) & (mean_value > 0) & (counted > 0)
        check_enough(counted, usable, "customers with a positive order value")
        rows = Spends.of(n[usable], mean_value[usable], counted[usable])
        starts = [np.log([p, q - 1.0, (q - 1.0) / p]) for p, q in ((6.0, 4.0), (1.0, 2.0), (2.0, 8.0))]
        summit = best_of(rows, starts, (_LOWER, _UPPER))
        p, beyond_one, v = summit.parameters
        errors = summit.standard_errors(("p", "q", "v"), (p, beyond_one, v * rows.scale))
        return cls(p, 1.0 + beyond_one, v * rows.scale, errors)

    def expected_mean(self, n: ArrayLike, mean_value: ArrayLike) -> Floats:
        """Expected value of a future order: between the customer's own mean and the population's.

        Where ``n`` is 0 it is the population mean ``p v / (q - 1)`` and ``mean_value`` is not looked at;
        a mean below 0 (returned goods) counts as 0. Returns shape ``(n_customers,)``. Eq. 5 of the paper.
        """
        n, mean_value = _spends(n, mean_value)
        spent = n * np.maximum(mean_value, 0.0)
        return np.asarray(self.p * (self.v + spent) / (self.p * n + self.q - 1.0))

    def draw(
        self, purchases: Floats, n: ArrayLike, mean_value: ArrayLike, rng: np.random.Generator
    ) -> Floats:
        """Draw what the customers spend on the given numbers of future orders, in currency units.

        The rate of a customer is ~ Gamma(p n + q, v + spent so far), and the orders together are
        ~ Gamma(p times their number, rate).

        Parameters
        ----------
        purchases : ndarray of shape (n_customers, n_draws)
            Orders in each drawn future.
        n, mean_value : array_like of shape (n_customers,)
            Orders so far and their mean value.
        rng : Generator
            Where chance comes from.

        Returns
        -------
        ndarray of shape (n_customers, n_draws)
        """
        n, mean_value = _spends(n, mean_value)
        spent = n * np.maximum(mean_value, 0.0)
        per_unit = rng.standard_gamma((self.p * n + self.q)[:, None], purchases.shape)
        worth = rng.standard_gamma(self.p * purchases)
        return np.asarray(worth / per_unit * (self.v + spent)[:, None])


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


@dataclass(frozen=True)
class Spends:
    """The gamma-gamma log-likelihood of what customers spent; equation 1a of Fader and Hardie 2013.

    Spending is counted in units of the population's mean order, ``scale``.
    """

    n: Floats
    spent: Floats
    weights: Floats
    scale: float
    counts: Floats
    """The different values of ``n``, and in ``per_count`` the weight of each."""
    per_count: Floats

    @classmethod
    def of(cls, n: Floats, mean_value: Floats, weights: Floats) -> Self:
        """Scale the means and count the counts; arrays of shape ``(n_customers,)``, all positive."""
        order = np.lexsort((weights, mean_value, n))  # sums must not depend on the order of the rows
        n, mean_value, weights = n[order], mean_value[order], weights[order]
        scale = float((weights * mean_value).sum() / weights.sum())
        return cls(n, n * (mean_value / scale), weights, scale, *_per_count(n, weights))

    def thinned(self) -> Self:
        """Every k-th row, some thousands of them, to look for the neighbourhood of the maximum."""
        few = slice(None, None, max(1, len(self.n) // WARM_ROWS))
        n, weights = self.n[few], self.weights[few]
        return type(self)(n, self.spent[few], weights, self.scale, *_per_count(n, weights))

    @property
    def n_customers(self) -> float:
        """How many customers the rows stand for."""
        return float(self.weights.sum())

    def __call__(self, theta: Floats) -> Climb:
        """Log-likelihood at the logarithms of p, q - 1, v (in units of ``scale``), up to a constant."""
        p, beyond_one, v = np.exp(theta)
        q = 1.0 + beyond_one
        parts = (_of_order_counts(self.counts, self.per_count, p, q), _of_spend(self, p, q, v))
        return in_logs(parts, np.exp(theta))


def _per_count(n: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """The different counts of a sorted column, and the weight of each."""
    first = np.flatnonzero(np.concatenate(([True], n[1:] != n[:-1])))
    return n[first], np.add.reduceat(weights, first)


def _of_order_counts(n: Floats, weights: Floats, p: float, q: float) -> Climb:
    """Γ(pn+q) / (Γ(pn) Γ(q)): no special function is needed per customer."""
    shape, both = p * n, p * n + q
    value = (weights * (special.gammaln(both) - special.gammaln(shape) - special.gammaln(q))).sum()
    digamma = special.digamma(both)
    curve = special.polygamma(1, both)
    gradient = np.zeros(3)
    gradient[0] = (weights * n * (digamma - special.digamma(shape))).sum()
    gradient[1] = (weights * (digamma - special.digamma(q))).sum()
    hessian = np.zeros((3, 3))
    hessian[0, 0] = (weights * n**2 * (curve - special.polygamma(1, shape))).sum()
    hessian[0, 1] = hessian[1, 0] = (weights * n * curve).sum()
    hessian[1, 1] = (weights * (curve - special.polygamma(1, q))).sum()
    return value, gradient, hessian


def _of_spend(rows: Spends, p: float, q: float, v: float) -> Climb:
    """1 / ((1+s/v)**q (1+v/s)**(p n)), s the customer's total; factors free of parameters are dropped."""
    w, n, s = rows.weights, rows.n, rows.spent
    share, total = s / v, v + s
    above, below = w * np.log1p(share), w * n * np.log1p(v / s)
    inverse = w / total
    gained, lost = (inverse * share).sum(), (inverse * n).sum()
    value = -q * above.sum() - p * below.sum()
    gradient = np.array([-below.sum(), -above.sum(), q * gained - p * lost])
    hessian = np.zeros((3, 3))
    hessian[0, 2] = hessian[2, 0] = -lost
    hessian[1, 2] = hessian[2, 1] = gained
    hessian[2, 2] = (inverse / total * (p * n - q * share * (2.0 + share))).sum()
    return value, gradient, hessian

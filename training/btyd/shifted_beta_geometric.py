"""Customers under contract who decide at each renewal: the shifted-beta-geometric model."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike

from features.errors import QuestionError
from training.btyd.climbing import Climb, Floats, best_of, in_logs
from training.btyd.histories import check_enough, counts_of

_STARTS = ((1.0, 1.0), (0.5, 5.0), (5.0, 50.0), (20.0, 20.0))
# Beyond these a population cannot be told from one of equal customers.
_LOWER = np.log([1e-6, 1e-6])
_UPPER = np.log([1e4, 1e6])
_DEPTH = 20
_NO_DISCOUNT = 1e-6


@dataclass(frozen=True)
class ShiftedBetaGeometric:
    """The shifted-beta-geometric model: beta chances of leaving at each renewal of a contract.

    At the end of each period a customer leaves with probability theta ~ Beta(alpha, beta), the same at every
    renewal. Those most likely to leave do so first, so whoever has stayed long is ever less likely to leave.
    Fader and Hardie 2007, How to project customer retention, Journal of Interactive Marketing 21(1).

    Attributes
    ----------
    alpha, beta : float
        The beta distribution of the chance of leaving at a renewal.
    log_likelihood : float
        At the maximum.
    n_customers : int
        How many customers it was fitted on.
    standard_errors : mapping of str to float or None
        Of the parameters; None where the data cannot tell one from 0 or from infinity.

    Examples
    --------
    >>> regular = ShiftedBetaGeometric(alpha=0.704, beta=1.182, log_likelihood=0.0, n_customers=0)
    >>> regular.survival([0, 1, 2, 3]).round(3)
    array([1.   , 0.627, 0.474, 0.388])
    >>> regular.probability_leaves(1, survived=[0, 3]).round(3)
    array([0.373, 0.144])
    """

    alpha: float
    beta: float
    log_likelihood: float
    n_customers: int
    standard_errors: Mapping[str, float | None] = field(default_factory=dict, compare=False, repr=False)

    kind: ClassVar[str] = "shifted_beta_geometric"

    @classmethod
    def fit(cls, survived: ArrayLike, ended: ArrayLike, weights: ArrayLike | None = None) -> Self:
        """Find the parameters that make these contracts most likely.

        Parameters
        ----------
        survived : array_like of shape (n_customers,)
            Renewals that the customer has stayed through: whole periods completed and renewed.
        ended : array_like of shape (n_customers,)
            Whether the customer left at the next renewal; else that renewal is still ahead.
        weights : array_like of shape (n_customers,), optional
            How many customers each row stands for; 1 by default.

        Raises
        ------
        QuestionError
            Fewer than 10 customers, nobody left, nobody stayed through a renewal, or no maximum was found.
        ValueError
            Shapes differ, or a number of periods is negative or not whole.
        """
        survived, gone = _contracts(survived, ended)
        counted = counts_of(weights, len(survived))
        check_enough(counted, counted > 0, "customers with a contract")
        rows = Renewals.of(survived, gone, counted)
        if not rows.left.any() or not rows.stayed.any():
            which = "left" if rows.stayed.any() else "stayed through a renewal"
            raise QuestionError(
                f"No customer {which}, so the chance of leaving at a renewal cannot be estimated; expected "
                "some who stayed and some who left. Use a longer history or a wider population."
            )
        summit = best_of(rows, [np.log(start) for start in _STARTS], (_LOWER, _UPPER))
        errors = summit.standard_errors(("alpha", "beta"), summit.parameters)
        alpha, beta = summit.parameters
        return cls(alpha, beta, summit.value, round(rows.n_customers), errors)

    def survival(self, periods: ArrayLike, survived: ArrayLike = 0) -> Floats:
        """Chance to stay through so many renewals more, given those survived already.

        Parameters
        ----------
        periods : array_like of int
            Renewals ahead; broadcast against ``survived``.
        survived : array_like of int
            Renewals that the customer has stayed through.

        Returns
        -------
        ndarray
        """
        ahead, behind = np.broadcast_arrays(_periods(periods, "periods"), _periods(survived, "survived"))
        ahead, behind = (np.ascontiguousarray(part, dtype=np.float64) for part in (ahead, behind))
        logs = np.zeros(ahead.shape)
        for j in range(int(ahead.max(initial=0.0))):
            stays = -np.log1p(self.alpha / (self.beta + behind + j))
            logs += np.where(j < ahead, stays, 0.0)
        return np.asarray(np.exp(logs))

    def probability_leaves(self, periods: ArrayLike, survived: ArrayLike) -> Floats:
        """Chance to leave at one of the next ``periods`` renewals, given those survived already."""
        return 1.0 - self.survival(periods, survived)

    def expected_remaining(
        self, survived: ArrayLike, *, periods: int | None = None, discount: float = 0.0
    ) -> Floats:
        """Expected number of renewals that a customer will still stay through.

        Parameters
        ----------
        survived : array_like of shape (n_customers,)
            Renewals that the customer has stayed through.
        periods : int, optional
            Only the next so many renewals count; for ever if not given. Then without a discount the
            expectation is infinite where ``alpha`` is 1 or less: some customers practically never leave.
        discount : float
            Rate per period; the t-th renewal counts ``(1 + discount) ** -t``. For ever, a rate below one in a
            million is none.

        Returns
        -------
        ndarray of shape (n_customers,)
            Fader and Hardie 2010, Customer-base valuation in a contractual setting, eq. 6, when for ever.
        """
        behind = np.ascontiguousarray(_periods(survived, "survived"), dtype=np.float64)
        if not 0 <= discount < np.inf:
            raise ValueError("discount must be a finite rate per period, at least 0.")
        if periods is not None:
            return self._within(int(_periods(periods, "periods")), behind, discount)
        if discount < _NO_DISCOUNT:
            endless = np.full(behind.shape, np.inf)
            return endless if self.alpha <= 1 else np.asarray((self.beta + behind) / (self.alpha - 1.0))
        kept, ends = 1.0 / (1.0 + discount), self.alpha + self.beta + behind
        return np.asarray(
            (self.beta + behind) / ends * kept * _series(self.beta + behind + 1.0, ends + 1.0, kept)
        )

    def simulate(
        self, periods: int, survived: ArrayLike, *, draws: int, seed: int | np.random.Generator
    ) -> Floats:
        """Draw through how many of the next renewals each customer stays, shape ``(n_customers, draws)``.

        Customers are independent of each other. The numbers depend on the seed and on all rows of the table.
        """
        behind, rng = _periods(survived, "survived").astype(np.float64), np.random.default_rng(seed)
        shape = (len(behind), draws)
        leaving = np.maximum(rng.standard_gamma(self.alpha, shape), 1e-300)
        staying = np.maximum(rng.standard_gamma((self.beta + behind)[:, None], shape), 1e-300)
        stays = np.floor(rng.standard_exponential(shape) / np.log1p(leaving / staying))
        return np.asarray(np.minimum(stays, float(_periods(periods, "periods"))))

    def _within(self, periods: int, behind: Floats, discount: float) -> Floats:
        total, worth = np.zeros(behind.shape), np.ones(behind.shape)
        for j in range(periods):
            worth *= (self.beta + behind + j) / (self.alpha + self.beta + behind + j) / (1.0 + discount)
            total += worth
        return total


@dataclass(frozen=True)
class Renewals:
    """The log-likelihood of renewals: who left and who stayed at each, and nothing else, matters."""

    left: Floats
    stayed: Floats
    n_customers: float

    @classmethod
    def of(cls, survived: Floats, gone: Floats, weights: Floats) -> Self:
        """Count those who left, and those who stayed, at the j-th renewal, for j = 0, 1, 2 and so on."""
        n, count = survived.astype(np.int64), int(survived.max()) + 1
        order = np.lexsort((weights, gone, n))  # sums must not depend on the order of the rows
        n, gone, weights = n[order], gone[order], weights[order]
        left = np.bincount(n, weights=weights * gone, minlength=count).astype(np.float64)
        all_with = np.bincount(n, weights=weights, minlength=count).astype(np.float64)
        stayed = np.append(np.cumsum(all_with[::-1])[::-1][1:], 0.0)
        return cls(left, stayed, float(weights.sum()))

    def thinned(self) -> Self:
        """Return the same: there are as few rows as renewals."""
        return self

    def __call__(self, theta: Floats) -> Climb:
        """Log-likelihood at the logarithms of alpha, beta."""
        alpha, beta = np.exp(theta)
        stay = beta + np.arange(len(self.left), dtype=np.float64)
        end = alpha + stay
        value = -(self.left * np.log1p(stay / alpha)).sum() - (self.stayed * np.log1p(alpha / stay)).sum()
        both, per_end = self.left + self.stayed, 1.0 / end
        gradient = np.array(
            [
                ((self.left * stay / alpha - self.stayed) * per_end).sum(),
                ((self.stayed * alpha / stay - self.left) * per_end).sum(),
            ]
        )
        hessian = np.full((2, 2), (both * per_end**2).sum())
        hessian[0, 0] -= self.left.sum() / alpha**2
        hessian[1, 1] -= (self.stayed / stay**2).sum()
        return in_logs([(float(value), gradient, hessian)], np.exp(theta))


def _series(b: Floats, c: Floats, z: float) -> Floats:
    """2F1(1, b; c; z) by Gauss's continued fraction, for ``1 < b < c`` and ``z`` up to very near 1.

    All its parts are positive and below 1, so no digits are lost where library functions lose all of them.
    """
    tail = np.zeros_like(b)
    for m in range(math.ceil(_DEPTH / math.sqrt(1.0 - z)) + _DEPTH, 0, -1):
        tail = m * (c - b + m - 1.0) / ((c + 2.0 * m - 2.0) * (c + 2.0 * m - 1.0)) * z / (1.0 - tail)
        n = m - 1.0
        tail = (b + n) * (c - 1.0 + n) / ((c + 2.0 * n - 1.0) * (c + 2.0 * n)) * z / (1.0 - tail)
    return np.asarray(1.0 / (1.0 - tail))


def _contracts(survived: ArrayLike, ended: ArrayLike) -> tuple[Floats, Floats]:
    periods = _periods(survived, "survived")
    gone = np.ascontiguousarray(ended, dtype=np.float64)
    if periods.ndim != 1 or periods.shape != gone.shape:
        raise ValueError("survived and ended must be one-dimensional and of one length.")
    if not np.isin(gone, (0.0, 1.0)).all():
        raise ValueError("ended says whether a customer left: expected true or false for each.")
    return periods, gone


def _periods(periods: ArrayLike, name: str) -> Floats:
    checked = np.asarray(periods, dtype=np.float64)
    if not np.isfinite(checked).all() or (checked < 0).any() or (checked != np.floor(checked)).any():
        raise ValueError(f"{name} counts renewals: expected whole numbers of at least 0.")
    return checked

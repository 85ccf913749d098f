"""Customers who buy with some regularity and may leave for good after a purchase: MBG/CNBD-k."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from training.btyd.activity import Activity, purchases_before_leaving
from training.btyd.climbing import Floats, Summit
from training.btyd.futures import window_of
from training.btyd.histories import Histories, asked_once, checked, days_of
from training.btyd.leaving import NAMES, LeavingAfterPurchases, fit

MOST_STAGES = 12
_LAST_DIGIT = 1e-15
_FIRST_BLOCK, _LONGEST_BLOCK, _ROWS_AT_ONCE = 8, 512, 8192


@dataclass(frozen=True)
class MbgCnbdK:
    """The MBG/CNBD-k model: a customer passes ``k`` stages between two purchases, and may leave after each.

    Stages are passed at a constant rate lambda ~ Gamma(r, alpha) a day, so days between purchases are
    Erlang-k: the larger ``k``, the more regular. After any purchase, the first included, the customer leaves
    with probability p ~ Beta(a, b). With ``k`` of 1 it is the MBG/NBD.
    Reutterer, Platzer and Schroeder 2021, Leveraging purchase regularity for predicting customer behavior
    the easy way, International Journal of Research in Marketing 38(1). Answers here are exact where the paper
    approximates: a silent customer is a mixture over the stages that may have been passed since the last
    purchase, and each of these is an NBD.

    Attributes
    ----------
    r, alpha : float
        Shape and rate of the stage rates; ``alpha`` is in days. Purchases come at a rate of lambda / k.
    a, b : float
        The beta distribution of the chance of leaving.
    k : int
        Stages between two purchases.
    log_likelihood : float
        At the maximum; comparable with the other models. For ``k > 1`` it judges the last purchase day alone.
    n_customers : int
        How many customers it was fitted on.
    standard_errors : mapping of str to float or None
        Of r, alpha, a, b given ``k``; None where the data cannot tell.

    Examples
    --------
    >>> shop = MbgCnbdK(r=2.0, alpha=20.0, a=0.8, b=2.4, k=3, log_likelihood=0.0, n_customers=0)
    >>> shop.probability_alive(x=[5, 5], t_x=[150, 150], T=[160, 260]).round(3)
    array([0.894, 0.057])
    """

    r: float
    alpha: float
    a: float
    b: float
    k: int
    log_likelihood: float
    n_customers: int
    standard_errors: Mapping[str, float | None] = field(default_factory=dict, compare=False, repr=False)

    kind: ClassVar[str] = "mbg_cnbd_k"

    @classmethod
    def fit(
        cls,
        x: ArrayLike,
        t_x: ArrayLike,
        T: ArrayLike,
        weights: ArrayLike | None = None,
        *,
        k: int | None = None,
    ) -> Self:
        """Find the parameters, and unless it is given the ``k``, that make these histories most likely.

        One stage after the other is added until that makes the histories less likely, up to 12.

        Parameters
        ----------
        x, t_x, T : array_like of shape (n_customers,)
            Repeat purchases, days from first to last purchase, days from first purchase to cutoff.
        weights : array_like of shape (n_customers,), optional
            How many customers each row stands for; 1 by default.
        k : int, optional
            Stages between two purchases.

        Raises
        ------
        QuestionError
            Fewer than 10 customers, no repeat purchase at all, or no maximum was found.
        ValueError
            A history that cannot be, such as ``T`` of 0 or ``t_x`` after ``T``.
        """
        rows = Histories.to_fit(x, t_x, T, weights)
        if k is None:
            summit, k = _most_likely(rows)
        else:
            summit = fit(LeavingAfterPurchases.of(rows, stages=k, at_once=True))
        errors = summit.standard_errors(NAMES, summit.parameters)
        r, alpha, a, b = summit.parameters
        return cls(r, alpha, a, b, k, summit.value, round(rows.n_customers), errors)

    def probability_alive(self, x: ArrayLike, t_x: ArrayLike, T: ArrayLike) -> Floats:
        """Chance that a customer has not left for good by the cutoff, shape ``(n_customers,)``."""
        x, t_x, T = checked(x, t_x, T)
        waiting = self._waiting(x, t_x, T)
        return np.asarray(waiting / (waiting + self.a / (self.b + x)))

    def probability_no_purchase(
        self, horizon_days: float, x: ArrayLike, t_x: ArrayLike, T: ArrayLike, *, gap_days: float = 0.0
    ) -> Floats:
        """Chance of no purchase in the outcome window: the churn probability of this model.

        Without a gap it is how likely the silence up to the end of the window is, left or active, relative to
        the silence up to the cutoff.

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
        x, t_x, T = checked(x, t_x, T)
        left, waiting = self.a / (self.b + x), self._waiting(x, t_x, T)
        if gap == 0:
            later = self._waiting(x, t_x, T + horizon)
            return np.asarray((later + left) / (waiting + left))
        buys = asked_once(lambda *rows: self._buys(horizon, gap, *rows), x, t_x, T)
        return np.asarray(np.clip(1.0 - waiting / (waiting + left) * buys, 0.0, 1.0))

    def expected_purchases(self, horizon_days: float, x: ArrayLike, t_x: ArrayLike, T: ArrayLike) -> Floats:
        """Expected number of purchases in ``[cutoff, cutoff + horizon)``.

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
        if self.k == 1:
            return alive * Activity(self.r, self.alpha, self.a, self.b + 1.0).purchases(horizon, x, T)
        return alive * asked_once(lambda *rows: self._purchases(horizon, *rows), x, t_x, T)

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
        active = rng.random((len(np.atleast_1d(x)), draws)) < self.probability_alive(x, t_x, T)[:, None]
        x, t_x, T = checked(x, t_x, T)
        chance, passed, so_far = rng.random(active.shape), np.zeros(active.shape), np.zeros_like(x)
        for _, share in self._stages_passed(x, t_x, T):
            so_far += share
            passed += chance >= so_far[:, None]
        passed = np.minimum(passed, self.k - 1.0)  # shares may sum to a last digit below 1
        shape = (self.r + self.k * x)[:, None] + passed
        rate = rng.standard_gamma(shape) / (self.alpha + T)[:, None]
        before = rng.poisson(rate * start) + passed
        within = before + rng.poisson(rate * (end - start))
        last = purchases_before_leaving(self.a, self.b + 1.0 + x, draws, rng)
        bought = np.minimum(within // self.k, last) - np.minimum(before // self.k, last)
        return np.asarray(bought * active)

    def _waiting(self, x: Floats, t_x: Floats, T: Floats) -> Floats:
        """Chance that an active customer passes less than ``k`` stages from the last purchase to ``T``."""
        seen = self.alpha + t_x
        return np.asarray(special.betainc(self.r + self.k * x, float(self.k), seen / (self.alpha + T)))

    def _stages_passed(self, x: Floats, t_x: Floats, T: Floats) -> Iterator[tuple[int, Floats]]:
        """For each number of stages since the last purchase how likely it is, given an active customer."""
        n, share = self.r + self.k * x, (T - t_x) / (self.alpha + T)
        terms = [np.ones_like(x)]
        for j in range(1, self.k):
            terms.append(terms[-1] * ((n + j - 1) / j * share))
        total = sum(terms[1:], terms[0])
        yield from ((j, term / total) for j, term in enumerate(terms))

    def _purchases(self, horizon: float, x: Floats, t_x: Floats, T: Floats) -> Floats:
        """Purchases expected of active customers."""
        stages = self._stages_passed(x, t_x, T)
        parts = [share * self._purchases_from_stage(j, horizon, x, T) for j, share in stages]
        return sum(parts[1:], parts[0])

    def _buys(self, horizon: float, gap: float, x: Floats, t_x: Floats, T: Floats) -> Floats:
        """Chance of active customers to buy in the outcome window."""
        stages = self._stages_passed(x, t_x, T)
        parts = [share * self._buys_behind_gap(j, horizon, gap, x, T) for j, share in stages]
        return sum(parts[1:], parts[0])

    def _purchases_from_stage(self, j: int, horizon: float, x: Floats, T: Floats) -> Floats:
        """Sum P(reaches the m-th purchase) times P(stayed after each before it) over m."""
        n, z = self.r + self.k * x + j, horizon / (self.alpha + T + horizon)
        ends = self.b + 1.0 + x

        def terms(rows: Rows, m: Floats) -> tuple[Floats, Floats]:
            reached = special.betainc(self.k * (m + 1.0) - j, n[rows], z[rows])
            worth = reached * _stayed(self.a, ends[rows], m)
            return worth, worth[-1]

        return _sum_over(len(x), terms)

    def _buys_behind_gap(self, j: int, horizon: float, gap: float, x: Floats, T: Floats) -> Floats:
        """Sum P(passes i stages in the gap) P(stays through it) P(then passes enough to buy) over i."""
        n, seen = self.r + self.k * x + j, self.alpha + T + gap
        z, behind, ends = gap / seen, horizon / (seen + horizon), self.b + 1.0 + x

        def terms(rows: Rows, i: Floats) -> tuple[Floats, Floats]:
            bought, since = np.divmod(i + j, self.k)
            some = _negative_binomial(i, n[rows], z[rows]) * _stayed(self.a, ends[rows], bought)
            buys = some * special.betainc(self.k - since, n[rows] + i, behind[rows])
            return buys, special.betainc(i[-1] + 1.0, n[rows], z[rows])

        return _sum_over(len(x), terms)


Rows = slice | NDArray[np.intp]


def _most_likely(rows: Histories) -> tuple[Summit, int]:
    """Climb with one stage more after the other, until that makes the histories less likely."""
    best, stages = fit(LeavingAfterPurchases.of(rows, at_once=True)), 1
    while stages < MOST_STAGES:
        likelihood = LeavingAfterPurchases.of(rows, stages=stages + 1, at_once=True)
        if not np.isfinite(likelihood.constant):
            break
        faster = best.theta + np.log([1.0, stages / (stages + 1), 1.0, 1.0])
        one_more = fit(likelihood, faster)
        if one_more.value <= best.value:
            break
        best, stages = one_more, stages + 1
    return best, stages


def _stayed(a: float, b: Floats, m: Floats) -> Floats:
    """Chance to stay after each of ``m`` purchases; the chance of leaving is ~ Beta(a, b)."""
    return np.asarray(np.exp(special.betaln(a, b + m) - special.betaln(a, b)))


def _negative_binomial(i: Floats, n: Floats, z: Floats) -> Floats:
    """Chance of ``i`` stages in a share ``z`` of all days, rates being ~ Gamma(n, all days before)."""
    ways = special.gammaln(n + i) - special.gammaln(n) - special.gammaln(i + 1.0)
    return np.asarray(np.exp(ways + n * np.log1p(-z) + i * np.log(z)))


def _sum_over(n_rows: int, terms: Callable[[Rows, Floats], tuple[Floats, Floats]]) -> Floats:
    """Sum terms over 0, 1, 2 and so on for each row, until what may be left is beyond the last digit.

    ``terms`` returns them for some rows, shape (n_terms, n_rows), and a bound on what is left for each row.
    """
    total = np.zeros(n_rows)
    for start in range(0, n_rows, _ROWS_AT_ONCE):
        rows = np.arange(start, min(start + _ROWS_AT_ONCE, n_rows))
        first, size = 0, _FIRST_BLOCK
        while len(rows):
            some, left = terms(rows, np.arange(first, first + size, dtype=np.float64)[:, None])
            # cumsum adds in order, so nobody's sum depends on how many others there are
            total[rows] += np.cumsum(some, axis=0)[-1]
            rows = rows[left > _LAST_DIGIT * total[rows]]
            first, size = first + size, min(2 * size, _LONGEST_BLOCK)
    return total

"""Customers who buy at a rate of their own and may leave for good after a purchase: BG/NBD and MBG/NBD."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from training.btyd.activity import Activity
from training.btyd.climbing import Floats
from training.btyd.futures import window_of
from training.btyd.histories import Histories, checked, days_of
from training.btyd.leaving import NAMES, LeavingAfterPurchases, fit


@dataclass(frozen=True)
class _LeavingAfterPurchases:
    """What the two models have in common; ``at_once`` tells them apart."""

    r: float
    alpha: float
    a: float
    b: float
    log_likelihood: float
    n_customers: int
    standard_errors: Mapping[str, float | None] = field(default_factory=dict, compare=False, repr=False)

    kind: ClassVar[str]
    at_once: ClassVar[bool]

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
        summit = fit(LeavingAfterPurchases.of(rows, at_once=cls.at_once))
        errors = summit.standard_errors(NAMES, summit.parameters)
        r, alpha, a, b = summit.parameters
        return cls(r, alpha, a, b, summit.value, round(rows.n_customers), errors)

    def probability_alive(self, x: ArrayLike, t_x: ArrayLike, T: ArrayLike) -> Floats:
        """Chance that a customer has not left for good by the cutoff, shape ``(n_customers,)``.

        Fader, Hardie and Lee 2008, "Computing P(alive)", eq. 6.
        """
        return np.asarray(special.expit(-self._odds_of_having_left(*checked(x, t_x, T))))

    def probability_no_purchase(
        self, horizon_days: float, x: ArrayLike, t_x: ArrayLike, T: ArrayLike, *, gap_days: float = 0.0
    ) -> Floats:
        """Chance of no purchase in the outcome window: the churn probability of this model.

        Either the customer has left, or is active and silent.

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
        odds = self._odds_of_having_left(x, t_x, T)
        silent = self.activity.silence(horizon, gap, x, T)
        return np.asarray(np.clip(special.expit(odds) + special.expit(-odds) * silent, 0.0, 1.0))

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
        x, t_x, T = checked(x, t_x, T)
        alive = special.expit(-self._odds_of_having_left(x, t_x, T))
        return np.asarray(alive * self.activity.purchases(horizon, x, T))

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
        window, rng = window_of(horizon_days, gap_days), np.random.default_rng(seed)
        x, t_x, T = checked(x, t_x, T)
        alive = special.expit(-self._odds_of_having_left(x, t_x, T))
        active = rng.random((len(x), draws)) < alive[:, None]
        return np.asarray(self.activity.draw(window, x, T, draws, rng) * active)

    @property
    def activity(self) -> Activity:
        """What a customer does who has not left yet."""
        return Activity(self.r, self.alpha, self.a, self.b + self.at_once)

    def _odds_of_having_left(self, x: Floats, t_x: Floats, T: Floats) -> Floats:
        """Log odds of having left by the cutoff; minus infinity for those who could not have."""
        if self.at_once:
            return self.activity.odds_of_having_left(x, t_x, T)
        odds = self.activity.odds_of_having_left(np.maximum(x, 1.0), t_x, T)
        return np.where(x > 0, odds, -np.inf)


@dataclass(frozen=True)
class BgNbd(_LeavingAfterPurchases):
    """The BG/NBD model: gamma purchase rates, beta chances of leaving after each purchase.

    A customer buys at a constant rate lambda ~ Gamma(r, alpha) a day while active, and leaves after any
    repeat purchase with probability p ~ Beta(a, b). Nobody leaves without having bought again, so P(alive) of
    a customer with one purchase is 1: it is no churn score. ``probability_no_purchase`` is.
    Fader, Hardie and Lee 2005, "Counting your customers" the easy way, Marketing Science 24(2).

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
    standard_errors : mapping of str to float or None
        Of the parameters; None where the data cannot tell one from 0 or from infinity.

    Examples
    --------
    >>> shop = BgNbd(r=0.24, alpha=31.0, a=0.8, b=2.4, log_likelihood=0.0, n_customers=0)
    >>> shop.probability_no_purchase(180, x=[0, 2], t_x=[0, 200], T=[273, 273]).round(3)
    array([0.894, 0.549])
    """

    kind: ClassVar[str] = "bg_nbd"
    at_once: ClassVar[bool] = False


@dataclass(frozen=True)
class MbgNbd(_LeavingAfterPurchases):
    """The MBG/NBD model: as the BG/NBD, but the first purchase may be the last one as well.

    One-time buyers may have left, so P(alive) falls with their silence.
    Batislam, Denizel and Filiztekin 2007, Empirical validation and comparison of models for customer base
    analysis, International Journal of Research in Marketing 24(3).

    Attributes
    ----------
    r, alpha, a, b, log_likelihood, n_customers, standard_errors
        As in :class:`BgNbd`.

    Examples
    --------
    >>> shop = MbgNbd(r=0.5, alpha=40.0, a=0.8, b=2.4, log_likelihood=0.0, n_customers=0)
    >>> shop.probability_alive(x=[0, 2], t_x=[0, 200], T=[273, 273]).round(3)
    array([0.517, 0.739])
    """

    kind: ClassVar[str] = "mbg_nbd"
    at_once: ClassVar[bool] = True

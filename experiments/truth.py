"""What is true of a simulated customer after ``observed_until``: computed from the process, never drawn.

The season is constant within a day and a hazard is constant over time, so both quantities are exact sums over
whole days (amounts are exact up to the rounding of each line to minor units).
"""

from dataclasses import dataclass

import numpy as np

from experiments.population import People
from experiments.purchasing import DISCOUNTS, MEAN_QUANTITY, RETURN_DAYS, RETURN_RATES, Assortment, Lines
from experiments.season import Floats, Integers, Season


@dataclass(frozen=True)
class Outlook:
    """The moment from which truth looks ahead.

    Attributes
    ----------
    season : Season
        Must cover the days of both horizons.
    goods : Assortment
        What is for sale.
    now : int
        Day time of ``observed_until``, a midnight.
    """

    season: Season
    goods: Assortment
    now: int

    def leave_probability(self, people: People, left: Floats, horizon: int) -> Floats:
        """Probability that each customer buys nothing within ``horizon`` days, given the latent state now.

        Who has left buys nothing.  Who has not buys nothing if neither an order (rate λ s_d on day d) nor
        leaving (hazard μ) comes all through the horizon, or if leaving comes first:
        ``exp(-λ S_H - μ H) + Σ_d exp(-λ S_d - μ d) · μ / (λ s_d + μ) · (1 - exp(-λ s_d - μ))``.

        Returns
        -------
        float array (n_customers,)
        """
        hazard = people.hazards.sum(axis=1)
        quiet = np.ones(len(people))
        silent = np.zeros(len(people))
        for weight in self.season.weights[self.now : self.now + horizon]:
            either = people.rate * weight + hazard
            nothing = np.exp(-either)
            silent += quiet * hazard / either * (1 - nothing)
            quiet *= nothing
        return np.where(left < self.now, 1.0, silent + quiet)

    def expected_value(self, people: People, left: Floats, lines: Lines, horizon: int) -> Floats:
        """Margin expected from each customer within ``horizon`` days, in currency units, not discounted.

        It is what orders of the horizon bring, less what comes back within it of them and of earlier ones.

        Returns
        -------
        float array (n_customers,)
        """
        days = np.arange(horizon)
        weights = self.season.weights[self.now : self.now + horizon]
        hazard = people.hazards.sum(axis=1)
        stays = np.exp(-np.outer(hazard, days)) * (-np.expm1(-hazard) / hazard)[:, None]
        kept, back = self._margin_of_order(people)
        orders = people.rate * (stays @ weights)
        returned = people.rate * (stays @ (weights * _chance_back_within(horizon - 1 - days)))
        ahead = np.where(left < self.now, 0.0, orders * kept - returned * back)
        return ahead - self._pending(len(people), lines, horizon)

    def _margin_of_order(self, people: People) -> tuple[Floats, Floats]:
        """Mean margin of an order of each customer, and the part of it that comes back in the end."""
        goods = self.goods
        paid = goods.means(goods.price)[None, :] * (1 - people.deals * DISCOUNTS.mean())[:, None]
        margin = paid - goods.means(goods.price * goods.cost_share)
        pieces = (1 + people.basket) * MEAN_QUANTITY * people.spend
        taste = goods.tastes[people.taste]
        return pieces * (taste * margin).sum(axis=1), pieces * (taste * margin * RETURN_RATES).sum(axis=1)

    def _pending(self, n_customers: int, lines: Lines, horizon: int) -> Floats:
        """Margin of earlier lines that is expected to come back within the horizon."""
        age = self.now - np.floor(lines.time).astype(np.int64)
        recent = np.flatnonzero((age >= 1) & (age <= RETURN_DAYS[1]) & (lines.returned >= self.now))
        age = age[recent]
        chance = RETURN_RATES[self.goods.category[lines.product[recent]]]
        by_now, by_then = _chance_back_within(age - 1), _chance_back_within(age - 1 + horizon)
        lost = chance * (by_then - by_now) / (1 - chance * by_now)
        margin = (lines.amount - lines.cost)[recent] / 100
        return np.asarray(np.bincount(lines.customer[recent], lost * margin, n_customers), np.float64)


def _chance_back_within(days: Integers) -> Floats:
    """Probability that a line that comes back does so at most so many days after the day of its order."""
    first, last = RETURN_DAYS
    return np.asarray(np.clip((days - first + 1) / (last - first + 1), 0.0, 1.0))

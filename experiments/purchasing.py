"""How the customers of a simulated business buy: drop-out, orders, their lines, and what comes back.

Given the latent state of `experiments.population.People`, a customer leaves after an exponential time
and until then orders by a Poisson process that follows the season.
"""

from dataclasses import dataclass, fields

import numpy as np

from experiments.population import CHANNELS, People
from experiments.season import Floats, Integers, Season

CATEGORIES = ("beauty", "books", "clothing", "electronics", "garden", "home", "sports", "toys")
RETURN_RATES = np.array([0.02, 0.01, 0.09, 0.05, 0.02, 0.03, 0.05, 0.03])
"""Chance that a line of each category comes back."""
RETURN_DAYS = (2, 30)
"""A line comes back so many days after the order, the first and the last day included, each as likely."""
MEAN_QUANTITY = 1.2
DISCOUNTS = np.array([0.05, 0.10, 0.15, 0.20, 0.30])
"""Shares of the price taken off, each as likely."""

_PRICES = np.array([14.0, 12.0, 32.0, 70.0, 22.0, 28.0, 30.0, 18.0])
_COST_SHARES = np.array([0.50, 0.62, 0.55, 0.76, 0.60, 0.62, 0.60, 0.64])
_N_PRODUCTS = 400
_N_TASTES = 6
_ZIPF = 1.05
_LATE_TILLS = 0.04
_LATE_DAYS = (1, 5)


@dataclass(frozen=True)
class Assortment:
    """What is for sale, ordered by category.

    Attributes
    ----------
    category : int array (n_products,)
        Code of each product's category.
    price, cost_share : float array (n_products,)
        Ordinary price in currency units, and which part of it the goods cost.
    popularity : float array (n_products,)
        Chance of each product among those of its category: Zipf's law.
    tastes : float array (n_tastes, n_categories)
        Chance of each category, for each profile of taste.
    """

    category: Integers
    price: Floats
    cost_share: Floats
    popularity: Floats
    tastes: Floats

    @classmethod
    def draw(cls, rng: np.random.Generator) -> "Assortment":
        """Draw an assortment."""
        category = np.sort(np.arange(_N_PRODUCTS) % len(CATEGORIES))
        ranks = np.arange(1, _N_PRODUCTS // len(CATEGORIES) + 1)
        weight = np.concatenate([1.0 / rng.permutation(ranks) ** _ZIPF for _ in CATEGORIES])
        share = np.clip(_COST_SHARES[category] + rng.normal(0, 0.05, _N_PRODUCTS), 0.3, 0.9)
        return cls(
            category=category,
            price=np.round(_PRICES[category] * np.exp(rng.normal(-0.1, 0.5, _N_PRODUCTS))) + 0.99,
            cost_share=share,
            popularity=weight / np.bincount(category, weight)[category],
            tastes=rng.dirichlet(np.full(len(CATEGORIES), 0.9), _N_TASTES),
        )

    def means(self, value: Floats) -> Floats:
        """Return the mean of a value of products in each category, weighted by popularity."""
        return np.asarray(np.bincount(self.category, self.popularity * value), np.float64)

    def choose(self, rng: np.random.Generator, taste: Integers) -> Integers:
        """Choose a product for each line, by the taste of the customer."""
        n = len(taste)
        bounds = np.cumsum(self.tastes, axis=1)[:, :-1]
        category = (rng.random(n)[:, None] >= bounds[taste]).sum(axis=1)
        steps = np.cumsum(self.popularity)
        start = np.arange(len(CATEGORIES))
        product = np.searchsorted(steps, start[category] + rng.random(n), side="right")
        first, beyond = np.searchsorted(self.category, start), np.searchsorted(self.category, start + 1)
        return np.asarray(np.clip(product, first[category], beyond[category] - 1))


@dataclass(frozen=True)
class Lines:
    """The lines of orders, and of what came back; money in minor units.

    Attributes
    ----------
    customer : int array
        Position of the customer in `People`.
    order : int array
        Number of the order.
    time : float array
        Day time of the order.
    known : float array
        Day time at which the business learnt of it.
    channel, product, quantity : int array
        Codes and number of pieces.
    amount, discount, cost : int array
        What was paid, what was taken off before, and what the goods cost.
    returned : float array
        Day time at which the line comes back, infinite for never.
    """

    customer: Integers
    order: Integers
    time: Floats
    known: Floats
    channel: Integers
    product: Integers
    quantity: Integers
    amount: Integers
    discount: Integers
    cost: Integers
    returned: Floats

    def __len__(self) -> int:
        """Return the number of lines."""
        return len(self.time)

    def take(self, which: Integers) -> "Lines":
        """Return some of the lines."""
        return Lines(*(getattr(self, field.name)[which] for field in fields(self)))

    def extended(self, more: "Lines") -> "Lines":
        """Return these lines and more."""
        return Lines(*(np.concatenate([getattr(self, f.name), getattr(more, f.name)]) for f in fields(self)))


def draw_leaving(rng: np.random.Generator, people: People) -> Floats:
    """Draw the day time at which each customer leaves for good, however far away.

    The causes compete: whichever comes first takes the customer.
    """
    wait = rng.standard_exponential(people.hazards.shape) / people.hazards
    return np.asarray(people.joined + wait.min(axis=1))


def draw_lines(
    rng: np.random.Generator, people: People, left: Floats, season: Season, goods: Assortment, until: float
) -> Lines:
    """Draw all lines that customers order before the day time ``until``."""
    owner, time = _draw_orders(rng, people, np.minimum(left, until), season)
    channel = (rng.random(len(owner))[:, None] >= people.channels.cumsum(axis=1)[owner, :-1]).sum(axis=1)
    late = (channel == CHANNELS.index("shop")) & (rng.random(len(owner)) < _LATE_TILLS)
    delay = rng.integers(_LATE_DAYS[0], _LATE_DAYS[1], size=len(owner), endpoint=True)
    known = np.where(late, time + delay, time)
    order = np.repeat(np.arange(len(owner)), 1 + rng.poisson(people.basket[owner]))
    buyer = owner[order]
    product = goods.choose(rng, people.taste[buyer])
    quantity = 1 + rng.poisson(MEAN_QUANTITY - 1, len(order))
    price = np.rint(100 * goods.price[product] * people.spend[buyer]).astype(np.int64) * quantity
    taken_off = np.where(rng.random(len(order)) < people.deals[buyer], rng.choice(DISCOUNTS, len(order)), 0)
    discount = np.rint(price * taken_off).astype(np.int64)
    return Lines(
        customer=buyer,
        order=order,
        time=time[order],
        known=known[order],
        channel=channel[order],
        product=product,
        quantity=quantity,
        amount=price - discount,
        discount=discount,
        cost=np.rint(price * goods.cost_share[product]).astype(np.int64),
        returned=_draw_returns(rng, time[order], RETURN_RATES[goods.category[product]]),
    )


def returns(lines: Lines, until: float) -> Lines:
    """Return what comes back before ``until``: the mirror image of each line, at the time it comes back."""
    back = lines.take(np.flatnonzero(lines.returned < until))
    return Lines(
        customer=back.customer,
        order=back.order,
        time=back.returned,
        known=back.returned,
        channel=back.channel,
        product=back.product,
        quantity=-back.quantity,
        amount=-back.amount,
        discount=-back.discount,
        cost=-back.cost,
        returned=np.full(len(back), np.inf),
    )


def _draw_orders(
    rng: np.random.Generator, people: People, end: Floats, season: Season
) -> tuple[Integers, Floats]:
    """Draw the customer and the day time of every order before each customer's ``end``, in order of time."""
    opened, closed = season.elapsed(people.joined), season.elapsed(end)
    counts = rng.poisson(people.rate * np.maximum(closed - opened, 0))
    owner = np.repeat(np.arange(len(people)), counts)
    time = season.when(opened[owner] + rng.random(len(owner)) * (closed - opened)[owner])
    first = np.flatnonzero(people.buys_at_once & (people.joined < end))
    owner, time = np.concatenate([owner, first]), np.concatenate([time, people.joined[first]])
    in_order = np.argsort(time, kind="stable")
    return owner[in_order], time[in_order]


def _draw_returns(rng: np.random.Generator, time: Floats, chance: Floats) -> Floats:
    """Draw when each line comes back: some whole days after the day of the order, at any time of that day."""
    day = np.floor(time) + rng.integers(*RETURN_DAYS, size=len(time), endpoint=True)
    return np.where(rng.random(len(time)) < chance, day + rng.random(len(time)), np.inf)

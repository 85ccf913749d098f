"""The customers of a simulated business: what can be seen of them, and the latent state that cannot.

Everything a customer later does follows from the arrays of `People`:
a rate of buying, a hazard of leaving per cause, a level of spending, a basket, a taste.
Members of a household share part of each.
"""

from dataclasses import dataclass

import numpy as np

from experiments.season import Flags, Floats, Integers, Season

REGIONS = ("centre", "east", "north", "south", "west")
ACQUISITION_CHANNELS = ("catalogue", "referral", "search", "social", "store")
CHANNELS = ("phone", "shop", "web")

_REGION_SHARES = (0.30, 0.20, 0.15, 0.20, 0.15)
_REGION_INCOME = np.array([0.20, -0.15, 0.05, -0.10, 0.10])
_REGION_RATE = np.array([0.10, -0.10, 0.00, -0.05, 0.05])
_REGION_HAZARD = np.array([-0.10, 0.35, -0.20, 0.10, 0.00])
_ACQUISITION_SHARES = (0.10, 0.15, 0.35, 0.25, 0.15)
_ACQUISITION_RATE = np.array([0.10, 0.25, 0.00, -0.25, 0.10])
_ACQUISITION_HAZARD = np.array([-0.20, -0.50, 0.00, 0.60, -0.15])
_HOUSEHOLD_SIZES = (0.45, 0.30, 0.15, 0.10)
_MEDIAN_INCOME = 42_000.0
_MEAN_RATE = 0.035
_RATE_SHAPE = 1.1
_MEAN_HAZARD = 1 / 480
_HAZARD_SHAPE = 0.8
_EXTRA_LINES = 0.8
_BUYS_AT_ONCE = 0.9
_GROWTH_A_YEAR = 0.4


@dataclass(frozen=True)
class People:
    """Some customers; every array has one row each.

    Attributes
    ----------
    joined : float array
        Day time of joining.
    region, acquisition_channel, household : int array
        Codes; people with the same household code live together.
    income, age : float array
        A year's income in currency units, and years; both as they are, known to the business or not.
    loyalty_card : bool array
        Whether they carry one.
    buys_at_once : bool array
        Whether the first order is made on joining.
    rate : float array
        Latent: orders per average day while a customer.
    hazards : float array (n_customers, n_causes)
        Latent: chance per day of leaving, for each cause; today one cause, for whatever reason.
    spend : float array
        Latent: how dear the goods they choose are, 1 for the ordinary ones.
    basket : float array
        Latent: mean number of lines of an order beyond the first.
    deals : float array
        Latent: share of lines bought at a discount.
    taste : int array
        Latent: which profile of the assortment they buy by.
    channels : float array (n_customers, n_channels)
        Latent: share of their orders by each of `CHANNELS`.
    """

    joined: Floats
    region: Integers
    acquisition_channel: Integers
    household: Integers
    income: Floats
    age: Floats
    loyalty_card: Flags
    buys_at_once: Flags
    rate: Floats
    hazards: Floats
    spend: Floats
    basket: Floats
    deals: Floats
    taste: Integers
    channels: Floats

    def __len__(self) -> int:
        """Return the number of customers."""
        return len(self.joined)


def draw_people(rng: np.random.Generator, n: int, season: Season, days: int, n_tastes: int) -> People:
    """Draw ``n`` customers who join within the first ``days`` days.

    Purchase rates and hazards are gamma distributed between customers of the same kind, as in the
    Pareto/NBD (Schmittlein, Morrison and Colombo 1987); their means depend on what the customers are.
    """
    household = _draw_households(rng, n)
    region = rng.choice(len(REGIONS), n, p=_REGION_SHARES)[household]
    acquisition = rng.choice(len(ACQUISITION_CHANNELS), n, p=_ACQUISITION_SHARES)
    shared = rng.normal(size=(3, n))[:, household]
    wealth = _REGION_INCOME[region] + 0.4 * rng.normal(size=n)[household] + 0.2 * rng.normal(size=n)
    age = np.floor(np.clip(rng.normal(0, 13, n)[household] + rng.normal(46, 7, n), 18, 92))
    loyalty_card = rng.random(n) < np.where(acquisition == ACQUISITION_CHANNELS.index("store"), 0.6, 0.3)
    channels = _draw_channels(rng, age)
    deals = rng.beta(1.5, 4.5, n)
    log_rate = 0.30 * wealth + _REGION_RATE[region] + _ACQUISITION_RATE[acquisition] + 0.30 * shared[0]
    log_hazard = _REGION_HAZARD[region] + _ACQUISITION_HAZARD[acquisition] - 0.35 * loyalty_card
    log_hazard += 0.35 * shared[1] - 0.25 * wealth - 0.015 * (age - 46)
    log_hazard += 1.5 * (deals - 0.25) + 0.5 * (channels[:, CHANNELS.index("web")] - 0.5)
    return People(
        joined=_draw_joining(rng, n, season, days),
        region=region,
        acquisition_channel=acquisition,
        household=household,
        income=np.round(_MEDIAN_INCOME * np.exp(wealth), -2),
        age=age,
        loyalty_card=loyalty_card,
        buys_at_once=rng.random(n) < _BUYS_AT_ONCE,
        rate=_draw_gamma(rng, _MEAN_RATE, _RATE_SHAPE, log_rate + 0.25 * loyalty_card),
        hazards=_draw_gamma(rng, _MEAN_HAZARD, _HAZARD_SHAPE, log_hazard)[:, None],
        spend=np.exp(0.35 * wealth + 0.25 * shared[2] + 0.35 * rng.normal(size=n)),
        basket=rng.gamma(2.0, _EXTRA_LINES / 2.0, n),
        deals=deals,
        taste=rng.integers(n_tastes, size=n)[household],
        channels=channels,
    )


def _draw_gamma(rng: np.random.Generator, mean: float, shape: float, log_effect: Floats) -> Floats:
    """Draw a gamma distributed trait for each customer, whose mean is moved by what the customer is."""
    return np.asarray(rng.gamma(shape, mean / shape, len(log_effect)) * np.exp(log_effect))


def _draw_households(rng: np.random.Generator, n: int) -> Integers:
    """Give each customer the code of a household, a number below ``n``."""
    sizes = 1 + rng.choice(len(_HOUSEHOLD_SIZES), n, p=_HOUSEHOLD_SIZES)
    return rng.permutation(np.repeat(np.arange(n), sizes)[:n])


def _draw_channels(rng: np.random.Generator, age: Floats) -> Floats:
    """Draw each customer's share of orders by channel: the young buy on the web, the old more by phone."""
    years = (age - 46) / 10
    strength = np.stack([0.3 * np.exp(0.3 * years), np.full_like(years, 0.9), 1.4 * np.exp(-0.2 * years)], 1)
    weight = rng.gamma(strength) + 1e-9
    return np.asarray(weight / weight.sum(axis=1, keepdims=True))


def _draw_joining(rng: np.random.Generator, n: int, season: Season, days: int) -> Floats:
    """Draw when customers join: more of them every year, and more on busy days."""
    weight = season.weights[:days] * np.exp(_GROWTH_A_YEAR * np.arange(days) / 365)
    done = np.concatenate([[0.0], np.cumsum(weight)])
    return np.asarray(np.interp(rng.random(n) * done[-1], done, np.arange(days + 1)))

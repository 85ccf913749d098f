"""Repeat buyers whose rates and ends are known, and those of the public data."""

import numpy as np
import pytest

from training.btyd import BgNbd, MbgCnbdK, MbgNbd, ParetoNbd

FITTED = {"log_likelihood": 0.0, "n_customers": 0}
SHOPS = [
    BgNbd(0.5, 40.0, 0.8, 2.5, **FITTED),
    MbgNbd(0.5, 40.0, 0.8, 2.5, **FITTED),
    MbgNbd(3.0, 20.0, 1.0, 0.5, **FITTED),
    MbgCnbdK(0.8, 20.0, 0.8, 2.5, k=2, **FITTED),
    MbgCnbdK(3.0, 15.0, 1.5, 9.0, k=4, **FITTED),
    ParetoNbd(0.55, 74.0, 0.6, 82.0, **FITTED),
    ParetoNbd(1.5, 8.0, 1.0, 900.0, **FITTED),
    ParetoNbd(2.5, 900.0, 0.4, 5.0, **FITTED),
]


def named(shop):
    return f"{shop.kind} r={shop.r:g}"


every_shop = pytest.mark.parametrize("shop", SHOPS, ids=named)


def simulated(shop, n, *, seed, days=(250, 400), ahead=0.0):
    """Histories of ``n`` customers of a model, and who buys how many days after the cutoff.

    Every customer is lived through purchase by purchase, which is slow and obvious.
    """
    rng = np.random.default_rng(seed)
    k, pareto, at_once = getattr(shop, "k", 1), isinstance(shop, ParetoNbd), not isinstance(shop, BgNbd)
    rate = rng.gamma(shop.r, 1 / shop.alpha, n)
    leaving = np.zeros(n) if pareto else rng.beta(shop.a, shop.b, n)
    ends = np.full(n, np.inf)
    if pareto:  # a rate of leaving may be too small for a number
        ends = rng.exponential(1 / np.maximum(rng.gamma(shop.s, 1 / shop.beta, n), 1e-300))
    T = rng.integers(*days, n).astype(float)
    now, x, t_x, later = np.zeros(n), np.zeros(n), np.zeros(n), []
    active = np.flatnonzero(rng.random(n) >= leaving) if at_once else np.arange(n)
    while len(active):
        now[active] += rng.gamma(k, 1 / rate[active])
        active = active[now[active] < np.minimum(T[active] + ahead, ends[active])]
        before = active[now[active] < T[active]]
        x[before] += 1
        t_x[before] = now[before]
        after = active[now[active] >= T[active]]
        later += zip(after, now[after] - T[after], strict=True)
        active = active[rng.random(len(active)) >= leaving[active]]
    return (x, t_x, T), np.array(later).reshape(-1, 2)


def population(shop, n, *, seed, **more):
    """Histories of ``n`` customers of a model, in whole days."""
    (x, t_x, T), _ = simulated(shop, n, seed=seed, **more)
    return x, np.ceil(t_x), T


def purchases_in(later, n, start, end):
    """How many purchases each of ``n`` customers makes in ``[start, end)`` days after the cutoff."""
    inside = later[(later[:, 1] >= start) & (later[:, 1] < end)]
    return np.bincount(inside[:, 0].astype(int), minlength=n)


def cdnow(path, *, cutoff, horizon):
    """Histories of all customers and what they spend in the horizon; days are counted from 1997-01-01."""
    customer, date, _, amount = np.loadtxt(path, skiprows=1, unpack=True)
    text = date.astype(int).astype(str)
    iso = [f"{day[:4]}-{day[4:6]}-{day[6:]}" for day in text]
    day = (np.array(iso, dtype="datetime64[D]") - np.datetime64("1997-01-01")).astype(int)
    customer = np.unique(customer, return_inverse=True)[1]
    n, past = customer.max() + 1, day < cutoff
    days = np.unique(customer[past] * 1000 + day[past])
    first, count = np.unique(days // 1000, return_index=True, return_counts=True)[1:]
    bought = days % 1000
    began, last = bought[first], bought[first + count - 1]
    spent = np.bincount(customer[past], weights=amount[past], minlength=n)
    ahead = (day >= cutoff) & (day < cutoff + horizon)
    realised = np.bincount(customer[ahead], weights=amount[ahead], minlength=n)
    return (count - 1.0, (last - began) * 1.0, (cutoff - began) * 1.0, spent / count), realised

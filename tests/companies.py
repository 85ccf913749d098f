"""A made-up company with every table of the single view: households, regions, contracts, surveys, campaigns.

Made by numpy from a seed, small, and without any meaning: what it is for is that every feature has something
to read.
"""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from shops import toml_of

from features.business import Business, load
from features.tables import TABLES
from features.windows import MICROSECONDS_PER_DAY, parse_instant

BEGUN, OBSERVED_UNTIL = parse_instant("2022-01-01"), parse_instant("2024-07-01")
REGIONS = np.array(["north", "south", "east"])
KINDS = np.array(["visit", "enquiry", "complaint", "outage", "service"])
CHANNELS = np.array(["web", "phone", "shop"])
PLANS, PRICES = np.array(["basic", "plus", "pro"]), np.array([10.0, 20.0, 45.0])

Rows = dict[str, object]


def company(folder: Path, n_customers: int = 400, seed: int = 1) -> Business:
    """Write the tables and business.toml."""
    rng = np.random.default_rng(seed)
    made = {name: maker(rng, n_customers) for name, maker in _MAKERS.items()}
    tables = {}
    for name, columns in made.items():
        pq.write_table(pa.table(columns), folder / f"{name}.parquet")
        own = {column.name for column in TABLES[name].columns}
        attributes = {c: "number" for c in columns if c not in own}
        tables[name] = {"source": f"{name}.parquet", "columns": {c: c for c in columns if c in own}}
        tables[name] |= {"attributes": attributes} if attributes else {}
    rest = '[churn]\nhorizon = "60d"\n[value]\nhorizons = ["60d"]\n'
    (folder / "business.toml").write_text(
        toml_of(tables, rest=rest, name="company", observed_until="2024-07-01"), encoding="utf-8"
    )
    return load(folder / "business.toml")


def name_of(customers: np.ndarray) -> list[str]:
    return [f"c{number:05d}" for number in customers]


def _moments(instants: np.ndarray, given: np.ndarray | None = None) -> pa.Array:
    mask = None if given is None else ~given
    return pa.array(instants.astype("datetime64[us]"), pa.timestamp("us", "UTC"), mask=mask)


def _some(rng, values, share: float = 0.8) -> pa.Array:
    return pa.array(values, mask=rng.random(len(values)) > share)


def _events(rng, n_customers: int, mean: float) -> tuple[np.ndarray, np.ndarray]:
    """Whose events, and when: half of all customers fall silent at some time."""
    who = np.repeat(np.arange(n_customers), rng.poisson(mean, n_customers))
    ends = np.where(rng.random(n_customers) < 0.5, rng.uniform(0.3, 1, n_customers), 1.0)
    at = BEGUN + (rng.random(len(who)) * ends[who] * (OBSERVED_UNTIL - BEGUN)).astype(np.int64)
    return who, at


def _late(rng, at: np.ndarray) -> np.ndarray:
    return at + np.where(rng.random(len(at)) < 0.1, rng.integers(1, 20, len(at)), 0) * MICROSECONDS_PER_DAY


def _customers(rng, n: int) -> Rows:
    """Two rows for a third of them: they moved in the spring of 2024."""
    moved = rng.choice(n, n // 3, replace=False)
    who = np.concatenate([np.arange(n), moved])
    valid_from = np.full(len(who), parse_instant("2024-03-15"))
    return {
        "customer_id": name_of(who),
        "valid_from": _moments(valid_from, np.arange(len(who)) >= n),
        "household_id": _some(rng, [f"h{number}" for number in rng.integers(0, n // 2, len(who))]),
        "joined_at": _moments(BEGUN + rng.integers(0, 300, n)[who] * MICROSECONDS_PER_DAY),
        "acquisition_channel": _some(rng, CHANNELS[rng.integers(0, 3, n)[who]]),
        "region": _some(rng, REGIONS[rng.integers(0, 3, len(who))]),
        "age": _some(rng, rng.integers(18, 90, n)[who].astype(float)),
    }


def _purchases(rng, n: int) -> Rows:
    who, at = _events(rng, n, 25)
    rows = len(who)
    amount = np.round(rng.lognormal(3, 0.7, rows) * np.where(rng.random(rows) < 0.04, -1, 1), 2)
    return {
        "customer_id": name_of(who),
        "purchased_at": _moments(at),
        "known_at": _moments(_late(rng, at)),
        "event_id": [f"e{number}" for number in range(rows)],
        "order_id": [f"o{number // 2}" for number in range(rows)],
        "amount": amount,
        "quantity": rng.integers(1, 4, rows).astype(float),
        "product_id": [f"p{number}" for number in rng.integers(0, 40, rows)],
        "category": _some(rng, [f"k{number}" for number in rng.integers(0, 6, rows)]),
        "channel": CHANNELS[rng.integers(0, 3, rows)],
        "cost": _some(rng, np.round(np.abs(amount) * 0.6, 2)),
        "discount": np.round(np.where(rng.random(rows) < 0.3, np.abs(amount) * 0.1, 0), 2),
    }


def _contacts(rng, n: int) -> Rows:
    who, at = _events(rng, n, 15)
    rows = len(who)
    return {
        "customer_id": name_of(who),
        "contacted_at": _moments(at),
        "channel": CHANNELS[rng.integers(0, 3, rows)],
        "kind": KINDS[rng.integers(0, 5, rows)],
        "duration_seconds": _some(rng, rng.integers(10, 900, rows).astype(float)),
        "waiting_seconds": _some(rng, rng.integers(0, 600, rows).astype(float)),
        "resolved": _some(rng, rng.random(rows) < 0.7),
        "handled_by": _some(rng, [f"agent{number}" for number in rng.integers(0, 5, rows)]),
    }


def _surveys(rng, n: int) -> Rows:
    who, at = _events(rng, n, 5)
    rows = len(who)
    return {
        "customer_id": name_of(who),
        "answered_at": _moments(at),
        "known_at": _moments(_late(rng, at)),
        "question": np.array(["delivery", "advice"])[rng.integers(0, 2, rows)],
        "expectation": _some(rng, rng.integers(1, 6, rows).astype(float)),
        "delivery": _some(rng, rng.integers(1, 6, rows).astype(float)),
        "score": _some(rng, rng.integers(0, 11, rows).astype(float)),
    }


def _subscriptions(rng, n: int) -> Rows:
    who, at = _events(rng, n, 3)
    rows, plan = len(who), rng.integers(0, 3, len(who))
    ended = at + rng.integers(30, 600, rows) * MICROSECONDS_PER_DAY
    return {
        "customer_id": name_of(who),
        "started_at": _moments(at),
        "plan": PLANS[plan],
        "ended_at": _moments(ended, rng.random(rows) < 0.5),
        "price": np.round(PRICES[plan] * rng.uniform(0.8, 1.3, rows), 2),
        "billing_period": np.array(["month", "1 year", "whenever"])[rng.integers(0, 3, rows)],
        "auto_renews": _some(rng, rng.random(rows) < 0.6),
    }


def _campaigns(rng, n: int) -> Rows:
    who, at = _events(rng, n, 4)
    rows = len(who)
    answered = at + rng.integers(1, 40, rows) * MICROSECONDS_PER_DAY
    return {
        "customer_id": name_of(who),
        "sent_at": _moments(at),
        "campaign": [f"wave{number}" for number in rng.integers(0, 4, rows)],
        "arm": np.array(["control", "offer"])[rng.integers(0, 2, rows)],
        "offer": _some(rng, np.array(["discount", "upgrade"])[rng.integers(0, 2, rows)]),
        "bond": _some(rng, np.array(["financial", "social"])[rng.integers(0, 2, rows)]),
        "cost": np.round(rng.uniform(0, 3, rows), 2),
        "responded_at": _moments(answered, rng.random(rows) < 0.4),
    }


def _exits(rng, n: int) -> Rows:
    who, at = _events(rng, n, 0.4)
    return {
        "customer_id": name_of(who),
        "left_at": _moments(at),
        "known_at": _moments(_late(rng, at)),
        "reason": _some(rng, np.array(["too dear", "moved"])[rng.integers(0, 2, len(who))]),
    }


def _market(rng, _n: int) -> Rows:
    """A row for each month and region; prices are the same everywhere."""
    months = BEGUN + np.arange(31) * 30 * MICROSECONDS_PER_DAY
    at = np.concatenate([np.repeat(months, 3), months])
    region = [*np.tile(REGIONS, 31), *[None] * 31]
    jobless = np.where(np.arange(len(at)) < len(months) * 3, rng.uniform(3, 9, len(at)), np.nan)
    return {
        "observed_at": _moments(at),
        "region": region,
        "unemployment": pa.array(jobless, mask=np.isnan(jobless)),
        "price_index": 100 + rng.normal(0, 2, len(at)).cumsum(),
    }


_MAKERS = {
    "customers": _customers,
    "purchases": _purchases,
    "contacts": _contacts,
    "surveys": _surveys,
    "subscriptions": _subscriptions,
    "campaigns": _campaigns,
    "exits": _exits,
    "market": _market,
}

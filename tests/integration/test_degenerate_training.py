"""Data that nothing can be learnt from: refused by name, with what to do, and nothing is registered."""

import json
import re
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from contracts import OPENED, TOML, club
from shops import built, csv_shop, rejected_of, shop

from features.build import build
from features.business import load
from features.errors import QuestionError
from features.store import Store
from features.windows import MICROSECONDS_PER_DAY, parse_instant, to_datetime
from serving import cli
from serving.scorer import Scorer
from training import KINDS, jobs
from training.tracking import Tracking

OPENING, DAYS, LENGTH = parse_instant("2023-01-01"), 240, 720
CHURN = '[churn]\nhorizon = "30d"\neligible = "365d"\n[value]\nhorizons = ["30d"]\n'
WEEKLY = range(0, DAYS, 7)
FOREVER = None


def quiet(_what, _done, _total):
    pass


def day(number, opening=OPENING):
    return to_datetime(opening + int(number * MICROSECONDS_PER_DAY))


def silent(folder, bought, rest=CHURN):
    """A shop that closes its books after 240 days; of each customer the days they bought on."""
    rows = [
        f"c{customer:04d},{day(number).date()},{10 + number % 5}.00"
        for customer, numbers in enumerate(bought)
        for number in numbers
    ]
    made = csv_shop(folder, "\n".join([*rows, ""]), rest=rest, observed_until=f"{day(DAYS).date()}")
    build(made, n_buckets=1)
    return made


def contractual(folder, contracts, *, n_priced=None, extra=None):
    """A club that looks back on two years; of each member the days on which the contract began and ended."""
    n = len(contracts)
    ids = [f"m{place:05d}" for place in range(n)]
    instants, known = (
        pa.timestamp("us", "UTC"),
        {"region": ["north", "south"] * (n // 2) + ["north"] * (n % 2)},
    )
    joined = pa.array([day(begun, OPENED) for begun, _ in contracts], instants)
    ended = [None if end is FOREVER else day(end, OPENED) for _, end in contracts]
    price = pa.array(10.0 + np.arange(n) % 3, mask=np.arange(n) >= (n if n_priced is None else n_priced))
    about = {
        "customer_id": ids,
        "joined_at": joined,
        "devices": np.arange(n) % 4 + 1,
        **known,
        **(extra or {}),
    }
    pq.write_table(pa.table(about), folder / "customers.parquet")
    held = {"customer_id": ids, "started_at": joined, "ended_at": pa.array(ended, instants), "price": price}
    held |= {"plan": ["basic"] * n, "billing_period": ["month"] * n}
    pq.write_table(pa.table(held), folder / "subscriptions.parquet")
    more = ", ".join(f'{name} = "number"' for name in ("devices", *(extra or {})))
    text = TOML.replace('devices = "number"', more)
    (folder / "business.toml").write_text(text, encoding="utf-8")
    made = load(folder / "business.toml")
    build(made, n_buckets=1)
    return made


def spread(n, first=0, last=400):
    return [first + (last - first) * k / max(n, 1) for k in range(n)]


def stay(n):
    return [(begun, FOREVER) for begun in spread(n)]


def leave(n, after):
    return [(begun, begun + after) for begun in spread(n, 0, LENGTH - after - 1)]


def mixed(n):
    """Every other one stays, the others leave after a time of their own."""
    return [(begun, FOREVER if k % 2 else begun + 40 + 7 * (k % 60)) for k, begun in enumerate(spread(n))]


def random_buyers(n, seed=1):
    """They buy every ten days or so until they leave for good, on the way."""
    rng = np.random.default_rng(seed)
    ends = np.minimum(rng.exponential(200, n) + 20, DAYS)
    return [sorted({int(k) for k in rng.uniform(0, end, max(int(end / 10), 1))}) for end in ends]


FEW, ONE_CLASS = "at least 100 are needed", "at least 20 must"
WIDEN, HORIZON = r"Widen \[churn\] eligible or bring more customers", r"Change \[churn\] horizon"

BUYING = {
    "85 nobody leaves": ([WEEKLY] * 150, ONE_CLASS, HORIZON),
    "86 everybody leaves": ([range(k % 7 + 1) for k in range(150)], ONE_CLASS, HORIZON),
    "87 one customer": ([WEEKLY], "need at least 10", "longer history or a wider population"),
    "87 nobody was there in time": ([[DAYS - 1]] * 150, "Shorten|There is no purchase", "horizon|older"),
    "88 one leaves": ([*[WEEKLY] * 150, range(0, 120, 7)], ONE_CLASS, HORIZON),
    "88 nineteen leave, often": ([*[WEEKLY] * 150, *[range(0, 60, 7)] * 19], ONE_CLASS, HORIZON),
    "99 customers": (random_buyers(99), FEW, WIDEN),
}
CONTRACTS = {
    "85 nobody leaves": (stay(150), ONE_CLASS, HORIZON),
    "86 everybody leaves": (leave(300, 60), ONE_CLASS, HORIZON),
    "87 one customer": ([(0, FOREVER)], FEW, WIDEN),
    "87 everybody has left long ago": ([(0, 5)] * 150, FEW, WIDEN),
    "88 one leaves": ([*stay(150), (0, 500)], ONE_CLASS, HORIZON),
    "88 nineteen leave": ([*stay(150), *[(0, 300 + 15 * k) for k in range(19)]], ONE_CLASS, HORIZON),
    "99 customers": (mixed(99), FEW, WIDEN),
}
CASES = [
    *((silent, name, case) for name, case in BUYING.items()),
    *((contractual, name, case) for name, case in CONTRACTS.items()),
]


def refused(business, capsys, *words):
    """Train at the command line; it is refused by name and no model is there."""
    assert cli.main(["train", str(business.path), *words, "--json"]) == 2
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["code"] == "QuestionError"
    assert nothing_registered(business)
    return error["message"]


def nothing_registered(business):
    return not any(Tracking(business).versions(kind) for kind in KINDS)


@pytest.mark.parametrize(
    ("made", "case"),
    [pytest.param(made, case, id=f"{made.__name__} {name}") for made, name, case in CASES],
)
def test_what_nothing_can_be_learnt_from_is_refused_and_nothing_is_registered(made, case, tmp_path, capsys):
    given, found, advice = case
    message = refused(made(tmp_path, given), capsys)
    assert re.search(found, message), message
    assert re.search(advice, message), message


def test_values_that_nobody_has_are_refused(tmp_path, capsys):
    """Everybody bought at first and nobody later: no cutoff has a value ahead."""
    business = silent(tmp_path, [range(k % 7 + 1) for k in range(150)])
    message = refused(business, capsys, "--model", "lifetime-value")
    assert "lifetime-value" in message
    assert "at least 20 must" in message
    assert "horizon" in message


def test_contracts_without_enough_prices_leave_no_half_of_a_training(tmp_path, capsys):
    """Who leaves could be learnt; what it costs could not: neither is registered."""
    business = contractual(tmp_path, mixed(300), n_priced=60)
    message = refused(business, capsys)
    assert message.startswith("lifetime-value")
    assert FEW in message


def test_nobody_who_leaves_is_no_lesson_in_value_either(tmp_path, capsys):
    business = contractual(tmp_path, stay(150))
    message = refused(business, capsys, "--model", "lifetime-value")
    assert ONE_CLASS in message
    assert "who leaves" in message


@pytest.mark.parametrize("kind", KINDS)
def test_an_outcome_that_is_not_a_number_is_refused(kind):
    """No label of ours is one; a fit that met one would be refused before it learns from it."""
    from populations import examples, recipe

    rows, made = examples(kind), recipe(kind)
    y = rows.answers[kind].copy()
    y[3] = np.nan
    with pytest.raises(QuestionError, match=f"{kind}: 1 of .* outcomes is not a number"):
        made.fit(replace(rows, answers={kind: y}), {})


@pytest.fixture(scope="module")
def odd(tmp_path_factory):
    """Both kinds of business, with an attribute that is never filled and one that never varies."""
    found = {
        "silent": _odd_shop(tmp_path_factory.mktemp("silent"), 160),
        "contractual": contractual(tmp_path_factory.mktemp("contractual"), mixed(260), extra=_odd(260)),
    }
    trained = {name: jobs.train(one, jobs.Settings(promote=False), quiet) for name, one in found.items()}
    for name, business in found.items():
        for one in trained[name]:
            Tracking(business).promote(one.kind, one.version.number)
    return found, trained


def _odd(n):
    return {"nothing": pa.nulls(n, pa.float64()), "same": [7.0] * n}


def _odd_shop(folder, n):
    silent(folder, random_buyers(n))
    ids = {"customer_id": [f"c{place:04d}" for place in range(n)]}
    pq.write_table(pa.table({**ids, **_odd(n)}), folder / "customers.parquet")
    customers = {
        "source": "customers.parquet",
        "columns": {"customer_id": "customer_id"},
        "attributes": {"nothing": "number", "same": "number"},
    }
    made = shop(folder, tables={"customers": customers}, rest=CHURN, observed_until=f"{day(DAYS).date()}")
    build(made, n_buckets=1)
    return made


@pytest.mark.parametrize("name", ["silent", "contractual"])
def test_columns_that_say_nothing_are_left_out_and_named(name, odd):
    _, trained = odd
    assert len(trained[name]) == 2
    for one in trained[name]:
        assert {"customers_nothing", "customers_same"} <= set(one.card["facts"]["unused"])
        assert one.card["facts"]["rung"]["name"] in {"prior", "regularised logit"}


@pytest.mark.parametrize("name", ["silent", "contractual"])
def test_one_customer_alone_is_scored_to_the_byte_as_among_all(name, odd):
    business = odd[0][name]
    scorer, store = Scorer.load(business), Store.of(business)
    bucket = store.read(0, scorer.columns())
    until = store.observed_until
    among = scorer.score(bucket, until, until).to_pandas()
    columns = ["churn_probability", "lifetime_value", "lifetime_value_low", "lifetime_value_high"]
    asked = np.flatnonzero(among["eligible"])
    assert len(asked) > 50
    for place in asked[:: len(asked) // 5]:
        alone = scorer.score(_only(bucket, place), until, until).to_pandas()
        assert len(alone) == 1
        assert np.isfinite(alone[columns].to_numpy()).all()
        assert alone[columns].to_numpy().tobytes() == among[columns].iloc[[place]].to_numpy().tobytes()


def _only(bucket, place):
    """The same bucket with one of its customers."""
    tables = {}
    for name, events in bucket.tables.items():
        rows = np.arange(events.offsets[place], events.offsets[place + 1])
        tables[name] = events.take(rows, np.array([0, len(rows)]))
    return replace(bucket, customer_ids=[bucket.customer_ids[place]], tables=tables)


def test_a_price_that_is_not_a_number_never_reaches_a_sum(tmp_path):
    business = club(tmp_path, n=200)
    table = pq.read_table(tmp_path / "subscriptions.parquet")
    price = table["price"].to_numpy().copy()
    price[5] = np.nan
    pq.write_table(table.set_column(4, "price", pa.array(price)), tmp_path / "subscriptions.parquet")
    _, store = built(business, n_buckets=1)
    bucket = store.read(0, {"subscriptions": ["price"]})
    assert len(rejected_of(store, "subscriptions")) == 1
    assert np.isfinite(bucket.events("subscriptions").columns["price"]).all()

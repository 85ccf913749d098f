"""The laws that every feature and every label keeps, whatever happened to the customers.

Each holds for every feature that the catalogue finds, and is broken by a planted bug in tests/mutants.
"""

import csv
import importlib
import pkgutil
import random
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from builders import (
    ATTRIBUTES,
    COLUMNS,
    TABLES_WITH_CUSTOMERS,
    Customer,
    World,
    answers,
    became_known,
    bucket_of,
    customer,
    happened,
    kinds_of,
    read,
    times_of,
    visible,
)
from clocks import clock_at
from hypothesis import strategies as st
from laws import law
from shops import built, shop
from strategies import (
    CATALOGUE,
    CHURN,
    CUTOFFS,
    EVERY_FEATURE,
    NAMES,
    QUESTIONS,
    UNTIL,
    cutoffs,
    histories,
    one_row_of_each_table,
    rows_of,
    worlds,
)

import features
from features import panel
from features.aggregates import WINDOWED
from features.catalogue import features_for
from features.language import FeatureSet
from features.selection import contract_of
from features.tables import Kind
from features.windows import MICROSECONDS_PER_DAY, days, parse_instant, to_datetime
from training import labels, workshop
from training.btyd import BgNbd
from training.inputs import PRIOR_CHURN
from training.repeat_buying import RepeatBuying

cutoff = st.sampled_from(CUTOFFS)
everybody, somebody = histories(*NAMES), histories(NAMES[0])
worlds_of_all = worlds(*NAMES)
ALONE = [FeatureSet(feature) for feature in EVERY_FEATURE]


def hidden(cutoff):
    return lambda row: not visible(cutoff)(row)


def together(customers, others):
    return [one + other for one, other in zip(customers, others, strict=True)]


def only(customers, keep):
    return [one.only(keep) for one in customers]


def with_rows(world, rows):
    """The world in which one customer has one row more of each table, and so has the market."""
    return world.plus(Customer(NAMES[0], {table: [row] for table, row in rows.items()}))


@law(40, world=worlds_of_all, other=worlds_of_all, cutoff=cutoff)
def test_the_future_never_matters(world, other, cutoff):
    """Whatever else had happened at or after the cutoff, or had become known then: the same bytes.

    To the customer, to the others of the household, or in the market.
    """
    another_future = world.only(visible(cutoff)) + other.only(hidden(cutoff))
    one, another = (answers(EVERY_FEATURE, them.bucket(), [cutoff]) for them in (world, another_future))
    assert one == another


@law(
    40,
    world=worlds_of_all,
    ties=st.lists(rows_of("subscriptions"), min_size=2, max_size=4),
    cutoff=cutoff,
    until=st.sampled_from([None, 0, 1, MICROSECONDS_PER_DAY]),
)
def test_a_time_that_lies_ahead_never_matters(world, ties, cutoff, until):
    """When a contract will end, or a campaign will be answered, is as if nobody had written it down.

    Not even between rows of one instant does it decide anything, and a moment at the cutoff lies ahead.
    """

    def changed(table, row):
        ahead = {name for name in times_of(table) if row[name] is not None and row[name] >= cutoff}
        return row | dict.fromkeys(ahead, None if until is None else cutoff + until)

    at_once = [row | {"at": cutoff - 1, "known_at": None, "plan": "plus"} for row in ties]
    world = world.plus(Customer(NAMES[0], {"subscriptions": at_once}))
    usual = answers(EVERY_FEATURE, world.bucket(), [cutoff])
    assert answers(EVERY_FEATURE, world.map(changed).bucket(), [cutoff]) == usual


@law(40, world=worlds(NAMES[0]), cutoff=cutoff, rows=one_row_of_each_table)
def test_an_event_exactly_at_the_cutoff_belongs_to_the_future(world, cutoff, rows):
    """In every table, also in that of the market."""
    without = answers(EVERY_FEATURE, world.bucket(), [cutoff])
    at_cutoff = {table: row | {"at": cutoff} for table, row in rows.items()}
    assert answers(EVERY_FEATURE, with_rows(world, at_cutoff).bucket(), [cutoff]) == without


@law(
    40,
    world=worlds_of_all,
    cutoff=cutoff,
    rows=one_row_of_each_table,
    ago=st.sampled_from([1, days(600).microseconds]),
    tick=st.sampled_from([0, 0, 1]),
)
def test_a_late_fact_is_invisible_until_it_is_known(world, cutoff, rows, ago, tick):
    """Also one that becomes known exactly at the cutoff; that a customer has moved in, for instance."""
    late = {"at": cutoff - ago, "known_at": cutoff + tick}
    heard = with_rows(
        world, {table: row | late for table, row in rows.items() if table in TABLES_WITH_CUSTOMERS}
    )
    known = world.only(lambda row: became_known(row) < cutoff)
    one, other, another = (answers(EVERY_FEATURE, them.bucket(), [cutoff]) for them in (world, known, heard))
    assert one == other == another


@law(
    25,
    world=worlds_of_all,
    ties=st.lists(rows_of("contacts"), min_size=2, max_size=5),
    asked=cutoffs,
    seed=st.integers(0, 10_000),
)
def test_the_order_of_rows_does_not_matter(world, ties, asked, seed):
    """Not even that of rows of one instant."""

    def shuffled(rows):
        return random.Random(seed).sample(rows, len(rows))

    tied = [row | {"at": min(CUTOFFS) - 1, "known_at": None} for row in ties]
    world = world.plus(Customer(NAMES[0], {"contacts": tied}))
    one, other = (answers(EVERY_FEATURE, world.bucket(order), asked) for order in (list, shuffled))
    assert one == other


@law(25, world=worlds_of_all, living=st.sampled_from([None, "h1"]), asked=cutoffs, seed=st.integers(0, 23))
def test_the_order_of_customers_does_not_matter(world, living, asked, seed):
    """Not even to those who live together and do something at the same instant."""
    moved_in = [one.living(living) for one in world.customers] if living else world.customers
    shuffled = World(random.Random(seed).sample(moved_in, len(moved_in)), world.shared)
    usual = answers(EVERY_FEATURE, World(moved_in, world.shared).bucket(), asked)
    assert answers(EVERY_FEATURE, shuffled.bucket(), asked) == usual


def homes(one, cutoff):
    """The households that are said of a customer before a cutoff."""
    profiles = one.only(visible(cutoff)).rows.get("customers", [])
    return {row["household_id"] for row in profiles} - {None}


@law(25, world=worlds_of_all, cutoff=cutoff)
def test_other_customers_do_not_matter(world, cutoff):
    """But for those who were ever known, before the cutoff, to live in a household of the customer's."""
    among_others = answers(EVERY_FEATURE, world.bucket(), [cutoff])
    for one in world.customers:
        near = [
            other for other in world.customers if other is one or homes(other, cutoff) & homes(one, cutoff)
        ]
        alone = answers(EVERY_FEATURE, World(near, world.shared).bucket(), [cutoff])
        assert alone[one.name, cutoff] == among_others[one.name, cutoff]


@law(25, world=worlds_of_all, asked=cutoffs, number=st.integers(-800, 800))
def test_a_shift_by_whole_days_changes_nothing(world, asked, number):
    def moved(instant):
        return None if instant is None else instant + number * MICROSECONDS_PER_DAY

    def later(table, row):
        times = {"at", "known_at"} | times_of(table)
        return {name: moved(value) if name in times else value for name, value in row.items()}

    before = answers(EVERY_FEATURE, world.bucket(), asked)
    after = answers(EVERY_FEATURE, world.map(later).bucket(), [moved(instant) for instant in asked])
    assert after == {(name, moved(instant)): said for (name, instant), said in before.items()}


@law(25, world=worlds_of_all)
def test_several_cutoffs_in_one_pass_are_each_cutoff_alone(world):
    bucket = world.bucket()
    alone = {}
    for instant in CUTOFFS:
        alone |= answers(EVERY_FEATURE, bucket, [instant])
    assert answers(EVERY_FEATURE, bucket, CUTOFFS) == alone


@law(
    15,
    world=worlds_of_all,
    cutoff=cutoff,
    waits=st.lists(st.sampled_from([0.1, 0.2, 0.3, 0.7, 9e15]), min_size=5, max_size=8),
)
def test_a_feature_does_not_depend_on_which_others_are_asked_for(world, cutoff, waits):
    """Not even in the last bit of a sum over several windows."""
    waited = customer(NAMES[0])
    for weeks, seconds in enumerate(waits):
        waited = waited.contacted(
            cutoff - 1 - days(7 * weeks).microseconds, "question", waiting_seconds=seconds
        )
    bucket = world.plus(waited).bucket()
    together = answers(EVERY_FEATURE, bucket, [cutoff])
    for alone in ALONE:
        for pair, said in answers(alone, bucket, [cutoff]).items():
            assert said[alone.names[0]] == together[pair][alone.names[0]]


@law(15, world=worlds_of_all, asked=cutoffs)
def test_a_trend_lies_within_minus_one_and_one(world, asked):
    """Whatever came back in one half; or it is not known."""
    trends = FeatureSet(*(f for f in EVERY_FEATURE if getattr(f, "aggregate", None) in WINDOWED))
    found = panel.panel_of(trends, world.bucket(), np.array(asked)).numbers
    assert len(trends) > 5
    assert (np.isnan(found) | (np.abs(found) <= 1)).all()


@law(15, world=worlds_of_all, asked=cutoffs, now=st.sampled_from(["1999-01-01", "2024-05-01", "2100-01-01"]))
def test_features_do_not_change_when_the_clock_moves(world, asked, now):
    usual = answers(EVERY_FEATURE, world.bucket(), asked)
    with clock_at(parse_instant(now)):
        assert answers(EVERY_FEATURE, world.bucket(), asked) == usual


@law(25, customers=everybody, others=everybody, asked=cutoffs, question=st.sampled_from(QUESTIONS))
def test_only_the_outcome_window_matters_to_a_label(customers, others, asked, question):
    """Events before its first instant, or from its end on, may be anything."""
    for instant in asked:
        start, end = instant + question.gap.microseconds, instant + question.span

        def inside(row, start=start, end=end):
            return start <= happened(row) < end

        def outside(row, inside=inside):
            return not inside(row)

        elsewhere = together(only(customers, inside), only(others, outside))
        one, other = (
            labels.outcomes(question, bucket_of(them), np.array([instant]), UNTIL).tolist()
            for them in (customers, elsewhere)
        )
        assert one == other


@law(
    40,
    customers=somebody,
    row=rows_of("purchases"),
    cutoff=cutoff,
    question=st.sampled_from(QUESTIONS),
    tick=st.sampled_from([0, 0, 1]),
)
def test_what_was_known_too_late_does_not_matter_to_a_label(customers, row, cutoff, question, tick):
    """A purchase in the outcome window, but known when the training begins or later."""
    until = cutoff + question.span
    in_time = only(customers, lambda row: became_known(row) < until)
    late = row | {"at": cutoff + question.gap.microseconds, "known_at": until + tick}
    one, other, another = (
        labels.outcomes(question, bucket_of(them), np.array([cutoff]), until).tolist()
        for them in (customers, in_time, [customers[0] + Customer(NAMES[0], {"purchases": [late]})])
    )
    assert one == other == another


@law(25, customers=somebody, cutoff=cutoff, place=st.sampled_from(["first", "last", "before", "after"]))
def test_the_outcome_window_is_half_open(customers, cutoff, place):
    """A purchase at its first instant or its last keeps a customer; one tick outside does not."""
    start, end = cutoff + CHURN.gap.microseconds, cutoff + CHURN.span
    instant = {"first": start, "last": end - 1, "before": start - 1, "after": end}[place]
    silent = customers[0].only(lambda row: not start <= happened(row) < end)
    bought = silent.bought(instant, 1)
    left = labels.outcomes(CHURN, bucket_of([bought]), np.array([cutoff]), UNTIL)
    assert left.tolist() == [0.0 if place in {"first", "last"} else 1.0]


STORED = {
    "purchased_at": "at",
    "amount": "amount",
    "event_id": "event",
    "known_at": "known",
    "quantity": "quantity",
    "channel": "channel",
}


def written(folder, customers, copies):
    """A shop whose log has every line of purchases, some of them more than once."""
    lines = [
        {
            "customer_id": one.name,
            "at": to_datetime(happened(row)).isoformat(),
            "amount": f"{row['amount'] / 100:.2f}",
            "event": f"{one.name}-{place}",
            "known": "" if row["known_at"] is None else to_datetime(row["known_at"]).isoformat(),
            "quantity": "" if row["quantity"] is None else repr(row["quantity"]),
            "channel": row["channel"] or "",
        }
        for one in customers
        for place, row in enumerate(one.rows["purchases"])
    ]
    lines += [lines[copy % len(lines)] for copy in copies]
    with (folder / "log.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(lines[0]))
        writer.writeheader()
        writer.writerows(lines)
    columns = {"customer_id": "customer_id", **STORED}
    return shop(folder, "log.csv", columns=columns, observed_until="2025-06-01")


def stored_answers(folder, customers, copies):
    _, store = built(written(folder, customers, copies), n_buckets=2)
    declared = features_for({"purchases": set(STORED)})
    found = panel.each_bucket(
        store, declared.columns, lambda bucket: panel.panel_of(declared, bucket, np.array(CUTOFFS))
    )
    return read(panel.concatenate(list(found)))


@law(
    4,
    customers=everybody.filter(lambda them: any(one.rows["purchases"] for one in them)),
    copies=st.lists(st.integers(0, 100), min_size=1, max_size=5),
)
def test_a_row_that_was_delivered_twice_counts_once(customers, copies):
    with tempfile.TemporaryDirectory() as once, tempfile.TemporaryDirectory() as again:
        assert stored_answers(Path(once), customers, []) == stored_answers(Path(again), customers, copies)


def consistent(world):
    """The world without what a build refuses: two profiles of one time, or states of one market."""

    def once(rows, *key):
        return list({tuple(row[name] for name in key): row for row in rows}.values())

    def by_contract(table, row):
        columns = {column.name for column in contract_of(table).columns}
        return row if "known_at" in columns else row | {"known_at": None}

    customers = [
        replace(one, rows=one.rows | {"customers": once(one.rows["customers"], "at")})
        for one in world.customers
        if any(one.rows.values())
    ]
    shared = {"market": once(world.shared["market"], "at", "region")}
    return World(customers, shared).map(by_contract)


def text_of(value, kind):
    """What a person writes into a CSV file."""
    if value is None:
        return ""
    if kind is Kind.TIME:
        return to_datetime(value).isoformat()
    if kind is Kind.MONEY:
        return f"{value / 100:.2f}"
    return str(bool(value)).lower() if kind is Kind.FLAG else str(value)


def company(folder, world):
    """A business whose files say what happened in a world; purchases must be among it."""
    tables = {}
    lines = {table: [("", row) for row in rows] for table, rows in world.shared.items()}
    for table in TABLES_WITH_CUSTOMERS:
        lines[table] = [(one.name, row) for one in world.customers for row in one.rows.get(table, [])]
    for table in [table for table, rows in lines.items() if rows]:
        contract, attributes = contract_of(table), ATTRIBUTES.get(table, {})
        kinds = {contract.at: Kind.TIME, "known_at": Kind.TIME} | kinds_of(table)
        with (folder / f"{table}.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["customer_id", *kinds])
            for name, row in lines[table]:
                given = row | {contract.at: row["at"]}
                writer.writerow([name, *(text_of(given[column], kind) for column, kind in kinds.items())])
        own = {column.name for column in contract.columns} & {"customer_id", *kinds} - set(attributes)
        tables[table] = {"source": f"{table}.csv", "columns": {column: column for column in sorted(own)}}
        if attributes:
            tables[table]["attributes"] = {name: kind.value for name, kind in attributes.items()}
    return shop(folder, "purchases.csv", columns=tables.pop("purchases")["columns"], tables=tables)


@law(5, world=worlds_of_all.filter(lambda world: any(one.rows["purchases"] for one in world.customers)))
def test_what_the_store_gives_back_is_what_happened(world):
    """The features of a night's batch are those of the same rows handed over directly, byte for byte.

    Households and regions too; only the prices of plans are the build's own.
    """
    world = consistent(world)
    with tempfile.TemporaryDirectory() as folder:
        _, store = built(company(Path(folder), world), n_buckets=4)
        buckets = [store.read(index, EVERY_FEATURE.columns) for index in range(store.n_buckets)]
        panels = [panel.panel_of(EVERY_FEATURE, bucket, np.array(CUTOFFS)) for bucket in buckets]
        found = read(panel.concatenate(panels))
    direct = world.bucket()
    prices = {name: rows for name, rows in buckets[0].shared.items() if name == "plan_prices"}
    assert found == answers(EVERY_FEATURE, replace(direct, shared=direct.shared | prices), CUTOFFS)


def test_every_row_starts_from_the_prior_of_its_own_cutoff():
    """What a model is given at one cutoff does not change when rows of another cutoff stand beside it."""
    customers = [customer("ada").bought("2024-01-05", 10).bought("2024-02-05", 10)]
    asked = [CUTOFFS[0], CUTOFFS[1]]
    found = panel.panel_of(CATALOGUE, bucket_of(customers), np.array(asked))
    slow, fast = (RepeatBuying(BgNbd(1.0, alpha, 1.0, 3.0, 0.0, 0), None) for alpha in (300.0, 10.0))
    made = workshop.recipe_of(CHURN, 1.0, {asked[0]: slow, asked[1]: fast}, 0)
    inputs = made.inputs(found)
    X = made.encode(inputs, found)
    for row, prior in enumerate((slow, fast)):
        own = found.rows(np.array([row]))
        assert X[row].tobytes() == inputs.encode(own, prior)[0].tobytes()
    assert X[0, PRIOR_CHURN] != X[1, PRIOR_CHURN]


def test_the_catalogue_finds_every_feature_that_is_declared():
    """A feature that a module declares and the catalogue leaves out would be under no law."""
    declared = set()
    for module in pkgutil.iter_modules(features.__path__):
        found = importlib.import_module(f"features.{module.name}")
        sets = [value for value in vars(found).values() if isinstance(value, FeatureSet)]
        declared |= {name for one in sets for name in one.names}
    assert declared
    assert declared <= set(CATALOGUE.names)
    assert set(CATALOGUE.columns) <= set(COLUMNS)

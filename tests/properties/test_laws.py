"""The laws that every feature and every label keeps, whatever happened to the customers.

Each holds for every feature that the catalogue finds, and is broken by a planted bug in tests/mutants.
"""

import csv
import importlib
import pkgutil
import random
import tempfile
from pathlib import Path

import numpy as np
from builders import (
    COLUMNS,
    Customer,
    answers,
    became_known,
    bucket_of,
    customer,
    happened,
    kinds_of,
    read,
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
    rows_of,
)

import features
from features import panel
from features.catalogue import features_for
from features.language import FeatureSet
from features.tables import Kind
from features.windows import MICROSECONDS_PER_DAY, days, parse_instant, to_datetime
from training import labels, recipe
from training.btyd import BgNbd
from training.inputs import PRIOR_CHURN, RepeatBuying

cutoff = st.sampled_from(CUTOFFS)
everybody, somebody = histories(*NAMES), histories(NAMES[0])


def hidden(cutoff):
    return lambda row: not visible(cutoff)(row)


def together(customers, others):
    return [one + other for one, other in zip(customers, others, strict=True)]


def only(customers, keep):
    return [one.only(keep) for one in customers]


@law(40, customers=everybody, others=everybody, cutoff=cutoff)
def test_the_future_never_matters(customers, others, cutoff):
    """Whatever else had happened at or after the cutoff, or had become known then: the same bytes."""
    another_future = together(only(customers, visible(cutoff)), only(others, hidden(cutoff)))
    one, other = (answers(EVERY_FEATURE, bucket_of(them), [cutoff]) for them in (customers, another_future))
    assert one == other


@law(40, customers=somebody, cutoff=cutoff, row=rows_of("purchases"))
def test_an_event_exactly_at_the_cutoff_belongs_to_the_future(customers, cutoff, row):
    without = answers(EVERY_FEATURE, bucket_of(customers), [cutoff])
    with_it = [customers[0] + Customer(NAMES[0], {"purchases": [row | {"at": cutoff}]})]
    assert answers(EVERY_FEATURE, bucket_of(with_it), [cutoff]) == without


@law(
    40,
    customers=everybody,
    cutoff=cutoff,
    purchase=rows_of("purchases"),
    profile=rows_of("customers"),
    tick=st.sampled_from([0, 0, 1]),
)
def test_a_late_fact_is_invisible_until_it_is_known(customers, cutoff, purchase, profile, tick):
    """Also one that becomes known exactly at the cutoff."""
    late = {"at": cutoff - 1, "known_at": cutoff + tick}
    heard = Customer(NAMES[0], {"purchases": [purchase | late], "customers": [profile | late]})
    known = only(customers, lambda row: became_known(row) < cutoff)
    one, other, another = (
        answers(EVERY_FEATURE, bucket_of(them), [cutoff])
        for them in (customers, known, [customers[0] + heard, *customers[1:]])
    )
    assert one == other == another


@law(
    25,
    customers=everybody,
    ties=st.lists(rows_of("contacts"), min_size=2, max_size=5),
    asked=cutoffs,
    seed=st.integers(0, 10_000),
)
def test_the_order_of_rows_does_not_matter(customers, ties, asked, seed):
    """Not even that of rows of one instant."""

    def shuffled(rows):
        return random.Random(seed).sample(rows, len(rows))

    tied = [row | {"at": min(CUTOFFS) - 1, "known_at": None} for row in ties]
    customers = [customers[0] + Customer(NAMES[0], {"contacts": tied}), *customers[1:]]
    buckets = bucket_of(customers), bucket_of(customers, order=shuffled)
    one, other = (answers(EVERY_FEATURE, bucket, asked) for bucket in buckets)
    assert one == other


@law(25, customers=everybody, asked=cutoffs)
def test_other_customers_do_not_matter(customers, asked):
    among_others = answers(EVERY_FEATURE, bucket_of(customers), asked)
    for one in customers:
        alone = answers(EVERY_FEATURE, bucket_of([one]), asked)
        assert alone == {pair: said for pair, said in among_others.items() if pair[0] == one.name}


@law(25, customers=everybody, asked=cutoffs, number=st.integers(-800, 800))
def test_a_shift_by_whole_days_changes_nothing(customers, asked, number):
    def moved(instant):
        return None if instant is None else instant + number * MICROSECONDS_PER_DAY

    def later(table, row):
        times = {"at", "known_at"} | {name for name, kind in kinds_of(table).items() if kind is Kind.TIME}
        return {name: moved(value) if name in times else value for name, value in row.items()}

    shifted = [
        Customer(one.name, {table: [later(table, row) for row in rows] for table, rows in one.rows.items()})
        for one in customers
    ]
    before = answers(EVERY_FEATURE, bucket_of(customers), asked)
    after = answers(EVERY_FEATURE, bucket_of(shifted), [moved(instant) for instant in asked])
    assert after == {(name, moved(instant)): said for (name, instant), said in before.items()}


@law(25, customers=everybody)
def test_several_cutoffs_in_one_pass_are_each_cutoff_alone(customers):
    bucket = bucket_of(customers)
    alone = {}
    for instant in CUTOFFS:
        alone |= answers(EVERY_FEATURE, bucket, [instant])
    assert answers(EVERY_FEATURE, bucket, CUTOFFS) == alone


@law(
    15,
    customers=everybody,
    cutoff=cutoff,
    waits=st.lists(st.sampled_from([0.1, 0.2, 0.3, 0.7, 1e16]), min_size=5, max_size=8),
)
def test_a_feature_does_not_depend_on_which_others_are_asked_for(customers, cutoff, waits):
    """Not even in the last bit of a sum over several windows."""
    waited = customers[0]
    for weeks, seconds in enumerate(waits):
        waited = waited.contacted(
            cutoff - 1 - days(7 * weeks).microseconds, "question", waiting_seconds=seconds
        )
    bucket = bucket_of([waited, *customers[1:]])
    together = answers(EVERY_FEATURE, bucket, [cutoff])
    for feature in EVERY_FEATURE:
        for pair, said in answers(FeatureSet(feature), bucket, [cutoff]).items():
            assert said[feature.name] == together[pair][feature.name]


@law(15, customers=everybody, asked=cutoffs, now=st.sampled_from(["1999-01-01", "2024-05-01", "2100-01-01"]))
def test_features_do_not_change_when_the_clock_moves(customers, asked, now):
    usual = answers(EVERY_FEATURE, bucket_of(customers), asked)
    with clock_at(parse_instant(now)):
        assert answers(EVERY_FEATURE, bucket_of(customers), asked) == usual


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


@law(4, customers=everybody.filter(lambda them: any(one.rows["purchases"] for one in them)))
def test_what_the_store_gives_back_is_what_happened(customers):
    """The features of a night's batch are those of the same rows handed over directly, byte for byte."""
    declared = features_for({"purchases": set(STORED)})
    direct = [
        Customer(one.name, {"purchases": [_as_stored(row) for row in one.rows["purchases"]]})
        for one in customers
        if one.rows["purchases"]
    ]
    with tempfile.TemporaryDirectory() as folder:
        assert stored_answers(Path(folder), customers, []) == answers(declared, bucket_of(direct), CUTOFFS)


def _as_stored(row):
    return {name: row[name] for name in ("at", "known_at", "amount", "quantity", "channel")}


def test_every_row_starts_from_the_prior_of_its_own_cutoff():
    """What a model is given at one cutoff does not change when rows of another cutoff stand beside it."""
    customers = [customer("ada").bought("2024-01-05", 10).bought("2024-02-05", 10)]
    asked = [CUTOFFS[0], CUTOFFS[1]]
    found = panel.panel_of(CATALOGUE, bucket_of(customers), np.array(asked))
    slow, fast = (RepeatBuying(BgNbd(1.0, alpha, 1.0, 3.0, 0.0, 0), None) for alpha in (300.0, 10.0))
    made = recipe.Recipe(CHURN, 1.0, {asked[0]: slow, asked[1]: fast}, 0)
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

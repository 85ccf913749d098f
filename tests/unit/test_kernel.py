"""What each feature is for customers whose answers can be counted on the fingers."""

import re
from pathlib import Path

import numpy as np
import pytest
from builders import bucket_of, customer
from strategies import CATALOGUE, COMPLAINTS, CONTACTS, EVERY_FEATURE, HANDLED, SUBSCRIPTIONS

import features
from features import kernel
from features.events import Bucket
from features.language import (
    EventSource,
    FeatureSet,
    age,
    count,
    gap_mean,
    gap_std,
    latest,
    share,
    std,
    total,
    trend,
)
from features.transactions import LINES, PURCHASES
from features.windows import MICROSECONDS_PER_DAY, days, parse_instant

CUTOFF = parse_instant("2024-07-01")
TICK = 1
ADA = (
    customer("ada")
    .bought("2024-01-01", 10.00, channel="web", quantity=2.0)
    .bought("2024-06-01T09:00:00Z", 20.00, channel="shop", order_id="o1")
    .bought("2024-06-01T18:00:00Z", 5.00, channel="shop", order_id="o1", cost=300)
    .bought("2024-06-21", 0, channel=None)
    .returned("2024-06-22", 20.00)
    .described(None, region="north", joined_at="2023-07-02")
    .described("2024-03-01", region="south", joined_at="2023-07-02")
)


def ask(one, *declared, cutoff=CUTOFF):
    """Values of some features of one customer, by name."""
    wanted = FeatureSet(*declared) if declared else CATALOGUE
    bucket = bucket_of([one])
    numbers = kernel.compute(wanted, bucket, np.array([cutoff]))
    return dict(zip(wanted.names, numbers[0].tolist(), strict=True))


ADA_SAYS = {
    "purchases_active_days_count_ever": 3,
    "purchases_days_since_first": 182,
    "purchases_days_since_last": 10,
    "purchases_amount_total_ever": 3500,
    "purchases_count_30d": 3,
    "purchases_count_90d": 3,
    "purchases_count_180d": 3,
    "purchases_count_365d": 4,
    "purchases_active_days_count_90d": 2,
    "lines_amount_total_30d": 500,
    "lines_amount_total_365d": 1500,
    "purchases_amount_mean_90d": 2500 / 3,
    "purchases_amount_max_365d": 2000,
    "purchases_gap_days_mean_ever": (152 + 20) / 2,
    "purchases_gap_days_std_ever": np.std([152, 20], ddof=1),
    "purchases_count_trend_180d": 1.0,
    "purchases_quantity_mean_365d": 2.0,
    "purchases_order_id_distinct_count_365d": 1,
    "purchases_product_id_distinct_count_365d": 0,
    "purchases_channel_distinct_count_365d": 2,
    "purchases_discount_total_365d": 0,
    "lines_cost_total_365d": 300,
    "returns_count_90d": 1,
    "returns_amount_total_365d": -2000,
    "returns_days_since_last": 9,
    "customers_joined_at_age_days": 365,
}


@pytest.mark.parametrize(("name", "value"), ADA_SAYS.items())
def test_ada_in_july(name, value):
    assert ask(ADA)[name] == pytest.approx(value, rel=1e-12)


def test_a_customer_who_did_nothing_has_counts_of_zero_and_no_ages():
    for name, value in ask(customer("nobody")).items():
        is_sum = "count" in name.removesuffix("_trend_180d") and "trend" not in name
        assert value == 0 if is_sum or "_total_" in name else np.isnan(value), name


def test_a_bucket_without_the_table_has_no_events():
    numbers = kernel.compute(EVERY_FEATURE, Bucket(["ada"], {}), np.array([CUTOFF]))
    nobody = kernel.compute(EVERY_FEATURE, bucket_of([customer("ada")]), np.array([CUTOFF]))
    assert numbers.tobytes() == nobody.tobytes()


def test_no_customers_and_no_cutoffs_give_no_rows():
    nobody = bucket_of([])
    assert kernel.compute(EVERY_FEATURE, nobody, np.array([CUTOFF])).shape == (0, len(EVERY_FEATURE))
    no_cutoffs = np.empty(0, np.int64)
    assert kernel.compute(EVERY_FEATURE, bucket_of([ADA]), no_cutoffs).shape == (0, len(EVERY_FEATURE))


@pytest.mark.parametrize(
    ("at", "counted"),
    [
        (CUTOFF - days(30).microseconds - TICK, 0),
        (CUTOFF - days(30).microseconds, 1),
        (CUTOFF - days(30).microseconds + TICK, 1),
        (CUTOFF - TICK, 1),
        (CUTOFF, 0),
        (CUTOFF + TICK, 0),
    ],
)
def test_a_window_begins_with_its_first_instant_and_ends_before_the_cutoff(at, counted):
    assert ask(customer("ada").bought(at, 1))["purchases_count_30d"] == counted


@pytest.mark.parametrize(("known", "counted"), [(CUTOFF - TICK, 1), (CUTOFF, 0), (CUTOFF + TICK, 0)])
def test_a_late_purchase_counts_from_when_it_is_known(known, counted):
    late = customer("ada").bought("2024-06-20", 1, known=known)
    assert ask(late)["purchases_count_30d"] == counted


def test_zero_is_a_purchase_and_less_is_a_return():
    found = ask(customer("ada").bought("2024-06-20", 0).returned("2024-06-21", 0.01))
    assert (found["purchases_count_30d"], found["returns_count_90d"]) == (1, 1)
    assert found["lines_amount_total_30d"] == -1


def test_the_profile_is_the_newest_row_that_was_known():
    moved = (
        customer("ada")
        .described(None, region="north")
        .described("2024-03-01", region="south", known="2024-08-01")
    )
    wanted = latest(CATALOGUE.features[CATALOGUE.names.index("customers_region")].source["region"])
    bucket = bucket_of([moved])
    levels = bucket.events("customers").levels["region"]
    cutoffs = [parse_instant(text) for text in ("2024-02-01", "2024-07-01", "2024-08-02")]
    numbers = kernel.compute(FeatureSet(wanted), bucket, np.array(cutoffs))[:, 0]
    assert [levels[int(code)] for code in numbers] == ["north", "north", "south"]


def test_a_newest_row_that_does_not_know_is_not_known():
    forgot = customer("ada").described(None, children=2.0).described("2024-03-01", children=None)
    assert np.isnan(ask(forgot)["customers_children"])
    assert ask(forgot, cutoff=parse_instant("2024-02-01"))["customers_children"] == 2.0


@pytest.mark.parametrize(
    ("ended", "said"), [(CUTOFF - MICROSECONDS_PER_DAY, 1.0), (CUTOFF, None), (None, None)]
)
def test_an_age_is_positive_or_not_known(ended, said):
    one = customer("ada").subscribed("2024-01-01", "plus", ended_at=ended)
    found = ask(one, age(SUBSCRIPTIONS["ended_at"]))["subscriptions_ended_at_age_days"]
    assert found == said or (said is None and np.isnan(found))


def test_a_share_is_of_the_same_window():
    one = (
        customer("ada")
        .contacted("2024-01-01", "complaint")
        .contacted("2024-06-20", "complaint")
        .contacted("2024-06-21", "question")
    )
    found = ask(one, share(COMPLAINTS, CONTACTS).over(days(30)), share(COMPLAINTS, CONTACTS))
    assert found == {"complaints_share_30d": 0.5, "complaints_share_ever": pytest.approx(2 / 3)}


@pytest.mark.parametrize(
    ("at", "said"), [("2024-06-16", 1.0), ("2024-06-15T23:59:59.999999Z", -1.0), ("2024-05-31", None)]
)
def test_a_trend_compares_the_newer_half_with_the_older(at, said):
    one = customer("ada").contacted(at, "complaint")
    found = ask(one, trend(COMPLAINTS).over(days(30)))["complaints_count_trend_30d"]
    assert found == said or (said is None and np.isnan(found))


def test_a_trend_of_amounts_is_not_known_where_more_came_back_than_was_bought():
    one = customer("ada").bought("2024-06-20", 1).returned("2024-06-21", 2)
    assert np.isnan(ask(one, trend(LINES["amount"]).over(days(30)))["lines_amount_trend_30d"])


def test_conditions_on_numbers_and_categories_must_all_pass():
    slow = CONTACTS.where(CONTACTS["waiting_seconds"] >= 60, kind=("complaint", "outage")).named("slow")
    one = (
        customer("ada")
        .contacted("2024-06-20", "complaint", waiting_seconds=60.0)
        .contacted("2024-06-20", "outage", waiting_seconds=61.0)
        .contacted("2024-06-20", "question", waiting_seconds=61.0)
        .contacted("2024-06-20", "complaint", waiting_seconds=59.0)
        .contacted("2024-06-20", "complaint", waiting_seconds=None)
    )
    assert ask(one, count(slow).over(days(30)))["slow_count_30d"] == 2


def test_a_condition_can_ask_that_a_column_is_filled_in():
    one = (
        customer("ada")
        .contacted("2024-06-20", "complaint", waiting_seconds=0.0, handled_by="kim")
        .contacted("2024-06-20", "complaint", waiting_seconds=None, handled_by="kim")
        .contacted("2024-06-20", "complaint", waiting_seconds=1.0, handled_by=None)
    )
    assert ask(one, count(HANDLED))["handled_count_ever"] == 1


def test_a_condition_on_an_attribute_that_nobody_has_filled_in_passes_nobody():
    gold = EventSource("customers", at="valid_from").where(tier="gold").named("gold")
    assert ask(customer("ada").described(None, tier=None), count(gold))["gold_count_ever"] == 0
    assert ask(customer("ada").described(None, tier="gold"), count(gold))["gold_count_ever"] == 1


@pytest.mark.parametrize(("events", "value"), [(0, None), (1, None), (2, 5.0), (3, 5.0)])
def test_gaps_need_two_days(events, value):
    one = customer("ada")
    for k in range(events):
        one = one.bought(CUTOFF - (5 * k + 1) * MICROSECONDS_PER_DAY, 1)
    found = ask(one, gap_mean(PURCHASES))["purchases_gap_days_mean_ever"]
    assert found == value or (value is None and np.isnan(found))


def test_a_regular_rhythm_has_gaps_without_spread_and_one_gap_has_no_spread_at_all():
    one = customer("ada")
    for k in range(2):
        one = one.bought(CUTOFF - (7 * k + 1) * MICROSECONDS_PER_DAY, 1)
    assert np.isnan(ask(one, gap_std(PURCHASES))["purchases_gap_days_std_ever"])
    one = one.bought(CUTOFF - 15 * MICROSECONDS_PER_DAY, 1)
    assert ask(one, gap_std(PURCHASES))["purchases_gap_days_std_ever"] == 0.0


def test_equal_amounts_have_no_spread_to_the_last_bit():
    one = customer("ada")
    for k in range(7):
        one = one.bought(CUTOFF - k - 1, 8_333.33)
    found = ask(one, std(PURCHASES["amount"]), total(PURCHASES["amount"]))
    assert found == {"purchases_amount_std_ever": 0.0, "purchases_amount_total_ever": 7 * 833_333}


def test_nothing_in_features_but_the_build_reads_the_clock():
    """Not even in SQL; a build refuses what has not happened yet, so it must know what time it is, once."""
    calls = r"\b(utcnow|now|today|time_ns|localtime|gmtime|get_current_\w+)\("
    words = r"\bcurrent_(date|time)|[\"'](now|today)[\"']|\b(import|from) time\b"
    reading = re.compile(f"{calls}|{words}", re.IGNORECASE)
    files = Path(features.__path__[0]).glob("*.py")
    found = {file.name: len(reading.findall(file.read_text(encoding="utf-8"))) for file in files}
    assert {name: readings for name, readings in found.items() if readings} == {"build.py": 1}

"""What each feature is for customers whose answers can be counted on the fingers."""

import re
from pathlib import Path

import numpy as np
import pytest
from builders import answers, bucket_of, customer, row_of
from strategies import (
    CAMPAIGNS,
    CATALOGUE,
    COMPLAINTS,
    CONTACTS,
    ENDED,
    EVERY_FEATURE,
    EXITS,
    HANDLED,
    JOINED,
    MARKET,
    PLAN_PRICES,
    RESPONSES,
    SUBSCRIPTIONS,
    SURVEYS,
)

import features
from features import kernel
from features.events import Bucket
from features.language import (
    Aggregate,
    Derived,
    EventSource,
    FeatureSet,
    age,
    change,
    change_since,
    changes,
    concentration,
    count,
    days_since_last,
    days_to_renewal,
    difference,
    distinct,
    entropy,
    falls,
    favourite,
    gap_mean,
    gap_std,
    latest,
    maximum,
    minimum,
    quiet,
    ratio,
    rises,
    seasonal_trend,
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


COUNTED = {
    Aggregate.COUNT,
    Aggregate.ACTIVE_DAYS,
    Aggregate.TOTAL,
    Aggregate.DISTINCT,
    Aggregate.CHANGES,
    Aggregate.RISES,
    Aggregate.FALLS,
}


def test_a_customer_who_did_nothing_has_counts_and_totals_of_zero_and_nothing_else():
    said = ask(customer("nobody"), *EVERY_FEATURE)
    for feature in EVERY_FEATURE:
        if not isinstance(feature, Derived):
            value = said[feature.name]
            assert value == 0 if feature.aggregate in COUNTED else np.isnan(value), feature.name


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


def test_a_newest_row_that_does_not_know_takes_nothing_back():
    """Another source may know: a row of a till says nothing of the children that the web shop has noted."""
    told = customer("ada").described(None, children=2.0).described("2024-03-01", children=None)
    assert ask(told)["customers_children"] == 2.0
    told = told.described("2024-04-01", children=3.0)
    assert ask(told)["customers_children"] == 3.0
    assert ask(told, cutoff=parse_instant("2024-04-01"))["customers_children"] == 2.0


def test_who_is_asked_about_twice_lives_in_the_household_once():
    """As in a request that names a customer twice: both get the answer of one."""
    ada = customer("ada").described(None, household_id="h").bought("2024-05-01", 5)
    bob = customer("bob").described(None, household_id="h").bought("2024-05-02", 7)
    names = ("household_member_distinct_count_ever", "household_lines_amount_total_90d")

    def said(*them):
        numbers = kernel.compute(CATALOGUE, bucket_of(them), np.array([CUTOFF]))
        return [[row[CATALOGUE.names.index(name)] for name in names] for row in numbers]

    assert said(ada, bob) == [[2, 1200], [2, 1200]]
    assert said(ada, bob, ada) == [[2, 1200], [2, 1200], [2, 1200]]


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


def test_a_half_in_which_more_came_back_counts_as_nothing():
    one = customer("ada").bought("2024-06-10", 3).returned("2024-06-21", 1)
    assert ask(one, trend(LINES["amount"]).over(days(30)))["lines_amount_trend_30d"] == -1
    other = customer("bob").returned("2024-06-10", 3).bought("2024-06-21", 1)
    assert ask(other, trend(LINES["amount"]).over(days(30)))["lines_amount_trend_30d"] == 1


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


def one_of(feature, one, others=(), cutoff=CUTOFF, **shared):
    """What one feature says of one customer; a category as its text."""
    said = answers(FeatureSet(feature), bucket_of([one, *others], shared=shared), [cutoff])
    text = said[one.name, cutoff][feature.name]
    return float(text.split()[0]) if text.endswith(")") else text


def is_unknown(value):
    return isinstance(value, float) and np.isnan(value)


CHATTY = (
    customer("ada")
    .contacted("2024-01-01", "question", "web", waiting_seconds=30.0)
    .contacted("2024-06-10", "question", "phone", waiting_seconds=20.0)
    .contacted("2024-06-12", "question", None, waiting_seconds=None)
    .contacted("2024-06-14", "question", "web", waiting_seconds=40.0)
    .contacted("2024-06-16", "question", "phone", waiting_seconds=40.0)
)


def test_the_smallest_and_the_largest_leave_out_what_is_not_filled_in():
    waits = CONTACTS["waiting_seconds"]
    assert one_of(minimum(waits).within(days(30)), CHATTY) == 20
    assert one_of(maximum(waits).within(days(30)), CHATTY) == 40
    assert is_unknown(one_of(minimum(waits).within(days(1)), CHATTY))


def test_shares_are_of_what_is_filled_in():
    """Within 30 days two of three contacts that name a channel came by phone."""
    channel = CONTACTS["channel"]
    assert one_of(concentration(channel).within(days(30)), CHATTY) == pytest.approx(5 / 9)
    expected = -(2 / 3 * np.log(2 / 3) + 1 / 3 * np.log(1 / 3))
    assert one_of(entropy(channel).within(days(30)), CHATTY) == pytest.approx(expected)
    assert is_unknown(one_of(entropy(channel).within(days(1)), CHATTY))
    only_web = customer("ada").contacted("2024-06-10", "question", "web")
    assert one_of(concentration(channel).ever, only_web) == 1
    assert one_of(entropy(channel).ever, only_web) == 0


@pytest.mark.parametrize("order", [["web", "app"], ["app", "web"]])
def test_of_several_favourites_the_first_by_name_is_taken(order):
    one = customer("ada")
    for day, channel in enumerate(order):
        one = one.contacted(CUTOFF - (day + 1) * MICROSECONDS_PER_DAY, "question", channel)
    assert one_of(favourite(CONTACTS["channel"]).ever, one) == "app"
    more = one.contacted("2024-01-01", "question", "web")
    assert one_of(favourite(CONTACTS["channel"]).ever, more) == "web"


def test_each_event_is_compared_with_the_one_before_it_in_the_window_or_not():
    waits = CONTACTS["waiting_seconds"]
    assert one_of(falls(waits).within(days(30)), CHATTY) == 1  # 20 after 30, before the window
    assert one_of(rises(waits).within(days(30)), CHATTY) == 1  # 40 after 20; nothing is said in between
    assert one_of(rises(waits).within(days(16)), CHATTY) == 0
    assert one_of(changes(CONTACTS["channel"]).within(days(30)), CHATTY) == 3
    assert one_of(changes(CONTACTS["channel"]).ever, CHATTY) == 3


def test_a_change_is_from_the_oldest_to_the_newest_in_the_window():
    waits = CONTACTS["waiting_seconds"]
    assert one_of(change(waits).ever, CHATTY) == 10
    assert one_of(change(waits).within(days(30)), CHATTY) == 20
    assert one_of(change(waits).within(days(16)), CHATTY) == 0
    assert is_unknown(one_of(change(SURVEYS["score"]).ever, customer("ada").answered("2024-06-01")))


@pytest.mark.parametrize(
    ("earlier", "said"),
    [
        (["2023-01-01", "2023-06-10"], 1 / 3),
        (["2023-01-01", "2023-06-10", "2024-03-01"], 1 / 3),
        (["2023-06-10"], None),
        (["2023-06-10", "2023-06-02T00:00:00Z"], 0.0),
        (["2023-01-01"], 1.0),
        (["2023-06-02"], 1 / 3),
        (["2023-06-02T00:00:00.000001Z"], None),
        (["2023-08-01"], None),
    ],
)
def test_a_season_is_compared_with_the_same_one_a_year_earlier(earlier, said):
    """The 30 days before July of 2024 with those 365 days before: from the second of June on."""
    one = customer("ada").contacted("2024-06-01", "question").contacted("2024-06-30", "question")
    for at in earlier:
        one = one.contacted(at, "question")
    found = one_of(seasonal_trend(CONTACTS).within(days(30)), one)
    assert is_unknown(found) if said is None else found == pytest.approx(said)


@pytest.mark.parametrize(
    ("period", "days_ago", "said"),
    [
        ("30d", 10, 20),
        ("30d", 70, 20),
        ("30d", 30, 30),
        ("Month", 0.4375, 30),
        ("annual", 0.25, 365),
        ("2 weeks", 13, 1),
        ("0 days", 13, None),
        ("000 days", 13, None),
        ("now and then", 13, None),
        (None, 13, None),
    ],
)
def test_a_contract_is_renewed_at_the_end_of_each_period(period, days_ago, said):
    """On the day of a renewal the next one is a whole period away."""
    one = customer("ada").subscribed(
        CUTOFF - int(days_ago * MICROSECONDS_PER_DAY), "p", billing_period=period
    )
    found = one_of(days_to_renewal(SUBSCRIPTIONS["billing_period"]), one)
    assert is_unknown(found) if said is None else found == said


def test_two_features_make_a_third():
    price, cheapest = latest(SUBSCRIPTIONS["price"]), minimum(SUBSCRIPTIONS["price"]).ever
    one = customer("ada").subscribed("2024-01-01", "p", price=400).subscribed("2024-02-01", "p", price=1000)
    assert one_of(ratio("r", price, cheapest), one) == 2.5
    assert one_of(difference("d", price, cheapest), one) == 600
    for feature in (
        ratio("r", price, cheapest),
        difference("d", price, cheapest),
    ):
        assert is_unknown(one_of(feature, customer("ada")))
    assert is_unknown(one_of(ratio("r", price, count(CONTACTS).ever), one))


@pytest.mark.parametrize(
    ("contact", "said"), [("2024-06-20", 10), ("2024-06-21", 10), ("2024-06-22", 0), (None, 10)]
)
def test_silence_lasts_until_something_happens(contact, said):
    one = customer("ada").answered("2024-06-21", 1.0)
    one = one.contacted(contact, "question") if contact else one
    silent = quiet("silent", days_since_last(SURVEYS), days_since_last(CONTACTS))
    assert one_of(silent, one) == said
    assert is_unknown(one_of(silent, one.only(lambda row: "score" not in row)))


@pytest.mark.parametrize(
    ("ended", "counted"), [(CUTOFF - TICK, 1), (CUTOFF, 0), (CUTOFF + TICK, 0), (None, 0)]
)
def test_an_end_happens_when_it_comes(ended, counted):
    one = customer("ada").subscribed("2024-01-01", "plus", ended_at=ended)
    assert one_of(count(ENDED).within(days(30)), one) == counted
    answered = customer("ada").approached("2024-01-01", responded_at=ended)
    assert one_of(count(RESPONSES).within(days(30)), answered) == counted
    assert one_of(count(CAMPAIGNS).ever, answered) == 1


def test_what_was_announced_is_known_when_it_begins_whoever_else_came_late():
    """An end is not seen before the beginning, however absurd the row, late neighbours or not."""
    one = customer("ada").subscribed("2024-08-01", "p", ended_at="2024-06-01", known="2024-01-01")
    late = customer("bob").subscribed("2024-01-01", "p", known="2024-02-01")
    assert one_of(count(ENDED).ever, one) == one_of(count(ENDED).ever, one, [late]) == 0
    assert one_of(count(ENDED).ever, one, cutoff=parse_instant("2024-08-02")) == 1


ANN = customer("ann").living("h").bought("2024-06-01", 10).left("2024-06-20")
BEN = customer("ben").living("h").living("elsewhere", "2024-08-01").bought("2024-06-02", 5)
EVE = customer("eve").living(None).bought("2024-06-03", 1)
LEO = customer("leo").living(None).bought("2024-06-04", 1)


def test_a_household_is_who_is_known_to_live_there():
    spent, members = (
        total(LINES.of("household")["amount"]).ever,
        distinct(LINES.of("household")["member"]).ever,
    )
    others = [BEN, EVE, LEO]
    assert (one_of(spent, ANN, others), one_of(members, ANN, others)) == (1500, 2)
    assert (one_of(spent, BEN, [ANN, EVE, LEO]), one_of(members, BEN, [ANN, EVE, LEO])) == (1500, 2)
    later = parse_instant("2024-09-01")
    assert one_of(spent, ANN, others, cutoff=later) == 1000
    assert one_of(distinct(EXITS.of("household")["member"]).ever, BEN, [ANN]) == 1


def test_customers_of_no_known_household_are_each_one_of_their_own():
    spent = total(LINES.of("household")["amount"]).ever
    assert one_of(spent, EVE, [LEO, ANN]) == 100
    assert one_of(spent, customer("new").bought("2024-06-01", 3), [EVE, LEO]) == 300


def test_events_of_a_household_stand_in_order_of_time():
    one = customer("ann").living("h").contacted("2024-06-01", "question", "web")
    one = one.contacted("2024-06-03", "question", "web")
    other = customer("ben").living("h").contacted("2024-06-02", "question", "phone")
    ours = CONTACTS.of("household")
    assert one_of(changes(ours["channel"]).ever, one, [other]) == 2
    assert one_of(latest(ours["channel"]), other, [one]) == "web"


MARKETS = [
    row_of("market", "2024-01-01", price_index=100.0),
    row_of("market", "2024-02-01", region="north", price_index=110.0),
    row_of("market", "2024-03-01", region="south", price_index=120.0),
    row_of("market", "2024-07-01", price_index=130.0),
]


@pytest.mark.parametrize(
    ("region", "said"), [("north", 110.0), ("south", 120.0), ("nowhere", 100.0), (None, 100.0)]
)
def test_the_market_is_that_of_the_region_or_of_everybody(region, said):
    """What is observed exactly at the cutoff is not known yet."""
    one = customer("ada").described(None, region=region)
    index = latest(MARKET["price_index"])
    assert one_of(index, one, market=MARKETS) == said
    assert one_of(index, one, cutoff=CUTOFF + 1, market=MARKETS) == 130.0
    assert is_unknown(one_of(index, one))


@pytest.mark.parametrize(
    ("joined", "said"), [("2024-01-01", 10.0), ("2024-02-01", 0.0), ("2023-01-01", None)]
)
def test_a_change_since_starts_with_what_held_at_that_instant(joined, said):
    one = customer("ada").described(None, region="north", joined_at=joined)
    found = one_of(change_since(MARKET["price_index"], JOINED), one, market=MARKETS)
    assert is_unknown(found) if said is None else found == said


def test_a_change_since_does_not_start_with_what_became_known_late():
    late = parse_instant("2024-08-01")
    one = (
        customer("ada")
        .subscribed("2024-03-01", "p", price=700)
        .subscribed("2024-03-01", "p", price=900, known_at=late)
    )
    since_first = change_since(SUBSCRIPTIONS["price"], SUBSCRIPTIONS)
    assert one_of(since_first, one) == 0
    assert one_of(since_first, one, cutoff=late + 1) == 0
    corrected = one.subscribed("2024-04-01", "p", price=1000)
    assert one_of(since_first, corrected) == 300
    assert one_of(since_first, corrected, cutoff=late + 1) == 100


def test_a_plan_has_its_price():
    prices = [
        row_of("plan_prices", "2024-06-01", plan=plan, price=price) for plan, price in (("a", 5), ("b", 7))
    ]
    one = customer("ada").subscribed("2024-01-01", "a").subscribed("2024-02-01", "b")
    assert one_of(latest(PLAN_PRICES["price"]), one, plan_prices=prices) == 7
    assert is_unknown(one_of(latest(PLAN_PRICES["price"]), customer("ada"), plan_prices=prices))


def test_nothing_in_features_but_the_build_reads_the_clock():
    """Not even in SQL; a build refuses what has not happened yet, so it must know what time it is, once."""
    calls = r"\b(utcnow|now|today|time_ns|localtime|gmtime|get_current_\w+)\("
    words = r"\bcurrent_(date|time)|[\"'](now|today)[\"']|\b(import|from) time\b"
    reading = re.compile(f"{calls}|{words}", re.IGNORECASE)
    files = Path(features.__path__[0]).glob("*.py")
    found = {file.name: len(reading.findall(file.read_text(encoding="utf-8"))) for file in files}
    assert {name: readings for name, readings in found.items() if readings} == {"build.py": 1}

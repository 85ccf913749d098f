"""How a feature is said: names come from the declaration alone, and are pinned."""

import json

import pytest
from golden import write
from strategies import CATALOGUE, EVERY_FEATURE

from features.catalogue import features_for
from features.errors import BusinessError
from features.language import (
    Condition,
    EventSource,
    FeatureSet,
    age,
    change_since,
    concentration,
    count,
    days_since_last,
    days_to_renewal,
    difference,
    distinct,
    entropy,
    favourite,
    latest,
    maximum,
    mean,
    minimum,
    quiet,
    ratio,
    rises,
    seasonal_trend,
    share,
    total,
    trend,
)
from features.transactions import REPEAT_FEATURES, TRANSACTION_FEATURES
from features.windows import Duration, days

VISITS = EventSource("contacts", at="contacted_at")
CONTRACTS = EventSource("subscriptions", at="started_at")
ENDS = EventSource("subscriptions", at="ended_at").named("ends")
MARKET = EventSource("market", at="observed_at")


def test_names_and_meanings_are_pinned():
    """Changed on purpose? `make golden` writes the file again; every model must then be trained again."""
    assert write.FILE.read_text(encoding="utf-8") == write.text()


@pytest.mark.parametrize(
    ("feature", "name"),
    [
        (count(VISITS).over(days(30))[0], "contacts_count_30d"),
        (count(VISITS).over(Duration(3_600_000_000))[0], "contacts_count_1h"),
        (FeatureSet(count(VISITS)).features[0], "contacts_count_ever"),
        (count(VISITS.where(kind="complaint")).over(days(7))[0], "contacts_kind_complaint_count_7d"),
        (count(VISITS.where(kind="no answer")).over(days(7))[0], "contacts_kind_no_answer_count_7d"),
        (count(VISITS.named("calls")).over(days(7))[0], "calls_count_7d"),
        (mean(VISITS["waiting_seconds"]).over(days(7))[0], "contacts_waiting_seconds_mean_7d"),
        (trend(VISITS).over(days(90))[0], "contacts_count_trend_90d"),
        (trend(VISITS["waiting_seconds"]).over(days(90))[0], "contacts_waiting_seconds_trend_90d"),
        (share(VISITS.named("calls"), VISITS).over(days(7))[0], "calls_share_7d"),
        (days_since_last(VISITS), "contacts_days_since_last"),
        (latest(VISITS["channel"]), "contacts_channel"),
        (count(VISITS).ever, "contacts_count_ever"),
        (count(VISITS).within(days(7)), "contacts_count_7d"),
        (minimum(VISITS["waiting_seconds"]).ever, "contacts_waiting_seconds_min_ever"),
        (concentration(VISITS["channel"]).within(days(7)), "contacts_channel_concentration_share_7d"),
        (entropy(VISITS["channel"]).within(days(7)), "contacts_channel_entropy_7d"),
        (favourite(VISITS["channel"]).within(days(7)), "contacts_channel_favourite_7d"),
        (seasonal_trend(VISITS).within(days(7)), "contacts_count_seasonal_trend_7d"),
        (rises(CONTRACTS["price"]).ever, "subscriptions_price_rises_count_ever"),
        (days_to_renewal(CONTRACTS["billing_period"]), "subscriptions_billing_period_days_to_renewal"),
        (change_since(MARKET["index"], CONTRACTS), "market_index_change_since_first_subscriptions"),
        (days_since_last(ENDS), "ends_days_since_last"),
        (distinct(VISITS.of("household")["member"]).ever, "household_contacts_member_distinct_count_ever"),
        (latest(VISITS.of("household").where(channel="web")["kind"]), "household_contacts_channel_web_kind"),
        (difference("one_less_other", latest(VISITS["kind"]), latest(VISITS["kind"])), "one_less_other"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_name_is_made_from_the_declaration(feature, name):
    assert feature.name == name


def test_a_meaning_names_events_column_and_window():
    (feature,) = mean(VISITS["waiting_seconds"]).over(days(7))
    assert feature.meaning == "mean waiting_seconds of contacts (NaN: none), in the 7d before the cutoff"


@pytest.mark.parametrize(
    ("feature", "unit"),
    [
        (rises(CONTRACTS["price"]).ever, "count"),
        (minimum(CONTRACTS["price"]).ever, "minor units"),
        (entropy(CONTRACTS["plan"]).ever, "nats"),
        (favourite(CONTRACTS["plan"]).ever, "category"),
        (distinct(CONTRACTS.of("household")["member"]).ever, "count"),
        (days_to_renewal(CONTRACTS["billing_period"]), "days"),
        (mean(VISITS["waiting_seconds"]).ever, "seconds"),
        (total(VISITS["resolved"]).ever, "count"),
        (mean(VISITS["resolved"]).ever, "share"),
        (latest(MARKET["index"]), "as declared"),
        (ratio("r", latest(CONTRACTS["price"]), mean(CONTRACTS["price"]).ever), "ratio"),
        (difference("d", latest(CONTRACTS["price"]), mean(CONTRACTS["price"]).ever), "minor units"),
        (quiet("q", days_since_last(ENDS), days_since_last(VISITS)), "days"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.name,
)
def test_a_unit_is_that_of_the_aggregate_or_of_the_column(feature, unit):
    assert feature.unit == unit


@pytest.mark.parametrize(
    "declare",
    [
        lambda: latest(CONTRACTS["ended_at"]),
        lambda: maximum(CONTRACTS["ended_at"]).ever,
        lambda: CONTRACTS.where(CONTRACTS["ended_at"].is_known()),
        lambda: CONTRACTS.where(CONTRACTS["price"] < CONTRACTS["ended_at"]),
        lambda: CONTRACTS.of("household").where(CONTRACTS["ended_at"] > 0),
    ],
)
def test_a_time_is_no_value_since_it_may_lie_ahead(declare):
    with pytest.raises(ValueError, match="ended_at is a time: "):
        declare()
    assert age(CONTRACTS["ended_at"]).name == "subscriptions_ended_at_age_days"


def test_only_a_time_can_lie_ahead():
    assert CONTRACTS.where(CONTRACTS["ended_at"].is_ahead()).conditions == (Condition("ended_at", "ahead"),)
    with pytest.raises(ValueError, match="price is no time, so it cannot lie ahead"):
        CONTRACTS.where(CONTRACTS["price"].is_ahead())


@pytest.mark.parametrize("table", ["market", "plan_prices"])
def test_a_household_has_no_rows_of_a_table_that_is_nobodys_own(table):
    with pytest.raises(ValueError, match=f"the rows of {table} are nobody's own, so no household has any"):
        EventSource(table, at="observed_at").of("household")


def test_a_meaning_says_that_prices_are_as_billed():
    meaning = rises(CONTRACTS["price"]).ever.meaning
    assert meaning == "how many of subscriptions have a higher price (as billed) than the one before"


@pytest.mark.parametrize("at", ["known_at", "price", "nothing"])
def test_a_row_happens_at_one_of_its_times(at):
    with pytest.raises(ValueError, match=f"subscriptions has no times '{at}'"):
        EventSource("subscriptions", at=at)


def test_every_feature_has_a_name_and_a_meaning_of_its_own():
    assert len(set(EVERY_FEATURE.names)) == len(EVERY_FEATURE)
    assert all(feature.meaning for feature in EVERY_FEATURE)


def test_two_features_of_one_name_are_refused():
    with pytest.raises(BusinessError, match=r"Declared twice: contacts_count_30d\."):
        FeatureSet(count(VISITS).over(days(30)), count(VISITS).over(days(30)))


def test_comparisons_give_conditions():
    column = VISITS["waiting_seconds"]
    given = [column < 1, column <= 1, column > 1, column >= 1]
    assert given == [Condition("waiting_seconds", operator, 1) for operator in ("<", "<=", ">", ">=")]


def test_conditions_add_up():
    both = VISITS.where(VISITS["waiting_seconds"] > 1).where(kind=("a", "b"))
    assert both.conditions == (Condition("waiting_seconds", ">", 1), Condition("kind", "in", ("a", "b")))


def test_declarations_survive_json():
    text = json.dumps(EVERY_FEATURE.to_list())
    again = FeatureSet.from_list(json.loads(text))
    assert again.features == EVERY_FEATURE.features
    assert again.contract == EVERY_FEATURE.contract


def test_the_contract_is_that_of_names_definitions_and_order():
    base = FeatureSet(count(VISITS).over(days(30), days(90)))
    others = [
        FeatureSet(count(VISITS).over(days(90), days(30))),
        FeatureSet(count(VISITS).over(days(30), days(91))),
        FeatureSet(count(VISITS.where(VISITS["waiting_seconds"] > 1)).over(days(30), days(90))),
        FeatureSet(count(VISITS.named("visits")).over(days(30), days(90))),
    ]
    assert len({base.contract, *(other.contract for other in others)}) == 5
    assert base.contract == FeatureSet(count(VISITS).over(days(30), days(90))).contract


def test_a_set_knows_the_columns_it_reads():
    columns = FeatureSet(
        share(VISITS.where(kind="complaint"), VISITS.where(channel="web")),
        total(EventSource("subscriptions", at="started_at")["price"]),
        days_since_last(EventSource("exits", at="left_at")),
    ).columns
    assert columns == {
        "contacts": {"kind", "channel"},
        "subscriptions": {"price"},
        "exits": frozenset(),
    }


def test_whose_events_they_are_is_read_from_the_customers_and_their_contracts():
    columns = FeatureSet(
        distinct(VISITS.of("household")["member"]),
        count(ENDS),
        latest(MARKET["index"]),
        latest(EventSource("plan_prices", at="observed_at")["price"]),
        ratio("r", latest(VISITS["kind"]), count(VISITS.where(VISITS["waiting_seconds"] > 1)).ever),
    ).columns
    assert columns == {
        "contacts": {"kind", "waiting_seconds"},
        "customers": {"household_id", "region"},
        "market": {"index"},
        "plan_prices": {"price"},
        "subscriptions": {"ended_at", "plan"},
    }


def test_the_catalogue_keeps_what_the_tables_allow_in_its_own_order():
    found = features_for({"purchases": {"amount", "channel"}})
    assert [name for name in CATALOGUE.names if name in found.names] == list(found.names)
    assert {feature.source.table for feature in found} == {"purchases"}
    assert "purchases_channel_distinct_count_365d" in found.names
    assert not [name for name in found.names if "cost" in name or "product" in name]


def test_declared_attributes_become_features_and_ids_never_do():
    found = features_for({"customers": {"customer_id", "household_id", "joined_at", "region", "zeal", "age"}})
    assert found.names == (
        "customers_joined_at_age_days",
        "customers_region",
        "customers_age",
        "customers_zeal",
        "household_member_distinct_count_ever",
    )


def test_what_repeat_buying_needs_comes_first():
    assert TRANSACTION_FEATURES.names[: len(REPEAT_FEATURES)] == REPEAT_FEATURES.names


def test_a_trend_must_be_told_how_far_to_look_back():
    from builders import answers, bucket_of, customer

    with pytest.raises(ValueError, match="a trend needs a window"):
        answers(FeatureSet(trend(VISITS)), bucket_of([customer("ada")]), [0])

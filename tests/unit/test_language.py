"""How a feature is said: names come from the declaration alone, and are pinned."""

import json

import pytest
from golden import write
from strategies import EVERY_FEATURE, OTHER_FEATURES

from features.catalogue import features_for
from features.errors import BusinessError
from features.language import (
    Condition,
    EventSource,
    FeatureSet,
    count,
    days_since_last,
    latest,
    mean,
    share,
    total,
    trend,
)
from features.transactions import REPEAT_FEATURES, TRANSACTION_FEATURES
from features.windows import Duration, days

VISITS = EventSource("contacts", at="contacted_at")


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
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_name_is_made_from_the_declaration(feature, name):
    assert feature.name == name


def test_a_meaning_names_events_column_and_window():
    (feature,) = mean(VISITS["waiting_seconds"]).over(days(7))
    assert feature.meaning == "mean waiting_seconds of contacts (NaN: none), in the 7d before the cutoff"


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


def test_the_catalogue_keeps_what_the_tables_allow_in_its_own_order():
    found = features_for({"purchases": {"amount", "channel"}})
    assert set(found.names) < set(TRANSACTION_FEATURES.names)
    assert [name for name in TRANSACTION_FEATURES.names if name in found.names] == list(found.names)
    assert "purchases_channel_distinct_count_365d" in found.names
    assert not [name for name in found.names if "cost" in name or "product" in name]


def test_declared_attributes_become_features_and_ids_never_do():
    found = features_for({"customers": {"customer_id", "household_id", "joined_at", "region", "zeal", "age"}})
    assert found.names == (
        "customers_joined_at_age_days",
        "customers_region",
        "customers_age",
        "customers_zeal",
    )


def test_what_repeat_buying_needs_comes_first():
    assert TRANSACTION_FEATURES.names[: len(REPEAT_FEATURES)] == REPEAT_FEATURES.names


def test_a_trend_must_be_told_how_far_to_look_back():
    from builders import answers, bucket_of, customer

    with pytest.raises(ValueError, match="a trend needs a window"):
        answers(FeatureSet(trend(VISITS)), bucket_of([customer("ada")]), [0])


def test_the_language_is_tried_on_other_tables_than_the_catalogue_knows():
    assert {feature.source.table for feature in OTHER_FEATURES} == {"contacts", "subscriptions"}

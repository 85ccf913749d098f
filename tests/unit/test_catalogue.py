"""The catalogue: how many features there are, what each says of itself, and the page that lists them."""

from pathlib import Path

import features
from features.catalogue import families, features_for
from features.catalogue_page import everything, page
from features.selection import EventSource
from features.tables import TABLES

PAGE = Path(features.__file__).parent / "CATALOGUE.md"
ALL = features_for(everything())


def test_the_page_lists_the_features_that_there_are():
    """Changed on purpose? `make catalogue` writes it again."""
    assert PAGE.read_text(encoding="utf-8") == page()


def test_a_business_with_every_table_has_every_feature():
    declared = [feature.name for family in families(everything()).values() for feature in family]
    assert list(ALL.names) == declared
    assert len(ALL) >= 120


def test_every_feature_says_its_unit_and_its_meaning():
    for feature in ALL:
        assert feature.unit
        assert feature.meaning
        assert "\n" not in feature.meaning


def test_a_business_without_a_table_has_no_features_of_it():
    for missing in TABLES:
        columns = {name: names for name, names in everything().items() if name != missing}
        read = {source.table for feature in features_for(columns) for source in feature.sources()}
        assert missing not in read


def test_a_column_that_is_not_mapped_is_not_read():
    for table, names in everything().items():
        for column in names:
            columns = everything() | {table: names - {column}}
            read = {pair for feature in features_for(columns) for pair in feature.columns()}
            assert (table, column) not in read


def test_every_time_that_may_lie_in_the_future_is_the_time_of_a_source():
    """No feature reads ended_at or responded_at but through rows that happen then, or that it lies ahead."""
    for feature in ALL:
        for source in feature.sources():
            assert isinstance(source, EventSource)
            assert source.at != "known_at"
    ends = [s for f in ALL for s in f.sources() if s.at in {"ended_at", "responded_at"}]
    assert {source.at for source in ends} == {"ended_at", "responded_at"}
    plain = [f for f in ALL if not any(s.is_retimed or _asks_ahead(s) for s in f.sources())]
    columns = {pair for f in plain for pair in f.columns()}
    assert not columns & {("subscriptions", "ended_at"), ("campaigns", "responded_at")}


def _asks_ahead(source):
    return any(test.operator == "ahead" for test in source.conditions)

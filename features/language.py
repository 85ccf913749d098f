"""How a feature is said.

A feature is frozen data: which events, which of their columns, how far back, summed up how.
The language has no verb that reaches past the cutoff, so a declaration cannot leak the future.

>>> from features.windows import days
>>> purchases = EventSource("purchases", at="purchased_at")
>>> [feature.name for feature in count(purchases).over(days(30), days(90))]
['purchases_count_30d', 'purchases_count_90d']
>>> returns = purchases.where(purchases["amount"] < 0).named("returns")
>>> FeatureSet(days_since_last(returns)).names
('returns_days_since_last',)
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property
from typing import Any

from features.errors import BusinessError
from features.windows import Duration


class Aggregate(StrEnum):
    """The ways to sum up the visible events of a window.

    Counts and totals of nothing are 0; every other aggregate of nothing is NaN.
    """

    COUNT = "count"
    ACTIVE_DAYS = "active_days_count"
    TOTAL = "total"
    MEAN = "mean"
    MAX = "max"
    STD = "std"
    DISTINCT = "distinct_count"
    SHARE = "share"
    TREND = "trend"
    DAYS_SINCE_LAST = "days_since_last"
    DAYS_SINCE_FIRST = "days_since_first"
    GAP_MEAN = "gap_days_mean"
    GAP_STD = "gap_days_std"
    LATEST = "latest"
    AGE = "age_days"


_MEANINGS = {
    Aggregate.COUNT: "how many {events}",
    Aggregate.ACTIVE_DAYS: "on how many different days there were {events}",
    Aggregate.TOTAL: "sum of {column} over {events}",
    Aggregate.MEAN: "mean {column} of {events} (NaN: none)",
    Aggregate.MAX: "largest {column} of {events} (NaN: none)",
    Aggregate.STD: "standard deviation of {column} over {events} (NaN: fewer than two)",
    Aggregate.DISTINCT: "how many different {column} among {events}",
    Aggregate.SHARE: "share of {events} among all {whole} (NaN: none)",
    Aggregate.TREND: "(newer half - older half) / both, of {column} over {events} (NaN: nothing in both)",
    Aggregate.DAYS_SINCE_LAST: "days from the newest of {events} to the cutoff (NaN: none)",
    Aggregate.DAYS_SINCE_FIRST: "days from the oldest of {events} to the cutoff (NaN: none)",
    Aggregate.GAP_MEAN: "mean days between days with {events} (NaN: fewer than two)",
    Aggregate.GAP_STD: "standard deviation of the days between days with {events} (NaN: fewer than three)",
    Aggregate.LATEST: "{column} as of the cutoff (NaN: not known)",
    Aggregate.AGE: "days from {column} to the cutoff (NaN: not known or not yet)",
}
_WINDOWLESS = {Aggregate.DAYS_SINCE_LAST, Aggregate.DAYS_SINCE_FIRST, Aggregate.LATEST, Aggregate.AGE}


@dataclass(frozen=True)
class Condition:
    """A test on one column of an event: ``operator`` is one of ``in known < <= > >=``.

    A null never passes; ``known`` asks for nothing else.
    """

    column: str
    operator: str
    value: float | tuple[str, ...] | None = None


@dataclass(frozen=True)
class ColumnOf:
    """A column of an event source; comparing it with a number gives a `Condition`."""

    source: "EventSource"
    name: str

    def is_known(self) -> Condition:
        """Pass where the column is filled."""
        return Condition(self.name, "known")

    def __lt__(self, value: float) -> Condition:
        """Pass where the column is less than ``value``."""
        return Condition(self.name, "<", value)

    def __le__(self, value: float) -> Condition:
        """Pass where the column is at most ``value``."""
        return Condition(self.name, "<=", value)

    def __gt__(self, value: float) -> Condition:
        """Pass where the column is greater than ``value``."""
        return Condition(self.name, ">", value)

    def __ge__(self, value: float) -> Condition:
        """Pass where the column is at least ``value``."""
        return Condition(self.name, ">=", value)


@dataclass(frozen=True)
class EventSource:
    """Events of one table, all of them or those that pass every condition.

    ``label`` begins the names of the features; it is the table's name unless `named` says otherwise.
    """

    table: str
    at: str
    conditions: tuple[Condition, ...] = ()
    label: str = ""

    def __post_init__(self) -> None:
        """Label the source by its table where nothing else was said."""
        object.__setattr__(self, "label", self.label or self.table)

    def __getitem__(self, column: str) -> ColumnOf:
        """Return one column of these events."""
        return ColumnOf(self, column)

    def where(self, *conditions: Condition, **equals: str | tuple[str, ...]) -> "EventSource":
        """Keep the events that pass; ``kind="complaint"`` and ``kind=("outage",)`` test a category."""
        tests = tuple(
            Condition(column, "in", (value,) if isinstance(value, str) else value)
            for column, value in equals.items()
        )
        words = [word for test in tests for word in (test.column, *test.value)]  # type: ignore[misc]
        label = "_".join([self.label, *words]).replace(" ", "_")
        return replace(self, conditions=(*self.conditions, *conditions, *tests), label=label)

    @cached_property
    def events(self) -> "EventSource":
        """The same events under the table's own label: what a label is does not change what is counted."""
        return self if self.label == self.table else replace(self, label=self.table)

    def named(self, label: str) -> "EventSource":
        """Begin the names of the features with ``label``."""
        return replace(self, label=label)


@dataclass(frozen=True)
class Feature:
    """One column of the panel.

    Attributes
    ----------
    aggregate : Aggregate
        How the events are summed up.
    source : EventSource
        Which events.
    column : str or None
        The column that is summed up; None where the events themselves are counted.
    window : Duration or None
        Events in ``[cutoff - window, cutoff)``; None: everything before the cutoff.
    whole : EventSource or None
        For a share, what it is a share of.
    """

    aggregate: Aggregate
    source: EventSource
    column: str | None = None
    window: Duration | None = None
    whole: EventSource | None = None

    @cached_property
    def name(self) -> str:
        """The feature's name, made from the declaration alone."""
        counted = "count" if self.aggregate is Aggregate.TREND and self.column is None else self.column
        tail = "" if self.aggregate in _WINDOWLESS else f"_{self.window or 'ever'}"
        parts = [self.source.label, counted, None if self.is_attribute else self.aggregate.value]
        return "_".join(part for part in parts if part) + tail

    @property
    def is_attribute(self) -> bool:
        """Whether the feature is a fact about the customer as it stands at the cutoff."""
        return self.aggregate is Aggregate.LATEST

    @property
    def meaning(self) -> str:
        """One sentence for the catalogue."""
        whole = self.whole.label if self.whole else ""
        sentence = _MEANINGS[self.aggregate].format(
            events=self.source.label, column=self.column or "count", whole=whole
        )
        when = f", in the {self.window} before the cutoff" if self.window else ""
        return sentence + when

    def columns(self) -> Iterator[tuple[str, str]]:
        """(table, column) pairs that the feature reads."""
        if self.column is not None:
            yield self.source.table, self.column
        for source in (self.source, self.whole) if self.whole else (self.source,):
            yield from ((source.table, condition.column) for condition in source.conditions)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values from which `from_dict` makes the same feature."""
        return {
            "aggregate": self.aggregate.value,
            "source": _source_to_dict(self.source),
            "column": self.column,
            "window": self.window.microseconds if self.window else None,
            "whole": _source_to_dict(self.whole) if self.whole else None,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Feature":
        """Make the feature that `to_dict` wrote."""
        return cls(
            Aggregate(data["aggregate"]),
            _source_from_dict(data["source"]),
            data["column"],
            Duration(data["window"]) if data["window"] is not None else None,
            _source_from_dict(data["whole"]) if data["whole"] else None,
        )


def _source_to_dict(source: EventSource) -> dict[str, Any]:
    tests = [[test.column, test.operator, test.value] for test in source.conditions]
    return {"table": source.table, "at": source.at, "conditions": tests, "label": source.label}


def _source_from_dict(data: Mapping[str, Any]) -> EventSource:
    tests = tuple(
        Condition(column, operator, tuple(value) if operator == "in" else value)
        for column, operator, value in data["conditions"]
    )
    return EventSource(data["table"], data["at"], tests, data["label"])


@dataclass(frozen=True)
class Measure:
    """An aggregate before it is told how far to look back."""

    feature: Feature

    def over(self, *windows: Duration) -> tuple[Feature, ...]:
        """Return one feature for each window ``[cutoff - window, cutoff)``."""
        return tuple(replace(self.feature, window=window) for window in windows)


def count(events: EventSource) -> Measure:
    """How many events."""
    return Measure(Feature(Aggregate.COUNT, events))


def active_days(events: EventSource) -> Measure:
    """On how many different days (UTC) there were events."""
    return Measure(Feature(Aggregate.ACTIVE_DAYS, events))


def total(column: ColumnOf) -> Measure:
    """Sum of a column; 0 where there are no events."""
    return Measure(Feature(Aggregate.TOTAL, column.source, column.name))


def mean(column: ColumnOf) -> Measure:
    """Mean of a column over the events that fill it."""
    return Measure(Feature(Aggregate.MEAN, column.source, column.name))


def maximum(column: ColumnOf) -> Measure:
    """Largest value of a column."""
    return Measure(Feature(Aggregate.MAX, column.source, column.name))


def std(column: ColumnOf) -> Measure:
    """Sample standard deviation of a column."""
    return Measure(Feature(Aggregate.STD, column.source, column.name))


def distinct(column: ColumnOf) -> Measure:
    """How many different values a category column takes."""
    return Measure(Feature(Aggregate.DISTINCT, column.source, column.name))


def share(part: EventSource, whole: EventSource) -> Measure:
    """What share of the events of ``whole`` are events of ``part``."""
    return Measure(Feature(Aggregate.SHARE, part, whole=whole))


def trend(what: EventSource | ColumnOf) -> Measure:
    """(newer half - older half) / both, of the count of events or the total of a column."""
    if isinstance(what, ColumnOf):
        return Measure(Feature(Aggregate.TREND, what.source, what.name))
    return Measure(Feature(Aggregate.TREND, what))


def days_since_last(events: EventSource) -> Feature:
    """Days from the newest event to the cutoff."""
    return Feature(Aggregate.DAYS_SINCE_LAST, events)


def days_since_first(events: EventSource) -> Feature:
    """Days from the oldest event to the cutoff."""
    return Feature(Aggregate.DAYS_SINCE_FIRST, events)


def gap_mean(events: EventSource) -> Measure:
    """Mean number of days between consecutive days with events."""
    return Measure(Feature(Aggregate.GAP_MEAN, events))


def gap_std(events: EventSource) -> Measure:
    """Sample standard deviation of the days between consecutive days with events."""
    return Measure(Feature(Aggregate.GAP_STD, events))


def latest(column: ColumnOf) -> Feature:
    """Return the column's value on the newest visible row."""
    return Feature(Aggregate.LATEST, column.source, column.name)


def age(column: ColumnOf) -> Feature:
    """Days from the time in a column (of the newest visible row) to the cutoff."""
    return Feature(Aggregate.AGE, column.source, column.name)


Declared = Feature | Measure | Iterable[Feature]


class FeatureSet:
    """Features in a fixed order, with the contract that a model holds them to.

    A `Measure` that was not told how far to look back looks back all the way.

    Raises
    ------
    BusinessError
        Two features have the same name.
    """

    def __init__(self, *declared: Declared) -> None:
        self.features: tuple[Feature, ...] = tuple(_flatten(declared))
        self.names: tuple[str, ...] = tuple(feature.name for feature in self.features)
        twice = {name for name in self.names if self.names.count(name) > 1}
        if twice:
            raise BusinessError(f"Declared twice: {', '.join(sorted(twice))}. Give one of them another name.")

    def __add__(self, other: "FeatureSet") -> "FeatureSet":
        """Return both sets, this one first."""
        return FeatureSet(*self.features, *other.features)

    def __iter__(self) -> Iterator[Feature]:
        """Go through the features in order."""
        return iter(self.features)

    def __len__(self) -> int:
        """Return the number of features."""
        return len(self.features)

    @cached_property
    def columns(self) -> dict[str, frozenset[str]]:
        """The columns that the features read, by table; a table may need none but its times."""
        tables = {source.table for f in self.features for source in (f.source, f.whole) if source}
        pairs = {pair for feature in self.features for pair in feature.columns()}
        return {table: frozenset(c for t, c in pairs if t == table) for table in sorted(tables)}

    @cached_property
    def contract(self) -> str:
        """SHA-256 over every declaration: equal contracts compute equal columns."""
        text = json.dumps(self.to_list(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    def to_list(self) -> list[dict[str, Any]]:
        """Plain JSON values from which `from_list` makes the same set."""
        return [feature.to_dict() for feature in self.features]

    @classmethod
    def from_list(cls, data: Iterable[Mapping[str, Any]]) -> "FeatureSet":
        """Make the set that `to_list` wrote."""
        return cls(*(Feature.from_dict(item) for item in data))


def _flatten(declared: Iterable[Declared]) -> Iterator[Feature]:
    for item in declared:
        if isinstance(item, Feature):
            yield item
        elif isinstance(item, Measure):
            yield item.feature
        else:
            yield from item

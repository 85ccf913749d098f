"""Features as data: what is summed up, over which events, how far back; and sets of them with a contract."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property
from typing import Any

from features.aggregates import MEANINGS, UNITS, WINDOWED, WINDOWLESS, Aggregate
from features.errors import BusinessError
from features.selection import MEMBER, EventSource, kind_of
from features.tables import Kind
from features.windows import Duration

_AS_SAID = {"count": "count", "price": "price (as billed)"}
"""What a meaning calls a column where its name leaves something open."""


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
    other : EventSource or None
        For a share, what it is a share of; for a change since, the events whose first it is measured from.

    Raises
    ------
    ValueError
        A time is read as a value, which only an age may do: it may lie in the future of the cutoff.
    """

    aggregate: Aggregate
    source: EventSource
    column: str | None = None
    window: Duration | None = None
    other: EventSource | None = None

    def __post_init__(self) -> None:
        """Refuse to read times."""
        kind = kind_of(self.source.table, self.column) if self.column else None
        if kind is Kind.TIME and self.aggregate is not Aggregate.AGE:
            raise ValueError(f"{self.column} is a time: use age(…), or make it the time of a source")

    @cached_property
    def name(self) -> str:
        """The feature's name, made from the declaration alone."""
        trends = self.column is None and self.aggregate in WINDOWED
        latest = self.aggregate is Aggregate.LATEST
        since = f"_{self.other.label}" if self.aggregate is Aggregate.CHANGE_SINCE and self.other else ""
        tail = since if self.aggregate in WINDOWLESS else f"_{self.window or 'ever'}"
        parts = [
            self.source.label,
            "count" if trends else self.column,
            None if latest else self.aggregate.value,
        ]
        return "_".join(part for part in parts if part) + tail

    @property
    def kind(self) -> Kind | None:
        """The kind of the column; None for attributes and where nothing is read."""
        return kind_of(self.source.table, self.column) if self.column else None

    @property
    def takes_levels(self) -> bool:
        """Whether the value is one of the column's own, so a code where the column is a category."""
        return self.aggregate in {Aggregate.LATEST, Aggregate.FAVOURITE}

    @property
    def unit(self) -> str:
        """What one of it is: a count, days, a share, minor units, or the kind of its column."""
        if self.aggregate in UNITS:
            return UNITS[self.aggregate]
        if self.kind is Kind.MONEY:
            return "minor units"
        if self.kind is Kind.FLAG:
            return "count" if self.aggregate is Aggregate.TOTAL else "share"
        if str(self.column).endswith("_seconds"):
            return "seconds"
        return str(self.kind or "as declared")

    @property
    def meaning(self) -> str:
        """One sentence for the catalogue."""
        sentence = MEANINGS[self.aggregate].format(
            events=self.source.label,
            column=_AS_SAID.get(self.column or "count", self.column),
            other=self.other.label if self.other else "",
        )
        return sentence + (f", in the {self.window} before the cutoff" if self.window else "")

    def sources(self) -> tuple[EventSource, ...]:
        """Every set of events that the feature looks at."""
        return (self.source, self.other) if self.other else (self.source,)

    def columns(self) -> Iterator[tuple[str, str]]:
        """(table, column) pairs that the feature reads."""
        if self.column is not None and self.column != MEMBER:
            yield self.source.table, self.column
        for source in self.sources():
            yield from source.columns()

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values from which `from_dict` makes the same feature."""
        return {
            "aggregate": self.aggregate.value,
            "source": self.source.to_dict(),
            "column": self.column,
            "window": self.window.microseconds if self.window else None,
            "other": self.other.to_dict() if self.other else None,
        }


class Operator(StrEnum):
    """How two features make a third; NaN in either gives NaN unless it says otherwise."""

    RATIO = "ratio"
    DIFFERENCE = "difference"
    QUIET = "quiet"


_SAYS = {
    Operator.RATIO: "{left} / {right} (NaN: divided by nothing)",
    Operator.DIFFERENCE: "{left} - {right}",
    Operator.QUIET: "{left}, or 0 if {right} is shorter: something has happened since (NaN: never)",
}


@dataclass(frozen=True)
class Derived:
    """A feature made from two others.

    Attributes
    ----------
    name : str
        The feature's name.
    operator : Operator
        ``ratio`` and ``difference`` say what they are.  ``quiet`` takes two ages in days: the first, where
        nothing of the second has happened since, else 0.
    left, right : Feature or Derived
    unit : str
    """

    name: str
    operator: Operator
    left: "Feature | Derived"
    right: "Feature | Derived"
    unit: str

    takes_levels = False

    @property
    def source(self) -> EventSource:
        """The events that its first part looks at."""
        return self.left.source

    @property
    def meaning(self) -> str:
        """One sentence for the catalogue."""
        return _SAYS[self.operator].format(left=self.left.name, right=self.right.name)

    def sources(self) -> tuple[EventSource, ...]:
        """Every set of events that its parts look at."""
        return self.left.sources() + self.right.sources()

    def columns(self) -> Iterator[tuple[str, str]]:
        """(table, column) pairs that its parts read."""
        yield from self.left.columns()
        yield from self.right.columns()

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values from which `feature_from_dict` makes the same feature."""
        return {
            "name": self.name,
            "operator": self.operator.value,
            "left": self.left.to_dict(),
            "right": self.right.to_dict(),
            "unit": self.unit,
        }


AnyFeature = Feature | Derived


def feature_from_dict(data: Mapping[str, Any]) -> AnyFeature:
    """Make the feature that its ``to_dict`` wrote."""
    if "operator" in data:
        left, right = feature_from_dict(data["left"]), feature_from_dict(data["right"])
        return Derived(data["name"], Operator(data["operator"]), left, right, data["unit"])
    return Feature(
        Aggregate(data["aggregate"]),
        EventSource.from_dict(data["source"]),
        data["column"],
        Duration(data["window"]) if data["window"] is not None else None,
        EventSource.from_dict(data["other"]) if data["other"] else None,
    )


@dataclass(frozen=True)
class Measure:
    """An aggregate before it is told how far to look back."""

    feature: Feature

    def over(self, *windows: Duration) -> tuple[Feature, ...]:
        """Return one feature for each window ``[cutoff - window, cutoff)``."""
        return tuple(self.within(window) for window in windows)

    def within(self, window: Duration) -> Feature:
        """Return the feature of one window."""
        return replace(self.feature, window=window)

    @property
    def ever(self) -> Feature:
        """The feature that looks back all the way."""
        return self.feature


Declared = AnyFeature | Measure | Iterable[AnyFeature]


class FeatureSet:
    """Features in a fixed order, with the contract that a model holds them to.

    A `Measure` that was not told how far to look back looks back all the way.

    Raises
    ------
    BusinessError
        Two features have the same name.
    ValueError
        A trend has no window.
    """

    def __init__(self, *declared: Declared) -> None:
        self.features: tuple[AnyFeature, ...] = tuple(_flatten(declared))
        self.names: tuple[str, ...] = tuple(feature.name for feature in self.features)
        if len(set(self.names)) < len(self.names):
            twice = sorted({name for name in self.names if self.names.count(name) > 1})
            raise BusinessError(f"Declared twice: {', '.join(twice)}. Give one of them another name.")
        for feature in self.features:
            if isinstance(feature, Feature) and feature.aggregate in WINDOWED and feature.window is None:
                raise ValueError("a trend needs a window: trend(…).over(days(180))")

    def __add__(self, other: "FeatureSet") -> "FeatureSet":
        """Return both sets, this one first."""
        return FeatureSet(*self.features, *other.features)

    def __iter__(self) -> Iterator[AnyFeature]:
        """Go through the features in order."""
        return iter(self.features)

    def __len__(self) -> int:
        """Return the number of features."""
        return len(self.features)

    @cached_property
    def columns(self) -> dict[str, frozenset[str]]:
        """The columns that the features read, by table; a table may need none but its times."""
        pairs = {pair for feature in self.features for pair in feature.columns()}
        tables = {source.table for feature in self.features for source in feature.sources()}
        tables |= {table for table, _ in pairs}
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
        return cls(*(feature_from_dict(item) for item in data))


def _flatten(declared: Iterable[Declared]) -> Iterator[AnyFeature]:
    for item in declared:
        if isinstance(item, Feature | Derived):
            yield item
        elif isinstance(item, Measure):
            yield item.feature
        else:
            yield from item

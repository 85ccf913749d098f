"""Which events a feature looks at: those of a table, of a household, those that pass conditions.

>>> outages = EventSource("contacts", at="contacted_at").where(kind="outage")
>>> outages.label
'contacts_kind_outage'
>>> outages.of("household").label
'household_contacts_kind_outage'
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

from features.tables import SHARED, TABLES, Kind, Table

HOUSEHOLD, MEMBER = "household", "member"
"""Whose events they are where not the customer's own, and the column that tells the members apart."""


def contract_of(table: str) -> Table:
    """Return the contract of a table, of the customers' own or of the shared ones."""
    return TABLES[table] if table in TABLES else SHARED[table].table


def kind_of(table: str, column: str) -> Kind | None:
    """Return the kind of a column; None for a declared attribute, which its source decides."""
    kinds = {one.name: one.kind for one in contract_of(table).columns}
    return Kind.CATEGORY if column == MEMBER else kinds.get(column)


@dataclass(frozen=True)
class Condition:
    """A test on one column of an event.

    The ``operator`` is one of ``in known < <= > >= ahead newest changed lower``.
    A null never passes, but for ``ahead``; ``known`` asks for nothing else.  A ``value`` that is a text names
    another column of the same event, with which the first is compared.
    """

    column: str
    operator: str
    value: "float | str | tuple[str, ...] | None" = None

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that the test reads."""
        return (self.column, self.value) if isinstance(self.value, str) else (self.column,)

    @property
    def is_relative(self) -> bool:
        """Whether the same event may pass at one cutoff and not at another."""
        return self.operator in {"ahead", "newest", "changed", "lower"}


@dataclass(frozen=True)
class ColumnOf:
    """A column of an event source; comparing it with a number or another column gives a `Condition`."""

    source: "EventSource"
    name: str

    def is_known(self) -> Condition:
        """Pass where the column is filled."""
        return Condition(self.name, "known")

    def is_ahead(self) -> Condition:
        """Pass where the time in the column has not come before the cutoff, or is not filled."""
        return Condition(self.name, "ahead")

    def is_newest(self) -> Condition:
        """Pass where the column is what it is at the newest visible event."""
        return Condition(self.name, "newest")

    def is_changed(self) -> Condition:
        """Pass where the column is another than at the visible event before."""
        return Condition(self.name, "changed")

    def is_lower(self) -> Condition:
        """Pass where the column is less than at the visible event before."""
        return Condition(self.name, "lower")

    def __lt__(self, value: "float | ColumnOf") -> Condition:
        """Pass where the column is less than ``value``."""
        return Condition(self.name, "<", _plain(value))

    def __le__(self, value: "float | ColumnOf") -> Condition:
        """Pass where the column is at most ``value``."""
        return Condition(self.name, "<=", _plain(value))

    def __gt__(self, value: "float | ColumnOf") -> Condition:
        """Pass where the column is greater than ``value``."""
        return Condition(self.name, ">", _plain(value))

    def __ge__(self, value: "float | ColumnOf") -> Condition:
        """Pass where the column is at least ``value``."""
        return Condition(self.name, ">=", _plain(value))


def _plain(value: "float | ColumnOf") -> float | str:
    """Return the number, or the name of the other column."""
    return value.name if isinstance(value, ColumnOf) else value


@dataclass(frozen=True)
class EventSource:
    """Events of one table, all of them or those that pass every condition.

    Attributes
    ----------
    table : str
        One of the customers' own tables, or a shared one, which is read for the customer's group.
    at : str
        The time column that says when a row happened.  With another one than the table's own, as in
        ``EventSource("subscriptions", at="ended_at")``, a row happens at that time; without it, never.
    conditions : tuple of Condition
        What each event must pass.  Those that look at the cutoff, at the newest event or at the one before
        see the visible events that pass the others.
    label : str
        Begins the names of the features; the table's name unless `named` says otherwise.
    whose : str
        ``""`` for the customer's own events, ``"household"`` for those of all members.

    Raises
    ------
    ValueError
        The table or its time column is unknown, or a condition reads a time: a time may lie in the future of
        the cutoff, so that it is filled says something that nobody knew; only whether it lies ahead is asked.
        Or a household's events are asked of a table whose rows are nobody's own.
    """

    table: str
    at: str
    conditions: tuple[Condition, ...] = ()
    label: str = ""
    whose: Literal["", "household"] = ""

    def __post_init__(self) -> None:
        """Label the source by its table where nothing else was said, and check it."""
        object.__setattr__(self, "label", self.label or self.table)
        if self.at == "known_at" or kind_of(self.table, self.at) is not Kind.TIME:
            raise ValueError(f"{self.table} has no times {self.at!r} at which its rows happen")
        if self.whose and self.table in SHARED:
            said = f"the rows of {self.table} are nobody's own, so no household has any"
            raise ValueError(f"{said}: leave out of({self.whose!r})")
        for test in self.conditions:
            self._check(test)

    def _check(self, test: Condition) -> None:
        """Refuse to read a time, but for whether it lies ahead."""
        for column in test.columns:
            is_time = kind_of(self.table, column) is Kind.TIME
            if is_time and test.operator != "ahead":
                raise ValueError(f"{column} is a time: make it the time of a source, at={column!r}")
            if test.operator == "ahead" and not is_time:
                raise ValueError(f"{column} is no time, so it cannot lie ahead: ask is_ahead() of a time")

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

    def of(self, whose: Literal["household"]) -> "EventSource":
        """Take the events of everybody in the customer's household, their own included.

        The household is the one that is known at the cutoff; a customer of none is one of their own.
        The category column ``member`` tells the members apart.
        """
        return replace(self, whose=whose, label=f"{whose}_{self.label}")

    @cached_property
    def events(self) -> "EventSource":
        """The same events under the table's own label: what a label is does not change what is counted."""
        return self if self.label == self.table else replace(self, label=self.table)

    @property
    def tested(self) -> list[str]:
        """The columns that the conditions read."""
        return [column for test in self.conditions for column in test.columns]

    @property
    def is_retimed(self) -> bool:
        """Whether rows happen at another time than the table's own."""
        return self.at != contract_of(self.table).at

    def named(self, label: str) -> "EventSource":
        """Begin the names of the features with ``label``."""
        return replace(self, label=label)

    def columns(self) -> Iterator[tuple[str, str]]:
        """(table, column) pairs that are read to find these events."""
        yield from ((self.table, column) for column in self.tested)
        if self.is_retimed:
            yield self.table, self.at
        if self.whose == HOUSEHOLD:
            yield "customers", "household_id"
        if self.table in SHARED:
            yield SHARED[self.table].of_table, SHARED[self.table].of_column

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values from which `from_dict` makes the same source."""
        tests = [[test.column, test.operator, test.value] for test in self.conditions]
        said = {"table": self.table, "at": self.at, "conditions": tests, "label": self.label}
        return said | {"whose": self.whose}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "EventSource":
        """Make the source that `to_dict` wrote."""
        tests = tuple(
            Condition(column, operator, tuple(value) if operator == "in" else value)
            for column, operator, value in data["conditions"]
        )
        return cls(data["table"], data["at"], tests, data["label"], data["whose"])

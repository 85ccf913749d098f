"""Buckets of events: what some customers did, each one's events together and in order of time.

A `Bucket` is what the kernel reads.  It comes from three places and looks the same from all of them:
the store (a night's batch), Spark (later) and the body of a request.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from features.tables import Kind, Table
from features.windows import BEGINNING

Instants = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int32]

NULL_CODE = -1
"""The code of a category that is not known."""


class Taken(Mapping[str, "Numbers | Codes"]):
    """Columns of which some rows are taken, each when it is first asked for."""

    def __init__(self, columns: Mapping[str, Numbers | Codes], rows: npt.NDArray[np.int64]) -> None:
        self._columns, self._rows = columns, rows
        self._taken: dict[str, Numbers | Codes] = {}

    def __getitem__(self, column: str) -> Numbers | Codes:
        """Return the rows of one column."""
        if column not in self._taken:
            self._taken[column] = self._columns[column][self._rows]
        return self._taken[column]

    def __iter__(self) -> Iterator[str]:
        """Go through the names of the columns."""
        return iter(self._columns)

    def __len__(self) -> int:
        """Return the number of columns."""
        return len(self._columns)


@dataclass(frozen=True)
class Events:
    """All events of one table for the customers of a bucket.

    Attributes
    ----------
    offsets : int64 array (n_customers + 1,)
        Customer ``i`` owns the rows ``[offsets[i], offsets[i + 1])``.
    at : int64 array (n_events,)
        When each happened: microseconds UTC, never falling within one customer.
    known_at : int64 array (n_events,)
        When each reached us, never before it happened; the same array as ``at`` where nothing came late.
    columns : mapping of str to array (n_events,)
        float64 for money (minor units), numbers, flags and times (NaN = null);
        int32 codes for categories (-1 = null).
    levels : mapping of str to sequence of str
        For each category column its sorted values; a code is a position in it.
    """

    offsets: Instants
    at: Instants
    known_at: Instants
    columns: Mapping[str, Numbers | Codes] = field(default_factory=dict)
    levels: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @classmethod
    def none(cls, n_customers: int) -> "Events":
        """Return the events of customers who did nothing."""
        nothing = np.empty(0, np.int64)
        return cls(np.zeros(n_customers + 1, np.int64), nothing, nothing)

    def keep(self, passed: npt.NDArray[np.bool_]) -> "Events":
        """Keep the events that passed, shape (n_events,), still by customer and in order of time."""
        if passed.all():
            return self
        before = np.zeros(len(passed) + 1, np.int64)
        np.cumsum(passed, out=before[1:])
        return self.take(np.flatnonzero(passed), before[self.offsets])

    def take(self, rows: npt.NDArray[np.int64], offsets: Instants) -> "Events":
        """Take some rows, in this order, as those of other owners."""
        at = self.at[rows]
        known_at = at if self.known_at is self.at else self.known_at[rows]
        return Events(offsets, at, known_at, Taken(self.columns, rows), self.levels)

    @property
    def owners(self) -> npt.NDArray[np.int64]:
        """The position of each row's customer, shape (n_events,)."""
        return np.repeat(np.arange(len(self.offsets) - 1), np.diff(self.offsets))


@dataclass(frozen=True)
class Shared:
    """Events that many customers share: the market of a region, the prices of a plan.

    Attributes
    ----------
    groups : sequence of str (n_groups,)
        The names of the groups, sorted: regions, plans.
    events : Events
        Its ``offsets`` have n_groups + 2 entries.  Group ``g`` owns its rows together with those that name
        no group; one more group at the end owns the latter alone, for customers of no known group.
    """

    groups: Sequence[str]
    events: Events


@dataclass(frozen=True)
class Bucket:
    """Some customers and their events, by table; a table that is absent has no events.

    ``shared`` holds the tables that are nobody's own: see `features.tables.SHARED`.
    """

    customer_ids: Sequence[str]
    tables: Mapping[str, Events]
    shared: Mapping[str, Shared] = field(default_factory=dict)

    def __len__(self) -> int:
        """Return the number of customers."""
        return len(self.customer_ids)

    def events(self, table: str) -> Events:
        """Return the events of one table, none where the business has no such table."""
        return self.tables.get(table) or Events.none(len(self))


def encode(values: Sequence[str | None]) -> tuple[Codes, list[str]]:
    """Turn texts into codes of their sorted distinct values (code point order); ``None`` becomes -1.

    Examples
    --------
    >>> codes, levels = encode(["web", None, "shop", "web"])
    >>> codes.tolist(), levels
    ([1, -1, 0, 1], ['shop', 'web'])
    """
    levels = sorted({value for value in values if value is not None})
    code_of = {level: code for code, level in enumerate(levels)}
    codes = [NULL_CODE if value is None else code_of[value] for value in values]
    return np.array(codes, np.int32), levels


def arrange(
    table: Table,
    n_customers: int,
    customer: npt.NDArray[np.int64],
    columns: Mapping[str, Sequence[object]],
) -> Events:
    """Order the rows of one table as the store orders them.

    The order is by customer, time, known_at, then every other column in the order of `value_columns`, nulls
    last for numbers and first for categories: rows that differ anywhere have one order only,
    so a request and a batch sum the same numbers in the same sequence.

    Parameters
    ----------
    table : Table
        The contract of the table.
    n_customers : int
        How many customers the bucket has.
    customer : int64 array (n_rows,)
        The position of each row's customer in the bucket.
    columns : mapping of str to sequence (n_rows,)
        Times as instants or None, money in minor units, numbers, flags as 0 and 1, categories as text.

    Returns
    -------
    Events
    """
    at, arrays, levels = _typed(table, columns)
    given = columns.get("known_at", [None] * len(at))
    known = [t if k is None else k for k, t in zip(given, at.tolist(), strict=True)]
    # What is announced is a fact once it happens, so no row is known before: whatever else is late.
    known_at = np.maximum(at, np.array(known, np.int64))
    keys = [customer, at, known_at, *arrays.values()]
    order = np.lexsort(keys[::-1])
    late = bool((known_at > at).any())
    at = at[order]
    return Events(
        _offsets(customer, n_customers),
        at,
        known_at[order] if late else at,
        {name: values[order] for name, values in arrays.items()},
        levels,
    )


def arrange_shared(table: Table, key: str, columns: Mapping[str, Sequence[object]]) -> Shared:
    """Order the rows of a shared table by group, as `arrange` orders those of customers.

    Parameters
    ----------
    table : Table
        The contract of the table.
    key : str
        The column that names the group of a row; a row without it belongs to every group.
    columns : mapping of str to sequence (n_rows,)
        As for `arrange`, the key among them; without it every row belongs to every group.

    Returns
    -------
    Shared
    """
    at, arrays, levels = _typed(table, {name: values for name, values in columns.items() if name != key})
    codes, groups = encode(columns.get(key, [None] * len(at)))  # type: ignore[arg-type]
    return share(groups, codes, at, arrays, levels, [*arrays])


def share(
    groups: Sequence[str],
    group: Codes | None,
    at: Instants,
    columns: Mapping[str, Numbers | Codes],
    levels: Mapping[str, Sequence[str]],
    wanted: Collection[str],
) -> Shared:
    """Give every group its rows, and those of no group to every group and to one more at the end.

    Parameters
    ----------
    groups : sequence of str (n_groups,)
        Their names, sorted.
    group : int32 array (n_rows,) or None
        The group of each row, -1 for none; None where rows name none.
    at : int64 array (n_rows,)
        When each row was observed.
    columns : mapping of str to array (n_rows,)
        All values: they decide the order of rows that were observed at one time.
    levels : mapping of str to sequence of str
        The levels of those that are categories.
    wanted : collection of str
        The columns to give.

    Returns
    -------
    Shared
    """
    group = np.full(len(at), NULL_CODE, np.int32) if group is None else group
    of_nobody, named = np.flatnonzero(group == NULL_CODE), np.flatnonzero(group != NULL_CODE)
    n = len(groups) + 1
    rows = np.concatenate([named, np.tile(of_nobody, n)])
    owner = np.concatenate([group[named].astype(np.int64), np.repeat(np.arange(n), len(of_nobody))])
    keys = [owner, *(column[rows] for column in (at, *columns.values()))]
    rows = rows[np.lexsort(keys[::-1])]
    at = at[rows]
    values = {name: columns[name][rows] for name in wanted}
    return Shared(groups, Events(_offsets(owner, n), at, at, values, levels))


def _typed(
    table: Table, columns: Mapping[str, Sequence[object]]
) -> tuple[Instants, dict[str, Numbers | Codes], dict[str, Sequence[str]]]:
    """Turn rows into arrays: their times, their values, and the levels of categories."""
    at = np.array([BEGINNING if value is None else value for value in columns[table.at]], np.int64)
    arrays: dict[str, Numbers | Codes] = {}
    levels: dict[str, Sequence[str]] = {}
    for name in value_columns(table, columns):
        if _kind(table, name, columns[name]) is Kind.CATEGORY:
            arrays[name], levels[name] = encode(columns[name])  # type: ignore[arg-type]
        else:
            # Adding zero turns -0.0 into 0.0, as the store does.
            arrays[name] = np.array([np.nan if v is None else v for v in columns[name]], np.float64) + 0.0
    return at, arrays, levels


def _offsets(owner: npt.NDArray[np.int64], n_owners: int) -> Instants:
    """Return where the rows of each owner begin, and where the last one's end."""
    offsets = np.zeros(n_owners + 1, np.int64)
    np.cumsum(np.bincount(owner, minlength=n_owners), out=offsets[1:])
    return offsets


def value_columns(table: Table, given: Mapping[str, object]) -> list[str]:
    """Names of the columns that carry values: those of the contract in its order, attributes, then times.

    Rows of one instant are ordered by these.  A time may lie in the future, so it decides last: only between
    rows that are equal otherwise, whose order nobody can see.
    """
    own = [column.name for column in table.columns]
    structural = {"customer_id", "event_id", "known_at", table.at}
    kept = [name for name in own if name in given and name not in structural]
    times = [name for name in kept if table.column(name).kind is Kind.TIME]
    values = [name for name in kept if table.column(name).kind not in {Kind.TEXT, Kind.TIME}]
    return values + sorted(set(given) - set(own)) + times


def _kind(table: Table, name: str, values: Sequence[object]) -> Kind:
    """Kind of a column; a declared attribute is a category where its values are text."""
    if name in {column.name for column in table.columns}:
        return table.column(name).kind
    return Kind.CATEGORY if any(isinstance(value, str) for value in values) else Kind.NUMBER

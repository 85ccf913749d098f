"""Buckets of events: what some customers did, each one's events together and in order of time.

A `Bucket` is what the kernel reads.  It comes from three places and looks the same from all of them:
the store (a night's batch), Spark (later) and the body of a request.
"""

from collections.abc import Mapping, Sequence
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
        When each reached us; the same array as ``at`` where nothing came late.
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
        before = np.zeros(len(passed) + 1, np.int64)
        np.cumsum(passed, out=before[1:])
        at = self.at[passed]
        return Events(
            before[self.offsets],
            at,
            at if self.known_at is self.at else self.known_at[passed],
            {name: values[passed] for name, values in self.columns.items()},
            self.levels,
        )


@dataclass(frozen=True)
class Bucket:
    """Some customers and their events, by table; a table that is absent has no events."""

    customer_ids: Sequence[str]
    tables: Mapping[str, Events]

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

    The order is by customer, time, known_at, then every other column in the order of the table's contract,
    nulls last for numbers and first for categories: rows that differ anywhere have one order only,
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
    at = np.array([BEGINNING if value is None else value for value in columns[table.at]], np.int64)
    given = columns.get("known_at", [None] * len(at))
    known_at = np.array([t if k is None else k for k, t in zip(given, at.tolist(), strict=True)], np.int64)
    arrays: dict[str, Numbers | Codes] = {}
    levels: dict[str, Sequence[str]] = {}
    for name in value_columns(table, columns):
        if _kind(table, name, columns[name]) is Kind.CATEGORY:
            arrays[name], levels[name] = encode(columns[name])  # type: ignore[arg-type]
        else:
            # Adding zero turns -0.0 into 0.0, as the store does.
            arrays[name] = np.array([np.nan if v is None else v for v in columns[name]], np.float64) + 0.0
    keys = [customer, at, known_at, *arrays.values()]
    order = np.lexsort(keys[::-1])
    offsets = np.zeros(n_customers + 1, np.int64)
    np.cumsum(np.bincount(customer, minlength=n_customers), out=offsets[1:])
    late = bool((known_at > at).any())
    at = at[order]
    return Events(
        offsets,
        at,
        known_at[order] if late else at,
        {name: values[order] for name, values in arrays.items()},
        levels,
    )


def value_columns(table: Table, given: Mapping[str, object]) -> list[str]:
    """Names of the columns that carry values: those of the contract in its order, then attributes."""
    own = [column.name for column in table.columns]
    structural = {"customer_id", "event_id", "known_at", table.at}
    kept = [name for name in own if name in given and name not in structural]
    return [n for n in kept if table.column(n).kind is not Kind.TEXT] + sorted(set(given) - set(own))


def _kind(table: Table, name: str, values: Sequence[object]) -> Kind:
    """Kind of a column; a declared attribute is a category where its values are text."""
    if name in {column.name for column in table.columns}:
        return table.column(name).kind
    return Kind.CATEGORY if any(isinstance(value, str) for value in values) else Kind.NUMBER

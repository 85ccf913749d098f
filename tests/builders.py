"""Customers in words: what each did and when, and how the market stood, as rows, as a bucket, as answers.

>>> ada = customer("ada").bought("2024-01-05", 12.50, channel="web").returned("2024-01-09", 12.50)
>>> [row["amount"] for row in ada.rows["purchases"]]
[1250, -1250]
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from features import events, panel
from features.events import Bucket
from features.language import FeatureSet
from features.selection import contract_of
from features.tables import SHARED, TABLES, Kind
from features.windows import BEGINNING, parse_instant

ATTRIBUTES = {
    "customers": {"tier": Kind.CATEGORY, "children": Kind.NUMBER},
    "market": {"price_index": Kind.NUMBER, "unemployment": Kind.NUMBER},
}
"""What our customers and our market are described by beyond the contracts of the tables."""

STRUCTURAL = {"customer_id", "event_id", "known_at"}


def kinds_of(table: str) -> dict[str, Kind]:
    """Columns that carry the values of a table, with what they are; free text is never a feature."""
    contract = contract_of(table)
    own = {c.name: c.kind for c in contract.columns if c.name not in STRUCTURAL | {contract.at}}
    values = {name: kind for name, kind in own.items() if kind is not Kind.TEXT}
    return values | ATTRIBUTES.get(table, {})


TABLES_WITH_CUSTOMERS = tuple(name for name, table in TABLES.items() if "customer_id" in table.required)
COLUMNS = {table: frozenset(kinds_of(table)) for table in (*TABLES_WITH_CUSTOMERS, *SHARED)}
"""Everything that a business can have: what the catalogue is asked about."""

Row = dict[str, object]
Rows = Mapping[str, Sequence[Row]]


@dataclass(frozen=True)
class Customer:
    """One customer and what happened to them; every sentence gives a customer who did one thing more."""

    name: str
    rows: dict[str, list[Row]] = field(default_factory=dict)

    def did(
        self, table: str, at: str | int | None, *, known: str | int | None = None, **values
    ) -> "Customer":
        row = row_of(table, at, known=known, **values)
        return replace(self, rows=self.rows | {table: [*self.rows.get(table, []), row]})

    def bought(self, at: str | int, amount: float, **values) -> "Customer":
        return self.did("purchases", at, amount=round(amount * 100), **values)

    def returned(self, at: str | int, amount: float, **values) -> "Customer":
        return self.bought(at, -amount, **values)

    def contacted(self, at: str | int, kind: str, channel: str = "phone", **values) -> "Customer":
        return self.did("contacts", at, kind=kind, channel=channel, **values)

    def subscribed(self, at: str | int, plan: str, **values) -> "Customer":
        return self.did("subscriptions", at, plan=plan, **values)

    def answered(self, at: str | int, score: float | None = None, **values) -> "Customer":
        return self.did("surveys", at, **{"question": "satisfied?", "score": score} | values)

    def approached(self, at: str | int, campaign: str = "spring", arm: str = "offer", **values) -> "Customer":
        return self.did("campaigns", at, campaign=campaign, arm=arm, **values)

    def left(self, at: str | int, reason: str | None = None, **values) -> "Customer":
        return self.did("exits", at, reason=reason, **values)

    def living(self, household: str | None, valid_from: str | int | None = None, **values) -> "Customer":
        return self.described(valid_from, household_id=household, **values)

    def described(self, valid_from: str | int | None = None, **values) -> "Customer":
        return self.did("customers", valid_from, **values)

    def only(self, keep: Callable[[Row], bool]) -> "Customer":
        return replace(self, rows=_only(self.rows, keep))

    def __add__(self, other: "Customer") -> "Customer":
        return replace(self, rows=_joined(self.rows, other.rows))


def customer(name: str) -> Customer:
    """A customer who has done nothing yet."""
    return Customer(name)


@dataclass(frozen=True)
class World:
    """Some customers, and the rows that are nobody's own."""

    customers: Sequence[Customer]
    shared: Rows = field(default_factory=dict)

    def only(self, keep: Callable[[Row], bool]) -> "World":
        return World([one.only(keep) for one in self.customers], _only(self.shared, keep))

    def map(self, change: Callable[[str, Row], Row]) -> "World":
        """Another row of the same table in place of each."""
        customers = [replace(one, rows=_changed(one.rows, change)) for one in self.customers]
        return World(customers, _changed(self.shared, change))

    def __add__(self, other: "World") -> "World":
        """What both say of the same customers, and of the market."""
        pairs = zip(self.customers, other.customers, strict=True)
        return World([one + more for one, more in pairs], _joined(self.shared, other.shared))

    def plus(self, more: Customer) -> "World":
        """The world in which the first customer did what is said as well, and with rows that are nobody's."""
        first, *others = self.customers
        own = {table: rows for table, rows in more.rows.items() if table not in SHARED}
        nobodys = {table: rows for table, rows in more.rows.items() if table in SHARED}
        return World([first + replace(more, rows=own), *others], _joined(self.shared, nobodys))

    def bucket(self, order: Callable[[list], Iterable] = list) -> Bucket:
        return bucket_of(self.customers, order, self.shared)


def _only(tables: Rows, keep: Callable[[Row], bool]) -> dict[str, list[Row]]:
    return {table: [row for row in rows if keep(row)] for table, rows in tables.items()}


def _changed(tables: Rows, change: Callable[[str, Row], Row]) -> dict[str, list[Row]]:
    return {table: [change(table, row) for row in rows] for table, rows in tables.items()}


def _joined(one: Rows, other: Rows) -> dict[str, list[Row]]:
    return {table: [*one.get(table, []), *other.get(table, [])] for table in {**one, **other}}


def row_of(table: str, at: str | int | None, *, known: str | int | None = None, **values) -> Row:
    """A row in words, as ``row_of("market", "2024-01-01", region="north", unemployment=5.1)``."""
    times = {name: moment(values[name]) for name in times_of(table) & set(values)}
    return {"at": moment(at), "known_at": moment(known)} | values | times


def times_of(table: str) -> set[str]:
    """The time columns of a table beside those that every row has."""
    return {name for name, kind in kinds_of(table).items() if kind is Kind.TIME}


def moment(when: str | int | None) -> int | None:
    """An instant from ISO 8601 text; instants and None stay as they are."""
    return parse_instant(when) if isinstance(when, str) else when


def happened(row: Row) -> int:
    return BEGINNING if row["at"] is None else row["at"]


def became_known(row: Row) -> int:
    """When a row was a known fact; what is announced is one once it happens."""
    return happened(row) if row["known_at"] is None else max(happened(row), row["known_at"])


def visible(cutoff: int) -> Callable[[Row], bool]:
    """Whether a row had happened and was known before a cutoff."""
    return lambda row: happened(row) < cutoff and became_known(row) < cutoff


def bucket_of(
    customers: Sequence[Customer], order: Callable[[list], Iterable] = list, shared: Rows | None = None
) -> Bucket:
    """The bucket of some customers and rows of shared tables; ``order``: in which order the rows arrive."""
    arriving = defaultdict(list)
    for position, one in enumerate(customers):
        for table, rows in one.rows.items():
            arriving[table] += [(position, row) for row in rows]
    tables = {
        table: _events(table, len(customers), list(order(arriving[table]))) for table in TABLES_WITH_CUSTOMERS
    }
    nobodys = {table: _shared(table, list(order((shared or {}).get(table, [])))) for table in SHARED}
    return Bucket([one.name for one in customers], tables, nobodys)


def _events(table: str, n_customers: int, rows: list[tuple[int, Row]]) -> events.Events:
    positions = np.array([position for position, _ in rows], np.int64)
    columns = _columns(table, [row for _, row in rows])
    columns["known_at"] = [row["known_at"] for _, row in rows]
    return events.arrange(TABLES[table], n_customers, positions, columns)


def _shared(table: str, rows: list[Row]) -> events.Shared:
    return events.arrange_shared(SHARED[table].table, SHARED[table].key, _columns(table, rows))


def _columns(table: str, rows: list[Row]) -> dict[str, list]:
    columns = {name: [row.get(name) for row in rows] for name in kinds_of(table)}
    return columns | {contract_of(table).at: [row["at"] for row in rows]}


Answers = dict[tuple[str, int], dict[str, str]]


def answers(features: FeatureSet, bucket: Bucket, cutoffs: Sequence[int]) -> Answers:
    """Every feature by (customer, cutoff), exact to the last bit; categories as their text."""
    found = panel.panel_of(features, bucket, np.array(cutoffs, np.int64))
    return read(found)


def read(found: panel.Panel) -> Answers:
    """Every value of a panel by (customer, cutoff), exact to the last bit; categories as their text."""
    bits = found.numbers.view(np.uint64)
    said: Answers = {}
    for row, (who, cutoff) in enumerate(zip(found.customers, found.cutoffs, strict=True)):
        said[found.customer_ids[who], int(cutoff)] = {
            name: _text(found, name, found.numbers[row, place], bits[row, place])
            for place, name in enumerate(found.features.names)
        }
    return said


def _text(found: panel.Panel, name: str, number: float, bits: int) -> str:
    if name in found.levels and not np.isnan(number):
        return found.levels[name][int(number)]
    return f"{float(number)!r} ({bits:016x})"

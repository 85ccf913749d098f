"""Customers in words: what each did and when, as rows, as a bucket, as answers.

>>> ada = customer("ada").bought("2024-01-05", 12.50, channel="web").returned("2024-01-09", 12.50)
>>> [row["amount"] for row in ada.rows["purchases"]]
[1250, -1250]
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from features import events, panel
from features.events import Bucket
from features.language import FeatureSet
from features.tables import CUSTOMERS, TABLES, Kind
from features.windows import BEGINNING, parse_instant

ATTRIBUTES = {"tier": Kind.CATEGORY, "children": Kind.NUMBER}
"""What our customers are described by beyond the contract of the table."""

STRUCTURAL = {"customer_id", "event_id", "known_at"}


def kinds_of(table: str) -> dict[str, Kind]:
    """Columns that carry the values of a table, with what they are; free text is never a feature."""
    contract = TABLES[table]
    own = {c.name: c.kind for c in contract.columns if c.name not in STRUCTURAL | {contract.at}}
    values = {name: kind for name, kind in own.items() if kind is not Kind.TEXT}
    return values | ATTRIBUTES if contract is CUSTOMERS else values


TABLES_WITH_CUSTOMERS = tuple(name for name, table in TABLES.items() if "customer_id" in table.required)
COLUMNS = {table: frozenset(kinds_of(table)) for table in TABLES_WITH_CUSTOMERS}
"""Everything that a business can have: what the catalogue is asked about."""

Row = dict[str, object]


@dataclass(frozen=True)
class Customer:
    """One customer and what happened to them; every sentence gives a customer who did one thing more."""

    name: str
    rows: dict[str, list[Row]] = field(default_factory=dict)

    def did(
        self, table: str, at: str | int | None, *, known: str | int | None = None, **values
    ) -> "Customer":
        times = {name for name, kind in kinds_of(table).items() if kind is Kind.TIME} & set(values)
        row = {"at": moment(at), "known_at": moment(known), **values}
        row |= {name: moment(values[name]) for name in times}
        return replace(self, rows=self.rows | {table: [*self.rows.get(table, []), row]})

    def bought(self, at: str | int, amount: float, **values) -> "Customer":
        return self.did("purchases", at, amount=round(amount * 100), **values)

    def returned(self, at: str | int, amount: float, **values) -> "Customer":
        return self.bought(at, -amount, **values)

    def contacted(self, at: str | int, kind: str, channel: str = "phone", **values) -> "Customer":
        return self.did("contacts", at, kind=kind, channel=channel, **values)

    def subscribed(self, at: str | int, plan: str, **values) -> "Customer":
        return self.did("subscriptions", at, plan=plan, **values)

    def described(self, valid_from: str | int | None = None, **values) -> "Customer":
        return self.did("customers", valid_from, **values)

    def only(self, keep: Callable[[Row], bool]) -> "Customer":
        return replace(self, rows={t: [row for row in rows if keep(row)] for t, rows in self.rows.items()})

    def __add__(self, other: "Customer") -> "Customer":
        tables = {**self.rows, **other.rows}
        return replace(self, rows={t: [*self.rows.get(t, []), *other.rows.get(t, [])] for t in tables})


def customer(name: str) -> Customer:
    """A customer who has done nothing yet."""
    return Customer(name)


def moment(when: str | int | None) -> int | None:
    """An instant from ISO 8601 text; instants and None stay as they are."""
    return parse_instant(when) if isinstance(when, str) else when


def happened(row: Row) -> int:
    return BEGINNING if row["at"] is None else row["at"]


def became_known(row: Row) -> int:
    return happened(row) if row["known_at"] is None else row["known_at"]


def visible(cutoff: int) -> Callable[[Row], bool]:
    """Whether a row had happened and was known before a cutoff."""
    return lambda row: happened(row) < cutoff and became_known(row) < cutoff


def bucket_of(customers: Sequence[Customer], order: Callable[[list], Iterable] = list) -> Bucket:
    """The bucket of some customers; ``order`` says in which order their rows arrive."""
    arriving = defaultdict(list)
    for position, one in enumerate(customers):
        for table, rows in one.rows.items():
            arriving[table] += [(position, row) for row in rows]
    tables = {table: _events(table, len(customers), list(order(arriving[table]))) for table in COLUMNS}
    return Bucket([one.name for one in customers], tables)


def _events(table: str, n_customers: int, rows: list[tuple[int, Row]]) -> events.Events:
    columns = {name: [row.get(name) for _, row in rows] for name in kinds_of(table)}
    columns |= {
        TABLES[table].at: [row["at"] for _, row in rows],
        "known_at": [row["known_at"] for _, row in rows],
    }
    positions = np.array([position for position, _ in rows], np.int64)
    return events.arrange(TABLES[table], n_customers, positions, columns)


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

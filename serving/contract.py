"""What goes over the wire: requests in, scores out.

A request is checked against the tables of the product: a name that no table has is an error with the nearest
name.  A legal column that this business does not map is checked too and then ignored, because the store and
the models know nothing of it.

The same customer id may come twice; both are answered, in the order of the request.
Events at or after the cutoff are legal; no feature sees them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pyarrow as pa

from features.business import Business
from features.errors import did_you_mean
from features.events import NULL_CODE, Bucket, Events, arrange
from features.tables import TABLES, Kind, Table
from features.windows import to_datetime
from serving.documents import Problems, Repeated, RequestRejected, parse
from serving.values import Reader, Unreadable, attribute, has_offset, identifier, readers

EVENT_TABLES = tuple(name for name in TABLES if name not in {"customers", "market"})
"""The tables whose rows a customer of a request may carry."""

Kinds = Mapping[str, Mapping[str, Kind]]
Path = Callable[[], str]


@dataclass(frozen=True)
class Limits:
    """How much one request may hold."""

    customers: int = 1_000
    events: int = 100_000


@dataclass(frozen=True)
class ScoreRequest:
    """Customers with their events, and the cutoff they are asked about (an instant)."""

    bucket: Bucket
    cutoff: int


@dataclass(frozen=True)
class _Plan:
    """How the rows of one table are read: the reader of every legal field, and the columns that are kept.

    ``times`` are those that may come without an offset.
    """

    table: Table
    readers: Mapping[str, Reader]
    required: frozenset[str]
    kept: tuple[str, ...]
    times: frozenset[str]
    attributes: Mapping[str, Kind | None]


class Contract:
    """Reads requests for one business.

    Parameters
    ----------
    business : Business
        Its tables, attributes, currency and timezone.
    kinds : mapping of table to mapping of attribute to Kind
        Kinds of attributes that business.toml leaves open, as the model learned them.
    limits : Limits
        How much one request may hold.
    """

    def __init__(self, business: Business, kinds: Kinds | None = None, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        by_kind = readers(business.minor_digits, business.business.timezone)
        self._time = by_kind[Kind.TIME]
        self._plans = {
            name: _plan(business, TABLES[name], by_kind, (kinds or {}).get(name, {}))
            for name in ("customers", *EVENT_TABLES)
        }
        self._mapped = frozenset(business.tables)

    def score_request(self, body: bytes, now: int) -> ScoreRequest:
        """Read the body of ``POST /v1/score``.

        Parameters
        ----------
        body : bytes
            ``{"customers": [{"customer_id", …, "purchases": [{…}]}], "cutoff": "…"}``.
        now : int
            The instant of the request: the cutoff unless the body gives one.

        Raises
        ------
        RequestRejected
            The body is not such a document (400) or holds too many rows (413).
        """
        problems = Problems()
        document = _document(body, ("customers",), ("cutoff",), problems)
        cutoff = now
        if document.get("cutoff") is not None:
            try:
                cutoff = int(self._time(document["cutoff"]))  # type: ignore[call-overload]
            except Unreadable as reason:
                problems.add("cutoff", str(reason))
        customers = _rows(document.get("customers"), "customers", problems)
        self._refuse_too_many(customers)
        reading = _Reading(self._plans, problems)
        for position, customer in enumerate(customers):
            reading.customer(position, customer)
        problems.settle()
        return ScoreRequest(reading.bucket(self._mapped), cutoff)

    def lookup_request(self, body: bytes) -> list[str]:
        """Read the body of ``POST /v1/lookup``: ``{"customer_ids": ["…"]}``.

        Raises
        ------
        RequestRejected
            The body is not such a document (400) or holds too many ids (413).
        """
        problems = Problems()
        document = _document(body, ("customer_ids",), (), problems)
        ids = _rows(document.get("customer_ids"), "customer_ids", problems)
        if len(ids) > self.limits.customers:
            raise _too_many("customer ids", self.limits.customers)
        for position, value in enumerate(ids):
            try:
                identifier(value)
            except Unreadable as reason:
                problems.add(f"customer_ids[{position}]", str(reason))
        problems.settle()
        return [str(value) for value in ids]

    def _refuse_too_many(self, customers: Sequence[object]) -> None:
        """Count rows before reading any."""
        if len(customers) > self.limits.customers:
            raise _too_many("customers", self.limits.customers)
        events = sum(
            len(rows)
            for customer in customers
            if isinstance(customer, dict)
            for rows in customer.values()
            if isinstance(rows, list)
        )
        if events > self.limits.events:
            raise _too_many("events", self.limits.events)


class _Reading:
    """The rows of one request, column by column."""

    def __init__(self, plans: Mapping[str, _Plan], problems: Problems) -> None:
        self._plans = plans
        self._problems = problems
        self._ids: list[str] = []
        self._with_offset: dict[str, set[bool]] = {}
        self._rows: dict[str, list[tuple[int, dict[str, object]]]] = {name: [] for name in plans}

    def customer(self, position: int, given: object) -> None:
        """Read one customer: profile columns directly, events by table."""
        where = f"customers[{position}]"
        if not isinstance(given, dict):
            self._problems.add(where, "must be an object")
            return
        profile = {name: value for name, value in given.items() if name not in EVENT_TABLES}
        shaped: dict[str, object] = Repeated(profile) if isinstance(given, Repeated) else profile
        plan = self._plans["customers"]
        values = self._fields(plan, shaped, lambda: where, (*plan.readers, *EVENT_TABLES))
        self._ids.append(str(values.get("customer_id", "")))
        if any(name in plan.kept for name in profile):
            self._rows["customers"].append((position, values))
        for name in EVENT_TABLES:
            if name in given:
                self._events(position, name, given[name])

    def bucket(self, mapped: frozenset[str]) -> Bucket:
        """Arrange what was read as the store would; tables that the business does not have are left out."""
        for column, seen in self._with_offset.items():
            if len(seen) > 1:
                self._problems.add(f"customers[*].{column}", "has an offset in some rows and none in others")
        tables = {name: self._arranged(name) for name in self._rows if name in mapped}
        self._problems.settle()
        return Bucket(self._ids, tables)

    def _events(self, position: int, name: str, given: object) -> None:
        """Read the events of one table; the same event id with the same content counts once."""
        where = f"customers[{position}].{name}"
        plan, kept = self._plans[name], self._rows[name]
        seen: dict[object, dict[str, object]] = {}
        for index, row in enumerate(_rows(given, where, self._problems)):
            values = self._fields(plan, row, lambda index=index: f"{where}[{index}]", plan.readers)  # type: ignore[misc]
            event = values.get("event_id")
            if event is not None:
                first = seen.setdefault(event, values)
                if first is not values:
                    if first != values:
                        self._problems.add(
                            f"{where}[{index}].event_id", "is the id of an earlier event with other content"
                        )
                    continue
            kept.append((position, values))

    def _fields(
        self, plan: _Plan, row: object, path: Path, known: Mapping[str, object] | Sequence[str]
    ) -> dict[str, object]:
        """Read the fields of one row."""
        if not isinstance(row, dict):
            self._problems.add(path(), "must be an object")
            return {}
        if isinstance(row, Repeated):
            self._problems.add(path(), "names a field twice")
        values: dict[str, object] = {}
        for name, value in row.items():
            reader = plan.readers.get(name)
            if reader is None:
                self._problems.add(path(), f"has a field that is not known. {did_you_mean(name, known)}")
            elif value is not None:
                try:
                    values[name] = reader(value)
                except Unreadable as reason:
                    self._problems.add(f"{path()}.{name}", str(reason))
                    values[name] = _REFUSED
        self._note_offsets(plan, row, values)
        for name in plan.required:
            if values.get(name) is None:
                self._problems.add(f"{path()}.{name}", "is required")
        return values

    def _note_offsets(self, plan: _Plan, row: Mapping[str, object], values: Mapping[str, object]) -> None:
        """Remember which columns of times come with an offset; one column must be of one kind."""
        for name in plan.times:
            if values.get(name, _REFUSED) is not _REFUSED:
                seen = self._with_offset.setdefault(f"{plan.table.name}.{name}", set())
                seen.add(has_offset(row[name]))

    def _arranged(self, name: str) -> Events:
        """Arrange the rows of one table."""
        plan, rows = self._plans[name], self._rows[name]
        customer = np.array([position for position, _ in rows], np.int64)
        columns: dict[str, list[object]] = {
            column: [values.get(column) for _, values in rows] for column in plan.kept
        }
        for column, kind in plan.attributes.items():
            if kind is None and len({isinstance(v, str) for v in columns[column] if v is not None}) > 1:
                self._problems.add(f"customers[*].{column}", "is text for some and a number for others")
                columns[column] = [None] * len(rows)
        events = arrange(plan.table, len(self._ids), customer, columns)
        for column, kind in plan.attributes.items():
            if kind is Kind.CATEGORY and column not in events.levels:
                # Nobody gave it, so nothing showed that it is a category.
                events.columns[column] = np.full(len(rows), NULL_CODE, np.int32)  # type: ignore[index]
                events.levels[column] = []  # type: ignore[index]
        return events


_REFUSED = object()
"""Stands for a value that was refused, so that it does not count as missing as well."""


def records(scores: pa.Table) -> list[dict[str, object]]:
    """Turn a table of scores into JSON values: times as ISO 8601 with Z, nulls as None.

    Examples
    --------
    >>> records(pa.table({"cutoff": pa.array([0], pa.timestamp("us", "UTC")), "eligible": [True]}))
    [{'cutoff': '1970-01-01T00:00:00Z', 'eligible': True}]
    """
    columns = {name: _values(scores[name]) for name in scores.column_names}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _values(column: pa.ChunkedArray) -> list[object]:
    """Return the JSON values of one column."""
    if not pa.types.is_timestamp(column.type):
        return list(column.to_pylist())
    instants = column.cast(pa.timestamp("us", column.type.tz)).cast(pa.int64()).to_pylist()
    texts = {instant: None if instant is None else iso(instant) for instant in set(instants)}
    return [texts[instant] for instant in instants]


def iso(instant: int) -> str:
    """Write an instant as ISO 8601 with Z, midnight included.

    Examples
    --------
    >>> iso(0)
    '1970-01-01T00:00:00Z'
    """
    moment: datetime = to_datetime(instant)
    return moment.isoformat().replace("+00:00", "Z")


def _plan(
    business: Business, table: Table, by_kind: Mapping[Kind, Reader], learned: Mapping[str, Kind]
) -> _Plan:
    """Say how the rows of a table are read."""
    own = {column.name: column.kind for column in table.columns}
    legal = {name: by_kind[kind] for name, kind in own.items()}
    required = set(table.required)
    if table.name != "customers":
        # The customer is the object that the event lies in.
        del legal["customer_id"]
        required.discard("customer_id")
    declared = business.attribute_kinds(table.name)
    attributes = {n: k or learned.get(n) for n, k in declared.items() if n not in own}
    for name, kind in attributes.items():
        legal[name] = attribute if kind is None else by_kind[kind]
    mapped = business.columns_of(table.name)
    kept = [name for name in legal if name in mapped or name in {table.at, "known_at"}]
    zoned = business.business.timezone is not None
    return _Plan(
        table,
        legal,
        frozenset(required),
        tuple(name for name in kept if name != "customer_id"),
        frozenset(name for name, kind in own.items() if zoned and kind is Kind.TIME),
        attributes,
    )


def _document(
    body: bytes, required: tuple[str, ...], optional: tuple[str, ...], problems: Problems
) -> dict[str, object]:
    """Read the outermost object of a request."""
    document = parse(body)
    if not isinstance(document, dict):
        raise RequestRejected(
            "The body is not a JSON object.", fields=[{"path": "", "problem": "must be an object"}]
        )
    if isinstance(document, Repeated):
        problems.add("", "names a field twice")
    for name in document:
        if name not in required and name not in optional:
            advice = did_you_mean(name, (*required, *optional))
            problems.add("", f"has a field that is not known. {advice}")
    for name in required:
        if document.get(name) is None:
            problems.add(name, "is required")
    return document


def _rows(given: object, path: str, problems: Problems) -> list[object]:
    """Return a list of the body; anything else is a problem, null is none."""
    if given is None:
        return []
    if not isinstance(given, list):
        problems.add(path, "must be a list")
        return []
    return given


def _too_many(what: str, limit: int) -> RequestRejected:
    """Refuse a request that holds too many rows."""
    return RequestRejected(
        f"The request holds more than {limit} {what}. Send several smaller ones.",
        status=413,
        code="too_many_rows",
    )

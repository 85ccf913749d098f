"""Census: what the tables of a store hold, counted in one pass, a bucket at a time.

Missing values, days, delays and links between tables are counted over every row.
What needs the values themselves looks at a sample of at most `SAMPLE_ROWS` rows of a table, every k-th row
of each bucket, so that it is the same for the same store.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from features.events import NULL_CODE, Bucket, Codes, Events, Instants, Numbers
from features.panel import each_bucket
from features.store import Store, TableRecord
from features.tables import SHARED, Kind
from features.windows import BEGINNING, MICROSECONDS_PER_DAY

SAMPLE_ROWS = 200_000

Columns = Mapping[str, Numbers | Codes | Instants]


@dataclass
class TableCensus:
    """What one table holds.

    Attributes
    ----------
    name : str
    record : TableRecord
        What the build counted.
    kinds : dict of str to Kind
        The columns that were looked at; free texts are not.
    rows : int
        How many rows were seen; those of a shared table once for each group that they concern.
    known : Counter
        For each column how many rows fill it.
    days : Counter
        How many rows there are on each day (UTC), in days since 1970.
    newest : int
        The newest instant before ``observed_until`` in any time column: a contract's end is a fact as well.
    delays : Counter
        How many rows became known so many whole days after they happened.
    arrivals : Counter
        How many of the rows that came a day or more late became known on each day (UTC).
    parts : list of mapping
        The sample, by bucket: columns, and ``"at"``.
    """

    name: str
    record: TableRecord
    kinds: dict[str, Kind]
    rows: int = 0
    known: Counter[str] = field(default_factory=Counter)
    days: Counter[int] = field(default_factory=Counter)
    newest: int = BEGINNING
    delays: Counter[int] = field(default_factory=Counter)
    arrivals: Counter[int] = field(default_factory=Counter)
    parts: list[Columns] = field(default_factory=list)

    def sample(self, column: str) -> npt.NDArray[np.float64]:
        """Values of a column in the sample, or of ``"at"``; NaN where not known."""
        values = np.concatenate([np.asarray(part[column], np.float64) for part in self.parts])
        if self.kinds.get(column) is Kind.CATEGORY:
            values[values == NULL_CODE] = np.nan
        return values

    def add(self, part: "TableCensus") -> None:
        """Add what a bucket holds."""
        self.rows += part.rows
        self.newest = max(self.newest, part.newest)
        for name in ("known", "days", "delays", "arrivals"):
            getattr(self, name).update(getattr(part, name))
        self.parts += part.parts


@dataclass
class Links:
    """Which customers appear in which tables.

    Attributes
    ----------
    customers, described, active : int
        All customers; those with a row in ``customers``; those with a row in any other table.
    active_not_described, described_not_active : int
    appearing, strangers : Counter
        By table: the customers in it; those of them who are in neither ``customers`` nor ``purchases`` nor
        ``subscriptions``.
    purchases_without_household : int
    regions_without_market, with_region : int
        Customers whose region the table ``market`` does not know, and customers with a region.
    """

    customers: int = 0
    described: int = 0
    active: int = 0
    active_not_described: int = 0
    described_not_active: int = 0
    appearing: Counter[str] = field(default_factory=Counter)
    strangers: Counter[str] = field(default_factory=Counter)
    purchases_without_household: int = 0
    regions_without_market: int = 0
    with_region: int = 0

    def add(self, part: "Links") -> None:
        """Add what a bucket holds."""
        for name, value in vars(part).items():
            if isinstance(value, Counter):
                getattr(self, name).update(value)
            else:
                setattr(self, name, getattr(self, name) + value)


@dataclass(frozen=True)
class Census:
    """What a store holds: its tables, the links between them, and the store to look up words in."""

    store: Store
    tables: Mapping[str, TableCensus]
    links: Links


def take(store: Store) -> Census:
    """Count everything once.

    Parameters
    ----------
    store : Store

    Returns
    -------
    Census
    """
    records = {name: store.manifest.tables[name] for name in store.tables}
    kinds = {name: _kinds(name, record) for name, record in records.items()}
    wanted = {name: frozenset(columns) for name, columns in kinds.items()}
    tables = {name: TableCensus(name, records[name], kinds[name]) for name in records}
    links = Links()

    def work(bucket: Bucket) -> tuple[list[TableCensus], Links]:
        parts = []
        for name, whole in tables.items():
            events = bucket.shared[name].events if name in SHARED else bucket.events(name)
            part = TableCensus(name, whole.record, whole.kinds)
            parts.append(_count(part, events, store.observed_until))
        return parts, _link(store, bucket, wanted)

    for number, (parts, linked) in enumerate(each_bucket(store, wanted, work)):
        links.add(linked)
        for part in parts:
            # Every bucket brings all of a shared table.
            if number == 0 or part.name not in SHARED:
                tables[part.name].add(part)
    return Census(store, tables, links)


def words(census: Census, table: str, column: str, codes: Collection[int]) -> list[str]:
    """Return the texts of some codes of a category column."""
    levels = census.store.levels(table, column)
    return [levels[code] for code in codes]


def _kinds(table: str, record: TableRecord) -> dict[str, Kind]:
    """Columns to look at: free texts say nothing here, and the key of a shared table is not read."""
    key = SHARED[table].key if table in SHARED else None
    kinds = {column: Kind(kind) for column, kind in record.columns.items()}
    return {column: kind for column, kind in kinds.items() if kind is not Kind.TEXT and column != key}


def _count(part: TableCensus, events: Events, until: int) -> TableCensus:
    """Count the rows of one table in one bucket."""
    part.rows = len(events.at)
    times = [events.at, *(events.columns[c] for c, kind in part.kinds.items() if kind is Kind.TIME)]
    part.newest = max(int(np.max(time, where=time < until, initial=BEGINNING)) for time in times)
    for column, kind in part.kinds.items():
        values = events.columns[column]
        missing = values == NULL_CODE if kind is Kind.CATEGORY else np.isnan(values)
        part.known[column] = part.rows - int(missing.sum())
    dated = events.at > BEGINNING
    part.days.update(_tally(events.at[dated] // MICROSECONDS_PER_DAY))
    if events.known_at is events.at:
        part.delays.update({0: int(dated.sum())})
    else:
        delays = (events.known_at - events.at)[dated] // MICROSECONDS_PER_DAY
        part.delays.update(_tally(delays))
        part.arrivals.update(_tally(events.known_at[dated][delays >= 1] // MICROSECONDS_PER_DAY))
    step = max(1, -(-part.record.stored // SAMPLE_ROWS))
    part.parts = [{"at": events.at[::step], **{c: events.columns[c][::step] for c in part.kinds}}]
    return part


def _tally(values: Instants) -> dict[int, int]:
    """How often each value occurs."""
    found, counts = np.unique(values, return_counts=True)
    return dict(zip(found.tolist(), counts.tolist(), strict=True))


def _link(store: Store, bucket: Bucket, wanted: Mapping[str, Collection[str]]) -> Links:
    """Count which customers of a bucket appear where."""
    own = [name for name in wanted if name not in SHARED]
    appears = {name: np.diff(bucket.events(name).offsets) > 0 for name in own}
    nobody = np.zeros(len(bucket), np.bool_)
    described = appears.get("customers", nobody)
    active = np.logical_or.reduce(
        [nobody, *(there for name, there in appears.items() if name != "customers")]
    )
    at_home = described | appears.get("purchases", nobody) | appears.get("subscriptions", nobody)
    links = Links(
        len(bucket),
        int(described.sum()),
        int(active.sum()),
        int((active & ~described).sum()),
        int((described & ~active).sum()),
        Counter({name: int(there.sum()) for name, there in appears.items()}),
        Counter({name: int((there & ~at_home).sum()) for name, there in appears.items()}),
    )
    if "household_id" in wanted.get("customers", ()) and "purchases" in wanted:
        housed = _newest(bucket.events("customers"), "household_id") != NULL_CODE
        links.purchases_without_household = int(np.diff(bucket.events("purchases").offsets)[~housed].sum())
    if "region" in wanted.get("customers", ()) and "market" in wanted:
        groups = bucket.shared["market"].groups
        links.with_region, links.regions_without_market = _unmatched(store, bucket, groups)
    return links


def _newest(events: Events, column: str) -> npt.NDArray[np.int32]:
    """Code of a category on the newest row of each customer that fills it."""
    codes = np.asarray(events.columns[column])
    rows = np.flatnonzero(codes != NULL_CODE)
    owner = np.searchsorted(events.offsets, rows, side="right") - 1
    newest = np.full(len(events.offsets) - 1, NULL_CODE, np.int32)
    newest[owner] = codes[rows]
    return newest


def _unmatched(store: Store, bucket: Bucket, groups: Sequence[str]) -> tuple[int, int]:
    """How many customers have a region, and how many one that the market does not know."""
    codes = _newest(bucket.events("customers"), "region")
    codes = codes[codes != NULL_CODE]
    if not groups:
        return len(codes), 0
    known = set(groups)
    levels = store.levels("customers", "region")
    strange = np.array([level not in known for level in levels], np.bool_)
    return len(codes), int(strange[codes].sum()) if len(codes) else 0

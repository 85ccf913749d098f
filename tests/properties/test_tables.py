"""Every table goes from its source into the store, and comes out as its rows say, whatever they hold."""

import csv
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from shops import GOOD, HEADER, built, shop

from features.errors import DataError
from features.events import arrange, arrange_shared
from features.store import Store
from features.tables import MARKET, TABLES, Kind
from features.windows import to_instant

LAW = settings(max_examples=10)
ATTRIBUTES = {"tier": Kind.CATEGORY, "children": Kind.NUMBER, "card": Kind.FLAG}
EPOCH = datetime(2024, 1, 1, tzinfo=UTC)

VALUES = {
    Kind.TIME: st.none() | st.integers(0, 3).map(lambda n: EPOCH + timedelta(days=n)),
    Kind.MONEY: st.sampled_from([None, 0, 50, -50, 10**12]),
    Kind.NUMBER: st.sampled_from([None, 0.0, -1.5, 0.1, 1e9]),
    Kind.FLAG: st.sampled_from([None, 0.0, 1.0]),
    Kind.CATEGORY: st.sampled_from([None, "a", "B", "é", "NA"]),
    Kind.TEXT: st.sampled_from([None, "x", 'it\'s "so", they said\n']),
}
HAPPENED = st.integers(0, 3).map(lambda n: EPOCH + timedelta(hours=n))
NAMES = ("ada", "bob", "cem", "dua")


def kinds_of(table):
    """Every column of a table but event_id: rows without one are never repeats."""
    own = {column.name: column.kind for column in TABLES[table].columns if column.name != "event_id"}
    return own | ATTRIBUTES if table == "customers" else own


def rows_of(table):
    """Rows with every column of a table; where facts hold from a time on there is one for each time."""
    contract = TABLES[table]
    columns = {name: VALUES[kind] for name, kind in kinds_of(table).items() if kind is not Kind.ID}
    for name in contract.required:
        columns[name] = HAPPENED if name == contract.at else columns.get(name, st.none()).filter(lambda v: v)
    columns["customer_id"] = st.sampled_from(NAMES)
    if table == "customers":
        # What an attribute is when nobody has it, `arrange` cannot know.
        columns["tier"] = st.sampled_from(["a", "B", "é", "NA"])
    unique = (lambda row: (row["customer_id"], row["valid_from"])) if table == "customers" else None
    return st.lists(st.fixed_dictionaries(columns), min_size=1, max_size=8, unique_by=unique)


def written(value, kind):
    """What a person writes into a CSV file."""
    if value is None:
        return ""
    if kind is Kind.TIME:
        return value.isoformat()
    if kind is Kind.MONEY:
        return f"{value / 100:.2f}"
    return str(bool(value)).lower() if kind is Kind.FLAG else value


def write(path, rows, kinds):
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(kinds)
        writer.writerows([[written(row[name], kind) for name, kind in kinds.items()] for row in rows])


def shop_with(folder, tables):
    """A shop with further tables, each in a CSV file whose columns have our names."""
    (folder / "purchases.csv").write_text(HEADER + GOOD)
    declared = {}
    for table, (rows, kinds) in tables.items():
        write(folder / f"{table}.csv", rows, kinds)
        own = {column.name for column in TABLES[table].columns}
        declared[table] = {
            "source": f"{table}.csv",
            "columns": {name: name for name in kinds if name in own},
            "attributes": {name: str(kind) for name, kind in kinds.items() if name not in own},
        }
    return shop(folder, tables=declared)


def given_to_arrange(rows, kinds):
    """The columns as `arrange` wants them."""
    keep = [name for name, kind in kinds.items() if kind not in {Kind.ID, Kind.TEXT}]
    return {
        name: [to_instant(row[name]) if isinstance(row[name], datetime) else row[name] for row in rows]
        for name in keep
    }


def assert_same(stored, expected):
    assert list(stored.columns) == list(expected.columns)
    numbers = [name for name in expected.columns if name not in expected.levels]
    for ours, theirs in [
        (stored.offsets, expected.offsets),
        (stored.at, expected.at),
        (stored.known_at, expected.known_at),
        *((stored.columns[name], expected.columns[name]) for name in numbers),
    ]:
        assert ours.dtype == theirs.dtype
        assert ours.tobytes() == theirs.tobytes()
    for name in expected.levels:
        assert stored.columns[name].dtype == np.int32
        assert said(stored, name) == said(expected, name)


def said(events, name):
    return [events.levels[name][code] if code >= 0 else None for code in events.columns[name]]


@pytest.mark.parametrize("table", ["customers", "contacts", "surveys", "subscriptions", "campaigns", "exits"])
def test_every_column_of_a_table_comes_out_in_the_order_of_arrange(table):
    kinds = kinds_of(table)

    @LAW
    @given(rows_of(table), st.sampled_from([1, 4]))
    def law(rows, n_buckets):
        with tempfile.TemporaryDirectory() as name:
            report, store = built(shop_with(Path(name), {table: (rows, kinds)}), n_buckets=n_buckets)
            assert report.manifest.tables[table].stored == len(rows)
            columns = [c for c, kind in report.manifest.tables[table].columns.items() if kind != "text"]
            assert {c for c, kind in kinds.items() if kind is Kind.TIME} <= {
                TABLES[table].at, "known_at", *columns,
            }  # fmt: skip
            for index in range(n_buckets):
                bucket = store.read(index, {table: columns})
                own = [row for row in rows if row["customer_id"] in bucket.customer_ids]
                place = {one: position for position, one in enumerate(bucket.customer_ids)}
                customer = np.array([place[row["customer_id"]] for row in own], np.int64)
                expected = arrange(TABLES[table], len(bucket), customer, given_to_arrange(own, kinds))
                if own:
                    assert_same(bucket.tables[table], expected)
                assert bucket.tables[table].offsets.tolist() == expected.offsets.tolist()

    law()


@LAW
@given(
    st.lists(st.sampled_from(["x", "y", None, "é"]), min_size=2, max_size=12),
    st.randoms(use_true_random=False),
)
def test_rows_that_differ_in_their_text_alone_have_one_order_in_the_stored_bytes(said, random):
    contact = {"customer_id": "ada", "contacted_at": EPOCH, "channel": "web", "kind": "visit"}
    kinds = {name: kind for name, kind in kinds_of("contacts").items() if name in {*contact, "text"}}
    rows = [contact | {"text": text} for text in said]
    prints = set()
    for _ in range(2):
        with tempfile.TemporaryDirectory() as name:
            report, _ = built(shop_with(Path(name), {"contacts": (rows, kinds)}))
        prints.add(report.manifest.fingerprint)
        random.shuffle(rows)
    assert len(prints) == 1


INDICATORS = {"unemployment": Kind.NUMBER, "price_index": Kind.NUMBER}
observations = st.lists(
    st.fixed_dictionaries(
        {
            "observed_at": HAPPENED,
            "region": VALUES[Kind.CATEGORY],
            **{name: VALUES[kind] for name, kind in INDICATORS.items()},
        }
    ),
    min_size=1,
    max_size=12,
    unique_by=lambda row: (row["observed_at"], row["region"]),
)


@LAW
@given(observations, st.booleans(), st.sampled_from([1, 4]))
@example(
    [
        {"observed_at": EPOCH, "region": region, "unemployment": value, "price_index": None}
        for region, value in (("a", 2.0), (None, 1.0))
    ],
    True,
    1,
)
def test_the_market_comes_out_as_arrange_shared_gives_it(rows, has_regions, n_buckets):
    kinds = {"observed_at": Kind.TIME, **({"region": Kind.CATEGORY} if has_regions else {}), **INDICATORS}
    rows = rows if has_regions else [row for row in rows if row["region"] is None] or rows[:1]
    expected = arrange_shared(MARKET, "region", given_to_arrange(rows, kinds))
    with tempfile.TemporaryDirectory() as name:
        report, store = built(shop_with(Path(name), {"market": (rows, kinds)}), n_buckets=n_buckets)
        record = report.manifest.tables["market"]
        wanted = {"market": set(INDICATORS), "purchases": {"amount"}}
        buckets = [store.read(index, wanted) for index in range(n_buckets)]
        of_one = store.shared({"market": {"price_index", "region"}})["market"]
        anew = Store.open(store.folder.parents[2]).shared(wanted)["market"]
    found = store.shared(wanted)["market"]
    assert all(bucket.shared["market"] is found for bucket in buckets)
    assert anew.events.at.tobytes() == found.events.at.tobytes()
    assert found.groups == expected.groups
    by_name = found.events.columns
    assert found.events.offsets.tobytes() == expected.events.offsets.tobytes()
    assert found.events.at.tobytes() == expected.events.at.tobytes()
    for column, values in expected.events.columns.items():
        assert by_name[column].tobytes() == values.tobytes()
    assert list(of_one.events.columns) == ["price_index"]
    assert of_one.events.columns["price_index"].tobytes() == by_name["price_index"].tobytes()
    assert (record.rows_in, record.stored, record.late) == (len(rows), len(rows), False)
    assert record.last_at == to_instant(max(row["observed_at"] for row in rows))


def test_a_column_that_the_market_does_not_have_is_named(tmp_path):
    rows = [{"observed_at": EPOCH, "unemployment": 1.0}]
    kinds = {"observed_at": Kind.TIME, "unemployment": Kind.NUMBER}
    _, store = built(shop_with(tmp_path, {"market": (rows, kinds)}))
    with pytest.raises(DataError, match=r"market: the store has no column 'unemploymnt'. Did you mean"):
        store.read(0, {"market": {"unemploymnt"}})
    assert store.read(0, {"purchases": {"amount"}}).shared == {}


def test_two_observations_of_one_region_and_time_are_refused_with_their_number(tmp_path):
    rows = [{"observed_at": EPOCH, "unemployment": value} for value in (1.0, 2.0)]
    kinds = {"observed_at": Kind.TIME, "unemployment": Kind.NUMBER}
    with pytest.raises(DataError, match="market: 1 "):
        built(shop_with(tmp_path, {"market": (rows, kinds)}))

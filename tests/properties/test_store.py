"""Laws of the store, for any rows."""

import csv
import io
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from shops import built, rejected_of, rows_of, shop

from features.build import build
from features.events import arrange
from features.tables import PURCHASES

LAW = settings(max_examples=20, deadline=None, derandomize=True)
COLUMNS = {
    "customer_id": "id",
    "purchased_at": "at",
    "amount": "amount",
    "event_id": "event",
    "known_at": "known",
    "quantity": "quantity",
    "cost": "cost",
    "channel": "channel",
    "order_id": "order",
}
FIELDS = [*COLUMNS.values(), "note"]

EPOCH = datetime(2024, 1, 1, tzinfo=UTC)
moments = st.integers(0, 5).map(lambda n: (EPOCH + timedelta(hours=n)).isoformat())
legal_ids = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=256
).filter(lambda text: text.strip())
purchases = st.fixed_dictionaries(
    {
        "id": st.sampled_from(["a", "b", "é", "00123", "NA", " c", "", "bad\x00"]),
        "at": moments | st.sampled_from(["", "2024-02-30T00:00:00Z", "0001-01-01T00:00:00Z"]),
        "amount": st.sampled_from(["1", "-2.50", "0", "-0.00", "3.1"])
        | st.sampled_from(["", "NaN", "1.234"]),
        "event": st.sampled_from(["", "", "e1", "e2"]),
        "known": st.just("") | moments,
        "quantity": st.sampled_from(["", "1", "2", "-0.0", "0", "1e300"]),
        "cost": st.sampled_from(["", "1", "2"]),
        "channel": st.sampled_from(["", "web", "shop", "Web"]),
        "order": st.sampled_from(["", "o1", "o2"]),
        "note": st.sampled_from(["x", "y"]),
    }
)
GOOD = [
    dict.fromkeys(FIELDS, "") | {"id": f"good{n}", "at": "2024-01-01T00:00:00Z", "amount": "1", "note": "x"}
    for n in range(100)
]

twins = st.fixed_dictionaries(
    {
        "id": st.just("twin"),
        "at": st.just("2024-01-01T00:00:00Z"),
        "amount": st.just("1"),
        "event": st.just(""),
        "known": st.sampled_from(["", "2024-01-02T00:00:00Z"]),
        "quantity": st.sampled_from(["", "1", "-0.0", "0"]),
        "cost": st.sampled_from(["", "1"]),
        "channel": st.sampled_from(["", "web", "Web"]),
        "order": st.sampled_from(["", "o1"]),
        "note": st.just("x"),
    }
)
histories = st.lists(purchases, max_size=20) | st.lists(twins, min_size=8, max_size=30)


def business_of(folder, rows):
    """A business of these rows, beside a hundred good ones so that bad ones are never too many."""
    stream = io.StringIO(newline="")
    writer = csv.DictWriter(stream, FIELDS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    (folder / "p.csv").write_bytes(stream.getvalue().encode())
    return shop(folder, "p.csv", columns=COLUMNS, attributes={"note": "category"})


@LAW
@given(histories, st.randoms(use_true_random=False), st.sampled_from([1, 4]))
def test_the_order_of_rows_in_the_source_does_not_matter_to_the_stored_bytes(rows, random, n_buckets):
    with tempfile.TemporaryDirectory() as name:
        first = build(business_of(Path(name), [*rows, *GOOD]), n_buckets=n_buckets)
        stored = {p.relative_to(first.snapshot): p.read_bytes() for p in first.snapshot.rglob("*.parquet")}
        shuffled = [*rows, *GOOD]
        random.shuffle(shuffled)
        second = build(business_of(Path(name), shuffled), n_buckets=n_buckets)
        again = {p.relative_to(second.snapshot): p.read_bytes() for p in second.snapshot.rglob("*.parquet")}
    refused = Path("rejected/purchases.parquet")
    stored.pop(refused, None)
    again.pop(refused, None)
    assert stored == again


@LAW
@given(histories, st.sampled_from([1, 4]))
def test_rows_in_are_stored_or_duplicates_or_rejected(rows, n_buckets):
    with tempfile.TemporaryDirectory() as name:
        report, store = built(business_of(Path(name), [*rows, *GOOD]), n_buckets=n_buckets)
        record = report.manifest.tables["purchases"]
        stored = len(rows_of(store, "purchases"))
        rejected = rejected_of(store, "purchases") if record.rejected else []
    assert record.rows_in == len(rows) + len(GOOD)
    assert (record.stored, record.rejected) == (stored, len(rejected))
    assert record.rows_in == stored + record.duplicates + len(rejected)
    assert sum(record.reasons.values()) == record.rejected
    assert [([*rows, *GOOD][row["row"] - 1]["id"] or None) for row in rejected] == [
        r["customer_id"] for r in rejected
    ]


@LAW
@given(histories)
def test_the_stored_order_is_that_of_arrange(rows):
    with tempfile.TemporaryDirectory() as name:
        _, store = built(business_of(Path(name), [*rows, *GOOD]), n_buckets=1)
        columns = list(store.manifest.tables["purchases"].columns)
        bucket = store.read(0, {"purchases": columns})
        stored = bucket.tables["purchases"]
        raw = rows_of(store, "purchases")
    position = {customer: index for index, customer in enumerate(bucket.customer_ids)}
    given_back = raw[::-1]
    mixed = {name: [none(row[name]) for row in given_back] for name in columns}
    mixed["purchased_at"] = [row["at"] for row in given_back]
    mixed["known_at"] = [row["known_at"] for row in given_back]
    customer = np.array([position[row["customer_id"]] for row in given_back], np.int64)
    expected = arrange(PURCHASES, len(bucket), customer, mixed)
    assert list(expected.columns) == columns
    for ours, theirs in [
        (stored.offsets, expected.offsets),
        (stored.at, expected.at),
        (stored.known_at, expected.known_at),
        *((stored.columns[name], expected.columns[name]) for name in columns if name not in expected.levels),
    ]:
        assert ours.dtype == theirs.dtype
        assert ours.tobytes() == theirs.tobytes()
    for name, levels in expected.levels.items():
        assert [stored.levels[name][c] if c >= 0 else None for c in stored.columns[name]] == [
            levels[c] if c >= 0 else None for c in expected.columns[name]
        ]


def none(value):
    """None in place of NaN."""
    return None if value is None or value != value else value  # noqa: PLR0124  (only NaN is not itself)


@LAW
@given(st.lists(legal_ids, min_size=1, max_size=20, unique=True), st.sampled_from([1, 8]))
def test_ids_come_out_as_they_went_in_for_any_legal_text(ids, n_buckets):
    with tempfile.TemporaryDirectory() as name:
        rows = [GOOD[0] | {"id": id_} for id_ in ids]
        report, store = built(business_of(Path(name), rows), n_buckets=n_buckets)
        found = [id_ for index in range(n_buckets) for id_ in store.customer_ids(index)]
        buckets = [store.customer_ids(index) for index in range(n_buckets)]
    assert sorted(found) == sorted(ids)
    assert all(bucket == sorted(bucket) for bucket in buckets)
    assert report.manifest.n_customers == len(ids)

"""From sources to the store: what is stored, in which order, and what is accounted for."""

import json

import numpy as np
import pytest
from shops import COLUMNS, GOOD, built, csv_shop, rows_of, shop

from features.build import build
from features.errors import DataError, UserError
from features.events import Bucket
from features.store import Store
from features.tables import TABLES
from features.windows import BEGINNING, parse_instant

CONTACTS = """id,t,channel,kind,secs,ok,note,ka
a,2024-02-01,web,visit,12.5,true,hello,2024-02-09
b,2024-02-02,phone,complaint,,no,,
"""
SUBSCRIPTIONS = """id,t,p,e,price
a,2024-01-01,basic,,9.99
c,2023-01-01,pro,2024-01-01,19.99
"""
CUSTOMERS = """id,home,since,region,vf
a,h1,2020-01-01,N,
a,h1,2020-01-01,S,2024-01-01
e,,,,
"""
FULL = {
    "contacts": (
        CONTACTS,
        "contacted_at=t channel=channel kind=kind duration_seconds=secs resolved=ok text=note known_at=ka",
    ),
    "surveys": ("id,t,q,s\na,2024-02-03,nps,9\n", "answered_at=t question=q score=s"),
    "subscriptions": (SUBSCRIPTIONS, "started_at=t plan=p ended_at=e price=price"),
    "campaigns": (
        "id,t,c,arm,cost\na,2024-02-04,spring,control,0.10\n",
        "sent_at=t campaign=c arm=arm cost=cost",
    ),
    "exits": ("id,t,why,note\nd,2024-02-05,price,too dear\n", "left_at=t reason=why text=note"),
    "customers": (CUSTOMERS, "household_id=home joined_at=since region=region valid_from=vf"),
}


def full_shop(folder):
    tables = {}
    for name, (text, columns) in FULL.items():
        (folder / f"{name}.csv").write_text(text)
        pairs = dict(pair.split("=") for pair in columns.split())
        tables[name] = {"source": f"{name}.csv", "columns": {"customer_id": "id"} | pairs}
    return csv_shop(folder, GOOD, tables=tables)


def test_every_table_of_the_single_view_goes_through_the_same_path(tmp_path):
    report, store = built(full_shop(tmp_path))
    assert store.tables == tuple(name for name in TABLES if name != "market")
    assert store.customer_ids(0) == ["a", "b", "c", "d", "e", *(f"good{n}" for n in range(10))]
    contact = rows_of(store, "contacts")[0]
    assert contact == {
        "customer_id": "a", "at": parse_instant("2024-02-01"), "known_at": parse_instant("2024-02-09"),
        "channel": "web", "kind": "visit", "duration_seconds": 12.5, "resolved": 1.0, "text": "hello",
    }  # fmt: skip
    ended = {row["customer_id"]: row["ended_at"] for row in rows_of(store, "subscriptions")}
    assert ended["c"] == parse_instant("2024-01-01")
    assert np.isnan(ended["a"])
    assert rows_of(store, "exits")[0]["reason"] == "price"
    assert all(record.rejected == 0 for record in report.manifest.tables.values())


def test_facts_about_customers_hold_from_valid_from_or_from_the_beginning(tmp_path):
    _, store = built(full_shop(tmp_path))
    facts = [(row["customer_id"], row["at"], row["region"]) for row in rows_of(store, "customers")]
    assert facts == [("a", BEGINNING, "N"), ("a", parse_instant("2024-01-01"), "S"), ("e", BEGINNING, None)]


def test_facts_end_at_the_midnight_after_the_newest_event(tmp_path):
    _, store = built(full_shop(tmp_path))
    assert store.observed_until == parse_instant("2024-03-11")
    _, store = built(csv_shop(tmp_path, "a,2024-03-01T00:00:00,1\n"))
    assert store.observed_until == parse_instant("2024-03-02")


def test_the_manifest_accounts_for_every_row(tmp_path):
    rows = GOOD + "x,2024-01-01,\n"
    report, store = built(csv_shop(tmp_path, rows))
    data = json.loads((store.folder / "manifest.json").read_text())
    assert data["tables"]["purchases"] == {
        "rows_in": 11, "stored": 10, "duplicates": 0, "rejected": 1, "reasons": {"amount is empty": 1},
        "first_at": parse_instant("2024-03-01"), "last_at": parse_instant("2024-03-10"), "late": False,
        "columns": {"amount": "money"}, "notes": {},
    }  # fmt: skip
    assert (data["n_customers"], data["n_buckets"], data["currency"]) == (10, 1, "USD")
    assert store.manifest == report.manifest


def test_events_of_a_customer_are_in_the_order_of_time(tmp_path):
    rows = "b,2024-01-03,1\na,2024-01-02,2\nb,2024-01-01,3\na,2024-01-02,1\na,2024-01-01,9\n"
    _, store = built(csv_shop(tmp_path, rows))
    events = store.read(0, {"purchases": ["amount"]}).events("purchases")
    assert events.offsets.tolist() == [0, 3, 5]
    assert events.columns["amount"].tolist() == [900.0, 100.0, 200.0, 300.0, 100.0]
    assert events.known_at is events.at


def test_the_number_of_buckets_changes_where_customers_are_and_nothing_else(tmp_path):
    rows = "".join(f"c{n % 40},2024-01-{n % 28 + 1:02d},{n}\n" for n in range(200))
    found = []
    for n_buckets in (1, 8):
        report, store = built(csv_shop(tmp_path, rows), n_buckets=n_buckets)
        assert report.manifest.n_buckets == store.n_buckets == n_buckets
        found.append(sorted(rows_of(store, "purchases"), key=lambda row: tuple(map(str, row.values()))))
        ids = [customer for index in range(n_buckets) for customer in store.customer_ids(index)]
        assert len(ids) == len(set(ids)) == store.manifest.n_customers == 40
    assert found[0] == found[1]


def test_what_is_read_does_not_depend_on_threads_or_memory(tmp_path):
    rows = "".join(f"c{n % 400},2024-01-{n % 28 + 1:02d},{n % 7}\n" for n in range(20_000))
    prints = {
        build(csv_shop(tmp_path, rows), n_buckets=4, **how).manifest.fingerprint
        for how in ({"threads": 1}, {"threads": 4}, {"threads": 1, "memory": "64MB"})
    }
    assert len(prints) == 1


def test_a_bucket_holds_only_what_was_asked_for(tmp_path):
    _, store = built(full_shop(tmp_path))
    bucket = store.read(0, {"contacts": ["kind"], "market": ["region"]})
    assert isinstance(bucket, Bucket)
    assert list(bucket.tables) == ["contacts"]
    assert list(bucket.tables["contacts"].columns) == ["kind"]
    assert bucket.tables["contacts"].columns["kind"].dtype == np.int32
    assert dict(bucket.tables["contacts"].levels) == {"kind": ["complaint", "visit"]}
    assert bucket.events("purchases").at.size == 0
    with pytest.raises(KeyError):
        bucket.tables["contacts"].levels["channel"]
    with pytest.raises(DataError, match=r"contacts: the store has no column 'kidn'. Did you mean kind\?"):
        store.read(0, {"contacts": ["kidn"]})


def test_levels_are_sorted_by_code_point_and_blank_ones_are_null(tmp_path):
    words = ["b", "B", "é", "z", "\U0001f600", "\uffff", "", " ", "NA", "null"]
    rows = "".join(f"a,2024-01-{n + 1:02d},1,{word}\n" for n, word in enumerate(words))
    columns = COLUMNS | {"channel": "word"}
    _, store = built(csv_shop(tmp_path, rows, "id,date,amount,word\n", columns=columns))
    assert store.levels("purchases", "channel") == sorted(words[:6] + words[8:])
    assert [row["channel"] for row in rows_of(store, "purchases")] == [*words[:6], None, None, *words[8:]]


def test_a_bucket_without_rows_of_a_table_is_read_as_such(tmp_path):
    (tmp_path / "contacts.csv").write_text("id,t,c,k\ngood1,2024-01-01,web,visit\n")
    contacts = {
        "source": "contacts.csv",
        "columns": {"customer_id": "id", "contacted_at": "t", "channel": "c", "kind": "k"},
    }
    _, store = built(csv_shop(tmp_path, GOOD, tables={"contacts": contacts}), n_buckets=16)
    assert len(rows_of(store, "contacts")) == 1
    assert len(rows_of(store, "purchases")) == 10
    for index in range(16):
        events = store.read(index, {"contacts": ["kind"]}).tables["contacts"]
        assert events.offsets.size == len(store.customer_ids(index)) + 1


def test_progress_is_told_from_nothing_to_all(tmp_path):
    told = []
    build(csv_shop(tmp_path, GOOD), lambda *step: told.append(step), n_buckets=2)
    assert told == [
        ("checking", 0, 1),
        ("checking", 1, 1),
        *(("ordering", done, 2) for done in range(3)),
        *(("writing", done, 2) for done in range(3)),
    ]


def test_the_sources_are_not_changed(tmp_path):
    business = full_shop(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.glob("*.csv")}
    build(business)
    assert {path: path.read_bytes() for path in tmp_path.glob("*.csv")} == before


def test_a_store_of_another_version_is_built_again(tmp_path):
    _, store = built(csv_shop(tmp_path, GOOD))
    manifest = store.folder / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"format": 2', '"format": 99'))
    with pytest.raises(UserError, match=r"has the format 99; this version reads 2\. Run `holdfast build`"):
        Store.open(tmp_path / ".holdfast")


def test_a_number_of_buckets_that_is_no_power_of_two_is_our_mistake(tmp_path):
    with pytest.raises(ValueError, match="power of two"):
        build(csv_shop(tmp_path, GOOD), n_buckets=3)


@pytest.mark.data
def test_cdnow_is_stored_whole(tmp_path, data_dir):
    columns = {
        "customer_id": "customer_id",
        "purchased_at": "date",
        "amount": "amount",
        "quantity": "quantity",
    }
    report, store = built(shop(tmp_path, str(data_dir / "cdnow" / "transactions.parquet"), columns=columns))
    assert report.manifest.tables["purchases"].stored == 69_659
    assert report.manifest.n_customers == 23_570
    total = sum(store.read(i, {"purchases": ["amount"]}).events("purchases").columns["amount"].sum()
                for i in range(store.n_buckets))  # fmt: skip
    assert total == 250_031_563
    assert store.observed_until == parse_instant("1998-07-01")

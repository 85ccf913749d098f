"""The same facts come out of the body of a request and out of the store as the same bytes."""

import csv
import json
import random

import numpy as np
import pytest

from features.build import build
from features.business import load
from features.store import Store
from features.tables import Kind
from serving.contract import Contract

TOML = """
[business]
name = "shop"
currency = "EUR"
timezone = "Europe/Berlin"
[tables.purchases]
source = "purchases.csv"
attributes = {{ weight = "number", gift = "flag", campaign_code = "category" }}
[tables.purchases.columns]
{purchases}
[tables.contacts]
source = "contacts.csv"
[tables.contacts.columns]
{contacts}
[tables.customers]
source = "customers.csv"
attributes = ["tier", "income"]
[tables.customers.columns]
{customers}
"""
PURCHASES = [
    "customer_id", "purchased_at", "amount", "event_id", "known_at", "order_id", "quantity", "channel",
    "cost", "weight", "gift", "campaign_code",
]  # fmt: skip
CONTACTS = ["customer_id", "contacted_at", "channel", "kind", "duration_seconds", "resolved", "text"]
CUSTOMERS = ["customer_id", "joined_at", "region", "valid_from", "tier", "income"]
ATTRIBUTES = {"weight", "gift", "campaign_code", "tier", "income"}
AWARE = [
    "2024-01-05T10:00:00Z", "2024-01-05T11:00:00+01:00", "2024-01-05 10:00:00+00:00",
    "2024-01-05T10:00:00.123456Z", "1999-12-31T23:59:59.5-05:00",
]  # fmt: skip
NAIVE = [
    "2024-01-05 11:00:00",
    "2024-03-31T02:30:00",
    "2024-10-27T02:30:00",
    "2024-02-29",
    "2024-01-05T11:00",
]
IDS = [
    "00123",
    "123",
    "NA",
    "null",
    "é",
    "e\u0301",
    "9007199254740993",
    "1e5",
    "a,b",
    'say "hi"',
    " x ",
    "=1+1",
]


def rows(rng, times):
    """Raw rows of the three tables, as text or JSON values; None is null."""

    def maybe(value):
        return None if rng.random() < 0.3 else value

    purchases = [
        {
            "customer_id": rng.choice(IDS),
            "purchased_at": rng.choice(times),
            "amount": rng.choice([12.5, -3, 0, 0.1, 1999.99, 12.5]),
            "event_id": None,
            "known_at": maybe(rng.choice(["2024-12-01T00:00:00Z", "2024-12-02T00:00:00Z"])),
            "order_id": maybe(rng.choice(["o1", "o2", "Ω"])),
            "quantity": maybe(rng.choice([1, 2, 0.1, 0.2, 0.3])),
            "channel": maybe(rng.choice(["web", "shop", "Web", "ü"])),
            "cost": maybe(rng.choice([1, 2.25])),
            "weight": maybe(rng.choice([0.1, 0.7, 3])),
            "gift": maybe(rng.choice([True, False])),
            "campaign_code": maybe(rng.choice(["x", "y"])),
        }
        for _ in range(300)
    ]
    for number, row in enumerate(purchases):
        row["event_id"] = f"e{number}"
    contacts = [
        {
            "customer_id": rng.choice(IDS),
            "contacted_at": rng.choice(times),
            "channel": rng.choice(["call", "mail"]),
            "kind": rng.choice(["complaint", "visit"]),
            "duration_seconds": maybe(rng.choice([30, 0.5])),
            "resolved": maybe(rng.choice([True, False])),
            "text": maybe("they said, “no”"),
        }
        for _ in range(60)
    ]
    customers = [
        {
            "customer_id": name,
            "joined_at": maybe("2020-02-29"),
            "region": maybe(rng.choice(["north", "south"])),
            "valid_from": maybe("2023-01-01T00:00:00Z"),
            "tier": maybe(rng.choice(["gold", "tin"])),
            "income": maybe(rng.choice([1000, 2500.5])),
        }
        for name in IDS[2:]
    ]
    # The source repeats some rows; an event id makes them duplicates.
    return purchases + purchases[:40], contacts, customers


def written(folder, name, columns, table):
    with (folder / name).open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        for row in table:
            writer.writerow([as_csv(row[column]) for column in columns])


def as_csv(value):
    return "" if value is None else str(value).lower() if isinstance(value, bool) else value


def comparable(bucket, customer, table, columns):
    """Everything that a feature could see of one customer, categories in words."""
    events = bucket.events(table)
    mine = slice(events.offsets[customer], events.offsets[customer + 1])
    seen = {"at": events.at[mine].tobytes(), "known_at": events.known_at[mine].tobytes()}
    for name in columns:
        values = events.columns[name][mine]
        if name in events.levels:
            seen[name] = [None if code < 0 else events.levels[name][code] for code in values]
        else:
            seen[name] = (str(values.dtype), values.tobytes())
    return seen


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_request_carries_the_same_bytes_as_the_store(tmp_path, seed):
    rng = random.Random(seed)
    purchases, contacts, customers = rows(rng, NAIVE if seed % 2 else AWARE)
    written(tmp_path, "purchases.csv", PURCHASES, purchases)
    written(tmp_path, "contacts.csv", CONTACTS, contacts)
    written(tmp_path, "customers.csv", CUSTOMERS, customers)
    mapped = {
        name: "\n".join(f'{c} = "{c}"' for c in columns if c not in ATTRIBUTES)
        for name, columns in (("purchases", PURCHASES), ("contacts", CONTACTS), ("customers", CUSTOMERS))
    }
    (tmp_path / "business.toml").write_text(TOML.format(**mapped), encoding="utf-8")
    business = load(tmp_path / "business.toml")
    build(business, n_buckets=2)
    store = Store.open(business.workspace)
    tables = store.manifest.tables
    kinds = {table: {c: Kind(k) for c, k in tables[table].columns.items()} for table in tables}
    wanted = {
        table: [name for name, kind in record.columns.items() if kind != "text"]
        for table, record in tables.items()
    }
    rng.shuffle(purchases)
    rng.shuffle(contacts)
    profile = {row["customer_id"]: row for row in customers}
    asked = [
        {
            **profile.get(name, {"customer_id": name}),
            "purchases": [_without_id(row) for row in purchases if row["customer_id"] == name],
            "contacts": [_without_id(row) for row in contacts if row["customer_id"] == name],
        }
        for name in IDS
    ]
    body = json.dumps({"customers": asked}).encode()
    request = Contract(business, kinds).score_request(body, 0).bucket
    compared = 0
    for index in range(store.n_buckets):
        batch = store.read(index, wanted)
        for position, name in enumerate(batch.customer_ids):
            for table, columns in wanted.items():
                theirs = comparable(batch, position, table, columns)
                assert comparable(request, IDS.index(name), table, columns) == theirs
                compared += len(np.frombuffer(theirs["at"], np.int64))
    assert compared == 300 + 60 + len(customers)


def _without_id(row):
    return {name: value for name, value in row.items() if name != "customer_id"}

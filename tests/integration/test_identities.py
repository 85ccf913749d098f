"""Identities: the web shop and the till know one customer under two ids."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from shops import COLUMNS, GOOD, HEADER, built, rejected_of, rows_of, toml_of

from features.build import build
from features.business import load
from features.errors import BusinessError, DataError

SECRET = "canary-7431"
SAME = {"source": "ids.csv", "columns": {"source_id": "from", "customer_id": "to"}}
OF_SOURCES = SAME | {"columns": SAME["columns"] | {"source": "system"}}


def shops(folder, identities, tables):
    path = folder / "business.toml"
    lines = [f"{key} = {value!r}" for key, value in identities.items() if key != "columns"]
    pairs = ", ".join(f"{ours} = {theirs!r}" for ours, theirs in identities["columns"].items())
    rest = "\n".join(["[identities]", *lines, f"columns = {{ {pairs} }}"])
    path.write_text(toml_of(tables, rest=rest), encoding="utf-8")
    return load(path)


def purchases(folder, ids, rows, same=SAME):
    """A business with one source of purchases and these identities."""
    (folder / "ids.csv").write_text(ids)
    (folder / "p.csv").write_text(HEADER + rows)
    return shops(folder, same, {"purchases": {"name": "web", "source": "p.csv", "columns": COLUMNS}})


def refused(business, match):
    with pytest.raises(DataError, match=match) as caught:
        build(business)
    assert SECRET not in str(caught.value)


def test_ids_of_one_customer_become_one_in_every_table(tmp_path):
    (tmp_path / "ids.csv").write_text("from,to\nw1,c1\nt1,c1\nw2,c2\n")
    (tmp_path / "web.csv").write_text(HEADER + "w1,2024-01-01,1\nw2,2024-01-02,2\nstays,2024-01-03,3\n")
    (tmp_path / "till.csv").write_text(HEADER + "t1,2024-01-04,4\n00123,2024-01-05,5\n")
    (tmp_path / "people.csv").write_text("id,region\nw1,N\nt1,\nc2,S\n")
    (tmp_path / "calls.csv").write_text("id,t,c,k\nt1,2024-01-06,phone,visit\n")
    sources = [{"source": f"{name}.csv", "columns": COLUMNS} for name in ("web", "till")]
    people = {"source": "people.csv", "columns": {"customer_id": "id", "region": "region"}}
    calls = {"customer_id": "id", "contacted_at": "t", "channel": "c", "kind": "k"}
    tables = {
        "purchases": sources,
        "customers": people,
        "contacts": {"source": "calls.csv", "columns": calls},
    }
    report, store = built(shops(tmp_path, SAME, tables), n_buckets=4)
    bought = sorted((row["customer_id"], row["amount"]) for row in rows_of(store, "purchases"))
    assert bought == [("00123", 500), ("c1", 100), ("c1", 400), ("c2", 200), ("stays", 300)]
    assert sorted((r["customer_id"], r["region"]) for r in rows_of(store, "customers")) == [
        ("c1", "N"),
        ("c2", "S"),
    ]
    assert [row["customer_id"] for row in rows_of(store, "contacts")] == ["c1"]
    assert report.manifest.n_customers == 4
    assert (report.manifest.tables["customers"].rows_in, report.manifest.tables["customers"].duplicates) == (
        3,
        1,
    )


def test_an_id_of_a_named_source_is_that_of_this_source_only(tmp_path):
    (tmp_path / "ids.csv").write_text("from,to,system\n7,anna,web\n7,bert,till\n")
    for name in ("web", "till", "fair"):
        (tmp_path / f"{name}.csv").write_text(HEADER + "7,2024-01-01,1\n8,2024-01-01,1\n")
    sources = [
        {"name": "web", "source": "web.csv", "columns": COLUMNS},
        {"name": "till", "source": "till.csv", "columns": COLUMNS},
        {"source": "fair.csv", "columns": COLUMNS},
    ]
    _, store = built(shops(tmp_path, OF_SOURCES, {"purchases": sources}))
    assert sorted(row["customer_id"] for row in rows_of(store, "purchases")) == [
        "7", "8", "8", "8", "anna", "bert",
    ]  # fmt: skip


def test_an_event_of_one_customer_under_two_ids_counts_once(tmp_path):
    (tmp_path / "ids.csv").write_text("from,to\nw1,c1\n")
    (tmp_path / "p.csv").write_text("id,date,amount,event\nw1,2024-01-01,1,e\nc1,2024-01-01,1,e\n")
    source = {"source": "p.csv", "columns": COLUMNS | {"event_id": "event"}}
    report, store = built(shops(tmp_path, SAME, {"purchases": source}))
    assert report.manifest.tables["purchases"].duplicates == 1
    assert store.customer_ids(0) == ["c1"]


def test_whole_numbers_and_text_name_the_same_customer(tmp_path):
    pq.write_table(pa.table({"from": [2**53 + 1, 7], "to": ["a", "00123"]}), tmp_path / "ids.parquet")
    (tmp_path / "p.csv").write_text(
        HEADER + "9007199254740993,2024-01-01,1\n7,2024-01-01,1\n07,2024-01-01,1\n"
    )
    same = SAME | {"source": "ids.parquet"}
    _, store = built(shops(tmp_path, same, {"purchases": {"source": "p.csv", "columns": COLUMNS}}))
    assert store.customer_ids(0) == ["00123", "07", "a"]


def test_an_identity_that_is_said_twice_is_one(tmp_path):
    _, store = built(purchases(tmp_path, "from,to\na,x\na,x\nb,b\n", "a,2024-01-01,1\nb,2024-01-01,1\n"))
    assert [row["customer_id"] for row in rows_of(store, "purchases")] == ["b", "x"]


def test_refused_rows_keep_the_id_that_the_source_gives(tmp_path):
    _, store = built(purchases(tmp_path, "from,to\nw,x\n", GOOD + "w,2024-01-01,?\n"))
    assert [row["customer_id"] for row in rejected_of(store, "purchases")] == ["w"]


def test_two_accounts_of_one_customer_that_say_different_things_stop_the_build(tmp_path):
    (tmp_path / "ids.csv").write_text(f"from,to\na,{SECRET}\nb,{SECRET}\n")
    (tmp_path / "p.csv").write_text(HEADER + "a,2024-01-01,1\n")
    (tmp_path / "people.csv").write_text("id,region\na,N\nb,S\n")
    people = {"source": "people.csv", "columns": {"customer_id": "id", "region": "region"}}
    tables = {"purchases": {"source": "p.csv", "columns": COLUMNS}, "customers": people}
    refused(
        shops(tmp_path, SAME, tables), "customers: 1 customers have rows for the same valid_from that say"
    )


@pytest.mark.parametrize(
    ("ids", "match"),
    [
        (f"from,to\n{SECRET},x\n{SECRET},y\nb,x\n", "1 source ids belong to more than one customer_id"),
        (
            f"from,to\na,{SECRET}\n{SECRET},b\n",
            "1 rows lead to a customer_id that is itself an id of another",
        ),
        (f"from,to\n,{SECRET}\n{SECRET},\na,b\n", "customer_id is empty: 1; source_id is empty: 1"),
        (f"from,to\n{SECRET}\x01,x\n", "source_id has control characters: 1"),
        ("from,to\n", "identities: the source has no rows"),
        ("", "identities: ids.csv is empty"),
        ("from,too\na,b\n", r"column 'to' \(for customer_id\) is not in ids.csv.*columns in \[identities\]"),
        (f"from,to\n{SECRET},x,1\n", "identities: line 2 of the file has 3 fields, expected 2"),
    ],
)
def test_identities_are_read_as_strictly_as_a_table(tmp_path, ids, match):
    refused(purchases(tmp_path, ids, GOOD), match)


def test_ids_that_are_floating_numbers_are_refused(tmp_path):
    pq.write_table(pa.table({"from": [1.0], "to": ["a"]}), tmp_path / "ids.parquet")
    (tmp_path / "p.csv").write_text(HEADER + GOOD)
    same = SAME | {"source": "ids.parquet"}
    tables = {"purchases": {"source": "p.csv", "columns": COLUMNS}}
    refused(shops(tmp_path, same, tables), r"identities: column 'from' \(for source_id\) has the type DOUBLE")
    (tmp_path / "ids.jsonl").write_text('{"from": 1.0, "to": "a"}\n')
    same = SAME | {"source": "ids.jsonl"}
    refused(shops(tmp_path, same, tables), r"column 'from' \(for source_id\) has numbers with a point")


def test_the_sources_of_identities_must_be_known(tmp_path):
    ids = f"from,to,system\na,x,web\nb,x,{SECRET}\n"
    refused(
        purchases(tmp_path, ids, GOOD, OF_SOURCES), r"1 rows are of sources that no table has\. Known: web\."
    )
    query = {"query": "select * from source where system = 'web'"}
    _, store = built(purchases(tmp_path, ids, "a,2024-01-01,1\n", OF_SOURCES | query))
    assert store.customer_ids(0) == ["x"]


def test_no_file_of_identities_is_named(tmp_path):
    tables = {"purchases": {"source": "p.csv", "columns": COLUMNS}}
    (tmp_path / "p.csv").write_text(HEADER + GOOD)
    refused(shops(tmp_path, SAME, tables), r"identities: there is no file at 'ids.csv'.*\[identities\]")


@pytest.mark.parametrize(
    ("same", "match"),
    [
        ({"columns": {"source_id": "a"}}, "identities: columns: customer_id is required"),
        (
            {"columns": {"source_id": "a", "customer_id": "b", "sorce": "c"}},
            r"columns: sorce is not a column of identities\. Did you mean source\?",
        ),
        (
            {"columns": {"source_id": "a", "customer_id": "b", "source": "c"}},
            "no source of a table has a name",
        ),
        ({"source": "mysql://x"}, "cannot read mysql:// sources"),
        ({"table": "x"}, "table goes with a postgresql:// source"),
        ({"attributes": "x"}, r"identities\.attributes: unknown key"),
    ],
)
def test_a_mistake_in_the_section_is_named(tmp_path, same, match):
    with pytest.raises(BusinessError, match=match):
        shops(tmp_path, SAME | same, {"purchases": {"source": "p.csv", "columns": COLUMNS}})

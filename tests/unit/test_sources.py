"""Sources: which files are found, how text is recognised, and what DuckDB may touch."""

import copy
import gzip

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from shops import GOOD, HEADER, built, csv_shop, rows_of, shop

from features.errors import DataError
from features.intake.delimited import header_of
from features.intake.sources import connect, find, read
from features.store import Store
from features.windows import BEGINNING

PARTS = [GOOD.splitlines(keepends=True)[n::3] for n in range(3)]


def amounts(store):
    return sorted(row["amount"] for row in rows_of(store, "purchases"))


ALL = [50 + 100 * n for n in range(10)]


def test_a_glob_and_a_folder_are_all_their_files(tmp_path):
    (tmp_path / "parts" / "deep").mkdir(parents=True)
    for n, rows in enumerate(PARTS):
        folder = tmp_path / "parts" / ("deep" if n == 2 else "")
        (folder / f"p{n}.csv").write_text(HEADER + "".join(rows))
    for mark in ("_SUCCESS", ".p0.csv.crc"):
        (tmp_path / "parts" / mark).write_text("x")
    assert amounts(built(shop(tmp_path, "parts"))[1]) == ALL
    assert amounts(built(shop(tmp_path, "parts/**/*.csv"))[1]) == ALL
    (place,) = find(shop(tmp_path, "parts/*.csv"), "purchases")
    assert len(place.files) == 2


def test_an_absolute_path_is_read_from_there(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "p.csv").write_text(HEADER + GOOD)
    assert amounts(built(shop(tmp_path, str(tmp_path / "elsewhere" / "p.csv")))[1]) == ALL


def test_a_folder_of_mixed_files_is_refused(tmp_path):
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "a.csv").write_text(HEADER + GOOD)
    (tmp_path / "parts" / "b.jsonl").write_text("{}")
    with pytest.raises(DataError, match=r"mixes csv and json files\. Use a glob"):
        find(shop(tmp_path, "parts"), "purchases")


def test_csv_files_with_their_columns_in_another_order_are_read_by_name(tmp_path):
    (tmp_path / "p1.csv").write_text(HEADER + "".join(PARTS[0]))
    (tmp_path / "p2.csv").write_text(
        "amount;note;id;date\n"
        + "".join(
            f"{row.split(',')[2].strip()};x;{row.split(',')[0]};{row.split(',')[1]}\n"
            for row in PARTS[1] + PARTS[2]
        )
    )
    assert amounts(built(shop(tmp_path, "p*.csv"))[1]) == ALL


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_compressed_text_is_read(tmp_path, ending):
    text = HEADER + GOOD
    if ending == "jsonl":
        fields = (row.split(",") for row in GOOD.splitlines())
        text = "".join(f'{{"id": "{a}", "date": "{b}", "amount": {c}}}\n' for a, b, c in fields)
    (tmp_path / f"p.{ending}.gz").write_bytes(gzip.compress(text.encode()))
    assert amounts(built(shop(tmp_path, f"p.{ending}.gz"))[1]) == ALL


@pytest.mark.parametrize(
    ("first", "columns", "delimiter"),
    [
        ("a,b\n", ("a", "b"), ","),
        ('"a,b",c\n', ("a,b", "c"), ","),
        ('"x;y;z",b\n', ("x;y;z", "b"), ","),
        ("a\tb, c\td\n", ("a", "b, c", "d"), "\t"),
        ("alone\n", ("alone",), ","),
        (",a\n", ("column 1", "a"), ","),
        ('"a\nb",c\n', ("a\nb", "c"), ","),
    ],
)
def test_the_header_says_columns_and_delimiter(tmp_path, first, columns, delimiter):
    (tmp_path / "p.csv").write_text(first)
    header = header_of("purchases", tmp_path / "p.csv")
    assert (header.columns, header.delimiter) == (columns, delimiter)


def test_quoted_fields_may_hold_delimiters_quotes_and_line_ends(tmp_path):
    rows = '"a,1",2024-01-01,1\n"b""2",2024-01-01,1\n'
    _, store = built(csv_shop(tmp_path, rows))
    assert store.customer_ids(0) == ["a,1", 'b"2']


def test_the_database_may_read_its_sources_and_nothing_else(tmp_path):
    (tmp_path / "secret.csv").write_text("x\n1\n")
    business = csv_shop(tmp_path, GOOD)
    (tmp_path / "staging").mkdir()
    (place,) = find(business, "purchases")
    with connect(tmp_path / "staging", [place], "200MB", 1) as connection:
        raw = read(connection, place, tmp_path / "staging")
        assert connection.execute(f"SELECT count(*) FROM ({raw.relation})").fetchone() == (10,)
        for sql in (
            f"SELECT * FROM read_csv('{tmp_path}/secret.csv')",
            f"COPY (SELECT 1) TO '{tmp_path}/out.csv'",
            "INSTALL httpfs",
            "SET enable_external_access = true",
        ):
            with pytest.raises(duckdb.Error):
                connection.execute(sql)
    assert not (tmp_path / "out.csv").exists()


def test_kinds_of_attributes_come_from_types_or_from_all_their_values(tmp_path):
    (tmp_path / "customers.csv").write_text(
        "id,income,store,vip,region\na,1.5,01,true,N\nb,-2,02,FALSE,7\nc,,03,,\n"
    )
    customers = {
        "source": "customers.csv",
        "columns": {"customer_id": "id"},
        "attributes": ["income", "store", "vip", "region"],
    }
    _, store = built(csv_shop(tmp_path, GOOD, tables={"customers": customers}))
    assert store.manifest.tables["customers"].columns == {
        "region": "category",
        "income": "number",
        "store": "category",
        "vip": "flag",
    }
    pq.write_table(
        pa.table(
            {
                "id": ["a", "b"],
                "income": pa.array([1, None], pa.int32()),
                "store": ["01", "02"],
                "vip": [True, None],
                "region": ["N", ""],
                "since": pa.array([1, None], pa.date32()),
            }
        ),
        tmp_path / "customers.parquet",
    )
    customers |= {"source": "customers.parquet", "attributes": [*customers["attributes"], "since"]}
    _, store = built(csv_shop(tmp_path, GOOD, tables={"customers": customers}))
    rows = {row["customer_id"]: row for row in rows_of(store, "customers")}
    assert rows["a"] == {
        "customer_id": "a",
        "at": BEGINNING,
        "known_at": BEGINNING,
        "region": "N",
        "income": 1.0,
        "since": 86_400_000_000.0,
        "store": "01",
        "vip": 1.0,
    }
    assert rows["b"]["region"] is None


def test_a_declared_kind_wins(tmp_path):
    (tmp_path / "customers.csv").write_text("id,band,vip\na,1,yes\nb,2,no\n")
    customers = {
        "source": "customers.csv",
        "columns": {"customer_id": "id"},
        "attributes": {"band": "category", "vip": "flag"},
    }
    _, store = built(csv_shop(tmp_path, GOOD, tables={"customers": customers}))
    assert [(r["band"], r["vip"]) for r in rows_of(store, "customers")] == [("1", 1.0), ("2", 0.0)]


def test_an_attribute_may_have_any_plain_name(tmp_path):
    names = ["select", "slice", "level", "code", "position", "n", "Group"]
    (tmp_path / "customers.csv").write_text(",".join(["id", *names]) + "\na" + ",x" * len(names) + "\n")
    customers = {"source": "customers.csv", "columns": {"customer_id": "id"}, "attributes": names}
    _, store = built(csv_shop(tmp_path, GOOD, tables={"customers": customers}))
    (row,) = rows_of(store, "customers")
    assert {row[name] for name in names} == {"x"}


def test_hostile_names_are_quoted(tmp_path):
    hostile = """d'"; DROP TABLE x; --"""
    (tmp_path / "it's p.csv").write_text('id,"' + hostile.replace('"', '""') + '",amount\na,2024-01-01,1\n')
    columns = {"customer_id": "id", "purchased_at": hostile, "amount": "amount"}
    path = tmp_path / "business.toml"
    path.write_text(
        '[business]\nname="x"\ncurrency="USD"\ntimezone="UTC"\n[tables.purchases]\nsource="it\'s p.csv"\n'
        "columns = { customer_id = 'id', amount = 'amount', purchased_at = \"\"\""
        + hostile.replace('"', '\\"')
        + '""" }\n'
    )
    from features.business import load

    business = load(path)
    assert business.tables["purchases"][0].columns == columns
    assert built(business)[1].customer_ids(0) == ["a"]


def test_a_column_may_serve_two_names(tmp_path):
    columns = {
        "customer_id": "id",
        "purchased_at": "date",
        "amount": "amount",
        "product_id": "id",
        "order_id": "date",
    }
    _, store = built(csv_shop(tmp_path, "a,2024-01-01,1\n", columns=columns))
    assert rows_of(store, "purchases")[0] | {"at": 0, "known_at": 0} == {
        "customer_id": "a",
        "at": 0,
        "known_at": 0,
        "amount": 100.0,
        "order_id": "2024-01-01",
        "product_id": "a",
    }


def in_a_worker(store):
    return store.manifest.n_customers, store.read(0, {"purchases": ["amount"]}).events("purchases").at.size


def test_an_open_store_travels_to_other_processes(tmp_path):
    _, store = built(csv_shop(tmp_path, GOOD))
    assert copy.copy(store) == Store.open(tmp_path / ".holdfast")
    assert in_a_worker(copy.deepcopy(store)) == (10, 10)

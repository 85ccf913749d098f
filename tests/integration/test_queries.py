"""Queries: what business.toml asks of the rows of its files."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from shops import COLUMNS, HEADER, built, rejected_of, rows_of, shop

from features.build import build
from features.errors import BusinessError, DataError

SECRET = "canary-7431"
ROWS = f"id,date,price,pieces\n{SECRET},2024-01-01,2.50,2\nb,2024-01-02,1.00,x\n00123,2024-01-03,4,10\n"
TOTAL = "try_cast(price as decimal(10, 2)) * try_cast(pieces as int) as amount"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "p.csv").write_text(ROWS)
    return tmp_path


def amounts(business):
    return {row["customer_id"]: row["amount"] for row in rows_of(built(business)[1], "purchases")}


def refused(business, match):
    with pytest.raises(DataError, match=match) as caught:
        build(business)
    assert SECRET not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    "query",
    [
        f"select id, date, {TOTAL} from source where pieces <> 'x'",
        f"with few as (select * from source) select id, date, {TOTAL} from few where pieces <> 'x' limit 2;",
        f"from source select id, date, {TOTAL} where pieces <> 'x' -- only whole pieces",
    ],
)
def test_a_query_is_asked_of_the_rows_of_the_files(folder, query):
    assert amounts(shop(folder, "p.csv", query=query)) == {SECRET: 500, "00123": 4000}


def test_text_is_text_until_the_query_casts_it(folder):
    query = "select id, date, price as amount, id < '1' as early from source"
    _, store = built(shop(folder, "p.csv", query=query, attributes=["early"]))
    assert [(r["customer_id"], r["early"]) for r in rows_of(store, "purchases")] == [
        ("00123", 1.0), ("b", 0.0), (SECRET, 0.0),
    ]  # fmt: skip


def test_attributes_of_text_files_show_their_kind_through_a_query(folder):
    query = "select id, date, price as amount, price as worth, pieces from source"
    _, store = built(shop(folder, "p.csv", query=query, attributes=["worth", "pieces"]))
    columns = store.manifest.tables["purchases"].columns
    assert (columns["worth"], columns["pieces"]) == ("number", "category")


def test_sums_of_whole_numbers_stay_whole(folder):
    pieces = "sum(try_cast(pieces as bigint))"
    query = f"select id, date, {pieces} as amount, count(*)::hugeint as n from source group by all"
    business = shop(folder, "p.csv", query=query, columns=COLUMNS | {"order_id": "n"})
    with pytest.raises(DataError, match=r"1 of 3 rows break the contract, .*amount is empty: 1"):
        build(business)
    kept = query.replace("from source", "from source where pieces <> 'x'")
    assert amounts(shop(folder, "p.csv", query=kept)) == {SECRET: 200, "00123": 1000}
    ids = f"select {pieces} + 9007199254740981 as id, min(date) as date, 1 as amount from source"
    assert amounts(shop(folder, "p.csv", query=ids)) == {"9007199254740993": 100}


def test_refused_rows_are_rows_of_the_answer(folder):
    rows = "".join(f"g{n},2024-01-01,1,1\n" for n in range(8))
    (folder / "p.csv").write_text(ROWS + rows)
    query = f"select id, date, {TOTAL} from source order by pieces desc, id"
    _, store = built(shop(folder, "p.csv", query=query))
    assert [(row["row"], row["customer_id"], row["reason"]) for row in rejected_of(store, "purchases")] == [
        (1, "b", "amount is empty")
    ]


def test_a_query_over_parquet_and_json_lines(folder):
    pq.write_table(
        pa.table({"id": ["a", "b"], "date": ["2024-01-01"] * 2, "cents": [150, 250]}), folder / "p.parquet"
    )
    query = "select id, date, cents / 100 as amount from source where cents > 200"
    assert amounts(shop(folder, "p.parquet", query=query)) == {"b": 250}
    (folder / "p.jsonl").write_text(
        '{"id": 9007199254740993, "date": "2024-01-01", "cents": 150, "late": 1}\n'
    )
    query = "select id, date, cents::int / 100 as amount, late from source"
    assert amounts(shop(folder, "p.jsonl", query=query, attributes=["late"])) == {"9007199254740993": 150}
    (folder / "p.jsonl").write_text('{"id": 1.0, "date": "2024-01-01", "cents": 150, "late": 1}\n')
    refused(shop(folder, "p.jsonl", query=query), r"column 'id' \(for customer_id\) has numbers with a point")


def test_files_of_one_query_have_the_same_columns(folder):
    (folder / "p2.csv").write_text("date,id,pieces,price\n2024-01-04,d,1,7\n")
    query = f"select id, date, {TOTAL} from source where pieces <> 'x'"
    assert amounts(shop(folder, "p*.csv", query=query)) == {SECRET: 500, "00123": 4000, "d": 700}
    (folder / "p2.csv").write_text("date,id,pieces\n2024-01-04,d,1\n")
    refused(shop(folder, "p*.csv", query=query), "column 'price' is in some of the files and not in others")
    for name, cents in (("a", [1]), ("b", ["1"])):
        pq.write_table(
            pa.table({"id": ["a"], "date": ["2024-01-01"], "amount": cents}), folder / f"{name}.parquet"
        )
    refused(
        shop(folder, "*.parquet", query="select * from source"),
        "column 'amount' is string in b.parquet and int64",
    )


@pytest.mark.parametrize(
    ("query", "match"),
    [
        ("selec id from source", 'Parser Error: syntax error at or near "selec"'),
        ("select amuont from source", r'Referenced column "amuont" not found.*Candidate bindings: '),
        ("select * from purchases", "Table with name purchases does not exist"),
        (
            "select id, date, price::int::text || id as amount, id::int from source",
            "Could not convert string … to INT32",
        ),
        (
            "select id, (id || date)::date as date, price as amount from source",
            "invalid date field format: …",
        ),
        (
            "select id, date, pieces[1:1]::tinyint * 99 * 99 as amount from source where pieces <> 'x'",
            "Overflow|Range",
        ),
        ("select error(id) from source", "the query cannot be answered: Invalid Input Error"),
        ("select strptime(id, '%Y') from source", "the query cannot be answered: Invalid Input Error"),
        ("select id, date, price from source", r"column 'amount' \(for amount\) is not in the query"),
        ("select * from source; select 1", "the query is not one select"),
        ("copy source to 'x.csv'", "the query is not one select"),
        ("set threads = 1", "the query is not one select"),
        (f"select * from source where id = '{SECRET}' and", "Parser Error"),
        (f"select '{SECRET}'::date as date from source", "Conversion Error: "),
    ],
)
def test_a_query_that_cannot_be_answered_is_explained_without_values(folder, query, match):
    refused(shop(folder, "p.csv", query=query), match)


def test_a_query_reads_nothing_but_its_source(folder, monkeypatch):
    (folder / "secret.csv").write_text(HEADER + f"{SECRET},2024-01-01,1\n")
    for query in (
        f"select * from read_csv('{folder}/secret.csv')",
        f"select * from '{folder}/secret.csv'",
        "select * from read_text('/etc/passwd')",
        "select * from glob('/*')",
    ):
        refused(
            shop(folder, "p.csv", query=query),
            "it may read nothing but source",
        )
    monkeypatch.setenv("HOLDFAST_SECRET", SECRET)
    refused(
        shop(folder, "p.csv", query="select getenv('HOLDFAST_SECRET') as id from source"),
        "getenv does not exist",
    )


def test_what_python_holds_is_no_table_of_a_query(folder):
    outside = pa.table({"id": ["a"], "date": ["2024-01-01"], "amount": ["1"]})
    query = "select * from outside"
    refused(shop(folder, "p.csv", query=query), "Table with name outside does not exist")
    assert outside.num_rows == 1


def test_a_damaged_file_is_named_rather_than_the_query(folder):
    (folder / "p.csv").write_text(ROWS + f"{SECRET},2024-01-01\n")
    refused(
        shop(folder, "p.csv", query="select * from source"), "line 5 of the file has 2 fields, expected 4"
    )
    (folder / "p.jsonl").write_text('{"id": "a"}\n{"id": ')
    refused(shop(folder, "p.jsonl", query="select * from source"), "is not a JSON object on one line")


def test_a_query_is_never_empty(folder):
    with pytest.raises(BusinessError, match=r"tables\.purchases\.query"):
        shop(folder, "p.csv", query="")

"""Several sources of one table: a web shop and a till, each with its own columns, formats and clock."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from shops import COLUMNS, GOOD, HEADER, built, rejected_of, rows_of, toml_of

from features.build import build
from features.business import load
from features.errors import BusinessError, DataError
from features.windows import parse_instant

WEB = {"name": "web", "source": "web.csv", "columns": COLUMNS}
TILL = {
    "source": "till.csv",
    "columns": {"customer_id": "card", "purchased_at": "day", "amount": "total", "channel": "lane"},
    "formats": {"purchased_at": "%d.%m.%Y", "amount": "1.234,56"},
}
TILL_ROWS = "card;day;total;lane\ngood1;01.02.2024;1.000,50;west\ncash;02.02.2024;3;\n"


def shops(folder, *sources, tables=None, **keys):
    """A business whose purchases come from several sources."""
    path = folder / "business.toml"
    path.write_text(toml_of({"purchases": list(sources)} | (tables or {}), **keys), encoding="utf-8")
    return load(path)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "web.csv").write_text(HEADER + GOOD)
    (tmp_path / "till.csv").write_text(TILL_ROWS)
    return tmp_path


def test_the_rows_of_all_sources_are_stored_each_read_in_its_own_way(folder):
    report, store = built(shops(folder, WEB, TILL))
    assert report.manifest.tables["purchases"].rows_in == 12
    rows = [row for row in rows_of(store, "purchases") if row["customer_id"] in {"good1", "cash"}]
    assert [(r["customer_id"], r["at"], r["amount"], r["channel"]) for r in rows] == [
        ("cash", parse_instant("2024-02-02"), 300, None),
        ("good1", parse_instant("2024-02-01"), 100_050, "west"),
        ("good1", parse_instant("2024-03-02"), 150, None),
    ]


def test_sources_of_different_kinds_of_files_feed_one_table(folder):
    pq.write_table(
        pa.table({"id": ["p"], "date": pa.array([0], pa.timestamp("us", "UTC")), "amount": [2.5]}),
        folder / "p.parquet",
    )
    (folder / "j.jsonl").write_text('{"id": "j", "date": "2024-01-01", "amount": 1}\n')
    others = [{"source": name, "columns": COLUMNS} for name in ("p.parquet", "j.jsonl")]
    _, store = built(shops(folder, WEB, *others))
    assert {row["customer_id"]: row["amount"] for row in rows_of(store, "purchases")}.items() >= {
        "p": 250,
        "j": 100,
        "good0": 50,
    }.items()


def test_a_source_may_have_a_clock_of_its_own(folder):
    business = shops(folder, WEB, TILL | {"timezone": "Europe/Berlin"})
    _, store = built(business)
    at = {row["customer_id"]: row["at"] for row in rows_of(store, "purchases")}
    assert at["cash"] == parse_instant("2024-02-01T23:00:00Z")
    assert at["good0"] == parse_instant("2024-03-01")
    _, store = built(
        shops(folder, WEB | {"timezone": "UTC"}, TILL | {"timezone": "Europe/Berlin"}, timezone=None)
    )
    assert {row["customer_id"]: row["at"] for row in rows_of(store, "purchases")} == at
    with pytest.raises(DataError, match=r"purchases \(source 2\): the times in purchased_at carry no zone"):
        build(shops(folder, WEB | {"timezone": "UTC"}, TILL, timezone=None))


def test_times_with_a_zone_in_one_source_and_without_in_another_are_no_mixture(folder):
    (folder / "aware.csv").write_text(HEADER + "a,2024-01-01T01:00:00+01:00,1\n")
    _, store = built(shops(folder, WEB, {"source": "aware.csv", "columns": COLUMNS}))
    assert rows_of(store, "purchases")[0]["at"] == parse_instant("2024-01-01")


def test_a_refused_row_says_its_source_and_its_row_there(folder):
    (folder / "web.csv").write_text(HEADER + GOOD + "x,2024-01-01,?\n")
    (folder / "till.csv").write_text(TILL_ROWS + ";03.02.2024;3;\n" + "c;03.02.2024;1;\n" * 8)
    report, store = built(shops(folder, WEB, TILL))
    record = report.manifest.tables["purchases"]
    assert (record.rows_in, record.stored, record.rejected) == (22, 20, 2)
    assert record.reasons == {"amount is not a plain number": 1, "customer_id is empty": 1}
    assert rejected_of(store, "purchases") == [
        {
            "source": "web", "row": 11, "reason": "amount is not a plain number",
            "customer_id": "x", "purchased_at": "2024-01-01", "amount": "?", "channel": None,
        },
        {
            "source": "2", "row": 3, "reason": "customer_id is empty",
            "customer_id": None, "purchased_at": "03.02.2024", "amount": "3", "channel": None,
        },
    ]  # fmt: skip


def test_a_source_of_mostly_refused_rows_stops_the_build_however_small_it_is(folder):
    (folder / "web.csv").write_text(HEADER + GOOD * 20)
    (folder / "till.csv").write_text("card;day;total;lane\n;01.02.2024;1;\n")
    with pytest.raises(DataError, match=r"purchases \(source 2\): 1 of 1 rows break the contract"):
        build(shops(folder, WEB, TILL))


EVENTS = COLUMNS | {"event_id": "event"}


def test_event_ids_are_compared_within_a_table_whichever_source_they_come_from(folder):
    (folder / "one.csv").write_text(
        "id,date,amount,event\n"
        + "".join(f"g{n},2024-01-01,1,g{n}\n" for n in range(20))
        + "a,2024-01-01,1,e\n"
    )
    (folder / "two.csv").write_text(
        "id,date,amount,event\n"
        + "".join(f"h{n},2024-01-01,1,h{n}\n" for n in range(20))
        + "a,2024-01-01,1.00,e\nb,2024-01-01,1,g0\n"
    )
    sources = [{"source": name, "columns": EVENTS} for name in ("one.csv", "two.csv")]
    report, store = built(shops(folder, *sources))
    record = report.manifest.tables["purchases"]
    assert (record.rows_in, record.stored, record.duplicates, record.rejected) == (43, 40, 1, 2)
    assert [(row["source"], row["row"]) for row in rejected_of(store, "purchases")] == [("1", 1), ("2", 22)]


def test_a_source_without_event_ids_beside_one_with_them_is_stored_whole(folder):
    (folder / "one.csv").write_text("id,date,amount,event\na,2024-01-01,1,e\na,2024-01-01,1,e\n")
    (folder / "two.csv").write_text(HEADER + "a,2024-01-01,1\n" * 2)
    sources = [{"source": "one.csv", "columns": EVENTS}, {"source": "two.csv", "columns": COLUMNS}]
    report, _ = built(shops(folder, *sources))
    record = report.manifest.tables["purchases"]
    assert (record.rows_in, record.stored, record.duplicates) == (4, 3, 1)


def attributes(folder, first, second, one=("x",), two=("x",)):
    (folder / "one.csv").write_text(f"id,date,amount,x\na,2024-01-01,1,{first}\n")
    (folder / "two.csv").write_text(f"id,date,amount,x\nb,2024-01-01,1,{second}\n")
    columns = {"columns": COLUMNS}
    _, store = built(
        shops(
            folder,
            columns
            | {"name": "shop", "source": "one.csv", "attributes": one if type(one) is dict else list(one)},
            columns | {"source": "two.csv", "attributes": two if type(two) is dict else list(two)},
        )
    )
    return store.manifest.tables["purchases"].columns["x"], [row["x"] for row in rows_of(store, "purchases")]


def test_an_attribute_has_one_kind_in_all_sources(folder):
    assert attributes(folder, "1", "2") == ("number", [1.0, 2.0])
    assert attributes(folder, "1", "b", {"x": "category"}) == ("category", ["1", "b"])
    kind, (first, second) = attributes(folder, "", "2.5")
    assert (kind, second, first != first) == ("number", 2.5, True)  # noqa: PLR0124  (NaN)
    with pytest.raises(
        DataError,
        match=r"purchases: the attribute x is a number in the source shop and a category in 2\. Declare",
    ):
        attributes(folder, "1", "b")
    with pytest.raises(
        BusinessError,
        match=r"tables\.purchases: the attribute x is a number in the source shop and a flag in 2",
    ):
        attributes(folder, "1", "1", {"x": "number"}, {"x": "flag"})


def test_an_attribute_that_one_source_lacks_is_null_there(folder):
    (folder / "two.csv").write_text("id,date,amount,x\nb,2024-01-01,1,7\n")
    _, store = built(shops(folder, WEB, {"source": "two.csv", "columns": COLUMNS, "attributes": ["x"]}))
    rows = {row["customer_id"]: row["x"] for row in rows_of(store, "purchases")}
    assert rows.pop("b") == 7.0
    assert all(value != value for value in rows.values())  # noqa: PLR0124  (NaN)


PEOPLE = {"source": "people.csv", "columns": {"customer_id": "id", "region": "region"}}
CARDS = {"source": "cards.csv", "columns": {"customer_id": "card", "household_id": "home"}}


def test_what_two_sources_know_of_a_customer_is_put_together(folder):
    (folder / "people.csv").write_text("id,region\ngood1,N\ngood2,S\n")
    (folder / "cards.csv").write_text("card,home\ngood1,h1\ngood3,h3\n")
    report, store = built(shops(folder, WEB, tables={"customers": [PEOPLE, CARDS]}))
    record = report.manifest.tables["customers"]
    assert (record.rows_in, record.stored, record.duplicates) == (4, 3, 1)
    assert [(r["customer_id"], r["household_id"], r["region"]) for r in rows_of(store, "customers")] == [
        ("good1", "h1", "N"), ("good2", None, "S"), ("good3", "h3", None),
    ]  # fmt: skip


def test_what_two_sources_say_of_a_customer_must_agree(folder):
    (folder / "people.csv").write_text("id,region\ngood1,N\ngood2,S\n")
    (folder / "more.csv").write_text("id,region\ngood1,S\ngood2,S\n")
    with pytest.raises(
        DataError, match="customers: 1 customers have rows for the same valid_from that say diff"
    ):
        build(shops(folder, WEB, tables={"customers": [PEOPLE, PEOPLE | {"source": "more.csv"}]}))


def test_what_each_source_says_of_a_customer_counts_from_when_that_was_known(folder):
    (folder / "people.csv").write_text("id,region,known\ngood1,N,2024-01-05\n")
    (folder / "cards.csv").write_text("card,home,known\ngood1,h1,2024-01-09\n")
    known = {"known_at": "known"}
    sources = [one | {"columns": one["columns"] | known} for one in (PEOPLE, CARDS)]
    _, store = built(shops(folder, WEB, tables={"customers": sources}))
    assert [(r["known_at"], r["region"], r["household_id"]) for r in rows_of(store, "customers")] == [
        (parse_instant("2024-01-05"), "N", None),
        (parse_instant("2024-01-09"), None, "h1"),
    ]


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"name": "web"}, r"tables\.purchases: more than one source has the name 'web'"),
        ({"name": "1"}, None),
        ({"columns": {"customer_id": "id"}}, r"tables\.purchases\[2\]: columns: purchased_at is required"),
        ({"colums": {}}, r"tables\.purchases\[2\]\.colums: unknown key\. Did you mean columns"),
        ({"timezone": "Mars"}, r"tables\.purchases\[2\]\.timezone: 'Mars' is not a known timezone"),
        ({"rows": 0}, r"tables\.purchases\[2\]\.rows"),
    ],
)
def test_a_mistake_in_one_of_several_sources_is_found_there(folder, change, match):
    if match is None:
        shops(folder, WEB, TILL | change)
        return
    with pytest.raises(BusinessError, match=match):
        shops(folder, WEB, TILL | change)


def test_a_position_may_not_be_the_name_of_another_source(folder):
    with pytest.raises(BusinessError, match="more than one source has the name '2'"):
        shops(folder, WEB | {"name": "2"}, TILL)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"source": "nothing.csv"}, r"purchases \(source 2\): there is no file at 'nothing.csv'"),
        (
            {"columns": TILL["columns"] | {"amount": "totl"}},
            r"purchases \(source 2\): column 'totl' \(for amount\) is not in till.csv\. Did you mean total\?",
        ),
        (
            {"formats": {"amount": "1.234,56"}},
            r"purchases \(source 2\): 2 of 2 times in purchased_at are not ISO 8601.*'dd\.dd\.dddd'",
        ),
    ],
)
def test_a_fault_of_one_of_several_sources_names_it(folder, change, match):
    with pytest.raises(DataError, match=match):
        build(shops(folder, WEB, TILL | change))


def test_a_table_that_is_no_section_is_refused(tmp_path):
    path = tmp_path / "business.toml"
    for written in ("3", "[]"):
        path.write_text(toml_of({}).replace("[business]", f"tables.purchases = {written}\n[business]"))
        with pytest.raises(BusinessError, match=r"tables\.purchases: "):
            load(path)

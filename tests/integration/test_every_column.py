"""Every table of the single view with all of its columns, from a file to the store."""

import pytest
from shops import GOOD, built, csv_shop, rows_of

from features.tables import TABLES, Kind
from features.windows import BEGINNING, parse_instant

WRITTEN = {
    Kind.ID: ("a", "a"),
    Kind.TIME: ("2024-02-01T12:00:00", float(parse_instant("2024-02-01T12:00:00Z"))),
    Kind.MONEY: ("-12.30", -1230.0),
    Kind.NUMBER: ("2.5", 2.5),
    Kind.FLAG: ("yes", 1.0),
    Kind.CATEGORY: ("one", "one"),
    Kind.TEXT: ("two, three", "two, three"),
}
OF_CUSTOMERS = [name for name in TABLES if name != "market"]


def source_of(folder, table, columns):
    """Write one row that fills these columns, and declare it."""
    kinds = [TABLES[table].column(name).kind for name in columns]
    fields = [f'"{WRITTEN[kind][0]}"' for kind in kinds]
    (folder / f"one_{table}.csv").write_text(",".join(columns) + "\n" + ",".join(fields) + "\n")
    return {"source": f"one_{table}.csv", "columns": {name: name for name in columns}}


def only_row(folder, table, columns):
    source = source_of(folder, table, columns)
    others = {} if table == "purchases" else {table: source}
    business = csv_shop(folder, GOOD, tables=others, **({} if others else source))
    _, store = built(business)
    rows = [row for row in rows_of(store, table) if row["customer_id"] == "a"]
    assert len(rows) == 1
    return rows[0]


@pytest.mark.parametrize("table", OF_CUSTOMERS)
def test_every_optional_column_reaches_the_store_with_its_kind(tmp_path, table):
    contract = TABLES[table]
    row = only_row(tmp_path, table, [column.name for column in contract.columns])
    instant = int(WRITTEN[Kind.TIME][1])
    expected = {
        column.name: WRITTEN[column.kind][1]
        for column in contract.columns
        if column.name not in {"customer_id", "event_id", "known_at", contract.at}
    }
    assert row == {"customer_id": "a", "at": instant, "known_at": instant, **expected}


@pytest.mark.parametrize("table", OF_CUSTOMERS)
def test_a_table_needs_its_required_columns_only(tmp_path, table):
    contract = TABLES[table]
    row = only_row(tmp_path, table, list(contract.required))
    at = int(WRITTEN[Kind.TIME][1]) if contract.at in contract.required else BEGINNING
    assert (row["customer_id"], row["at"]) == ("a", at)


def test_the_market_reaches_the_store_by_region(tmp_path):
    (tmp_path / "market.csv").write_text(
        "when,area,unemployment,index\n2024-01-01,N,5.5,\n2024-01-01,S,7,99\n2024-02-01,,6,100\n2024-02-01,N,?,1\n"
        + "".join(f"2023-0{n}-01,N,5,1\n" for n in range(1, 10))
    )
    market = {
        "source": "market.csv",
        "columns": {"observed_at": "when", "region": "area"},
        "attributes": ["unemployment", "index"],
    }
    (tmp_path / "customers.csv").write_text("id,area\ngood1,S\n")
    customers = {"source": "customers.csv", "columns": {"customer_id": "id", "region": "area"}}
    business = csv_shop(tmp_path, GOOD, tables={"market": market, "customers": customers})
    report, store = built(business)
    record = report.manifest.tables["market"]
    assert (record.rows_in, record.stored) == (13, 12)
    assert record.reasons == {"unemployment is not a finite number": 1}
    shared = store.read(0, {"purchases": ["amount"], "market": ["unemployment"]}).shared["market"]
    assert list(shared.groups) == ["N", "S"]
    first, last = shared.events.offsets[1:3]
    assert shared.events.columns["unemployment"][first:last].tolist() == [7.0, 6.0]


def test_what_two_sources_say_of_the_market_is_put_together(tmp_path):
    (tmp_path / "jobs.csv").write_text("when,area,unemployment\n2024-01-01,N,5.5\n2024-02-01,N,6\n")
    (tmp_path / "prices.csv").write_text("when,area,index\n2024-01-01,N,99\n")
    sources = [
        {
            "source": f"{name}.csv",
            "columns": {"observed_at": "when", "region": "area"},
            "attributes": [indicator],
        }
        for name, indicator in (("jobs", "unemployment"), ("prices", "index"))
    ]
    report, _ = built(csv_shop(tmp_path, GOOD, tables={"market": sources}))
    record = report.manifest.tables["market"]
    assert (record.rows_in, record.stored, record.duplicates) == (3, 2, 1)

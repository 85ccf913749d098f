"""What a careful user expects of bad files: a named error or a counted rejection, never a silent change."""

import gzip
import re
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from shops import GOOD, HEADER, built, csv_shop, rejected_of, rows_of, shop, toml_of

from features.build import build
from features.business import load
from features.errors import DataError, HoldfastError
from features.store import Store
from features.windows import parse_instant

SECRET = "canary-7431"


def refused(business, match):
    """The build fails with this message, which shows no id, and publishes nothing."""
    with pytest.raises(DataError, match=match) as caught:
        build(business)
    assert SECRET not in str(caught.value)
    with pytest.raises(HoldfastError, match="Nothing has been built"):
        Store.open(business.workspace)
    return str(caught.value)


def rejection(business, reason, count=1):
    """The build succeeds, and these rows are refused for this reason; the store of the others is returned."""
    report, store = built(business)
    record = report.manifest.tables["purchases"]
    assert record.reasons == {reason: count}
    assert record.rows_in == record.stored + record.duplicates + record.rejected
    refusals = rejected_of(store, "purchases")
    assert [row["reason"] for row in refusals] == [reason] * count
    return store


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (f"{SECRET},2024-01-02,NaN", "amount is not a plain number"),
        (f"{SECRET},2024-01-02,nan", "amount is not a plain number"),
        (f"{SECRET},2024-01-02,inf", "amount is not a plain number"),
        (f"{SECRET},2024-01-02,1e3", "amount is not a plain number"),
        (f"{SECRET},2024-01-02,1_000", "amount is not a plain number"),
        (f'{SECRET},2024-01-02,"1.234,50"', "amount is not a plain number"),
        (f'{SECRET},2024-01-02,"1,234.50"', "amount is not a plain number"),
        (f"{SECRET},2024-01-02,$5", "amount is not a plain number"),
        (f"{SECRET},2024-01-02,(5)", "amount is not a plain number"),
        (f"{SECRET},2024-01-02,", "amount is empty"),
        (f"{SECRET},2024-01-02, ", "amount is empty"),
        (f"{SECRET},2024-01-02,12.345", "amount has more decimals than USD"),
        (f"{SECRET},2024-01-02,87960930222.09", "amount is too large to be believed"),
        (f"{SECRET},2024-01-02,99999999999999999999999999999999", "amount is too large to be believed"),
        (f"{SECRET},2024-02-30,5", "purchased_at is not a time"),
        (f"{SECRET},2024-13-01,5", "purchased_at is not a time"),
        (f"{SECRET},2024-01-02T25:00,5", "purchased_at is not a time"),
        (f"{SECRET},01/02/2024,5", "purchased_at is not a time"),
        (f"{SECRET},1704153600,5", "purchased_at is not a time"),
        (f"{SECRET},infinity,5", "purchased_at is not a time"),
        (f"{SECRET},,5", "purchased_at is empty"),
        (f"{SECRET},0001-01-01,5", "purchased_at is before 1900 or after 2200"),
        (f"{SECRET},1899-12-31,5", "purchased_at is before 1900 or after 2200"),
        (f"{SECRET},9999-12-31,5", "purchased_at is before 1900 or after 2200"),
        (f"{SECRET},2201-01-01,5", "purchased_at is before 1900 or after 2200"),
        (",2024-01-02,5", "customer_id is empty"),
        ('"",2024-01-02,5', "customer_id is empty"),
        (" \t,2024-01-02,5", "customer_id is empty"),
        ("\u2003,2024-01-02,5", "customer_id is empty"),
        (f"{SECRET}\x1b[31m,2024-01-02,5", "customer_id has control characters"),
        (f"{SECRET}\x00,2024-01-02,5", "customer_id has control characters"),
        (f'"{SECRET}\n",2024-01-02,5', "customer_id has control characters"),
        (f"{SECRET}\x85,2024-01-02,5", "customer_id has control characters"),
        ("x" * 257 + ",2024-01-02,5", "customer_id is longer than 256 characters"),
        ("é" * 257 + ",2024-01-02,5", "customer_id is longer than 256 characters"),
    ],
)
def test_a_bad_row_is_refused_with_a_reason_and_the_others_are_kept(tmp_path, row, reason):
    store = rejection(csv_shop(tmp_path, GOOD + row + "\n"), reason)
    assert len(rows_of(store, "purchases")) == 10
    assert rejected_of(store, "purchases")[0]["row"] == 11


@pytest.mark.parametrize(
    ("row", "at", "amount"),
    [
        ("a,2024-01-02,-12.50", 1704153600000000, -1250),
        ("a,2024-01-02,0", 1704153600000000, 0),
        ("a,2024-01-02,.5", 1704153600000000, 50),
        ("a,2024-01-02,5.", 1704153600000000, 500),
        ("a,2024-01-02,+5.10000", 1704153600000000, 510),
        ("a, 2024-01-02 , 5.10 ", 1704153600000000, 510),
        ("a,2024-01-02,87960930222.08", 1704153600000000, 2**43),
        ("a,1900-01-01,1", -2208988800000000, 100),
        ("a,2024-01-02T00:00:00.000001,1", 1704153600000001, 100),
        ("a,2024-01-02 00:00,1", 1704153600000000, 100),
    ],
)
def test_a_good_row_is_read_exactly(tmp_path, row, at, amount):
    _, store = built(csv_shop(tmp_path, row + "\n"))
    assert [(r["at"], r["amount"]) for r in rows_of(store, "purchases")] == [(at, amount)]


@pytest.mark.parametrize(
    ("written", "instant"),
    [
        ("2024-01-02T01:00:00+01:00", 1704153600000000),
        ("2024-01-02T00:00:00Z", 1704153600000000),
        ("2024-01-01 19:00:00-05", 1704153600000000),
        ("2024-01-02T05:30+0530", 1704153600000000),
    ],
)
def test_a_time_with_a_zone_needs_no_declared_one(tmp_path, written, instant):
    _, store = built(csv_shop(tmp_path, f"a,{written},1\n", timezone=None))
    assert [r["at"] for r in rows_of(store, "purchases")] == [instant]


@pytest.mark.parametrize(
    ("amount", "form", "minor"),
    [
        ("1,234.50", "1,234.56", 123450),
        ("1234.50", "1,234.56", 123450),
        ("1.234,50", "1.234,56", 123450),
        ("-1.234.567,8", "1.234,56", -123456780),
        ("1234", "minor", 1234),
        ("0.125", "rounded", 12),
        ("0.135", "rounded", 14),
        ("-0.125", "rounded", -12),
        ("1.015", "rounded", 102),
    ],
)
def test_money_in_a_declared_format_is_read(tmp_path, amount, form, minor):
    business = csv_shop(tmp_path, f'a,2024-01-01,"{amount}"\n', formats={"amount": form})
    _, store = built(business)
    assert [r["amount"] for r in rows_of(store, "purchases")] == [minor]


@pytest.mark.parametrize(
    ("amount", "form", "reason"),
    [
        ("1,23.50", "1,234.56", "amount is not a plain number"),
        ("1.234,50", "1,234.56", "amount is not a plain number"),
        ("1,234.50", "1.234,56", "amount is not a plain number"),
        ("12.5", "minor", "amount has a fraction of a minor unit"),
    ],
)
def test_money_of_another_format_than_declared_is_refused(tmp_path, amount, form, reason):
    good = "".join(f"g{n},2024-01-01,{n}\n" for n in range(9))
    business = csv_shop(tmp_path, good + f'a,2024-01-01,"{amount}"\n', formats={"amount": form})
    rejection(business, reason)


def test_currencies_without_minor_units_have_no_decimals(tmp_path):
    store = rejection(
        csv_shop(tmp_path, GOOD.replace(".50", "") + "a,2024-01-01,5.5\n", currency="JPY"),
        "amount has more decimals than JPY",
    )
    assert [r["amount"] for r in rows_of(store, "purchases")] == list(range(10))


@pytest.mark.parametrize(
    ("dates", "shape"),
    [
        ("01/02/2024 13/02/2024", "dd/dd/dddd"),
        ("01.02.2024 13.02.2024", "dd.dd.dddd"),
        ("1704153600 1704153601", "dddddddddd"),
        ("20240102 20240103", "dddddddd"),
        (f"{SECRET} {SECRET}", "aaaaaa-dddd"),
        ("Müller,★ Müller,★".replace(",", ";"), "aaaaaa;?"),
    ],
)
def test_a_column_of_undeclared_times_stops_the_build_and_shows_only_their_shape(tmp_path, dates, shape):
    rows = "".join(f"{SECRET},{date},1\n" for date in dates.split())
    message = refused(csv_shop(tmp_path, rows), r"purchases: 2 of 2 times in purchased_at are not ISO 8601")
    assert repr(shape) in message
    assert "formats = { purchased_at = " in message


def test_a_column_of_other_times_than_declared_stops_the_build_and_shows_only_their_shape(tmp_path):
    rows = "".join(f"{SECRET},2024-01-{n:02d},1\n" for n in range(1, 9))
    business = csv_shop(tmp_path, rows, formats={"purchased_at": "%d/%m/%Y"})
    message = refused(business, r"8 of 8 times in purchased_at are not of the declared format '%d/%m/%Y'")
    assert "'dddd-dd-dd'" in message


@pytest.mark.parametrize(
    ("date", "form"),
    [
        ("02/01/2024", "%d/%m/%Y"),
        ("01/02/2024", "%m/%d/%Y"),
        ("20240102", "%Y%m%d"),
        ("1704153600", "epoch_seconds"),
        ("1704153600000", "epoch_milliseconds"),
        ("1704153600000000", "epoch_microseconds"),
        ("2024-01-02 01:00 +0100", "%Y-%m-%d %H:%M %z"),
    ],
)
def test_times_in_a_declared_format_are_read(tmp_path, date, form):
    _, store = built(csv_shop(tmp_path, f"a,{date},1\n", formats={"purchased_at": form}))
    assert [r["at"] for r in rows_of(store, "purchases")] == [1704153600000000]


def test_a_day_that_does_not_exist_is_refused_in_a_declared_format_too(tmp_path):
    rows = "".join(f"a,{n:02d}/01/2024,1\n" for n in range(1, 10)) + "a,30/02/2024,1\n"
    rejection(csv_shop(tmp_path, rows, formats={"purchased_at": "%d/%m/%Y"}), "purchased_at is not a time")


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_typed_times_of_every_precision_are_read(tmp_path, unit):
    write(
        tmp_path,
        id=["a"],
        date=pa.array([1704153600 * 10 ** {"s": 0, "ms": 3, "us": 6, "ns": 9}[unit]], pa.timestamp(unit)),
        amount=[1.0],
    )
    _, store = built(shop(tmp_path, "p.parquet"))
    assert [r["at"] for r in rows_of(store, "purchases")] == [1704153600000000]


def test_naive_times_need_a_declared_timezone(tmp_path):
    refused(csv_shop(tmp_path, GOOD, timezone=None), r'times in purchased_at carry no zone.*timezone = "UTC"')


def test_typed_naive_times_need_a_declared_timezone(tmp_path):
    write(tmp_path, id=["a"], date=pa.array([0], pa.timestamp("us")), amount=[1.0])
    refused(shop(tmp_path, "p.parquet", timezone=None), "times in purchased_at carry no zone")
    write(tmp_path, id=["a"], date=pa.array([0], pa.date32()), amount=[1.0])
    refused(shop(tmp_path, "p.parquet", timezone=None), "times in purchased_at carry no zone")


def test_naive_and_aware_times_in_one_column_stop_the_build(tmp_path):
    rows = GOOD + f"{SECRET},2024-01-01T00:00:00Z,1\n"
    refused(csv_shop(tmp_path, rows), r"10 times in purchased_at carry no zone and 1 do")


@pytest.mark.parametrize(
    ("clock", "utc"),
    [
        ("2024-03-31T02:30:00", 1711848600000000),  # skipped: as if it were still winter, 01:30Z
        ("2024-10-27T02:30:00", 1729992600000000),  # twice: the second, 01:30Z
        ("2024-07-01", 1719784800000000),
        ("2024-01-01", 1704063600000000),
    ],
)
def test_local_times_follow_the_documented_rule_where_clocks_change(tmp_path, clock, utc):
    _, store = built(csv_shop(tmp_path, f"a,{clock},1\n", timezone="Europe/Berlin"))
    assert [r["at"] for r in rows_of(store, "purchases")] == [utc]


@pytest.mark.parametrize(
    "id_",
    [
        "00123",
        "NA",
        "null",
        "None",
        "nan",
        "9007199254740993",
        "1e5",
        "1.0",
        "true",
        "'; DROP TABLE p; --",
        "../../etc/passwd",
        "=cmd()",
        "Ünï",
        "a b",
        "x" * 256,
    ],
)
def test_ids_keep_their_text(tmp_path, id_):
    _, store = built(csv_shop(tmp_path, f"{id_},2024-01-01,1\n"))
    assert store.customer_ids(0) == [id_]


def test_composed_and_decomposed_letters_are_two_ids(tmp_path):
    _, store = built(csv_shop(tmp_path, "e\u0301,2024-01-01,1\n\u00e9,2024-01-01,1\n"))
    assert store.customer_ids(0) == ["e\u0301", "\u00e9"]


def test_whole_numbers_in_parquet_and_json_keep_all_their_digits(tmp_path):
    write(
        tmp_path,
        id=pa.array([2**53 + 1, None, 7]),
        date=pa.array([0, 0, 0], pa.date32()),
        amount=[1.0, 1.0, 1.0],
    )
    with pytest.raises(DataError, match="customer_id is empty: 1"):
        build(shop(tmp_path, "p.parquet"))
    (tmp_path / "p.jsonl").write_text(
        '{"id": 9007199254740993, "date": "2024-01-01", "amount": 1.10}\n'
        '{"id": 123456789012345678901234567890, "date": "2024-01-01", "amount": 1}\n'
        '{"id": "00123", "date": "2024-01-01", "amount": "1.5"}\n'
    )
    _, store = built(shop(tmp_path, "p.jsonl"))
    assert [(r["customer_id"], r["amount"]) for r in rows_of(store, "purchases")] == [
        ("00123", 150),
        ("123456789012345678901234567890", 100),
        ("9007199254740993", 110),
    ]


def test_ids_stored_as_floating_numbers_stop_the_build(tmp_path):
    write(tmp_path, id=[123.0, None], date=pa.array([0, 0], pa.date32()), amount=[1.0, 1.0])
    refused(
        shop(tmp_path, "p.parquet"),
        r"column 'id' \(for customer_id\) has the type DOUBLE.*write the ids as text",
    )
    (tmp_path / "p.jsonl").write_text('{"id": 123.0, "date": "2024-01-01", "amount": 1}\n')
    refused(shop(tmp_path, "p.jsonl"), r"column 'id' \(for customer_id\) has numbers with a point")


def test_whole_numbers_as_times_stop_the_build_until_their_unit_is_declared(tmp_path):
    write(tmp_path, id=["a"], date=[1704153600], amount=[1.0])
    refused(
        shop(tmp_path, "p.parquet"), r'BIGINT; expected times.*formats = { purchased_at = "epoch_seconds" }'
    )
    _, store = built(shop(tmp_path, "p.parquet", formats={"purchased_at": "epoch_seconds"}))
    assert [r["at"] for r in rows_of(store, "purchases")] == [1704153600000000]


@pytest.mark.parametrize("kind", [pa.bool_(), pa.date32()])
def test_a_retyped_amount_stops_the_build(tmp_path, kind):
    write(
        tmp_path, id=["a"], date=pa.array([0], pa.date32()), amount=pa.array([1]).cast(pa.int32()).cast(kind)
    )
    refused(
        shop(tmp_path, "p.parquet"),
        r"column 'amount' \(for amount\) has the type (BOOLEAN|DATE); expected numbers",
    )


def test_typed_amounts_are_exact(tmp_path):
    amounts = pa.array(["12.99", "-0.01", "80000000000.01"]).cast(pa.decimal128(20, 2))
    for kind in (pa.decimal128(20, 2), pa.float64()):
        write(tmp_path, id=["a", "b", "c"], date=pa.array([0] * 3, pa.date32()), amount=amounts.cast(kind))
        _, store = built(shop(tmp_path, "p.parquet"))
        assert [r["amount"] for r in rows_of(store, "purchases")] == [1299, -1, 8000000000001]
    write(tmp_path, id=["a"], date=pa.array([0], pa.date32()), amount=pa.array([12.99], pa.float32()))
    _, store = built(shop(tmp_path, "p.parquet"))
    assert [r["amount"] for r in rows_of(store, "purchases")] == [1299]
    write(tmp_path, id=["a"], date=pa.array([0], pa.date32()), amount=[0.1 + 0.2])
    _, store = built(shop(tmp_path, "p.parquet"))
    assert [r["amount"] for r in rows_of(store, "purchases")] == [30]


def test_not_a_number_and_infinity_in_typed_money_are_refused(tmp_path):
    write(
        tmp_path,
        id=list("abcdefghijkl"),
        date=pa.array([0] * 12, pa.date32()),
        amount=[1.0] * 10 + [float("nan"), float("-inf")],
    )
    rejection(shop(tmp_path, "p.parquet"), "amount is not a plain number", 2)


def test_an_event_at_or_after_observed_until_is_refused(tmp_path):
    rows = (
        GOOD + f"{SECRET},2024-06-01T00:00:00,5\n{SECRET},2030-01-01,5\nlast,2024-05-31T23:59:59.999999,5\n"
    )
    business = csv_shop(tmp_path, rows, observed_until="2024-06-01")
    store = rejection(business, "purchased_at is not before observed_until", 2)
    assert store.observed_until == 1717200000000000
    assert SECRET not in store.customer_ids(0)


NOW = 1717200000000000  # 2024-06-01


def test_an_event_after_the_build_is_refused_and_moves_nothing(tmp_path):
    rows = GOOD + f"{SECRET},2124-03-05,5\n{SECRET},2024-06-01,5\nlast,2024-05-30T23:59:59,5\n"
    report, store = built(csv_shop(tmp_path, rows), now=NOW)
    assert report.manifest.tables["purchases"].reasons == {"purchased_at is after the build": 2}
    assert [row["row"] for row in rejected_of(store, "purchases")] == [11, 12]
    assert store.observed_until == parse_instant("2024-05-31")
    assert SECRET not in store.customer_ids(0)


def test_without_a_given_instant_the_build_happens_now(tmp_path):
    ahead = datetime.now(UTC).replace(tzinfo=None) + timedelta(hours=1)
    store = rejection(
        csv_shop(tmp_path, GOOD + f"{SECRET},{ahead.isoformat()},5\n"), "purchased_at is after the build"
    )
    assert store.observed_until == parse_instant("2024-03-11")


def test_a_declared_end_governs_whatever_the_instant_of_the_build(tmp_path):
    business = csv_shop(tmp_path, GOOD + "last,2024-08-01,5\n", observed_until="2024-09-01")
    report, store = built(business, now=NOW)
    assert report.manifest.tables["purchases"].rejected == 0
    assert store.observed_until == parse_instant("2024-09-01")


@pytest.mark.parametrize(
    ("table", "columns", "row", "kept"),
    [
        ("contacts", "contacted_at channel kind", "web,visit", False),
        ("surveys", "answered_at question", "nps", False),
        ("exits", "left_at", "", False),
        ("subscriptions", "started_at plan", "basic", True),
        ("campaigns", "sent_at campaign arm", "spring,control", True),
    ],
)
def test_plans_may_lie_ahead_but_what_happened_may_not_and_neither_moves_the_end(
    tmp_path, table, columns, row, kept
):
    names = ["customer_id", *columns.split()]
    times = ["2031-01-01"] + ["2024-05-01"] * 9
    lines = [",".join(filter(None, [f"good{n}", time, row])) for n, time in enumerate(times)]
    (tmp_path / f"{table}.csv").write_text("\n".join([",".join(names), *lines]) + "\n")
    source = {"source": f"{table}.csv", "columns": {name: name for name in names}}
    report, store = built(csv_shop(tmp_path, GOOD, tables={table: source}), now=NOW)
    reasons = {} if kept else {f"{names[1]} is after the build": 1}
    assert report.manifest.tables[table].reasons == reasons
    assert store.observed_until == parse_instant("2024-03-11")


@pytest.mark.parametrize(
    ("starts", "until"), [("2024-01-05 2031-01-01", "2024-01-06"), ("2031-01-01", "2024-06-01")]
)
def test_without_purchases_the_end_is_that_of_the_subscriptions_that_have_begun(tmp_path, starts, until):
    (tmp_path / "s.csv").write_text(
        "customer_id,started_at,plan\n" + "".join(f"a,{s},x\n" for s in starts.split())
    )
    columns = {name: name for name in ("customer_id", "started_at", "plan")}
    path = tmp_path / "business.toml"
    path.write_text(toml_of({"subscriptions": {"source": "s.csv", "columns": columns}}))
    _, store = built(load(path), now=NOW)
    assert store.observed_until == parse_instant(until)


def test_the_facts_end_no_later_than_the_build(tmp_path):
    _, store = built(csv_shop(tmp_path, GOOD + "last,2024-06-01T10:00:00,5\n"), now=NOW + 11 * 3_600_000_000)
    assert store.observed_until == NOW + 11 * 3_600_000_000


def test_an_event_that_comes_twice_is_counted_once(tmp_path):
    rows = (
        "a,2024-01-01,1,e1,\nb,2024-01-01,1,e2,\na,2024-01-01,1.00,e1,2024-03-01\n" + "a,2024-01-01,1,,\n" * 2
    )
    business = csv_shop(
        tmp_path,
        rows,
        "id,date,amount,event,known\n",
        columns={
            "customer_id": "id",
            "purchased_at": "date",
            "amount": "amount",
            "event_id": "event",
            "known_at": "known",
        },
    )
    report, store = built(business)
    record = report.manifest.tables["purchases"]
    assert (record.rows_in, record.stored, record.duplicates, record.rejected) == (5, 4, 1, 0)
    assert [r["customer_id"] for r in rows_of(store, "purchases")] == ["a", "a", "a", "b"]
    assert not record.late  # what came again had been known before


def test_an_event_id_with_different_content_is_refused_for_all_its_rows(tmp_path):
    rows = "".join(f"g{n},2024-01-01,1,g{n}\n" for n in range(20))
    rows += f"{SECRET},2024-01-01,1,{SECRET}\nother,2024-01-01,1,{SECRET}\n{SECRET},2024-01-01,1,{SECRET}\n"
    business = csv_shop(
        tmp_path,
        rows,
        "id,date,amount,event\n",
        columns={"customer_id": "id", "purchased_at": "date", "amount": "amount", "event_id": "event"},
    )
    store = rejection(business, "event_id is used for different rows", 3)
    assert [row["row"] for row in rejected_of(store, "purchases")] == [21, 22, 23]
    assert store.manifest.n_customers == 20


def test_without_event_ids_equal_rows_are_different_events(tmp_path):
    report, _ = built(csv_shop(tmp_path, "a,2024-01-01,1\na,2024-01-01,1\n"))
    assert report.manifest.tables["purchases"].stored == 2


def test_more_refused_rows_than_a_fifth_stop_the_build_and_are_counted_by_reason(tmp_path):
    rows = GOOD + f"{SECRET},2024-01-01,x\n" * 2 + f"{SECRET},,1\n"
    refused(
        csv_shop(tmp_path, rows),
        r"3 of 13 rows break the contract, more than 20%\. "
        r"amount is not a plain number: 2; purchased_at is empty: 1\.",
    )


def test_no_two_rows_of_customers_may_speak_of_one_time(tmp_path):
    (tmp_path / "customers.csv").write_text(f"id,region\n{SECRET},N\n{SECRET},S\nb,N\n")
    business = csv_shop(
        tmp_path,
        GOOD,
        tables={
            "customers": {"source": "customers.csv", "columns": {"customer_id": "id", "region": "region"}}
        },
    )
    refused(business, "customers: 1 customers have more than one row for the same valid_from")


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (HEADER + "a,2024-01-01,1\na,2024-01-01,1,9\n", "line 3 of the file has 4 fields, expected 3"),
        (
            HEADER + f"a,2024-01-01,1\n{SECRET},2024-01-01,1,\n",
            "line 3 of the file .* has 4 fields, expected 3",
        ),
        (
            HEADER + f"a,2024-01-01,1\n{SECRET},2024-01-01,1,",
            "line 3 of the file .* has 4 fields, expected 3",
        ),
        (HEADER + f"a,2024-01-01,1\n{SECRET},2024-01-01\n", "line 3 of the file has 2 fields, expected 3"),
        (HEADER + f"a,2024-01-01,1\n{SECRET},2024-0", "line 3 of the file has 2 fields, expected 3"),
        (
            HEADER + f'a,2024-01-01,1\n"{SECRET},2024-01-01,1\nb,2024-01-01,1\n',
            "line 3 .* quote that is never closed",
        ),
        (HEADER + f'a,2024-01-01,1\n"{SECRET}"x,2024-01-01,1\n', "line 3 .* text after a closing quote"),
        ("id,date,id\na,2024-01-01,1\n", "more than one column 'id'"),
        ("ID,date,id\na,2024-01-01,1\n", "more than one column 'id'"),
        ("", "is empty; expected a header and rows"),
        ("\n", "is empty; expected a header and rows"),
        (HEADER, r"the source has no rows"),
        (
            "id,date,amuont\na,2024-01-01,1\n",
            r"column 'amount' \(for amount\) is not in .*Did you mean amuont\?",
        ),
        (f"{SECRET},2024-01-01,1\nb,2024-01-01,1\n", r"first row of .* holds numbers or times.*Add a header"),
        (HEADER.encode() + b"\xff\xfe,2024-01-01,1\n", "line 2 of the file is not UTF-8"),
        (HEADER.encode("utf-16"), "is not UTF-8 text"),
    ],
)
def test_a_damaged_csv_file_stops_the_build_and_the_place_is_named(tmp_path, content, match):
    (tmp_path / "purchases.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    refused(shop(tmp_path), match)


@pytest.mark.parametrize("header", [HEADER, "\ufeff" + HEADER, HEADER.replace("\n", "\r\n")])
def test_byte_order_marks_and_windows_line_ends_are_read(tmp_path, header):
    rows = "a,2024-01-01,1\n"
    _, store = built(csv_shop(tmp_path, rows.replace("\n", "\r\n") if "\r" in header else rows, header))
    assert store.customer_ids(0) == ["a"]


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_other_delimiters_are_recognised_in_the_header(tmp_path, delimiter):
    _, store = built(
        csv_shop(tmp_path, "a,2024-01-01,1\n".replace(",", delimiter), HEADER.replace(",", delimiter))
    )
    assert store.customer_ids(0) == ["a"]


def test_an_empty_last_column_is_no_extra_field(tmp_path):
    rows = "".join(f"a,2024-01-0{n},1,\n" for n in range(1, 5))
    _, store = built(csv_shop(tmp_path, rows, "id,date,amount,note\n"))
    assert len(rows_of(store, "purchases")) == 4


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (
            '{"id": "a", "date": "2024-01-01", "amount": 1}\n{"id": "canary-7431", "da',
            "is not a JSON object on one line",
        ),
        ('{"id": "a", "date": "2024-01-01", "amount": 1}\n[1]\n', "is not a JSON object"),
        (
            '{"id": "a", "date": "2024-01-01", "amonut": 1}\n',
            r"'amount' \(for amount\) is not in .*Did you mean amonut",
        ),
        ("", "the source has no rows|is not in"),
    ],
)
def test_a_damaged_json_file_stops_the_build(tmp_path, content, match):
    (tmp_path / "p.jsonl").write_text(content)
    refused(shop(tmp_path, "p.jsonl"), match)


def test_a_damaged_or_missing_parquet_column_stops_the_build(tmp_path):
    write(tmp_path, id=["a"], date=pa.array([0], pa.date32()), total=[1.0])
    refused(
        shop(tmp_path, "p.parquet"),
        r"column 'amount' \(for amount\) is not in p.parquet. Known: date, id, total",
    )
    whole = (tmp_path / "p.parquet").read_bytes()
    (tmp_path / "p.parquet").write_bytes(whole[:-9])
    refused(shop(tmp_path, "p.parquet"), "p.parquet is not a whole Parquet file")


def test_an_empty_parquet_file_stops_the_build(tmp_path):
    write(
        tmp_path,
        id=pa.array([], pa.string()),
        date=pa.array([], pa.date32()),
        amount=pa.array([], pa.float64()),
    )
    refused(shop(tmp_path, "p.parquet"), "the source has no rows")


def test_a_table_of_refused_rows_only_stops_the_build(tmp_path):
    refused(csv_shop(tmp_path, f"{SECRET},2024-01-01,x\n"), "1 of 1 rows break the contract")


def test_files_that_disagree_on_a_type_stop_the_build(tmp_path):
    write(tmp_path, id=["a"], date=pa.array([0], pa.date32()), amount=[1.0])
    (tmp_path / "p.parquet").rename(tmp_path / "p1.parquet")
    write(tmp_path, id=pa.array([1]), date=pa.array([0], pa.date32()), amount=[1.0])
    refused(shop(tmp_path, "p*.parquet"), r"column 'id' is (string|int64) in p1?.parquet and")


def test_no_file_and_an_unknown_kind_of_file_stop_the_build(tmp_path):
    refused(shop(tmp_path, "nothing.csv"), "there is no file at 'nothing.csv'")
    (tmp_path / "p.xlsx").write_bytes(b"PK")
    refused(shop(tmp_path, "p.xlsx"), "p.xlsx is of no known kind")


def test_a_cut_compressed_file_stops_the_build(tmp_path):
    whole = gzip.compress((HEADER + GOOD * 2000).encode(), compresslevel=0)
    (tmp_path / "purchases.csv.gz").write_bytes(whole[: len(whole) // 2])
    refused(shop(tmp_path, "purchases.csv.gz"), "purchases: .*")


def test_refused_rows_can_be_found_in_the_source(tmp_path):
    business = csv_shop(tmp_path, GOOD + f"{SECRET},2024-01-01, x \n")
    _, store = built(business)
    assert rejected_of(store, "purchases") == [
        {
            "source": "1",
            "row": 11,
            "reason": "amount is not a plain number",
            "customer_id": SECRET,
            "purchased_at": "2024-01-01",
            "amount": " x ",
        }
    ]


def test_no_message_of_any_refusal_shows_a_path_of_the_machine_or_sql(tmp_path):
    message = refused(csv_shop(tmp_path, "", "x,y,z\n"), "is not in")
    assert not re.search(r"SELECT|/tmp|read_csv", message)


def write(folder, **columns):
    pq.write_table(pa.table(columns), folder / "p.parquet")

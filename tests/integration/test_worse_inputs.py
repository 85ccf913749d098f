"""Further bad inputs: numbers, currencies, files and clocks that nobody should believe."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from shops import COLUMNS, GOOD, HEADER, built, csv_shop, rejected_of, rows_of, shop

from features.build import build
from features.errors import BusinessError, DataError, HoldfastError
from features.store import Store
from features.windows import parse_instant

SECRET = "canary-7431"
NOW = parse_instant("2024-06-01")


def refused(business, match, **how):
    with pytest.raises(DataError, match=match) as caught:
        build(business, **how)
    assert SECRET not in str(caught.value)
    with pytest.raises(HoldfastError, match="Nothing has been built"):
        Store.open(business.workspace)


@pytest.mark.parametrize(
    ("quantity", "reason"),
    [
        ("inf", "quantity is not a finite number"),
        ("-Infinity", "quantity is not a finite number"),
        ("NaN", "quantity is not a finite number"),
        ("1e400", "quantity is not a finite number"),
        ("1e300", "quantity is too large to be believed"),
        ("-9007199254740994", "quantity is too large to be believed"),
        ("9007199254740992", None),
    ],
)
def test_a_number_that_nobody_believes_is_refused(tmp_path, quantity, reason):
    rows = GOOD.replace("\n", ",1\n") + f"{SECRET},2024-01-01,1,{quantity}\n"
    columns = COLUMNS | {"quantity": "n"}
    report, _ = built(csv_shop(tmp_path, rows, "id,date,amount,n\n", columns=columns))
    assert report.manifest.tables["purchases"].reasons == ({reason: 1} if reason else {})


@pytest.mark.parametrize(
    ("quantity", "reason"),
    [
        (float("-inf"), "quantity is not a finite number"),
        (1e300, "quantity is too large to be believed"),
        (float("nan"), None),  # how a missing number is often written
    ],
)
def test_a_typed_number_that_nobody_believes_is_refused(tmp_path, quantity, reason):
    table = {
        "id": [f"c{n}" for n in range(11)],
        "date": pa.array([0] * 11, pa.date32()),
        "amount": [1.0] * 11,
        "n": [1.0] * 10 + [quantity],
    }
    pq.write_table(pa.table(table), tmp_path / "p.parquet")
    report, _ = built(shop(tmp_path, "p.parquet", columns=COLUMNS | {"quantity": "n"}))
    assert report.manifest.tables["purchases"].reasons == ({reason: 1} if reason else {})


@pytest.mark.parametrize("kind", [pa.float64(), pa.float32()])
def test_an_amount_that_is_nan_is_refused_though_the_file_says_its_largest_is_one(tmp_path, kind):
    amounts = pa.array([1.0] * 10 + [float("nan")], kind)
    table = {"id": [f"c{n}" for n in range(11)], "date": pa.array([0] * 11, pa.date32()), "amount": amounts}
    pq.write_table(pa.table(table), tmp_path / "p.parquet")
    report, store = built(shop(tmp_path, "p.parquet"))
    assert report.manifest.tables["purchases"].reasons == {"amount is not a plain number": 1}
    assert {row["amount"] for row in rows_of(store, "purchases")} == {100}


def test_a_return_is_kept_with_its_sign(tmp_path):
    _, store = built(csv_shop(tmp_path, "a,2024-01-01,20\na,2024-01-02,-20.00\na,2024-01-03,0\n"))
    assert [row["amount"] for row in rows_of(store, "purchases")] == [2000, -2000, 0]


def test_the_largest_amounts_of_a_customer_still_add_up_exactly(tmp_path):
    rows = "".join(f"a,2024-01-{n % 28 + 1:02d},87960930222.08\n" for n in range(1000))
    _, store = built(csv_shop(tmp_path, rows))
    amounts = store.read(0, {"purchases": ["amount"]}).events("purchases").columns["amount"]
    assert amounts.sum() == 1000 * 2**43


CURRENCIES = COLUMNS | {"currency": "money"}


def with_currencies(folder, *codes, **keys):
    rows = "".join(f"{SECRET},2024-01-{n + 1:02d},1,{code}\n" for n, code in enumerate(codes))
    return csv_shop(folder, rows, "id,date,amount,money\n", columns=CURRENCIES, **keys)


def test_amounts_in_another_currency_are_refused_and_never_added(tmp_path):
    report, store = built(with_currencies(tmp_path, *["USD"] * 8, " USD ", "EUR"))
    record = report.manifest.tables["purchases"]
    assert (record.stored, record.reasons) == (9, {"currency is not USD": 1})
    assert record.columns == {"amount": "money"}
    (row,) = rejected_of(store, "purchases")
    assert (row["row"], row["currency"]) == (10, "EUR")


def test_many_amounts_in_another_currency_stop_the_build(tmp_path):
    refused(
        with_currencies(tmp_path, "USD", "EUR"), "1 of 2 rows break the contract, .*currency is not USD: 1"
    )


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("XYZ", "currency is no code of a currency"),
        ("usd", "currency is no code of a currency"),
        ("$", "currency is no code of a currency"),
        (" ", "currency is empty"),
    ],
)
def test_a_currency_that_is_none_is_refused(tmp_path, code, reason):
    report, _ = built(with_currencies(tmp_path, *["USD"] * 9, code))
    assert report.manifest.tables["purchases"].reasons == {reason: 1}


def test_a_table_without_money_has_no_currency(tmp_path):
    contacts = {name: name for name in ("customer_id", "contacted_at", "channel", "kind", "currency")}
    with pytest.raises(BusinessError, match="currency is not a column of this table"):
        csv_shop(tmp_path, GOOD, tables={"contacts": {"source": "c.csv", "columns": contacts}})


def test_a_currency_may_still_be_an_attribute(tmp_path):
    rows = "a,2024-01-01,1,EUR\n"
    _, store = built(csv_shop(tmp_path, rows, "id,date,amount,currency\n", attributes=["currency"]))
    assert rows_of(store, "purchases")[0]["currency"] == "EUR"
    rows, header = "a,2024-01-01,1,EUR\n", "id,date,amount,money\n"
    _, store = built(csv_shop(tmp_path, rows, header, columns=CURRENCIES, attributes=["currency"]))
    assert rows_of(store, "purchases")[0]["currency"] == "EUR"


def test_a_fifth_of_events_in_the_future_stops_the_build(tmp_path):
    rows = GOOD + f"{SECRET},2024-06-01,1\n" * 3
    refused(csv_shop(tmp_path, rows), "3 of 13 rows .*purchased_at is after the build: 3", now=NOW)


def test_nobody_has_observed_the_market_of_the_future(tmp_path):
    (tmp_path / "m.csv").write_text("when,x\n2024-06-01,1\n" + "2024-05-01,1\n")
    market = {"source": "m.csv", "columns": {"observed_at": "when"}, "attributes": ["x"]}
    refused(
        csv_shop(tmp_path, GOOD, tables={"market": market}),
        "market: 1 of 2 rows .*observed_at is after the build: 1",
        now=NOW,
    )


def test_years_that_stand_for_nothing_are_refused_in_parquet_too(tmp_path):
    days = [*range(10), -719162, 2932896]  # 0001-01-01 and 9999-12-31
    table = {"id": list("abcdefghijkl"), "date": pa.array(days, pa.date32()), "amount": [1.0] * 12}
    pq.write_table(pa.table(table), tmp_path / "p.parquet")
    report, _ = built(shop(tmp_path, "p.parquet"))
    assert report.manifest.tables["purchases"].reasons == {"purchased_at is before 1900 or after 2200": 2}


def test_a_customer_without_an_id_is_refused_in_every_table_and_counted(tmp_path):
    ids = [None, *(f"c{n}" for n in range(9))]
    customers = {"source": "c.parquet", "columns": {"customer_id": "id", "region": "region"}}
    pq.write_table(pa.table({"id": ids, "region": ["N"] * 10}), tmp_path / "c.parquet")
    report, store = built(csv_shop(tmp_path, GOOD + ",2024-01-01,1\n", tables={"customers": customers}))
    for table in ("purchases", "customers"):
        assert report.manifest.tables[table].reasons == {"customer_id is empty": 1}
    assert len(store.customer_ids(0)) == 19


def test_a_field_too_many_in_every_row_shifts_nothing(tmp_path):
    rows = "".join(f"{line},x\n" for line in GOOD.splitlines())
    refused(csv_shop(tmp_path, rows), "line 2 of the file has 4 fields, expected 3")


def test_a_file_that_is_cut_between_two_rows_is_seen_by_its_declared_number_of_rows(tmp_path):
    csv_shop(tmp_path, "".join(GOOD.splitlines(keepends=True)[:7]))
    refused(shop(tmp_path, rows=10), r"the source has 7 rows; expected 10\. Complete it")
    csv_shop(tmp_path, GOOD + GOOD)
    refused(shop(tmp_path, rows=10), "the source has 20 rows; expected 10")
    csv_shop(tmp_path, GOOD)
    report, _ = built(shop(tmp_path, rows=10))
    assert report.manifest.tables["purchases"].rows_in == 10


def test_a_changed_column_is_found_before_any_row_is_read(tmp_path):
    told = []
    business = csv_shop(tmp_path, f"{SECRET},2024-01-01,1\n", HEADER.replace("amount", "amonut"))
    with pytest.raises(DataError, match=r"column 'amount' \(for amount\) is not in .*Did you mean amonut"):
        build(business, lambda *step: told.append(step))
    assert told == []


def test_a_clock_that_jumps_back_changes_no_stored_byte(tmp_path):
    business = csv_shop(tmp_path, GOOD)
    prints = {build(business, now=now).manifest.fingerprint for now in (NOW, NOW - 86_400_000_000 * 60, NOW)}
    assert len(prints) == 1
    rows = GOOD + f"{SECRET},2024-05-31,1\n"
    report, store = built(csv_shop(tmp_path, rows), now=parse_instant("2024-05-30"))
    assert report.manifest.tables["purchases"].reasons == {"purchased_at is after the build": 1}
    assert store.observed_until == parse_instant("2024-03-11")


def running(folder, ends, form=None, timezone="UTC"):
    """A shop whose customers have contracts that end, or not."""
    rows = "".join(f"good{n % 10},2024-01-01,basic,{end}\n" for n, end in enumerate(ends))
    (folder / "contracts.csv").write_text("id,start,plan,end\n" + rows)
    columns = {"customer_id": "id", "started_at": "start", "plan": "plan", "ended_at": "end"}
    formats = {"formats": {"ended_at": form}} if form else {}
    contracts = {"source": "contracts.csv", "columns": columns} | formats
    return csv_shop(folder, GOOD, tables={"subscriptions": contracts}, timezone=timezone)


@pytest.mark.parametrize(
    ("endless", "usual", "form", "timezone"),
    [
        ("9999-12-31", "2024-02-01", None, "UTC"),
        ("9999-01-01", "2024-02-01", None, "Asia/Tokyo"),
        ("9999-12-31T23:59:59-08:00", "2024-02-01T00:00:00Z", None, "UTC"),
        ("9999-12-31", "2024-02-01T00:00:00Z", None, "UTC"),
        ("31.12.9999", "01.02.2024", "%d.%m.%Y", "Europe/Berlin"),
        ("253402214400", "1706745600", "epoch_seconds", "UTC"),
    ],
)
def test_an_end_in_the_year_9999_is_none_yet_and_is_counted(tmp_path, endless, usual, form, timezone):
    report, store = built(running(tmp_path, [endless, usual, "", endless], form, timezone))
    record = report.manifest.tables["subscriptions"]
    assert (record.stored, record.rejected) == (4, 0)
    assert record.notes == {"ended_at in the year 9999 or later, read as not yet": 2}
    ends = [row["ended_at"] for row in rows_of(store, "subscriptions")]
    assert sum(end != end for end in ends) == 3  # noqa: PLR0124  (NaN)


def test_other_ends_that_nobody_believes_are_still_refused(tmp_path):
    ends = ["2300-01-01", "1066-10-14", "soon", *["2024-02-01"] * 20]
    report, _ = built(running(tmp_path, ends))
    record = report.manifest.tables["subscriptions"]
    assert record.reasons == {"ended_at is before 1900 or after 2200": 2, "ended_at is not a time": 1}
    assert record.notes == {}


def test_a_response_in_the_year_9999_is_none_yet(tmp_path):
    times = [pa.scalar(day, pa.date32()) for day in (19800, 2932896)]
    sent = {"id": ["good1", "good2"], "sent": times[:1] * 2, "answered": times, "name": ["c", "c"]}
    pq.write_table(pa.table({**sent, "arm": ["a", "a"]}), tmp_path / "sent.parquet")
    columns = {"customer_id": "id", "sent_at": "sent", "responded_at": "answered", "campaign": "name"}
    mail = {"source": "sent.parquet", "columns": {**columns, "arm": "arm"}}
    report, _ = built(csv_shop(tmp_path, GOOD, tables={"campaigns": mail}))
    assert report.manifest.tables["campaigns"].notes == {
        "responded_at in the year 9999 or later, read as not yet": 1
    }

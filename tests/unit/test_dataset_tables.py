"""Each public data set becomes the tables of the single view; what tells the outcome stays out."""

import tomllib
from datetime import UTC, date, datetime
from decimal import Decimal

import pyarrow.parquet as pq
import pytest
from published import PUBLISHERS, write

from experiments.datasets import load
from experiments.datasets.telco import DEFECTOR_TYPES
from features import business
from features.errors import DataError, UserError

SETS = sorted(PUBLISHERS)


def made(name, tmp_path, **changed):
    """Load a made-up data set; return the folder of its tables."""
    source = PUBLISHERS[name](tmp_path / "downloads", **changed)
    load("telco" if name == "classic" else name, source, tmp_path / "out")
    return tmp_path / "out"


def rows(folder, table, *columns):
    found = pq.read_table(folder / f"{table}.parquet", columns=list(columns)).to_pydict()
    return list(zip(*(found[column] for column in columns), strict=True))


@pytest.mark.parametrize("name", SETS)
def test_the_business_file_is_understood_and_names_every_column_that_is_there(tmp_path, name):
    folder = made(name, tmp_path)
    assert business.load(folder / "business.toml").churn.kind in {"exit", "silence"}
    said = tomllib.loads((folder / "business.toml").read_text())["tables"]
    assert sorted(said) == sorted(path.stem for path in folder.glob("*.parquet"))
    for table, source in said.items():
        columns = {**{name: name for name in source.get("attributes", {})}, **source["columns"]}
        assert source["source"] == f"{table}.parquet"
        assert set(columns.values()) == set(pq.read_schema(folder / f"{table}.parquet").names)


@pytest.mark.parametrize("name", SETS)
def test_the_same_files_give_the_same_bytes_and_are_left_as_they_are(tmp_path, name):
    folders = [made(name, tmp_path / place) for place in ("one", "two")]
    files = [{path.name: path.read_bytes() for path in folder.iterdir()} for folder in folders]
    assert files[0] == files[1]
    again = [{p.name: p.read_bytes() for p in (tmp_path / o / "downloads").iterdir()} for o in ("one", "two")]
    assert again[0] == again[1]


@pytest.mark.parametrize(("name", "file"), [("complete_journey", "campaigns"), ("telco", "customers")])
def test_a_table_is_never_written_over_a_file_that_it_was_made_from(tmp_path, name, file):
    source = PUBLISHERS[name](tmp_path)
    before = {path.name: path.read_bytes() for path in source.iterdir()}
    assert f"{file}.parquet" in before
    with pytest.raises(UserError, match=r"is not empty, and .* did not fill it"):
        load(name, source, tmp_path)
    assert {path.name: path.read_bytes() for path in source.iterdir()} == before


@pytest.mark.parametrize(
    ("name", "missing", "advice"),
    [
        ("complete_journey", "demographics", r"demographics\.parquet and no demographics\.csv .*R package"),
        (
            "ravenstack",
            "supports_ticket",
            r"supports_ticket\.parquet .*ravenstack_support_tickets\.csv .*Kaggle",
        ),
        ("insurance", "eudirectlapse", r"eudirectlapse\.parquet .*CASdatasets"),
        ("telco", "customers", r"customers\.parquet .*IBM.*Telco-Customer-Churn\.csv"),
    ],
)
def test_a_missing_file_is_named_with_where_to_get_it(tmp_path, name, missing, advice):
    source = PUBLISHERS[name](tmp_path / "downloads")
    (source / f"{missing}.parquet").unlink()
    with pytest.raises(DataError, match=advice):
        load(name, source, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("name", "changed", "message"),
    [
        ("complete_journey", {"household_id": [7, 7, 8, 8]}, "household_id .* must be text"),
        ("complete_journey", {"sales_value": None, "sales": [1.0] * 4}, "sales_value. Did you mean sales"),
        ("ravenstack", {"end_date": ["soon", None]}, "end_date .* a date"),
        ("ravenstack", {"subscription_id": ["S-1", "S-1"]}, "subscription_id .* more than once"),
        ("insurance", {"prem_market": [1.0, None]}, "prem_market .* empty cells"),
        ("insurance", {"lapse": [0.5, 1.0]}, "lapse .* a whole number"),
        ("telco", {"tenure_in_months": ["1", "2", "3", "many"]}, "tenure_in_months .* a whole number"),
        ("telco", {"churn_reason": None}, "no column churn_reason"),
        ("classic", {"MonthlyCharges": ["1.5", "2", "3.001", "4"]}, "MonthlyCharges .* two decimals"),
    ],
)
def test_columns_of_another_shape_are_refused_by_name(tmp_path, name, changed, message):
    with pytest.raises(DataError, match=message):
        made(name, tmp_path, **changed)


def test_a_household_buys_by_department_and_the_shop_takes_off_what_it_gave(tmp_path):
    folder = made("complete_journey", tmp_path)
    found = rows(folder, "purchases", "product_id", "department", "quantity", "sales_value", "discount")
    assert found[:2] == [
        ("00p", "GROCERY", 2.0, Decimal("3.86"), Decimal("0.88")),
        ("gas", "FUEL", None, Decimal("20.10"), Decimal("0.00")),  # thousandths of a gallon are no pieces
    ]
    assert found[3][1] is None
    assert rows(folder, "purchases", "purchased_at")[-1] == (datetime(2018, 1, 1, 3, 47, 38, tzinfo=UTC),)


def test_every_household_is_a_customer_whether_it_bought_or_not(tmp_path):
    assert rows(made("complete_journey", tmp_path), "customers", "household_id", "age") == [
        ("7", "known"),
        ("8", None),
        ("9", None),
    ]


def test_a_campaign_is_answered_by_the_first_redemption_of_its_own_coupons(tmp_path):
    columns = ("household_id", "sent_at", "campaign_id", "arm", "responded_at")
    assert rows(made("complete_journey", tmp_path), "campaigns", *columns) == [
        ("7", date(2017, 10, 30), "18", "treated", date(2017, 11, 3)),
        ("8", date(2016, 12, 28), "26", "treated", None),
        ("9", date(2017, 10, 30), "18", "treated", None),
    ]


def test_a_contract_starts_its_tenure_before_the_quarter_ends_whoever_left(tmp_path):
    columns = ("started_at", "ended_at", "plan", "price", "term")
    assert rows(made("telco", tmp_path), "subscriptions", *columns) == [
        (date(2019, 1, 1), None, "Cable", Decimal("20.00"), "year"),
        (date(2019, 9, 1), date(2019, 9, 30), "no internet", Decimal("30.50"), "month"),
        (date(2019, 6, 1), date(2019, 9, 30), "Fiber Optic", Decimal("40.00"), "month"),
        (date(2013, 10, 1), None, "DSL", Decimal("90.95"), "2 years"),
    ]


def test_a_customer_who_accepted_no_offer_is_not_one_of_whom_that_is_unknown(tmp_path):
    found = rows(made("telco", tmp_path), "customers", "offer")
    assert found == [("no offer",), ("Offer E",), ("no offer",), ("Offer A",)]


def test_only_leavers_are_in_exits_with_their_reason_and_its_type(tmp_path):
    columns = ("customer_id", "left_at", "churn_reason", "churn_category", "defector_type")
    assert rows(made("telco", tmp_path), "exits", *columns) == [
        ("0003-MKNFE", date(2019, 9, 30), "Competitor had better devices", "Competitor", "technological"),
        ("0004-TLHLJ", date(2019, 9, 30), "Moved", "Other", "market"),
    ]
    reasons = [reason for group in DEFECTOR_TYPES.values() for reason in group]
    assert len(reasons) == len(set(reasons)) == 20


def test_what_tells_the_outcome_is_in_no_table_that_describes_a_customer(tmp_path):
    folder = made("telco", tmp_path)
    for table in ("customers", "subscriptions"):
        names = pq.read_schema(folder / f"{table}.parquet").names
        assert not [n for n in names if n.startswith(("churn", "satisfaction", "total_")) or n == "cltv"]
        assert "customer_status" not in names
        assert "tenure_in_months" not in names


def test_the_classic_release_is_read_where_it_is_alone_or_named(tmp_path):
    folder = made("classic", tmp_path)
    assert rows(folder, "subscriptions", "started_at", "plan", "term") == [
        (date(2019, 1, 1), "DSL", "year"),
        (date(2019, 9, 1), "no internet", "month"),
        (date(2019, 9, 30), "Fiber optic", "2 years"),
        (date(2013, 10, 1), "DSL", "2 years"),
    ]
    assert rows(folder, "exits", "customer_id", "left_at") == [("0003-MKNFE", date(2019, 9, 30))]
    assert "TotalCharges" not in pq.read_schema(folder / "customers.parquet").names
    both = PUBLISHERS["telco"](tmp_path / "downloads")
    load("telco", both, tmp_path / "both")
    assert "churn_reason" in pq.read_schema(tmp_path / "both" / "exits.parquet").names
    load("telco", both / "Telco-Customer-Churn.csv", tmp_path / "named")
    assert "churn_reason" not in pq.read_schema(tmp_path / "named" / "exits.parquet").names


def test_tickets_are_known_when_closed_and_uses_belong_to_the_account_of_their_contract(tmp_path):
    columns = ("account_id", "contacted_at", "known_at", "kind", "resolved", "waiting_seconds", "usage_count")
    found = rows(made("ravenstack", tmp_path), "contacts", *columns)
    assert [(account, at.strftime("%m-%d"), *rest) for account, at, *rest in found] == [
        ("A-1", "11-03", datetime(2024, 11, 4, 3), "service", True, 4440, None),  # noqa: DTZ001  (no zone given)
        ("A-2", "02-07", None, "visit", None, None, 8),
        ("A-2", "02-08", datetime(2023, 2, 8, 19), "service", True, 600, None),  # noqa: DTZ001  (no zone given)
    ]
    answers = rows(tmp_path / "out", "surveys", "account_id", "score")
    assert answers == [("A-2", 4.0)]


def test_contracts_are_priced_by_the_month_and_exits_carry_reason_text_and_type(tmp_path):
    folder = made("ravenstack", tmp_path)
    columns = ("account_id", "start_date", "end_date", "mrr_amount", "billing_period")
    assert rows(folder, "subscriptions", *columns) == [
        ("A-1", date(2024, 11, 1), None, 539, "year"),
        ("A-2", date(2023, 1, 9), date(2023, 4, 5), 0, "month"),
    ]
    assert rows(folder, "exits", "left_at", "reason_code", "feedback_text", "defector_type") == [
        (date(2023, 4, 5), "pricing", "missing features", "price"),
        (date(2024, 6, 6), "competitor", None, "unknown"),
    ]


def test_the_names_that_kaggle_gives_the_files_are_understood(tmp_path):
    source = PUBLISHERS["ravenstack"](tmp_path / "downloads")
    tickets = pq.read_table(source / "supports_ticket.parquet").to_pydict()
    (source / "supports_ticket.parquet").unlink()
    write(source, "ravenstack_support_tickets.csv", tickets)
    load("ravenstack", source, tmp_path / "out")
    assert len(rows(tmp_path / "out", "contacts", "account_id")) == 3


def test_a_policy_is_called_by_its_place_and_runs_until_the_renewal(tmp_path):
    folder = made("insurance", tmp_path)
    assert rows(folder, "subscriptions", "customer_id", "started_at", "ended_at", "prem_last") == [
        ("00001", date(2020, 1, 1), None, Decimal("232.47")),
        ("00002", date(2003, 1, 1), date(2021, 1, 1), Decimal("160.00")),
    ]
    found = rows(folder, "customers", "customer_id", "quoted_at", "renewal_to_last", "renewal_to_market")
    assert found[1] == ("00002", date(2020, 12, 1), 1.25, 0.8)
    assert rows(folder, "exits", "customer_id", "left_at") == [("00002", date(2021, 1, 1))]
    assert "lapse" not in pq.read_schema(folder / "customers.parquet").names

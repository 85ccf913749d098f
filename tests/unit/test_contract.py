"""A request is read strictly, exactly, and as the store reads the same rows."""

import json
from datetime import datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from fakes import business
from hypothesis import given, settings
from hypothesis import strategies as st

from features.events import arrange
from features.tables import TABLES, Kind
from features.windows import parse_instant
from serving import values
from serving.contract import Contract, Limits, records
from serving.documents import MOST_PROBLEMS, RequestRejected, parse

NOW = parse_instant("2024-02-01T00:00:00Z")
BOUGHT = {"purchased_at": "2024-01-05T10:00:00Z", "amount": 12.5}


@pytest.fixture
def contract(tmp_path):
    return Contract(business(tmp_path))


def ask(contract, *customers, **more):
    return contract.score_request(json.dumps({"customers": customers, **more}).encode(), NOW)


def refusal(contract, *customers, **more):
    with pytest.raises(RequestRejected) as refused:
        ask(contract, *customers, **more)
    assert refused.value.status == 400
    return {field["path"]: field["problem"] for field in refused.value.fields}


def test_a_customer_with_purchases_becomes_what_the_store_would_hold(contract):
    asked = ask(
        contract,
        {"customer_id": "00123", "region": "north", "joined_at": "2023-01-01T00:00:00Z"},
        {
            "customer_id": "NA",
            "purchases": [
                {"purchased_at": "2024-01-05T12:00:00+02:00", "amount": 12.5, "channel": "web"},
                {"purchased_at": "2024-01-01T00:00:00Z", "amount": -3, "channel": "shop", "quantity": 2},
            ],
        },
    )
    assert asked.cutoff == NOW
    assert list(asked.bucket.customer_ids) == ["00123", "NA"]
    purchases = asked.bucket.tables["purchases"]
    assert purchases.offsets.tolist() == [0, 0, 2]
    assert purchases.at.tolist() == [parse_instant("2024-01-01"), parse_instant("2024-01-05T10:00Z")]
    assert purchases.columns["amount"].tolist() == [-300.0, 1250.0]
    assert purchases.columns["channel"].tolist() == [0, 1]
    assert purchases.levels["channel"] == ["shop", "web"]
    assert np.isnan(purchases.columns["quantity"]).tolist() == [False, True]
    profile = asked.bucket.tables["customers"]
    assert profile.levels["region"] == ["north"]
    assert profile.columns["joined_at"].tolist() == [float(parse_instant("2023-01-01"))]
    assert profile.offsets.tolist() == [0, 1, 1]


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.data())
def test_a_request_equals_the_arrangement_of_its_rows_whatever_their_order(tmp_path_factory, data):
    contract = Contract(business(tmp_path_factory.mktemp("shop")))
    rows = data.draw(
        st.lists(
            st.tuples(
                st.integers(0, 2),
                st.integers(0, 3),
                st.integers(-(10**6), 10**6),
                st.one_of(st.none(), st.integers(0, 5)),
                st.sampled_from([None, "web", "shop"]),
            ),
            max_size=12,
        )
    )
    customers = [{"customer_id": f"c{i}", "purchases": []} for i in range(3)]
    for customer, day, cents, quantity, channel in data.draw(st.permutations(rows)):
        event = {"purchased_at": f"2024-01-0{day + 1}T00:00:00Z", "amount": cents / 100, "quantity": quantity}
        customers[customer]["purchases"].append({**event, "channel": channel})
    asked = ask(contract, *customers).bucket.events("purchases")
    columns = {
        "purchased_at": [parse_instant(f"2024-01-0{day + 1}") for _, day, *_ in rows],
        "amount": [cents for _, _, cents, _, _ in rows],
        "quantity": [quantity for *_, quantity, _ in rows],
        "channel": [channel for *_, channel in rows],
    }
    wanted = arrange(TABLES["purchases"], 3, np.array([row[0] for row in rows], np.int64), columns)
    assert asked.offsets.tolist() == wanted.offsets.tolist()
    assert asked.at.tobytes() == wanted.at.tobytes()
    for name in wanted.columns:
        assert asked.columns[name].tobytes() == wanted.columns[name].tobytes()


def test_events_at_and_after_the_cutoff_are_kept_for_the_features_to_leave_out(contract):
    late = {"purchased_at": "2024-03-01T00:00:00Z", "amount": 1}
    asked = ask(contract, {"customer_id": "c", "purchases": [BOUGHT, late]}, cutoff="2024-01-10T00:00:00Z")
    assert asked.cutoff == parse_instant("2024-01-10")
    assert len(asked.bucket.events("purchases").at) == 2


def test_known_at_is_honoured(contract):
    asked = ask(contract, {"customer_id": "c", "purchases": [{**BOUGHT, "known_at": "2024-01-09T00:00:00Z"}]})
    assert asked.bucket.events("purchases").known_at.tolist() == [parse_instant("2024-01-09")]


def test_the_same_customer_twice_is_two_rows_in_order(contract):
    asked = ask(
        contract, {"customer_id": "c", "purchases": [BOUGHT]}, {"customer_id": "c"}, {"customer_id": "b"}
    )
    assert list(asked.bucket.customer_ids) == ["c", "c", "b"]
    assert asked.bucket.events("purchases").offsets.tolist() == [0, 1, 1, 1]


def test_a_table_that_nobody_fills_still_has_its_columns(contract):
    bucket = ask(contract, {"customer_id": "c"}).bucket
    assert {name: len(events.at) for name, events in bucket.tables.items()} == {
        "customers": 0,
        "purchases": 0,
    }
    columns = bucket.tables["purchases"].columns
    assert {name: str(column.dtype) for name, column in columns.items()} == {
        "amount": "float64",
        "quantity": "float64",
        "channel": "int32",
    }


def test_an_event_id_with_the_same_content_counts_once_however_it_is_written(contract):
    again = {"purchased_at": "2024-01-05T11:00:00+01:00", "amount": Decimal("12.50")}
    first = {**BOUGHT, "event_id": "e1"}
    body = json.dumps(
        {"customers": [{"customer_id": "c", "purchases": [first, {**again, "event_id": "e1"}]}]},
        default=float,
    )
    assert len(contract.score_request(body.encode(), NOW).bucket.events("purchases").at) == 1
    asked = ask(contract, {"customer_id": "c", "purchases": [BOUGHT, BOUGHT]})
    assert len(asked.bucket.events("purchases").at) == 2


def test_an_event_id_with_other_content_is_refused(contract):
    events = [{**BOUGHT, "event_id": "e1"}, {**BOUGHT, "event_id": "e1", "amount": 13}]
    assert list(refusal(contract, {"customer_id": "c", "purchases": events})) == [
        "customers[0].purchases[1].event_id"
    ]


def test_what_the_business_does_not_map_is_checked_and_then_ignored(contract):
    contact = {"contacted_at": "2024-01-01T00:00:00Z", "channel": "call", "kind": "complaint"}
    asked = ask(
        contract,
        {"customer_id": "c", "contacts": [contact], "purchases": [{**BOUGHT, "cost": 1, "order_id": "o"}]},
    )
    assert set(asked.bucket.tables) == {"customers", "purchases"}
    assert set(asked.bucket.tables["purchases"].columns) == {"amount", "quantity", "channel"}
    assert list(refusal(contract, {"customer_id": "c", "contacts": [{**contact, "kind": 3}]})) == [
        "customers[0].contacts[0].kind"
    ]


CANARY = "canary-7f3a"


@pytest.mark.parametrize(
    ("customer", "path", "problem"),
    [
        ({}, "customers[0].customer_id", "is required"),
        ({"customer_id": None}, "customers[0].customer_id", "is required"),
        ({"customer_id": 7}, "customers[0].customer_id", "must be text, not a number"),
        ({"customer_id": ""}, "customers[0].customer_id", "1 to 256"),
        ({"customer_id": " \t "}, "customers[0].customer_id", "1 to 256"),
        ({"customer_id": "x" * 257}, "customers[0].customer_id", "1 to 256"),
        ({"customer_id": CANARY + "\0"}, "customers[0].customer_id", "control"),
        ({"customer_id": CANARY + "\n"}, "customers[0].customer_id", "control"),
        ({"customer_id": CANARY + "\x1b[31m"}, "customers[0].customer_id", "control"),
        ({"customer_id": CANARY + "\u202e"}, "customers[0].customer_id", "reading direction"),
        ({"customer_id": CANARY + "\u2028"}, "customers[0].customer_id", "line break"),
        ({"customer_id": CANARY + "\ud800"}, "customers[0].customer_id", "control"),
        ({"customer_id": "c", "regoin": CANARY}, "customers[0]", "Did you mean region?"),
        ({"customer_id": "c", "purchase": []}, "customers[0]", "Did you mean purchases?"),
        ({"customer_id": "c", CANARY: 1}, "customers[0]", "not known"),
        ({"customer_id": "c", "region": ["x"]}, "customers[0].region", "must be text, not a list"),
        ({"customer_id": "c", "purchases": {}}, "customers[0].purchases", "must be a list"),
        ({"customer_id": "c", "purchases": [7]}, "customers[0].purchases[0]", "must be an object"),
        (
            {"customer_id": "c", "purchases": [{**BOUGHT, "amuont": 1}]},
            "customers[0].purchases[0]",
            "amount?",
        ),
        (
            {"customer_id": "c", "purchases": [{"amount": 1}]},
            "customers[0].purchases[0].purchased_at",
            "required",
        ),
    ],
)
def test_a_wrong_field_is_refused_by_its_place_and_never_repeated(contract, customer, path, problem):
    body = json.dumps({"customers": [customer]}).encode()
    with pytest.raises(RequestRejected) as refused:
        contract.score_request(body, NOW)
    assert [field["path"] for field in refused.value.fields] == [path]
    assert problem in refused.value.fields[0]["problem"]
    assert CANARY not in str(refused.value) + json.dumps(refused.value.fields)


@pytest.mark.parametrize(
    ("amount", "problem"),
    [
        ('"12.5"', "not text"),
        ("true", "not true or false"),
        ("NaN", "finite"),
        ("-Infinity", "finite"),
        ("1e400", "too large"),
        ("1e99999999999999999999", "finite"),
        ("9" * 5000, "finite"),
        ("1.005", "more decimals"),
        ("1e-400", "more decimals"),
        ("0.001", "more decimals"),
        ("1.00000000000000000000000000000000000000000000000000000000000000001", "more decimals"),
        ("87960930222.09", "too large"),
        ("[]", "not a list"),
        ("null", "is required"),
    ],
)
def test_an_amount_is_exact_or_refused(contract, amount, problem):
    event = f'{{"purchased_at": "2024-01-05T10:00:00Z", "amount": {amount}}}'
    body = f'{{"customers": [{{"customer_id": "c", "purchases": [{event}]}}]}}'.encode()
    with pytest.raises(RequestRejected) as refused:
        contract.score_request(body, NOW)
    (field,) = refused.value.fields
    assert field["path"] == "customers[0].purchases[0].amount"
    assert problem in field["problem"]


@pytest.mark.parametrize(
    ("text", "digits", "minor"),
    [
        ("0.1", 2, 10),
        ("1.10", 2, 110),
        ("1e2", 0, 100),
        ("-0.00", 2, 0),
        ("87960930222.08", 2, 2**43),
        ("7", 3, 7000),
    ],
)
def test_money_becomes_whole_minor_units(text, digits, minor):
    assert values.money(parse(text.encode()), digits) == minor


def test_a_currency_without_minor_units_takes_no_decimals(tmp_path):
    contract = Contract(business(tmp_path, currency="JPY"))
    wrong = {"customer_id": "c", "purchases": [{**BOUGHT, "amount": 12.5}]}
    assert "which has 0" in refusal(contract, wrong)["customers[0].purchases[0].amount"]


@pytest.mark.parametrize(
    "text",
    [
        "01/02/2024",
        "2024-02-30",
        "0001-01-01T00:00:00Z",
        "9999-12-31T00:00:00Z",
        "",
        "now",
        "2024-01-05T25:00:00Z",
        "٢٠٢٤-01-05",
    ],
)
def test_a_time_that_is_not_iso_8601_or_a_sentinel_is_refused(contract, text):
    wrong = {"customer_id": "c", "purchases": [{**BOUGHT, "purchased_at": text}]}
    assert list(refusal(contract, wrong)) == ["customers[0].purchases[0].purchased_at"]


def test_a_time_as_a_number_is_refused(contract):
    wrong = {"customer_id": "c", "purchases": [{**BOUGHT, "purchased_at": 1704448800}]}
    assert "as text" in refusal(contract, wrong)["customers[0].purchases[0].purchased_at"]


def test_a_time_without_an_offset_needs_the_timezone_of_the_business(contract, tmp_path):
    naive = {"customer_id": "c", "purchases": [{**BOUGHT, "purchased_at": "2024-01-05T10:00:00"}]}
    assert "offset" in refusal(contract, naive)["customers[0].purchases[0].purchased_at"]
    assert list(refusal(contract, cutoff="2024-01-05")) == ["cutoff"]
    berlin = Contract(business(tmp_path / "berlin", timezone="Europe/Berlin"))
    at = ask(berlin, naive).bucket.events("purchases").at
    assert at.tolist() == [parse_instant("2024-01-05T09:00Z")]


def test_times_with_and_without_an_offset_in_one_column_are_refused_as_in_a_source(tmp_path):
    berlin = Contract(business(tmp_path, timezone="Europe/Berlin"))
    naive = {"purchased_at": "2024-01-05T10:00:00", "amount": 1}
    customers = [{"customer_id": "a", "purchases": [BOUGHT]}, {"customer_id": "b", "purchases": [naive]}]
    assert list(refusal(berlin, *customers)) == ["customers[*].purchases.purchased_at"]
    assert len(ask(berlin, customers[1], cutoff="2024-02-01T00:00:00Z").bucket) == 1


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "UTC"]),
    st.one_of(
        st.datetimes(datetime.fromisoformat("1990-01-01"), datetime.fromisoformat("2030-01-01")),
        st.sampled_from(["2024-03-31T02:30", "2024-10-27T02:30", "2024-03-10T02:30", "2024-11-03T01:30"]).map(
            datetime.fromisoformat
        ),
        st.sampled_from(["2024-04-07T01:45", "2024-10-06T02:15"]).map(datetime.fromisoformat),
    ),
)
def test_local_times_are_read_as_the_store_reads_them_even_when_the_clocks_change(zone, moment):
    wanted = duckdb.execute("SELECT epoch_us(timezone(?, ?::TIMESTAMP))", [zone, moment]).fetchone()[0]
    assert values.time(moment.isoformat(), ZoneInfo(zone)) == wanted


def test_a_local_time_that_happens_twice_is_the_later_one():
    berlin = ZoneInfo("Europe/Berlin")
    twice = values.time("2024-10-27T02:30", berlin)
    assert twice == parse_instant("2024-10-27T01:30Z")
    assert twice - values.time("2024-10-27T01:30", berlin) == timedelta(hours=2) // timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("value", "fine"),
    [("3", True), ("2.5", True), ("1e300", False), ("9007199254740993", False), ("true", False)],
)
def test_a_number_is_finite_and_a_float_can_hold_it(contract, value, fine):
    event = f'{{"purchased_at": "2024-01-05T10:00:00Z", "amount": 1, "quantity": {value}}}'
    body = f'{{"customers": [{{"customer_id": "c", "purchases": [{event}]}}]}}'.encode()
    if fine:
        assert contract.score_request(body, NOW).bucket.events("purchases").columns["quantity"][0] == float(
            value
        )
    else:
        with pytest.raises(RequestRejected):
            contract.score_request(body, NOW)


def test_a_field_named_twice_is_refused_at_every_level(contract):
    for body, path in [
        (b'{"customers": [], "customers": []}', ""),
        (b'{"customers": [{"customer_id": "a", "customer_id": "b"}]}', "customers[0]"),
        (
            b'{"customers": [{"customer_id": "a", "purchases": [], "purchases": []}]}',
            "customers[0]",
        ),
        (
            b'{"customers": [{"customer_id": "a", "purchases": [{"amount": 1, "amount": 2}]}]}',
            "customers[0].purchases[0]",
        ),
    ]:
        with pytest.raises(RequestRejected) as refused:
            contract.score_request(body, NOW)
        assert {"path": path, "problem": "names a field twice"} in refused.value.fields


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"null", b"[]", b"3", b"\xff\xfe", b'{"customers": [}', b"\xef\xbb\xbf{}",
        b"http://169.254.169.254/", b"[" * 65536, b'{"a":' * 65536, b'"\\ud800"', b"{'customers': []}",
    ],
)  # fmt: skip
def test_a_body_that_is_no_json_object_is_refused(contract, body):
    with pytest.raises(RequestRejected) as refused:
        contract.score_request(body, NOW)
    assert refused.value.status == 400


def test_broken_json_names_the_position_and_repeats_nothing():
    with pytest.raises(RequestRejected, match="line 2, column 22") as refused:
        parse(b'{\n"name": "x' + CANARY.encode() + b'\x01"}')
    assert CANARY not in str(refused.value)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.floats(), st.integers(), st.text()),
        lambda inner: st.one_of(
            st.lists(inner),
            st.dictionaries(
                st.sampled_from(["customers", "customer_id", "purchases", "amount", "region", "cutoff"]),
                inner,
            ),
        ),
        max_leaves=12,
    )
)
def test_whatever_comes_is_read_or_refused(tmp_path_factory, document):
    contract = Contract(business(tmp_path_factory.getbasetemp() / "whatever"))
    for body in (
        document,
        {"customers": document},
        {"customers": [{"customer_id": "c", "purchases": [document]}]},
    ):
        try:
            contract.score_request(json.dumps(body).encode(), NOW)
        except RequestRejected as refused:
            assert refused.status == 400  # noqa: PT017  (either way is right)


def test_limits_are_told_and_judged_before_the_rows_are_read(tmp_path):
    contract = Contract(business(tmp_path), limits=Limits(customers=2, events=3))
    for customers in ([{}] * 3, [{"purchases": [0] * 2}, {"purchases": [0] * 2}]):
        with pytest.raises(RequestRejected, match=r"more than [23] ") as refused:
            ask(contract, *customers)
        assert (refused.value.status, refused.value.code) == (413, "too_many_rows")
    with pytest.raises(RequestRejected, match="more than 2 customer ids"):
        contract.lookup_request(b'{"customer_ids": ["a", "b", "c"]}')


def test_no_more_problems_are_listed_than_anyone_reads(contract):
    assert len(refusal(contract, *[{"customer_id": i} for i in range(100)])) == MOST_PROBLEMS


def test_no_customers_are_an_answer_too(contract):
    assert len(ask(contract).bucket) == 0
    assert contract.lookup_request(b'{"customer_ids": []}') == []


def test_a_lookup_keeps_ids_as_they_came(contract):
    ids = ["00123", "NA", "null", "../../etc/passwd", "'; DROP TABLE scores", "=cmd()", "é", "e\u0301", "1e5"]
    assert contract.lookup_request(json.dumps({"customer_ids": ids}).encode()) == ids


@pytest.mark.parametrize(
    "body",
    [b"{}", b'{"customer_ids": "c"}', b'{"customer_ids": [1]}', b'{"ids": []}', b'{"customer_ids": null}'],
)
def test_a_wrong_lookup_is_refused(contract, body):
    with pytest.raises(RequestRejected) as refused:
        contract.lookup_request(body)
    assert refused.value.fields


@pytest.mark.parametrize("value", [None, "north"])
def test_an_attribute_that_the_model_knows_as_category_is_one_even_when_nobody_gives_it(tmp_path, value):
    contract = Contract(business(tmp_path), {"customers": {"region": Kind.CATEGORY, "joined_at": Kind.TIME}})
    profile = ask(contract, {"customer_id": "c", "region": value}).bucket.tables["customers"]
    assert profile.columns["region"].dtype == np.int32
    assert list(profile.levels["region"]) == ([] if value is None else [value])


def test_declared_kinds_of_attributes_are_kept(tmp_path):
    shop = business(tmp_path, attributes='{ income = "number", vip = "flag", tier = "category" }')
    contract = Contract(shop)
    fine = ask(contract, {"customer_id": "c", "income": 3, "vip": True, "tier": None}).bucket.tables[
        "customers"
    ]
    assert [fine.columns[name].tolist() for name in ("income", "vip", "tier")] == [[3.0], [1.0], [-1]]
    wrong = refusal(contract, {"customer_id": "c", "income": "3", "vip": 1, "tier": 2})
    assert set(wrong) == {"customers[0].income", "customers[0].vip", "customers[0].tier"}


def test_an_open_attribute_cannot_be_text_for_one_and_a_number_for_another(tmp_path):
    shop = business(tmp_path, attributes='["shoe"]')
    wrong = refusal(Contract(shop), {"customer_id": "a", "shoe": "big"}, {"customer_id": "b", "shoe": 43})
    assert set(wrong) == {"customers[*].shoe"}


def test_a_blank_category_is_not_known(contract):
    events = [{**BOUGHT, "channel": " "}]
    assert ask(contract, {"customer_id": "c", "purchases": events}).bucket.events("purchases").columns[
        "channel"
    ].tolist() == [-1]


def test_records_are_json_values_in_the_order_of_the_columns():
    at = pa.array([0, None, 1_500_000], pa.timestamp("us", "UTC"))
    reason = [{"feature": "f", "value": 1.0, "effect": 0.1}]
    table = pa.table(
        {"cutoff": at, "p": [0.1, None, 1.0], "reasons": [reason, None, []], "ok": [True, False, None]}
    )
    assert records(table) == [
        {"cutoff": "1970-01-01T00:00:00Z", "p": 0.1, "reasons": reason, "ok": True},
        {"cutoff": None, "p": None, "reasons": None, "ok": False},
        {"cutoff": "1970-01-01T00:00:01.500000Z", "p": 1.0, "reasons": [], "ok": None},
    ]
    assert json.loads(json.dumps(records(table), allow_nan=False)) == records(table)

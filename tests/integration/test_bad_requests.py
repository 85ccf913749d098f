"""Bad requests, one by one: each gets the status a careful user expects, in one shape, without an echo.

The numbers are those of the list of bad inputs that the service promises to survive.
"""

import asyncio
import json
import logging
import pickle

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fakes import Shop

from serving.contract import iso
from serving.logs import JsonFormatter
from serving.scores import publish

CANARY = "canary-7f3a"
SAME_ID = (
    '{"purchased_at": "2024-01-05T10:00:00Z", "amount": 1, "event_id": "canary-7f3a"}, '
    '{"purchased_at": "2024-01-05T10:00:00Z", "amount": 2, "event_id": "canary-7f3a"}'
)
AT = '"purchased_at": "2024-01-05T10:00:00Z"'


def customers(purchase: str = f'{{{AT}, "amount": 1}}', more: str = "", name: str = f'"{CANARY}"') -> str:
    return f'{{"customers": [{{"customer_id": {name}, "purchases": [{purchase}] {more}}}]}}'


class Trap:
    """Unpickling this would be noticed."""

    def __reduce__(self):
        return (pytest.fail, ("a pickle was loaded",))


JSON = {"Content-Type": "application/json"}
BAD = [
    (1, "an empty body", "", JSON, 400),
    (2, "broken JSON", '{"customers": [' + f'"{CANARY}"', JSON, 400),
    (3, "null", "null", JSON, 400),
    (3, "a list", f'["{CANARY}"]', JSON, 400),
    (3, "a number", "3", JSON, 400),
    (4, "deep arrays", "[" * 65_536 + "]" * 65_536, JSON, 400),
    (4, "deep objects", '{"a":' * 30_000, JSON, 400),
    (5, "NaN", customers(f'{{{AT}, "amount": NaN}}'), JSON, 400),
    (6, "Infinity", customers(f'{{{AT}, "amount": -Infinity}}'), JSON, 400),
    (7, "1e400", customers(f'{{{AT}, "amount": 1e400}}'), JSON, 400),
    (8, "NaN as text", customers(f'{{{AT}, "amount": "NaN"}}'), JSON, 400),
    (9, "a number as text", customers(f'{{{AT}, "amount": "2"}}'), JSON, 400),
    (10, "true as a number", customers(f'{{{AT}, "amount": true}}'), JSON, 400),
    (11, "a field twice", customers(f'{{{AT}, "amount": 1, "amount": 2}}'), JSON, 400),
    (12, "an unknown field", customers(f'{{{AT}, "amount": 1, "{CANARY}": 2}}'), JSON, 400),
    (13, "a missing field", customers(f'{{{AT}, "order_id": "{CANARY}"}}'), JSON, 400),
    (14, "an integer of 5000 digits", customers(f'{{{AT}, "amount": {"7" * 5000}}}'), JSON, 400),
    (15, "invalid UTF-8", b'{"customers": [{"customer_id": "\xff\xfe"}]}', JSON, 400),
    (16, "a lone surrogate in an id", customers(name=f'"{CANARY}\\ud800"'), JSON, 400),
    (16, "a lone surrogate in a text", customers(more=f', "region": "{CANARY}\\udc00"'), JSON, 400),
    (17, "NUL in an id", customers(name=f'"{CANARY}\\u0000"'), JSON, 400),
    (18, "a right-to-left override", customers(name=f'"{CANARY}\\u202e"'), JSON, 400),
    (19, "a line break in an id", customers(name=f'"{CANARY}\\n2026 INFO forged"'), JSON, 400),
    (19, "ANSI codes in an id", customers(name=f'"{CANARY}\\u001b[2J"'), JSON, 400),
    (20, "an id of 10 000 characters", customers(name=f'"{CANARY * 1000}"'), JSON, 400),
    (21, "an empty id", customers(name='""'), JSON, 400),
    (21, "a blank id", customers(name='"\\u2003 "'), JSON, 400),
    (27, "too many customers", json.dumps({"customers": [{"customer_id": CANARY}] * 21}), JSON, 413),
    (27, "too many events", customers(",".join([f'{{{AT}, "amount": 1}}'] * 51)), JSON, 413),
    (30, "text/plain", customers(), {"Content-Type": "text/plain"}, 415),
    (30, "no content type", customers(), {}, 415),
    (31, "XML", f"<customer>{CANARY}</customer>", {"Content-Type": "application/xml"}, 415),
    (32, "multipart", CANARY, {"Content-Type": "multipart/form-data; boundary=b"}, 415),
    (32, "urlencoded", f"id={CANARY}", {"Content-Type": "application/x-www-form-urlencoded"}, 415),
    (33, "a pickle", pickle.dumps(Trap()), {"Content-Type": "application/vnd.bentoml+pickle"}, 415),
    (33, "a pickle in disguise", pickle.dumps(Trap()), JSON, 400),
    (34, "a URL", f"http://169.254.169.254/{CANARY}", JSON, 400),
    (35, "a long body", b" " * 200_001, JSON, 413),
    (38, "a compressed body", b"\x1f\x8b", {**JSON, "Content-Encoding": "gzip"}, 415),
    (39, "a negative length", "{}", {**JSON, "Content-Length": "-1"}, 400),
    (51, "a number of absurd size", customers(f'{{{AT}, "amount": 1, "quantity": 1e300}}'), JSON, 400),
    (62, "an event id with other content", customers(SAME_ID), JSON, 400),
    (64, "no offset", customers('{"purchased_at": "2024-01-05T10:00:00", "amount": 1}'), JSON, 400),
    (66, "an ambiguous date", customers('{"purchased_at": "01/02/2024", "amount": 1}'), JSON, 400),
    (67, "epoch seconds", customers('{"purchased_at": 1704448800, "amount": 1}'), JSON, 400),
    (68, "30 February", customers('{"purchased_at": "2024-02-30T00:00:00Z", "amount": 1}'), JSON, 400),
    (69, "the year 1", customers('{"purchased_at": "0001-01-01T00:00:00Z", "amount": 1}'), JSON, 400),
]  # fmt: skip


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shop")
    shop = Shop(folder, body_bytes=200_000, max_customers=20, max_events=50)
    ids = [CANARY, "../../etc/passwd", "'; DROP TABLE scores; --", "=cmd()", "é", "00123"]
    (folder / "batch").mkdir()
    times = pa.array([0] * len(ids), pa.timestamp("us", "UTC"))
    batch = pa.table(
        {"customer_id": ids, "cutoff": times, "scored_at": times, "churn_probability": [0.5] * len(ids)}
    )
    pq.write_table(batch, folder / "batch" / "0.parquet")
    publish(folder / "batch", shop.url)
    yield shop
    shop.close()


@pytest.fixture
def logged(caplog):
    caplog.set_level(logging.DEBUG)
    return lambda: "\n".join(JsonFormatter().format(record) for record in caplog.records)


def ask(shop, body, headers=JSON, path="/v1/score", key=""):
    async def go():
        async with shop.client(key) as client:
            return await client.post(path, content=body, headers=headers)

    return asyncio.run(go())


def assert_refused(response, status):
    assert response.status_code == status
    assert set(response.json()) == {"error"}
    error = response.json()["error"]
    assert set(error) == {"code", "message", "fields", "request_id"}
    assert all(set(field) == {"path", "problem"} for field in error["fields"])
    assert CANARY not in response.text + str(response.headers)


@pytest.mark.parametrize(
    ("number", "body", "headers", "status"),
    [pytest.param(n, b, h, s, id=f"{n}: {what}") for n, what, b, h, s in BAD],
)
def test_a_bad_request_is_refused_in_one_shape_without_an_echo(shop, logged, number, body, headers, status):
    assert number
    asked = len(shop.scorer.asked)
    assert_refused(ask(shop, body, headers), status)
    assert len(shop.scorer.asked) == asked
    assert CANARY not in logged()


def test_2_broken_json_tells_the_position(shop):
    assert "line 2, column 1" in ask(shop, '{\n"').json()["error"]["message"]


@pytest.mark.parametrize("number", [5, 6, 7, 8, 9, 10, 13])
def test_the_field_is_named(shop, number):
    for n, _, body, _, _ in BAD:
        if n == number:
            fields = ask(shop, body).json()["error"]["fields"]
            assert "customers[0].purchases[0].amount" in [field["path"] for field in fields]


@pytest.mark.parametrize(
    ("number", "name"), [(22, "../../etc/passwd"), (23, "'; DROP TABLE scores; --"), (24, "=cmd()")]
)
def test_an_id_is_only_ever_text(shop, number, name):
    assert number
    (score,) = ask(shop, customers(name=json.dumps(name))).json()["scores"]
    assert score["customer_id"] == name
    (found,) = ask(shop, json.dumps({"customer_ids": [name]}), path="/v1/lookup").json()["results"]
    assert (found["status"], found["score"]["customer_id"]) == ("found", name)


def test_25_two_spellings_are_two_customers_everywhere(shop):
    results = ask(shop, json.dumps({"customer_ids": ["é", "e\u0301"]}), path="/v1/lookup").json()["results"]
    assert [result["status"] for result in results] == ["found", "not_found"]


def test_26_an_empty_list_is_an_empty_answer(shop):
    assert ask(shop, '{"customers": []}').json()["scores"] == []
    assert ask(shop, '{"customer_ids": []}', path="/v1/lookup").json()["results"] == []


def test_27_a_limit_is_told(shop):
    assert (
        "more than 20 customers" in ask(shop, json.dumps({"customers": [{}] * 21})).json()["error"]["message"]
    )
    many = ask(shop, json.dumps({"customer_ids": ["a"] * 21}), path="/v1/lookup")
    assert_refused(many, 413)


def test_28_the_same_id_twice_is_answered_twice(shop):
    body = json.dumps({"customers": [{"customer_id": "a"}, {"customer_id": "a"}]})
    assert [score["customer_id"] for score in ask(shop, body).json()["scores"]] == ["a", "a"]


def test_29_an_unknown_customer_is_not_found_and_never_scored(shop):
    body = json.dumps({"customer_ids": ["nobody", CANARY]})
    results = ask(shop, body, path="/v1/lookup").json()["results"]
    assert results[0] == {"customer_id": "nobody", "status": "not_found"}
    assert results[1]["status"] == "found"


def test_42_no_wrong_and_revoked_keys_are_told_the_same(shop):
    revoked = shop.keys.create("revoked", ["score"])
    shop.keys.revoke("revoked")
    replies = [ask(shop, customers(), key=key) for key in (None, f"hf_{CANARY}", revoked)]
    for reply in replies:
        assert_refused(reply, 401)
    assert len({reply.json()["error"]["message"] for reply in replies}) == 1


def test_43_a_key_without_the_scope_is_403(shop):
    assert_refused(ask(shop, customers(), key=shop.keys.create("lookup-only", ["lookup"])), 403)


def test_52_and_53_refunds_and_zeros_are_amounts(shop):
    body = customers(f'{{{AT}, "amount": -12.50}}, {{{AT}, "amount": 0}}')
    assert ask(shop, body).status_code == 200
    bucket, _ = shop.scorer.asked[-1]
    assert sorted(bucket.events("purchases").columns["amount"].tolist()) == [-1250.0, 0.0]


def test_58_and_59_events_at_and_after_the_cutoff_reach_the_features_with_their_times(shop):
    body = customers().replace('{"customers"', '{"cutoff": "2024-01-05T10:00:00Z", "customers"')
    assert ask(shop, body).status_code == 200
    bucket, cutoff = shop.scorer.asked[-1]
    assert bucket.events("purchases").at.tolist() == [cutoff]
    assert iso(cutoff) == "2024-01-05T10:00:00Z"


def test_61_the_same_event_id_and_content_counts_once(shop):
    event = f'{{{AT}, "amount": 1, "event_id": "e"}}'
    assert ask(shop, customers(f"{event}, {event}")).status_code == 200
    assert len(shop.scorer.asked[-1][0].events("purchases").at) == 1


def test_63_the_order_of_events_does_not_matter(shop):
    events = [f'{{"purchased_at": "2024-01-0{day}T00:00:00Z", "amount": {day}.1}}' for day in range(1, 8)]
    seen = []
    for order in (events, events[::-1], events[3:] + events[:3]):
        assert ask(shop, customers(", ".join(order))).status_code == 200
        purchases = shop.scorer.asked[-1][0].events("purchases")
        seen.append((purchases.at.tobytes(), purchases.columns["amount"].tobytes()))
    assert len(set(seen)) == 1


@pytest.mark.parametrize("name", ["00123", "9007199254740993", "1e5", "NA", "null", "None"])
def test_70_to_73_an_id_keeps_its_text(shop, name):
    (score,) = ask(shop, customers(name=json.dumps(name))).json()["scores"]
    assert score["customer_id"] == name


def test_84_a_category_nobody_knows_is_legal(shop):
    assert ask(shop, customers(f'{{{AT}, "amount": 1, "channel": "metaverse"}}')).status_code == 200

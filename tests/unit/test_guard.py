"""The guard lets pass what is allowed, and refuses the rest in one shape without a word too many."""

import asyncio
import json
import logging
import re
import threading

import pytest
from fakes import FakeRegistry, Shop

from serving import guard
from serving.api import ROUTES
from serving.guard import Guard, Route
from serving.keys import SCOPES
from serving.logs import JsonFormatter

CANARY = "canary-7f3a"
ONE = {
    "customers": [{"customer_id": "c", "purchases": [{"purchased_at": "2024-01-05T10:00:00Z", "amount": 1}]}]
}


@pytest.fixture
def shop(tmp_path):
    shop = Shop(tmp_path)
    yield shop
    shop.close()


def shape(response):
    """Return the error of a reply that has the one shape and no other."""
    assert response.headers["content-type"] == "application/json"
    assert set(response.json()) == {"error"}
    error = response.json()["error"]
    assert set(error) == {"code", "message", "fields", "request_id"}
    assert error["request_id"] == response.headers["x-request-id"]
    return error


def ask(shop, method, path, *, key="", **more):
    async def go():
        async with shop.client(key) as client:
            return await client.request(method, path, **more)

    return asyncio.run(go())


async def raw(app, body_parts=(), headers=(), path="/v1/score", method="POST", *, hold=False):
    """Speak ASGI directly; ``hold`` keeps the body open for ever."""
    sent = []
    parts = [{"type": "http.request", "body": part, "more_body": True} for part in body_parts]
    if not hold:
        parts.append({"type": "http.request", "body": b"", "more_body": False})

    async def receive():
        if parts:
            return parts.pop(0)
        return await asyncio.sleep(3600)

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": method, "path": path, "headers": list(headers), "query_string": b""}
    await app(scope, receive, send)
    return sent


def json_headers(shop, **more):
    headers = {"authorization": f"Bearer {shop.key}", "content-type": "application/json", **more}
    return [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]


@pytest.mark.parametrize(
    "path", [*ROUTES, "/", "/healthz", "/schema.json", "/job/submit", "/static_content", "/v1/score/"]
)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS", "BREW"])
def test_every_path_but_the_probes_needs_a_key(shop, path, method):
    response = ask(shop, method, path, key=None)
    if path in {"/livez", "/readyz"}:
        assert response.status_code == (200 if method == "GET" else 405)
    else:
        assert response.status_code == 401
        assert response.headers["www-authenticate"] == "Bearer"
        assert shape(response)["code"] == "unauthorized"


def test_all_wrong_keys_get_the_same_answer(shop):
    revoked = shop.keys.create("old", ["score"])
    shop.keys.revoke("old")
    values = [
        "",
        "Bearer",
        "Bearer ",
        f"Basic {shop.key}",
        "Bearer hf_wrong",
        f"Bearer {revoked}",
        f"Bearer {shop.key} ",
    ]
    replies = [
        ask(shop, "POST", "/v1/score", key=None, json=ONE, headers={"Authorization": value} if value else {})
        for value in values
    ]
    assert {reply.status_code for reply in replies} == {401}
    assert len({(shape(reply)["code"], shape(reply)["message"]) for reply in replies}) == 1


def test_two_keys_in_one_request_are_none(shop):
    headers = [*json_headers(shop), (b"authorization", f"Bearer {shop.key}".encode())]
    assert asyncio.run(raw(shop.guard, [b"{}"], headers))[0]["status"] == 401


def test_the_key_is_judged_before_the_body_is_read(shop):
    async def receive():
        pytest.fail("the body was read")

    sent = []

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/v1/score", "headers": [], "query_string": b""}
    asyncio.run(shop.guard(scope, receive, send))
    assert sent[0]["status"] == 401


@pytest.mark.parametrize("scope", SCOPES)
def test_a_key_is_good_for_its_scopes_only(shop, scope):
    key = shop.keys.create(scope, [scope])
    for path, route in ROUTES.items():
        if route.scopes is None:
            continue
        body = (
            {"json": ONE if path == "/v1/score" else {"customer_ids": []}} if route.method == "POST" else {}
        )
        response = ask(shop, route.method, path, key=key, **body)
        if scope in route.scopes:
            assert response.status_code not in {401, 403}
        else:
            assert response.status_code == 403
            assert shape(response)["code"] == "forbidden"


def test_an_unknown_path_is_404_and_a_wrong_method_405_with_allow(shop):
    assert shape(ask(shop, "GET", f"/v1/{CANARY}"))["code"] == "not_found"
    response = ask(shop, "GET", "/v1/score")
    assert (response.status_code, response.headers["allow"]) == (405, "POST")
    assert ask(shop, "POST", "/v1/models").headers["allow"] == "GET, HEAD"
    assert ask(shop, "HEAD", "/livez").status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/xml"},
        {"Content-Type": "multipart/form-data; boundary=x"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "application/vnd.bentoml+pickle"},
        {"Content-Type": "application/json; charset=utf-16"},
        {"Content-Type": "application/jsonp"},
        {},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
    ],
)
def test_only_plain_json_is_taken(shop, headers):
    response = ask(shop, "POST", "/v1/score", content=json.dumps(ONE), headers=headers)
    assert response.status_code == 415
    assert shape(response)["code"] == "unsupported_media_type"


@pytest.mark.parametrize(
    "kind", ["application/json", "Application/JSON", 'application/json; charset="utf-8"']
)
def test_json_may_say_that_it_is_utf_8(shop, kind):
    headers = {"Content-Type": kind}
    assert ask(shop, "POST", "/v1/score", content=json.dumps(ONE), headers=headers).status_code == 200


def test_a_long_body_is_refused_before_it_is_read_or_as_soon_as_it_is_too_long(tmp_path):
    shop = Shop(tmp_path, body_bytes=1000)
    declared = asyncio.run(raw(shop.guard, [], json_headers(shop, content_length="1001"), hold=True))
    streamed = asyncio.run(raw(shop.guard, [b"x" * 600] * 2, json_headers(shop), hold=True))
    lying = asyncio.run(raw(shop.guard, [b"x" * 600] * 2, json_headers(shop, content_length="10"), hold=True))
    for sent in (declared, streamed, lying):
        assert sent[0]["status"] == 413
        assert "longer than 1000 bytes" in json.loads(sent[1]["body"])["error"]["message"]
    fits = asyncio.run(raw(shop.guard, [b" " * 1000], json_headers(shop, content_length="1000")))
    assert fits[0]["status"] == 400
    shop.close()


@pytest.mark.parametrize("length", ["-1", "1e3", "", "٣", "0x10", "+5"])
def test_a_content_length_that_is_no_number_is_refused(shop, length):
    assert (
        asyncio.run(raw(shop.guard, [b"{}"], json_headers(shop, content_length=length)))[0]["status"] == 400
    )


def test_two_content_lengths_are_refused(shop):
    headers = [*json_headers(shop, content_length="2"), (b"content-length", b"2")]
    assert asyncio.run(raw(shop.guard, [b"{}"], headers))[0]["status"] == 400


def test_a_body_that_does_not_arrive_is_given_up_without_holding_up_anybody(tmp_path):
    shop = Shop(tmp_path, body_seconds=0.2, max_requests=2)

    async def go():
        slow = [
            asyncio.ensure_future(raw(shop.guard, [b"{"], json_headers(shop), hold=True)) for _ in range(50)
        ]
        await asyncio.sleep(0.05)
        async with shop.client() as client:
            assert (await client.post("/v1/score", json=ONE)).status_code == 200
        return [sent[0] for sent in await asyncio.gather(*slow)]

    for start in asyncio.run(go()):
        assert start["status"] == 408
        assert (b"connection", b"close") in start["headers"]
    shop.close()


def test_bodies_on_their_way_in_are_bounded(shop, monkeypatch):
    monkeypatch.setattr(guard, "BODIES_AT_ONCE", 0)
    response = ask(shop, "POST", "/v1/score", json=ONE)
    assert (response.status_code, response.headers["retry-after"]) == (503, "1")


def test_a_burst_beyond_the_places_is_told_to_come_again(tmp_path):
    shop = Shop(tmp_path, max_requests=4)
    gate = threading.Event()
    shop.scorer.wait = gate.wait

    async def go():
        async with shop.client() as client:
            asked = [asyncio.ensure_future(client.post("/v1/score", json=ONE)) for _ in range(4)]
            for _ in range(500):
                await asyncio.sleep(0.01)
                if shop.guard.running == 4:
                    break
            refused = await asyncio.gather(*[client.post("/v1/score", json=ONE) for _ in range(20)])
            assert (await client.get("/livez")).status_code == 200
            gate.set()
            return await asyncio.gather(*asked), refused

    answered, refused = asyncio.run(go())
    assert [reply.status_code for reply in answered] == [200] * 4
    assert {(reply.status_code, reply.headers["retry-after"]) for reply in refused} == {(503, "1")}
    assert {shape(reply)["code"] for reply in refused} == {"busy"}
    assert shop.guard.running == 0
    shop.close()


def test_an_answer_that_takes_too_long_keeps_its_place_until_the_work_ends(tmp_path):
    shop = Shop(tmp_path, answer_seconds=0.1, max_requests=1)
    gate = threading.Event()
    shop.scorer.wait = gate.wait

    async def go():
        async with shop.client() as client:
            late = await client.post("/v1/score", json=ONE)
            during = await client.post("/v1/score", json=ONE)
            gate.set()
            for _ in range(500):
                if shop.guard.running == 0:
                    break
                await asyncio.sleep(0.01)
            return late, during, await client.post("/v1/score", json=ONE)

    late, during, after = asyncio.run(go())
    assert (late.status_code, shape(late)["code"]) == (503, "too_slow")
    assert (during.status_code, shape(during)["code"]) == (503, "busy")
    assert after.status_code == 200
    shop.close()


def test_a_client_that_leaves_is_no_error(shop, caplog):
    async def go():
        async def receive():
            return {"type": "http.disconnect"}

        scope = {
            "type": "http",
            "method": "POST",
            "path": "/v1/score",
            "headers": json_headers(shop),
            "query_string": b"",
        }
        sent = []

        async def send(message):
            sent.append(message)

        await shop.guard(scope, receive, send)
        return sent

    with caplog.at_level(logging.INFO, "serving"):
        assert asyncio.run(go()) == []
    assert [record.levelname for record in caplog.records] == ["INFO"]
    assert shop.guard.running == 0


def test_our_own_mistake_is_500_with_the_frames_in_the_log_and_no_word_of_it_outside(shop, caplog):
    shop.scorer.failure = ValueError(f"cannot convert {CANARY} to a number\x1b[31m")
    response = ask(shop, "POST", "/v1/score", json=ONE)
    assert response.status_code == 500
    assert shape(response)["code"] == "internal_error"
    assert CANARY not in response.text
    (record,) = [record for record in caplog.records if record.levelname == "ERROR"]
    line = JsonFormatter().format(record)
    assert json.loads(line)["request_id"] == response.headers["x-request-id"]
    assert json.loads(line)["error"][0]["type"] == "ValueError"
    assert any(
        re.fullmatch(r"tests/fakes\.py:\d+ score", frame) for frame in json.loads(line)["error"][0]["frames"]
    )
    assert CANARY not in line


def test_an_application_that_breaks_outside_its_endpoints_gets_the_same_shape(shop):
    async def broken(_scope, _receive, _send):
        raise RuntimeError(CANARY)

    shop.guard.app = broken
    response = ask(shop, "GET", "/livez")
    assert response.status_code == 500
    assert CANARY not in response.text
    assert shape(response)["code"] == "internal_error"


def test_nothing_is_added_after_an_answer_has_begun(shop):
    async def half(_scope, _receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise RuntimeError

    shop.guard.app = half
    sent = asyncio.run(raw(shop.guard, path="/livez", method="GET"))
    assert [message["type"] for message in sent] == ["http.response.start"]


def test_each_request_has_an_id_of_its_own_whatever_the_client_sends(shop):
    replies = [ask(shop, "GET", "/livez", headers={"X-Request-Id": CANARY}) for _ in range(3)]
    ids = {reply.headers["x-request-id"] for reply in replies}
    assert len(ids) == 3
    assert CANARY not in ids


def test_metrics_and_logs_name_routes_and_never_paths_or_odd_methods(shop, caplog):
    with caplog.at_level(logging.INFO, "serving"):
        ask(shop, "GET", f"/v1/lookup/{CANARY}")
        ask(shop, CANARY.upper().replace("-", ""), "/v1/score")
        ask(shop, "POST", "/v1/score", json=ONE)
    assert [(route, status) for route, status, _ in shop.observed] == [
        ("unknown", 404),
        ("/v1/score", 405),
        ("/v1/score", 200),
    ]
    lines = [
        json.loads(JsonFormatter().format(record)) for record in caplog.records if record.message == "request"
    ]
    assert [(line["route"], line["method"], line["key"]) for line in lines] == [
        ("unknown", "GET", "all"),
        ("/v1/score", "other", "all"),
        ("/v1/score", "POST", "all"),
    ]
    assert CANARY not in json.dumps(lines).lower()


def test_a_websocket_is_closed(shop):
    sent = []

    async def send(message):
        sent.append(message)

    asyncio.run(shop.guard({"type": "websocket", "path": "/v1/score"}, None, send))
    assert sent == [{"type": "websocket.close", "code": 1008}]


def test_without_a_model_the_probes_and_the_error_say_so(tmp_path):
    shop = Shop(tmp_path, FakeRegistry(None))
    assert ask(shop, "GET", "/livez", key=None).status_code == 200
    for method, path, more in [
        ("GET", "/readyz", {}),
        ("POST", "/v1/score", {"json": ONE}),
        ("GET", "/v1/models", {}),
    ]:
        response = ask(shop, method, path, **more)
        assert response.status_code == 503
        assert int(response.headers["retry-after"]) > 0
        assert shape(response)["code"] == "model_unavailable"
        assert "holdfast train" in shape(response)["message"]
    shop.close()


def test_a_route_without_scopes_is_open_and_others_are_not():
    assert Route("GET", None).methods == ("GET", "HEAD")
    assert {path for path, route in ROUTES.items() if route.scopes is None} == {"/livez", "/readyz"}


def test_a_plant_that_reads_bodies_before_keys_would_be_seen(shop):
    class Careless(Guard):
        async def _admit(self, scope, receive, exchange):
            await receive()
            await super()._admit(scope, receive, exchange)

    shop.guard.__class__ = Careless
    with pytest.raises(pytest.fail.Exception, match="the body was read"):
        test_the_key_is_judged_before_the_body_is_read(shop)

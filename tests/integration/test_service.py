"""The service over real HTTP under BentoML, and what it answers in process."""

import asyncio
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fakes import FakeRegistry, FakeScorer, Shop, business

from features.errors import ContractMismatch, DataError
from features.windows import parse_instant
from serving import hosting
from serving.contract import iso, records
from serving.keys import KeyStore
from serving.scores import publish
from serving.settings import Settings

CANARY = "canary-7f3a"
BOUGHT = {"purchased_at": "2024-01-05T10:00:00Z", "amount": 12.5}
ONE = {"customers": [{"customer_id": "c1", "purchases": [BOUGHT] * 2}], "cutoff": "2024-02-01T00:00:00Z"}


# ---- in this process ---------------------------------------------------------------------------------------


@pytest.fixture
def shop(tmp_path):
    shop = Shop(tmp_path)
    yield shop
    shop.close()


def ask(shop, method, path, **more):
    async def go():
        async with shop.client() as client:
            return await client.request(method, path, **more)

    return asyncio.run(go())


def publish_base(shop, folder, count=1000):
    """Publish a batch whose churn probabilities are 0.000, 0.001, …"""
    folder.mkdir()
    base = pa.table(
        {
            "customer_id": [f"c{i}" for i in range(count)],
            "cutoff": pa.array([0] * count, pa.timestamp("us", "UTC")),
            "scored_at": pa.array([0] * count, pa.timestamp("us", "UTC")),
            "eligible": [True] * count,
            "churn_probability": [i / count for i in range(count)],
        }
    )
    pq.write_table(base, folder / "0.parquet")
    publish(folder, shop.url)
    shop.champion.refresh()
    return base


def test_a_score_has_the_fields_of_the_batch_and_names_its_model(shop):
    response = ask(shop, "POST", "/v1/score", json=ONE)
    assert response.status_code == 200
    answer = response.json()
    assert answer["request_id"] == response.headers["x-request-id"]
    (score,) = answer["scores"]
    assert score["customer_id"] == "c1"
    assert score["cutoff"] == "2024-02-01T00:00:00Z"
    assert score["churn_probability"] == 0.2
    assert score["model_attrition"] == "7"
    assert abs(parse_instant(score["scored_at"]) - time.time() * 1e6) < 60e6


def test_without_a_cutoff_the_time_of_the_request_is_the_cutoff(shop):
    shop.service.now = lambda: parse_instant("2024-03-01T12:00:00Z")
    (score,) = ask(shop, "POST", "/v1/score", json={"customers": ONE["customers"]}).json()["scores"]
    assert score["cutoff"] == score["scored_at"] == "2024-03-01T12:00:00Z"


def test_customers_are_answered_in_order_the_same_one_twice_and_nobody_too(shop):
    customers = [{"customer_id": "b"}, *ONE["customers"], {"customer_id": "b", "purchases": [BOUGHT]}]
    scores = ask(shop, "POST", "/v1/score", json={"customers": customers}).json()["scores"]
    assert [score["customer_id"] for score in scores] == ["b", "c1", "b"]
    assert [score["churn_probability"] for score in scores] == [None, 0.2, 0.1]
    assert ask(shop, "POST", "/v1/score", json={"customers": []}).json()["scores"] == []


def test_a_request_is_ranked_in_the_base_of_the_last_batch(shop, tmp_path):
    assert ask(shop, "POST", "/v1/score", json=ONE).json()["scores"][0]["churn_percentile"] is None
    publish_base(shop, tmp_path / "batch")
    (score,) = ask(shop, "POST", "/v1/score", json=ONE).json()["scores"]
    assert score["churn_percentile"] == pytest.approx(20, abs=0.2)
    assert list(score).index("churn_percentile") == list(score).index("churn_probability") + 1


def test_a_lookup_answers_every_id_in_order(shop, tmp_path):
    base = publish_base(shop, tmp_path / "batch")
    asked = ["c7", "nobody", "c7", "c0"]
    results = ask(shop, "POST", "/v1/lookup", json={"customer_ids": asked}).json()["results"]
    assert [result["customer_id"] for result in results] == asked
    assert [result["status"] for result in results] == ["found", "not_found", "found", "found"]
    assert results[0]["score"] == records(base)[7]
    assert "score" not in results[1]


def test_a_lookup_before_the_first_batch_says_what_to_do(shop):
    response = ask(shop, "POST", "/v1/lookup", json={"customer_ids": ["c"]})
    assert (response.status_code, response.json()["error"]["code"]) == (503, "model_unavailable")
    assert "holdfast score" in response.json()["error"]["message"]


def test_models_and_documentation_are_answered(shop):
    assert ask(shop, "GET", "/v1/models").json()["models"] == shop.scorer.models()
    document = ask(shop, "GET", "/docs.json").json()
    assert document["openapi"].startswith("3.1")
    assert {"/v1/score", "/v1/lookup", "/v1/models", "/livez", "/readyz"} == set(document["paths"])
    assert document["components"]["securitySchemes"]["key"]["scheme"] == "bearer"
    schemas = document["components"]["schemas"]
    assert schemas["purchases"]["required"] == ["purchased_at", "amount"]
    used = json.dumps(document).split("#/components/schemas/")[1:]
    assert {text.split('"')[0] for text in used} <= set(schemas)


def test_a_model_that_does_not_fit_the_features_is_not_hidden(shop):
    shop.scorer.failure = ContractMismatch("The model was trained with other features. Train it again.")
    response = ask(shop, "POST", "/v1/score", json=ONE)
    assert (response.status_code, response.json()["error"]["message"][:9]) == (400, "The model")


def test_a_score_that_is_not_a_number_is_our_mistake_and_never_sent(shop):
    table = shop.scorer.score
    shop.scorer.score = lambda *asked: table(*asked).append_column("lifetime_value", [[float("nan")]])
    assert ask(shop, "POST", "/v1/score", json=ONE).status_code == 500


def test_a_new_champion_takes_over_and_every_answer_names_one_version(shop):
    async def go():
        async with shop.client() as client:

            async def one():
                response = await client.post("/v1/score", json={"customers": ONE["customers"] * 3})
                assert response.status_code == 200
                return {score["model_attrition"] for score in response.json()["scores"]}

            seen = []
            for version in range(8, 28):
                shop.registry.scorer = FakeScorer(str(version))
                swap = asyncio.to_thread(shop.champion.refresh)
                seen += (await asyncio.gather(swap, *[one() for _ in range(5)]))[1:]
            return [*seen, await one()]

    seen = asyncio.run(go())
    assert all(len(versions) == 1 for versions in seen)
    assert seen[-1] == {"27"}


@pytest.mark.parametrize("failure", [DataError("bad file"), ValueError(CANARY), OSError("disk")])
def test_a_champion_that_cannot_be_loaded_leaves_the_old_one_answering(shop, failure, caplog):
    shop.registry.scorer = FakeScorer("8")
    shop.registry.failure = failure
    shop.champion.refresh()
    assert ask(shop, "GET", "/readyz").json() == {"status": "ready", "version": "7"}
    assert ask(shop, "POST", "/v1/score", json=ONE).json()["scores"][0]["model_attrition"] == "7"
    assert any(record.levelname == "ERROR" for record in caplog.records)
    shop.registry.failure = None
    shop.champion.refresh()
    assert ask(shop, "GET", "/readyz").json()["version"] == "8"


def test_a_registry_that_loses_its_champion_leaves_the_old_one_answering(shop):
    shop.registry.scorer = None
    shop.champion.refresh()
    assert ask(shop, "GET", "/readyz").status_code == 200


def test_the_watch_finds_the_champion_by_itself_and_stops(tmp_path):
    registry = FakeRegistry(None)
    shop = Shop(tmp_path, registry)
    shop.champion._poll_seconds = 0.02
    shop.champion.start()
    registry.scorer = FakeScorer("9")
    for _ in range(200):
        if shop.champion.version == "9":
            break
        time.sleep(0.02)
    assert shop.champion.version == "9"
    shop.champion.stop()
    assert not any(thread.name == "champion" and thread.is_alive() for thread in threading.enumerate())
    shop.close()


# ---- over real HTTP ----------------------------------------------------------------------------------------


def head_of(key):
    """Write the beginning of a request by hand."""
    return (
        "POST /v1/score HTTP/1.1\r\nHost: shop\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {key}\r\n"
    )


class Server:
    """A service in a process of its own, on a free port of 127.0.0.1."""

    def __init__(self, folder: Path, service: str = hosting.SERVICE, path: str = "") -> None:
        self.business = business(folder)
        self.keys = KeyStore(self.business.workspace / "keys.db")
        self.home = folder / "home"
        self.home.mkdir()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        settings = Settings(self.business.path, port=self.port, body_seconds=1.0, poll_seconds=0.2)
        command, environment = hosting.launch(settings, self.business)
        command = [service if word == hosting.SERVICE else word for word in command]
        environment |= {"HOME": str(self.home), "PYTHONPATH": path}
        self.log = folder / "service.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=folder)

    def wait(self) -> "Server":
        for _ in range(600):
            try:
                if self.ask("GET", "/livez")[0] == 200:
                    return self
            except OSError:
                assert self.process.poll() is None, self.log.read_text()
                time.sleep(0.1)
        pytest.fail("the service did not start")

    def ask(self, method, path, body=None, key=None, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        headers = {"Content-Type": "application/json", **(headers or {})}
        if key is not None:
            headers["Authorization"] = f"Bearer {key}"
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return response.status, dict(response.getheaders()), response.read()
        finally:
            connection.close()

    def speak(self, *parts: bytes) -> bytes:
        """Send raw bytes and return the first of the answer."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as connection:
            for part in parts:
                connection.sendall(part)
            return connection.recv(65536)

    def workers(self) -> list[int]:
        """Process ids of the workers."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [int(child) for child in children.split()]

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(30)
        except subprocess.TimeoutExpired:
            for worker in self.workers():
                os.kill(worker, signal.SIGKILL)
            self.process.kill()
            raise


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("empty"))
    yield server.wait()
    server.stop()


@pytest.fixture(scope="module")
def key(server):
    return server.keys.create("tests", ["score", "lookup", "admin"])


def test_a_service_without_a_model_lives_and_says_that_it_is_not_ready(server, key):
    began = time.monotonic()
    assert server.ask("GET", "/livez")[0] == 200
    status, headers, body = server.ask("GET", "/readyz")
    assert (status, json.loads(body)["error"]["code"]) == (503, "model_unavailable")
    status, headers, body = server.ask("POST", "/v1/score", json.dumps(ONE), key)
    assert (status, json.loads(body)["error"]["code"]) == (503, "model_unavailable")
    assert int(headers["retry-after"]) > 0
    assert time.monotonic() - began < 1


def test_a_key_made_while_the_service_runs_works_and_a_revoked_one_ends_within_five_seconds(server):
    fresh = server.keys.create("fresh", ["admin"])
    for wanted in (200, 401):
        began = time.monotonic()
        while server.ask("GET", "/docs.json", key=fresh)[0] != wanted:
            assert time.monotonic() - began < 5
            time.sleep(0.1)
        if wanted == 200:
            server.keys.revoke("fresh")


def test_nothing_of_bentoml_is_open(server, key):
    for path in (
        "/metrics",
        "/docs.json",
        "/healthz",
        "/",
        "/schema.json",
        "/static_content/x",
        "/job/submit",
    ):
        assert server.ask("GET", path)[0] == 401
    for path in ("/healthz", "/", "/schema.json", "/static_content/index.html", f"/{CANARY}"):
        assert server.ask("GET", path, key=key)[0] == 404


def test_metrics_have_few_labels(server, key):
    server.ask("GET", f"/v1/{CANARY}", key=key)
    status, _, body = server.ask("GET", "/metrics", key=key)
    assert status == 200
    assert b'holdfast_request_seconds_count{route="unknown",status="404"}' in body
    assert CANARY.encode() not in body
    assert b"endpoint=" not in body


@pytest.mark.parametrize("how", ["declared", "chunked"])
def test_fifty_megabytes_are_refused_in_words_the_client_can_read_and_cost_no_memory(server, key, how):
    worker = server.workers()[0]

    def memory():
        lines = Path(f"/proc/{worker}/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmHWM")).split()[1])

    head = head_of(key)
    block = b"x" * (1 << 20)
    if how == "declared":
        parts = [f"{head}Content-Length: {50 << 20}\r\n\r\n".encode(), *[block] * 50]
    else:
        parts = [
            f"{head}Transfer-Encoding: chunked\r\n\r\n".encode(),
            *[b"100000\r\n" + block + b"\r\n"] * 50,
            b"0\r\n\r\n",
        ]
    before = memory()
    answer = server.speak(*parts)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"longer than 1048576 bytes" in answer
    assert memory() - before < 32 * 1024


def test_a_body_that_never_ends_is_given_up(server, key):
    head = head_of(key)
    began = time.monotonic()
    for length in ("Content-Length: 100", "Transfer-Encoding: chunked"):
        answer = server.speak(f"{head}{length}\r\n\r\n".encode())
        assert answer.startswith(b"HTTP/1.1 408 ")
    assert 1.9 < time.monotonic() - began < 5


@pytest.mark.parametrize("lengths", [["abc"], ["-5"], ["2", "3"]])
def test_a_wrong_content_length_is_refused(server, key, lengths):
    head = head_of(key)
    lines = "".join(f"Content-Length: {length}\r\n" for length in lengths)
    assert server.speak(f"{head}{lines}\r\n{{}}".encode()).startswith(b"HTTP/1.1 400 ")


def test_the_logs_are_json_and_name_no_customer(server, key):
    bad = json.dumps({"customers": [{"customer_id": CANARY + "\n\x1b[31m", CANARY: 1}]})
    server.ask("POST", f"/v1/score/{CANARY}", bad, key)
    server.ask("POST", "/v1/score", bad, key, {"X-Request-Id": CANARY, "User-Agent": CANARY})
    text = server.log.read_text()
    assert CANARY not in text
    assert key not in text
    lines = [line for line in text.splitlines() if line.startswith("{")]
    assert any(json.loads(line).get("route") == "/v1/score" for line in lines)


def test_all_that_is_written_lies_in_the_workspace(server):
    assert list(server.home.iterdir()) == []


FAKE = """
import sys, time, types
sys.path[:0] = [{tests!r}]
from fakes import FakeScorer

class Scorer(FakeScorer):
    @classmethod
    def champion(cls, business): return "7"
    @classmethod
    def load(cls, business): return cls()
    def __init__(self):
        super().__init__()
        self.wait = lambda: time.sleep({seconds})

module = types.ModuleType("serving.scorer")
module.Scorer = Scorer
sys.modules["serving.scorer"] = module
from serving.service import Holdfast
"""


def test_sigterm_finishes_what_is_in_flight_and_exits_with_zero(tmp_path):
    tests = str(Path(__file__).resolve().parent.parent)
    code = textwrap.dedent(FAKE).format(tests=tests, seconds=0.5)
    (tmp_path / "fake_service.py").write_text(code)
    (tmp_path / "shop" / ".holdfast").mkdir(parents=True)
    (tmp_path / "shop" / ".holdfast" / "mlflow.db").touch()
    server = Server(tmp_path / "shop", "fake_service:Holdfast", str(tmp_path))
    try:
        server.wait()
        key = server.keys.create("tests", ["score"])
        for _ in range(100):
            if server.ask("GET", "/readyz")[0] == 200:
                break
            time.sleep(0.1)
        replies = []
        asking = threading.Thread(
            target=lambda: replies.append(server.ask("POST", "/v1/score", json.dumps(ONE), key))
        )
        asking.start()
        time.sleep(0.2)
        workers = server.workers()
        assert server.stop() == 0
        asking.join(20)
    finally:
        if server.process.poll() is None:
            server.stop()
    ((status, _, body),) = replies
    assert status == 200
    assert json.loads(body)["scores"][0]["churn_probability"] == 0.2
    assert [pid for pid in workers if Path(f"/proc/{pid}").exists()] == []


def test_serve_refuses_what_cannot_be_before_anything_starts(tmp_path):
    shop = business(tmp_path)
    for address, words in ((("example.org", 3000), "IP address"), (("127.0.0.1", 99_999), "HOLDFAST_PORT")):
        code = (
            "from pathlib import Path; from serving.hosting import serve; "
            f"serve(Path({str(shop.path)!r}), *{address!r})"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 1
        assert words in done.stderr
    assert hosting.key_advice(shop).startswith("No key works yet")
    KeyStore(shop.workspace / "keys.db").create("a", ["score"])
    assert hosting.key_advice(shop) is None


def test_times_of_the_api_always_say_their_zone():
    assert iso(parse_instant("2024-01-01")) == "2024-01-01T00:00:00Z"

"""The HTTP application: scores of customers in the body, look-ups in the last batch, models, health.

It knows nothing of keys and limits: `serving.guard` stands in front of it.
"""

import asyncio
import functools
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route as StarletteRoute

from features.business import Business
from features.errors import ModelUnavailable
from serving.champion import Champion, Scores
from serving.contract import Contract, Limits, ScoreRequest, records
from serving.guard import Route, failure
from serving.keys import SCOPES, instant_now
from serving.openapi import document
from serving.scores import ScoreTable, percentile

LARGE_BODY = 32_768
"""Bodies from this length on are read in a thread, so that small requests need not wait for them."""

ROUTES = {
    "/livez": Route("GET", None),
    "/readyz": Route("GET", None),
    "/v1/score": Route("POST", ("score",)),
    "/v1/lookup": Route("POST", ("lookup",)),
    "/v1/models": Route("GET", SCOPES),
    "/docs.json": Route("GET", SCOPES),
    "/metrics": Route("GET", ("admin",)),
}
"""Every path there is.  ``/metrics`` is answered by the host of this application."""

Endpoint = Callable[[Request], Awaitable[Response]]


@dataclass
class Service:
    """What the endpoints share."""

    business: Business
    champion: Champion
    scores: ScoreTable
    limits: Limits = field(default_factory=Limits)
    now: Callable[[], int] = instant_now
    inference: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(max_workers=1, thread_name_prefix="inference")
    )
    _contract: tuple[Scores | None, Contract] | None = None

    def contract(self, scorer: Scores | None = None) -> Contract:
        """Return the contract, rebuilt when another scorer answers; look-ups take any."""
        current = self._contract
        if current is None or (scorer is not None and current[0] is not scorer):
            kinds = scorer.kinds if scorer is not None else {}
            current = self._contract = (scorer, Contract(self.business, kinds, self.limits))
        return current[1]


def application(service: Service) -> Starlette:
    """Build the application around what it shares."""

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        service.champion.start()
        yield
        service.champion.stop()
        service.inference.shutdown(wait=False, cancel_futures=True)
        service.scores.close()

    endpoints: dict[str, Callable[[Service, Request], Awaitable[Response]]] = {
        "/livez": _livez,
        "/readyz": _readyz,
        "/v1/score": _score,
        "/v1/lookup": _lookup,
        "/v1/models": _models,
        "/docs.json": _docs,
    }
    routes = [
        StarletteRoute(path, _answering(functools.partial(endpoint, service)), methods=[ROUTES[path].method])
        for path, endpoint in endpoints.items()
    ]
    return Starlette(routes=routes, lifespan=lifespan)


def _answering(endpoint: Endpoint) -> Endpoint:
    """Turn the errors of an endpoint into the one error shape."""

    async def answer(request: Request) -> Response:
        try:
            return await endpoint(request)
        except Exception as error:  # noqa: BLE001  (every error gets the one shape; failure() logs ours)
            status, headers, body = failure(error, _request_id(request))
            response = Response(body, status)
            response.raw_headers[:] = headers
            return response

    return answer


async def _livez(_service: Service, _request: Request) -> Response:
    """Say that the process runs."""
    return _json({"status": "live"})


async def _readyz(service: Service, _request: Request) -> Response:
    """Say whether a model can answer, and why not."""
    service.champion.scorer()
    return _json({"status": "ready", "version": service.champion.version})


async def _score(service: Service, request: Request) -> Response:
    """Score customers from the events in the body."""
    scorer = service.champion.scorer()
    now = service.now()
    read = functools.partial(service.contract(scorer).score_request, await request.body(), now)
    asked = await _off_loop(read, request)
    answered: list[dict[str, object]] = []
    if len(asked.bucket):
        work = functools.partial(_scored, service, scorer, asked, now)
        answered = await asyncio.get_running_loop().run_in_executor(service.inference, work)
    return _json({"scores": answered, "request_id": _request_id(request)})


async def _lookup(service: Service, request: Request) -> Response:
    """Return scores of the last batch."""
    ids = service.contract().lookup_request(await request.body())
    if service.champion.batch is None and service.scores.batch() is None:
        raise ModelUnavailable("There is no batch of scores yet. Run `holdfast score`.")
    found = await asyncio.to_thread(service.scores.lookup, ids)
    results = [
        {"customer_id": name, "status": "not_found"}
        if score is None
        else {"customer_id": name, "status": "found", "score": score}
        for name, score in zip(ids, found, strict=True)
    ]
    return _json({"results": results, "request_id": _request_id(request)})


async def _models(service: Service, request: Request) -> Response:
    """Describe the models that answer."""
    return _json({"models": service.champion.scorer().models(), "request_id": _request_id(request)})


async def _docs(_service: Service, _request: Request) -> Response:
    """Return the OpenAPI document."""
    return _json(document())


def _scored(service: Service, scorer: Scores, asked: ScoreRequest, now: int) -> list[dict[str, object]]:
    """Score a bucket and rank its customers in the base."""
    table = scorer.score(asked.bucket, asked.cutoff, now)
    batch = service.champion.batch
    if batch is not None and batch.churn_grid:
        table = ranked(table, batch.churn_grid)
    return records(table)


def ranked(table: pa.Table, churn_grid: tuple[float, ...]) -> pa.Table:
    """Fill the churn percentile of scores that have none, from the distribution of the last batch."""
    names = table.column_names
    known = "churn_percentile" in names and table["churn_percentile"].null_count < len(table)
    if known or "churn_probability" not in names:
        return table
    probabilities = table["churn_probability"].cast(pa.float64()).to_numpy()
    ranks = percentile(churn_grid, probabilities)
    column = pa.array(ranks, pa.float64(), mask=np.isnan(ranks))
    if "churn_percentile" in names:
        return table.set_column(names.index("churn_percentile"), "churn_percentile", column)
    return table.add_column(names.index("churn_probability") + 1, "churn_percentile", column)


async def _off_loop(read: Callable[[], ScoreRequest], request: Request) -> ScoreRequest:
    """Read a large body in a thread, a small one at once."""
    if len(await request.body()) < LARGE_BODY:
        return read()
    return await asyncio.to_thread(read)


def _json(content: dict[str, Any]) -> Response:
    """Answer with JSON; a NaN in an answer would be our bug and is refused here."""
    body = json.dumps(content, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    return Response(body.encode(), media_type="application/json")


def _request_id(request: Request) -> str:
    """Return the id that the guard gave the request."""
    return str(request.scope.get("state", {}).get("request_id", ""))

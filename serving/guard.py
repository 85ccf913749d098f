"""The guard in front of everything: who may ask, how much, how long, and how a refusal looks.

Pure ASGI, outermost, so that no other layer sees a request that is not allowed:

1. an id for the request, returned as ``X-Request-Id``
2. the key, before anything else is said (401: same text, same work, whatever is wrong with it)
3. the path (404), the method (405), the scope of the key (403)
4. the content type (415), the length (413) and the time (408) of the body
5. a place in a bounded queue (503 with ``Retry-After``)
6. a deadline for the answer (503); its place is free only when the work has really ended

Bodies are read before a place is taken, so slow clients hold up nobody.
A client that never finishes its headers is for the proxy in front to end.
"""

import asyncio
import json
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any

from features.errors import HoldfastError, ModelUnavailable, UserError
from serving.documents import RequestRejected
from serving.keys import Key
from serving.settings import Settings

LOG = logging.getLogger(__name__)

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Verify = Callable[[str], Key | None]
Observe = Callable[[str, int, float], None]

RETRY_SECONDS = 1
BODIES_AT_ONCE = 512
"""How many bodies may be on their way in; with the limit of one body this bounds their memory."""

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"})


@dataclass(frozen=True)
class Route:
    """What the guard must know about a path.

    Attributes
    ----------
    method : str
        GET (which allows HEAD) or POST (which carries a JSON body).
    scopes : tuple of str or None
        A key needs one of them; None: open to everybody.
    """

    method: str
    scopes: tuple[str, ...] | None

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods that are allowed."""
        return ("GET", "HEAD") if self.method == "GET" else (self.method,)


class Guard:
    """Wraps an application; see the module for what it does.

    Parameters
    ----------
    app : ASGI application
        Answers what passes.
    routes : mapping of str to Route
        Every path there is; all others are 404.
    verify : callable
        From a token to its key, None if it is not good.
    settings : Settings
        The limits.
    observe : callable, optional
        Told the route, status and seconds of every request, for metrics.
    """

    def __init__(
        self,
        app: App,
        routes: Mapping[str, Route],
        verify: Verify,
        settings: Settings,
        observe: Observe | None = None,
    ) -> None:
        self.app = app
        self._routes = routes
        self._verify = verify
        self._settings = settings
        self._observe = observe
        self._reading = 0
        self._running: set[asyncio.Task[None]] = set()

    @property
    def running(self) -> int:
        """How many requests are running or waiting for the model."""
        return len(self._running)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection event of ASGI."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
        elif scope["type"] == "http":
            await self._request(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008})

    async def _request(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, whatever happens."""
        began = time.perf_counter()
        exchange = _Exchange(send, secrets.token_hex(8))
        scope.setdefault("state", {})["request_id"] = exchange.request_id
        path = scope["path"] if scope["path"] in self._routes else "unknown"
        try:
            await self._admit(scope, receive, exchange)
        except _ClientLeft:
            exchange.status = 499
        except Exception as error:  # noqa: BLE001  (the last resort: every error gets the one shape)
            await exchange.fail(error)
        seconds = time.perf_counter() - began
        if self._observe is not None:
            self._observe(path, exchange.status, seconds)
        LOG.info(
            "request",
            extra={
                "fields": {
                    "request_id": exchange.request_id,
                    "route": path,
                    "method": scope["method"] if scope["method"] in _METHODS else "other",
                    "status": exchange.status,
                    "ms": round(seconds * 1000, 2),
                    "key": scope["state"].get("key"),
                }
            },
        )

    async def _admit(self, scope: Scope, receive: Receive, exchange: "_Exchange") -> None:
        """Let a request pass, or raise why not."""
        headers = _headers(scope)
        route = self._routes.get(scope["path"])
        if route is None or route.scopes is not None:
            key = self._key(headers)
            scope["state"]["key"] = key.name
        if route is None:
            raise RequestRejected("There is no such path.", status=404, code="not_found")
        if scope["method"] not in route.methods:
            raise RequestRejected(
                "This path does not take that method.",
                status=405,
                code="method_not_allowed",
                headers={"Allow": ", ".join(route.methods)},
            )
        if route.scopes is not None and not set(route.scopes) & set(key.scopes):
            raise RequestRejected("The key is not good for this path.", status=403, code="forbidden")
        if route.method != "POST":
            await self.app(scope, receive, exchange.send)
            return
        body = await self._body(headers, receive)
        await self._run(scope, _replayed(body, receive), exchange)

    def _key(self, headers: Mapping[str, list[str]]) -> Key:
        """Return the key of a request; every failure does the same work and says the same."""
        given = headers.get("authorization", [])
        word, _, token = (given[0] if len(given) == 1 else "").partition(" ")
        key = self._verify(token)
        if key is None or word.lower() != "bearer":
            raise RequestRejected(
                "A valid key is needed. Send it as Authorization: Bearer KEY.",
                status=401,
                code="unauthorized",
                headers={"WWW-Authenticate": "Bearer"},
            )
        return key

    async def _body(self, headers: Mapping[str, list[str]], receive: Receive) -> bytes:
        """Read the body within its limits."""
        _require_json(headers)
        self._refuse_length(headers.get("content-length", []))
        if self._reading >= BODIES_AT_ONCE:
            raise _busy()
        self._reading += 1
        try:
            async with asyncio.timeout(self._settings.body_seconds):
                return await self._received(receive)
        except TimeoutError:
            raise RequestRejected(
                f"The body did not arrive within {self._settings.body_seconds:g} seconds.",
                status=408,
                code="body_timeout",
                headers={"Connection": "close"},
            ) from None
        finally:
            self._reading -= 1

    async def _received(self, receive: Receive) -> bytes:
        """Collect the body; stop at the limit, whatever was declared."""
        parts: list[bytes] = []
        length = 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise _ClientLeft
            part = message.get("body", b"")
            length += len(part)
            if length > self._settings.body_bytes:
                raise self._too_long()
            parts.append(part)
            if not message.get("more_body", False):
                return b"".join(parts)

    def _refuse_length(self, declared: list[str]) -> None:
        """Judge the declared length before the body is read.

        The server goes on discarding what the client still sends, so the client can read the refusal.
        """
        if not declared:
            return
        if len(declared) > 1 or not (declared[0].isascii() and declared[0].isdigit()):
            raise RequestRejected(
                "The Content-Length is not one whole number.", headers={"Connection": "close"}
            )
        if len(declared[0]) > 15 or int(declared[0]) > self._settings.body_bytes:  # noqa: PLR2004  (a petabyte)
            raise self._too_long()

    def _too_long(self) -> RequestRejected:
        """Refuse a body that is too long."""
        limit = self._settings.body_bytes
        return RequestRejected(
            f"The body is longer than {limit} bytes. Send several smaller requests.",
            status=413,
            code="body_too_large",
        )

    async def _run(self, scope: Scope, receive: Receive, exchange: "_Exchange") -> None:
        """Run the application in a place of the queue, at most until the deadline."""
        if len(self._running) >= self._settings.max_requests:
            raise _busy()
        task = asyncio.ensure_future(self.app(scope, receive, exchange.send))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        done, _ = await asyncio.wait({task}, timeout=self._settings.answer_seconds)
        if done:
            task.result()
            return
        # A thread cannot be stopped: the work goes on unheard and keeps its place until it ends.
        task.add_done_callback(_unheard)
        raise RequestRejected(
            f"The answer took longer than {self._settings.answer_seconds:g} seconds. Try a smaller request.",
            status=503,
            code="too_slow",
            headers={"Retry-After": str(RETRY_SECONDS)},
        )


class _ClientLeft(Exception):  # noqa: N818  (nothing is wrong with us)
    """The client closed the connection."""


class _Exchange:
    """One request's way out: adds headers, remembers the status, and sends at most one answer."""

    def __init__(self, send: Send, request_id: str) -> None:
        self.request_id = request_id
        self.status = 0
        self._send = send
        self._closed = False

    async def send(self, message: Message) -> None:
        """Pass a message of the application on."""
        if self._closed:
            return
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = [*message.get("headers", ()), *_common_headers(self.request_id)]
        await self._send(message)

    async def fail(self, error: Exception) -> None:
        """Answer with the one error shape; after a started answer nothing can be said any more."""
        started = self.status != 0
        status, headers, body = failure(error, self.request_id)
        if started:
            return
        start: Message = {"type": "http.response.start", "status": status, "headers": headers}
        await self.send(start)
        await self.send({"type": "http.response.body", "body": body})
        self._closed = True


def failure(error: Exception, request_id: str) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    """Return status, headers and body that an error is answered with.

    Whatever is not ours to explain is a 500 without details; its type and frames go to the log.
    """
    extra: Mapping[str, str] = {}
    fields: object = []
    message = str(error)
    if isinstance(error, RequestRejected):
        status, code, fields, extra = error.status, error.code, error.fields, error.headers
    elif isinstance(error, UserError):
        status, code = 400, "invalid_request"
    elif isinstance(error, ModelUnavailable):
        status, code, extra = 503, "model_unavailable", {"Retry-After": str(error.retry_after)}
    else:
        status, code = 500, "internal_error"
        message = "Something went wrong on our side. The log has more under the request id."
        known = isinstance(error, HoldfastError)
        LOG.error(
            "refused" if known else "failed", exc_info=error, extra={"fields": {"request_id": request_id}}
        )
    shape = {"code": code, "message": message, "fields": fields, "request_id": request_id}
    body = json.dumps({"error": shape}).encode()
    headers = {"Content-Type": "application/json", "Content-Length": str(len(body)), **extra}
    return status, [(name.lower().encode(), value.encode()) for name, value in headers.items()], body


def _common_headers(request_id: str) -> list[tuple[bytes, bytes]]:
    """Return the headers of every answer."""
    return [
        (b"x-request-id", request_id.encode()),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
    ]


def _busy() -> RequestRejected:
    """Refuse because every place is taken."""
    return RequestRejected(
        "The service is at its limit. Try again shortly.",
        status=503,
        code="busy",
        headers={"Retry-After": str(RETRY_SECONDS)},
    )


def _require_json(headers: Mapping[str, list[str]]) -> None:
    """Refuse everything but plain JSON in UTF-8."""
    types = headers.get("content-type", [])
    kind, _, parameter = (types[0] if len(types) == 1 else "").partition(";")
    charset = parameter.strip().lower().replace('"', "")
    if kind.strip().lower() != "application/json" or charset not in {"", "charset=utf-8"}:
        raise RequestRejected(
            "The body must be JSON. Send Content-Type: application/json.",
            status=415,
            code="unsupported_media_type",
        )
    if any(value.strip().lower() != "identity" for value in headers.get("content-encoding", [])):
        raise RequestRejected(
            "The body must not be compressed. Send it without Content-Encoding.",
            status=415,
            code="unsupported_media_type",
        )


def _headers(scope: Scope) -> dict[str, list[str]]:
    """Return the values of each header."""
    headers: dict[str, list[str]] = {}
    for name, value in scope["headers"]:
        headers.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
    return headers


def _replayed(body: bytes, receive: Receive) -> Receive:
    """Return a receive that gives the body that was read, then what comes after it."""
    given = False

    async def replay() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


def _unheard(task: "asyncio.Task[None]") -> None:
    """Note an error of work whose client is no longer waiting."""
    if not task.cancelled() and (error := task.exception()) is not None:
        LOG.error("failed after the deadline", exc_info=error)

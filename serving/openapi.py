"""The OpenAPI document, built from the tables of the product so that it cannot fall behind them."""

import functools
from importlib.metadata import version
from typing import Any

from features.tables import TABLES, Kind, Table
from serving.contract import EVENT_TABLES

_TYPES: dict[Kind, dict[str, Any]] = {
    Kind.ID: {"type": "string", "minLength": 1, "maxLength": 256},
    Kind.TIME: {"type": "string", "format": "date-time"},
    Kind.MONEY: {"type": "number", "description": "in units of the currency of the business"},
    Kind.NUMBER: {"type": "number"},
    Kind.FLAG: {"type": "boolean"},
    Kind.CATEGORY: {"type": "string", "maxLength": 1000},
    Kind.TEXT: {"type": "string", "maxLength": 10_000},
}
_STATUSES = {
    "400": "The request is not as expected; fields say where.",
    "401": "A valid key is needed.",
    "403": "The key is not good for this path.",
    "404": "There is no such path.",
    "405": "This path does not take that method.",
    "408": "The body did not arrive in time.",
    "413": "The body or its rows are too many; the message says the limit.",
    "415": "The body must be plain JSON.",
    "500": "Our fault; the log has more under the request id.",
    "503": "No model, or at the limit; try again after Retry-After seconds.",
}
_ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message", "fields", "request_id"],
            "properties": {
                "code": {"type": "string"},
                "message": {"type": "string"},
                "fields": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["path", "problem"],
                        "properties": {"path": {"type": "string"}, "problem": {"type": "string"}},
                    },
                },
                "request_id": {"type": "string"},
            },
        }
    },
}


@functools.cache
def document() -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of the service."""
    score = _object({"customers": _list(_ref("Customer"))}, cutoff=_TYPES[Kind.TIME])
    lookup = _object({"customer_ids": _list(_TYPES[Kind.ID])})
    answers = _object({"scores": _list({"type": "object"}), "request_id": {"type": "string"}})
    results = _object({"results": _list({"type": "object"}), "request_id": {"type": "string"}})
    models = _object({"models": _list({"type": "object"}), "request_id": {"type": "string"}})
    status = {"type": "object"}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Holdfast", "version": version("holdfast")},
        "security": [{"key": []}],
        "paths": {
            "/v1/score": {"post": _operation("Score customers from their events", answers, score)},
            "/v1/lookup": {"post": _operation("Look scores of the last batch up", results, lookup)},
            "/v1/models": {"get": _operation("The models that answer", models)},
            "/livez": {"get": {**_operation("Whether the process runs", status), "security": []}},
            "/readyz": {"get": {**_operation("Whether a model can answer", status), "security": []}},
        },
        "components": {
            "schemas": {"Error": _ERROR, "Customer": _customer(), **_events()},
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(summary: str, answer: dict[str, Any], body: dict[str, Any] | None = None) -> dict[str, Any]:
    """Describe one operation."""
    errors = {
        status: {"description": text, "content": {"application/json": {"schema": _ref("Error")}}}
        for status, text in _STATUSES.items()
        if body is not None or status not in {"400", "408", "413", "415"}
    }
    ok = {"description": "The answer.", "content": {"application/json": {"schema": answer}}}
    operation: dict[str, Any] = {"summary": summary, "responses": {"200": ok, **errors}}
    if body is not None:
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    return operation


def _customer() -> dict[str, Any]:
    """Describe a customer of a request: profile columns directly, events by table."""
    profile = _row(TABLES["customers"])
    events = {name: _nullable(_list(_ref(name))) for name in EVENT_TABLES}
    # The attributes that a business declares are further fields.
    return {**profile, "properties": {**profile["properties"], **events}, "additionalProperties": True}


def _events() -> dict[str, Any]:
    """Describe the events of each table."""
    return {name: _row(TABLES[name], without=("customer_id",)) for name in EVENT_TABLES}


def _row(table: Table, without: tuple[str, ...] = ()) -> dict[str, Any]:
    """Describe a row of a table."""
    columns = [column for column in table.columns if column.name not in without]
    return {
        "type": "object",
        "required": [column.name for column in columns if column.required],
        "properties": {
            column.name: _TYPES[column.kind] if column.required else _nullable(_TYPES[column.kind])
            for column in columns
        },
        "additionalProperties": True,
    }


def _object(required: dict[str, Any], **optional: dict[str, Any]) -> dict[str, Any]:
    """Describe an object."""
    properties = {**required, **{name: _nullable(schema) for name, schema in optional.items()}}
    return {
        "type": "object",
        "required": list(required),
        "properties": properties,
        "additionalProperties": False,
    }


def _list(item: dict[str, Any]) -> dict[str, Any]:
    """Describe a list."""
    return {"type": "array", "items": item}


def _nullable(schema: dict[str, Any]) -> dict[str, Any]:
    """Allow null beside a schema."""
    return {"anyOf": [schema, {"type": "null"}]}


def _ref(name: str) -> dict[str, Any]:
    """Point at a schema of the document."""
    return {"$ref": f"#/components/schemas/{name}"}

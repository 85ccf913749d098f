"""Structured logs: one JSON object a line on stderr, without ids and without values.

Messages are fixed texts; what changes goes into ``extra={"fields": {...}}`` and is chosen by us.
An exception is logged as its type and its frames: its message can carry what a client sent.
The JSON is pure ASCII, so a control character, a line break or a bidi override in anything can forge no line.
"""

import json
import logging
import logging.config
import sys
import traceback
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

_OWN = ("serving", "training", "features")
_FRAMES = 30


class JsonFormatter(logging.Formatter):
    """A record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """Write time, level, logger and message, then our own fields, then the error."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat().replace("+00:00", "Z"),
            "level": record.levelname,
            "logger": record.name,
            "message": _message(record),
        }
        line.update(getattr(record, "fields", {}))
        if record.exc_info and record.exc_info[1] is not None:
            line["error"] = described(record.exc_info[1])
        return json.dumps(line, default=str)


def described(error: BaseException) -> list[dict[str, object]]:
    """Return the type and frames of an error and of what caused it, never their messages.

    Returns
    -------
    list of dict
        ``{"type", "frames"}``, the error first, its causes after it; a frame is ``file:line function``.
    """
    chain: list[dict[str, object]] = []
    current: BaseException | None = error
    while current is not None and len(chain) < 5:  # noqa: PLR2004  (deeper chains say nothing new)
        chain.append({"type": type(current).__qualname__, "frames": _frames(current.__traceback__)})
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
    return chain


def configure(level: str = "INFO") -> None:
    """Send every log of this process through `JsonFormatter` to stderr.

    BentoML and uvicorn are heard from WARNING on; their access logs are off because the guard writes one.
    """
    loggers: dict[str, dict[str, object]] = {name: {"level": level} for name in _OWN}
    loggers |= {name: {"level": "WARNING"} for name in ("bentoml", "uvicorn", "uvicorn.error", "circus")}
    loggers |= {name: {"level": "CRITICAL"} for name in ("uvicorn.access", "bentoml.access")}
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"json": {"()": JsonFormatter}},
            "handlers": {
                "stderr": {"class": "logging.StreamHandler", "stream": sys.stderr, "formatter": "json"}
            },
            "root": {"handlers": ["stderr"], "level": "WARNING"},
            # Without handlers of their own they all speak through the root's.
            "loggers": {name: {"handlers": [], "propagate": True, **own} for name, own in loggers.items()},
        }
    )


def _message(record: logging.LogRecord) -> str:
    """Return the text of our own records, and only the template of foreign ones: arguments can be values."""
    own = record.name.split(".")[0] in _OWN
    return record.getMessage() if own else str(record.msg)


def _frames(trace: TracebackType | None) -> list[str]:
    """Write the frames of a traceback, the innermost last."""
    frames = traceback.extract_tb(trace)[-_FRAMES:]
    return [f"{'/'.join(Path(frame.filename).parts[-2:])}:{frame.lineno} {frame.name}" for frame in frames]

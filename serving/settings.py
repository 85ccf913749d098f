"""What an operator may set, read once from the environment; secrets print as stars.

======================== ========================== ==================================================
variable                 default                    meaning
======================== ========================== ==================================================
HOLDFAST_BUSINESS        (required)                 path of business.toml
HOLDFAST_SCORES          <workspace>/scores.db      score table: ``sqlite:///path`` or ``postgresql://…``
HOLDFAST_HOST            127.0.0.1                  address to listen on
HOLDFAST_PORT            3000                       port to listen on
HOLDFAST_BODY_BYTES      1048576                    longest request body
HOLDFAST_BODY_SECONDS    2                          time a client has to send its body
HOLDFAST_ANSWER_SECONDS  5                          time an answer may take
HOLDFAST_MAX_REQUESTS    64                         requests running or waiting, more get a 503
HOLDFAST_MAX_CUSTOMERS   1000                       customers in one request
HOLDFAST_MAX_EVENTS      100000                     events in one request
HOLDFAST_POLL_SECONDS    5                          how often the registry is asked for a new champion
HOLDFAST_LOG_LEVEL       INFO                       DEBUG, INFO, WARNING or ERROR
======================== ========================== ==================================================
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from features.business import Business
from features.errors import UserError, did_you_mean

PREFIX = "HOLDFAST_"
QUIET_ENVIRONMENT = {
    "BENTOML_DO_NOT_TRACK": "True",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "OTEL_SDK_DISABLED": "true",
}
"""Switches telemetry and tracing of what we build on off."""

LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")


@dataclass(frozen=True)
class Secret:
    """A text that must not be printed: only `reveal` shows it.

    Examples
    --------
    >>> print(Secret("postgresql://me:word@host/db"))
    ***
    """

    _value: str

    def reveal(self) -> str:
        """Return the text itself, for the one place that needs it."""
        return self._value

    def __repr__(self) -> str:
        """Print stars."""
        return "Secret(***)"

    def __str__(self) -> str:
        """Print stars."""
        return "***"


@dataclass(frozen=True)
class Settings:
    """The settings of a service; see the table of this module for their names in the environment."""

    business: Path
    scores: Secret | None = None
    host: str = "127.0.0.1"
    port: int = 3000
    body_bytes: int = 1 << 20
    body_seconds: float = 2.0
    answer_seconds: float = 5.0
    max_requests: int = 64
    max_customers: int = 1000
    max_events: int = 100_000
    poll_seconds: float = 5.0
    log_level: str = "INFO"

    def environment(self) -> dict[str, str]:
        """Return the variables that make another process read these same settings, secrets included."""
        values = {f"{PREFIX}{name.upper()}": getattr(self, name) for name in self.__dataclass_fields__}
        return {
            name: value.reveal() if isinstance(value, Secret) else str(value)
            for name, value in values.items()
            if value is not None
        }


def read(environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings.

    Parameters
    ----------
    environ : mapping of str to str, optional
        The variables; those of this process unless given.

    Raises
    ------
    UserError
        A variable is missing or cannot be read.  The message names it and never shows its value.

    Examples
    --------
    >>> read({"HOLDFAST_BUSINESS": "shop/business.toml", "HOLDFAST_PORT": "8080"}).port
    8080
    """
    given = os.environ if environ is None else environ
    if not given.get(f"{PREFIX}BUSINESS"):
        raise UserError(
            "HOLDFAST_BUSINESS is not set. Set it to the path of business.toml, or use `holdfast serve`."
        )
    values: dict[str, object] = {}
    for name, convert in _READERS.items():
        text = given.get(f"{PREFIX}{name.upper()}")
        if text:
            values[name] = convert(f"{PREFIX}{name.upper()}", text)
    return Settings(**values)  # type: ignore[arg-type]


def _path(_variable: str, text: str) -> Path:
    """Any path."""
    return Path(text).absolute()


def _secret(_variable: str, text: str) -> Secret:
    """Any text, hidden."""
    return Secret(text)


def _text(_variable: str, text: str) -> str:
    """Any text."""
    return text


def _count(variable: str, text: str) -> int:
    """Read a whole number from 1."""
    if not (text.isascii() and text.isdigit() and len(text) <= 12 and int(text) > 0):  # noqa: PLR2004  (fits int64)
        raise UserError(f"{variable} must be a whole number from 1, such as 64.")
    return int(text)


def _port(variable: str, text: str) -> int:
    """Read a port."""
    port = _count(variable, text)
    if port > 65_535:  # noqa: PLR2004  (the highest port)
        raise UserError(f"{variable} must be a port from 1 to 65535.")
    return port


def _seconds(variable: str, text: str) -> float:
    """Read a length of time above zero, at most an hour."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 < seconds <= 3600:  # noqa: PLR2004  (longer is a slip of the pen)
        raise UserError(f"{variable} must be a number of seconds above 0 and up to 3600, such as 2.5.")
    return seconds


def _level(variable: str, text: str) -> str:
    """Read a log level."""
    if text not in LOG_LEVELS:
        raise UserError(f"{variable} is not a log level. {did_you_mean(text, LOG_LEVELS)}")
    return text


_READERS: dict[str, Callable[[str, str], object]] = {
    "business": _path,
    "scores": _secret,
    "host": _text,
    "port": _port,
    "body_bytes": _count,
    "body_seconds": _seconds,
    "answer_seconds": _seconds,
    "max_requests": _count,
    "max_customers": _count,
    "max_events": _count,
    "poll_seconds": _seconds,
    "log_level": _level,
}


def score_url(scores: Secret | None, business: Business) -> str:
    """Return where scores are looked up; a relative SQLite path is relative to business.toml."""
    if scores is None:
        return f"sqlite:///{business.workspace / 'scores.db'}"
    url = scores.reveal()
    if url.startswith("sqlite:///"):
        return f"sqlite:///{business.folder / url.removeprefix('sqlite:///')}"
    return url

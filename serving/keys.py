"""API keys: who may ask, for what, until when.

A key is 256 random bits, shown once.  Only its SHA-256 is stored: a random key needs no slow hash.
Names stay taken after a revocation, so an old log line always means one key.
"""

import hashlib
import hmac
import re
import secrets
import sqlite3
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from features.errors import UserError, did_you_mean
from features.windows import to_text

SCOPES = ("score", "lookup", "admin")
"""What a key may be good for."""

PREFIX = "hf_"
STALE_SECONDS = 2.0
"""How long a revoked key may still work; the promise is less than five seconds."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_SCHEMA = """
CREATE TABLE IF NOT EXISTS keys (
    name       TEXT PRIMARY KEY,
    digest     BLOB NOT NULL UNIQUE,
    scopes     TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    revoked_at INTEGER
)
"""


@dataclass(frozen=True)
class Key:
    """What is known about a key; never the key itself.  Times are instants."""

    name: str
    scopes: tuple[str, ...]
    created_at: int
    expires_at: int | None = None
    revoked_at: int | None = None

    def allows(self, now: int) -> bool:
        """Whether the key works at an instant."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


def instant_now() -> int:
    """Return this instant: microseconds since 1970."""
    return time.time_ns() // 1000


class KeyStore:
    """The keys of one business, in a SQLite file that only its owner can read.

    Parameters
    ----------
    path : Path
        The file, ``<workspace>/keys.db``; created with the first key.
    now : callable
        The clock.
    """

    def __init__(self, path: Path, now: Callable[[], int] = instant_now) -> None:
        self.path = path
        self._now = now
        self._cached: list[tuple[bytes, Key]] = []
        self._read_at = float("-inf")

    def create(self, name: str, scopes: Collection[str], expires_at: int | None = None) -> str:
        """Make a key and return it: the only time it is shown.

        Raises
        ------
        UserError
            The name is not usable or taken, a scope is unknown, or the key would have expired already.
        """
        self._check(name, scopes, expires_at)
        token = PREFIX + secrets.token_urlsafe(32)
        chosen = ",".join(scope for scope in SCOPES if scope in scopes)
        row = (name, _digest(token), chosen, self._now(), expires_at)
        with self._open() as database:
            try:
                database.execute(
                    "INSERT INTO keys (name, digest, scopes, created_at, expires_at) VALUES (?, ?, ?, ?, ?)",
                    row,
                )
            except sqlite3.IntegrityError:
                raise UserError(
                    "There is or was a key of that name. Choose another: names are not used twice."
                ) from None
        self._read_at = float("-inf")
        return token

    def entries(self) -> list[Key]:
        """Return all keys by name, revoked and expired ones included."""
        return sorted((key for _, key in self._rows()), key=lambda key: key.name)

    def revoke(self, name: str) -> Key:
        """End a key; it stops working everywhere within `STALE_SECONDS`.

        Raises
        ------
        UserError
            There is no key of that name.
        """
        names = [key.name for key in self.entries()]
        if name not in names:
            raise UserError(f"There is no key of that name. {did_you_mean(name, names)}")
        with self._open() as database:
            database.execute(
                "UPDATE keys SET revoked_at = ? WHERE name = ? AND revoked_at IS NULL", (self._now(), name)
            )
        self._read_at = float("-inf")
        return next(key for key in self.entries() if key.name == name)

    def verify(self, token: str) -> Key | None:
        """Return the key of a token, None if it is unknown, revoked or expired.

        Every stored digest is compared, each in constant time, so that the time says nothing about the token.
        """
        if time.monotonic() - self._read_at > STALE_SECONDS:
            self._cached = self._rows()
            self._read_at = time.monotonic()
        digest = _digest(token)
        found: Key | None = None
        for stored, key in self._cached:
            if hmac.compare_digest(stored, digest):
                found = key
        return found if found is not None and found.allows(self._now()) else None

    def _check(self, name: str, scopes: Collection[str], expires_at: int | None) -> None:
        """Refuse what cannot become a key."""
        if not _NAME.fullmatch(name):
            raise UserError(
                "The name of a key has 1 to 64 letters, digits, dots, dashes or underscores, "
                "and starts with a letter or digit."
            )
        for scope in scopes:
            if scope not in SCOPES:
                raise UserError(f"A scope is not known. {did_you_mean(scope, SCOPES)}")
        if not scopes:
            raise UserError(f"A key needs a scope. Known: {', '.join(SCOPES)}.")
        if expires_at is not None and expires_at <= self._now():
            raise UserError(f"The key would have expired at {to_text(expires_at)}. Choose a later time.")

    def _rows(self) -> list[tuple[bytes, Key]]:
        """Read every key from the file; none where there is no file."""
        if not self.path.exists():
            return []
        with self._open() as database:
            rows = database.execute(
                "SELECT digest, name, scopes, created_at, expires_at, revoked_at FROM keys"
            ).fetchall()
        return [(bytes(row[0]), Key(row[1], tuple(row[2].split(",")), *row[3:])) for row in rows]

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """Open the file for one transaction."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.touch(mode=0o600, exist_ok=True)
        database = sqlite3.connect(self.path, timeout=5.0)
        try:
            with database:
                database.execute(_SCHEMA)
                yield database
        finally:
            database.close()


def _digest(token: str) -> bytes:
    """Return the SHA-256 of a token."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()

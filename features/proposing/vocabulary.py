"""Vocabulary: the words by which columns and sources are recognised, in several languages.

The words are in ``vocabulary.toml``.
A name is split into words first, so ``customerID``, ``customer_id`` and ``Customer Id`` are one.

>>> words("customerID"), words("Kündigungsdatum"), words("ARR_amount")
(('customer', 'id'), ('kundigungsdatum',), ('arr', 'amount'))
"""

import re
import tomllib
import unicodedata
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

Phrases = tuple[tuple[str, ...], ...]
"""Phrases, each a tuple of words, the most telling first."""

EXACT, WITHIN = 1000, 500
"""What a name is worth that is a phrase of a role, or contains one; earlier phrases are worth more."""

_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_OTHER = re.compile(r"[^a-z0-9]+")


def words(name: str) -> tuple[str, ...]:
    """Split a name into lower-case words without accents."""
    spaced = _CAMEL.sub(" ", name)
    plain = unicodedata.normalize("NFKD", spaced).encode("ascii", "ignore").decode().lower()
    return tuple(word for word in _OTHER.split(plain) if word)


def fit(name: str, phrases: Phrases) -> int:
    """How well a name fits phrases: zero where it does not.

    Examples
    --------
    >>> amount = roles("purchases")["amount"]
    >>> fit("amount", amount) > fit("amount_usd", amount) > fit("colour", amount)
    True
    """
    own = words(name)
    best = 0
    for place, phrase in enumerate(phrases):
        if own == phrase or "".join(own) == "".join(phrase):
            return EXACT - place
        starts = range(len(own) - len(phrase) + 1)
        if not best and any(own[start : start + len(phrase)] == phrase for start in starts):
            best = WITHIN - place
    return best


def meaning(name: str) -> Phrases:
    """Phrases of one meaning, as in ``"customer"`` or ``"tenure"``."""
    return _phrases(_read()["meanings"][name])


def value_words(name: str) -> frozenset[str]:
    """Words that values of a category have, as in ``"control"``."""
    return frozenset(word for phrase in _phrases(_read()["values"][name]) for word in phrase)


def topics() -> Mapping[str, frozenset[str]]:
    """Words in the name of a file or database table that say which table it holds."""
    return {name: frozenset(w for p in _phrases(text) for w in p) for name, text in _read()["topics"].items()}


def roles(table: str) -> Mapping[str, Phrases]:
    """Phrases of every column of a table."""
    return {name: _phrases(text) for name, text in _read()["roles"][table].items()}


@cache
def _read() -> dict[str, Any]:
    return tomllib.loads((files("features.proposing") / "vocabulary.toml").read_text(encoding="utf-8"))


@cache
def _phrases(text: str) -> Phrases:
    return tuple(tuple(phrase.split()) for phrase in text.split(",") if phrase.strip())

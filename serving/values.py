"""Reading one value of a request: strict about its type, exact about money, and never coercing.

Every reader takes a value of `serving.documents.parse` and returns what `features.events.arrange` takes,
or raises `Unreadable` with the reason.  The rules are those of the store, so a request and a batch agree.
"""

import unicodedata
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Context, Decimal, Inexact
from zoneinfo import ZoneInfo

from features.tables import Kind
from features.windows import to_instant

LARGEST_MONEY = 2**43
"""In minor units; the store has the same limit, so that a sum of a million amounts stays exact."""

LARGEST_NUMBER = 2**53
"""Beyond it a float no longer holds every whole number."""

LONGEST_ID = 256
LONGEST_CATEGORY = 1_000
LONGEST_TEXT = 10_000

_YEARS = range(1900, 2201)
_CONTROL_OR_BIDI = {"Cc", "Cs", "Zl", "Zp"}
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_EXACT = Context(prec=60, rounding=ROUND_HALF_EVEN, traps=[Inexact])

Reader = Callable[[object], object]


class Unreadable(ValueError):  # noqa: N818  (never leaves the reading of a request)
    """A value is not what its column holds; the message says what was expected and never shows the value."""


def readers(minor_digits: int, timezone: str | None) -> Mapping[Kind, Reader]:
    """Return the reader of each kind of column.

    Parameters
    ----------
    minor_digits : int
        Digits after the point of the currency.
    timezone : str or None
        Of times without an offset; None refuses them.
    """
    zone = None if timezone is None else ZoneInfo(timezone)

    def _time(value: object) -> int:
        return time(value, zone)

    def _money(value: object) -> int:
        return money(value, minor_digits)

    return {
        Kind.ID: identifier,
        Kind.TIME: _time,
        Kind.MONEY: _money,
        Kind.NUMBER: number,
        Kind.FLAG: flag,
        Kind.CATEGORY: category,
        Kind.TEXT: free_text,
    }


def identifier(value: object) -> str:
    """Read an id: 1 to 256 characters, returned as they came.

    Two spellings of one name in Unicode (NFC and NFD) are two ids, here as everywhere.

    Examples
    --------
    >>> identifier("00123")
    '00123'
    """
    if not isinstance(value, str):
        raise Unreadable(f"must be text, not {_kind_of(value)}")
    if not 1 <= len(value) <= LONGEST_ID or not value.strip():
        raise Unreadable(f"must have 1 to {LONGEST_ID} characters that are not all blank")
    if not value.isalnum():
        _refuse_invisible(value)
    return value


def time(value: object, zone: ZoneInfo | None) -> int:
    """Read a time as an instant.

    ISO 8601 with an offset; without one it is a time of ``zone``.  A clock time that a change of the clocks
    skips or repeats is read with the offset of standard time, as DuckDB reads it for the store.

    Examples
    --------
    >>> time("1970-01-01T01:00:00+01:00", None)
    0
    """
    if not isinstance(value, str):
        raise Unreadable(f'must be a time as text, such as "2024-01-05T10:00:00Z", not {_kind_of(value)}')
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        moment = None
    if moment is None or not value.isascii():
        raise Unreadable('must be an ISO 8601 time such as "2024-01-05T10:00:00Z"')
    if moment.year not in _YEARS:
        raise Unreadable("must lie in the years 1900 to 2200")
    if moment.tzinfo is not None:
        return to_instant(moment)
    if zone is None:
        raise Unreadable('needs an offset, such as "Z" or "+01:00": the business declares no timezone')
    offsets = [moment.replace(tzinfo=zone, fold=fold).utcoffset() for fold in (0, 1)]
    return to_instant(moment.replace(tzinfo=UTC) - min(offset for offset in offsets if offset is not None))


def has_offset(value: object) -> bool:
    """Whether a time that can be read says its offset."""
    return datetime.fromisoformat(str(value)).tzinfo is not None


def money(value: object, minor_digits: int) -> int:
    """Read an amount in currency units as a whole number of minor units, exactly.

    Examples
    --------
    >>> money(Decimal("12.5"), 2), money(-3, 2)
    (1250, -300)
    """
    amount = Decimal(value) if type(value) is int else value
    if not isinstance(amount, Decimal):
        raise Unreadable(f"must be a number, not {_kind_of(value)}")
    _refuse_not_finite(amount)
    if amount and not -40 <= amount.adjusted() <= 40:  # noqa: PLR2004  (far outside what money can be)
        raise Unreadable(_TOO_LARGE if amount.adjusted() > 0 else _too_fine(minor_digits))
    try:
        minor = _EXACT.scaleb(amount, minor_digits)
        units = int(_EXACT.to_integral_exact(minor))
    except Inexact:
        raise Unreadable(_too_fine(minor_digits)) from None
    if abs(units) > LARGEST_MONEY:
        raise Unreadable(_TOO_LARGE)
    return units


def number(value: object) -> float:
    """Read a number.

    Examples
    --------
    >>> number(3)
    3.0
    """
    if type(value) is int:
        if abs(value) > LARGEST_NUMBER:
            raise Unreadable(_TOO_LARGE)
        return float(value)
    if not isinstance(value, Decimal):
        raise Unreadable(f"must be a number, not {_kind_of(value)}")
    _refuse_not_finite(value)
    if value.adjusted() > 20 or abs(value) > LARGEST_NUMBER:  # noqa: PLR2004  (longer than LARGEST_NUMBER)
        raise Unreadable(_TOO_LARGE)
    return float(value)


def flag(value: object) -> int:
    """Read true or false as 1 or 0."""
    if not isinstance(value, bool):
        raise Unreadable(f"must be true or false, not {_kind_of(value)}")
    return int(value)


def category(value: object) -> str | None:
    """Read a category; a blank one is not known."""
    return _text(value, LONGEST_CATEGORY) or None


def free_text(value: object) -> str | None:
    """Read a free text; it is checked, and no feature reads it."""
    return _text(value, LONGEST_TEXT) or None


def attribute(value: object) -> object:
    """Read an attribute whose kind nobody declared: a text, a number or a flag."""
    if isinstance(value, str):
        return category(value)
    return flag(value) if isinstance(value, bool) else number(value)


_TOO_LARGE = "is too large"


def _too_fine(minor_digits: int) -> str:
    """Say that an amount has more decimals than the currency."""
    return f"has more decimals than the currency, which has {minor_digits}"


def _text(value: object, longest: int) -> str:
    """Read a text up to a length; blank becomes empty."""
    if not isinstance(value, str):
        raise Unreadable(f"must be text, not {_kind_of(value)}")
    if len(value) > longest:
        raise Unreadable(f"must have at most {longest} characters")
    if not value.isascii() and any(unicodedata.category(character) == "Cs" for character in value):
        raise Unreadable("holds half a character (a lone surrogate)")
    if "\0" in value:
        raise Unreadable("holds a NUL character")
    return value if value.strip() else ""


def _refuse_invisible(value: str) -> None:
    """Refuse characters that steer a terminal or turn the reading direction."""
    if value.isascii() and value.isprintable():
        return
    for character in value:
        if character in _BIDI or unicodedata.category(character) in _CONTROL_OR_BIDI:
            raise Unreadable("holds a control character, a line break or a change of reading direction")


def _refuse_not_finite(value: Decimal) -> None:
    """Refuse NaN and infinity."""
    if not value.is_finite():
        raise Unreadable("must be a finite number of ordinary length")


def _kind_of(value: object) -> str:
    """Say what a JSON value is, without showing it."""
    names = {str: "text", bool: "true or false", int: "a number", Decimal: "a number", list: "a list"}
    return names.get(type(value), "null" if value is None else "an object")

"""Durations and instants: the only place where time is counted.

An instant is an integer number of microseconds since 1970-01-01T00:00Z.
Every interval is half-open, ``[start, end)``; a cutoff is the first instant of the future.
"""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from features.errors import UserError

MICROSECONDS_PER_DAY = 86_400_000_000
BEGINNING = -(2**62)
"""An instant before every other one; used for facts that were always true."""

_UNITS = {"h": 3_600_000_000, "d": MICROSECONDS_PER_DAY, "w": 7 * MICROSECONDS_PER_DAY}
_DURATION = re.compile(r"(\d{1,6})(h|d|w)")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, order=True)
class Duration:
    """A length of time in whole microseconds, written ``"90d"``, ``"12h"`` or ``"2w"``."""

    microseconds: int

    @property
    def days(self) -> float:
        """The same length in days."""
        return self.microseconds / MICROSECONDS_PER_DAY

    def __str__(self) -> str:
        """Write the duration in days where it is a whole number of them, else in hours."""
        whole_days, rest = divmod(self.microseconds, MICROSECONDS_PER_DAY)
        return f"{whole_days}d" if rest == 0 else f"{self.microseconds // _UNITS['h']}h"


def days(number: int) -> Duration:
    """Return a duration of whole days.

    Examples
    --------
    >>> str(days(90))
    '90d'
    """
    return Duration(number * MICROSECONDS_PER_DAY)


def parse_duration(text: str) -> Duration:
    """Read ``"90d"``, ``"12h"`` or ``"2w"``.

    Raises
    ------
    UserError
        The text is not a whole number followed by h, d or w.

    Examples
    --------
    >>> parse_duration("2w").days
    14.0
    """
    match = _DURATION.fullmatch(text)
    if match is None:
        raise UserError(f"{text!r} is not a duration. Write a whole number and h, d or w, as in '90d'.")
    return Duration(int(match.group(1)) * _UNITS[match.group(2)])


def to_instant(moment: datetime) -> int:
    """Microseconds since 1970 of an aware datetime (a naive one is read as UTC)."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (aware - _EPOCH) // timedelta(microseconds=1)


def parse_instant(text: str) -> int:
    """Read an ISO 8601 date or time; without an offset it is UTC, a date is its midnight.

    Raises
    ------
    UserError
        The text is not ISO 8601.

    Examples
    --------
    >>> parse_instant("1970-01-02")
    86400000000
    >>> parse_instant("1970-01-01T01:00:00+01:00")
    0
    """
    try:
        return to_instant(datetime.fromisoformat(text))
    except ValueError:
        raise UserError(
            f"{text!r} is not a date or time. Write ISO 8601, as in 1998-01-01 or 1998-01-01T00:00Z."
        ) from None


def to_datetime(instant: int) -> datetime:
    """Return the aware UTC datetime of an instant."""
    return _EPOCH + timedelta(microseconds=instant)


def to_text(instant: int) -> str:
    """ISO 8601 text of an instant: the date alone at midnight, else with time and ``Z``.

    Examples
    --------
    >>> to_text(0), to_text(3_600_000_000)
    ('1970-01-01', '1970-01-01T01:00:00Z')
    """
    moment = to_datetime(instant)
    if instant % MICROSECONDS_PER_DAY == 0:
        return date(moment.year, moment.month, moment.day).isoformat()
    return moment.isoformat().replace("+00:00", "Z")


def next_midnight(instant: int) -> int:
    """Return the first midnight (UTC) strictly after an instant."""
    return (instant // MICROSECONDS_PER_DAY + 1) * MICROSECONDS_PER_DAY

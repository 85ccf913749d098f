"""Features and their values in words for people.

>>> from features.language import EventSource, count, days_since_last
>>> from features.windows import days
>>> visits = EventSource("contacts", at="contacted_at").where(kind="visit").named("visits")
>>> words_of(days_since_last(visits)), words_of(count(visits).within(days(90)))
('days since last visit', 'visits in 90 days')
"""

import re
from functools import lru_cache

import numpy as np

from features.aggregates import MEANINGS, Aggregate
from features.catalogue import families
from features.currencies import MINOR_DIGITS
from features.language import AnyFeature, Derived, EventSource, FeatureSet

_WORDS = {
    Aggregate.COUNT: "{events}",
    Aggregate.ACTIVE_DAYS: "days with {events}",
    Aggregate.TOTAL: "total {column} of {events}",
    Aggregate.MEAN: "mean {column} of {events}",
    Aggregate.MAX: "largest {column} of {events}",
    Aggregate.MIN: "smallest {column} of {events}",
    Aggregate.STD: "spread of {column} of {events}",
    Aggregate.DISTINCT: "different {columns} of {events}",
    Aggregate.CONCENTRATION: "concentration of {events} on few {columns}",
    Aggregate.ENTROPY: "variety of {column} of {events}",
    Aggregate.FAVOURITE: "most frequent {column} of {events}",
    Aggregate.SHARE: "share of {events} among {other}",
    Aggregate.TREND: "trend of {column} of {events}",
    Aggregate.SEASONAL_TREND: "trend of {column} of {events} against a year earlier",
    Aggregate.DAYS_SINCE_LAST: "days since last {event}",
    Aggregate.DAYS_SINCE_FIRST: "days since first {event}",
    Aggregate.GAP_MEAN: "mean days between {events}",
    Aggregate.GAP_STD: "spread of days between {events}",
    Aggregate.CHANGES: "changes of {column} of {events}",
    Aggregate.RISES: "rises of {column} of {events}",
    Aggregate.FALLS: "falls of {column} of {events}",
    Aggregate.CHANGE: "change of {column} of {events}",
    Aggregate.LATEST: "{column}",
    Aggregate.AGE: "days since {column}",
    Aggregate.CHANGE_SINCE: "change of {column} since first {other}",
    Aggregate.DAYS_TO_RENEWAL: "days to renewal",
}
_EVENTS = {"lines": "purchases and returns", "compared": "compared answers"}
_COLUMNS = {"handled_by": "handler", "auto_renews": "automatic renewal"}
_TWO_DIGITS = 2


def words_of(feature: AnyFeature) -> str:
    """Say in words what a feature is."""
    if isinstance(feature, Derived):
        return _spaced(re.sub(r"_(\d+)d$", r" in \1 days", feature.name.removesuffix("_ever")))
    events, column = _events(feature.source), _column(feature.column or "number")
    words = {
        "events": events,
        "event": _one_of(events),
        "column": column,
        "columns": _many_of(column),
        "other": _events(feature.other) if feature.other else "",
    }
    window = f" in {feature.window.days:g} days" if feature.window else ""
    return _WORDS[feature.aggregate].format(**words) + window


def value_in_words(feature: AnyFeature, value: float | str | None, currency: str) -> str:
    """Say a feature's value, money in units of its currency.

    >>> from features.transactions import REPEAT_FEATURES
    >>> value_in_words(REPEAT_FEATURES.features[-1], 123456.0, "EUR")
    '1,234.56 EUR'
    """
    if isinstance(value, str):
        return value
    if value is None:
        none = isinstance(feature, Derived) or "(NaN: none" not in MEANINGS[feature.aggregate]
        return "not known" if none else "none"
    if feature.unit == "minor units":
        digits = MINOR_DIGITS.get(currency, _TWO_DIGITS)
        return f"{value / 10**digits:,.{digits}f} {currency}".rstrip()
    return f"{value:,.0f}" if feature.unit == "days" else _number(value)


def rhythm_in_words(repeats: float, last: float, tenure: float) -> str:
    """Say a history of purchase days.

    Parameters
    ----------
    repeats : float
        Purchase days after the first.
    last, tenure : float
        Days from the first purchase to the last, and to the cutoff.

    Examples
    --------
    >>> rhythm_in_words(6, 126.0, 246.0), rhythm_in_words(0, 0.0, 40.0)
    ('last purchase 120 days ago, before that one every 21 days', 'one purchase, 40 days ago')
    """
    if repeats < 1:
        return f"one purchase, {tenure:,.0f} days ago"
    return f"last purchase {tenure - last:,.0f} days ago, before that one every {last / repeats:,.0f} days"


@lru_cache(maxsize=32)
def families_of(features: FeatureSet) -> tuple[str, ...]:
    """Name the family of each feature; one that the catalogue lacks is of the family that reads its table."""
    by_name: dict[str, str] = {}
    by_table = {"customers": "profile", "market": "market"}
    for family, members in families({}).items():
        for member in members:
            by_name[member.name] = family
            for source in member.sources():
                by_table.setdefault(_whose_table(source), family)
    return tuple(by_name.get(one.name) or by_table[_whose_table(one.source)] for one in features)


def _whose_table(source: EventSource) -> str:
    """Name a table, and a household's part of any table as one."""
    return source.whose or source.table


def _events(source: EventSource) -> str:
    return _EVENTS.get(source.label, _spaced(source.label))


def _column(name: str) -> str:
    return _COLUMNS.get(name, _spaced(name).removesuffix(" at").removesuffix(" id"))


def _spaced(name: str) -> str:
    return name.replace("_", " ")


def _one_of(events: str) -> str:
    """Return the singular of a label."""
    if events.endswith("ies"):
        return f"{events[:-3]}y"
    return events if events.endswith("ss") else events.removesuffix("s")


def _many_of(column: str) -> str:
    """Return the plural of a column."""
    return f"{column[:-1]}ies" if column.endswith("y") else f"{column}s"


def _number(value: float) -> str:
    """Whole where it is whole, else to three digits that tell."""
    if value == np.round(value):
        return f"{value:,.0f}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"  # noqa: PLR2004  (beyond three digits)

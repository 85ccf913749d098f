"""Timeliness: how old the newest fact of each table is, and how long facts take to reach us.

The rules are written down in `features.quality`.
"""

from collections import Counter
from collections.abc import Iterator

import numpy as np

from features.grading import rhythm
from features.grading.census import Census, TableCensus
from features.grading.grades import Dimension, Finding, Grade, by_share
from features.windows import BEGINNING, MICROSECONDS_PER_DAY

_OLD = ((30.0, Grade.C), (90.0, Grade.D))
_DELAYED = ((2.0, Grade.B), (8.0, Grade.C), (31.0, Grade.D))
_MANY_LATE = 0.05
_LOADED = 0.5
_ALWAYS_FRESH_DAYS = 2.0
_TIMES_USUAL = 3.0
_FEWEST_DAYS = 3


def timeliness(census: Census) -> list[Finding]:
    """Grade a store on timeliness.

    Parameters
    ----------
    census : Census

    Returns
    -------
    list of Finding
    """
    found: list[Finding] = []
    for table in census.tables.values():
        states_who_left = table.name == "purchases" or (
            table.name == "subscriptions" and "exits" not in census.tables
        )
        found += [
            *_age(table, census.store.observed_until, grave=states_who_left),
            *_delay(table),
        ]
    return found


def age_days(table: TableCensus, until: int) -> float | None:
    """Days from the newest fact to the end of observation; None where no row says when it happened."""
    if table.newest == BEGINNING:
        return None
    newest_day = table.newest // MICROSECONDS_PER_DAY
    return max(until / MICROSECONDS_PER_DAY - 1 - newest_day, 0.0)


def late_share(delays: Counter[int]) -> float:
    """Share of the rows that became known a day or more after they happened."""
    return sum(count for days, count in delays.items() if days >= 1) / max(delays.total(), 1)


def delay_quantile(delays: Counter[int], quantile: float, *, late_only: bool) -> float:
    """Whole days within which a share of the rows, or of the late ones, became known; 0 where there are none.

    Examples
    --------
    >>> delay_quantile(Counter({0: 8, 10: 2}), 0.9, late_only=False)
    10.0
    """
    kept = {days: count for days, count in delays.items() if days >= 1 or not late_only}
    if not kept:
        return 0.0
    days = np.array(sorted(kept))
    reached = np.cumsum([kept[day] for day in days.tolist()])
    return float(max(days[np.searchsorted(reached, quantile * reached[-1])], 0))


def _age(table: TableCensus, until: int, *, grave: bool) -> Iterator[Finding]:
    """Give a finding where the newest fact is older than the rhythm of the table allows, if it has one."""
    age = age_days(table, until)
    if len(table.days) < _FEWEST_DAYS:
        return
    usual = rhythm.usual_spacing(table.days)
    if age is None or table.name == "customers" or age <= max(_ALWAYS_FRESH_DAYS, _TIMES_USUAL * usual):
        return
    severity = by_share(age, *_OLD) or Grade.B
    if not grave:
        severity = min(severity, Grade.C)
    yield Finding(
        Dimension.TIMELINESS,
        table.name,
        None,
        severity,
        age,
        f"the newest fact is {age:,.0f} days older than observed_until; usually they are {usual:,.0f} apart",
        "Deliver what is missing, or declare observed_until at the newest complete day.",
    )


def _delay(table: TableCensus) -> Iterator[Finding]:
    """Give a finding where facts reach us late.

    Where most came late and all of those on one day, that was the day on which a history was loaded: it says
    nothing about how long facts take.
    """
    late = late_share(table.delays)
    if late > _LOADED and len(table.arrivals) == 1:
        return
    by_then = delay_quantile(table.delays, 0.9, late_only=False)
    severity = by_share(by_then, *_DELAYED) or (Grade.B if late >= _MANY_LATE else None)
    if severity is None:
        return
    half = delay_quantile(table.delays, 0.5, late_only=True)
    most = delay_quantile(table.delays, 0.9, late_only=True)
    yield Finding(
        Dimension.TIMELINESS,
        table.name,
        "known_at",
        severity,
        by_then,
        f"{late:.0%} of the rows come a day or more late: half of those within {half:,.0f} days, "
        f"90 % within {most:,.0f}",
        f"Score as of {max(by_then, 1):,.0f} days before the newest facts, or have them delivered sooner.",
    )

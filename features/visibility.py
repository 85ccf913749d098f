"""Conditions that look at what is visible at a cutoff: the newest event, the one before, what lies ahead.

What they keep differs from cutoff to cutoff, so each cutoff gets its own run of every owner's events.
"""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from features.events import NULL_CODE, Events, Instants, Numbers
from features.grouping import Grouped
from features.selection import Condition

_Passed = npt.NDArray[np.bool_]


def seen(grouped: Grouped, conditions: Sequence[Condition], cutoffs: Instants) -> Grouped:
    """Keep at each cutoff the events that are visible at it and pass every condition.

    Parameters
    ----------
    grouped : Grouped
        The events, by owner.
    conditions : sequence of Condition
        Those of which `Condition.is_relative` is true.
    cutoffs : int64 array (n_cutoffs,)

    Returns
    -------
    Grouped
        The events of every owner once for each cutoff.
    """
    events, rows, offsets, owners = grouped.events, [], [np.zeros(1, np.int64)], []
    n_rows = 0
    for place, cutoff in enumerate(cutoffs.tolist()):
        visible = (events.at < cutoff) & (events.known_at < cutoff)
        found = events.keep(visible)
        tests = [_TESTS[one.operator](found, one.column, cutoff) for one in conditions]
        passed = np.logical_and.reduce(tests)
        rows.append(np.flatnonzero(visible)[passed])
        before = np.concatenate([[0], np.cumsum(passed)])
        offsets.append(before[found.offsets[1:]] + n_rows)
        n_rows += int(before[-1])
        owners.append(grouped.owners[min(place, len(grouped.owners) - 1)] + place * (len(events.offsets) - 1))
    if not rows:
        return grouped
    return Grouped(events.take(np.concatenate(rows), np.concatenate(offsets)), np.array(owners))


def _values(events: Events, column: str) -> Numbers:
    """Return a column as numbers, of a category its codes; NaN where null."""
    values = events.columns.get(column)
    if values is None:
        return np.full(len(events.at), np.nan)
    numbers = np.asarray(values, np.float64)
    return np.where(values == NULL_CODE, np.nan, numbers) if values.dtype == np.int32 else numbers


def _before(events: Events, column: str) -> Numbers:
    """Return the value of the same owner's event before; NaN where there is none."""
    values = np.concatenate([[np.nan], _values(events, column)])
    values[events.offsets[:-1]] = np.nan
    return values[:-1]


def _ahead(events: Events, column: str, cutoff: int) -> _Passed:
    return ~(_values(events, column) < cutoff)


def _newest(events: Events, column: str, _: int) -> _Passed:
    values = _values(events, column)
    last = np.repeat(events.offsets[1:] - 1, np.diff(events.offsets))
    passed: _Passed = values == values[last]
    return passed


def _changed(events: Events, column: str, _: int) -> _Passed:
    values, before = _values(events, column), _before(events, column)
    passed: _Passed = (values != before) & ~np.isnan(values) & ~np.isnan(before)
    return passed


def _lower(events: Events, column: str, _: int) -> _Passed:
    passed: _Passed = _values(events, column) < _before(events, column)
    return passed


_TESTS: dict[str, Callable[[Events, str, int], _Passed]] = {
    "ahead": _ahead,
    "newest": _newest,
    "changed": _changed,
    "lower": _lower,
}

"""The one kernel that computes every feature, whoever asks: a batch, Spark or a request.

Events of one customer lie together in order of time, so each cutoff needs one walk backwards from the
cutoff: running figures are written down whenever the walk leaves a window.  No hash tables, no joins.
Formulas turn the figures into features.  Some customers at a time, so that all their figures stay in cache.

Exactness: money is whole minor units in float64, so sums are exact in any order up to 2**53; counts and
days are whole numbers; everything else is one IEEE operation after the other.  Equal events therefore give
equal bytes, alone or among millions.

A fact is visible at a cutoff if it happened before it *and* was known before it.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from features import formulas, grouping, walks
from features.declarations import FeatureSet
from features.events import NULL_CODE, Bucket, Codes, Events, Instants, Numbers
from features.grouping import Grouped, Households
from features.plan import Plan, Step, Walk, plan_of
from features.selection import HOUSEHOLD, Condition
from features.tables import SHARED

_FIGURES_AT_ONCE = 1 << 17
"""About how many figures are in memory at a time: a megabyte of them, which the cache of a core holds."""


def compute(features: FeatureSet, bucket: Bucket, cutoffs: Instants) -> Numbers:
    """Compute every feature of every customer at every cutoff.

    Parameters
    ----------
    features : FeatureSet
        What to compute.
    bucket : Bucket
        The customers and their events; tables that are absent count as empty.
    cutoffs : int64 array (n_cutoffs,)
        First instants of the future, microseconds UTC.

    Returns
    -------
    float64 array (n_cutoffs * n_customers, n_features)
        Cutoffs outermost.  Counts and totals of nothing are 0, all else NaN.
        A category (`latest` or `favourite` of a category column) is the code of its level in the bucket,
        NaN if null.
    """
    plan = plan_of(features)
    cutoffs = np.ascontiguousarray(cutoffs, np.int64)
    views = [_View(grouped) for grouped in _views(plan, bucket, cutoffs)]
    n, n_cutoffs = len(bucket), len(cutoffs)
    out = np.empty((n_cutoffs * n, len(features)))
    at_once = max(16, _FIGURES_AT_ONCE // max(plan.n_figures * n_cutoffs, 1))
    block = np.empty(plan.n_figures * n_cutoffs * min(at_once, n))
    for first in range(0, n, at_once):
        size = min(at_once, n - first)
        part = block[: plan.n_figures * n_cutoffs * size].reshape(plan.n_figures, n_cutoffs, size)
        _walk(plan, views, first, cutoffs, part)
        formulas.evaluate(part, plan.base, plan.lines, cutoffs)
        formulas.collect(part, plan.figures, first, n, out)
    return out


@dataclass
class _View:
    """The events of one source and their columns, as the walks want them."""

    grouped: Grouped
    _columns: dict[tuple[str, Walk], Any] = field(default_factory=dict)

    @property
    def events(self) -> Events:
        """The events, by owner."""
        return self.grouped.events

    @cached_property
    def marks(self) -> tuple[Numbers, Numbers]:
        """What `walks.tally_known` takes instead of walking."""
        return walks.marks(self.events.offsets, self.events.at)  # type: ignore[no-any-return]

    def codes(self, column: str) -> tuple[Codes, Codes, Codes]:
        """Return the codes of a category, and room to count and to note each of its levels."""
        key = column, Walk.VARIETY
        if key not in self._columns:
            values = self.events.columns.get(column)
            codes = np.full(len(self.events.at), NULL_CODE, np.int32) if values is None else values
            counts, seen = np.zeros((2, int(codes.max(initial=NULL_CODE)) + 1), np.int32)
            self._columns[key] = codes, counts, seen
        return self._columns[key]  # type: ignore[no-any-return]

    def numbers(self, column: str, walk: Walk) -> Numbers:
        """Return a column as numbers: of a category its codes, of a period its days; NaN where null."""
        walk = Walk.PERIOD if walk is Walk.PERIOD else Walk.SUMS
        key = column, walk
        if key not in self._columns:
            values = self.events.columns.get(column)
            if values is None:
                values = np.full(len(self.events.at), np.nan)
            elif walk is Walk.PERIOD:
                # 0 where it is not understood: the newest period counts, not the newest that is understood.
                lengths = [days_of(level) for level in self.events.levels.get(column, ())]
                values = np.nan_to_num(np.array([*lengths, 0.0]))[values]
            elif values.dtype == np.int32:
                values = np.where(values == NULL_CODE, np.nan, values.astype(np.float64))
            self._columns[key] = values
        return self._columns[key]  # type: ignore[no-any-return]


def _walk(plan: Plan, views: Sequence[_View], first: int, cutoffs: Instants, block: Numbers) -> None:
    """Write the figures of a run of customers into the block."""
    shape = block.shape[1:]
    located = []
    for view in views:
        starts, ends = np.empty(shape, np.int64), np.empty(shape, np.int64)
        events, owners = view.events, view.grouped.owners
        walks.locate(events.offsets, owners, first, events.at, cutoffs, starts, ends)
        located.append((starts, ends, events.at, events.known_at))
    for step in plan.steps:
        _WALKS[step.walk](step, views[step.view], located[step.view], cutoffs, block)


_Located = tuple[Any, Any, Instants, Instants]


def _tally(step: Step, view: _View, rows: _Located, cutoffs: Instants, block: Numbers) -> None:
    out = block[step.base : step.end]
    if view.events.known_at is view.events.at:
        starts, ends, at, _ = rows
        walks.tally_known(starts, ends, at, *view.marks, cutoffs, step.windows, out)
    else:
        walks.tally(*rows, cutoffs, step.windows, out)


def _coded(step: Step, view: _View, rows: _Located, cutoffs: Instants, block: Numbers) -> None:
    walk = getattr(walks, step.walk.value)
    walk(*rows, *view.codes(step.column), cutoffs, step.windows, block[step.base : step.end])


def _windowed(step: Step, view: _View, rows: _Located, cutoffs: Instants, block: Numbers) -> None:
    walk, values = getattr(walks, step.walk.value), view.numbers(step.column, step.walk)
    walk(*rows, values, cutoffs, step.windows, block[step.base : step.end])


def _latest(step: Step, view: _View, rows: _Located, cutoffs: Instants, block: Numbers) -> None:
    values = view.numbers(step.column, step.walk)
    starts, ends, _, known_at = rows
    past = step.walk is Walk.PAST
    walks.latest(starts, ends, known_at, values, past, cutoffs, block[step.base : step.end])


def _latest_at(step: Step, view: _View, rows: _Located, cutoffs: Instants, block: Numbers) -> None:
    values = view.numbers(step.column, step.walk)
    walks.latest_at(*rows, values, cutoffs, block[step.instants], block[step.base : step.end])


_WALKS = {
    Walk.TALLY: _tally,
    Walk.SUMS: _windowed,
    Walk.DISTINCT: _coded,
    Walk.VARIETY: _coded,
    Walk.MOVES: _windowed,
    Walk.LATEST: _latest,
    Walk.PAST: _latest,
    Walk.PERIOD: _latest,
    Walk.LATEST_AT: _latest_at,
}


def _views(plan: Plan, bucket: Bucket, cutoffs: Instants) -> Iterator[Grouped]:
    """Find the events of every source, and whose they are."""
    in_households = any(source.whose == HOUSEHOLD for source in plan.sources)
    households = Households.known(bucket, cutoffs) if in_households else None
    for source in plan.sources:
        if source.table in SHARED:
            found = grouping.shared(bucket, source.table, cutoffs)
            yield Grouped(_select(found.events, source.conditions), found.owners)
            continue
        events = bucket.events(source.table)
        if source.is_retimed:
            events = grouping.retimed(events, source.at)
        events = _select(events, source.conditions)
        of_all = households if source.whose == HOUSEHOLD else None
        yield of_all.together(events) if of_all else grouping.own(events)


def _select(events: Events, conditions: tuple[Condition, ...]) -> Events:
    """Keep the events that pass every condition, still by customer and in order of time."""
    if not conditions or not len(events.at):
        return events
    return events.keep(np.logical_and.reduce([_passes(events, condition) for condition in conditions]))


def _passes(events: Events, condition: Condition) -> npt.NDArray[np.bool_]:
    values = events.columns.get(condition.column)
    if values is None:
        return np.zeros(len(events.at), np.bool_)
    if condition.operator == "in":
        levels = events.levels.get(condition.column, ())  # none where nobody's is filled in
        wanted = [code for code, level in enumerate(levels) if level in condition.value]  # type: ignore[operator]
        return np.isin(values, wanted)
    if condition.operator == "known":
        return ~np.isnan(values) if values.dtype == np.float64 else values != NULL_CODE
    compare: dict[str, Any] = {"<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal}
    limit = condition.value
    if isinstance(limit, str):
        limit = events.columns.get(limit, np.nan)  # type: ignore[assignment]
    passed: npt.NDArray[np.bool_] = compare[condition.operator](values, limit)
    return passed


_PERIOD = re.compile(r"(\d{0,4})\s*-?\s*([a-z]+)")
_DAYS_OF = {
    **dict.fromkeys(("d", "day", "days", "daily"), 1.0),
    **dict.fromkeys(("w", "week", "weeks", "weekly"), 7.0),
    **dict.fromkeys(("m", "month", "months", "monthly"), 365.25 / 12),
    **dict.fromkeys(("q", "quarter", "quarters", "quarterly"), 365.25 / 4),
    **dict.fromkeys(("y", "year", "years", "yearly", "annual", "annually"), 365.25),
}


def days_of(period: str) -> float:
    """Days of a billing period in words; NaN where it is not understood.

    Examples
    --------
    >>> days_of("30d"), days_of("2 weeks"), days_of("Annual"), days_of("now and then")
    (30.0, 14.0, 365.25, nan)
    """
    found = _PERIOD.fullmatch(period.strip().lower())
    if found is None or found[2] not in _DAYS_OF or not int(found[1] or 1):
        return float("nan")
    return int(found[1] or 1) * _DAYS_OF[found[2]]

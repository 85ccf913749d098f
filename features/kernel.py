"""The one kernel that computes every feature, whoever asks: a batch, Spark or a request.

Events of one customer lie together in order of time, so each cutoff needs one walk backwards from the
cutoff: running figures are written down whenever the walk leaves a window.  No hash tables, no joins.
Formulas turn the figures into features.  Some customers at a time, so that all their figures stay in cache.

Exactness: money is whole minor units in float64, so sums are exact in any order up to 2**53; counts and
days are whole numbers; everything else is one IEEE operation after the other.  Equal events therefore give
equal bytes, alone or among millions.

A fact is visible at a cutoff if it happened before it *and* was known before it.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property, reduce
from typing import Any

import numpy as np
import numpy.typing as npt

from features import formulas, grouping, shortcuts, walks
from features.declarations import FeatureSet
from features.events import NULL_CODE, Bucket, Codes, Events, Instants, Numbers
from features.grouping import Grouped, Households
from features.plan import Plan, Step, Walk, plan_of
from features.selection import HOUSEHOLD, Condition, EventSource
from features.tables import SHARED
from features.visibility import seen

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
    views = _views(plan, bucket, cutoffs)
    n, n_cutoffs = len(bucket), len(cutoffs)
    out = np.empty((n_cutoffs * n, len(features)))
    at_once = max(16, _FIGURES_AT_ONCE // max(plan.n_figures * n_cutoffs, 1))
    figures = np.empty(plan.n_figures * n_cutoffs * min(at_once, n))
    edges = np.empty(plan.n_edges * n_cutoffs * min(at_once, n), np.int64)
    for first in range(0, n, at_once):
        shape = n_cutoffs, min(at_once, n - first)
        part = _room(figures, plan.n_figures, *shape)
        found = _edges(plan, views, first, cutoffs, _room(edges, plan.n_edges, *shape))
        for step in plan.steps:
            _WALKS[step.walk](step, views[step.view], found[step.view], cutoffs, part)
        formulas.evaluate(part, plan.base, plan.lines, cutoffs)
        formulas.collect(part, plan.figures, first, n, out)
    return out


@dataclass
class _View:
    """The events of one source and their columns, as the walks want them.

    ``passed`` says which of the events the source keeps, if not all.
    """

    grouped: Grouped
    passed: npt.NDArray[np.bool_] | None = None
    _columns: dict[tuple[str, Walk], Any] = field(default_factory=dict)

    @cached_property
    def events(self) -> Events:
        """The events that the source keeps, by owner."""
        every = self.grouped.events
        if self.passed is None:
            return every
        return every.take(np.flatnonzero(self.passed), self.before[every.offsets])

    @property
    def is_late(self) -> bool:
        """Whether something may not have been known at once."""
        return self.grouped.events.known_at is not self.grouped.events.at

    @cached_property
    def before(self) -> Instants:
        """How many of the events before each the source keeps."""
        before = np.zeros(len(self.grouped.events.at) + 1, np.int64)
        if self.passed is not None:
            np.cumsum(self.passed, out=before[1:])
        return before

    @cached_property
    def marks(self) -> tuple[Numbers, Numbers]:
        """What `shortcuts.rhythm` takes instead of walking."""
        return shortcuts.marks(self.events.offsets, self.events.at)  # type: ignore[no-any-return]

    def following(self, column: str) -> Codes:
        """Return what `shortcuts.distinct` takes instead of noting what it has seen."""
        key = column, Walk.DISTINCT
        if key not in self._columns:
            codes, counts, _ = self.codes(column)
            self._columns[key] = shortcuts.following(codes, len(counts))
        return self._columns[key]  # type: ignore[no-any-return]

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


def _room(block: Any, *shape: int) -> Any:
    """Return the beginning of a block in another shape."""
    return block[: math.prod(shape)].reshape(shape)


def _edges(plan: Plan, views: Sequence[_View], first: int, cutoffs: Instants, block: Any) -> list[Any]:
    """Find where the windows of a run of customers begin and end in the events of every source."""
    found: list[Any] = []
    place = 0
    for view, within, spans in zip(views, plan.within, plan.spans, strict=True):
        edges = block[place : place + 1 + len(spans)]
        place += len(edges)
        if within < 0:
            events, owners = view.events, view.grouped.owners
            walks.locate(events.offsets, owners, first, events.at, cutoffs, edges[-1], edges[0])
            walks.edge(events.at, cutoffs, spans, edges)
        else:
            walks.kept(view.before, found[within], edges)
        found.append(edges)
    return found


def _count(step: Step, view: _View, edges: Any, cutoffs: Instants, block: Numbers) -> None:
    out = block[step.base : step.end]
    if view.is_late:
        walks.count(edges, view.events.known_at, cutoffs, step.windows, out)
    else:
        shortcuts.count(edges, step.windows, out)


def _bounds(step: Step, view: _View, edges: Any, cutoffs: Instants, block: Numbers) -> None:
    at, known_at = view.events.at, view.events.known_at
    walks.bounds(edges, at, known_at, cutoffs, step.windows, block[step.base : step.end])


def _rhythm(step: Step, view: _View, edges: Any, cutoffs: Instants, block: Numbers) -> None:
    out = block[step.base : step.end]
    if view.is_late:
        walks.rhythm(edges, view.events.at, view.events.known_at, cutoffs, step.windows, out)
    else:
        shortcuts.rhythm(edges, *view.marks, step.windows, out)


def _distinct(step: Step, view: _View, edges: Any, cutoffs: Instants, block: Numbers) -> None:
    if view.is_late:
        _coded(step, view, edges, cutoffs, block)
    else:
        shortcuts.distinct(edges, view.following(step.column), step.windows, block[step.base : step.end])


def _coded(step: Step, view: _View, edges: Any, cutoffs: Instants, block: Numbers) -> None:
    walk, known_at = getattr(walks, step.walk.value), view.events.known_at
    walk(edges, known_at, *view.codes(step.column), cutoffs, step.windows, block[step.base : step.end])


def _windowed(step: Step, view: _View, edges: Any, cutoffs: Instants, block: Numbers) -> None:
    walk, values = getattr(walks, step.walk.value), view.numbers(step.column, step.walk)
    walk(edges, view.events.known_at, values, cutoffs, step.windows, block[step.base : step.end])


def _latest(step: Step, view: _View, edges: Any, cutoffs: Instants, block: Numbers) -> None:
    values, known_at = view.numbers(step.column, step.walk), view.events.known_at
    past = step.walk is Walk.PAST
    walks.latest(edges[-1], edges[0], known_at, values, past, cutoffs, block[step.base : step.end])


def _latest_at(step: Step, view: _View, edges: Any, cutoffs: Instants, block: Numbers) -> None:
    values, at, known_at = view.numbers(step.column, step.walk), view.events.at, view.events.known_at
    instants, out = block[step.instants], block[step.base : step.end]
    walks.latest_at(edges[-1], edges[0], at, known_at, values, cutoffs, instants, out)


_WALKS = {
    Walk.COUNT: _count,
    Walk.BOUNDS: _bounds,
    Walk.RHYTHM: _rhythm,
    Walk.SUMS: _windowed,
    Walk.DISTINCT: _distinct,
    Walk.VARIETY: _coded,
    Walk.MOVES: _windowed,
    Walk.LATEST: _latest,
    Walk.PAST: _latest,
    Walk.PERIOD: _latest,
    Walk.LATEST_AT: _latest_at,
}


def _views(plan: Plan, bucket: Bucket, cutoffs: Instants) -> list[_View]:
    """Find the events of every source, and whose they are."""
    in_households = any(source.whose == HOUSEHOLD for source in plan.sources)
    households = Households.known(bucket, cutoffs) if in_households else None
    views: list[_View] = []
    for source, within in zip(plan.sources, plan.within, strict=True):
        if within < 0:
            views.append(_View(_grouped(source, bucket, cutoffs, households)))
        else:
            whole = views[within].grouped
            views.append(_View(whole, _passed(whole.events, source.conditions)))
    return views


def _grouped(
    source: EventSource, bucket: Bucket, cutoffs: Instants, households: Households | None
) -> Grouped:
    """Find the events of a source that is no part of another, and whose they are."""
    if source.table in SHARED:
        found = grouping.shared(bucket, source.table, cutoffs)
    else:
        events = bucket.events(source.table)
        if source.is_retimed:
            events = grouping.retimed(events, source.at)
        of_all = households if source.whose == HOUSEHOLD else None
        found = of_all.together(events) if of_all else grouping.own(events)
    relative = [test for test in source.conditions if test.is_relative]
    if not relative:
        return found
    others = tuple(test for test in source.conditions if not test.is_relative)
    kept = found.events.keep(_passed(found.events, others)) if others else found.events
    return seen(Grouped(kept, found.owners), relative, cutoffs)


def _passed(events: Events, conditions: tuple[Condition, ...]) -> npt.NDArray[np.bool_]:
    """Whether each event passes every condition."""
    return reduce(np.logical_and, [_passes(events, one) for one in conditions])


def _passes(events: Events, condition: Condition) -> npt.NDArray[np.bool_]:
    values = events.columns.get(condition.column)
    if values is None:
        return np.zeros(len(events.at), np.bool_)
    if condition.operator == "in":
        levels = events.levels.get(condition.column, ())  # none where nobody's is filled in
        # The last is that of a null.
        wanted = np.array([*(level in condition.value for level in levels), False])  # type: ignore[operator]
        return wanted[values.astype(np.int32, copy=False)] if levels else np.zeros(len(values), np.bool_)
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

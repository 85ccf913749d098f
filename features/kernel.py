"""The one kernel that computes every feature, whoever asks: a batch, Spark or a request.

Events of one customer lie together in order of time, so each cutoff needs one walk backwards from the
cutoff: running sums are written down whenever the walk leaves a window.  No hash tables, no joins.

Exactness: money is whole minor units in float64, so sums are exact in any order up to 2**53; counts and
days are whole numbers; everything else is one IEEE division or square root.  Equal events therefore give
equal bytes, alone or among millions.

A fact is visible at a cutoff if it happened before it *and* was known before it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from features import walks
from features.events import NULL_CODE, Bucket, Events, Instants, Numbers
from features.language import Aggregate, Condition, EventSource, Feature, FeatureSet
from features.windows import MICROSECONDS_PER_DAY, Duration


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
        A category (`latest` of a category column) is the code of its level in the bucket, NaN if null.
    """
    views = {source: _View(bucket, source, cutoffs) for source in _sources(features)}
    for feature in features:
        for need, window in _needs(feature):
            views[need].windows.add(window)
    out = np.empty((len(cutoffs) * len(bucket), len(features)))
    for position, feature in enumerate(features):
        out[:, position] = _FORMULAS[feature.aggregate](feature, views).reshape(-1)
    return out


def _sources(features: FeatureSet) -> list[EventSource]:
    """Every distinct set of events that the features look at; labels make no difference."""
    return list(dict.fromkeys(s.events for f in features for s in (f.source, f.whole) if s))


def _needs(feature: Feature) -> list[tuple[EventSource, int]]:
    """Which windows (µs) of which events a feature is made from."""
    windows = [_span(feature.window)]
    if feature.aggregate is Aggregate.TREND:
        windows.append(_half(feature.window))
    sources = [feature.source, feature.whole] if feature.whole else [feature.source]
    return [(source.events, window) for source in sources for window in windows]


def _span(window: Duration | None) -> int:
    return window.microseconds if window else walks.EVER


def _half(window: Duration | None) -> int:
    if window is None:
        raise ValueError("a trend needs a window: trend(…).over(days(180))")
    return window.microseconds // 2


@dataclass
class _View:
    """The events of one source, and what has been summed up of them so far."""

    bucket: Bucket
    source: EventSource
    cutoffs: Instants
    windows: set[int] = field(default_factory=set)
    _sums: dict[str, Numbers] = field(default_factory=dict)

    @cached_property
    def events(self) -> Events:
        """The events that pass the conditions."""
        return _select(self.bucket.events(self.source.table), self.source.conditions)

    @cached_property
    def ordered_windows(self) -> Instants:
        """The windows that are asked for, the shortest first."""
        return np.array(sorted(self.windows), np.int64)

    def at_window(self, stats: Numbers, window: int, stat: int) -> Numbers:
        """One statistic of one window, shape (n_cutoffs, n_customers)."""
        found: Numbers = stats[stat, int(np.searchsorted(self.ordered_windows, window))]
        return found

    @cached_property
    def tally(self) -> Numbers:
        """Count, active days, first, last, sum of squared gaps: (5, n_windows, n_cutoffs, n_customers)."""
        e = self.events
        return walks.tally(e.offsets, e.at, e.known_at, self.cutoffs, self.ordered_windows)  # type: ignore[no-any-return]

    def sums(self, column: str) -> Numbers:
        """Filled count, total, sum of squares, maximum: (4, n_windows, n_cutoffs, n_customers)."""
        if column not in self._sums:
            e = self.events
            values = np.asarray(e.columns.get(column, np.full(len(e.at), np.nan)), np.float64)
            self._sums[column] = walks.sums(
                e.offsets, e.at, e.known_at, values, self.cutoffs, self.ordered_windows
            )
        return self._sums[column]

    def distinct(self, column: str) -> Numbers:
        """Different values: (1, n_windows, n_cutoffs, n_customers)."""
        e = self.events
        codes = np.asarray(e.columns.get(column, np.full(len(e.at), -1)), np.int32)
        n_levels = int(codes.max(initial=-1)) + 1
        found: Numbers = walks.distinct(
            e.offsets, e.at, e.known_at, codes, n_levels, self.cutoffs, self.ordered_windows
        )
        return found

    def latest(self, column: str) -> Numbers:
        """Return the value on the newest visible row: (n_cutoffs, n_customers)."""
        e = self.events
        values = e.columns.get(column)
        if values is None:
            return np.full((len(self.cutoffs), len(e.offsets) - 1), np.nan)
        if values.dtype == np.int32:
            values = np.where(values < 0, np.nan, values.astype(np.float64))
        return walks.latest(e.offsets, e.at, e.known_at, values, self.cutoffs)  # type: ignore[no-any-return]


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
    passed: npt.NDArray[np.bool_] = compare[condition.operator](values, condition.value)
    return passed


_Views = dict[EventSource, _View]
_COUNT, _DAYS, _FIRST, _LAST, _GAP_SQUARES = range(5)
_FILLED, _TOTAL, _SQUARES, _MAX = range(4)


def _view(feature: Feature, views: _Views) -> _View:
    return views[feature.source.events]


def _tallied(stat: int) -> Callable[[Feature, _Views], Numbers]:
    def formula(feature: Feature, views: _Views) -> Numbers:
        view = _view(feature, views)
        return view.at_window(view.tally, _span(feature.window), stat)

    return formula


def _summed(stat: int) -> Callable[[Feature, _Views], Numbers]:
    def formula(feature: Feature, views: _Views) -> Numbers:
        view = _view(feature, views)
        return view.at_window(view.sums(str(feature.column)), _span(feature.window), stat)

    return formula


def _mean(feature: Feature, views: _Views) -> Numbers:
    return _ratio(_summed(_TOTAL)(feature, views), _summed(_FILLED)(feature, views))


def _std(feature: Feature, views: _Views) -> Numbers:
    return _deviation(*(_summed(stat)(feature, views) for stat in (_FILLED, _TOTAL, _SQUARES)))


def _share(feature: Feature, views: _Views) -> Numbers:
    whole = replace(feature, source=feature.whole)  # type: ignore[arg-type]
    return _ratio(_tallied(_COUNT)(feature, views), _tallied(_COUNT)(whole, views))


def _trend(feature: Feature, views: _Views) -> Numbers:
    amount = _summed(_TOTAL) if feature.column else _tallied(_COUNT)
    newer = amount(replace(feature, window=Duration(_half(feature.window))), views)
    both = amount(feature, views)
    return _ratio(2 * newer - both, np.where(both > 0, both, 0))


def _days_to_cutoff(instants: Numbers, view: _View) -> Numbers:
    return (view.cutoffs[:, None] - instants) / MICROSECONDS_PER_DAY


def _days_since(stat: int) -> Callable[[Feature, _Views], Numbers]:
    def formula(feature: Feature, views: _Views) -> Numbers:
        return _days_to_cutoff(_tallied(stat)(feature, views), _view(feature, views))

    return formula


def _gaps(feature: Feature, views: _Views) -> tuple[Numbers, Numbers]:
    """Return the number of gaps and their sum in whole days."""
    first, last, days = (_tallied(stat)(feature, views) for stat in (_FIRST, _LAST, _DAYS))
    span = np.floor(last / MICROSECONDS_PER_DAY) - np.floor(first / MICROSECONDS_PER_DAY)
    return np.maximum(days - 1, 0), span


def _gap_mean(feature: Feature, views: _Views) -> Numbers:
    gaps, span = _gaps(feature, views)
    return _ratio(span, gaps)


def _gap_std(feature: Feature, views: _Views) -> Numbers:
    gaps, span = _gaps(feature, views)
    return _deviation(gaps, span, _tallied(_GAP_SQUARES)(feature, views))


def _latest_value(feature: Feature, views: _Views) -> Numbers:
    return _view(feature, views).latest(str(feature.column))


def _age(feature: Feature, views: _Views) -> Numbers:
    days = _days_to_cutoff(_latest_value(feature, views), _view(feature, views))
    return np.asarray(np.where(days > 0, days, np.nan))


def _distinct_count(feature: Feature, views: _Views) -> Numbers:
    view = _view(feature, views)
    return view.at_window(view.distinct(str(feature.column)), _span(feature.window), 0)


_FORMULAS: dict[Aggregate, Callable[[Feature, _Views], Numbers]] = {
    Aggregate.COUNT: _tallied(_COUNT),
    Aggregate.ACTIVE_DAYS: _tallied(_DAYS),
    Aggregate.TOTAL: _summed(_TOTAL),
    Aggregate.MEAN: _mean,
    Aggregate.MAX: _summed(_MAX),
    Aggregate.STD: _std,
    Aggregate.DISTINCT: _distinct_count,
    Aggregate.SHARE: _share,
    Aggregate.TREND: _trend,
    Aggregate.DAYS_SINCE_LAST: _days_since(_LAST),
    Aggregate.DAYS_SINCE_FIRST: _days_since(_FIRST),
    Aggregate.GAP_MEAN: _gap_mean,
    Aggregate.GAP_STD: _gap_std,
    Aggregate.LATEST: _latest_value,
    Aggregate.AGE: _age,
}


def _ratio(part: Numbers, whole: Numbers) -> Numbers:
    """Part by whole; NaN where the whole is nothing."""
    quotient: Numbers = np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole != 0)
    return quotient


def _deviation(n: Numbers, total: Numbers, squares: Numbers) -> Numbers:
    """Sample standard deviation from exact sums; NaN below two values."""
    spread = np.maximum(n * squares - total * total, 0)
    return np.asarray(np.sqrt(_ratio(spread, np.where(n > 1, n * (n - 1), 0))))

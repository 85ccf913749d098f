"""The plan of a feature set: which walks over which events, and which formulas over their figures.

Every figure that a formula needs has its place in one block, so a plan is made once and then only followed.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum
from functools import lru_cache

import numpy as np

from features import formulas
from features.aggregates import Aggregate
from features.declarations import AnyFeature, Derived, Feature, FeatureSet, Operator
from features.events import Instants
from features.formulas import Lines
from features.selection import EventSource
from features.walks import EVER
from features.windows import days

YEAR = days(365)
"""How far apart the windows of a seasonal trend lie."""


class Walk(Enum):
    """The walks of `features.walks`; past is the latest time, a period the latest value read as days."""

    COUNT = "count"
    BOUNDS = "bounds"
    RHYTHM = "rhythm"
    SUMS = "sums"
    DISTINCT = "distinct"
    VARIETY = "variety"
    MOVES = "moves"
    LATEST = "latest"
    PAST = "past"
    PERIOD = "period"
    LATEST_AT = "latest at"

    __hash__ = object.__hash__
    """That of the name is worked out in Python, and a request looks up hundreds."""


_FIGURES = {Walk.BOUNDS: 2, Walk.RHYTHM: 2, Walk.SUMS: 5, Walk.VARIETY: 3, Walk.MOVES: 5}
"""How many figures a walk writes for every window, where it is more than one."""

_FIRST, _LAST = range(2)
_DAYS, _GAP_SQUARES = range(2)
_FILLED, _TOTAL, _SQUARES, _MAX, _MIN = range(5)
_CONCENTRATION, _ENTROPY, _FAVOURITE = range(3)
_CHANGES, _RISES, _FALLS, _NEWEST, _OLDEST = range(5)

_Key = tuple[EventSource, Walk, str, EventSource | None]


@dataclass(frozen=True)
class Step:
    """One walk: over which events, which column, which windows, and where its figures begin.

    ``windows`` are places among the edges of the view: 0 is the cutoff, s + 1 the beginning of span s.
    ``instants`` is the figure that a walk to another instant than the cutoff starts from, else -1.
    """

    view: int
    walk: Walk
    column: str
    windows: Instants
    base: int
    end: int
    instants: int


@dataclass(frozen=True)
class Plan:
    """What to do for a feature set: walks, then formulas, then which figures are the features.

    Attributes
    ----------
    sources : tuple of EventSource
        Every distinct set of events.
    within : tuple of int
        For each source the one that it is a part of, which stands before it; -1 where it stands alone.
    spans : tuple of int64 arrays
        For each source the windows that it or a part of it needs: ascending lengths, `EVER` at the end.
    """

    sources: tuple[EventSource, ...]
    within: tuple[int, ...]
    spans: tuple[Instants, ...]
    steps: tuple[Step, ...]
    lines: Lines
    base: int
    figures: Lines

    @property
    def n_edges(self) -> int:
        """How many edges of windows there are in all sources."""
        return sum(1 + len(spans) for spans in self.spans)

    @property
    def n_figures(self) -> int:
        """Rows of the block."""
        return self.base + len(self.lines)


@lru_cache(maxsize=32)
def plan_of(features: FeatureSet) -> Plan:
    """Make the plan of a feature set; the same object gives the same plan at once."""
    asked = _Places()
    for feature in features:
        _Program(asked).figure_of(feature)
    places = asked.fixed()
    program = _Program(places)
    figures = np.array([program.figure_of(feature) for feature in features], np.int64)
    lines = np.array(program.lines or np.empty((0, 6)), np.int64)
    sources = tuple(places.spans)
    within = tuple(-1 if (root := _whole(source)) == source else sources.index(root) for source in sources)
    steps = tuple(places.steps())
    return Plan(sources, within, tuple(places.spans.values()), steps, lines, places.n_figures, figures)


def _whole(source: EventSource) -> EventSource:
    """Return the source of which this one is a part: the same without conditions.

    A condition that holds at one cutoff and not at another makes a source of its own.
    """
    is_part = not any(test.is_relative for test in source.conditions)
    return replace(source, conditions=()) if is_part else source


class _Places:
    """Where the figures of the walks stand; first asked for, then fixed."""

    def __init__(self) -> None:
        self.windows: dict[_Key, set[int]] = {}
        self.bases: dict[_Key, int] = {}
        self.spans: dict[EventSource, Instants] = {}
        self.n_figures = 0

    def fixed(self) -> "_Places":
        """Give every walk its rows of the block, and every source its spans."""
        asked: dict[EventSource, set[int]] = {}
        for (source, *_), windows in self.windows.items():
            asked.setdefault(_whole(source), {EVER}).update(windows)
        for root, windows in asked.items():
            self.spans[root] = np.array(sorted(windows), np.int64)
        for source, *_ in self.windows:
            self.spans[source] = self.spans[_whole(source)]
        for key, windows in self.windows.items():
            self.bases[key] = self.n_figures
            self.n_figures += _FIGURES.get(key[1], 1) * len(windows)
        return self

    def figure(self, key: _Key, figure: int, window: int) -> int:
        """Row of one figure of one window; 0 as long as rows are only asked for."""
        windows = self.windows.setdefault(key, set())
        windows.add(window)
        if not self.bases:
            return 0
        return self.bases[key] + figure * len(windows) + sorted(windows).index(window)

    def steps(self) -> list[Step]:
        """Return the walks in an order in which each finds the figures that it starts from."""
        position = {source: place for place, source in enumerate(self.spans)}
        steps = []
        for key, windows in sorted(self.windows.items(), key=lambda item: item[0][1] is Walk.LATEST_AT):
            source, walk, column, since = key
            first = self.figure((since, Walk.BOUNDS, "", None), _FIRST, EVER) if since else -1
            places, base = 1 + np.searchsorted(self.spans[source], sorted(windows)), self.bases[key]
            end = base + _FIGURES.get(walk, 1) * len(places)
            steps.append(Step(position[source], walk, column, places, base, end, first))
        return steps


class _Program:
    """The lines of a program, one for each different formula."""

    def __init__(self, places: _Places) -> None:
        self.places = places
        self.lines: list[tuple[int, ...]] = []
        self._known: dict[AnyFeature, int] = {}

    def figure_of(self, feature: AnyFeature) -> int:
        """Row of the block that holds the value of a feature."""
        if feature not in self._known:
            if isinstance(feature, Derived):
                parts = self.figure_of(feature.left), self.figure_of(feature.right)
                self._known[feature] = self.line(_OPERATIONS[feature.operator], *parts)
            else:
                self._known[feature] = _FORMULAS[feature.aggregate](self, feature)
        return self._known[feature]

    def line(self, operation: int, *arguments: int, extra: int = 0) -> int:
        """Add a formula over up to four figures."""
        padded = (*arguments, 0, 0, 0, 0)[:4]
        self.lines.append((operation, *padded, extra))
        return self.places.n_figures + len(self.lines) - 1

    def tally(self, source: EventSource, walk: Walk, figure: int, window: int) -> int:
        """Figure of the events themselves."""
        return self.places.figure((source.events, walk, "", None), figure, window)

    def count(self, source: EventSource, window: int) -> int:
        """How many events."""
        return self.tally(source, Walk.COUNT, 0, window)

    def read(self, feature: Feature, walk: Walk, figure: int, window: int = EVER) -> int:
        """Figure of the feature's column."""
        return self.places.figure((feature.source.events, walk, str(feature.column), None), figure, window)

    def amount(self, feature: Feature, window: int) -> int:
        """Return the total of the feature's column, or the count of its events where it has none."""
        if feature.column is None:
            return self.count(feature.source, window)
        return self.read(feature, Walk.SUMS, _TOTAL, window)


def _span(feature: Feature) -> int:
    return feature.window.microseconds if feature.window else EVER


def _tallied(walk: Walk, figure: int) -> Callable[[_Program, Feature], int]:
    return lambda program, f: program.tally(f.source, walk, figure, _span(f))


def _read(walk: Walk, figure: int) -> Callable[[_Program, Feature], int]:
    return lambda program, f: program.read(f, walk, figure, _span(f))


def _since(figure: int) -> Callable[[_Program, Feature], int]:
    return lambda program, f: program.line(formulas.SINCE, program.tally(f.source, Walk.BOUNDS, figure, EVER))


def _mean(program: _Program, f: Feature) -> int:
    parts = (program.read(f, Walk.SUMS, figure, _span(f)) for figure in (_TOTAL, _FILLED))
    return program.line(formulas.RATIO, *parts)


def _std(program: _Program, f: Feature) -> int:
    parts = (program.read(f, Walk.SUMS, figure, _span(f)) for figure in (_FILLED, _TOTAL, _SQUARES))
    return program.line(formulas.STD, *parts)


def _share(program: _Program, f: Feature) -> int:
    sources = (f.source, f.other or f.source)
    return program.line(formulas.RATIO, *(program.count(source, _span(f)) for source in sources))


def _trend(program: _Program, f: Feature) -> int:
    window = _span(f)
    return program.line(formulas.TREND, program.amount(f, window // 2), program.amount(f, window))


def _seasonal_trend(program: _Program, f: Feature) -> int:
    window, year = _span(f), YEAR.microseconds
    amounts = (program.amount(f, length) for length in (window, window + year, year))
    first = program.tally(f.source, Walk.BOUNDS, _FIRST, EVER)
    return program.line(formulas.SEASONAL, *amounts, first, extra=window + year)


_GAPS = ((Walk.BOUNDS, _FIRST), (Walk.BOUNDS, _LAST), (Walk.RHYTHM, _DAYS), (Walk.RHYTHM, _GAP_SQUARES))


def _gap_mean(program: _Program, f: Feature) -> int:
    return program.line(formulas.GAP_MEAN, *(program.tally(f.source, *one, _span(f)) for one in _GAPS[:3]))


def _gap_std(program: _Program, f: Feature) -> int:
    return program.line(formulas.GAP_STD, *(program.tally(f.source, *one, _span(f)) for one in _GAPS))


def _change(program: _Program, f: Feature) -> int:
    parts = (program.read(f, Walk.MOVES, figure, _span(f)) for figure in (_NEWEST, _OLDEST))
    return program.line(formulas.DIFFERENCE, *parts)


def _latest(program: _Program, f: Feature) -> int:
    return program.read(f, Walk.LATEST, 0)


def _age(program: _Program, f: Feature) -> int:
    return program.line(formulas.SINCE, program.read(f, Walk.PAST, 0))


def _change_since(program: _Program, f: Feature) -> int:
    first_of = (f.other or f.source).events
    program.tally(first_of, Walk.BOUNDS, _FIRST, EVER)
    then = program.places.figure((f.source.events, Walk.LATEST_AT, str(f.column), first_of), 0, EVER)
    return program.line(formulas.DIFFERENCE, _latest(program, f), then)


def _days_to_renewal(program: _Program, f: Feature) -> int:
    newest = program.tally(f.source, Walk.BOUNDS, _LAST, EVER)
    return program.line(formulas.RENEWAL, newest, program.read(f, Walk.PERIOD, 0))


_OPERATIONS = {
    Operator.RATIO: formulas.RATIO,
    Operator.DIFFERENCE: formulas.DIFFERENCE,
    Operator.QUIET: formulas.QUIET,
}

_FORMULAS: dict[Aggregate, Callable[[_Program, Feature], int]] = {
    Aggregate.COUNT: _tallied(Walk.COUNT, 0),
    Aggregate.ACTIVE_DAYS: _tallied(Walk.RHYTHM, _DAYS),
    Aggregate.TOTAL: _read(Walk.SUMS, _TOTAL),
    Aggregate.MEAN: _mean,
    Aggregate.MAX: _read(Walk.SUMS, _MAX),
    Aggregate.MIN: _read(Walk.SUMS, _MIN),
    Aggregate.STD: _std,
    Aggregate.DISTINCT: _read(Walk.DISTINCT, 0),
    Aggregate.CONCENTRATION: _read(Walk.VARIETY, _CONCENTRATION),
    Aggregate.ENTROPY: _read(Walk.VARIETY, _ENTROPY),
    Aggregate.FAVOURITE: _read(Walk.VARIETY, _FAVOURITE),
    Aggregate.SHARE: _share,
    Aggregate.TREND: _trend,
    Aggregate.SEASONAL_TREND: _seasonal_trend,
    Aggregate.DAYS_SINCE_LAST: _since(_LAST),
    Aggregate.DAYS_SINCE_FIRST: _since(_FIRST),
    Aggregate.GAP_MEAN: _gap_mean,
    Aggregate.GAP_STD: _gap_std,
    Aggregate.CHANGES: _read(Walk.MOVES, _CHANGES),
    Aggregate.RISES: _read(Walk.MOVES, _RISES),
    Aggregate.FALLS: _read(Walk.MOVES, _FALLS),
    Aggregate.CHANGE: _change,
    Aggregate.LATEST: _latest,
    Aggregate.AGE: _age,
    Aggregate.CHANGE_SINCE: _change_since,
    Aggregate.DAYS_TO_RENEWAL: _days_to_renewal,
}

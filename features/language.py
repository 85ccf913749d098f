"""How a feature is said.

A feature is frozen data: which events, which of their columns, how far back, summed up how.
The language has no verb that reaches past the cutoff, so a declaration cannot leak the future.

>>> from features.windows import days
>>> purchases = EventSource("purchases", at="purchased_at")
>>> [feature.name for feature in count(purchases).over(days(30), days(90))]
['purchases_count_30d', 'purchases_count_90d']
>>> returns = purchases.where(purchases["amount"] < 0).named("returns")
>>> FeatureSet(days_since_last(returns)).names
('returns_days_since_last',)
"""

from features.aggregates import Aggregate
from features.declarations import (
    AnyFeature,
    Derived,
    Feature,
    FeatureSet,
    Measure,
    Operator,
    feature_from_dict,
)
from features.selection import ColumnOf, Condition, EventSource

__all__ = [
    "Aggregate",
    "AnyFeature",
    "ColumnOf",
    "Condition",
    "Derived",
    "EventSource",
    "Feature",
    "FeatureSet",
    "Measure",
    "active_days",
    "age",
    "change",
    "change_since",
    "changes",
    "concentration",
    "count",
    "days_since_first",
    "days_since_last",
    "days_to_renewal",
    "difference",
    "distinct",
    "entropy",
    "falls",
    "favourite",
    "feature_from_dict",
    "gap_mean",
    "gap_std",
    "latest",
    "maximum",
    "mean",
    "minimum",
    "quiet",
    "ratio",
    "rises",
    "seasonal_trend",
    "share",
    "std",
    "total",
    "trend",
]


def count(events: EventSource) -> Measure:
    """How many events."""
    return Measure(Feature(Aggregate.COUNT, events))


def active_days(events: EventSource) -> Measure:
    """On how many different days (UTC) there were events."""
    return Measure(Feature(Aggregate.ACTIVE_DAYS, events))


def total(column: ColumnOf) -> Measure:
    """Sum of a column; 0 where there are no events."""
    return Measure(Feature(Aggregate.TOTAL, column.source, column.name))


def mean(column: ColumnOf) -> Measure:
    """Mean of a column over the events that fill it."""
    return Measure(Feature(Aggregate.MEAN, column.source, column.name))


def maximum(column: ColumnOf) -> Measure:
    """Largest value of a column."""
    return Measure(Feature(Aggregate.MAX, column.source, column.name))


def std(column: ColumnOf) -> Measure:
    """Sample standard deviation of a column."""
    return Measure(Feature(Aggregate.STD, column.source, column.name))


def distinct(column: ColumnOf) -> Measure:
    """How many different values a category column takes."""
    return Measure(Feature(Aggregate.DISTINCT, column.source, column.name))


def share(part: EventSource, whole: EventSource) -> Measure:
    """What share of the events of ``whole`` are events of ``part``."""
    return Measure(Feature(Aggregate.SHARE, part, other=whole))


def trend(what: EventSource | ColumnOf) -> Measure:
    """(newer half - older half) / both, of the count of events or the total of a column."""
    if isinstance(what, ColumnOf):
        return Measure(Feature(Aggregate.TREND, what.source, what.name))
    return Measure(Feature(Aggregate.TREND, what))


def days_since_last(events: EventSource) -> Feature:
    """Days from the newest event to the cutoff."""
    return Feature(Aggregate.DAYS_SINCE_LAST, events)


def days_since_first(events: EventSource) -> Feature:
    """Days from the oldest event to the cutoff."""
    return Feature(Aggregate.DAYS_SINCE_FIRST, events)


def gap_mean(events: EventSource) -> Measure:
    """Mean number of days between consecutive days with events."""
    return Measure(Feature(Aggregate.GAP_MEAN, events))


def gap_std(events: EventSource) -> Measure:
    """Sample standard deviation of the days between consecutive days with events."""
    return Measure(Feature(Aggregate.GAP_STD, events))


def latest(column: ColumnOf) -> Feature:
    """Return the newest visible value of a column, of the rows that fill it."""
    return Feature(Aggregate.LATEST, column.source, column.name)


def age(column: ColumnOf) -> Feature:
    """Days from the time in a column (of the newest visible row) to the cutoff."""
    return Feature(Aggregate.AGE, column.source, column.name)


def minimum(column: ColumnOf) -> Measure:
    """Smallest value of a column."""
    return Measure(Feature(Aggregate.MIN, column.source, column.name))


def concentration(column: ColumnOf) -> Measure:
    """Sum of the squared shares of the values of a category; 1 where there is one only (Herfindahl)."""
    return Measure(Feature(Aggregate.CONCENTRATION, column.source, column.name))


def entropy(column: ColumnOf) -> Measure:
    """Shannon entropy of the values of a category, in nats."""
    return Measure(Feature(Aggregate.ENTROPY, column.source, column.name))


def favourite(column: ColumnOf) -> Measure:
    """Most frequent value of a category; of several the first by name."""
    return Measure(Feature(Aggregate.FAVOURITE, column.source, column.name))


def seasonal_trend(what: EventSource | ColumnOf) -> Measure:
    """(now - a year earlier) / both, of the count of events or the total of a column.

    The two windows are 365 days apart, so a season that comes back every year cancels out.
    """
    if isinstance(what, ColumnOf):
        return Measure(Feature(Aggregate.SEASONAL_TREND, what.source, what.name))
    return Measure(Feature(Aggregate.SEASONAL_TREND, what))


def changes(column: ColumnOf) -> Measure:
    """How often a column differs from the event before, of those that fill it, in the window or not."""
    return Measure(Feature(Aggregate.CHANGES, column.source, column.name))


def rises(column: ColumnOf) -> Measure:
    """How often a number is higher than at the event before, of those that fill it, in the window or not."""
    return Measure(Feature(Aggregate.RISES, column.source, column.name))


def falls(column: ColumnOf) -> Measure:
    """How often a number is lower than at the event before, of those that fill it, in the window or not."""
    return Measure(Feature(Aggregate.FALLS, column.source, column.name))


def change(column: ColumnOf) -> Measure:
    """Return the newest less the oldest value in the window, of the events that fill the column."""
    return Measure(Feature(Aggregate.CHANGE, column.source, column.name))


def change_since(column: ColumnOf, first_of: EventSource) -> Feature:
    """Return the value at the cutoff less the value when the first of other events happened."""
    return Feature(Aggregate.CHANGE_SINCE, column.source, column.name, other=first_of)


def days_to_renewal(period: ColumnOf) -> Feature:
    """Days until the newest event's period, such as ``month`` or ``1 year``, is over once more."""
    return Feature(Aggregate.DAYS_TO_RENEWAL, period.source, period.name)


def ratio(name: str, part: AnyFeature, whole: AnyFeature, unit: str = "ratio") -> Derived:
    """Part by whole; NaN where the whole is 0."""
    return Derived(name, Operator.RATIO, part, whole, unit)


def difference(name: str, one: AnyFeature, less: AnyFeature) -> Derived:
    """One less the other, in the unit of the first."""
    return Derived(name, Operator.DIFFERENCE, one, less, one.unit)


def quiet(name: str, since: AnyFeature, anything: AnyFeature) -> Derived:
    """Days since something, as long as nothing else has happened since; 0 from then on.

    Both are days since the last of some events; what happened at one instant counts as quiet still.
    """
    return Derived(name, Operator.QUIET, since, anything, "days")

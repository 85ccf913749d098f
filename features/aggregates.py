"""How the visible events of a window are summed up, what that means, and in which unit."""

from enum import StrEnum


class Aggregate(StrEnum):
    """The ways to sum up the visible events of a window.

    Counts and totals of nothing are 0; every other aggregate of nothing is NaN.
    """

    COUNT = "count"
    ACTIVE_DAYS = "active_days_count"
    TOTAL = "total"
    MEAN = "mean"
    MAX = "max"
    MIN = "min"
    STD = "std"
    DISTINCT = "distinct_count"
    CONCENTRATION = "concentration_share"
    ENTROPY = "entropy"
    FAVOURITE = "favourite"
    SHARE = "share"
    TREND = "trend"
    SEASONAL_TREND = "seasonal_trend"
    DAYS_SINCE_LAST = "days_since_last"
    DAYS_SINCE_FIRST = "days_since_first"
    GAP_MEAN = "gap_days_mean"
    GAP_STD = "gap_days_std"
    CHANGES = "changes_count"
    RISES = "rises_count"
    FALLS = "falls_count"
    CHANGE = "change"
    LATEST = "latest"
    AGE = "age_days"
    CHANGE_SINCE = "change_since_first"
    DAYS_TO_RENEWAL = "days_to_renewal"


MEANINGS = {
    Aggregate.COUNT: "how many {events}",
    Aggregate.ACTIVE_DAYS: "on how many different days there were {events}",
    Aggregate.TOTAL: "sum of {column} over {events}",
    Aggregate.MEAN: "mean {column} of {events} (NaN: none)",
    Aggregate.MAX: "largest {column} of {events} (NaN: none)",
    Aggregate.MIN: "smallest {column} of {events} (NaN: none)",
    Aggregate.STD: "standard deviation of {column} over {events} (NaN: fewer than two)",
    Aggregate.DISTINCT: "how many different {column} among {events}",
    Aggregate.CONCENTRATION: "sum of squared shares of {column} among {events}; 1: one only (NaN: none)",
    Aggregate.ENTROPY: "entropy of {column} among {events}, in nats; 0: one only (NaN: none)",
    Aggregate.FAVOURITE: "most frequent {column} of {events}; ties: the first by name (NaN: none)",
    Aggregate.SHARE: "share of {events} among all {other} (NaN: none)",
    Aggregate.TREND: "(newer half - older half) / both, of {column} over {events}, a half below 0 taken "
    "as 0 (NaN: both are)",
    Aggregate.SEASONAL_TREND: "(now - a year earlier) / both, of {column} over {events}, either below 0 "
    "taken as 0 (NaN: both are, or none by the beginning of the earlier window)",
    Aggregate.DAYS_SINCE_LAST: "days from the newest of {events} to the cutoff (NaN: none)",
    Aggregate.DAYS_SINCE_FIRST: "days from the oldest of {events} to the cutoff (NaN: none)",
    Aggregate.GAP_MEAN: "mean days between days with {events} (NaN: fewer than two)",
    Aggregate.GAP_STD: "standard deviation of the days between days with {events} (NaN: fewer than three)",
    Aggregate.CHANGES: "how many of {events} have another {column} than the one before",
    Aggregate.RISES: "how many of {events} have a higher {column} than the one before",
    Aggregate.FALLS: "how many of {events} have a lower {column} than the one before",
    Aggregate.CHANGE: "newest less oldest {column} of {events} (NaN: none)",
    Aggregate.LATEST: "{column} as last known before the cutoff (NaN: never)",
    Aggregate.AGE: "days from the last known {column} that has come to the cutoff (NaN: none)",
    Aggregate.CHANGE_SINCE: "{column} now less {column} when the first of {other} happened (NaN: not known)",
    Aggregate.DAYS_TO_RENEWAL: "days until the {column} of the newest of {events} is over once more; "
    "a month is 365.25 / 12 days (NaN: none, or no {column} that is understood)",
}
"""One sentence for each; ``{events}``, ``{column}`` and ``{other}`` are filled in."""

WINDOWLESS = frozenset(
    {
        Aggregate.DAYS_SINCE_LAST,
        Aggregate.DAYS_SINCE_FIRST,
        Aggregate.LATEST,
        Aggregate.AGE,
        Aggregate.CHANGE_SINCE,
        Aggregate.DAYS_TO_RENEWAL,
    }
)
"""What looks at everything before the cutoff, and does not say so in its name."""

WINDOWED = frozenset({Aggregate.TREND, Aggregate.SEASONAL_TREND})
"""What makes no sense without a window."""

_UNITS = {
    "count": (
        Aggregate.COUNT,
        Aggregate.ACTIVE_DAYS,
        Aggregate.DISTINCT,
        Aggregate.CHANGES,
        Aggregate.RISES,
        Aggregate.FALLS,
    ),
    "share": (Aggregate.SHARE, Aggregate.TREND, Aggregate.SEASONAL_TREND, Aggregate.CONCENTRATION),
    "nats": (Aggregate.ENTROPY,),
    "days": (
        Aggregate.DAYS_SINCE_LAST,
        Aggregate.DAYS_SINCE_FIRST,
        Aggregate.GAP_MEAN,
        Aggregate.GAP_STD,
        Aggregate.AGE,
        Aggregate.DAYS_TO_RENEWAL,
    ),
}
UNITS = {aggregate: unit for unit, aggregates in _UNITS.items() for aggregate in aggregates}
"""Units of the aggregates that have their own; every other has that of its column."""

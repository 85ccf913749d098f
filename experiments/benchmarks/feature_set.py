"""The 38 features that every implementation is asked for, as Holdfast says them.

Counts, totals, means, maxima, different products and channels and the share of the web over four windows;
mean and deviation of the days between purchases; trends; days since the first and the last purchase.

>>> len(FEATURES)
38
"""

from experiments.benchmarks.feature_log import WINDOWS
from features.language import (
    EventSource,
    FeatureSet,
    count,
    days_since_first,
    days_since_last,
    distinct,
    gap_mean,
    gap_std,
    maximum,
    mean,
    share,
    total,
    trend,
)
from features.windows import days

_PURCHASES = EventSource("purchases", at="purchased_at")
_WEB = _PURCHASES.where(channel="web")
_LENGTHS = tuple(days(number) for number in WINDOWS)
_HALF, _YEAR = days(180), days(365)

FEATURES = FeatureSet(
    count(_PURCHASES).over(*_LENGTHS),
    total(_PURCHASES["amount"]).over(*_LENGTHS),
    mean(_PURCHASES["amount"]).over(*_LENGTHS),
    maximum(_PURCHASES["amount"]).over(*_LENGTHS),
    distinct(_PURCHASES["product_id"]).over(*_LENGTHS),
    distinct(_PURCHASES["channel"]).over(*_LENGTHS),
    share(_WEB, _PURCHASES).over(*_LENGTHS),
    gap_mean(_PURCHASES).over(_YEAR),
    gap_mean(_PURCHASES),
    gap_std(_PURCHASES).over(_YEAR),
    gap_std(_PURCHASES),
    trend(_PURCHASES).over(_HALF, _YEAR),
    trend(_PURCHASES["amount"]).over(_HALF, _YEAR),
    days_since_first(_PURCHASES),
    days_since_last(_PURCHASES),
)
"""What everybody computes; money in minor units for us, in currency units for the peers."""

MONEY = frozenset(name for name in FEATURES.names if "_amount_" in name and "_trend_" not in name)
"""Names of the features that are amounts."""

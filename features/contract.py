"""Contract features: for how long, at which price, until when; and whether the customer has left before.

The end of a contract is known once it has come, never from its row: ``ended_at`` may be written years later.
"""

from features.language import (
    EventSource,
    FeatureSet,
    change,
    changes,
    count,
    days_since_first,
    days_since_last,
    days_to_renewal,
    falls,
    latest,
    mean,
    ratio,
    rises,
)
from features.windows import days

SUBSCRIPTIONS = EventSource("subscriptions", at="started_at")
ENDS = EventSource("subscriptions", at="ended_at").named("subscription_ends")
RUNNING = SUBSCRIPTIONS.where(SUBSCRIPTIONS["ended_at"].is_ahead()).named("running_subscriptions")
DOWNGRADES = SUBSCRIPTIONS.where(
    SUBSCRIPTIONS["price"].is_known(), SUBSCRIPTIONS["plan"].is_changed(), SUBSCRIPTIONS["price"].is_lower()
).named("downgrades")
PLAN_PRICES = EventSource("plan_prices", at="observed_at")
EXITS = EventSource("exits", at="left_at")

_QUARTER, _YEAR = days(90), days(365)

CONTRACT_FEATURES = FeatureSet(
    days_since_first(SUBSCRIPTIONS),
    days_since_last(SUBSCRIPTIONS),
    count(SUBSCRIPTIONS),
    count(SUBSCRIPTIONS).over(_YEAR),
    count(RUNNING),
    days_since_last(ENDS),
    days_to_renewal(RUNNING["billing_period"]),
    latest(SUBSCRIPTIONS["plan"]),
    latest(SUBSCRIPTIONS["billing_period"]),
    latest(SUBSCRIPTIONS["auto_renews"]),
    latest(SUBSCRIPTIONS["price"]),
    ratio(
        "subscriptions_price_per_own_mean",
        latest(SUBSCRIPTIONS["price"]),
        mean(SUBSCRIPTIONS["price"]).ever,
    ),
    ratio(
        "subscriptions_price_per_plan_median", latest(SUBSCRIPTIONS["price"]), latest(PLAN_PRICES["price"])
    ),
    change(SUBSCRIPTIONS["price"]).over(_YEAR),
    rises(SUBSCRIPTIONS["price"]).over(_QUARTER, _YEAR),
    falls(SUBSCRIPTIONS["price"]).over(_YEAR),
    changes(SUBSCRIPTIONS["plan"]).over(_YEAR),
    count(DOWNGRADES).over(_YEAR),
    count(EXITS),
    days_since_last(EXITS),
)
"""Every contract feature.

Prices are compared as they are billed: where some contracts are billed by the month and others by the year, a
change of the billing period is a change of the price.
"""

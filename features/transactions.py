"""Transaction features: what was bought, when, for how much, and what was sent back.

A purchase is a line of zero or more; a line below zero is a return.
Amounts are minor units of the business's currency; ``_amount_total_`` is net of returns.
"""

from features.language import (
    EventSource,
    FeatureSet,
    active_days,
    changes,
    concentration,
    count,
    days_since_first,
    days_since_last,
    difference,
    distinct,
    gap_mean,
    gap_std,
    maximum,
    mean,
    minimum,
    ratio,
    seasonal_trend,
    share,
    std,
    total,
    trend,
)
from features.windows import days

LINES = EventSource("purchases", at="purchased_at").named("lines")
PURCHASES = LINES.where(LINES["amount"] >= 0).named("purchases")
DISCOUNTED = PURCHASES.where(PURCHASES["discount"] > 0).named("discounted_purchases")
ONLINE = PURCHASES.where(channel=("web", "online", "app", "mobile", "internet")).named("online_purchases")
ORDERED = PURCHASES.where(PURCHASES["order_id"].is_known()).named("ordered_purchases")
COSTED = LINES.where(LINES["cost"].is_known()).named("costed_lines")
RETURNS = LINES.where(LINES["amount"] < 0).named("returns")

_WEEK, _MONTH, _QUARTER, _HALF, _YEAR = days(7), days(30), days(90), days(180), days(365)

REPEAT_FEATURES = FeatureSet(
    active_days(PURCHASES),
    days_since_first(PURCHASES),
    days_since_last(PURCHASES),
    total(PURCHASES["amount"]),
)
"""What a buy-till-you-die model needs, in this order: purchase days, tenure, days since last, amount.

With x = days - 1, T = tenure, t_x = T - days since last, and the mean value of a purchase day.
"""

TRANSACTION_FEATURES = REPEAT_FEATURES + FeatureSet(
    count(PURCHASES).over(_MONTH, _QUARTER, _HALF, _YEAR),
    active_days(PURCHASES).over(_QUARTER, _HALF, _YEAR),
    total(LINES["amount"]).over(_MONTH, _QUARTER, _HALF, _YEAR),
    mean(PURCHASES["amount"]).over(_QUARTER, _YEAR),
    maximum(PURCHASES["amount"]).over(_YEAR),
    std(PURCHASES["amount"]).over(_YEAR),
    gap_mean(PURCHASES),
    gap_std(PURCHASES),
    trend(PURCHASES).over(_HALF),
    trend(LINES["amount"]).over(_YEAR),
    mean(PURCHASES["quantity"]).over(_YEAR),
    distinct(PURCHASES["order_id"]).over(_YEAR),
    distinct(PURCHASES["product_id"]).over(_QUARTER, _YEAR),
    distinct(PURCHASES["category"]).over(_QUARTER, _YEAR),
    distinct(PURCHASES["channel"]).over(_YEAR),
    total(PURCHASES["discount"]).over(_QUARTER, _YEAR),
    total(LINES["cost"]).over(_YEAR),
    total(COSTED["amount"]).over(_YEAR),
    count(RETURNS).over(_QUARTER, _YEAR),
    total(RETURNS["amount"]).over(_YEAR),
    days_since_last(RETURNS),
    share(RETURNS, LINES).over(_YEAR),
    seasonal_trend(PURCHASES).over(_QUARTER, _HALF),
    seasonal_trend(LINES["amount"]).over(_QUARTER),
    minimum(PURCHASES["amount"]).over(_YEAR),
    count(PURCHASES).over(_WEEK),
    distinct(PURCHASES["product_id"]),
    share(DISCOUNTED, PURCHASES).over(_QUARTER, _YEAR),
    share(ONLINE, PURCHASES).over(_QUARTER, _YEAR),
    concentration(PURCHASES["product_id"]).over(_YEAR),
    concentration(PURCHASES["category"]).over(_YEAR),
    changes(PURCHASES["channel"]).over(_YEAR),
    ratio(
        "purchases_gap_days_variation_ever",
        gap_std(PURCHASES).ever,
        gap_mean(PURCHASES).ever,
    ),
    difference(
        "lines_margin_total_365d",
        total(COSTED["amount"]).within(_YEAR),
        total(LINES["cost"]).within(_YEAR),
    ),
    ratio(
        "purchases_discount_per_amount_365d",
        total(PURCHASES["discount"]).within(_YEAR),
        total(PURCHASES["amount"]).within(_YEAR),
    ),
    ratio(
        "purchases_lines_per_order_365d",
        count(ORDERED).within(_YEAR),
        distinct(ORDERED["order_id"]).within(_YEAR),
    ),
    ratio(
        "purchases_amount_per_order_365d",
        total(ORDERED["amount"]).within(_YEAR),
        distinct(ORDERED["order_id"]).within(_YEAR),
        unit="minor units",
    ),
)
"""Every transaction feature; those whose columns a business lacks are left out by the catalogue."""

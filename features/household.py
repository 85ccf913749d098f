"""Household features: what everybody does who is known to live with the customer, the customer included.

Customers of no known household are one of their own.
"""

from features.behaviour import COMPLAINTS
from features.contract import ENDS, EXITS
from features.language import FeatureSet, count, days_since_last, distinct, ratio, total
from features.profile import PROFILE
from features.selection import MEMBER
from features.transactions import LINES, PURCHASES
from features.windows import days

MEMBERS = PROFILE.of("household").named("household")
SPENDING = LINES.of("household")
SHOPPING = PURCHASES.of("household")
LEAVING = EXITS.of("household")

_QUARTER, _YEAR = days(90), days(365)

HOUSEHOLD_FEATURES = FeatureSet(
    distinct(MEMBERS[MEMBER]),
    distinct(LEAVING[MEMBER]),
    distinct(LEAVING[MEMBER]).over(_YEAR),
    days_since_last(LEAVING),
    count(ENDS.of("household")).over(_YEAR),
    total(SPENDING["amount"]).over(_QUARTER, _YEAR),
    ratio(
        "lines_amount_per_household_amount_365d",
        total(LINES["amount"]).within(_YEAR),
        total(SPENDING["amount"]).within(_YEAR),
        unit="share",
    ),
    days_since_last(SHOPPING),
    distinct(SHOPPING[MEMBER]).over(_YEAR),
    distinct(SHOPPING["product_id"]).over(_YEAR),
    distinct(SHOPPING["category"]).over(_YEAR),
    count(COMPLAINTS.of("household")).over(_QUARTER),
)
"""Every household feature."""

"""Needs and preferences: what customers like to buy, where, at which prices, and how set they are."""

from features.behaviour import CONTACTS
from features.language import FeatureSet, entropy, favourite, mean, ratio, std, total
from features.transactions import PURCHASES
from features.windows import days

_YEAR = days(365)

PREFERENCE_FEATURES = FeatureSet(
    favourite(PURCHASES["category"]).over(_YEAR),
    favourite(PURCHASES["channel"]).over(_YEAR),
    favourite(CONTACTS["channel"]).over(_YEAR),
    entropy(PURCHASES["category"]).over(_YEAR),
    entropy(PURCHASES["channel"]).over(_YEAR),
    entropy(CONTACTS["channel"]).over(_YEAR),
    ratio(
        "purchases_amount_per_quantity_365d",
        total(PURCHASES["amount"]).within(_YEAR),
        total(PURCHASES["quantity"]).within(_YEAR),
        unit="minor units",
    ),
    ratio(
        "purchases_amount_variation_365d",
        std(PURCHASES["amount"]).within(_YEAR),
        mean(PURCHASES["amount"]).within(_YEAR),
    ),
)
"""Every preference; the price band is the mean price of a piece and the spread of amounts around it."""

"""Satisfaction features: what customers said, against what they had expected, and whether they fell silent.

An answer is bad if what was delivered fell short of what was expected; the scale of a score is a business's
own, so a score is only compared with the same customer's.  All questions are taken as one: where they have
different scales, map a source for the one whose score counts.
"""

from features.behaviour import CONTACTS
from features.language import (
    EventSource,
    FeatureSet,
    change,
    count,
    days_since_last,
    difference,
    falls,
    latest,
    mean,
    minimum,
    quiet,
    rises,
    share,
)
from features.transactions import PURCHASES
from features.windows import days

SURVEYS = EventSource("surveys", at="answered_at")
COMPARED = SURVEYS.where(SURVEYS["expectation"].is_known(), SURVEYS["delivery"].is_known()).named("compared")
DISAPPOINTED = SURVEYS.where(SURVEYS["delivery"] < SURVEYS["expectation"]).named("bad_answers")

_YEAR = days(365)

SATISFACTION_FEATURES = FeatureSet(
    count(SURVEYS).over(_YEAR),
    days_since_last(SURVEYS),
    latest(SURVEYS["score"]),
    mean(SURVEYS["score"]).over(days(90), _YEAR),
    minimum(SURVEYS["score"]).over(_YEAR),
    change(SURVEYS["score"]).over(_YEAR),
    rises(SURVEYS["score"]).over(_YEAR),
    falls(SURVEYS["score"]).over(_YEAR),
    difference(
        "surveys_delivery_less_expectation", latest(COMPARED["delivery"]), latest(COMPARED["expectation"])
    ),
    difference(
        "surveys_delivery_less_expectation_mean_365d",
        mean(COMPARED["delivery"]).within(_YEAR),
        mean(COMPARED["expectation"]).within(_YEAR),
    ),
    count(DISAPPOINTED).over(days(90), _YEAR),
    share(DISAPPOINTED, COMPARED).over(_YEAR),
    days_since_last(DISAPPOINTED),
    quiet("days_without_contact_after_bad_answer", days_since_last(DISAPPOINTED), days_since_last(CONTACTS)),
    quiet(
        "days_without_purchase_after_bad_answer", days_since_last(DISAPPOINTED), days_since_last(PURCHASES)
    ),
)
"""Every satisfaction feature."""

"""Satisfaction features: what customers said, against what they had expected, and whether they fell silent.

An answer is bad if what was delivered fell short of what was expected; the scale of a score is a business's
own, and so is that of a question, so a score is only compared with the same customer's answers to the same
question: the one that was last answered with a score.
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
SCORED = SURVEYS.where(SURVEYS["score"].is_known())
LAST_QUESTION = SCORED.where(SURVEYS["question"].is_newest()).named("last_question")

_YEAR = days(365)

SATISFACTION_FEATURES = FeatureSet(
    count(SURVEYS).over(_YEAR),
    days_since_last(SURVEYS),
    latest(LAST_QUESTION["score"]),
    mean(LAST_QUESTION["score"]).over(days(90), _YEAR),
    minimum(LAST_QUESTION["score"]).over(_YEAR),
    change(LAST_QUESTION["score"]).over(_YEAR),
    rises(LAST_QUESTION["score"]).over(_YEAR),
    falls(LAST_QUESTION["score"]).over(_YEAR),
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

"""Behaviour features: how customers get in touch, what goes wrong, and how they answer to campaigns.

The kinds of a contact are those of the table's contract: visit, enquiry, complaint, outage, service.
"""

from features.language import (
    EventSource,
    FeatureSet,
    active_days,
    changes,
    count,
    days_since_last,
    distinct,
    maximum,
    mean,
    ratio,
    share,
    total,
    trend,
)
from features.windows import days

CONTACTS = EventSource("contacts", at="contacted_at")
VISITS = CONTACTS.where(kind="visit").named("visits")
CALLS = CONTACTS.where(channel=("phone", "call", "telephone")).named("calls")
ENQUIRIES = CONTACTS.where(kind="enquiry").named("enquiries")
COMPLAINTS = CONTACTS.where(kind="complaint").named("complaints")
OUTAGES = CONTACTS.where(kind="outage").named("outages")
SERVICES = CONTACTS.where(kind="service").named("services")
UNRESOLVED = CONTACTS.where(CONTACTS["resolved"] < 1).named("unresolved_contacts")
ANSWERED = CONTACTS.where(CONTACTS["resolved"].is_known()).named("answered_contacts")
CAMPAIGNS = EventSource("campaigns", at="sent_at")
RESPONSES = EventSource("campaigns", at="responded_at").named("responses")

_MONTH, _QUARTER, _YEAR = days(30), days(90), days(365)

BEHAVIOUR_FEATURES = FeatureSet(
    count(CONTACTS).over(_MONTH, _QUARTER, _YEAR),
    trend(CONTACTS).over(_QUARTER),
    count(VISITS).over(_MONTH, _QUARTER, _YEAR),
    active_days(VISITS).over(_QUARTER),
    trend(VISITS).over(_QUARTER),
    count(CALLS).over(_MONTH, _QUARTER, _YEAR),
    count(ENQUIRIES).over(_QUARTER, _YEAR),
    count(COMPLAINTS).over(_MONTH, _QUARTER, _YEAR),
    share(COMPLAINTS, CONTACTS).over(_YEAR),
    count(OUTAGES).over(_MONTH, _QUARTER, _YEAR),
    total(OUTAGES["duration_seconds"]).over(_QUARTER),
    mean(CONTACTS["waiting_seconds"]).over(_QUARTER, _YEAR),
    maximum(CONTACTS["waiting_seconds"]).over(_YEAR),
    mean(CONTACTS["duration_seconds"]).over(_QUARTER),
    count(UNRESOLVED).over(_MONTH, _QUARTER, _YEAR),
    share(UNRESOLVED, ANSWERED).over(_YEAR),
    distinct(CONTACTS["channel"]).over(_YEAR),
    changes(CONTACTS["channel"]).over(_QUARTER, _YEAR),
    distinct(CONTACTS["handled_by"]).over(_YEAR),
    changes(CONTACTS["handled_by"]).over(_YEAR),
    days_since_last(CONTACTS),
    days_since_last(VISITS),
    days_since_last(CALLS),
    days_since_last(ENQUIRIES),
    days_since_last(COMPLAINTS),
    days_since_last(OUTAGES),
    days_since_last(SERVICES),
    days_since_last(UNRESOLVED),
    count(CAMPAIGNS).over(_QUARTER, _YEAR),
    total(CAMPAIGNS["cost"]).over(_YEAR),
    days_since_last(CAMPAIGNS),
    count(RESPONSES).over(_QUARTER, _YEAR),
    ratio(
        "responses_per_campaign_365d",
        count(RESPONSES).within(_YEAR),
        count(CAMPAIGNS).within(_YEAR),
        unit="share",
    ),
    days_since_last(RESPONSES),
)
"""Every behaviour feature; a response counts from when it came, not from when the campaign was sent."""

"""RavenStack: a made-up software company's accounts, with contracts, usage, tickets and exits."""

from pathlib import Path

import pyarrow as pa

from experiments.datasets.files import Published, folder_of
from experiments.datasets.tables import Loaded, Target, derive

_SOURCE = (
    'It is published on Kaggle as "SaaS Subscription and Churn Analytics Dataset" (RavenStack, MIT): '
    "five CSV files, of accounts, subscriptions, feature usage, support tickets and churn events."
)
_TEXT, _WHOLE, _DAY, _FLAG = pa.string(), pa.int64(), pa.date32(), pa.bool_()

SUBSCRIPTIONS_ROWS = 5_000
"""Contracts as published."""


def _published(
    names: tuple[str, ...], columns: dict[str, pa.DataType], key: str | None = None, *optional: str
) -> Published:
    files = [f"{name}.parquet" for name in names]
    files += [f"{start}{name}.csv" for name in names for start in ("", "ravenstack_")]
    return Published(tuple(files), _SOURCE, columns, frozenset(optional), key)


FILES = {
    "accounts": _published(
        ("accounts",),
        {
            **dict.fromkeys(["account_id", "industry", "country", "referral_source"], _TEXT),
            "signup_date": _DAY,
        },
        "account_id",
    ),
    "contracts": _published(
        ("subscriptions",),
        {
            **dict.fromkeys(["subscription_id", "account_id", "plan_tier", "billing_frequency"], _TEXT),
            **dict.fromkeys(["start_date", "end_date"], _DAY),
            **dict.fromkeys(["seats", "mrr_amount"], _WHOLE),
            **dict.fromkeys(["is_trial", "auto_renew_flag"], _FLAG),
        },
        "subscription_id",
        "end_date",
    ),
    "usage": _published(
        ("feature_usage",),
        {
            **dict.fromkeys(["subscription_id", "feature_name"], _TEXT),
            "usage_date": _DAY,
            **dict.fromkeys(["usage_count", "usage_duration_secs", "error_count"], _WHOLE),
            "is_beta_feature": _FLAG,
        },
    ),
    "tickets": _published(
        ("supports_ticket", "support_tickets"),
        {
            **dict.fromkeys(["ticket_id", "account_id", "priority"], _TEXT),
            "submitted_at": _DAY,
            "closed_at": pa.timestamp("us"),
            **dict.fromkeys(["resolution_time_hours", "first_response_time_minutes"], _WHOLE),
            "satisfaction_score": pa.float64(),
            "escalation_flag": _FLAG,
        },
        "ticket_id",
        "closed_at",
        "satisfaction_score",
    ),
    "churn_events": _published(
        ("churn_events",),
        {**dict.fromkeys(["account_id", "reason_code", "feedback_text"], _TEXT), "churn_date": _DAY},
        None,
        "feedback_text",
    ),
}
"""The published files that are read, by what their rows are."""

DEFECTOR_TYPES = {
    "budget": "price",
    "pricing": "price",
    "features": "product",
    "support": "service",
    "competitor": "unknown",
    "unknown": "unknown",
}
"""What kind of defector gives which reason; that somebody else was chosen does not say why."""

_CUSTOMERS = """
SELECT account_id, signup_date, country, referral_source, industry FROM accounts ORDER BY account_id
"""
_SUBSCRIPTIONS = """
SELECT account_id, start_date, end_date, plan_tier, mrr_amount, auto_renew_flag, seats, is_trial,
    CASE billing_frequency WHEN 'monthly' THEN 'month' WHEN 'annual' THEN 'year' END AS billing_period
FROM contracts ORDER BY account_id, start_date, subscription_id
"""
# What became of a ticket was known when it was closed, so its row is.
_CONTACTS = """
SELECT account_id, submitted_at AS contacted_at, closed_at AS known_at,
    'support' AS channel, 'service' AS kind,
    first_response_time_minutes * 60 AS waiting_seconds, closed_at IS NOT NULL AS resolved,
    priority, escalation_flag, resolution_time_hours
FROM tickets
UNION ALL BY NAME
SELECT account_id, usage_date AS contacted_at, 'app' AS channel, 'visit' AS kind,
    usage_duration_secs AS duration_seconds, feature_name, usage_count, error_count, is_beta_feature
FROM usage LEFT JOIN contracts USING (subscription_id)
ORDER BY ALL
"""
_SURVEYS = """
SELECT account_id, closed_at AS answered_at, 'ticket satisfaction' AS question, satisfaction_score AS score
FROM tickets WHERE satisfaction_score IS NOT NULL ORDER BY account_id, answered_at, ticket_id
"""
_EXITS = """
SELECT account_id, churn_date AS left_at, reason_code, feedback_text, defector_type
FROM churn_events LEFT JOIN types USING (reason_code) ORDER BY ALL
"""


def load_ravenstack(source: Path, target: Path) -> Loaded:
    """Load RavenStack: 500 accounts, 5,000 contracts, 27,000 contacts and 600 exits in 2023 and 2024.

    Synthetic, and who leaves is random: good for trying every table, never for claims of accuracy.
    Writes ``customers``, ``subscriptions``, ``contacts``, ``surveys`` and ``exits``.
    """
    found = {name: file.find(folder_of(source)) for name, file in FILES.items()}
    published = {name: FILES[name].read(file) for name, file in found.items()}
    types = pa.table(
        {"reason_code": list(DEFECTOR_TYPES), "defector_type": list(DEFECTOR_TYPES.values())},
    )
    tables = {
        "customers": derive(_CUSTOMERS, **published),
        "subscriptions": derive(_SUBSCRIPTIONS, **published),
        "contacts": derive(_CONTACTS, **published),
        "surveys": derive(_SURVEYS, **published),
        "exits": derive(_EXITS, types=types, **published),
    }
    rows = len(published["contracts"])
    return Target(target, "ravenstack", found.values()).write(tables, rows, SUBSCRIPTIONS_ROWS)

"""Made-up files in the shape of the public data sets, a handful of rows each."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pc_csv
import pyarrow.parquet as pq

from experiments.datasets.telco import CLASSIC, EXTENDED

Columns = dict[str, list]


def write(folder: Path, name: str, columns: Columns, **changed: list | None) -> Path:
    """Write one file, with some columns changed, added, or (None) left out."""
    given = {key: values for key, values in {**columns, **changed}.items() if values is not None}
    folder.mkdir(parents=True, exist_ok=True)
    table = pa.table(given)
    if name.endswith(".csv"):
        pc_csv.write_csv(table, folder / name)
    else:
        pq.write_table(table, folder / name)
    return folder


JOURNEY: dict[str, Columns] = {
    "transactions": {
        "household_id": ["7", "7", "8", "8"],
        "store_id": ["309", "309", "310", "310"],
        "basket_id": ["b1", "b1", "b2", "b3"],
        "product_id": ["00p", "gas", "00p", "lost"],
        "quantity": [2.0, 9604.0, 1.0, 0.0],
        "sales_value": [3.86, 20.1, 1.93, 0.0],
        "retail_disc": [0.43, 0.0, 0.1, 0.0],
        "coupon_disc": [0.55, 0.0, 0.0, 0.0],
        "coupon_match_disc": [0.45, 0.0, 0.0, 0.0],
        "transaction_timestamp": [
            datetime(2017, 1, 28, 19, 6, 53, tzinfo=UTC),
            datetime(2017, 1, 28, 19, 6, 53, tzinfo=UTC),
            datetime(2017, 7, 1, 3, 0, tzinfo=UTC),
            datetime(2018, 1, 1, 3, 47, 38, tzinfo=UTC),
        ],
    },
    "products": {
        "product_id": ["00p", "gas"],
        "department": ["GROCERY", "FUEL"],
        "product_type": [None, "GASOLINE-REG UNLEADED"],
    },
    "demographics": {
        "household_id": ["7"],
        **{key: ["known"] for key in ["age", "income", "home_ownership", "marital_status"]},
        **{key: ["known"] for key in ["household_size", "household_comp", "kids_count"]},
    },
    "campaigns": {"campaign_id": ["18", "26", "18"], "household_id": ["7", "8", "9"]},
    "campaign_descriptions": {
        "campaign_id": ["18", "26"],
        "campaign_type": ["Type A", "Type B"],
        "start_date": [date(2017, 10, 30), date(2016, 12, 28)],
    },
    "coupon_redemptions": {
        "household_id": ["7", "7"],
        "campaign_id": ["18", "18"],
        "redemption_date": [date(2017, 11, 20), date(2017, 11, 3)],
    },
}
"""Two households that bought, and one that only got a campaign."""

RAVEN: dict[str, Columns] = {
    "accounts": {
        "account_id": ["A-1", "A-2"],
        "industry": ["EdTech", "FinTech"],
        "country": ["US", "DE"],
        "signup_date": ["16-10-2024", "02-01-2023"],
        "referral_source": ["ads", "partner"],
    },
    "subscriptions": {
        "subscription_id": ["S-1", "S-2"],
        "account_id": ["A-1", "A-2"],
        "start_date": ["01-11-2024", "09-01-2023"],
        "end_date": [None, "05-04-2023"],
        "plan_tier": ["Pro", "Basic"],
        "billing_frequency": ["annual", "monthly"],
        "seats": [11, 3],
        "mrr_amount": [539, 0],
        "is_trial": [False, True],
        "auto_renew_flag": [True, False],
    },
    "feature_usage": {
        "subscription_id": ["S-2"],
        "feature_name": ["feature_20"],
        "usage_date": ["07-02-2023"],
        "usage_count": [8],
        "usage_duration_secs": [1614],
        "error_count": [0],
        "is_beta_feature": [False],
    },
    "supports_ticket": {
        "ticket_id": ["T-1", "T-2"],
        "account_id": ["A-1", "A-2"],
        "priority": ["urgent", "low"],
        "submitted_at": ["03-11-2024", "08-02-2023"],
        "closed_at": ["04-11-2024 03:00", "08-02-2023 19:00"],
        "resolution_time_hours": [27, 19],
        "first_response_time_minutes": [74, 10],
        "satisfaction_score": [None, 4.0],
        "escalation_flag": [True, False],
    },
    "churn_events": {
        "account_id": ["A-2", "A-2"],
        "reason_code": ["pricing", "competitor"],
        "feedback_text": ["missing features", None],
        "churn_date": ["05-04-2023", "06-06-2024"],
    },
}
"""Two accounts, of which one left twice."""

POLICIES: Columns = {
    "lapse": [0, 1],
    "polholder_age": [38, 35],
    "policy_age": [0, 17],
    "policy_nbcontract": [1, 2],
    "vehicl_age": [12, 4],
    "vehicl_agepurchase": [8, 0],
    **{key: ["a", "b"] for key in ["polholder_BMCevol", "polholder_diffdriver", "polholder_gender"]},
    **{key: ["a", "b"] for key in ["polholder_job", "prem_freqperyear", "vehicl_garage"]},
    **{key: ["a", "b"] for key in ["vehicl_powerkw", "vehicl_region"]},
    "policy_caruse": ["commercial", "unknown"],
    "prem_final": [232.46, 200.0],
    "prem_last": [232.47, 160.0],
    "prem_market": [221.56, 250.0],
    "prem_pure": [243.59, 190.0],
}
"""One policy in its first year, which is renewed, and one in its eighteenth, which lapses."""

_COMMON = {
    pa.string(): ["No", "Yes", "No", "Yes"],
    pa.int64(): [1, 0, 3, 0],
    pa.float64(): [1.5, 0.0, 2.0, 3.0],
}
TELCO: Columns = {
    **{name: _COMMON.get(kind, [20.0, 30.5, 40.0, 90.95]) for name, kind in EXTENDED.columns.items()},
    "customer_id": ["0002-ORFBO", "0003-MKNFE", "0004-TLHLJ", "0011-IGKFF"],
    "tenure_in_months": [9, 1, 4, 72],
    "internet_type": ["Cable", None, "Fiber Optic", "DSL"],
    "offer": [None, "Offer E", None, "Offer A"],
    "contract": ["One Year", "Month-to-Month", "Month-to-Month", "Two Year"],
    "churn_label": ["No", "Yes", "Yes", "No"],
    "churn_category": [None, "Competitor", "Other", None],
    "churn_reason": [None, "Competitor had better devices", "Moved", None],
    "satisfaction_score": [3, 1, 2, 5],
    "churn_score": [20, 91, 81, 10],
}
"""Four customers of the extended release; two left, one of them had only just come."""

CLASSIC_TELCO: Columns = {
    **{name: _COMMON.get(kind, [20.0, 30.5, 40.0, 90.95]) for name, kind in CLASSIC.columns.items()},
    "customerID": ["0002-ORFBO", "0003-MKNFE", "0004-TLHLJ", "0011-IGKFF"],
    "tenure": [9, 1, 0, 72],
    "InternetService": ["DSL", "No", "Fiber optic", "DSL"],
    "Contract": ["One year", "Month-to-month", "Two year", "Two year"],
    "Churn": ["No", "Yes", "No", "No"],
    "SeniorCitizen": [0, 1, 0, 0],
    "TotalCharges": ["180.0", "30.5", " ", "6548.4"],
}
"""Four customers of the classic release; one left, one had not been charged yet."""


def publish_journey(folder: Path, **changed: list | None) -> Path:
    """Write Complete Journey, with columns of its transactions changed."""
    for name, columns in JOURNEY.items():
        write(folder, f"{name}.parquet", columns, **(changed if name == "transactions" else {}))
    return folder


def publish_raven(folder: Path, **changed: list | None) -> Path:
    """Write RavenStack, with columns of its contracts changed."""
    for name, columns in RAVEN.items():
        write(folder, f"{name}.parquet", columns, **(changed if name == "subscriptions" else {}))
    return folder


def publish_policies(folder: Path, **changed: list | None) -> Path:
    """Write the insurance policies."""
    return write(folder, "eudirectlapse.parquet", POLICIES, **changed)


def publish_telco(folder: Path, **changed: list | None) -> Path:
    """Write the extended release of Telco."""
    return write(folder, "customers.parquet", TELCO, **changed)


def publish_classic(folder: Path, **changed: list | None) -> Path:
    """Write the classic release of Telco."""
    return write(folder, "Telco-Customer-Churn.csv", CLASSIC_TELCO, **changed)


PUBLISHERS: dict[str, Callable[..., Path]] = {
    "complete_journey": publish_journey,
    "insurance": publish_policies,
    "ravenstack": publish_raven,
    "telco": publish_telco,
    "classic": publish_classic,
}
"""What writes a made-up data set, by its name; ``classic`` is the other release of telco."""

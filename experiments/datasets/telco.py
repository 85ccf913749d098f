"""Telco: a telephone company's contracts, who left in one quarter, and why."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from experiments.datasets.files import MONEY, Published
from experiments.datasets.tables import Loaded, Target, derive

_TEXT, _WHOLE, _NUMBER = pa.string(), pa.int64(), pa.float64()

CUSTOMERS_ROWS = 7_043
"""Customers as published, in both releases."""

_SOURCE = (
    "Two releases by IBM are understood: the extended one, whose five tables are joined by customer into "
    "customers.parquet or customers.csv with names such as tenure_in_months and churn_reason; "
    "and the classic one, Telco-Customer-Churn.csv of 21 columns "
    "(IBM/telco-customer-churn-on-icp4d on GitHub)."
)

EXTENDED = Published(
    names=("customers.parquet", "customers.csv"),
    source=_SOURCE,
    columns={
        "customer_id": _TEXT,
        "tenure_in_months": _WHOLE,
        "monthly_charge": MONEY,
        "internet_type": _TEXT,
        "contract": _TEXT,
        "churn_label": _TEXT,
        "churn_category": _TEXT,
        "churn_reason": _TEXT,
        "city": _TEXT,
        **dict.fromkeys(["gender", "offer", "payment_method"], _TEXT),
        **dict.fromkeys(["married", "phone_service", "multiple_lines", "online_security"], _TEXT),
        **dict.fromkeys(["online_backup", "device_protection_plan", "premium_tech_support"], _TEXT),
        **dict.fromkeys(["streaming_tv", "streaming_movies", "streaming_music"], _TEXT),
        **dict.fromkeys(["unlimited_data", "paperless_billing"], _TEXT),
        **dict.fromkeys(["age", "number_of_dependents", "number_of_referrals", "population"], _WHOLE),
        **dict.fromkeys(["avg_monthly_long_distance_charges", "avg_monthly_gb_download"], _NUMBER),
        **dict.fromkeys(["latitude", "longitude"], _NUMBER),
    },
    optional=frozenset({"internet_type", "offer", "churn_category", "churn_reason"}),
    key="customer_id",
)
"""What is read of the extended release; telco.toml says why the other columns are not."""

CLASSIC = Published(
    names=("Telco-Customer-Churn.csv", "WA_Fn-UseC_-Telco-Customer-Churn.csv", "plain.parquet"),
    source=_SOURCE,
    columns={
        "customerID": _TEXT,
        "tenure": _WHOLE,
        "MonthlyCharges": MONEY,
        "Contract": _TEXT,
        "InternetService": _TEXT,
        "Churn": _TEXT,
        "SeniorCitizen": _WHOLE,
        **dict.fromkeys(["gender", "Partner", "Dependents", "PhoneService", "MultipleLines"], _TEXT),
        **dict.fromkeys(["OnlineSecurity", "OnlineBackup", "DeviceProtection", "TechSupport"], _TEXT),
        **dict.fromkeys(["StreamingTV", "StreamingMovies", "PaperlessBilling", "PaymentMethod"], _TEXT),
    },
    key="customerID",
)
"""What is read of the classic release: all but TotalCharges."""

DEFECTOR_TYPES = {
    "price": [
        "Price too high",
        "Long distance charges",
        "Extra data charges",
        "Lack of affordable download/upload speed",
        "Competitor made better offer",
    ],
    "product": [
        "Product dissatisfaction",
        "Network reliability",
        "Limited range of services",
        "Competitor offered more data",
    ],
    "service": [
        "Attitude of support person",
        "Attitude of service provider",
        "Service dissatisfaction",
        "Poor expertise of online support",
        "Poor expertise of phone support",
        "Lack of self-service on Website",
    ],
    "technological": ["Competitor had better devices", "Competitor offered higher download speeds"],
    "market": ["Moved", "Deceased"],
    "unknown": ["Don't know"],
}
"""What kind of defector gives which reason; nobody here left for organizational reasons."""

# Nobody's day is known. With the last day of the period, a tenure in whole months fits everybody's start, and
# who had just come is no exception: the same rule for those who left and those who stayed.
_CONTRACTS = """
SELECT {customer} AS customer_id,
    least(CAST(DATE '2019-10-01' - to_months({tenure}) AS DATE), DATE '2019-09-30') AS started_at,
    CASE WHEN {left} = 'Yes' THEN DATE '2019-09-30' END AS ended_at,
    {plan} AS plan, CAST({charge} AS DECIMAL(12, 2)) AS price,
    CASE {contract} WHEN 'month-to-month' THEN 'month' WHEN 'one year' THEN 'year'
        WHEN 'two year' THEN '2 years' END AS term
FROM published ORDER BY customer_id
"""
_EXITS = """
SELECT customer_id, DATE '2019-09-30' AS left_at, churn_reason, churn_category, defector_type
FROM published LEFT JOIN types USING (churn_reason) WHERE churn_label = 'Yes' ORDER BY customer_id
"""
_CLASSIC_EXITS = """
SELECT customerID AS customer_id, DATE '2019-09-30' AS left_at
FROM published WHERE Churn = 'Yes' ORDER BY customer_id
"""


def load_telco(source: Path, target: Path) -> Loaded:
    """Load Telco: 7,043 made-up customers in California, of whom 1,869 left.

    The extended release is preferred; it has reasons.  The classic one, of 21 columns, is read where it is
    the only one in the folder, or where it is named itself.
    Writes ``subscriptions``, ``customers`` and ``exits``; columns that tell the outcome are not read.
    """
    if source.is_file():
        is_classic = "customerID" in _names(source)
    else:
        is_classic = not any((source / name).is_file() for name in EXTENDED.names) and any(
            (source / name).is_file() for name in CLASSIC.names
        )
    release = CLASSIC if is_classic else EXTENDED
    file = release.find(source)
    published = release.read(file)
    tables = _classic(published) if is_classic else _extended(published)
    business = "telco_classic" if is_classic else "telco"
    return Target(target, business, [file]).write(tables, len(published), CUSTOMERS_ROWS)


def _names(file: Path) -> list[str]:
    """Names of the columns of a file, none where it cannot be read."""
    if file.suffix == ".parquet":
        try:
            return list(pq.read_schema(file).names)
        except pa.ArrowInvalid:
            return []
    with file.open(encoding="utf-8", errors="replace") as lines:
        return lines.readline().strip().replace('"', "").split(",")


def _extended(published: pa.Table) -> dict[str, pa.Table]:
    """Tables of the extended release."""
    types = pa.table(
        {
            "churn_reason": [reason for reasons in DEFECTOR_TYPES.values() for reason in reasons],
            "defector_type": [kind for kind, reasons in DEFECTOR_TYPES.items() for _ in reasons],
        }
    )
    contracts = _CONTRACTS.format(
        customer="customer_id",
        tenure="tenure_in_months",
        left="churn_label",
        plan="coalesce(internet_type, 'no internet')",
        charge="monthly_charge",
        contract="lower(contract)",
    )
    outcome = "tenure_in_months, monthly_charge, internet_type, churn_label, churn_category, churn_reason"
    return {
        "subscriptions": derive(contracts, published=published),
        "customers": derive(
            f"SELECT * EXCLUDE ({outcome}) REPLACE (coalesce(offer, 'no offer') AS offer) "
            "FROM published ORDER BY customer_id",
            published=published,
        ),
        "exits": derive(_EXITS, published=published, types=types),
    }


def _classic(published: pa.Table) -> dict[str, pa.Table]:
    """Tables of the classic release."""
    contracts = _CONTRACTS.format(
        customer="customerID",
        tenure="tenure",
        left="Churn",
        plan="CASE InternetService WHEN 'No' THEN 'no internet' ELSE InternetService END",
        charge="MonthlyCharges",
        contract="lower(Contract)",
    )
    customers = """
    SELECT customerID AS customer_id, * EXCLUDE (customerID, tenure, MonthlyCharges, InternetService, Churn)
    FROM published ORDER BY customer_id
    """
    return {
        "subscriptions": derive(contracts, published=published),
        "customers": derive(customers, published=published),
        "exits": derive(_CLASSIC_EXITS, published=published),
    }

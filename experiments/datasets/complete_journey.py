"""Complete Journey: a year of a grocer's households, their baskets, campaigns and coupons."""

from pathlib import Path

import pyarrow as pa

from experiments.datasets.files import MONEY, Published, folder_of
from experiments.datasets.tables import Loaded, Target, derive

_SOURCE = (
    "It comes with the R package completejourney (CC0, bradleyboehmke/completejourney on GitHub); save its "
    "tables transactions (get_transactions(), or the sample), products, demographics, campaigns, "
    "campaign_descriptions and coupon_redemptions as Parquet or CSV files of these names, times in UTC."
)
_TEXT = pa.string()

TRANSACTIONS_ROWS = 1_469_307
"""Lines of the whole year as published; the package itself carries a sample of them."""


def _published(
    name: str, columns: dict[str, pa.DataType], key: str | None = None, *optional: str
) -> Published:
    return Published((f"{name}.parquet", f"{name}.csv"), _SOURCE, columns, frozenset(optional), key)


_TRAITS = [
    "age",
    "income",
    "home_ownership",
    "marital_status",
    "household_size",
    "household_comp",
    "kids_count",
]

FILES = {
    "transactions": _published(
        "transactions",
        {
            "household_id": _TEXT,
            "store_id": _TEXT,
            "basket_id": _TEXT,
            "product_id": _TEXT,
            "quantity": pa.float64(),
            "sales_value": MONEY,
            "retail_disc": MONEY,
            "coupon_disc": MONEY,
            "coupon_match_disc": MONEY,
            "transaction_timestamp": pa.timestamp("us", "UTC"),
        },
    ),
    "products": _published(
        "products",
        {"product_id": _TEXT, "department": _TEXT, "product_type": _TEXT},
        "product_id",
        "product_type",
    ),
    "demographics": _published(
        "demographics",
        {"household_id": _TEXT, **dict.fromkeys(_TRAITS, _TEXT)},
        "household_id",
        *_TRAITS,
    ),
    "campaigns": _published("campaigns", {"campaign_id": _TEXT, "household_id": _TEXT}),
    "campaign_descriptions": _published(
        "campaign_descriptions",
        {"campaign_id": _TEXT, "campaign_type": _TEXT, "start_date": pa.date32()},
        "campaign_id",
    ),
    "coupon_redemptions": _published(
        "coupon_redemptions",
        {"household_id": _TEXT, "campaign_id": _TEXT, "redemption_date": pa.date32()},
    ),
}
"""The published files that are read, by name."""

# Petrol is counted in thousandths of a gallon, everything else in pieces.
_PURCHASES = """
SELECT household_id, transaction_timestamp AS purchased_at, basket_id, product_id, department, store_id,
    CASE WHEN product_type LIKE 'GASOLINE%' THEN NULL ELSE quantity END AS quantity,
    sales_value, CAST(retail_disc + coupon_match_disc AS DECIMAL(12, 2)) AS discount, coupon_disc
FROM transactions LEFT JOIN products USING (product_id)
ORDER BY household_id, purchased_at, basket_id, product_id
"""
_CUSTOMERS = """
SELECT *
FROM (SELECT household_id FROM transactions UNION SELECT household_id FROM campaigns
      UNION SELECT household_id FROM demographics) LEFT JOIN demographics USING (household_id)
ORDER BY household_id
"""
_CAMPAIGNS = """
SELECT household_id, start_date AS sent_at, campaign_id, campaign_type, 'treated' AS arm,
    min(redemption_date) AS responded_at
FROM campaigns LEFT JOIN campaign_descriptions USING (campaign_id)
    LEFT JOIN coupon_redemptions USING (campaign_id, household_id)
GROUP BY ALL
ORDER BY household_id, sent_at, campaign_id
"""


def load_complete_journey(source: Path, target: Path) -> Loaded:
    """Load Complete Journey: the baskets of 2,469 households in 2017, and the coupons they were sent.

    The whole year has 1,469,307 lines; a part of them, such as the sample of the package, is taken as well.
    Households are the customers.  Writes ``purchases``, ``customers`` and ``campaigns``.
    """
    found = {name: file.find(folder_of(source)) for name, file in FILES.items()}
    published = {name: FILES[name].read(file) for name, file in found.items()}
    tables = {
        "purchases": derive(_PURCHASES, **published),
        "customers": derive(_CUSTOMERS, **published),
        "campaigns": derive(_CAMPAIGNS, **published),
    }
    rows = len(published["transactions"])
    return Target(target, "complete_journey", found.values()).write(tables, rows, TRANSACTIONS_ROWS)

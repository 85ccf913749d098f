"""Insurance: motor policies at their renewal, who let them lapse, and the prices they had to choose from."""

from pathlib import Path

import pyarrow as pa

from experiments.datasets.files import MONEY, Published
from experiments.datasets.tables import Loaded, Target, derive

POLICIES_ROWS = 23_060
"""Policies as published."""

POLICIES = Published(
    names=("eudirectlapse.parquet", "eudirectlapse.csv"),
    source=(
        "It is the table eudirectlapse of the R package CASdatasets (dutangc/CASdatasets on GitHub); "
        "save it as eudirectlapse.parquet or eudirectlapse.csv."
    ),
    columns={
        **dict.fromkeys(["lapse", "polholder_age", "policy_age", "policy_nbcontract"], pa.int64()),
        **dict.fromkeys(["vehicl_age", "vehicl_agepurchase"], pa.int64()),
        **dict.fromkeys(["polholder_BMCevol", "polholder_diffdriver", "polholder_gender"], pa.string()),
        **dict.fromkeys(["polholder_job", "policy_caruse", "prem_freqperyear"], pa.string()),
        **dict.fromkeys(["vehicl_garage", "vehicl_powerkw", "vehicl_region"], pa.string()),
        **dict.fromkeys(["prem_final", "prem_last", "prem_market", "prem_pure"], MONEY),
    },
)
"""One row is one policy; all its columns are read."""

# The renewal of every policy is put on one day; its years before that are of equal length.
_SUBSCRIPTIONS = """
SELECT customer_id, CAST(DATE '2021-01-01' - to_years(CAST(policy_age + 1 AS INTEGER)) AS DATE) AS started_at,
    CASE WHEN lapse = 1 THEN DATE '2021-01-01' END AS ended_at,
    policy_caruse, prem_last, 'year' AS billing_period
FROM policies ORDER BY customer_id
"""
_CUSTOMERS = """
SELECT customer_id, DATE '2020-12-01' AS quoted_at,
    CAST(prem_final AS DOUBLE) / CAST(prem_last AS DOUBLE) AS renewal_to_last,
    CAST(prem_final AS DOUBLE) / CAST(prem_market AS DOUBLE) AS renewal_to_market,
    * EXCLUDE (customer_id, lapse, policy_age, policy_caruse)
FROM policies ORDER BY customer_id
"""
_EXITS = """
SELECT customer_id, DATE '2021-01-01' AS left_at FROM policies WHERE lapse = 1 ORDER BY customer_id
"""


def load_insurance(source: Path, target: Path) -> Loaded:
    """Load eudirectlapse: 23,060 motor policies of a European direct insurer, of which 2,954 lapsed.

    Each had a renewal quote beside last year's, the market's and the technical premium.
    Writes ``subscriptions``, ``customers`` and ``exits``.
    """
    file = POLICIES.find(source)
    policies = POLICIES.read(file)
    # The file has no ids; the place of a row in it is the only name that a policy has.
    ids = pa.array([f"{place:05d}" for place in range(1, len(policies) + 1)])
    policies = policies.append_column("customer_id", ids)
    tables = {
        "subscriptions": derive(_SUBSCRIPTIONS, policies=policies),
        "customers": derive(_CUSTOMERS, policies=policies),
        "exits": derive(_EXITS, policies=policies),
    }
    return Target(target, "insurance", [file]).write(tables, len(policies), POLICIES_ROWS)

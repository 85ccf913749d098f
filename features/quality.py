"""Quality: the grades A to F of a store, and what to do for better ones.

Every fault has a severity, the best grade that its dimension can have with it.  A dimension is as good as its
worst fault, A without any; the whole is as good as its worst dimension.  Same store, same grades.

**Completeness**

============================================================================================= ========
fault                                                                                         severity
============================================================================================= ========
optional column missing on 5 % · 30 % · every row                                             B · C · D
value that stands for none (-1, 999, "n/a", 1900-01-01) on any · 30 % of the filled rows      B · C
the same in the time of the row                                                               C
rows that break the contract: any · 1 % · 5 % (a build refuses a table from 20 % on)          B · C · D
rows that came more than once: 5 %                                                            B
contracts that end before they start: any · 5 %                                               C · D
days without facts where the rhythm has some; two weeks of purchases or subscriptions,
or a tenth of any table's span                                                                C · D
customers with facts but no row in customers: 2 % · 20 % · 95 %                               B · C · D
customers without any fact: 30 % · 60 % · 95 %                                                B · C · D
customers of a table who appear nowhere else: 2 % · 20 % · 95 %                               B · C · D
purchases of no known household: 2 % · 20 %                                                   B · C
customers in regions without a market: 2 % · 20 % · 95 %                                      B · C · D
============================================================================================= ========

Columns that are empty where there is nothing to say (a contract that runs has no ``ended_at``) miss nothing.

**Timeliness**

============================================================================================= ========
fault                                                                                         severity
============================================================================================= ========
newest fact older than three times the usual spacing (and two days) · 30 · 90 days;
at worst C for tables other than purchases (or subscriptions, without exits),
none for tables with facts on fewer than three days                                           B · C · D
5 % of the rows a day late; nine of ten rows known only after 2 · 8 · 31 days                 B · B · C · D
============================================================================================= ========

**Relevance**

============================================================================================= ========
fault                                                                                         severity
============================================================================================= ========
constant column; copy or almost a copy of another                                             B
column that says nothing about the outcome; more than half of the columns do                  B · C
column that knows the outcome (`training.leakage`)                                            E
============================================================================================= ========

The last two need outcomes, so they are found in `training.relevance`; without outcomes relevance
is not judged.
"""

from typing import Any

from features.grading import census as censuses
from features.grading import rhythm
from features.grading.census import Census, TableCensus
from features.grading.completeness import completeness
from features.grading.grades import Inspection
from features.grading.redundancy import redundancy
from features.grading.timeliness import age_days, delay_quantile, late_share, timeliness
from features.store import Store
from features.windows import to_text


def inspect(store: Store) -> Inspection:
    """Grade a store on everything that needs no outcome.

    Parameters
    ----------
    store : Store

    Returns
    -------
    Inspection
    """
    census = censuses.take(store)
    findings = [*redundancy(census), *completeness(census), *timeliness(census)]
    return Inspection(findings, (), {name: _figures(census, table) for name, table in census.tables.items()})


def _figures(census: Census, table: TableCensus) -> dict[str, Any]:
    """Plain figures of one table, for machines."""
    record, until = table.record, census.store.observed_until
    return {
        "rows": record.rows_in,
        "stored": record.stored,
        "duplicates": record.duplicates,
        "rejected": record.rejected,
        "first": None if record.first_at is None else to_text(record.first_at),
        "last": None if record.last_at is None else to_text(record.last_at),
        "age_days": age_days(table, until),
        "usual_spacing_days": rhythm.usual_spacing(table.days) if table.days else None,
        "late_share": late_share(table.delays),
        "late_days_median": delay_quantile(table.delays, 0.5, late_only=True),
        "late_days_90": delay_quantile(table.delays, 0.9, late_only=True),
        "missing": {c: 1 - table.known[c] / table.rows if table.rows else None for c in table.kinds},
    }

"""Prices: the median price of every plan at the beginning of each month, from the contracts themselves."""

from collections.abc import Iterable

from features.intake.feeds import Staged
from features.tables import Kind

KINDS = {"plan": Kind.CATEGORY, "price": Kind.MONEY}
"""What its columns are."""


def with_prices(tables: Iterable[Staged]) -> Staged | None:
    """Return the contracts where they have prices."""
    found = (table for table in tables if table.name == "subscriptions" and "price" in table.values)
    return next(found, None)


def plan_prices(subscriptions: Staged, until: int) -> str:
    """SQL of the median price of every plan at the beginning of every month (UTC).

    At an instant m these are the contracts that run then, as far as is known before m: started and known
    before m, and not ended before m.  An end at m or later is still to come and so makes no difference.
    Equal contracts are counted before months are, so memory depends on how many prices there are rather than
    on how many contracts; DuckDB spills what is more.

    Parameters
    ----------
    subscriptions : Staged
        The contracts, with prices.
    until : int
        The instant up to which there are months.

    Returns
    -------
    str
        Rows of _at, _known_at, plan and price, in minor units: whole, or halves where two contracts share
        the middle.
    """
    ended = "ended_at" if "ended_at" in subscriptions.values else "NULL"
    last = f"least(coalesce({_month(ended)}, {_month(str(until))}), {_month(str(until))})"
    return (
        "WITH terms AS ("
        f"SELECT plan, price, 1 + {_month('greatest(_at, _known_at)')} AS first, {last} AS last, "
        f"count(*) AS n FROM ({subscriptions.kept()}) WHERE price IS NOT NULL GROUP BY ALL), "
        "months AS (SELECT plan, price, unnest(range(first, last + 1)) AS month, n FROM terms), "
        "prices AS (SELECT plan, month, price, sum(n) AS n FROM months GROUP BY ALL), "
        "ranked AS (SELECT plan, month, price, "
        "sum(n) OVER (PARTITION BY plan, month ORDER BY price) AS upto, "
        "sum(n) OVER (PARTITION BY plan, month) AS n FROM prices) "
        "SELECT epoch_us(make_timestamp(month // 12, month % 12 + 1, 1, 0, 0, 0.0)) AS _at, "
        "_at AS _known_at, plan, "
        "(min(price) FILTER (2 * upto >= n) + min(price) FILTER (2 * upto > n)) / 2.0 AS price "
        "FROM ranked GROUP BY plan, month"
    )


def _month(instant: str) -> str:
    """SQL of the month that an instant lies in, counted from the year 0."""
    moment = f"make_timestamp(CAST({instant} AS BIGINT))"
    return f"(12 * year({moment}) + month({moment}) - 1)"

"""A business with known truth: who leaves, when, and what everybody is worth.

The tables look as those of a shop do; what no shop can know is written apart from them, in
``truth/customers.parquet``:

================= ================================================================================
customer_id       as in the tables
left_at           when the customer left for good; null for those who had not by ``observed_until``
leave_probability that they buy nothing in the churn horizon after ``observed_until``
expected_value    margin in the first value horizon after it, in currency units, not discounted
================= ================================================================================

The last two are true given the process and the customer's latent state at ``observed_until``:
see `experiments.truth`.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from experiments.folders import appearing, refuse_foreign, write_business
from experiments.ledger import CUSTOMERS, PURCHASES, TRUTH, Chapter
from experiments.population import draw_people
from experiments.purchasing import Assortment, draw_leaving, draw_lines
from experiments.season import Season
from experiments.truth import Outlook
from features.errors import UserError

CHURN_HORIZON_DAYS = 90
VALUE_HORIZON_DAYS = 90
OBSERVED_UNTIL = date(2025, 7, 1)

_CHUNK = 20_000
"""Customers drawn at a time; part of what a seed means, so never an option."""
_EPOCH = date(1970, 1, 1)
_TRUE = Path("truth", "customers.parquet")

_Chapters = Iterator[tuple[Chapter, Outlook, np.random.Generator]]

_BUSINESS = """simulate: a made-up shop whose truth is known.
# Change what you like and build again; simulating into this folder again replaces this file.

[business]
name           = "simulated"
currency       = "USD"          # all money is in this currency
timezone       = "UTC"          # of times that carry no zone; here every time carries one
observed_until = "{until}"   # everything before this midnight is in the tables, nothing after

# One row is one line of an order. A negative amount is a return: it repeats the order_id of what came back.
[tables.purchases]
source = "purchases.parquet"    # relative to this file

[tables.purchases.columns]      # our name = the name in the source
customer_id  = "customer_id"
purchased_at = "purchased_at"   # when it happened
known_at     = "known_at"       # when it reached us; empty where that was at once
event_id     = "event_id"       # one per line: the same line sent twice counts once
order_id     = "order_id"       # the lines of one order share it
product_id   = "product_id"
category     = "category"
channel      = "channel"        # web, shop or phone
quantity     = "quantity"
amount       = "amount"         # what the customer paid
discount     = "discount"       # what was taken off the price before
cost         = "cost"           # what the goods cost us: margin is amount less cost

# One row is one customer.
[tables.customers]
source = "customers.parquet"

[tables.customers.columns]
customer_id         = "customer_id"
household_id        = "household_id"         # who lives together; empty where we do not know
joined_at           = "joined_at"
acquisition_channel = "acquisition_channel"  # how they found us

[tables.customers.attributes]   # what else we know of them
region       = "category"
income       = "number"         # a year, in currency units; empty where they did not say
age          = "number"         # years
loyalty_card = "flag"

[churn]
kind     = "silence"            # a customer is lost who buys nothing ...
horizon  = "{churn}d"                # ... for so long ...
gap      = "0d"                 # ... counted from so long after the cutoff
eligible = "365d"               # asked about: whoever bought within so long before the cutoff

[value]
horizons      = ["{value}d", "365d"] # how far ahead; the first is checked against what happened
margin        = 0.30            # share of the amount that we keep, used where a purchase has no cost
discount_rate = 0.10            # by how much a year's wait makes money worth less

[workspace]
path = ".holdfast"              # where Holdfast keeps what it computes; may be deleted
"""


@dataclass(frozen=True)
class Simulated:
    """What a simulation wrote.

    Attributes
    ----------
    business : Path
        The ``business.toml``.
    truth : Path
        The truth, one row per customer.
    customers, left : int
        Customers, and how many of them had left by ``observed_until``.
    purchases, returns : int
        Rows of the purchases, and how many of them are returns.
    """

    business: Path
    truth: Path
    customers: int
    left: int
    purchases: int
    returns: int


def simulate(
    folder: Path,
    *,
    customers: int,
    seed: int,
    days: int = 730,
    observed_until: date = OBSERVED_UNTIL,
    progress: Callable[[int], None] = lambda _: None,
) -> Simulated:
    """Write a made-up business and, apart from it, its truth; the same arguments give the same bytes.

    Writes ``business.toml``, ``purchases.parquet``, ``customers.parquet`` and ``truth/customers.parquet``.

    Parameters
    ----------
    folder : Path
        Made if need be; files of an earlier simulation are replaced.
    customers, days : int
        How many customers, over how long a history, each at least 1.
    seed : int
        Not negative.
    observed_until : date
        The midnight (UTC) at which the history ends.
    progress : callable
        Told the number of customers done, now and then.

    Raises
    ------
    UserError
        A number is out of range, or the folder holds what no simulation wrote.
    """
    _check(customers=customers, seed=seed, days=days)
    refuse_foreign(folder, "simulate")
    n_left, n_rows, n_returns = _write_tables(
        folder, _chapters(customers, seed, days, observed_until), progress
    )
    text = _BUSINESS.format(until=observed_until, churn=CHURN_HORIZON_DAYS, value=VALUE_HORIZON_DAYS)
    business = write_business(folder, text)
    return Simulated(business, folder / _TRUE, customers, n_left, n_rows, n_returns)


def true_before(
    ago: int, *, customers: int, seed: int, days: int = 730, observed_until: date = OBSERVED_UNTIL
) -> pa.Table:
    """Return what was true so many days before ``observed_until``; what then happened is in the tables.

    Parameters
    ----------
    ago : int
        Days, at least as many as a horizon where what happened is to be compared.
    customers, seed, days, observed_until
        As they were simulated.

    Returns
    -------
    pa.Table
        One row per customer, as in ``truth/customers.parquet``; those who had not joined yet are in it too.
    """
    _check(customers=customers, seed=seed, days=days - ago)
    return pa.concat_tables(
        chapter.truth(replace(outlook, now=days - ago), CHURN_HORIZON_DAYS, VALUE_HORIZON_DAYS)
        for chapter, outlook, _ in _chapters(customers, seed, days, observed_until)
    )


def _write_tables(folder: Path, chapters: _Chapters, progress: Callable[[int], None]) -> tuple[int, int, int]:
    """Write every chapter as it comes; return how many customers left, all rows and those of returns."""
    n_left = n_rows = n_returns = 0
    with ExitStack() as stack:
        bought = _writer(stack, folder / "purchases.parquet", PURCHASES)
        known = _writer(stack, folder / "customers.parquet", CUSTOMERS)
        true = _writer(stack, folder / _TRUE, TRUTH)
        for chapter, outlook, rng in chapters:
            purchases = chapter.purchases(outlook)
            bought.write_table(purchases)
            known.write_table(chapter.customers(rng, outlook))
            true.write_table(chapter.truth(outlook, CHURN_HORIZON_DAYS, VALUE_HORIZON_DAYS))
            n_left += int(chapter.gone(outlook).sum())
            n_rows += len(purchases)
            n_returns += len(purchases) - len(chapter.lines)
            progress(chapter.first_customer + len(chapter.people))
    return n_left, n_rows, n_returns


def _chapters(customers: int, seed: int, days: int, observed_until: date) -> _Chapters:
    """Draw the customers a chunk at a time, each from a seed of its own, so that memory stays bounded."""
    n_chunks = -(-customers // _CHUNK)
    first_seed, *seeds = np.random.SeedSequence(seed).spawn(1 + n_chunks)
    ahead = max(CHURN_HORIZON_DAYS, VALUE_HORIZON_DAYS)
    season = Season.of((observed_until - _EPOCH).days - days, days + ahead)
    outlook = Outlook(season, Assortment.draw(np.random.default_rng(first_seed)), days)
    order = row = 0
    for number, chunk_seed in enumerate(seeds):
        rng = np.random.default_rng(chunk_seed)
        n = min(_CHUNK, customers - number * _CHUNK)
        people = draw_people(rng, n, season, days, len(outlook.goods.tastes))
        left = draw_leaving(rng, people)
        lines = draw_lines(rng, people, left, season, outlook.goods, days)
        yield Chapter(number * _CHUNK, order, row, people, left, lines), outlook, rng
        order += int(lines.order.max(initial=-1)) + 1
        row += len(lines) + int((lines.returned < days).sum())


def _writer(stack: ExitStack, path: Path, schema: pa.Schema) -> pq.ParquetWriter:
    """Open a file that takes its name when the stack closes without an error."""
    partial = stack.enter_context(appearing(path))
    return stack.enter_context(pq.ParquetWriter(partial, schema, compression="zstd"))


def _check(*, customers: int, seed: int, days: int) -> None:
    """Refuse numbers that no simulation can be made from."""
    for name, number, least in (("customers", customers, 1), ("seed", seed, 0), ("days", days, 1)):
        if number < least:
            raise UserError(f"{name} is {number}, but must be at least {least}. Choose a larger number.")

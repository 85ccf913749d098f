"""The single view of the customer: which tables there are and what a row of each must carry.

Each source is mapped into these tables by ``business.toml``.
Times are UTC inside; money is integer minor units of one currency; ids are text.
"""

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """How the values of a column are read and kept.

    ======== ============================== ==========================================
    kind     in a source                    in the store (null)
    ======== ============================== ==========================================
    id       any text or whole number       text, unaltered (never null)
    time     aware, or naive with a zone    int64 microseconds UTC (null)
    money    decimal number                 int64 minor units (null)
    number   number                         float64 (null)
    flag     true/false                     float64 0 or 1 (null)
    category text                           int32 code into a sorted dictionary (null)
    text     free text                      text (null); never a feature by itself
    ======== ============================== ==========================================
    """

    ID = "id"
    TIME = "time"
    MONEY = "money"
    NUMBER = "number"
    FLAG = "flag"
    CATEGORY = "category"
    TEXT = "text"


@dataclass(frozen=True)
class Column:
    """One column of a table: its name, how it is read, and whether a row needs it."""

    name: str
    kind: Kind
    required: bool = False


@dataclass(frozen=True)
class Table:
    """The contract of one table.

    ``at`` names the column that says when a row happened; rows without ``known_at`` were known at once.
    """

    name: str
    at: str
    columns: tuple[Column, ...]

    def column(self, name: str) -> Column:
        """Return the column of that name; ``KeyError`` if there is none."""
        return {column.name: column for column in self.columns}[name]

    @property
    def required(self) -> tuple[str, ...]:
        """Names of the columns that every row must fill."""
        return tuple(column.name for column in self.columns if column.required)


def _table(name: str, at: str, /, **kinds: str) -> Table:
    """Build a table from ``name="kind"`` pairs; a trailing ``!`` marks a required column."""
    columns = (Column(key, Kind(kind.rstrip("!")), kind.endswith("!")) for key, kind in kinds.items())
    return Table(name, at, tuple(columns))


CUSTOMERS = _table(
    "customers",
    "valid_from",
    customer_id="id!",
    household_id="category",
    joined_at="time",
    acquisition_channel="category",
    region="category",
    valid_from="time",
    known_at="time",
)
PURCHASES = _table(
    "purchases",
    "purchased_at",
    customer_id="id!",
    purchased_at="time!",
    amount="money!",
    event_id="id",
    known_at="time",
    order_id="category",
    quantity="number",
    product_id="category",
    category="category",
    channel="category",
    cost="money",
    discount="money",
)
CONTACTS = _table(
    "contacts",
    "contacted_at",
    customer_id="id!",
    contacted_at="time!",
    channel="category!",
    kind="category!",
    event_id="id",
    known_at="time",
    duration_seconds="number",
    waiting_seconds="number",
    resolved="flag",
    handled_by="category",
    text="text",
)
SURVEYS = _table(
    "surveys",
    "answered_at",
    customer_id="id!",
    answered_at="time!",
    question="category!",
    expectation="number",
    delivery="number",
    score="number",
    text="text",
    known_at="time",
)
SUBSCRIPTIONS = _table(
    "subscriptions",
    "started_at",
    customer_id="id!",
    started_at="time!",
    plan="category!",
    ended_at="time",
    price="money",
    billing_period="category",
    auto_renews="flag",
    known_at="time",
)
CAMPAIGNS = _table(
    "campaigns",
    "sent_at",
    customer_id="id!",
    sent_at="time!",
    campaign="category!",
    arm="category!",
    offer="category",
    bond="category",
    cost="money",
    responded_at="time",
)
EXITS = _table(
    "exits",
    "left_at",
    customer_id="id!",
    left_at="time!",
    reason="category",
    text="text",
    defector_type="category",
    known_at="time",
)
MARKET = _table("market", "observed_at", observed_at="time!", region="category")

TABLES: dict[str, Table] = {
    table.name: table
    for table in (CUSTOMERS, PURCHASES, CONTACTS, SURVEYS, SUBSCRIPTIONS, CAMPAIGNS, EXITS, MARKET)
}
"""Every table of the single view, by name."""


@dataclass(frozen=True)
class SharedTable:
    """A table whose rows belong to a group of customers, and how to find a customer's group.

    Attributes
    ----------
    table : Table
    key : str
        The column that names the group of a row; a row without it concerns everybody.
    of_table, of_column : str
        A customer's group at a cutoff is the newest visible value of this column of this table.
    """

    table: Table
    key: str
    of_table: str
    of_column: str


PLAN_PRICES = _table("plan_prices", "observed_at", observed_at="time!", plan="category!", price="money!")
"""The median price of every plan's running contracts at the beginning of each month; made by the build."""

SHARED: dict[str, SharedTable] = {
    "market": SharedTable(MARKET, "region", "customers", "region"),
    "plan_prices": SharedTable(PLAN_PRICES, "plan", "subscriptions", "plan"),
}
"""Every table whose rows are nobody's own."""

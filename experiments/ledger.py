"""The tables of a simulated business and its truth, as Arrow: what the latent state becomes on paper."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from experiments.population import ACQUISITION_CHANNELS, CHANNELS, REGIONS, People
from experiments.purchasing import CATEGORIES, Lines, returns
from experiments.season import Flags, Floats, Integers
from experiments.truth import Outlook

_TIME = pa.timestamp("us", tz="UTC")
_MONEY = pa.decimal128(12, 2)
_UNKNOWN_INCOME = 0.12
_UNKNOWN_AGE = 0.08
_UNKNOWN_HOUSEHOLD = 0.10

PURCHASES = pa.schema(
    [
        ("customer_id", pa.string()),
        ("purchased_at", _TIME),
        ("known_at", _TIME),
        ("event_id", pa.string()),
        ("order_id", pa.string()),
        ("product_id", pa.string()),
        ("category", pa.string()),
        ("channel", pa.string()),
        ("quantity", pa.int32()),
        ("amount", _MONEY),
        ("discount", _MONEY),
        ("cost", _MONEY),
    ]
)
CUSTOMERS = pa.schema(
    [
        ("customer_id", pa.string()),
        ("joined_at", _TIME),
        ("household_id", pa.string()),
        ("region", pa.string()),
        ("acquisition_channel", pa.string()),
        ("income", pa.float64()),
        ("age", pa.int32()),
        ("loyalty_card", pa.bool_()),
    ]
)
TRUTH = pa.schema(
    [
        ("customer_id", pa.string()),
        ("left_at", _TIME),
        ("leave_probability", pa.float64()),
        ("expected_value", pa.float64()),
    ]
)


@dataclass(frozen=True)
class Chapter:
    """Some customers and what they ordered.

    Attributes
    ----------
    first_customer, first_order, first_line : int
        The numbers that their ids begin with.
    people : People
        Who they are.
    left : float array (n_customers,)
        Day time at which each leaves, however far away.
    lines : Lines
        What they ordered before ``observed_until``, in order of time.
    """

    first_customer: int
    first_order: int
    first_line: int
    people: People
    left: Floats
    lines: Lines

    def purchases(self, outlook: Outlook) -> pa.Table:
        """Return what was bought and what came back, in order of time."""
        lines = _in_order(self.lines, returns(self.lines, outlook.now))
        late = lines.known > lines.time
        columns = [
            self._ids().take(pa.array(lines.customer)),
            _instants(outlook.season.instants(lines.time)),
            _instants(outlook.season.instants(lines.known), known=late),
            _texts("E", self.first_line + np.arange(len(lines)), 9),
            _texts("R", self.first_order + lines.order, 8),
            _texts("P", lines.product, 3),
            _words(CATEGORIES, outlook.goods.category[lines.product]),
            _words(CHANNELS, lines.channel),
            pa.array(lines.quantity.astype(np.int32)),
            _money(lines.amount),
            _money(lines.discount),
            _money(lines.cost),
        ]
        return pa.table(columns, schema=PURCHASES)

    def customers(self, rng: np.random.Generator, outlook: Outlook) -> pa.Table:
        """Return who the customers are, as far as the business knows: some of it was never told."""
        people, n = self.people, len(self.people)
        homes = _texts("H", self.first_customer + people.household, 7)
        columns = [
            self._ids(),
            _instants(outlook.season.instants(people.joined)),
            _known(homes, rng.random(n)[people.household] >= _UNKNOWN_HOUSEHOLD),
            _words(REGIONS, people.region),
            _words(ACQUISITION_CHANNELS, people.acquisition_channel),
            _known(pa.array(people.income), rng.random(n) >= _UNKNOWN_INCOME),
            _known(pa.array(people.age.astype(np.int32)), rng.random(n) >= _UNKNOWN_AGE),
            pa.array(people.loyalty_card),
        ]
        return pa.table(columns, schema=CUSTOMERS)

    def truth(self, outlook: Outlook, churn_days: int, value_days: int) -> pa.Table:
        """Return what no business knows."""
        gone = self.gone(outlook)
        left = np.where(gone, self.left, 0.0)
        columns = [
            self._ids(),
            _instants(outlook.season.instants(left), known=gone),
            pa.array(outlook.leave_probability(self.people, self.left, churn_days)),
            pa.array(outlook.expected_value(self.people, self.left, self.lines, value_days)),
        ]
        return pa.table(columns, schema=TRUTH)

    def gone(self, outlook: Outlook) -> Flags:
        """Return who has left by ``observed_until``."""
        return self.left < outlook.now

    def _ids(self) -> pa.Array:
        """Return the ids of the customers."""
        return _texts("C", self.first_customer + np.arange(len(self.people)), 7)


def _in_order(lines: Lines, back: Lines) -> Lines:
    """Return all lines in order of time; those of one order stay together."""
    return lines.extended(back).take(np.argsort(np.concatenate([lines.time, back.time]), kind="stable"))


def _texts(prefix: str, numbers: Integers, width: int) -> pa.Array:
    """Return numbers as ids such as C0000123."""
    digits = pc.utf8_lpad(pc.cast(pa.array(numbers), pa.string()), width, "0")
    return pc.binary_join_element_wise(prefix, digits, "")


def _words(names: tuple[str, ...], codes: Integers) -> pa.Array:
    """Return the names that codes stand for."""
    return pa.array(names).take(pa.array(codes))


def _instants(instants: Integers, known: Flags | None = None) -> pa.Array:
    """Return instants as times; null where not known."""
    return pa.array(instants, mask=None if known is None else ~known).cast(_TIME)


def _known(values: pa.Array, known: Flags) -> pa.Array:
    """Return values with null where not known."""
    return pc.if_else(pa.array(known), values, pa.scalar(None, values.type))


def _money(minor: Integers) -> pa.Array:
    """Return minor units as decimals: the low and the high half of each 128-bit number."""
    halves = np.stack([minor, minor >> 63], axis=1)
    return pa.Array.from_buffers(_MONEY, len(minor), [None, pa.py_buffer(halves.tobytes())])

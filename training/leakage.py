"""Leakage: columns that seem to have been written with the outcome in view.

A model that is trained on such a column looks brilliant and fails when it is used.  Every suspicion blocks
promotion until the column is left out, given its time (``valid_from``, ``known_at``), or named in
``[quality] trusted``.

What is suspected
-----------------
**Knows the outcome.**  Alone it ranks leavers with an AUC of 0.90 or more (the lower end of its 95 %
interval), and it makes less than half the ranking errors, 1 - AUC, of the rhythm.  The rhythm is the best
single feature that is only counted from times of the table that says who left, such as the days since
the last purchase; the kernel computes it from what happened before the cutoff, so it cannot leak and is
never suspected.  The two bars together let strong honest columns through: 0.90 is more than any honest
column of the public data reaches (contract type on Telco 0.77, days since the last purchase on CDNOW 0.80),
and where the rhythm alone reaches 0.93, amounts of the same purchases may do so too.  What is only counted
from times of another table was seen before the cutoff as well, unless its times are wrong: there the bar
is 0.97.

**One outcome only.**  Where the column of a customer is filled, or is missing, or has one of its values,
there is only one outcome: at most a hundredth of the stayers (or, of filled and missing, of the leavers)
that chance would put there, and chance would put 20 there.  A reason for leaving is such a column.

**Written after the cutoff.**  Numbers that are dates (20240131, or seconds since 1970), of which one in a
hundred or more lie at the cutoff or later, and the outcome goes with them.

**Stands for the row.**  Nearly every row has its own value, as ids have, and the outcome follows their order
(AUC 0.60 or more): the order of the rows or of time, not of anything known about the customer.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from features.aggregates import Aggregate
from features.declarations import AnyFeature, Derived
from features.events import Numbers
from features.panel import Panel
from features.selection import kind_of
from features.tables import Kind
from features.windows import MICROSECONDS_PER_DAY, parse_instant
from training.strength import FEWEST_OF_EACH, Strength, View, auc, strengths

BAR, BAR_OF_TIMES = 0.90, 0.97
"""AUC from which a column is suspected, and one that is only counted from times."""

ERRORS_OF_RHYTHM = 0.5
"""Share of the rhythm's ranking errors that an honest column is not below."""

REMEDY = (
    "Leave it out, map when it was known, or, if that was before the cutoff, name it in [quality] trusted"
)
"""What to do about a suspicion."""

KNOWS = "knows the outcome:"
"""How the one refusal begins that names the suspected columns."""

FEWEST_EXPECTED, MOST_OF_EXPECTED = 20.0, 0.01
ID_BAR = 0.60
_DISTINCT_NUMBERS, _DISTINCT_WORDS = 0.99, 0.95
_DENSE = 20
_FEW_VALUES = 20
_DATES, _AHEAD = 0.95, 0.01
_FIRST_DATE, _LAST_DATE = 19000101, 22001231
_UNITS = (1.0, 1e3, 1e6)
_EARLIEST, _LATEST = parse_instant("1990-01-01"), parse_instant("2100-01-01")


@dataclass(frozen=True)
class Suspicion:
    """A column that seems to know the outcome.

    Attributes
    ----------
    table, column : str
    feature : str
        The feature that showed it.
    figure : float
        The number that it rests on; the higher, the stronger.
    why : str
        The suspicion with its figure, for people.
    """

    table: str
    column: str
    feature: str
    figure: float
    why: str

    @property
    def place(self) -> str:
        """The column with its table."""
        return f"{self.table}.{self.column}"

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"column": self.place, "feature": self.feature, "figure": self.figure, "why": self.why}

    def __str__(self) -> str:
        """Name the column and the number, and say what to do."""
        return f"{self.place} {self.why}. {REMEDY}"


def suspicions(
    panel: Panel,
    left: Numbers,
    own: str,
    trusted: Collection[str] = (),
    measured: Sequence[Strength] | None = None,
) -> tuple[Suspicion, ...]:
    """Name the columns that seem to know the outcome, each once, by its strongest sign.

    Parameters
    ----------
    panel : Panel
        Eligible rows of one cutoff.
    left : float64 array (n_rows,)
        1 left, 0 stayed.
    own : str
        The table that says who left, whose rhythm is what honest columns are compared with.
    trusted : collection of str
        Columns that the user vouches for, as in ``customers.region``.
    measured : sequence of Strength, optional
        What `strengths` says of the panel, where it has been asked already.

    Returns
    -------
    tuple of Suspicion
        Sorted by column; none where there are fewer than 20 rows of either outcome.
    """
    if not FEWEST_OF_EACH <= left.sum() <= len(left) - FEWEST_OF_EACH:
        return ()
    measured = strengths(panel, left) if measured is None else measured
    found: dict[str, Suspicion] = {}
    for one in (*_knowing(measured, own), *_single(panel, left, measured, own)):
        if one.place not in trusted:
            found.setdefault(one.place, one)
    return tuple(found[place] for place in sorted(found))


def summary(suspicions: Sequence[Suspicion]) -> str:
    """Name the suspected columns in one line, the strongest first; figures and advice stand elsewhere."""
    places = [one.place for one in sorted(suspicions, key=lambda one: (-one.figure, one.place))]
    return f"{KNOWS} {', '.join(places)}"


def rhythm_of(measured: Sequence[Strength], own: str) -> float:
    """AUC of the best single feature that is counted from times of the table that says who left."""
    return max((one.auc for one in measured if is_rhythm(one.feature, own)), default=0.5)


def is_rhythm(feature: AnyFeature, own: str) -> bool:
    """Whether a feature is counted from the times of one table only."""
    if isinstance(feature, Derived):
        return is_rhythm(feature.left, own) and is_rhythm(feature.right, own)
    if any(source.table != own for source in feature.sources()):
        return False
    return feature.column is None or feature.aggregate is Aggregate.DAYS_TO_RENEWAL


def blamed(feature: AnyFeature) -> list[tuple[str, str]]:
    """Return the columns that a feature's values come from; its times where it only counts.

    The conditions of a source are blamed only where nothing else is read.
    """
    if isinstance(feature, Derived):
        return list(dict.fromkeys([*blamed(feature.left), *blamed(feature.right)]))
    if feature.column is not None and (feature.source.table, feature.column) in feature.columns():
        return [(feature.source.table, feature.column)]
    read = [pair for pair in feature.columns() if kind_of(*pair) is not Kind.TIME]
    return list(dict.fromkeys(read)) or [(feature.source.table, feature.source.at)]


def _counts_times(feature: AnyFeature) -> bool:
    """Whether a feature is only counted from times, of whatever table."""
    return all(kind_of(*pair) is Kind.TIME for pair in blamed(feature))


def _knowing(measured: Sequence[Strength], own: str) -> Iterator[Suspicion]:
    """Features that rank leavers too well."""
    errors = 1 - rhythm_of(measured, own)
    for one in sorted(measured, key=lambda one: -one.auc):
        bar = BAR_OF_TIMES if _counts_times(one.feature) else BAR
        if is_rhythm(one.feature, own) or one.low() < bar or 1 - one.auc >= ERRORS_OF_RHYTHM * errors:
            continue
        seen = {View.ORDER: "alone", View.FILLED: "alone, by being filled or not,", View.GROUPS: "alone"}
        why = (
            f"{seen[one.view]} ranks who leaves with an AUC of {one.auc:.3f} "
            f"({'dates alone reach' if errors < 0.5 else 'chance is'} {1 - errors:.2f})"  # noqa: PLR2004  (chance)
        )
        for table, column in blamed(one.feature):
            yield Suspicion(table, column, one.feature.name, one.auc, why)


def _single(panel: Panel, left: Numbers, measured: Sequence[Strength], own: str) -> Iterator[Suspicion]:
    """Attributes as of the cutoff whose single values, or whose order, give the outcome away."""
    order = {one.feature.name: one for one in measured if one.view is View.ORDER}
    for feature in panel.features:
        if isinstance(feature, Derived) or feature.aggregate is not Aggregate.LATEST:
            continue
        values, table = panel.column(feature.name), feature.source.table
        is_word = feature.name in panel.levels
        signs: list[tuple[float, str] | None] = []
        if table == "customers" or table == own == "subscriptions":
            signs.append(_one_outcome(values, left, is_word=is_word))
        if table == "customers":
            measured_order = _order_of_words(feature, values, left) if is_word else order.get(feature.name)
            if not is_word:
                signs.append(_after_cutoff(values, panel, order.get(feature.name)))
            signs.append(_stands_for_row(values, panel, measured_order, is_word=is_word))
        for sign in signs:
            if sign:
                yield Suspicion(table, str(feature.column), feature.name, *sign)


def _one_outcome(values: Numbers, left: Numbers, *, is_word: bool) -> tuple[float, str] | None:
    """Rows that share a value and have one outcome only."""
    filled = ~np.isnan(values)
    rate = float(left.mean())
    for rows, what in ((filled, "filled"), (~filled, "missing")):
        for outcome, share, whose in ((left, rate, "left"), (1 - left, 1 - rate, "stayed")):
            expected, others = rows.sum() * (1 - share), float((1 - outcome)[rows].sum())
            if expected >= FEWEST_EXPECTED and others <= MOST_OF_EXPECTED * expected:
                return 1 - others / expected, (
                    f"is {what} for {int(rows.sum()):,} customers, of whom {outcome[rows].mean():.1%} "
                    f"{whose}; of all {share:.1%} did"
                )
    distinct, codes = np.unique(values[filled], return_inverse=True)
    if not len(distinct) or (len(distinct) > _FEW_VALUES and not is_word):
        return None
    expected_of = np.bincount(codes) * (1 - rate)
    stayers = np.bincount(codes, 1 - left[filled])
    pure = (expected_of >= FEWEST_EXPECTED) & (stayers <= MOST_OF_EXPECTED * expected_of)
    if not pure.any():
        return None
    n_rows = int(np.bincount(codes)[pure].sum())
    return 1 - float((stayers[pure] / expected_of[pure]).max()), (
        f"has a value that only leavers have: {n_rows:,} customers, of whom "
        f"{1 - stayers[pure].sum() / n_rows:.1%} left; of all {rate:.1%} did"
    )


def _after_cutoff(values: Numbers, panel: Panel, order: Strength | None) -> tuple[float, str] | None:
    """Numbers that are dates, some of them at the cutoff or after it."""
    known = values[~np.isnan(values)]
    moments = _moments(known)
    if moments is None or order is None or order.low() <= 0.5:  # noqa: PLR2004  (chance)
        return None
    share = float((moments >= panel.cutoffs.min()).mean())
    if share < _AHEAD:
        return None
    return share, f"holds dates, {share:.0%} of them at the cutoff or later: it was written afterwards"


def _moments(known: Numbers) -> Numbers | None:
    """Read numbers as dates such as 20240131 or as counts since 1970; None where they are neither."""
    if len(known) == 0 or (known != np.trunc(known)).any():
        return None
    month, day = known // 100 % 100, known % 100
    dates = (known >= _FIRST_DATE) & (known <= _LAST_DATE)
    dates &= (month >= 1) & (month <= 12) & (day >= 1) & (day <= 31)  # noqa: PLR2004  (of a calendar)
    if dates.mean() >= _DATES:
        # Days of a month that are too many for it fall into the next one, which is near enough.
        years = known // 10_000
        months = (years - 1970) * 12 + month - 1
        firsts = months.astype(np.int64).astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
        found: Numbers = (firsts + day - 1) * float(MICROSECONDS_PER_DAY)
        return found
    for unit in _UNITS:
        counted = known * (1e6 / unit)
        if ((counted >= _EARLIEST) & (counted <= _LATEST)).mean() >= _DATES:
            return np.asarray(counted)
    return None


def _order_of_words(feature: AnyFeature, values: Numbers, left: Numbers) -> Strength | None:
    """How well the alphabet tells who leaves."""
    filled = ~np.isnan(values)
    if not FEWEST_OF_EACH <= left[filled].sum() <= filled.sum() - FEWEST_OF_EACH:
        return None
    value, error = auc(left[filled], values[filled])
    return Strength(feature, View.ORDER, max(value, 1 - value), error)


def _stands_for_row(
    values: Numbers, panel: Panel, order: Strength | None, *, is_word: bool
) -> tuple[float, str] | None:
    """A value of its own on nearly every row, with the outcome following its order."""
    known = values[~np.isnan(values)]
    if order is None or order.low() < ID_BAR:
        return None
    distinct = len(np.unique(known)) / len(known)
    if distinct < (_DISTINCT_WORDS if is_word else _DISTINCT_NUMBERS):
        return None
    dense = np.ptp(known) <= _DENSE * max(len(panel.customer_ids), len(known))
    if not is_word and ((known != np.trunc(known)).any() or not dense):
        return None
    return order.auc, (
        f"has a value of its own on {distinct:.0%} of the rows, as an id has, and the outcome follows "
        f"its order with an AUC of {order.auc:.3f}: it stands for the row or its time"
    )

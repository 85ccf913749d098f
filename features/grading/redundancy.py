"""Redundancy: columns that say nothing of their own, because they are constant or repeat another one.

The rules are written down in `features.quality`.
"""

from collections.abc import Iterator
from itertools import combinations

import numpy as np
import numpy.typing as npt

from features.grading.census import Census, TableCensus
from features.grading.grades import Dimension, Finding, Grade
from features.selection import contract_of
from features.tables import Kind

Values = npt.NDArray[np.float64]

_ALIKE = 0.999
_NEARLY_ALL = 0.99
_COMPARED_ROWS = 20_000
_FEWEST_ROWS = 20
_STRUCTURAL = frozenset({"household_id", "order_id"})


def redundancy(census: Census) -> list[Finding]:
    """Grade a store on the relevance that its columns can have whatever the outcome.

    Parameters
    ----------
    census : Census

    Returns
    -------
    list of Finding
    """
    found: list[Finding] = []
    for table in census.tables.values():
        if table.rows >= _FEWEST_ROWS:
            constant = list(_constant(table))
            found += constant
            found += _repeated(table, {finding.column for finding in constant})
    return found


def _constant(table: TableCensus) -> Iterator[Finding]:
    """Columns that have one value in every row; one that the contract requires cannot be left out."""
    required = contract_of(table.name).required
    for column in table.kinds:
        if column in required:
            continue
        values = table.sample(column)
        known = values[~np.isnan(values)]
        if len(known) == len(values) and len(known) and known.min() == known.max():
            yield Finding(
                Dimension.RELEVANCE,
                table.name,
                column,
                Grade.B,
                1.0,
                "the same value on every row",
                "Leave it out: it tells no customer from another.",
            )


def _repeated(table: TableCensus, constant: set[str | None]) -> Iterator[Finding]:
    """Columns that repeat an earlier one."""
    # One that the contract requires stays, so it comes first and the other repeats it.
    required = contract_of(table.name).required
    columns = [c for c in table.kinds if c not in constant and c not in _STRUCTURAL]
    columns.sort(key=lambda column: column not in required)
    samples = {c: _thinned(table.sample(c)) for c in columns}
    told: set[str] = set()
    for one, other in combinations(columns, 2):
        if one in told or other in told or other in required:
            continue
        if _family(table.kinds[one]) != _family(table.kinds[other]):
            continue
        alike = likeness(samples[one], samples[other], words=table.kinds[one] is Kind.CATEGORY)
        if alike < _ALIKE:
            continue
        told.add(other)
        what = f"a copy of {one}" if alike == 1 else f"almost a copy of {one} ({alike:.2%} alike)"
        yield Finding(
            Dimension.RELEVANCE, table.name, other, Grade.B, alike, what, f"Keep one of {one} and {other}."
        )


def likeness(one: Values, other: Values, *, words: bool) -> float:
    """How far one column repeats another, from 0 to 1; columns filled on different rows are not alike.

    Numbers are compared by the share of equal ones and by their correlation, whichever is higher (so
    a price in cents repeats one in euros); words by the share of rows on which each stands for the other.

    Examples
    --------
    >>> x = np.arange(50.0)
    >>> likeness(x, 100 * x + 3, words=False), likeness(x % 5, 4 - x % 5, words=True)
    (1.0, 1.0)
    """
    known = ~np.isnan(one) & ~np.isnan(other)
    filled = ~np.isnan(one) | ~np.isnan(other)
    n = int(known.sum())
    if n < _FEWEST_ROWS or n < _NEARLY_ALL * filled.sum():
        return 0.0
    one, other = one[known], other[known]
    if words:
        return min(_explained(one, other), _explained(other, one))
    equal = float((one == other).mean())
    if equal >= _ALIKE or one.min() == one.max() or other.min() == other.max():
        return equal
    r = abs(float(np.corrcoef(one, other)[0, 1]))
    return max(equal, 1.0 if r > 1 - 1e-12 else r)


def _explained(one: Values, other: Values) -> float:
    """Share of rows on which the most frequent partner of each value stands."""
    pairs, counts = np.unique(np.stack([one, other]), axis=1, return_counts=True)
    values, places = np.unique(pairs[0], return_inverse=True)
    if len(values) > len(one) / 2:
        # Ids of rows explain everything.
        return 0.0
    best = np.zeros(len(values), np.int64)
    np.maximum.at(best, places, counts)
    return float(best.sum() / len(one))


def _family(kind: Kind) -> str:
    """Kinds whose values can be compared."""
    return "words" if kind is Kind.CATEGORY else "times" if kind is Kind.TIME else "numbers"


def _thinned(values: Values) -> Values:
    """At most so many values, evenly."""
    return values[:: max(1, -(-len(values) // _COMPARED_ROWS))]

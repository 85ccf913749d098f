"""Hindsight: columns that know the outcome, because they were written after it or computed from it."""

from collections.abc import Collection, Mapping

import duckdb
import numpy as np
import numpy.typing as npt

from features.naming import name
from features.proposing.profiling import ColumnProfile, Look
from features.proposing.vocabulary import fit, meaning, words

TOO_GOOD = 0.85
"""AUC of one column alone above which it is taken to know the outcome."""

_DOUBTFUL = 0.70
_MOST_WORDS = 100


def tell_tales(
    connection: duckdb.DuckDBPyConnection,
    sample: str,
    columns: Mapping[str, ColumnProfile],
    left: str | None,
    candidates: Collection[str],
) -> dict[str, str]:
    """Find columns that know the outcome, by their names and, where it is known, by their values.

    Parameters
    ----------
    connection : DuckDBPyConnection
    sample : str
        The table with the sample.
    columns : mapping of str to ColumnProfile
    left : str or None
        SQL of whether somebody has left, None where the source does not say.
    candidates : collection of str
        The columns in question.

    Returns
    -------
    dict of str to str
        Column and the reason.
    """
    tales = {}
    for candidate in candidates:
        column = columns[candidate]
        alone = _alone(connection, sample, column, left) if left else None
        figure = f" (alone: AUC {alone:.2f})" if alone is not None else ""
        if fit(candidate, meaning("after_outcome")):
            tales[candidate] = f"by its name known only after the outcome{figure}"
        elif alone is not None and alone >= TOO_GOOD:
            tales[candidate] = f"tells leavers from the others too well{figure}"
        elif fit(candidate, meaning("doubtful")) and (alone is None or alone >= _DOUBTFUL):
            is_exact = len(words(candidate)) == 1
            if alone is not None or is_exact:
                tales[candidate] = f"often written after the outcome{figure}"
    return tales


def auc(scores: npt.NDArray[np.float64], left: npt.NDArray[np.bool_]) -> float:
    """Chance that a leaver has a higher score than somebody else, ties counted half; the better direction.

    Examples
    --------
    >>> auc(np.array([1.0, 2.0, 3.0, 3.0]), np.array([False, False, True, True]))
    1.0
    """
    n_left = int(left.sum())
    n_others = len(left) - n_left
    if not n_left or not n_others:
        return 0.5
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    area = (ranks[left].sum() - n_left * (n_left + 1) / 2) / (n_left * n_others)
    return float(max(area, 1 - area))


def _alone(
    connection: duckdb.DuckDBPyConnection, sample: str, column: ColumnProfile, left: str
) -> float | None:
    """AUC of one column alone, None where it has too many words to say; missing is a value too."""
    given = name(column.name)
    if column.look in {Look.NUMBER, Look.FLAG} and column.form is None:
        given = f"try_cast({given} AS DOUBLE)" if not column.words else f"CAST({given} AS VARCHAR)"
    if column.look is Look.CATEGORY or column.words:
        if column.distinct > _MOST_WORDS:
            return None
        given = f"avg(({left})::INT) OVER (PARTITION BY {given})"
    elif not column.is_number and column.type != "BOOLEAN":
        given = f"({given} IS NOT NULL)::INT"
    rows = connection.execute(
        f"SELECT coalesce(CAST({given} AS DOUBLE), -1e300) AS score, ({left}) AS has_left "
        f"FROM {name(sample)} WHERE ({left}) IS NOT NULL"
    ).fetchnumpy()
    return auc(np.asarray(rows["score"], np.float64), np.asarray(rows["has_left"], np.bool_))

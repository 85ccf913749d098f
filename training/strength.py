"""Strength: how well a single column tells who leaves, with its interval.

A column is looked at in three ways, each a ranking of the rows:

* ``order``: its numbers as they are, over the rows that fill it;
* ``filled``: whether it is filled;
* ``groups``: the churn rate of its level, or of one of twenty equal-sized ranges of its numbers, learnt from
  four fifths of the rows and applied to the fifth, so that a level of one row says nothing about itself.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri
from scipy.stats import rankdata

from features.declarations import AnyFeature
from features.events import Numbers
from features.panel import Panel

_FOLDS, _RANGES = 5, 20
_PRIOR_ROWS = 10.0
FEWEST_OF_EACH = 20
"""Rows of either outcome below which nothing is said."""


class View(StrEnum):
    """How a column is looked at."""

    ORDER = "order"
    FILLED = "filled"
    GROUPS = "groups"


@dataclass(frozen=True)
class Strength:
    """How well one feature tells who leaves, seen in one way.

    ``auc`` is that of the ranking, above 0.5 in the direction that tells more; ``error`` its standard error.
    """

    feature: AnyFeature
    view: View
    auc: float
    error: float

    def low(self, level: float = 0.95) -> float:
        """Lower end of the interval of the AUC that covers it with this probability."""
        return self.auc - float(ndtri((1 + level) / 2)) * self.error


def strengths(panel: Panel, left: Numbers) -> list[Strength]:
    """Measure every feature of a panel in every way that applies to it.

    Parameters
    ----------
    panel : Panel
        Rows of one cutoff.
    left : float64 array (n_rows,)
        1 left, 0 stayed.

    Returns
    -------
    list of Strength
        In the order of the features; none for one that has fewer than 20 rows of either outcome.
    """
    return [found for feature in panel.features for found in _of(panel, feature, left)]


def _of(panel: Panel, feature: AnyFeature, left: Numbers) -> Iterator[Strength]:
    """Measure one feature."""
    values = panel.column(feature.name)
    filled = ~np.isnan(values)
    is_word = feature.name in panel.levels
    if not is_word and _enough(left[filled]):
        yield _strength(feature, View.ORDER, left[filled], values[filled])
    if not _enough(left):
        return
    if 0 < filled.sum() < len(filled):
        yield _strength(feature, View.FILLED, left, filled.astype(np.float64))
    groups = values if is_word else ranges(values)
    rates = out_of_fold(groups, left)
    value, error = auc(left, rates)
    yield Strength(feature, View.GROUPS, value, error)


def _enough(left: Numbers) -> bool:
    """Whether there are enough rows of either outcome."""
    return bool(FEWEST_OF_EACH <= left.sum() <= len(left) - FEWEST_OF_EACH)


def _strength(feature: AnyFeature, view: View, left: Numbers, values: Numbers) -> Strength:
    value, error = auc(left, values)
    return Strength(feature, view, max(value, 1 - value), error)


def auc(left: Numbers, scores: Numbers) -> tuple[float, float]:
    """Area under the ROC curve and its standard error (DeLong, DeLong and Clarke-Pearson 1988).

    Parameters
    ----------
    left : float64 array (n_rows,)
        1 and 0, both occurring.
    scores : float64 array (n_rows,)
        Ties count half.

    Examples
    --------
    >>> area, error = auc(np.array([0.0, 0, 1, 1]), np.array([1.0, 2, 2, 3]))
    >>> area, round(error, 3)
    (0.875, 0.177)
    """
    ranks = rankdata(scores)
    positive = left > 0
    n_left, n_stayed = int(positive.sum()), int((~positive).sum())
    above = (ranks[positive] - rankdata(scores[positive])) / n_stayed
    below = 1 - (ranks[~positive] - rankdata(scores[~positive])) / n_left
    variance = above.var(ddof=1) / n_left + below.var(ddof=1) / n_stayed
    return float(above.mean()), float(np.sqrt(variance))


def ranges(values: Numbers) -> Numbers:
    """Which of twenty ranges, about equally filled, each number is in; NaN stays NaN.

    Examples
    --------
    >>> ranges(np.array([3.0, np.nan, 1.0, 2.0])).tolist()
    [2.0, nan, 0.0, 1.0]
    """
    distinct = np.unique(values[~np.isnan(values)])
    if len(distinct) > _RANGES:
        edges = np.quantile(values[~np.isnan(values)], np.linspace(0, 1, _RANGES + 1)[1:-1])
        distinct = np.unique(edges)
        found = np.searchsorted(distinct, values, side="right").astype(np.float64)
    else:
        found = np.searchsorted(distinct, values).astype(np.float64)
    found[np.isnan(values)] = np.nan
    return found


def out_of_fold(groups: Numbers, left: Numbers) -> Numbers:
    """Churn rate of the group of each row, learnt from the other folds and drawn to the overall rate.

    Parameters
    ----------
    groups : float64 array (n_rows,)
        Codes; NaN is a group of its own.
    left : float64 array (n_rows,)
    """
    _, codes = np.unique(np.where(np.isnan(groups), -1.0, groups), return_inverse=True)
    fold: npt.NDArray[np.int64] = np.arange(len(left)) % _FOLDS
    n_groups = int(codes.max(initial=0)) + 1
    cells = fold * n_groups + codes
    rows = np.bincount(cells, minlength=_FOLDS * n_groups).reshape(_FOLDS, n_groups)
    leavers = np.bincount(cells, left, _FOLDS * n_groups).reshape(_FOLDS, n_groups)
    # One overall rate for all folds: a rate of its own for each would rank the folds, against the outcome.
    rate = left.mean()
    others = (leavers.sum(0) - leavers + _PRIOR_ROWS * rate) / (rows.sum(0) - rows + _PRIOR_ROWS)
    found: Numbers = others[fold, codes]
    return found

"""What a search may change in an estimator, and what the trees of an estimator learn.

An estimator that can be searched says so in data and three methods:

``search_space``
    Mapping of parameter to `Range`; every default lies inside.
``lesson(X, y, cutoffs)``
    The `Lesson` of the booster that stands for all of them.
``growth()``
    How that booster is grown with the estimator's present parameters: ``parameters()`` in XGBoost's names.
``row_losses(X, y)``
    Loss of every row, predicted by the whole fitted estimator.

One without a space is never searched.

The number of rounds is in no space: a learning curve tells it.  Nor is the learning rate: at one rate curves
can be compared round by round, and a lower one only asks for more rounds.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from features.events import Numbers


class Range(NamedTuple):
    """Where a parameter is looked for: its ends, and whether in logarithms or in whole numbers."""

    low: float
    high: float
    scale: Literal["linear", "log", "whole"]


TREES: Mapping[str, Range] = {
    "max_depth": Range(2, 6, "whole"),
    "min_child_weight": Range(1.0, 200.0, "log"),
    "reg_lambda": Range(0.1, 100.0, "log"),
    "subsample": Range(0.5, 1.0, "linear"),
    "colsample_bytree": Range(0.2, 1.0, "linear"),
}
"""How shallow trees are kept sound: what `training.boosting.Growth` holds beside rounds and rate."""


@dataclass(frozen=True)
class Lesson:
    """What a booster learns.

    Attributes
    ----------
    X : array (n_rows, n_inputs)
        Inputs; NaN is missing.
    y, start : float64 arrays (n_rows,)
        Labels, and each row's starting point on the scale of the objective's link.
    objective : mapping
        XGBoost's objective and its parameters.
    losses : callable
        Told labels and margins of rows, gives the loss of each.
    tells_rounds : bool
        Whether the estimator's parameter ``rounds`` is what the curve tells; else it finds them itself.
    """

    X: Numbers
    y: Numbers
    start: Numbers
    objective: Mapping[str, Any]
    losses: Callable[[Numbers, Numbers], Numbers]
    tells_rounds: bool = True

"""Groups of customers, as people who run a business would name them: for judging a model group by group."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from features.events import Numbers
from features.panel import Panel
from features.transactions import REPEAT_FEATURES
from training.questions import TENURE

Labels = npt.NDArray[np.str_]

MOST_GROUPS = 8
"""Levels of a category that are groups of their own, the most frequent ones."""

OTHERS, UNKNOWN = "others", "unknown"

_TENURE_DAYS = (90.0, 365.0, 730.0)
_SINCE_DAYS = (30.0, 90.0, 180.0)
_BANDS = {
    TENURE: ("tenure", _TENURE_DAYS),
    REPEAT_FEATURES.names[1]: ("tenure as a buyer", _TENURE_DAYS),
    REPEAT_FEATURES.names[2]: ("days since last purchase", _SINCE_DAYS),
    REPEAT_FEATURES.names[0]: ("purchase days", (1.0, 2.0, 5.0)),
}
"""What is put into bands: the feature, what people call it, and the upper ends of all bands but the last."""


def segments(panel: Panel) -> dict[str, Labels]:
    """Divide the rows of a panel in every way that says something to people.

    Parameters
    ----------
    panel : Panel

    Returns
    -------
    dict of str to array of str (n_rows,)
        By the name of the division: each category with its most frequent levels, `OTHERS` and `UNKNOWN`;
        tenure, days since last purchase and purchase days in bands.  A division with one group is left out.
    """
    found = {name: _levels(panel.column(name), levels) for name, levels in panel.levels.items()}
    for name, (called, ends) in _BANDS.items():
        if name in panel.features.names:
            found[called] = _bands(panel.column(name), ends)
    return {name: labels for name, labels in found.items() if len(np.unique(labels)) > 1}


def _levels(codes: Numbers, levels: Sequence[str]) -> Labels:
    """Label rows with their level, rare ones with `OTHERS`."""
    known = ~np.isnan(codes)
    counts = np.bincount(codes[known].astype(np.int64), minlength=len(levels))
    frequent = set(np.argsort(-counts, kind="stable")[:MOST_GROUPS].tolist())
    names = [level if code in frequent else OTHERS for code, level in enumerate(levels)]
    return np.array([*names, UNKNOWN])[np.where(known, codes, len(levels)).astype(np.int64)]


def _bands(values: Numbers, ends: Sequence[float]) -> Labels:
    """Label rows with the band that their value lies in; an upper end belongs to its band."""
    between = [f"{low:g} to {high:g}" for low, high in pairwise(ends)]
    names = [f"up to {ends[0]:g}", *(f"over {text}" for text in between), f"over {ends[-1]:g}", UNKNOWN]
    place = np.searchsorted(np.asarray(ends), values, side="left")
    return np.array(names)[np.where(np.isnan(values), len(ends) + 1, place)]

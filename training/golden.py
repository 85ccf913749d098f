"""Golden rows: made-up customers whose answers a model must repeat wherever it is read."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from features.events import Numbers
from features.panel import Panel

_LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)


def rounded(answers: Mapping[str, Numbers]) -> dict[str, list[float | None]]:
    """To nine digits: other processors may round the last bits of a logarithm differently."""
    return {
        name: [None if np.isnan(value) else float(f"{value:.9g}") for value in values]
        for name, values in answers.items()
    }


def plain(frame: pd.DataFrame) -> list[list[float | str | None]]:
    """Rows of a frame as plain JSON values."""
    rows = frame.astype(object).where(frame.notna(), None).to_numpy().tolist()
    return [list(row) for row in rows]


def rows_like(panel: Panel) -> Panel:
    """Customers at the quantiles of every feature, whole where it is whole; codes are taken in turn."""
    with np.errstate(all="ignore"):
        filled = ~np.isnan(panel.numbers).all(axis=0)
        numbers = np.full((len(_LEVELS), panel.numbers.shape[1]), np.nan)
        numbers[:, filled] = np.nanquantile(panel.numbers[:, filled], _LEVELS, axis=0, method="lower")
    for position, name in enumerate(panel.features.names):
        if name in panel.levels:
            numbers[:, position] = np.arange(len(numbers)) % max(len(panel.levels[name]), 1)
    n = len(numbers)
    ids = [f"golden-{i}" for i in range(n)]
    return Panel(panel.features, ids, np.arange(n), np.zeros(n, np.int64), numbers, panel.levels)

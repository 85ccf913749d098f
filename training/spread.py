"""How far value lies from its expectation: nothing, or so many times what was expected of a buyer.

A customer brings nothing with a chance that is known; who brings anything brings the expectation of a buyer
times a ratio whose distribution is taken from training as it is, whatever its shape.  So a quantile is exact
where most bring nothing, which no bell curve around an expectation is.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np

from features.events import Numbers

LOW, HIGH = 0.1, 0.9
"""The quantiles of the 80 % interval."""

_LEVELS = np.linspace(0.01, 0.99, 50)
_LEAST = 1e-6
_MOST_BINS, _ROWS_PER_BIN, _FEWEST_LOW = 20, 200, 20


@dataclass(frozen=True)
class Spread:
    """Quantiles of realised ÷ expected among those who brought anything.

    Attributes
    ----------
    ratios : tuple of float
        At levels evenly from 1 % to 99 %; ones where nobody brought anything.
    """

    ratios: tuple[float, ...]

    @classmethod
    def of(cls, realised: Numbers, expected_of_buyer: Numbers) -> Self:
        """Measure on buyers; the ratios are brought to a mean of one, so the expectation stays what it is."""
        if not len(realised):
            return cls((1.0,) * len(_LEVELS))
        ratio = realised / np.maximum(expected_of_buyer, _LEAST)
        found = np.quantile(ratio, _LEVELS) / max(float(ratio.mean()), _LEAST)
        return cls(tuple(float(value) for value in found))

    def quantile(self, level: float, chance: Numbers, expected: Numbers) -> Numbers:
        """Quantile of value, shape (n_rows,), given the chance of bringing anything and the expectation."""
        chance = np.maximum(chance, _LEAST)
        within = (level - (1.0 - chance)) / chance
        ratio = np.interp(np.clip(within, _LEVELS[0], _LEVELS[-1]), _LEVELS, self.ratios)
        return np.asarray(np.where(within > 0, expected / chance * ratio, 0.0))

    def ends(self, chance: Numbers, expected: Numbers) -> tuple[Numbers, Numbers]:
        """Lower and upper end of the 80 % interval, each (n_rows,); they enclose the expectation."""
        low, high = (self.quantile(level, chance, expected) for level in (LOW, HIGH))
        return np.minimum(low, expected), np.maximum(high, expected)


def factors(realised: Numbers, expected: Numbers, low: Numbers, high: Numbers) -> dict[str, list[float]]:
    """By how much the ends of an interval must be moved so that each is missed by one in ten.

    In bins of like expectation, the quantiles of realised ÷ end (conformal prediction by bins, Vovk 2012) on
    rows that the model was not fitted to: honest whatever the shape of spending.

    Returns
    -------
    dict of str to list of float
        ``expected`` of the bins, and for each the factors of ``low`` and ``high``.
    """
    n_bins = int(np.clip(len(expected) // _ROWS_PER_BIN, 1, _MOST_BINS))
    bins = np.array_split(np.argsort(expected, kind="stable"), n_bins)
    above = realised / np.maximum(high, _LEAST)
    below = np.divide(realised, low, out=np.full(len(low), np.nan), where=low > 0)
    everywhere = _rank_quantile(below[low > 0], LOW) if (low > 0).sum() >= _FEWEST_LOW else 0.0
    return {
        "expected": [float(np.median(expected[rows])) for rows in bins],
        "low": [_low_factor(below[rows], everywhere) for rows in bins],
        "high": [_rank_quantile(above[rows], HIGH) for rows in bins],
    }


def _low_factor(below: Numbers, everywhere: float) -> float:
    known = below[~np.isnan(below)]
    return _rank_quantile(known, LOW) if len(known) >= _FEWEST_LOW else everywhere


def _rank_quantile(values: Numbers, level: float) -> float:
    """Quantile with the finite-sample correction of conformal prediction: outwards by one rank."""
    n = len(values)
    rank = np.ceil((n + 1) * level) if level > 0.5 else np.floor((n + 1) * level)  # noqa: PLR2004  (the median)
    return float(np.sort(values)[int(np.clip(rank - 1, 0, n - 1))])

"""What is expected of a customer from their purchase days and spend alone: the prior of every other model."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from features.events import Numbers
from features.panel import Panel
from features.transactions import REPEAT_FEATURES
from training.btyd import BgNbd, GammaGamma, MbgNbd, Rhythm, rhythm_from_dict, rhythm_to_dict

FEWEST_SPENDERS = 50
"""Customers who bought on two days or more from whom spends can be told apart."""

_SAFE = 1e-6
_SINCE = REPEAT_FEATURES.names[2]


def has_bought(panel: Panel) -> npt.NDArray[np.bool_]:
    """Whether each row has a purchase before its cutoff, shape (n_rows,)."""
    if _SINCE not in panel.features.names:
        return np.zeros(len(panel), np.bool_)
    return ~np.isnan(panel.column(_SINCE))


@dataclass(frozen=True)
class RepeatBuying:
    """What is expected of a customer from their rhythm and spend alone.

    The rhythm is a BG/NBD or an MBG/NBD, whichever makes the purchases more likely (both have four
    parameters); in the MBG/NBD a customer may leave after the first purchase already.  The spend is a
    Gamma-Gamma.
    ``spend`` is None where too few customers bought on two days or more to tell spends apart; the mean
    value of a purchase day is then each customer's own.
    """

    rhythm: Rhythm
    spend: GammaGamma | None

    @classmethod
    def fit(cls, panel: Panel) -> "RepeatBuying":
        """Fit to the rows of one cutoff; every row has bought before it."""
        x, t_x, T, value = histories(panel)
        rhythm = max((model.fit(x, t_x, T) for model in (BgNbd, MbgNbd)), key=_likelihood)
        usable = (value > 0) & (x > 0)
        enough = int(usable.sum()) >= FEWEST_SPENDERS
        return cls(rhythm, GammaGamma.fit(x[usable] + 1, value[usable]) if enough else None)

    def silence(self, panel: Panel, gap_days: float, horizon_days: float) -> Numbers:
        """P(buys nothing in the outcome window), shape (n_rows,).

        A purchase in the gap does not break the silence, but may be the last one.
        """
        x, t_x, T, _ = histories(panel)
        silent = self.rhythm.probability_no_purchase(horizon_days, x, t_x, T, gap_days=gap_days)
        return np.clip(silent, _SAFE, 1 - _SAFE)

    def amount(self, panel: Panel, gap_days: float, horizon_days: float) -> Numbers:
        """Return the expected amount in the outcome window, in minor units, shape (n_rows,)."""
        x, t_x, T, value = histories(panel)
        mean = self.spend.expected_mean(x + 1, value) if self.spend else value
        purchases = self.rhythm.expected_purchases(gap_days + horizon_days, x, t_x, T)
        if gap_days:
            purchases = purchases - self.rhythm.expected_purchases(gap_days, x, t_x, T)
        return np.maximum(purchases * mean, _SAFE)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values from which `from_dict` makes the same prior."""
        return {"rhythm": rhythm_to_dict(self.rhythm), "spend": asdict(self.spend) if self.spend else None}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "RepeatBuying":
        """Make the prior that `to_dict` wrote."""
        return cls(rhythm_from_dict(data["rhythm"]), GammaGamma(**data["spend"]) if data["spend"] else None)


def _likelihood(model: Rhythm) -> float:
    return model.log_likelihood


def histories(panel: Panel) -> tuple[Numbers, Numbers, Numbers, Numbers]:
    """Return x, t_x, T in days and the mean value of a purchase day in minor units.

    x is the number of purchase days after the first, t_x the tenure at the last purchase, T the tenure.
    """
    days, T, since, amount = (panel.column(name) for name in REPEAT_FEATURES.names)
    x = days - 1
    t_x = np.where(x > 0, T - since, 0.0)
    return x, t_x, T, np.maximum(amount / days, _SAFE)

"""What a campaign earns: the profit of contacting those who seem likeliest to leave.

Contacting somebody costs ``contact``; whoever accepts the offer gets ``incentive``.  Of those who would have
left, a share accepts and stays, which is worth their value; of those who would have stayed, everybody takes
the incentive.  How large the share of accepting leavers is, is not known: a Beta distribution says how sure
one is of it.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import isotonic_regression
from scipy.special import betainc

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Costs:
    """What a campaign costs and brings, per customer, in currency units.

    Attributes
    ----------
    value : float
        What a leaver who is kept is worth, where no value of each customer is known.
    incentive : float
        What is given to whoever accepts.
    contact : float
        What asking one customer costs.
    alpha, beta : float
        Of the Beta distribution of the share of asked leavers who accept; its mean is alpha / (alpha + beta).

    Examples
    --------
    >>> Costs().accepting
    0.3
    """

    value: float = 200.0
    incentive: float = 10.0
    contact: float = 1.0
    alpha: float = 6.0
    beta: float = 14.0

    def __post_init__(self) -> None:
        """Refuse costs under which nothing could be earned or everything could."""
        if not (self.value > self.incentive >= 0 and self.contact >= 0 and self.alpha > 0 and self.beta > 0):
            raise ValueError(
                "A kept customer must be worth more than the incentive, costs must be at least 0, and alpha "
                f"and beta above 0: got {asdict(self)}."
            )

    @property
    def accepting(self) -> float:
        """Expected share of asked leavers who accept."""
        return self.alpha / (self.alpha + self.beta)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


@dataclass(frozen=True)
class Optimum:
    """The best that a ranking can earn.

    Attributes
    ----------
    profit : float
        Per customer of the whole base, in currency units.
    share : float
        Of the customers who would be contacted for it, in the mean over how many accept.
    """

    profit: float
    share: float


def expected_maximum_profit(y: ArrayLike, p: ArrayLike, costs: Costs | None = None) -> float:
    """Expected maximum profit of a retention campaign (EMPC), per customer, in currency units.

    For each share of accepting leavers the best cut-off is taken, then the mean over that share. Exact: the
    best cut-offs are the corners of the ROC curve's convex hull, and between two of them the integral is an
    incomplete beta function. Verbraken, Verbeke and Baesens 2013, IEEE TKDE 25(5).
    NaN where everybody has the same outcome.

    Examples
    --------
    >>> round(expected_maximum_profit([1, 1, 0, 0], [0.9, 0.8, 0.2, 0.1]), 4)
    28.0
    >>> expected_maximum_profit([1, 1], [0.9, 0.8])
    nan
    """
    happened, said = np.asarray(y, dtype=np.float64), np.asarray(p, dtype=np.float64)
    _, tie, size = np.unique(said, return_inverse=True, return_counts=True)
    left = np.bincount(tie, weights=happened).astype(np.float64)
    return best_campaign(left, size.astype(np.float64), costs or Costs()).profit


def best_campaign(left: Floats, rows: Floats, costs: Costs) -> Optimum:
    """Find the expected maximum profit from counts in rising order of prediction.

    Parameters
    ----------
    left, rows : float64 array (n_ties,)
        How many left, and how many there are, at each prediction, the lowest first.
    costs : Costs
    """
    total, leavers = float(rows.sum()), float(left.sum())
    if leavers in {0.0, total}:
        return Optimum(float("nan"), float("nan"))
    lost, kept = (np.concatenate([[0.0], part]) / total for part in _hull(left, rows))
    at = _acceptance_at(lost, kept, costs)
    mass, first = (np.diff(found) for found in _moments(at, costs))
    gains = (costs.value - costs.incentive) * lost * first - costs.contact * lost * mass
    spent = (costs.incentive + costs.contact) * kept * mass
    return Optimum(float((gains - spent).sum()), float(((lost + kept) * mass).sum()))


def _hull(left: Floats, rows: Floats) -> tuple[Floats, Floats]:
    """Leavers and stayers among the top, at each corner of the ROC curve's convex hull but its origin.

    The hull's sides are the blocks of the isotonic regression of the churn rate on the prediction.
    """
    some = rows > 0
    left, rows = left[some], rows[some]
    blocks = isotonic_regression(left / rows, weights=rows).blocks
    lost, all_rows = (np.add.reduceat(part, blocks[:-1])[::-1] for part in (left, rows))
    return np.cumsum(lost), np.cumsum(all_rows - lost)


def _acceptance_at(lost: Floats, kept: Floats, costs: Costs) -> Floats:
    """Acceptance from which each corner is better than the one before, within 0 and 1, with both ends."""
    more_lost, more_kept = np.diff(lost), np.diff(kept)
    gain = (costs.value - costs.incentive) * more_lost
    needed = (costs.incentive + costs.contact) * more_kept + costs.contact * more_lost
    at = np.divide(needed, gain, out=np.full(len(gain), np.inf), where=gain > 0)
    # Beyond 1 nobody can accept; rounding must not turn the corners' order around.
    return np.concatenate([[0.0], np.maximum.accumulate(np.clip(at, 0.0, 1.0)), [1.0]])


def _moments(at: Floats, costs: Costs) -> tuple[Floats, Floats]:
    """Mass of the Beta distribution below each acceptance, and its partial mean."""
    mass = betainc(costs.alpha, costs.beta, at)
    return mass, costs.accepting * betainc(costs.alpha + 1.0, costs.beta, at)


def contact_profit(chance: Floats, values: Floats, costs: Costs) -> Floats:
    """Profit of contacting each customer, given the chance of leaving (or, later, whether they left).

    Examples
    --------
    >>> contact_profit(np.array([1.0, 0.5, 0.0]), np.array([200.0, 200.0, 200.0]), Costs()).round(6)
    array([ 56. ,  22.5, -11. ])
    """
    kept = costs.accepting * (values - costs.incentive)
    return np.asarray(chance * kept - (1.0 - chance) * costs.incentive - costs.contact)

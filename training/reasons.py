"""Reasons: what moves the churn probability of one customer.

The logit of every attrition model is a base value plus one contribution for each of its inputs, exactly:
terms of linear parts and the prior's offset as they are, Shapley values of the trees.  Contributions of the
inputs that are forms of one feature are summed, so every feature has one, and all of them with the base are
the logit again.

One contribution c is said as an *effect* in points of probability: 100 (p(f) - p(f - c)), where f is the
customer's logit and p the logistic function.  Without that contribution, and with all others as they are,
the churn probability would be so many points lower (higher, where the effect is negative).  Contributions
add up in logits; effects do not: of two that each suffice alone, neither moves much.  A reason says what the
model answers by, never what would happen if the customer were changed.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from features.events import Numbers
from features.panel import Panel
from training import wording
from training.inputs import BUYING_RHYTHM, PRIOR_CHURN, Inputs
from training.repeat_buying import RepeatBuying, histories

SMALLEST = 0.01
"""Families that contribute less, in logits, are not spoken of: a quarter of a point at most."""

RHYTHM_FAMILY = "buying rhythm"
_LEAST_POINTS = 0.05


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason for a customer's churn probability.

    Attributes
    ----------
    feature : str
        A feature's name, or ``buying_rhythm``.
    value : float or str or None
        The customer's own value, in the feature's unit, the text of a category; None where there is none.
        Of the buying rhythm: the churn probability that follows from the dates of purchases alone.
    effect : float
        Points of churn probability: how much lower it would be without this contribution.
    contribution : float
        The same in logits, where all contributions and the base add up.
    """

    feature: str
    value: float | str | None
    effect: float
    contribution: float


@dataclass(frozen=True)
class Effects:
    """What every feature contributes to the logit of every row.

    Attributes
    ----------
    names, families : tuple of str (n_names,)
        The model's features in order, and last ``buying_rhythm`` where its inputs know one.
    contributions : float64 array (n_rows, n_names)
        In logits; 0 for a feature that has no input.
    base : float64 array (n_rows,)
        The logit before anything is known of the customer.
    logit : float64 array (n_rows,)
        The model's answer.
    values : float64 array (n_rows, n_names)
        NaN where a feature has no value; the code of its level for a category.
    panel : Panel
        The rows, for the words.
    """

    names: tuple[str, ...]
    families: tuple[str, ...]
    contributions: Numbers
    base: Numbers
    logit: Numbers
    values: Numbers
    panel: Panel

    @property
    def points(self) -> Numbers:
        """Effect of each contribution in points of probability, shape (n_rows, n_names)."""
        return points_of(self.logit, self.contributions)

    def by_family(self) -> dict[str, Numbers]:
        """Contribution of each family in logits, each (n_rows,), in the order in which they come up."""
        found = {family: np.zeros(len(self.logit)) for family in self.families}
        for position, family in enumerate(self.families):
            found[family] += self.contributions[:, position]
        return found

    def strongest(self, most: int = 3) -> list[list[Reason]]:
        """Return for each row the reasons that move its probability most, the strongest first.

        Fewer than ``most`` where fewer contribute anything; of equal ones the first by position.
        """
        if most < 1:
            raise ValueError(f"at least one reason is asked for, not {most}")
        points, told = self.points, self.contributions != 0
        order = np.argsort(np.where(told, -np.abs(points), np.inf), axis=1, kind="stable")[:, :most]
        gathered = (self.values, points, self.contributions)
        tables = (order, *(np.take_along_axis(one, order, 1) for one in gathered))
        counts = np.minimum(told.sum(axis=1), most).tolist()
        rows = zip(counts, *(table.tolist() for table in tables), strict=True)
        return [
            [
                Reason(self.names[place], self._value(place, value), effect, contribution)
                for place, value, effect, contribution in list(zip(*columns, strict=True))[:n]
            ]
            for n, *columns in rows
        ]

    def sentences(self, currency: str = "") -> list[dict[str, str]]:
        """Say for each row what each family does, the strongest first, with the feature behind it.

        Families that contribute less than `SMALLEST` are left out.
        """
        families = self.by_family()
        names, given = list(families), np.column_stack(list(families.values()))
        points = points_of(self.logit, given)
        found = []
        for row, order in enumerate(np.argsort(-np.abs(points), axis=1, kind="stable")):
            told = [place for place in order if abs(given[row, place]) >= SMALLEST]
            found.append({names[i]: self._sentence(row, names[i], points[row, i], currency) for i in told})
        return found

    def _sentence(self, row: int, family: str, effect: float, currency: str) -> str:
        """Name what the family does, and the feature of it that pulls hardest the same way."""
        own = [place for place, other in enumerate(self.families) if other == family]
        place = max(own, key=lambda place: self.contributions[row, place] * np.sign(effect))
        what = self._fact(row, place, self._value(place, float(self.values[row, place])), currency)
        return f"{family}: {effect_in_words(effect)} (above all: {what})"

    def in_words(self, row: int, reason: Reason, currency: str = "") -> str:
        """Say a reason of a row: "days since last purchase 120: raises the churn probability by 8 points"."""
        what = self._fact(row, self.names.index(reason.feature), reason.value, currency)
        return f"{what}: {effect_in_words(reason.effect)}"

    def _fact(self, row: int, place: int, value: float | str | None, currency: str) -> str:
        """What is known of the customer."""
        if self.names[place] == BUYING_RHYTHM:
            return wording.rhythm_in_words(*(float(fact[row]) for fact in histories(self.panel)[:3]))
        feature = self.panel.features.features[place]
        return f"{wording.words_of(feature)} {wording.value_in_words(feature, value, currency)}"

    def _value(self, place: int, value: float) -> float | str | None:
        """Return a number, the text of a category, or None."""
        if math.isnan(value):
            return None
        levels, name = self.panel.levels, self.names[place]
        return levels[name][int(value)] if name in levels else value


def effects(inputs: Inputs, estimator: Any, panel: Panel, prior: RepeatBuying | None) -> Effects:
    """Sum the contributions of an attrition estimator's inputs by the features they are forms of.

    Parameters
    ----------
    inputs : Inputs
    estimator : AttritionModel or ContractAttritionModel
        Fitted to these inputs.
    panel : Panel
        Eligible rows.
    prior : RepeatBuying or None

    Returns
    -------
    Effects
        No row depends on another, to the byte.
    """
    X = inputs.encode(panel, prior)
    names, families, values = panel.features.names, wording.families_of(panel.features), panel.numbers
    if BUYING_RHYTHM in inputs.origins:
        names, families = (*names, BUYING_RHYTHM), (*families, RHYTHM_FAMILY)
        values = np.column_stack([values, expit(X[:, PRIOR_CHURN])])
    families = tuple(
        RHYTHM_FAMILY if name in inputs.rhythm else family
        for name, family in zip(names, families, strict=True)
    )
    shares = estimator.contributions(X)
    summed = _summed(shares[:, :-1], inputs.origins, names)
    return Effects(names, families, summed, shares[:, -1], estimator.decision_function(X), values, panel)


def _summed(shares: Numbers, origins: Sequence[str], names: Sequence[str]) -> Numbers:
    """Contributions of the columns, summed by origin in the order of the columns; shape (n_rows, n_names)."""
    place_of = {name: place for place, name in enumerate(names)}
    found = np.zeros((len(shares), len(names)))
    for share, origin in zip(shares.T, origins, strict=True):
        found[:, place_of[origin]] += share
    return found


def points_of(logit: Numbers, contributions: Numbers) -> Numbers:
    """Points of probability that contributions make, each against the answer without it.

    Parameters
    ----------
    logit : float64 array (n_rows,)
    contributions : float64 array (n_rows, n_names)

    Returns
    -------
    float64 array (n_rows, n_names)
        Within (-100, 100), of the sign of the contribution; precise also where the probability is near 1.
    """
    whole: npt.NDArray[np.float64] = logit[:, None]
    without = whole - contributions
    near_one = whole > 0
    mirrored = expit(-without) - expit(-whole)
    return np.asarray(100 * np.where(near_one, mirrored, expit(whole) - expit(without)))


def effect_in_words(points: float) -> str:
    """Say an effect.

    >>> effect_in_words(8.13), effect_in_words(-0.01)
    ('raises the churn probability by 8.1 points', 'lowers the churn probability by less than 0.1 points')
    """
    size = f"{abs(points):.1f}" if abs(points) >= _LEAST_POINTS else "less than 0.1"
    return f"{'raises' if points > 0 else 'lowers'} the churn probability by {size} points"

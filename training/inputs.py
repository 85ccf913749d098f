"""From features to what a model is given: a prior from repeat buying, and columns without a scale.

Levels move: a shop grows, a history is cut off, December is not July.  A tree that has learnt from
absolute counts at one cutoff is wrong at the next, so the model is given

* the buy-till-you-die prior as its starting point (chance of silence, expected value),
* the history in proportion to itself (days since last purchase by own gap, newest quarter by year, …),
* tenure and recency clipped at a year, since longer ones were never seen at an early cutoff,
* categories as one column for each level that is frequent enough, 0 for every other level.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from features.events import Numbers
from features.language import Aggregate, AnyFeature, Derived, FeatureSet
from features.panel import Panel
from features.transactions import REPEAT_FEATURES
from training.btyd import BgNbd, GammaGamma

PRIOR_CHURN, PRIOR_VALUE = 0, 1
"""Positions of the prior's two columns in the inputs."""

FEWEST_ROWS, MOST_LEVELS = 50, 20
_LONGEST_DAYS = 365.0
_SAFE = 1e-6

_DAYS, _TENURE, _SINCE, _AMOUNT = REPEAT_FEATURES.names


@dataclass(frozen=True)
class RepeatBuying:
    """What is expected of a customer from their rhythm and spend alone: BG/NBD and Gamma-Gamma.

    ``spend`` is None where too few customers bought on two days or more to tell spends apart; the mean
    value of a purchase day is then each customer's own.
    """

    rhythm: BgNbd
    spend: GammaGamma | None

    @classmethod
    def fit(cls, panel: Panel) -> "RepeatBuying":
        """Fit to the rows of one cutoff; every row has bought before it."""
        x, t_x, T, value = histories(panel)
        rhythm = BgNbd.fit(x, t_x, T)
        usable = (value > 0) & (x > 0)
        enough = int(usable.sum()) >= FEWEST_ROWS
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
        return {"rhythm": asdict(self.rhythm), "spend": asdict(self.spend) if self.spend else None}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "RepeatBuying":
        """Make the prior that `to_dict` wrote."""
        return cls(BgNbd(**data["rhythm"]), GammaGamma(**data["spend"]) if data["spend"] else None)


def histories(panel: Panel) -> tuple[Numbers, Numbers, Numbers, Numbers]:
    """Return x, t_x, T in days and the mean value of a purchase day in minor units.

    x is the number of purchase days after the first, t_x the tenure at the last purchase, T the tenure.
    """
    days, T, since, amount = (panel.column(name) for name in REPEAT_FEATURES.names)
    x = days - 1
    t_x = np.where(x > 0, T - since, 0.0)
    return x, t_x, T, np.maximum(amount / days, _SAFE)


@dataclass(frozen=True)
class Inputs:
    """The columns that a model is given, made from a panel's features.

    Attributes
    ----------
    features : FeatureSet
        The features they are made from, the contract of the model.
    levels : mapping of str to sequence of str
        For each category feature the levels that have a column.
    horizon_days : float
        What the prior looks ahead: gap and horizon apart.
    gap_days : float
    value_scale : float
        What one minor unit of amount is worth as discounted margin in currency units.
    """

    features: FeatureSet
    levels: Mapping[str, Sequence[str]]
    horizon_days: float
    gap_days: float
    value_scale: float

    @classmethod
    def learn(cls, panel: Panel, horizon_days: float, gap_days: float, value_scale: float) -> "Inputs":
        """Choose the levels that are frequent enough in a training panel."""
        chosen = {name: _frequent(panel.column(name), panel.levels[name]) for name in panel.levels}
        return cls(panel.features, chosen, horizon_days, gap_days, value_scale)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns, shape (n_inputs,)."""
        indicators = [f"{name}={level}" for name, levels in self._chosen for level in levels]
        proportions = [f"{feature.name}{_way(feature)}" for feature in self._plain]
        return ("prior_churn_logit", "prior_value", *_RHYTHM, *proportions, *indicators)

    @property
    def _chosen(self) -> list[tuple[str, Sequence[str]]]:
        """Levels with a column, in the order of the features: a mapping may come back in another order."""
        return [(name, self.levels[name]) for name in self.features.names if name in self.levels]

    @property
    def _plain(self) -> list[AnyFeature]:
        """The features that are numbers and not already in the prior."""
        return [f for f in self.features if f.name not in self.levels and f.name not in REPEAT_FEATURES.names]

    def encode(self, panel: Panel, prior: RepeatBuying) -> Numbers:
        """Make the inputs of every row, shape (n_rows, n_inputs); every row has bought before its cutoff."""
        silence = prior.silence(panel, self.gap_days, self.horizon_days)
        amount = prior.amount(panel, self.gap_days, self.horizon_days)
        columns = [np.log(silence) - np.log1p(-silence), amount * self.value_scale]
        columns += [formula(panel) for formula in _RHYTHM.values()]
        columns += [_without_level(feature, panel, amount) for feature in self._plain]
        columns += [i for name, levels in self._chosen for i in _indicators(panel, name, levels)]
        return np.column_stack(columns)


_PER_VALUE, _PER_DAY, _TO_A_YEAR, _AS_IT_IS = "_per_expected_value", "_per_purchase_day", "_to_a_year", ""
_COUNTS = (Aggregate.COUNT, Aggregate.ACTIVE_DAYS, Aggregate.DISTINCT, Aggregate.CHANGES)
_AGES = (Aggregate.DAYS_SINCE_FIRST, Aggregate.DAYS_SINCE_LAST, Aggregate.AGE)


def _way(feature: AnyFeature) -> str:
    """How the level of a feature is taken out.

    Money sums are put in proportion to the expected value, counts of purchases and totals of other columns to
    the purchase days; ages end at a year.  Counts in other tables stay: their windows are short, so they do
    not grow with the history.
    """
    if isinstance(feature, Derived):
        by_unit = {"minor units": _PER_VALUE, "days": _TO_A_YEAR}
        return by_unit.get(feature.unit, _AS_IT_IS)
    if feature.aggregate is Aggregate.TOTAL:
        is_money = feature.unit == "minor units"
        return _PER_VALUE if is_money else _PER_DAY
    if feature.aggregate in _AGES:
        return _TO_A_YEAR
    own_purchases = feature.source.table == "purchases" and not feature.source.whose
    return _PER_DAY if own_purchases and feature.aggregate in _COUNTS else _AS_IT_IS


def _without_level(feature: AnyFeature, panel: Panel, expected_amount: Numbers) -> Numbers:
    """A feature in proportion to the customer's own history."""
    values, way = panel.column(feature.name), _way(feature)
    if way == _PER_VALUE:
        return np.asarray(values / expected_amount)
    if way == _PER_DAY:
        return np.asarray(values / panel.column(_DAYS))
    return np.minimum(values, _LONGEST_DAYS) if way == _TO_A_YEAR else values


def _frequent(codes: Numbers, levels: Sequence[str]) -> tuple[str, ...]:
    """Levels with enough rows, the most frequent first."""
    counts = np.bincount(codes[~np.isnan(codes)].astype(np.int64), minlength=len(levels))
    order = np.argsort(-counts, kind="stable")[:MOST_LEVELS]
    return tuple(levels[code] for code in order if counts[code] >= FEWEST_ROWS)


def _indicators(panel: Panel, name: str, levels: Sequence[str]) -> list[Numbers]:
    """One 0/1 column for each chosen level."""
    code_of = {level: code for code, level in enumerate(panel.levels.get(name, ()))}
    values = panel.column(name)
    return [(values == code_of.get(level, -1)).astype(np.float64) for level in levels]


def _own_gap(panel: Panel) -> Numbers:
    """Mean days between purchase days; the tenure for those who have bought on one day only."""
    x, t_x, T, _ = histories(panel)
    return np.where(x > 0, t_x / np.maximum(x, 1), T)


def _ratio(part: Numbers, whole: Numbers) -> Numbers:
    quotient: Numbers = np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)
    return quotient


_RHYTHM: dict[str, Callable[[Panel], Numbers]] = {
    "tenure_to_a_year": lambda panel: np.minimum(panel.column(_TENURE), _LONGEST_DAYS),
    "days_since_last_to_a_year": lambda panel: np.minimum(panel.column(_SINCE), _LONGEST_DAYS),
    "days_since_last_per_own_gap": lambda panel: _ratio(panel.column(_SINCE), _own_gap(panel)),
    "days_since_last_per_tenure": lambda panel: _ratio(panel.column(_SINCE), panel.column(_TENURE)),
    "purchase_days_per_tenure": lambda panel: _ratio(panel.column(_DAYS) - 1, panel.column(_TENURE)),
    "amount_per_purchase_day": lambda panel: panel.column(_AMOUNT) / panel.column(_DAYS),
}
"""The rhythm of a customer in proportion to itself."""

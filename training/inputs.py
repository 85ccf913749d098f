"""From features to the columns that a model is given.

A contract runs from a day that is known, so its model is given the features as they are (`PlainInputs`).

Where silence is the only sign, levels move: a shop grows, a history is cut off, December is not July.  A tree
that has learnt from absolute counts at one cutoff is wrong at the next, so that model (`RhythmInputs`) is
given

* the buy-till-you-die prior as its starting point (chance of silence, expected value),
* the history in proportion to itself (days since last purchase by own gap, newest quarter by year, …),
* tenure and recency clipped at a year, since longer ones were never seen at an early cutoff.

In both, a category is one column for each level that is frequent enough, 0 for every other level, and a
feature that says the same of everybody in training is left out.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from features.contract import SUBSCRIPTIONS
from features.errors import ContractMismatch, did_you_mean
from features.events import Numbers
from features.kernel import days_of
from features.language import Aggregate, AnyFeature, Derived, FeatureSet, latest
from features.panel import Panel
from features.transactions import REPEAT_FEATURES
from training.repeat_buying import RepeatBuying, histories

PRIOR_CHURN, PRIOR_VALUE = 0, 1
"""Positions of the prior's two columns in `RhythmInputs`."""

DAILY_MARGIN = 0
"""Position of the margin a day in `ContractInputs`."""

BUYING_RHYTHM = "buying_rhythm"
"""Origin of the columns that are made from all purchases together: the prior's, and purchases that fade."""

MOST_LEVELS = 20
FEWEST_ROWS = 10, 50
"""Rows that a level of a category needs: a fiftieth of all, within these bounds."""

_LONGEST_DAYS = 365.0
_MONTH_DAYS = 365.25 / 12

_DAYS, _TENURE, _SINCE, _AMOUNT = REPEAT_FEATURES.names
_PRICE, _PERIOD = (latest(SUBSCRIPTIONS[column]).name for column in ("price", "billing_period"))


@dataclass(frozen=True)
class Inputs:
    """The columns that a model is given, made from a panel's features.

    Attributes
    ----------
    features : FeatureSet
        The features they are made from, the contract of the model.
    levels : mapping of str to sequence of str
        For each category feature the levels that have a column.
    unused : tuple of str
        Features that have no column: in training they said the same of everybody, or nothing.
    """

    form: ClassVar[str]
    """Names the way in a manifest."""

    rhythm: ClassVar[frozenset[str]] = frozenset()
    """The origins that tell of a customer's rhythm of buying."""

    features: FeatureSet
    levels: Mapping[str, Sequence[str]]
    unused: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns, shape (n_inputs,)."""
        raise NotImplementedError

    @property
    def origins(self) -> tuple[str, ...]:
        """What each column is a form of, shape (n_inputs,): the name of a feature, or `BUYING_RHYTHM`.

        A column in proportion to something is a form of what is put in proportion.
        """
        raise NotImplementedError

    def encode(self, panel: Panel, prior: RepeatBuying | None) -> Numbers:
        """Make the inputs of every row, shape (n_rows, n_inputs)."""
        raise NotImplementedError

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, without the features, from which `from_dict` makes the same inputs."""
        plain = {key: value for key, value in vars(self).items() if key != "features"}
        levels = {name: list(levels) for name, levels in self.levels.items()}
        return {"form": self.form, **plain, "levels": levels, "unused": list(self.unused)}

    @classmethod
    def from_dict(cls, features: FeatureSet, data: Mapping[str, Any]) -> "Inputs":
        """Make the inputs that `to_dict` wrote."""
        rest = {key: value for key, value in data.items() if key not in {"form", "levels", "unused"}}
        levels = {name: tuple(levels) for name, levels in data["levels"].items()}
        if data["form"] not in FORMS:
            raise ContractMismatch(
                f"There is no form of inputs {data['form']!r}. {did_you_mean(data['form'], FORMS)}"
            )
        made: Inputs = FORMS[data["form"]](features, levels, tuple(data["unused"]), **rest)
        return made

    @property
    def _categories(self) -> list[tuple[str, Sequence[str]]]:
        """Levels with a column, in the order of the features: a mapping may come back in another order."""
        return [(name, self.levels[name]) for name in self.features.names if name in self.levels]

    @property
    def _numbers(self) -> list[AnyFeature]:
        """The features that are numbers and say something."""
        left_out = {*self.levels, *self.unused}
        return [feature for feature in self.features if feature.name not in left_out]

    def _indicator_names(self) -> list[str]:
        return [f"{name}={level}" for name, levels in self._categories for level in levels]

    def _indicator_origins(self) -> list[str]:
        return [name for name, levels in self._categories for _ in levels]

    def _indicators(self, panel: Panel) -> list[Numbers]:
        """One 0/1 column for each chosen level."""
        columns = []
        for name, levels in self._categories:
            code_of = {level: code for code, level in enumerate(panel.levels.get(name, ()))}
            values = panel.column(name)
            columns += [(values == code_of.get(level, -1)).astype(np.float64) for level in levels]
        return columns


@dataclass(frozen=True)
class PlainInputs(Inputs):
    """The features as they are: no prior, no proportions."""

    form: ClassVar[str] = "plain"

    @classmethod
    def learn(cls, panel: Panel) -> Self:
        """Choose the levels that are frequent enough in a training panel, and what says anything."""
        return cls(panel.features, _frequent_levels(panel), _unvarying(panel))

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns, shape (n_inputs,)."""
        return (*(feature.name for feature in self._numbers), *self._indicator_names())

    @property
    def origins(self) -> tuple[str, ...]:
        """The feature that each column is a form of, shape (n_inputs,)."""
        return (*(feature.name for feature in self._numbers), *self._indicator_origins())

    def encode(self, panel: Panel, prior: RepeatBuying | None = None) -> Numbers:
        """Make the inputs of every row, shape (n_rows, n_inputs); there is no prior to look at."""
        del prior
        columns = [panel.column(feature.name) for feature in self._numbers] + self._indicators(panel)
        return np.column_stack(columns) if columns else np.empty((len(panel), 0))


@dataclass(frozen=True)
class ContractInputs(PlainInputs):
    """The margin a day at today's price, then the features as they are.

    Attributes
    ----------
    margin : float
        What one minor unit of price is worth as margin in currency units.
    """

    form: ClassVar[str] = "contract"

    margin: float

    @classmethod
    def priced(cls, panel: Panel, margin: float) -> Self:
        """Choose the levels that are frequent enough in a training panel, and what says anything."""
        return cls(panel.features, _frequent_levels(panel), _unvarying(panel), margin)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns, shape (n_inputs,)."""
        return ("margin_per_day", *super().names)

    @property
    def origins(self) -> tuple[str, ...]:
        """The feature that each column is a form of, shape (n_inputs,)."""
        return (_PRICE, *super().origins)

    def encode(self, panel: Panel, prior: RepeatBuying | None = None) -> Numbers:
        """Make the inputs of every row, shape (n_rows, n_inputs); there is no prior to look at."""
        return np.column_stack([daily_price(panel) * self.margin, super().encode(panel, prior)])


def daily_price(panel: Panel) -> Numbers:
    """Price of the newest contract a day, in minor units, shape (n_rows,).

    A price is for a billing period, a month where that is not said or understood.  NaN without a price.
    """
    lengths = np.full(len(panel), _MONTH_DAYS)
    if _PERIOD in panel.levels:
        codes = panel.column(_PERIOD)
        known = np.array([*(days_of(level) for level in panel.levels[_PERIOD]), np.nan])
        found = known[np.where(np.isnan(codes), len(known) - 1, codes).astype(np.int64)]
        lengths = np.where(np.isnan(found), _MONTH_DAYS, found)
    return np.asarray(panel.column(_PRICE) / lengths)


@dataclass(frozen=True)
class RhythmInputs(Inputs):
    """The prior, and the history in proportion to itself.

    Attributes
    ----------
    horizon_days : float
        What the prior looks ahead: gap and horizon apart.
    gap_days : float
    value_scale : float
        What one minor unit of amount is worth as discounted margin in currency units.
    """

    form: ClassVar[str] = "rhythm"

    rhythm: ClassVar[frozenset[str]] = frozenset({BUYING_RHYTHM, *REPEAT_FEATURES.names})

    horizon_days: float
    gap_days: float
    value_scale: float

    @classmethod
    def learn(cls, panel: Panel, horizon_days: float, gap_days: float, value_scale: float) -> Self:
        """Choose the levels that are frequent enough in a training panel, and what says anything."""
        unused = _unvarying(panel)
        return cls(panel.features, _frequent_levels(panel), unused, horizon_days, gap_days, value_scale)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns, shape (n_inputs,)."""
        proportions = [f"{feature.name}{_way(feature)}" for feature in self._plain]
        return ("prior_churn_logit", "prior_value", *_RHYTHM, *proportions, *self._indicator_names())

    @property
    def origins(self) -> tuple[str, ...]:
        """What each column is a form of, shape (n_inputs,): the name of a feature, or `BUYING_RHYTHM`."""
        rhythm = [origin for origin, _ in _RHYTHM.values()]
        plain = [feature.name for feature in self._plain]
        return (BUYING_RHYTHM, BUYING_RHYTHM, *rhythm, *plain, *self._indicator_origins())

    @property
    def _plain(self) -> list[AnyFeature]:
        """The features that are numbers and not already in the prior."""
        return [feature for feature in self._numbers if feature.name not in REPEAT_FEATURES.names]

    def encode(self, panel: Panel, prior: RepeatBuying | None) -> Numbers:
        """Make the inputs of every row, shape (n_rows, n_inputs); every row has bought before its cutoff."""
        if prior is None:
            raise ValueError("these inputs start from a prior, and there is none")
        silence = prior.silence(panel, self.gap_days, self.horizon_days)
        amount = prior.amount(panel, self.gap_days, self.horizon_days)
        columns = [np.log(silence) - np.log1p(-silence), amount * self.value_scale]
        columns += [formula(panel) for _, formula in _RHYTHM.values()]
        columns += [_without_level(feature, panel, amount) for feature in self._plain]
        return np.column_stack(columns + self._indicators(panel))


FORMS: dict[str, Any] = {form.form: form for form in (PlainInputs, ContractInputs, RhythmInputs)}
"""Every way to make inputs, by the name that stands in a manifest."""


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


def _frequent_levels(panel: Panel) -> dict[str, tuple[str, ...]]:
    """Return for each category the levels with enough rows, the most frequent first."""
    fewest = int(np.clip(len(panel) // 50, *FEWEST_ROWS))
    return {name: _frequent(panel.column(name), levels, fewest) for name, levels in panel.levels.items()}


def _frequent(codes: Numbers, levels: Sequence[str], fewest: int) -> tuple[str, ...]:
    counts = np.bincount(codes[~np.isnan(codes)].astype(np.int64), minlength=len(levels))
    order = np.argsort(-counts, kind="stable")[:MOST_LEVELS]
    return tuple(levels[code] for code in order if counts[code] >= fewest)


def _unvarying(panel: Panel) -> tuple[str, ...]:
    """Return the features that are numbers and have one value, or none, in all rows."""
    numbers = panel.numbers
    same = np.array([_is_one_value(column) for column in numbers.T], np.bool_)
    return tuple(
        name for name, one in zip(panel.features.names, same, strict=True) if one and name not in panel.levels
    )


def _is_one_value(column: Numbers) -> bool:
    """Whether all rows have the same value, or all have none."""
    if not len(column):
        return True
    return bool((column == column[0]).all() or np.isnan(column).all())


def _own_gap(panel: Panel) -> Numbers:
    """Mean days between purchase days; the tenure for those who have bought on one day only."""
    x, t_x, T, _ = histories(panel)
    return np.where(x > 0, t_x / np.maximum(x, 1), T)


def _ratio(part: Numbers, whole: Numbers) -> Numbers:
    quotient: Numbers = np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)
    return quotient


_WINDOWS = (7, 30, 90, 180, 365)
"""Days of the windows in which the catalogue counts purchases."""


def _fading(panel: Panel, days: float) -> Numbers:
    """Purchases of a year, each counted less the longer ago: by 1/e in so many days."""
    total, inner, start = np.zeros(len(panel)), np.zeros(len(panel)), 0
    for window in _WINDOWS:
        name = f"purchases_count_{window}d"
        if name in panel.features.names:
            counted = panel.column(name)
            total += (counted - inner) * np.exp(-(start + window) / 2 / days)
            inner, start = counted, window
    return total


_RHYTHM: dict[str, tuple[str, Callable[[Panel], Numbers]]] = {
    "tenure_to_a_year": (_TENURE, lambda panel: np.minimum(panel.column(_TENURE), _LONGEST_DAYS)),
    "days_since_last_to_a_year": (_SINCE, lambda panel: np.minimum(panel.column(_SINCE), _LONGEST_DAYS)),
    "days_since_last_per_own_gap": (_SINCE, lambda panel: _ratio(panel.column(_SINCE), _own_gap(panel))),
    "days_since_last_per_tenure": (
        _SINCE,
        lambda panel: _ratio(panel.column(_SINCE), panel.column(_TENURE)),
    ),
    "purchase_days_per_tenure": (
        _DAYS,
        lambda panel: _ratio(panel.column(_DAYS) - 1, panel.column(_TENURE)),
    ),
    "amount_per_purchase_day": (_AMOUNT, lambda panel: panel.column(_AMOUNT) / panel.column(_DAYS)),
    "purchase_days": (_DAYS, lambda panel: panel.column(_DAYS)),
    "purchases_fading_in_30d": (BUYING_RHYTHM, lambda panel: _fading(panel, 30.0)),
    "purchases_fading_in_90d": (BUYING_RHYTHM, lambda panel: _fading(panel, 90.0)),
}
"""The rhythm of a customer in proportion to itself: for each column its origin and its formula."""

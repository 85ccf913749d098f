"""What is asked of the future: who is eligible, and what counts as the outcome.

A question is data: eligibility is a feature (judged from the past only), and the outcome is said in the
same language but read from the outcome window ``[cutoff + gap, cutoff + gap + horizon)``, which only
`training.labels` may open.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from features.business import Business
from features.errors import QuestionError
from features.language import Feature, FeatureSet, count, total
from features.panel import Panel
from features.transactions import COSTED, LINES, PURCHASES
from features.windows import Duration

_LEAST_MARGIN = 0.01


@dataclass(frozen=True)
class Question:
    """A question with its answer's definition.

    Attributes
    ----------
    name : str
        ``attrition`` or ``lifetime-value``.
    asks : str
        The question in the business's words.
    eligible : Feature
        Asked of a customer only where this feature is above zero at the cutoff.
    horizon, gap : Duration
        The outcome window is ``[cutoff + gap, cutoff + gap + horizon)``.
    """

    name: str
    asks: str
    eligible: Feature
    horizon: Duration
    gap: Duration

    @property
    def outcome(self) -> FeatureSet:
        """What is counted or summed in the outcome window."""
        raise NotImplementedError

    def to_dict(self) -> dict[str, Any]:
        """Everything that two questions must share for their answers to be compared, as JSON values."""
        return {
            "name": self.name,
            "eligible": self.eligible.to_dict(),
            "horizon": str(self.horizon),
            "gap": str(self.gap),
        }

    @property
    def span(self) -> int:
        """Microseconds from a cutoff until its outcome is realised."""
        return self.gap.microseconds + self.horizon.microseconds


@dataclass(frozen=True)
class ChurnQuestion(Question):
    """Buys nothing in the outcome window."""

    @property
    def outcome(self) -> FeatureSet:
        """What is counted in the outcome window: the purchases."""
        return FeatureSet(count(PURCHASES).over(self.horizon))


@dataclass(frozen=True)
class ValueQuestion(Question):
    """Discounted margin in the outcome window, in currency units.

    Where a line carries its cost, its margin is amount - cost; elsewhere it is amount × ``margin``.
    The margin is discounted from the middle of the window: over a horizon of a year or less this differs
    from discounting every line at its own time by less than the square of the yearly rate.
    """

    margin: float
    discount_rate: float
    has_cost: bool
    minor_units: int

    def to_dict(self) -> dict[str, Any]:
        """The question with its money: margin, discount rate and minor units."""
        money = {name: getattr(self, name) for name in ("margin", "discount_rate", "has_cost", "minor_units")}
        return {**super().to_dict(), **money}

    @property
    def outcome(self) -> FeatureSet:
        """What is summed in the outcome window: all amounts, then costed amounts and their costs."""
        amount = total(LINES["amount"]).over(self.horizon)
        if not self.has_cost:
            return FeatureSet(amount)
        return FeatureSet(
            amount, total(COSTED["amount"]).over(self.horizon), total(LINES["cost"]).over(self.horizon)
        )

    def scale(self, margin: float) -> float:
        """What one minor unit of amount is worth here, given the margin on it (0 to 1)."""
        return margin * self.discount / self.minor_units

    def margin_on(self, panel: Panel) -> float:
        """Margin as a share of amount in the year before the cutoffs, line by line as in the outcome."""
        if not self.has_cost:
            return self.margin
        names = ("lines_amount_total_365d", "costed_lines_amount_total_365d", "lines_cost_total_365d")
        amount, costed, cost = (float(panel.column(name).sum()) for name in names)
        if amount <= 0:
            return self.margin
        margin = (costed - cost) + (amount - costed) * self.margin
        return float(np.clip(margin / amount, _LEAST_MARGIN, 1.0))

    @property
    def discount(self) -> float:
        """Discount factor of money that comes in the middle of the outcome window."""
        middle_days = self.gap.days + self.horizon.days / 2
        return float((1 + self.discount_rate) ** (-middle_days / 365))


def churn_question(business: Business) -> ChurnQuestion:
    """Return the churn question of a business.

    Raises
    ------
    QuestionError
        The business asks for something that this version cannot answer yet.
    """
    churn = business.churn
    if churn.kind != "silence" or "purchases" not in business.tables:
        raise QuestionError(
            "Churn by exit is not answered by this version. "
            'Declare [tables.purchases] and kind = "silence" under [churn].'
        )
    if not isinstance(churn.horizon, Duration):
        raise QuestionError(
            'horizon = "auto" is not answered by this version. Write a duration, as in horizon = "90d".'
        )
    return ChurnQuestion(
        "attrition",
        f"Will an eligible customer buy nothing in {churn.horizon}?",
        _bought_within(churn.eligible),
        churn.horizon,
        churn.gap,
    )


def value_question(business: Business, *, has_cost: bool) -> ValueQuestion:
    """Return the lifetime-value question of a business, for its first value horizon."""
    horizon = business.value.horizons[0]
    return ValueQuestion(
        "lifetime-value",
        f"What margin will an eligible customer bring in {horizon}?",
        _bought_within(business.churn.eligible),
        horizon,
        business.churn.gap,
        business.value.margin,
        business.value.discount_rate,
        has_cost,
        10**business.minor_digits,
    )


def _bought_within(window: Duration) -> Feature:
    return count(PURCHASES).over(window)[0]

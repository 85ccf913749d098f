"""What is asked of the future: who is eligible, and what counts as the outcome.

A question is data: eligibility is a feature (judged from the past only), and the outcome is said in the
same language but read from the outcome window ``[cutoff + gap, cutoff + gap + horizon)``, which only
`training.labels` may open.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from features.business import Business
from features.contract import SUBSCRIPTIONS
from features.declarations import AnyFeature
from features.errors import QuestionError
from features.language import (
    EventSource,
    FeatureSet,
    count,
    days_since_first,
    days_since_last,
    difference,
    quiet,
    ratio,
    total,
)
from features.panel import Panel
from features.transactions import COSTED, LINES, PURCHASES
from features.windows import Duration

_LEAST_MARGIN = 0.01
_MONTH_DAYS = 30.0

PERIODS = 12
"""Periods over which it is learnt when customers under contract leave."""

CONTRACTS = EventSource("subscriptions", at="started_at").named("contracts")
ENDED_CONTRACTS = EventSource("subscriptions", at="ended_at").named("ended_contracts")
EXITS = EventSource("exits", at="left_at")

TENURE = days_since_first(SUBSCRIPTIONS).name
"""Name of the feature that says for how long somebody has been under contract."""


@dataclass(frozen=True)
class Question:
    """A question with its answer's definition.

    Attributes
    ----------
    name : str
        ``attrition`` or ``lifetime-value``.
    asks : str
        The question in the business's words.
    eligible : Feature or Derived
        Asked of a customer only where this feature is above zero at the cutoff.
    horizon, gap : Duration
        The outcome window is ``[cutoff + gap, cutoff + gap + horizon)``.
    """

    name: str
    asks: str
    eligible: AnyFeature
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
class ExitQuestion(Question):
    """Leaves in the outcome window: is in ``exits``, or ends the last contract without another one.

    Attributes
    ----------
    has_exits, has_ends : bool
        Whether the business keeps ``exits``, and when contracts ended.
    """

    has_exits: bool
    has_ends: bool

    @property
    def outcome(self) -> FeatureSet:
        """Exits and ends in the outcome window; and contracts until its end, to see whether one runs."""
        exits = [*count(EXITS).over(self.horizon)] if self.has_exits else []
        if not self.has_ends:
            return FeatureSet(*exits)
        return FeatureSet(
            *exits, *count(ENDED_CONTRACTS).over(self.horizon), count(CONTRACTS), count(ENDED_CONTRACTS)
        )

    @property
    def first_left(self) -> FeatureSet:
        """How long ago the first exit was, and the first end of a contract."""
        exits = [days_since_first(EXITS)] if self.has_exits else []
        ends = [days_since_first(ENDED_CONTRACTS)] if self.has_ends else []
        return FeatureSet(*exits, *ends)

    def to_dict(self) -> dict[str, Any]:
        """The question with what it rests on."""
        return {**super().to_dict(), "has_exits": self.has_exits, "has_ends": self.has_ends}


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
    longer: tuple[Duration, ...] = ()
    """Horizons to which the answer is extended: no part of what is asked, so not of `to_dict`."""

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


@dataclass(frozen=True)
class ContractValueQuestion(Question):
    """Discounted margin of a contract in the outcome window, in currency units.

    While a customer stays, the contract brings the margin on the price that was known at the cutoff: what it
    will cost later is not asked.  So it is asked when they leave, in periods of equal length.

    Attributes
    ----------
    churn : ExitQuestion
        Who leaves.
    margin, discount_rate : float
        Shares of the price, and of the money a year later.
    minor_units : int
        In one unit of the currency.
    """

    churn: ExitQuestion
    margin: float
    discount_rate: float
    minor_units: int
    longer: tuple[Duration, ...] = ()
    """Horizons to which the answer is extended: no part of what is asked, so not of `to_dict`."""

    @property
    def n_periods(self) -> int:
        """Periods in the horizon, about a month each, longer ones where it is longer than a year."""
        return min(PERIODS, max(1, round(self.horizon.days / _MONTH_DAYS)))

    @property
    def period_days(self) -> float:
        """Length of a period."""
        return self.horizon.days / self.n_periods

    @property
    def outcome(self) -> FeatureSet:
        """What tells that somebody has left."""
        return self.churn.outcome

    @property
    def unit_margin(self) -> float:
        """What a minor unit of price is worth as margin, discounted to the cutoff from the end of the gap."""
        waiting = (1 + self.discount_rate) ** (-self.gap.days / 365)
        return float(self.margin / self.minor_units * waiting)

    def until_period(self, period: int) -> ExitQuestion:
        """Ask who leaves from the cutoff to the end of a period: who leaves in the gap brings nothing."""
        length = self.gap.microseconds + round(self.horizon.microseconds * period / self.n_periods)
        return replace(self.churn, horizon=Duration(length), gap=Duration(0))

    def to_dict(self) -> dict[str, Any]:
        """The question with its money and who leaves."""
        money = {name: getattr(self, name) for name in ("margin", "discount_rate", "minor_units")}
        return {**super().to_dict(), **money, "churn": self.churn.to_dict()}


def with_horizon(business: Business, horizon: Duration) -> Business:
    """Return the same business asking about churn over another horizon."""
    return business.model_copy(update={"churn": business.churn.model_copy(update={"horizon": horizon})})


def churn_question(business: Business) -> ChurnQuestion | ExitQuestion:
    """Return the churn question of a business, by silence or by exit.

    Raises
    ------
    QuestionError
        The business has no table that could answer it, or leaves the horizon open.
    """
    churn = business.churn
    if not isinstance(churn.horizon, Duration):
        raise QuestionError(
            'horizon = "auto" is settled by the advisor before anything is asked; here it was not. '
            'Run `holdfast advise` and write its horizon, as in horizon = "90d".'
        )
    if churn.kind == "exit":
        return _exit_question(business, churn.horizon)
    if "purchases" not in business.tables:
        raise QuestionError(
            'Churn by silence needs purchases. Declare [tables.purchases], or kind = "exit" under [churn].'
        )
    return ChurnQuestion(
        "attrition",
        f"Will an eligible customer buy nothing in {churn.horizon}?",
        _bought_within(churn.eligible),
        churn.horizon,
        churn.gap,
    )


def _exit_question(business: Business, horizon: Duration) -> ExitQuestion:
    """Ask who leaves."""
    has_exits = "exits" in business.tables
    has_ends = "ended_at" in business.columns_of("subscriptions")
    if not has_exits and not has_ends:
        raise QuestionError(
            'kind = "exit" needs to know who left. Declare [tables.exits], or map ended_at in '
            '[tables.subscriptions], or write kind = "silence" under [churn].'
        )
    return ExitQuestion(
        "attrition",
        f"Will a customer under contract leave in {horizon}?",
        _under_contract(business, has_exits=has_exits, has_ends=has_ends),
        horizon,
        business.churn.gap,
        has_exits,
        has_ends,
    )


def _under_contract(business: Business, *, has_exits: bool, has_ends: bool) -> AnyFeature:
    """Above zero where a contract has started that has not ended, and nobody has left since the newest start.

    Where there are no contracts, a purchase within ``eligible`` stands for one.  An end that lies ahead is
    not looked at: until it has passed, the contract runs.
    """
    if "subscriptions" in business.tables:
        running: AnyFeature = count(CONTRACTS).feature
        if has_ends:
            running = difference("contracts_running_count", running, count(ENDED_CONTRACTS).feature)
        newest = days_since_last(CONTRACTS)
    else:
        running, newest = _bought_within(business.churn.eligible), days_since_last(PURCHASES)
    if not has_exits:
        return running
    since = quiet("days_since_start_and_no_exit", newest, days_since_last(EXITS))
    # By 0 days, where somebody left since, it is NaN: not above zero.
    return ratio("running_per_day_without_exit", running, since)


def own_table(question: Question, business: Business) -> str:
    """Name the table that says who left: contracts where there are any, purchases elsewhere."""
    by_contract = (
        isinstance(question, ExitQuestion | ContractValueQuestion) and "subscriptions" in business.tables
    )
    return "subscriptions" if by_contract else "purchases"


def kinds_of(business: Business) -> tuple[str, ...]:
    """Return the kinds of model that a business can have, in the order in which they are trained.

    What a customer is worth is learnt from purchases, or from the prices of contracts that may end.
    """
    priced = business.churn.kind == "exit" and "price" in business.columns_of("subscriptions")
    valued = "purchases" in business.tables or priced
    return ("attrition", "lifetime-value") if valued else ("attrition",)


def contract_value_question(business: Business, churn: ExitQuestion) -> ContractValueQuestion:
    """Return the lifetime-value question of a business that lives on contracts, for its first horizon."""
    horizon, value = business.value.horizons[0], business.value
    return ContractValueQuestion(
        "lifetime-value",
        f"What margin will a contract bring in {horizon} at today's price, while the customer stays?",
        churn.eligible,
        horizon,
        business.churn.gap,
        churn,
        value.margin,
        value.discount_rate,
        10**business.minor_digits,
        value.horizons[1:],
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
        business.value.horizons[1:],
    )


def _bought_within(window: Duration) -> AnyFeature:
    return count(PURCHASES).over(window)[0]

"""Horizons longer than the one that is learnt: what the prior adds beyond it, in the model's proportion.

What a customer brings in the first horizon is modelled.  What comes after it is what the prior expects, times
the model's expectation of the first horizon ÷ the prior's: nobody is asked to say more about a year than was
seen of a quarter.  No longer horizon is worth less than a shorter one.

The level of the first horizon is kept for all of it: it is as much what the prior gets wrong at this date
as season.  Measured on four simulated shops at 14 dates, the total of a year was off by 4.7 % on average;
with what lasts of the level after the first quarter by 7.0 %, with the prior alone by 10.8 %.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from features.events import Numbers
from features.panel import Panel
from features.windows import Duration
from training.questions import ContractValueQuestion, Question, ValueQuestion
from training.repeat_buying import RepeatBuying

_YEAR_DAYS = 365.0


@dataclass(frozen=True)
class Longer:
    """The horizons beyond the first, and what is needed to reach them.

    Attributes
    ----------
    horizons : tuple of Duration
        Rising, each longer than the first.
    first : Duration
        The one that is modelled.
    gap : Duration
        Every horizon begins so long after the cutoff.
    discount_rate : float
        Per year.
    """

    horizons: tuple[Duration, ...]
    first: Duration
    gap: Duration
    discount_rate: float

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns, one for each horizon."""
        return tuple(f"lifetime_value_{horizon}" for horizon in self.horizons)

    def by_prior(self, prior: RepeatBuying, panel: Panel, expected: Numbers) -> list[Numbers]:
        """Extend what is expected of the first horizon.

        Parameters
        ----------
        prior : RepeatBuying
        panel : Panel
            Every row has bought before its cutoff.
        expected : float64 array (n_rows,)
            Discounted value of the first horizon.

        Returns
        -------
        list of float64 array (n_rows,)
            One for each horizon.  Beyond the first horizon, value is discounted from the middle of each
            further stretch of its length.
        """
        step, gap = self.first.days, self.gap.days
        seen = prior.amount(panel, gap, step)
        scale = expected / (seen * self._discount(0.0, step))
        found, value, end = [], expected, step
        for horizon in self.horizons:
            while end < horizon.days:
                start, end = end, min(end + step, horizon.days)
                until = np.maximum(prior.amount(panel, gap, end), seen)
                value = value + scale * (until - seen) * self._discount(start, end)
                seen = until
            found.append(value)
        return found

    def _discount(self, start_days: float, end_days: float) -> float:
        """Discount factor of money that comes in the middle of a stretch after the gap."""
        middle = self.gap.days + (start_days + end_days) / 2
        return float((1 + self.discount_rate) ** (-middle / _YEAR_DAYS))

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values from which `from_dict` makes the same."""
        lengths = {"first": self.first.microseconds, "gap": self.gap.microseconds}
        horizons = [horizon.microseconds for horizon in self.horizons]
        return {"horizons": horizons, **lengths, "discount_rate": self.discount_rate}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Longer":
        """Make what `to_dict` wrote."""
        return cls(
            tuple(Duration(length) for length in data["horizons"]),
            Duration(data["first"]),
            Duration(data["gap"]),
            data["discount_rate"],
        )


def longer_of(question: Question) -> Longer | None:
    """Return the horizons to which the answer to a question is extended."""
    if not isinstance(question, ValueQuestion | ContractValueQuestion) or not question.longer:
        return None
    return Longer(question.longer, question.horizon, question.gap, question.discount_rate)


def extended(
    longer: Longer | None,
    estimator: Any,
    prior: RepeatBuying | None,
    panel: Panel,
    X: Numbers,
    expected: Numbers,
) -> list[Numbers]:
    """Value of each longer horizon: of contracts by their survival curve, elsewhere by the prior.

    Parameters
    ----------
    longer : Longer or None
    estimator : Estimator
    prior : RepeatBuying or None
    panel : Panel
    X : float64 array (n_rows, n_inputs)
        The inputs of the rows of the panel.
    expected : float64 array (n_rows,)
        What is expected of the first horizon.
    """
    if longer is None:
        return []
    if prior is not None:
        return longer.by_prior(prior, panel, expected)
    found, least = [], expected
    for horizon in longer.horizons:
        least = np.maximum(estimator.predict_over(X, horizon.days), least)
        found.append(least)
    return found

"""Recipes where customers are under contract: who leaves, and what a contract brings until then."""

from typing import Any

import numpy as np
import numpy.typing as npt

from features.events import Numbers
from features.panel import Panel
from features.windows import MICROSECONDS_PER_DAY
from training.baselines import RecencyRule
from training.contract_attrition import ContractAttritionModel
from training.contract_value import ContractValueModel
from training.examples import Examples
from training.inputs import DAILY_MARGIN, ContractInputs, Inputs, PlainInputs, daily_price
from training.questions import TENURE, ContractValueQuestion
from training.recipe import N_THREADS, Recipe, columns


class ContractRecipe(Recipe):
    """Attrition of those under contract: a stack of learners on the features as they are."""

    def make(self, **parameters: Any) -> Any:
        """Make an unfitted estimator."""
        return ContractAttritionModel(**{"random_state": self.seed, "n_jobs": N_THREADS, **parameters})

    def inputs(self, panel: Panel) -> Inputs:
        """Learn the inputs from a training panel."""
        return PlainInputs.learn(panel)

    def teach(self, estimator: Any, X: Numbers, rows: Examples) -> Any:
        """Fit an estimator; a customer's rows at several cutoffs stay together when it is stacked."""
        return estimator.fit(X, rows.answers[self.kind], rows.panel.cutoffs, rows.panel.customers)

    def predict(self, estimator: Any, X: Numbers) -> Numbers:
        """Probability of leaving, shape (n_rows,)."""
        return np.asarray(estimator.predict_proba(X)[:, 1])

    def baselines(self, X: Numbers, training: Examples, holdout: Examples) -> dict[str, Numbers]:
        """Return the attrition rate, and the rule that who has stayed longest stays."""
        del X
        y = training.answers[self.kind]
        found = {"attrition_rate": np.full(len(holdout.panel), y.mean())}
        if TENURE in holdout.panel.features.names:
            rule = RecencyRule().fit(-columns(training, [TENURE]), y)
            found["tenure_rule"] = rule.predict_proba(-columns(holdout, [TENURE]))[:, 1]
        return found

    def untrained(self, rows: Examples) -> dict[str, Numbers]:
        """Return the rate at which they left: who knew it, but not who."""
        return {"attrition_rate": np.full(len(rows.panel), rows.answers[self.kind].mean())}


class ContractValueRecipe(Recipe):
    """Lifetime value of a contract: today's margin for as long as the customer is expected to stay."""

    question: ContractValueQuestion

    def make(self, **parameters: Any) -> Any:
        """Make an unfitted estimator."""
        asked = self.question
        return ContractValueModel(
            periods=asked.n_periods,
            period_days=asked.period_days,
            discount_rate=asked.discount_rate,
            **{"random_state": self.seed, "n_jobs": N_THREADS, **parameters},
        )

    def inputs(self, panel: Panel) -> Inputs:
        """Learn the inputs from a training panel."""
        return ContractInputs.priced(panel, self.question.unit_margin)

    def eligible(self, examples: Examples) -> Examples:
        """Keep the rows under contract that has a price."""
        kept = super().eligible(examples)
        return kept.rows(daily_price(kept.panel) > 0)

    def teach(self, estimator: Any, X: Numbers, rows: Examples) -> Any:
        """Fit an estimator to when customers left."""
        return estimator.fit(X, rows.answers[self.kind], rows.panel.customers)

    def outcomes(self, rows: Examples) -> Numbers:
        """Whether each customer left in any period, as 0 or 1."""
        return np.asarray(np.nansum(rows.answers[self.kind], axis=1) > 0, np.float64)

    def gone(self, rows: Examples) -> Numbers:
        """Return 1 for who left within the horizon, 0 for who stayed."""
        left = rows.answers[self.kind][:, self.question.n_periods - 1]
        return np.asarray(left > 0, np.float64)

    def realised(self, rows: Examples) -> Numbers:
        """What each contract brought in the horizon at the margin of its cutoff."""
        return np.asarray(self.make().realised(self._margins(rows), rows.answers[self.kind]))

    def known_before(self, examples: Examples, instant: int) -> Examples:
        """Leave out who left in a period that ends after an instant."""
        length = self.question.period_days * MICROSECONDS_PER_DAY
        left = examples.answers[self.kind]
        ends = (
            examples.panel.cutoffs[:, None]
            + self.question.gap.microseconds
            + length * (np.arange(left.shape[1]) + 1)
        )
        known = np.where(ends <= instant, left, np.nan)
        return Examples(examples.panel, {**examples.answers, self.kind: known})

    def predict(self, estimator: Any, X: Numbers) -> Numbers:
        """Return the expected value, shape (n_rows,)."""
        return np.asarray(estimator.predict(X))

    def baselines(self, X: Numbers, training: Examples, holdout: Examples) -> dict[str, Numbers]:
        """Everybody's share of the horizon, at the margin of each; and as if nobody left."""
        del holdout
        share = self.realised(training).sum() / self._whole(self._margins(training)).sum()
        whole = self._whole(X[:, [DAILY_MARGIN]])
        return {"nobody_leaves": whole, "mean_stay": whole * share}

    def _margins(self, rows: Examples) -> Numbers:
        """Margin a day of each row, shape (n_rows, 1)."""
        return daily_price(rows.panel)[:, None] * (self.question.unit_margin)

    def _whole(self, margin: Numbers) -> Numbers:
        """Value of contracts that run through the whole horizon."""
        return np.asarray(self.make().realised(margin, np.zeros((len(margin), self.question.n_periods))))

    def interval(
        self, estimator: Any, X: Numbers, y: Numbers, customers: npt.NDArray[np.int64]
    ) -> tuple[Numbers, Numbers] | tuple[None, None]:
        """Interval of every row, by who leaves early and who late."""
        del y, customers
        _, low, high = estimator.predict_with_interval(X)
        return low, high

    def untrained(self, rows: Examples) -> dict[str, Numbers]:
        """Value as if nobody left."""
        return {"nobody_leaves": self._whole(self._margins(rows))}

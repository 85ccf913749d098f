"""Recipes where customers buy or do not: both boost from what buy-till-you-die models say."""

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from features.events import Numbers
from features.transactions import REPEAT_FEATURES
from training.attrition import AttritionModel
from training.baselines import RecencyRule, RfmChance, RfmValue, SilenceRule
from training.examples import Examples
from training.inputs import PRIOR_CHURN, PRIOR_VALUE
from training.lifetime_value import LifetimeValueModel
from training.recipe import N_THREADS, Recipe, columns

_SINCE_LAST = REPEAT_FEATURES.names[2]
_RFM = [_SINCE_LAST, REPEAT_FEATURES.names[0], REPEAT_FEATURES.names[3]]


_INTERVAL = (
    "The interval was measured on other customers of the same time: a level that moves between then and now "
    "is not in it."
)


class SilenceRecipe(Recipe):
    """Attrition of those who may buy or not: boosting from the chance of silence."""

    def make(self, **parameters: Any) -> Any:
        """Make an unfitted estimator."""
        settings = {"random_state": self.seed, "n_jobs": N_THREADS, **parameters}
        return AttritionModel(prior_column=PRIOR_CHURN, **settings)

    def predict(self, estimator: Any, X: Numbers) -> Numbers:
        """Probability of leaving, shape (n_rows,)."""
        return np.asarray(estimator.predict_proba(X)[:, 1])

    def values(self, X: Numbers) -> Numbers | None:
        """Return the value that the prior expects of those who buy again, shape (n_rows,)."""
        return np.asarray(X[:, PRIOR_VALUE] / -np.expm1(np.log(expit(X[:, PRIOR_CHURN]))))

    def rests_on(self, estimator: Any) -> tuple[str, ...]:
        """Return the prior where it answers alone."""
        return ("btyd",) if estimator.rung_.name == "prior" else ()

    def baselines(self, X: Numbers, training: Examples, holdout: Examples) -> dict[str, Numbers]:
        """The prior alone, the rules of the longest silence, and RFM scores."""
        y = training.answers[self.kind]
        silence = [_SINCE_LAST]
        rules: dict[str, tuple[Any, list[str]]] = {
            "recency_rule": (RecencyRule(), silence),
            "silence_rule": (SilenceRule(), silence),
            "rfm": (RfmChance(), _RFM),
        }
        said = {
            name: rule.fit(columns(training, names), y).predict_proba(columns(holdout, names))[:, 1]
            for name, (rule, names) in rules.items()
        }
        return {"btyd": expit(X[:, PRIOR_CHURN]), **said}

    def untrained(self, rows: Examples) -> dict[str, Numbers]:
        """The prior alone: BG/NBD or MBG/NBD, the likelier."""
        asked, prior = self.question, self.priors[int(rows.panel.cutoffs[0])]
        return {"btyd": prior.silence(rows.panel, asked.gap.days, asked.horizon.days)}


class ValueRecipe(Recipe):
    """Lifetime value of those who may buy or not: boosting from the expected value."""

    cautions: ClassVar[tuple[str, ...]] = (_INTERVAL,)

    def make(self, **parameters: Any) -> Any:
        """Make an unfitted estimator."""
        settings = {"random_state": self.seed, "n_jobs": N_THREADS, **parameters}
        return LifetimeValueModel(prior_column=PRIOR_VALUE, chance_column=PRIOR_CHURN, **settings)

    def predict(self, estimator: Any, X: Numbers) -> Numbers:
        """Return the expected value, shape (n_rows,)."""
        return np.asarray(estimator.predict(X))

    def baselines(self, X: Numbers, training: Examples, holdout: Examples) -> dict[str, Numbers]:
        """The prior and Gamma-Gamma alone, and the mean value of those with the same RFM scores."""
        cells = RfmValue().fit(columns(training, _RFM), training.answers[self.kind])
        return {"btyd_gamma_gamma": X[:, PRIOR_VALUE], "rfm": cells.predict(columns(holdout, _RFM))}

    def rests_on(self, estimator: Any) -> tuple[str, ...]:
        """Return the prior and Gamma-Gamma where they answer alone."""
        return ("btyd_gamma_gamma",) if estimator.rung_.name == "prior" else ()

    def interval(
        self, estimator: Any, X: Numbers, y: Numbers, customers: npt.NDArray[np.int64]
    ) -> tuple[Numbers, Numbers] | tuple[None, None]:
        """Interval of each half of the customers by the other half; the estimator keeps that of all."""
        low, high = np.empty(len(y)), np.empty(len(y))
        for half in (customers % 2 == 0, customers % 2 == 1):
            low[half], high[half] = estimator.calibrate(X[~half], y[~half]).predict_interval(X[half])
        estimator.calibrate(X, y)
        return low, high

    def keep_measured(self, estimator: Any, judged: Any) -> None:
        """The interval stays as the holdout measured it."""
        estimator.interval_ = judged.interval_

    def gone(self, rows: Examples) -> Numbers:
        """Return 1 for who brings no more than most: it stands for who leaves."""
        value = rows.answers[self.kind]
        return np.asarray(value <= np.median(value), np.float64)

    def untrained(self, rows: Examples) -> dict[str, Numbers]:
        """The prior and Gamma-Gamma alone."""
        asked, prior = self.question, self.priors[int(rows.panel.cutoffs[0])]
        amount = prior.amount(rows.panel, asked.gap.days, asked.horizon.days)
        return {"btyd_gamma_gamma": amount * self.value_scale}

"""What a model is judged by: predictions for rows whose outcome is known, and the measures of its kind."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from features.errors import did_you_mean
from features.events import Numbers
from training import metrics
from training.card.profit import Costs, expected_maximum_profit
from training.card.tallies import (
    AMOUNT_TALLIES,
    CHANCE_TALLIES,
    Amounts,
    Chances,
    profit_of,
    value_losses,
)
from training.intervals import Interval, draw_weights, paired_difference, percentiles

Metric = Callable[[npt.ArrayLike, npt.ArrayLike], float]
MODEL, CHAMPION = "model", "champion"
PROFIT = "expected_maximum_profit"

CHURN_METRICS: dict[str, Metric] = {
    "log_loss": metrics.log_loss,
    "roc_auc": metrics.roc_auc,
    "average_precision": metrics.average_precision,
    "brier": metrics.brier,
    "expected_calibration_error": metrics.expected_calibration_error,
    "bias": metrics.bias,
    "lift_at_10_percent": metrics.lift_at(0.10),
}


def _value_loss(realised: npt.ArrayLike, predicted: npt.ArrayLike) -> float:
    return float(value_losses(np.asarray(realised), np.asarray(predicted)).mean())


VALUE_METRICS: dict[str, Metric] = {
    "tweedie_deviance": _value_loss,
    "normalised_gini": metrics.normalised_gini,
    "rmse": metrics.rmse,
    "mae": metrics.mae,
    "bias": metrics.bias,
    "decile_wape": metrics.decile_wape,
}
LEVEL = 0.95
_USUAL = Costs()
_INFLATED = {"expected_calibration_error", "decile_wape"}
"""Sums of absolute errors grow with every resampling; their intervals are mirrored (basic bootstrap)."""
_RESAMPLES, _ROWS_IN_ALL = (100, 500), 2_000_000
"""More rows need fewer draws for equally steady intervals of what is steadier itself."""


@dataclass(frozen=True)
class Yardstick:
    """How the predictions of a kind of model are measured; a further kind brings one of its own.

    Attributes
    ----------
    metrics : mapping of str to Metric
        The first is the loss that gate and grade judge by.
    losses : callable
        (realised, predicted) to the loss of every row: what the first metric is the mean of.
    ready : callable
        (realised, predicted) to what can be drawn, see `training.card.tallies`.
    tallies : mapping of str to callable
        The metrics again, of one draw.
    calibration_error : str
        The metric of how far groups of like predictions are off.
    is_chance : bool
        What is predicted is the chance of something that happens or not, else an amount.
    """

    metrics: Mapping[str, Metric]
    losses: Callable[[Numbers, Numbers], Numbers]
    ready: Callable[[Numbers, Numbers], Chances | Amounts]
    tallies: Mapping[str, Callable[[Any], float]]
    calibration_error: str
    is_chance: bool


CHANCE = Yardstick(
    CHURN_METRICS, metrics.log_losses, Chances, CHANCE_TALLIES, "expected_calibration_error", True
)
AMOUNT = Yardstick(VALUE_METRICS, value_losses, Amounts, AMOUNT_TALLIES, "decile_wape", False)
YARDSTICKS: dict[str, Yardstick] = {"attrition": CHANCE, "lifetime-value": AMOUNT}
"""The yardstick of every kind of model."""


@dataclass(frozen=True)
class Evidence:
    """Predictions of a model and of its rivals for the same rows, with what then happened.

    Attributes
    ----------
    kind : str
        ``attrition`` or ``lifetime-value``.
    realised : float64 array (n_rows,)
    customers : int64 array (n_rows,)
        The customer of each row; intervals resample customers.
    predicted : float64 array (n_rows,)
        The model that is judged.
    rivals : mapping of str to float64 array (n_rows,)
        Baselines by name, and ``champion`` where there is one.
    low, high : float64 array (n_rows,) or None
        The interval of a lifetime value.
    segments : mapping of str to array (n_rows,)
        What customers have in common, by the name of it: region, channel, tenure band, lifecycle.
    values : float64 array (n_rows,) or None
        What each customer is worth if they stay, in currency units.
    costs : Costs
        Of a campaign.
    """

    kind: str
    realised: Numbers
    customers: npt.NDArray[np.int64]
    predicted: Numbers
    rivals: Mapping[str, Numbers]
    low: Numbers | None = None
    high: Numbers | None = None
    segments: Mapping[str, npt.ArrayLike] | None = None
    values: Numbers | None = None
    costs: Costs = _USUAL

    @property
    def yardstick(self) -> Yardstick:
        """The measures of this kind."""
        if self.kind not in YARDSTICKS:
            raise ValueError(
                f"There is no yardstick for {self.kind!r}. {did_you_mean(self.kind, list(YARDSTICKS))}"
            )
        return YARDSTICKS[self.kind]

    @property
    def metrics(self) -> dict[str, Metric]:
        """The metrics of this kind; the first is the one that a gate judges by."""
        found = dict(self.yardstick.metrics)
        if self.yardstick.is_chance:
            found[PROFIT] = partial(expected_maximum_profit, costs=self.costs)
        return found

    @property
    def predictions(self) -> dict[str, Numbers]:
        """The model's predictions and those of every rival, by name."""
        return {MODEL: self.predicted, **self.rivals}

    @property
    def baselines(self) -> list[str]:
        """The names of the rivals that anybody could have; not the champion."""
        return [name for name in self.rivals if name != CHAMPION]

    @property
    def relative_to_rarer(self) -> tuple[float, float]:
        """What a bias, and a calibration error, are multiplied by to be a share of the rarer outcome.

        An error of one point is little where half of all leave, and much where one in fifty does, or stays.
        Amounts are relative already.
        """
        if not self.yardstick.is_chance:
            return 1.0, 1.0
        mean = float(self.realised.mean())
        rarer = min(mean, 1.0 - mean)
        return (mean / rarer, 1.0 / rarer) if rarer > 0 else (float("nan"), float("nan"))

    def losses(self, predicted: Numbers) -> Numbers:
        """Loss of every row: what the first metric is the mean of."""
        return self.yardstick.losses(self.realised, predicted)

    def beats(self, rival: str, seed: int) -> Interval:
        """Mean loss of the model less that of a rival: below zero, the model is better."""
        return paired_difference(
            self.losses(self.predicted), self.losses(self.rivals[rival]), self.customers, seed=seed
        )


@dataclass(frozen=True)
class Figures:
    """Every metric of the model and of each rival, on the rows as they are and on the same draws of them.

    Attributes
    ----------
    names : tuple of str
        The metrics.
    found : mapping of str to float64 array (1 + n_resamples, n_metrics)
        By whose predictions; the rows as they are come first.
    """

    names: tuple[str, ...]
    found: Mapping[str, Numbers]

    def interval(self, whose: str, metric: str) -> Interval:
        """A figure and the interval around it."""
        column = self.found[whose][:, self.names.index(metric)]
        value, draws = float(column[0]), column[1:]
        if metric in _INFLATED:
            draws = np.maximum(2 * value - draws, 0.0)
        return percentiles(value, draws, LEVEL)

    def difference(self, whose: str, rival: str, metric: str) -> Interval:
        """A figure less that of another on the same draws."""
        column = (self.found[whose] - self.found[rival])[:, self.names.index(metric)]
        if metric in _INFLATED:
            return _even(column)
        return percentiles(float(column[0]), column[1:], LEVEL)

    def of(self, whose: str) -> dict[str, dict[str, float | None]]:
        """All figures as plain JSON values; one that is not defined is null."""
        return {name: plain(self.interval(whose, name)) for name in self.names}

    def against(self, whose: str, rival: str) -> dict[str, dict[str, float | None]]:
        """All differences as plain JSON values."""
        return {name: plain(self.difference(whose, rival, name)) for name in self.names}


def _even(column: Numbers) -> Interval:
    """A figure, given before its draws, with an interval of even sides.

    Resampling inflates two errors unequally, the smaller one more, so neither the draws of their
    difference nor
    their mirror image lie around it; how far they spread is right.
    """
    value, draws = float(column[0]), column[1:]
    return percentiles(value, value + draws - draws.mean(), LEVEL)


def plain(interval: Interval) -> dict[str, float | None]:
    """Write an interval as JSON values: a figure that is not defined is null."""
    return {key: float(end) if np.isfinite(end) else None for key, end in asdict(interval).items()}


def measure(
    evidence: Evidence, seed: int, names: Iterable[str] | None = None, whose: Iterable[str] | None = None
) -> Figures:
    """Compute metrics of the model and its rivals, with the same resamples of customers for all of them.

    Parameters
    ----------
    evidence : Evidence
    seed : int
        Of the resamples.
    names : iterable of str, optional
        The metrics; by default all of the kind.
    whose : iterable of str, optional
        Whose predictions; by default everybody's.
    """
    yardstick, chosen = evidence.yardstick, tuple(names or evidence.metrics)
    tallies = dict(yardstick.tallies)
    if PROFIT in chosen:
        tallies[PROFIT] = profit_of(evidence.costs)
    said = {name: evidence.predictions[name] for name in whose or evidence.predictions}
    ready = {name: yardstick.ready(evidence.realised, predicted) for name, predicted in said.items()}
    found = {
        name: [[evidence.metrics[metric](evidence.realised, predicted) for metric in chosen]]
        for name, predicted in said.items()
    }
    n = len(evidence.realised)
    resamples = int(np.clip(_ROWS_IN_ALL // max(n, 1), *_RESAMPLES))
    for weights in draw_weights(n, evidence.customers, resamples, seed):
        for name, drawable in ready.items():
            tally = drawable.tally(weights)
            found[name].append([tallies[metric](tally) for metric in chosen])
    return Figures(chosen, {name: np.array(rows) for name, rows in found.items()})

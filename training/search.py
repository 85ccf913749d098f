"""Hyperparameter search: the only door to Optuna.

Good defaults come first: they are trial 0, and a search that does not beat them by more than the noise of
its own folds gives them back.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import GroupKFold
from tqdm import tqdm

from features.events import Numbers
from training import metrics
from training.card import value_losses

N_FOLDS = 3


@dataclass(frozen=True)
class Trial:
    """One set of parameters and its mean loss out of fold."""

    number: int
    parameters: Mapping[str, Any]
    loss: float


@dataclass(frozen=True)
class Task:
    """What is searched for: rows, labels, their cutoffs and customers, and how to make an estimator."""

    make: Callable[..., Any]
    kind: str
    X: Numbers
    y: Numbers
    cutoffs: npt.NDArray[np.int64]
    customers: npt.NDArray[np.int64]

    def row_losses(self, parameters: Mapping[str, Any]) -> Numbers:
        """Loss of every row, predicted by a fit to other customers, shape (n_rows,)."""
        losses = np.empty(len(self.y))
        for fit, judge in GroupKFold(N_FOLDS).split(self.X, groups=self.customers):
            model = self.make(**parameters).fit(self.X[fit], self.y[fit], self.cutoffs[fit])
            losses[judge] = self._losses(model, judge)
        return losses

    def _losses(self, model: Any, rows: npt.NDArray[np.int64]) -> Numbers:
        if self.kind == "attrition":
            return metrics.log_losses(self.y[rows], model.predict_proba(self.X[rows])[:, 1])
        return value_losses(self.y[rows], model.predict(self.X[rows]))


def search(
    task: Task, trials: int, seed: int, report: Callable[[Trial], None], *, show: bool
) -> dict[str, Any]:
    """Look for parameters that beat the defaults.

    Parameters
    ----------
    task : Task
        What is searched for.
    trials : int
        How many sets are tried after the defaults; 0: none, and nothing is imported.
    seed : int
        Same seed, same trials.
    report : callable
        Told every `Trial` as it ends.
    show : bool
        Whether to draw a progress bar with the best loss so far.

    Returns
    -------
    dict of str to value
        Parameters for ``task.make``; empty where the defaults are kept: the best trial must beat them by
        more than one standard error of the paired difference.
    """
    if trials == 0:
        return {}
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    losses: dict[int, Numbers] = {}
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed))
    study.enqueue_trial(task.make().get_params())
    with tqdm(total=trials + 1, desc="search", disable=not show) as bar:

        def objective(trial: optuna.Trial) -> float:
            parameters = _propose(trial)
            losses[trial.number] = task.row_losses(parameters)
            loss = float(losses[trial.number].mean())
            report(Trial(trial.number, parameters, loss))
            bar.update()
            bar.set_postfix(best=f"{min(float(found.mean()) for found in losses.values()):.5f}")
            return loss

        study.optimize(objective, n_trials=trials + 1)
    best = study.best_trial
    gain = losses[0] - losses[best.number]
    noise = gain.std() / np.sqrt(len(gain))
    return dict(best.params) if gain.mean() > noise else {}


def _propose(trial: Any) -> dict[str, Any]:
    return {
        "rounds": trial.suggest_int("rounds", 50, 400),
        "max_depth": trial.suggest_int("max_depth", 2, 6),
        "learning_rate": trial.suggest_float("learning_rate", 0.01, 0.2, log=True),
        "min_child_weight": trial.suggest_float("min_child_weight", 1.0, 200.0, log=True),
        "reg_lambda": trial.suggest_float("reg_lambda", 0.1, 100.0, log=True),
        "subsample": trial.suggest_float("subsample", 0.5, 1.0),
        "colsample_bytree": trial.suggest_float("colsample_bytree", 0.2, 1.0),
    }

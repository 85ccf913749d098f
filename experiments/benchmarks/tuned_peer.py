"""A peer: XGBoost, tuned by Optuna as it is usually written."""

from typing import Any, Self

import numpy as np
from sklearn.model_selection import StratifiedKFold, cross_val_score

from features.events import Numbers

TRIALS = 30


class TunedXgboost:
    """XGBoost with the best of so many sets of parameters, by log-loss in five folds of the teaching rows.

    Parameters
    ----------
    trials : int
    """

    def __init__(self, trials: int = TRIALS) -> None:
        self.trials = trials

    def fit(self, X: Numbers, y: Numbers) -> Self:
        """Search, then fit to all rows with what was found."""
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        folds = StratifiedKFold(5, shuffle=True, random_state=0)

        def objective(trial: Any) -> float:
            model = _classifier(_space(trial))
            return float(np.mean(cross_val_score(model, X, y, cv=folds, scoring="neg_log_loss")))

        study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=0))
        study.optimize(objective, n_trials=self.trials)
        self.model_ = _classifier(study.best_params).fit(X, y)
        return self

    def predict_proba(self, X: Numbers) -> Numbers:
        """Probability of both classes, shape (n_rows, 2)."""
        return np.asarray(self.model_.predict_proba(X), np.float64)


def _classifier(parameters: dict[str, Any]) -> Any:
    import xgboost as xgb

    return xgb.XGBClassifier(**parameters, n_jobs=1, random_state=0)


def _space(trial: Any) -> dict[str, Any]:
    return {
        "n_estimators": trial.suggest_int("n_estimators", 50, 500),
        "max_depth": trial.suggest_int("max_depth", 2, 8),
        "learning_rate": trial.suggest_float("learning_rate", 0.01, 0.3, log=True),
        "min_child_weight": trial.suggest_float("min_child_weight", 1.0, 50.0, log=True),
        "reg_lambda": trial.suggest_float("reg_lambda", 0.1, 50.0, log=True),
        "subsample": trial.suggest_float("subsample", 0.5, 1.0),
        "colsample_bytree": trial.suggest_float("colsample_bytree", 0.3, 1.0),
    }

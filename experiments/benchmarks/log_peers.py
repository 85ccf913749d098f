"""What others would say of a purchase log: buy-till-you-die models, and boosted trees as they come."""

import numpy as np
import xgboost as xgb
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from features.events import Numbers
from features.panel import Panel
from training.btyd import BgNbd, GammaGamma, ParetoNbd
from training.repeat_buying import histories

_TREES = {"n_jobs": 1, "random_state": 0, "verbosity": 0}
_CENTS, _MONTH = 100, 365.25 / 12
AVERAGE_SPEND = "average spend × months"
"""What a customer spent a month so far, for as many months as are asked about; who is new counts a month."""


def silence_peers(X: Numbers, y: Numbers, rows: Numbers, panel: Panel, days: float) -> dict[str, Numbers]:
    """Chances that the customers of a panel buy nothing in so many days, by peer.

    Parameters
    ----------
    X, y : arrays (n_training_rows, n_inputs), (n_training_rows,)
        For the peers that learn.
    rows : array (n_customers, n_inputs)
        The inputs of the panel.
    panel : Panel
        The customers at one cutoff, for the peers that know histories.
    days : float
        The horizon.
    """
    x, t_x, T, _ = histories(panel)
    said = {
        name: model.fit(x, t_x, T).probability_no_purchase(days, x, t_x, T)
        for name, model in (("BG/NBD", BgNbd), ("Pareto/NBD", ParetoNbd))
    }
    learners = {
        "XGBoost, defaults": xgb.XGBClassifier(**_TREES),
        "HistGradientBoosting, defaults": HistGradientBoostingClassifier(random_state=0),
    }
    learned = {name: model.fit(X, y).predict_proba(rows)[:, 1] for name, model in learners.items()}
    return {**said, **{name: chance.astype(np.float64) for name, chance in learned.items()}}


def value_peers(X: Numbers, y: Numbers, rows: Numbers, panel: Panel, days: float) -> dict[str, Numbers]:
    """Amounts that the customers of a panel will spend in so many days, by peer; see `silence_peers`."""
    x, t_x, T, value = histories(panel)
    again = (value > 0) & (x > 0)
    order = GammaGamma.fit(x[again] + 1, value[again]).expected_mean(x + 1, value) / _CENTS
    said = {
        f"{name} + Gamma-Gamma": model.fit(x, t_x, T).expected_purchases(days, x, t_x, T) * order
        for name, model in (("BG/NBD", BgNbd), ("Pareto/NBD", ParetoNbd))
    }
    monthly = value * (x + 1) / _CENTS / (np.maximum(T, _MONTH) / _MONTH)
    learners = {
        "XGBoost, defaults": xgb.XGBRegressor(**_TREES),
        "XGBoost, Tweedie": xgb.XGBRegressor(objective="reg:tweedie", **_TREES),
        "HistGradientBoosting, defaults": HistGradientBoostingRegressor(random_state=0),
    }
    spent = np.maximum(y, 0.0)
    learned = {name: model.fit(X, spent).predict(rows) for name, model in learners.items()}
    return {
        **said,
        **{name: amount.astype(np.float64) for name, amount in learned.items()},
        AVERAGE_SPEND: monthly * days / _MONTH,
    }

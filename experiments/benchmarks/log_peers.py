"""What others would say of a purchase log: buy-till-you-die models, and XGBoost as it comes."""

import numpy as np
import xgboost as xgb

from features.events import Numbers
from features.panel import Panel
from training.btyd import BgNbd, GammaGamma, ParetoNbd
from training.repeat_buying import histories

_TREES = {"n_jobs": 1, "random_state": 0, "verbosity": 0}
_CENTS = 100


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
    trees = xgb.XGBClassifier(**_TREES).fit(X, y)
    return {**said, "XGBoost, defaults": trees.predict_proba(rows)[:, 1].astype(np.float64)}


def value_peers(X: Numbers, y: Numbers, rows: Numbers, panel: Panel, days: float) -> dict[str, Numbers]:
    """Amounts that the customers of a panel will spend in so many days, by peer; see `silence_peers`."""
    x, t_x, T, value = histories(panel)
    again = (value > 0) & (x > 0)
    order = GammaGamma.fit(x[again] + 1, value[again]).expected_mean(x + 1, value) / _CENTS
    said = {
        f"{name} + Gamma-Gamma": model.fit(x, t_x, T).expected_purchases(days, x, t_x, T) * order
        for name, model in (("BG/NBD", BgNbd), ("Pareto/NBD", ParetoNbd))
    }
    spent = np.maximum(y, 0.0)
    squares = xgb.XGBRegressor(**_TREES).fit(X, spent)
    tweedie = xgb.XGBRegressor(objective="reg:tweedie", **_TREES).fit(X, spent)
    return {
        **said,
        "XGBoost, defaults": squares.predict(rows).astype(np.float64),
        "XGBoost, Tweedie": tweedie.predict(rows).astype(np.float64),
    }

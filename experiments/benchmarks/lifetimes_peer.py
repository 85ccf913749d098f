"""A peer: BG/NBD by lifetimes, which wants an older numpy than ours, so this module runs with another Python.

``python -m experiments.benchmarks.lifetimes_peer`` fits CDNOW's published sample, which lifetimes brings, and
with a file of histories (``x``, ``t_x`` and ``T`` in weeks, as npz) those; it prints both as JSON.
"""

import importlib
import json
import sys
import time
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

NAMES = ("r", "alpha", "a", "b")


def fitted(x: Any, t_x: Any, T: Any) -> dict[str, float]:
    """Fit, and return the parameters, the log-likelihood and the CPU seconds."""
    fitter = importlib.import_module("lifetimes").BetaGeoFitter
    started = time.process_time()
    model = fitter(penalizer_coef=0.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of roots of negative numbers on the way
        model.fit(x, t_x, T)
    seconds = time.process_time() - started
    parameters = {name: float(model.params_[name]) for name in NAMES}
    # What it keeps is of times in units of its own, and a mean; this is of the times as they came, and a sum.
    logs = np.log([parameters[name] for name in NAMES])
    lost = fitter._negative_log_likelihood(logs, x, t_x, T, np.ones(len(x)), 0.0)  # noqa: SLF001  (no other way)
    return parameters | {"log_likelihood": -len(x) * float(lost), "seconds": seconds}


def sample() -> tuple[Any, Any, Any]:
    """Repeat purchases and weeks of the 2,357 customers of the papers."""
    rows = importlib.import_module("lifetimes.datasets").load_cdnow_summary()
    x, t_x, T = (rows[name].to_numpy(np.float64) for name in ("frequency", "recency", "T"))
    return x, t_x, T


def main(argv: Sequence[str]) -> int:
    """Fit the sample and the histories of a file, if one is given."""
    x, t_x, T = sample()
    found: dict[str, Any] = {"histories": [values.tolist() for values in (x, t_x, T)]}
    found["fits"] = {"sample": fitted(x, t_x, T)}
    if argv:
        rows = np.load(argv[0])
        found["fits"]["log"] = fitted(rows["x"], rows["t_x"], rows["T"])
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""What the whole attrition ensembles cost beside one plain XGBoost, in CPU seconds on the same rows.

``python -m experiments.benchmarks.ensemble_cost --rows 1000000``
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from experiments.benchmarks.search import COLUMNS, Rows, draw
from training.attrition import AttritionModel
from training.contract_attrition import ContractAttritionModel

GOAL = 6
"""So many times the one fit may an ensemble cost, 1 M rows or fewer."""

PLAIN_ROUNDS = 300


@dataclass(frozen=True)
class Cost:
    """CPU seconds of each fit on so many rows, one thread."""

    rows: int
    plain: float
    silence: float
    contract: float


def cost(rows: int) -> Cost:
    """Fit each once: the plain classifier of 300 rounds first, then both ensembles with their defaults."""
    import xgboost as xgb

    drawn = draw(rows, 1)
    plain = xgb.XGBClassifier(n_estimators=PLAIN_ROUNDS, n_jobs=1)
    return Cost(
        rows,
        _cpu_seconds(plain.fit, drawn),
        _cpu_seconds(AttritionModel(prior_column=0, n_jobs=1).fit, drawn),
        _cpu_seconds(ContractAttritionModel(n_jobs=1).fit, drawn),
    )


def _cpu_seconds(fit: Callable[..., Any], rows: Rows) -> float:
    started = time.process_time()
    fit(rows.X, rows.y)
    return time.process_time() - started


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print the figures as JSON."""
    parser = argparse.ArgumentParser(description=f"CPU seconds of the ensembles on rows × {COLUMNS} inputs")
    parser.add_argument("--rows", type=int, default=100_000)
    print(json.dumps(asdict(cost(parser.parse_args(argv).rows))))
    return 0


if __name__ == "__main__":
    sys.exit(main())

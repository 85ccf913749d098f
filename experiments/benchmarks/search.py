"""Trials per minute of our search beside the usual Optuna loop, and what each finds, in one run.

``python -m experiments.benchmarks.search --rows 30000 --trials 8 --out experiments/results/search.md``

The usual loop proposes by TPE, fits every fold to the end and gives nothing up.  All have the same rows and
one thread, ours `GOAL` times the trials; what they find is judged on rows that none of them saw.
"""

import argparse
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import expit

from experiments.benchmarks.machine import described
from features.events import Numbers
from training.attrition import AttritionModel
from training.search import Task, Trial, search

COLUMNS, SKEWED, UNSEEN_ROWS, THREADS = 60, 20, 100_000, 1
GOAL = 5
PACKAGES = ("numpy", "optuna", "scikit-learn", "xgboost-cpu")
_NOTE = (
    "A trial of the usual loop fits three folds to the end. Losses are of models fitted to all rows with "
    "what was found, on rows that nobody saw; a difference is to ours, with its standard error, and above "
    "zero where ours is better."
)


@dataclass(frozen=True)
class Rows:
    """Inputs, outcomes and each row's prior logit, which is the first input too."""

    X: Numbers
    y: Numbers
    prior: Numbers


@dataclass(frozen=True)
class Result:
    """What a search cost and the loss of every unseen row with what it found."""

    trials: int
    cpu_seconds: float
    rounds: float
    losses: Numbers

    @property
    def per_minute(self) -> float:
        """Trials a CPU minute."""
        return 60 * self.trials / self.cpu_seconds


def draw(n: int, seed: int) -> Rows:
    """Customers with a prior that misses steps, saturation and interactions; many inputs are skewed."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, COLUMNS))
    prior = X[:, 0].copy()
    missed = (
        0.6 * (X[:, 20] > 0) * (X[:, 21] > 0.3)  # noqa: PLR2004  (a step off the middle)
        - 0.4 * np.tanh(X[:, 22])
        - 0.3 * X[:, 23] * X[:, 24]
        + 0.2 * np.sin(2 * X[:, 25])
        + 0.3 * np.log1p(np.exp(X[:, 1]))
        + 0.1 * X[:, 26]
        - 0.5
    )
    y = (rng.uniform(size=n) < expit(prior + missed)).astype(np.float64)
    X[:, 1:SKEWED] = np.exp(X[:, 1:SKEWED])
    X[:, 1:][rng.uniform(size=(n, COLUMNS - 1)) < 0.05] = np.nan  # noqa: PLR2004  (one in twenty)
    return Rows(X, y, prior)


def make(**parameters: Any) -> AttritionModel:
    """Make the estimator that is searched for."""
    return AttritionModel(**{"prior_column": 0, "n_jobs": THREADS, **parameters})


def whole(rows: Rows, unseen: Rows, parameters: Mapping[str, Any]) -> tuple[Numbers, float]:
    """Loss of every unseen row by the ensemble, and its rounds."""
    model = make(**parameters).fit(rows.X, rows.y)
    return model.row_losses(unseen.X, unseen.y), model.rounds


def plain(rows: Rows, unseen: Rows, parameters: Mapping[str, Any]) -> tuple[Numbers, float]:
    """Loss of every unseen row by one plain classifier that starts from the prior, and its rounds."""
    import xgboost as xgb

    how = {("n_estimators" if name == "rounds" else name): value for name, value in parameters.items()}
    model = xgb.XGBClassifier(**how, n_jobs=THREADS, base_score=0.5, random_state=0)
    model.fit(rows.X, rows.y, base_margin=rows.prior)
    logits = model.predict(unseen.X, base_margin=unseen.prior, output_margin=True).astype(np.float64)
    return np.logaddexp(0.0, logits) - unseen.y * logits, model.n_estimators


Fit = Callable[[Rows, Rows, Mapping[str, Any]], tuple[Numbers, float]]


def usual(fit: Fit, rows: Rows, unseen: Rows, trials: int) -> Result:
    """Search as it is usually written."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    fold = np.random.default_rng(0).integers(0, 3, len(rows.y))
    rounds: list[float] = []

    def objective(trial: Any) -> float:
        parameters = _usual_space(trial)
        losses = 0.0
        for judge in (fold == one for one in range(3)):
            found, grown = fit(_part(rows, ~judge), _part(rows, judge), parameters)
            losses += float(found.sum())
        rounds.append(grown)
        return losses / len(rows.y)

    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=0))
    started = time.process_time()
    study.optimize(objective, n_trials=trials)
    spent = time.process_time() - started
    losses, _ = fit(rows, unseen, study.best_params)
    return Result(len(study.trials), spent, float(np.mean(rounds)), losses)


def _usual_space(trial: Any) -> dict[str, Any]:
    return {
        "rounds": trial.suggest_int("rounds", 50, 400),
        "max_depth": trial.suggest_int("max_depth", 2, 6),
        "learning_rate": trial.suggest_float("learning_rate", 0.01, 0.2, log=True),
        "min_child_weight": trial.suggest_float("min_child_weight", 1.0, 200.0, log=True),
        "reg_lambda": trial.suggest_float("reg_lambda", 0.1, 100.0, log=True),
        "subsample": trial.suggest_float("subsample", 0.5, 1.0),
        "colsample_bytree": trial.suggest_float("colsample_bytree", 0.2, 1.0),
    }


def _part(rows: Rows, keep: Any) -> Rows:
    return Rows(rows.X[keep], rows.y[keep], rows.prior[keep])


def ours(rows: Rows, unseen: Rows, wanted: int) -> tuple[Result, float]:
    """Search with `training.search`; also return the CPU seconds with which the candidate was judged."""
    n, trials = len(rows.y), list[Trial]()
    marks = [time.process_time()]

    def report(trial: Trial) -> None:
        trials.append(trial)
        marks.append(time.process_time())

    task = Task(make, "attrition", rows.X, rows.y, np.zeros(n, np.int64), np.arange(n))
    best = search(task, wanted - 1, 0, report, show=False)
    judging = time.process_time() - marks[-1]
    losses, _ = whole(rows, unseen, best)
    grown = float(np.mean([trial.grown for trial in trials]))
    return Result(len(trials), marks[-1] - marks[0], grown, losses), judging


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--rows", type=int, default=30_000, help="how many to search on")
    parser.add_argument("--trials", type=int, default=8, help="how many the usual loop may try")
    parser.add_argument("--out", type=Path, help="the Markdown file to write")
    arguments = parser.parse_args(argv)
    page = measure(arguments.rows, arguments.trials)
    print(page)
    if arguments.out is not None:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(page, encoding="utf-8")
    return 0


def measure(n: int, trials: int) -> str:
    """Let every search have its turn; return the page."""
    rows, unseen = draw(n, 1), draw(UNSEEN_ROWS, 2)
    peers = {
        "usual loop, one plain `XGBClassifier` from the prior": usual(plain, rows, unseen, trials),
        "usual loop, our estimator": usual(whole, rows, unseen, trials),
    }
    found, judging = ours(rows, unseen, GOAL * trials)
    defaults, _ = whole(rows, unseen, {})
    lines = [
        "# Search: trials a minute, and what they find",
        "",
        f"{n:,} rows × {COLUMNS} inputs. {described(PACKAGES)}",
        "",
        _NOTE,
        "",
        "| search | trials | CPU s | trials a CPU minute | rounds a trial | loss | difference |",
        "|---|" + "---:|" * 6,
        f"| **ours**, judged in {judging:.0f} CPU s more | {_cells(found)} | {found.losses.mean():.5f} | |",
    ]
    lines += [
        f"| {name} | {_cells(peer)} | {peer.losses.mean():.5f} | {_difference(peer.losses, found.losses)} |"
        for name, peer in peers.items()
    ]
    lines.append(
        f"| the defaults, no search | | | | | {defaults.mean():.5f} | {_difference(defaults, found.losses)} |"
    )
    return "\n".join([*lines, "", *_goals(found, peers), ""])


def _cells(result: Result) -> str:
    return f"{result.trials} | {result.cpu_seconds:.0f} | {result.per_minute:.1f} | {result.rounds:.0f}"


def _difference(peer: Numbers, own: Numbers) -> str:
    more = peer - own
    return f"{more.mean():+.5f} ± {more.std() / np.sqrt(len(more)):.5f}"


def _goals(found: Result, peers: Mapping[str, Result]) -> list[str]:
    lines = []
    for name, peer in peers.items():
        times = found.per_minute / peer.per_minute
        more = peer.losses - found.losses
        as_good = more.mean() >= -2 * more.std() / np.sqrt(len(more))
        met = "met" if times >= GOAL and as_good else "**missed**"
        lines.append(
            f"- {met}: {times:.1f} × the trials a CPU minute of the {name} (goal {GOAL}), "
            f"{'at the same loss or a lower one' if as_good else 'at a higher loss'}"
        )
    return lines


if __name__ == "__main__":
    sys.exit(main())

"""How well attrition is predicted on public contract tables, beside the defaults of common libraries.

``python -m experiments.benchmarks.contract_tables --from downloads``

Repeated stratified cross-validation; levels, imputation and scales are learnt inside the fold, and so is
everything that a model chooses.  Differences are tested with the corrected resampled t-test (Nadeau and
Bengio 2003, Machine Learning 52): folds share their training rows, and the plain t-test would be too sure.
"""

import argparse
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import t as student
from sklearn.model_selection import RepeatedStratifiedKFold

from experiments.benchmarks.accuracy_page import Line
from training import metrics

Numbers = npt.NDArray[np.float64]
SEED = 42
_FEWEST_OF_LEVEL = 10
_MEASURES: dict[str, Callable[[Numbers, Numbers], float]] = {
    "AUC": metrics.roc_auc,
    "log-loss": metrics.log_loss,
    "ECE": metrics.expected_calibration_error,
    "lift@10 %": metrics.lift_at(0.1),
}
OURS = "Holdfast"
_RISING = {"AUC", "lift@10 %"}


@dataclass(frozen=True)
class Table:
    """A public table, how it is judged, and the figures to reach.

    Attributes
    ----------
    name : str
    read : callable
        From the folder of public data to columns and outcomes (1 left).
    repeats : int
        How often the five folds are drawn.
    goal : mapping of str to float
        By measure.
    """

    name: str
    read: Callable[[Path], tuple[pd.DataFrame, Numbers]]
    repeats: int
    goal: Mapping[str, float]


def telco(source: Path) -> tuple[pd.DataFrame, Numbers]:
    """IBM's Telco customers, the classic 19 columns; blank totals are missing."""
    frame = pd.read_parquet(source / "telco" / "plain.parquet")
    frame["TotalCharges"] = pd.to_numeric(frame["TotalCharges"], errors="coerce")
    left = np.asarray(frame["Churn"] == "Yes", np.float64)
    return frame.drop(columns=["customerID", "Churn"]), left


def churn_tv(source: Path) -> tuple[pd.DataFrame, Numbers]:
    """TV subscriptions, all with their own id; what a wrong decision costs is not an input."""
    frame = pd.read_parquet(source / "churn_tv" / "subscriptions.parquet")
    inputs = [name for name in frame.columns if name.startswith("x")]
    return frame[inputs], frame["target"].to_numpy(np.float64)


def churn_tv_once(source: Path) -> tuple[pd.DataFrame, Numbers]:
    """The same with customers of equal inputs taken once: nobody is seen in training and test."""
    inputs, left = churn_tv(source)
    first = ~inputs.duplicated().to_numpy()
    return inputs[first].reset_index(drop=True), np.asarray(left[first], np.float64)


def insurance(source: Path) -> tuple[pd.DataFrame, Numbers]:
    """Motor policies at renewal; there is no customer key, so exact duplicates are taken once."""
    frame = pd.read_parquet(source / "insurance" / "eudirectlapse.parquet").drop_duplicates()
    return frame.drop(columns="lapse").reset_index(drop=True), frame["lapse"].to_numpy(np.float64)


TABLES = {
    "telco": Table(
        "Telco plain, 19 columns",
        telco,
        5,
        {"AUC": 0.851, "log-loss": 0.4095, "ECE": 0.020, "lift@10 %": 2.90},
    ),
    "churn_tv": Table("churn_tv", churn_tv, 2, {"AUC": 0.725, "log-loss": 0.1775}),
    "churn_tv_once": Table("churn_tv without duplicates", churn_tv_once, 2, {}),
    "insurance": Table("insurance lapse", insurance, 1, {"AUC": 0.632, "log-loss": 0.3705}),
}


def encoded(teaching: pd.DataFrame, other: pd.DataFrame) -> tuple[Numbers, Numbers]:
    """Numbers as they are; texts as one 0/1 column for each level that is frequent in the teaching rows."""
    parts: tuple[list[Numbers], list[Numbers]] = ([], [])
    for name in teaching:
        if pd.api.types.is_numeric_dtype(teaching[name]):
            for part, frame in zip(parts, (teaching, other), strict=True):
                part.append(frame[name].to_numpy(np.float64))
            continue
        counts = teaching[name].astype(str).value_counts()
        levels = sorted(counts.index[counts >= _FEWEST_OF_LEVEL])
        for level in levels[1:] if len(levels) == 2 else levels:  # noqa: PLR2004  (two levels are one column)
            for part, frame in zip(parts, (teaching, other), strict=True):
                part.append((frame[name].astype(str) == level).to_numpy(np.float64))
    return np.column_stack(parts[0]), np.column_stack(parts[1])


def models() -> dict[str, Callable[[], Any]]:
    """Ours, and each peer as its users start with it."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from xgboost import XGBClassifier

    from training.contract_attrition import ContractAttritionModel

    return {
        OURS: lambda: ContractAttritionModel(n_jobs=1),
        "logistic": lambda: make_pipeline(
            SimpleImputer(strategy="median"), StandardScaler(), LogisticRegression(max_iter=1000)
        ),
        "HistGradientBoosting": lambda: HistGradientBoostingClassifier(random_state=0),
        "XGBoost": lambda: XGBClassifier(n_jobs=1),
    }


@dataclass(frozen=True)
class Judged:
    """One model on one table.

    Attributes
    ----------
    by_fold : mapping of str to array (n_folds,)
        Each measure, and ``seconds`` of processor time of the fit.
    pooled : float
        Calibration error over all rows of a repeat together, mean over repeats.
    """

    by_fold: Mapping[str, Numbers]
    pooled: float


def judge(
    table: Table,
    source: Path,
    repeats: int | None = None,
    most_rows: int | None = None,
    contestants: Mapping[str, Callable[[], Any]] | None = None,
) -> dict[str, Judged]:
    """Cross-validate ours and the peers on the same folds.

    Parameters
    ----------
    table : Table
    source : Path
        The folder of public data.
    repeats, most_rows : int or None
        Fewer than the protocol's, for a quick look.
    contestants : mapping or None
        Unfitted models by name; None: those of `models`.

    Returns
    -------
    dict of str to Judged
    """
    columns, left = table.read(source)
    columns, left = columns[:most_rows], left[:most_rows]
    plan = RepeatedStratifiedKFold(n_splits=5, n_repeats=repeats or table.repeats, random_state=SEED)
    folds = list(plan.split(columns, left))
    rows = [encoded(columns.iloc[teaching], columns.iloc[test]) for teaching, test in folds]
    judged = {}
    for name, make in (contestants or models()).items():
        said, seconds = [], []
        for (teaching, _), (seen, unseen) in zip(folds, rows, strict=True):
            start = time.process_time()
            model = make().fit(seen, left[teaching])
            seconds.append(time.process_time() - start)
            said.append(np.asarray(model.predict_proba(unseen)[:, 1], np.float64))
        tests = [test for _, test in folds]
        judged[name] = _measured(left, tests, said, seconds)
    return judged


def _measured(
    left: Numbers, tests: Sequence[npt.NDArray[np.int64]], said: Sequence[Numbers], seconds: list[float]
) -> Judged:
    by_fold = {
        name: np.array([measure(left[test], p) for test, p in zip(tests, said, strict=True)])
        for name, measure in _MEASURES.items()
    }
    pooled = [
        metrics.expected_calibration_error(
            np.concatenate([left[test] for test in tests[first : first + 5]]),
            np.concatenate(said[first : first + 5]),
        )
        for first in range(0, len(tests), 5)
    ]
    return Judged(by_fold | {"seconds": np.array(seconds)}, float(np.mean(pooled)))


def corrected_interval(differences: Numbers, test_share: float = 0.25) -> tuple[float, float, float]:
    """Mean difference over resamples, and its 95 % interval, corrected for shared training rows.

    Variance ``(1/k + n_test/n_train) s²`` with k resamples, Student's t with k - 1 degrees of freedom.

    Parameters
    ----------
    differences : float64 array (n_resamples,)
    test_share : float
        Test rows for each training row.

    Examples
    --------
    >>> [round(end, 3) for end in corrected_interval(np.array([0.1, 0.2, 0.3, 0.2, 0.2]))]
    [0.2, 0.068, 0.332]
    """
    k = len(differences)
    spread = float(np.sqrt((1 / k + test_share) * differences.var(ddof=1)))
    width = float(student.ppf(0.975, k - 1)) * spread
    mean = float(differences.mean())
    return mean, mean - width, mean + width


def lines_of(table: Table, judged: Mapping[str, Judged]) -> list[Line]:
    """Ours beside the goals of a table and the best peer by each measure."""
    found = []
    for name, goal in table.goal.items():
        rises = name in _RISING
        mean = {who: float(one.by_fold[name].mean()) for who, one in judged.items()}
        peer = (max if rises else min)((who for who in judged if who != OURS), key=mean.__getitem__)
        difference = corrected_interval(judged[OURS].by_fold[name] - judged[peer].by_fold[name])
        sense: Literal["≥", "≤"] = "≥" if rises else "≤"
        found.append(Line(table.name, name, sense, goal, mean[OURS], peer, mean[peer], difference))
    return found


def to_markdown(results: Mapping[str, Mapping[str, Judged]], *, with_goals: bool = True) -> str:
    """One table: a row for each model on each table, with differences to ours, and a row of goals."""
    heads = ["data", "model", "AUC", "log-loss", "ECE (folds)", "ECE (pooled)", "lift@10 %", "CPU s per fit"]
    heads += ["AUC: ours minus it", "log-loss: ours minus it"]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for key, judged in results.items():
        goal = TABLES[key].goal
        if goal and with_goals:
            wanted = [f"{goal[name]:.4g}" if name in goal else "" for name in _MEASURES]
            lines.append(f"| {TABLES[key].name} | goal | {' | '.join([*wanted[:3], '', wanted[3]])} | | | |")
        for name, one in judged.items():
            lines.append(f"| {TABLES[key].name} | {name} | {_figures(one)} | {_against(judged[OURS], one)} |")
    return "\n".join(lines)


def _figures(one: Judged) -> str:
    mean = {name: float(values.mean()) for name, values in one.by_fold.items()}
    return (
        f"{mean['AUC']:.4f} | {mean['log-loss']:.4f} | {mean['ECE']:.4f} | {one.pooled:.4f}"
        f" | {mean['lift@10 %']:.3f} | {mean['seconds']:.2f}"
    )


def _against(ours: Judged, other: Judged) -> str:
    if ours is other:
        return " | "
    found = (corrected_interval(ours.by_fold[name] - other.by_fold[name]) for name in ("AUC", "log-loss"))
    return " | ".join(f"{mean:+.4f} [{low:+.4f}, {high:+.4f}]" for mean, low, high in found)


def main() -> int:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--from", dest="source", type=Path, required=True, help="folder of public data")
    parser.add_argument("--tables", nargs="+", choices=list(TABLES), default=list(TABLES))
    parser.add_argument("--repeats", type=int, default=None, help="fewer repeats than the protocol's")
    arguments = parser.parse_args()
    results = {key: judge(TABLES[key], arguments.source, arguments.repeats) for key in arguments.tables}
    print(to_markdown(results))
    return 0


if __name__ == "__main__":
    sys.exit(main())

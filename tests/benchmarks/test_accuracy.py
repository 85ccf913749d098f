"""The benchmark of the accuracy works on few rows, and who is worse is shown as not met."""

import numpy as np
import pandas as pd
import pytest

from experiments.benchmarks import accuracy, accuracy_parts, contract_tables, purchase_logs
from experiments.benchmarks.accuracy_page import Line, Part, to_page
from experiments.benchmarks.accuracy_parts import PARTS
from experiments.benchmarks.contract_tables import OURS, Table
from experiments.benchmarks.log_peers import AVERAGE_SPEND
from experiments.benchmarks.purchase_logs import PROTOCOLS, SHARE_FOUND, Row
from training.intervals import Interval


def rows_of(page):
    """Rows of the first table, by data and measure."""
    table = page.split("## Figures to beat")[1].split("\n\n")[1]
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()[2:]]
    return {(row[0], row[1]): row[2:] for row in cells}


def goals_of(names):
    tables, logs = contract_tables.TABLES, {accuracy_parts._log_name(one): one for one in PROTOCOLS}
    goals = {
        (tables[name].name, measure) for name in names if name in tables for measure in tables[name].goal
    }
    return goals | {
        (f"{logs[name].data}, {logs[name].horizon_days} d: {asks}", measure)
        for name in names
        if name in logs
        for asks, measure, _ in logs[name].goals
    }


def run(data_dir, tmp_path, names, *words):
    out = tmp_path / "results" / "accuracy.md"
    command = ["--from", str(data_dir), "--reduced", "--out", str(out), *words]
    assert accuracy.main([*command, "--parts", *names]) == 0
    return out.read_text(encoding="utf-8")


@pytest.mark.data
def test_a_reduced_run_has_a_row_for_every_goal(data_dir, tmp_path, capsys):
    names = ["telco", "insurance", "cdnow_181"]
    page = run(data_dir, tmp_path, names, "--keep", str(tmp_path / "kept"))
    assert page.strip() in capsys.readouterr().out
    rows = rows_of(page)
    assert set(rows) == goals_of(names)
    assert all(row[2] in {"yes", "**no**"} and row[3] and "[" in row[5] for row in rows.values())
    assert "Its figures mean nothing" in page
    assert f"Not measured in this run: {PARTS['churn_tv'][0]}" in page
    for peer in ("logistic", "HistGradientBoosting", "Pareto/NBD", "XGBoost, Tweedie", AVERAGE_SPEND):
        assert f"| {peer} |" in page


@pytest.mark.data
@pytest.mark.nightly
def test_all_parts_work_in_a_reduced_run(data_dir, tmp_path):
    rows = rows_of(run(data_dir, tmp_path, list(PARTS)))
    assert goals_of(PARTS) < set(rows)
    said = " ".join(f"{data} {measure}" for data, measure in rows)
    for what in ("as a share of 2 trials", "holdfast train", "by silence, 600 rows", "by contract, 600 rows"):
        assert what in said


class Known:
    """Says a mixture of the truth, which is the first input, and of nothing."""

    def __init__(self, share):
        self.share = share

    def fit(self, _X, _y):
        return self

    def predict_proba(self, X):
        chance = self.share * (0.1 + 0.8 * X[:, 0]) + (1 - self.share) * X[:, 1]
        return np.column_stack([1 - chance, chance])


def test_a_planted_worse_model_is_shown_as_not_met(monkeypatch):
    rng = np.random.default_rng(0)
    left = (rng.uniform(size=400) < 0.3).astype(np.float64)
    inputs = pd.DataFrame({"truth": left, "nothing": rng.uniform(0.01, 0.99, size=400)})
    table = Table("made up", lambda _: (inputs, left), 2, {"AUC": 0.9, "log-loss": 0.3})
    for share, met in ((1.0, "yes"), (0.1, "**no**")):
        contestants = {OURS: lambda share=share: Known(share), "peer": lambda: Known(0.8)}
        lines = contract_tables.lines_of(table, contract_tables.judge(table, None, contestants=contestants))
        page = to_page({"x": Part(lines, "")}, {"x": "made up"})
        assert {row[2] for row in rows_of(page).values()} == {met}
        assert all(row[3] == "peer" for row in rows_of(page).values())
        assert ("- made up, AUC: by" in page) is (met == "**no**")
    # The interval says so too: below zero in AUC, above in log-loss.
    assert lines[0].difference[2] < 0 < lines[1].difference[1]


def test_of_a_log_the_best_peer_and_the_right_head_are_taken():
    def row(model, asks, ours, **figures):
        figures = {SHARE_FOUND if name == "top" else name: value for name, value in figures.items()}
        minus = {} if ours else {name: Interval(0.1, 0.0, 0.2) for name in figures}
        return Row("cdnow", 91, asks, model, figures, minus)

    value = {"RMSE": 30.0, "Gini": 0.7, "abs. bias": 0.1, "top": 0.6}
    rows = [
        row(purchase_logs.OURS, "attrition", ours=True, **{"AUC": 0.83, "log-loss": 0.33}),
        row("BG/NBD", "attrition", ours=False, **{"AUC": 0.81, "log-loss": 0.34}),
        row("trees", "attrition", ours=False, **{"AUC": 0.80, "log-loss": 0.32}),
        row(purchase_logs.OURS, "lifetime-value", ours=True, MAE=12.0, **value),
        row(purchase_logs._MEDIAN, "lifetime-value", ours=True, MAE=9.0, **value),
        row(AVERAGE_SPEND, "lifetime-value", ours=False, MAE=20.0, **{**value, "top": 0.5}),
    ]
    lines = {line.measure: line for line in purchase_logs.lines_of(PROTOCOLS[0], rows)}
    assert (lines["AUC"].peer, lines["log-loss"].peer) == ("BG/NBD", "trees")
    assert (lines["AUC"].is_met, lines["log-loss"].is_met) == (True, False)
    assert (lines["MAE"].measured, lines["MAE"].is_met) == (9.0, True)
    assert (lines["RMSE"].is_met, lines["Gini"].is_met, lines["abs. bias"].is_met) == (True, False, False)
    assert lines[SHARE_FOUND].goal == pytest.approx(0.55)
    assert lines[SHARE_FOUND].is_met


def test_a_figure_that_is_undefined_meets_no_goal():
    assert not Line("a", "b", "≥", 0.0, float("nan")).is_met
    assert not Line("a", "b", "≤", 1.0, float("nan")).is_met
    assert Line("a", "b", "≤", 1.0, 1.0).is_met
    assert not Line("a", "b", "≥", 0.851, 0.85099).is_met


def test_a_prediction_that_is_the_same_for_all_finds_a_fifth_of_the_best():
    spent = np.r_[np.zeros(80), np.arange(1.0, 21.0)]
    assert purchase_logs.share_found(spent, spent) == 1.0
    assert purchase_logs.share_found(spent, -spent) == 0.0
    assert purchase_logs.share_found(spent, np.ones(100)) == pytest.approx(0.2)
    # Fewer than a fifth spent anything: those are the best, and nobody who spent nothing.
    assert purchase_logs.share_found(np.r_[np.zeros(9), 5.0], np.r_[np.ones(2), np.zeros(7), 0.5]) == 0.0


def test_parts_that_are_kept_are_not_measured_again(monkeypatch, tmp_path):
    line = Line("data", "AUC", "≥", 0.8, 0.7, "peer", 0.75, (-0.05, -0.1, 0.0))
    calls = []
    monkeypatch.setitem(PARTS, "telco", ("Telco", lambda order: calls.append(order) or Part([line], "text")))
    pages = [accuracy.measure(accuracy_parts.Order(tmp_path), ["telco"], tmp_path / "kept") for _ in range(2)]
    assert len(calls) == 1
    assert pages[0] == pages[1]
    assert "-0.0500 [-0.1000, +0.0000]" in pages[0]


def test_a_business_of_one_s_own_is_replayed(monkeypatch, tmp_path):
    import serving.cli

    said = []
    monkeypatch.setattr(serving.cli, "main", lambda words: said.append(words) or 0)
    assert accuracy.main(["--business", str(tmp_path / "business.toml")]) == 0
    assert said == [["evaluate", str(tmp_path / "business.toml"), "--backtest"]]


def test_lifetimes_is_asked_in_its_own_python_and_said_to_be_absent_without(data_dir, monkeypatch):
    assert "--peers" in accuracy_parts.lifetimes(accuracy_parts.Order(data_dir)).details
    x, t_x, T = accuracy_parts.histories(data_dir)
    assert len(x) == 23_570
    assert T.max() == pytest.approx(545 / 7)
    assert ((t_x > 0) == (x > 0)).all()
    assert (t_x <= T).all()
    fit = {"r": 0.2, "alpha": 6.0, "a": 0.5, "b": 2.0, "log_likelihood": -100.0}
    some = tuple(values[:2000] for values in (x, t_x, T))
    best = accuracy_parts._likelihoods("log", some, {**fit, "log_likelihood": -1e9})[0]
    worse = accuracy_parts._likelihoods("log", some, fit)[0]
    assert (best.is_met, worse.is_met) == (True, False)

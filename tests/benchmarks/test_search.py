"""The benchmark of the search works on few rows, and its draw holds what it says."""

import numpy as np
import pytest

from experiments.benchmarks import search

pytestmark = pytest.mark.slow


def test_every_search_has_a_row_and_a_verdict(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(search, "UNSEEN_ROWS", 500)
    monkeypatch.setattr(search, "_usual_space", lambda _: {"rounds": 5, "max_depth": 2})
    out = tmp_path / "results" / "search.md"
    assert search.main(["--rows", "400", "--trials", "1", "--out", str(out)]) == 0
    page = out.read_text(encoding="utf-8")
    assert page.strip() in capsys.readouterr().out
    assert sum(line.startswith("| ") for line in page.splitlines()) == 5
    assert sum("× the trials a CPU minute" in line for line in page.splitlines()) == 2


def test_a_dearer_trial_or_a_worse_model_misses_the_goal():
    rng = np.random.default_rng(0)
    losses = rng.uniform(size=1000)
    ours = search.Result(40, 10.0, 50.0, losses)
    as_fast = search.Result(40, 10.0, 50.0, losses)
    better = search.Result(1, 10.0, 50.0, losses - 0.1 - 0.01 * rng.uniform(size=1000))
    slow = search.Result(1, 10.0, 50.0, losses)
    verdicts = search._goals(ours, {"a": as_fast, "b": better, "c": slow})
    assert ["**missed**" in verdict for verdict in verdicts] == [True, True, False]
    assert "at a higher loss" in verdicts[1]


def test_the_prior_is_the_first_input_and_misses_something():
    rows = search.draw(5000, 0)
    assert np.array_equal(rows.X[:, 0], rows.prior)
    assert np.isnan(rows.X[:, 1:]).mean() == pytest.approx(0.05, abs=0.01)
    assert np.corrcoef(rows.y, rows.prior)[0, 1] > 0.3
    by_prior = np.logaddexp(0, rows.prior) - rows.y * rows.prior
    model = search.make(rounds=60).fit(rows.X, rows.y)
    assert model.row_losses(rows.X, rows.y).mean() < by_prior.mean()

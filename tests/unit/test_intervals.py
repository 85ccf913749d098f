import numpy as np
import pytest

from training.intervals import Interval, bootstrap, paired_difference
from training.metrics import bias, brier, log_losses, rmse, roc_auc


def mean_outcome(y, p):
    return float(np.mean(y))


def test_an_interval_holds_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(0)
    held = 0
    for trial in range(300):
        y = rng.normal(3.0, 1.0, 60)
        found = bootstrap(mean_outcome, y, y, resamples=200, level=0.8, seed=trial)
        held += found.low <= 3.0 <= found.high
    assert 0.72 < held / 300 < 0.86


def test_the_same_seed_gives_the_same_interval_and_another_seed_another():
    rng = np.random.default_rng(1)
    y, p = rng.random(80) < 0.4, rng.random(80)
    assert bootstrap(roc_auc, y, p, seed=1) == bootstrap(roc_auc, y, p, seed=1)
    assert bootstrap(roc_auc, y, p, seed=1) != bootstrap(roc_auc, y, p, seed=2)
    assert bootstrap(roc_auc, y, p, seed=1).value == roc_auc(y, p)


def test_a_wider_level_is_a_wider_interval():
    rng = np.random.default_rng(2)
    y, predicted = rng.gamma(1, 5, 200), rng.gamma(1, 5, 200)
    narrow, wide = (bootstrap(rmse, y, predicted, level=level, seed=3) for level in (0.5, 0.95))
    assert wide.low < narrow.low < narrow.value < narrow.high < wide.high


def test_rows_of_a_customer_come_together_or_not_at_all():
    customers = np.array(["b", "a", "c", "a", "b", "a"])
    code = {"a": 1.0, "b": 2.0, "c": 3.0}
    y = np.array([code[customer] for customer in customers])
    seen = []

    def watch(y, p):
        seen.append(tuple(np.bincount(y.astype(int), minlength=4)[1:]))
        assert (y == p).all()
        return 0.0

    bootstrap(watch, y, y, groups=customers, resamples=100, seed=4)
    drawn = np.array(seen[:100]) / [3, 2, 1]
    assert (drawn == np.floor(drawn)).all()
    assert (drawn.sum(axis=1) == 3).all()
    assert len(set(seen)) > 5


def test_repeating_every_row_of_a_customer_adds_no_certainty():
    rng = np.random.default_rng(5)
    y, p = (rng.random(150) < 0.3).astype(float), rng.random(150)
    threefold = np.repeat(np.arange(150), 3)
    once = bootstrap(brier, y, p, seed=6)
    grouped = bootstrap(brier, y[threefold], p[threefold], groups=threefold, seed=6)
    naive = bootstrap(brier, y[threefold], p[threefold], seed=6)
    assert (grouped.low, grouped.high) == pytest.approx((once.low, once.high))
    assert naive.high - naive.low < 0.75 * (once.high - once.low)


def test_a_paired_difference_is_the_bootstrap_of_the_mean_difference():
    rng = np.random.default_rng(7)
    a, b = rng.gamma(2, 1, 90), rng.gamma(2, 1, 90)
    customers = rng.integers(0, 40, 90)
    paired = paired_difference(a, b, customers, seed=8)
    whole = bootstrap(mean_outcome, a - b, a, groups=customers, seed=8)
    assert (paired.value, paired.low, paired.high) == pytest.approx((whole.value, whole.low, whole.high))
    assert paired.value == pytest.approx((a - b).mean())


def test_pairing_sees_a_small_but_steady_gain():
    rng = np.random.default_rng(9)
    p = rng.beta(1, 1, 2_000)
    y = rng.random(2_000) < p
    worse = 1 / (1 + np.exp(-(np.log(p / (1 - p)) * 0.7)))
    gain = paired_difference(log_losses(y, p), log_losses(y, worse), seed=10)
    assert gain.high < 0.0
    apart = [bootstrap(lambda y, p: float(log_losses(y, p).mean()), y, said, seed=10) for said in (p, worse)]
    assert apart[0].high > apart[1].low


def test_an_undefined_figure_has_no_interval_and_passes_no_gate():
    found = bootstrap(roc_auc, [1, 1, 1], [0.1, 0.2, 0.3], seed=11)
    assert np.isnan([found.value, found.low, found.high]).all()
    assert not found.low >= 0.0


def test_a_figure_that_hangs_on_one_customer_has_no_ends():
    found = bootstrap(roc_auc, [1] + [0] * 30, np.linspace(1, 0, 31), seed=12)
    assert found.value == 1.0
    assert np.isnan([found.low, found.high]).all()


def test_a_few_undefined_resamples_are_left_out():
    y = np.array([1.0] * 6 + [0.0] * 40)
    found = bootstrap(roc_auc, y, np.linspace(1, 0, 46), seed=13)
    assert found == Interval(1.0, 1.0, 1.0)


def test_impossible_requests_are_refused():
    with pytest.raises(ValueError, match="at least one row"):
        bootstrap(bias, [], [], seed=0)
    with pytest.raises(ValueError, match="customer of every row"):
        paired_difference([1.0, 2.0], [1.0, 2.0], [1], seed=0)
    for bad in ({"resamples": 0}, {"level": 1.0}, {"level": 0.0}):
        with pytest.raises(ValueError, match="at least one resample"):
            bootstrap(bias, [1.0], [1.0], seed=0, **bad)

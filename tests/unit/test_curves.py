"""Learning curves: who is dealt where, how noisy a difference is, and where a curve tends to."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit

from training import curves
from training.attrition import AttritionModel
from training.curves import BLOCKS, N_FOLDS, PATIENCE, STEP, Curve, Deal, Folds, paired


def curve(*means):
    return Curve(means, (0.0,) * BLOCKS)


@given(st.integers(N_FOLDS, 2000), st.integers(0, 9))
def test_every_customer_is_in_one_fold_and_folds_are_of_one_size(n, seed):
    places = np.random.default_rng(seed).permutation(n)
    rows = np.repeat(places, 2)
    deal = Deal.of(rows)
    assert (deal.folds[::2] == deal.folds[1::2]).all()
    assert (deal.blocks[::2] == deal.blocks[1::2]).all()
    sizes = np.bincount(deal.folds, minlength=N_FOLDS)
    assert np.ptp(sizes) <= 2
    if n >= N_FOLDS * BLOCKS:
        folds_of_blocks = np.zeros((BLOCKS, N_FOLDS))
        np.add.at(folds_of_blocks, (deal.blocks, deal.folds), 1)
        assert (folds_of_blocks > 0).all()


def test_the_noise_is_that_of_customers_not_of_rows():
    """The same customers written down ten times tell no more than once."""
    rng = np.random.default_rng(0)
    once = rng.normal(0.1, 1.0, 400)
    mean, noise = paired(once, np.ones(400))
    again = paired(10 * once, np.full(400, 10.0))
    assert again == pytest.approx((mean, noise))
    assert noise == pytest.approx(once.std(ddof=1) / 20)


def test_the_noise_is_right_on_average():
    """Over many draws the mean spreads by what one draw says of itself."""
    rng = np.random.default_rng(1)
    found = [paired(rng.normal(size=100) * np.sqrt(10), np.full(100, 10.0)) for _ in range(800)]
    means, noises = np.array(found).T
    assert means.std() == pytest.approx(noises.mean(), rel=0.08)


@given(st.floats(0.1, 0.85), st.floats(0.01, 1.0), st.integers(3, 20))
def test_a_geometric_curve_is_foreseen_exactly(ratio, gain, steps):
    end = 0.5
    means = [end + gain * ratio**step for step in range(steps)]
    assert curve(*means).forecast == pytest.approx(end, abs=1e-6 + 1e-2 * gain)


def test_who_learns_slowly_but_steadily_is_expected_to_get_further_than_who_has_stopped():
    slow, fast = curve(0.60, 0.58, 0.562), curve(0.50, 0.499, 0.4989)
    assert slow.loss > fast.loss
    assert slow.forecast < fast.forecast


def test_nothing_is_foretold_before_three_steps():
    assert curve(0.9, 0.8).forecast == -np.inf


def test_a_curve_that_rises_tends_to_the_least_it_had():
    assert curve(0.5, 0.4, 0.45).forecast == 0.4


def test_a_curve_ends_some_steps_after_its_best():
    falling = [0.5 - 0.01 * step for step in range(5)]
    assert not curve(*falling).ended
    rising = [*falling, *[0.6] * PATIENCE]
    assert curve(*rising).ended
    assert not curve(*rising[:-1]).ended
    assert curve(*rising).best == 5


@pytest.fixture(scope="module")
def folds():
    rng = np.random.default_rng(3)
    X = rng.normal(size=(1500, 4))
    y = (rng.uniform(size=1500) < expit(X[:, 0] + np.sin(3 * X[:, 1]))).astype(float)
    model = AttritionModel(prior_column=0)
    return Folds(model.lesson(X, y, None), Deal.of(rng.permutation(1500)), 64, 1)


def settings(**other):
    return {**AttritionModel(**other).growth().parameters(), "learning_rate": 0.1}


def test_a_curve_is_what_full_fits_to_other_customers_lose(folds):
    """Grown step by step on shared bins, or fitted anew: the same losses."""
    import xgboost as xgb

    *_, grown = (one for one, _ in zip(folds.grow(settings(), 5), range(3), strict=False))
    lesson, total = folds.lesson, 0.0
    for fold in range(N_FOLDS):
        fit, judge = folds.deal.folds != fold, folds.deal.folds == fold
        data = xgb.QuantileDMatrix(lesson.X[fit], lesson.y[fit], base_margin=lesson.start[fit], max_bin=64)
        how = {**settings(), **lesson.objective, "seed": 5, "seed_per_iteration": True, "nthread": 1}
        booster = xgb.train(how, data, 3 * STEP)
        margins = booster.inplace_predict(
            lesson.X[judge].astype(np.float32),
            predict_type="margin",
            base_margin=lesson.start[judge].astype(np.float32),
        )
        total += lesson.losses(lesson.y[judge], margins.astype(float)).sum()
    assert grown.means[-1] == pytest.approx(total / len(lesson.y), rel=1e-6)


def test_a_trial_is_not_changed_by_the_one_before(folds):
    alone = list(folds.grow(settings(), 5))
    list(folds.grow(settings(max_depth=5, subsample=0.6), 5))
    assert list(folds.grow(settings(), 5)) == alone


def test_sums_of_blocks_are_those_at_the_best(folds):
    *_, ended = folds.grow(settings(), 5)
    assert sum(ended.sums) / len(folds.lesson.y) == pytest.approx(ended.loss, rel=1e-12)
    assert ended.ended
    assert len(ended.means) <= curves.MOST_STEPS

import numpy as np
import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from training.baselines import (
    RecencyRule,
    RfmChance,
    RfmValue,
    SilenceRule,
)


@parametrize_with_checks([RecencyRule(), SilenceRule(), RfmChance(), RfmValue()])
def test_every_baseline_is_a_real_estimator(estimator, check):
    check(estimator)


def silences(n, seed):
    rng = np.random.default_rng(seed)
    days = rng.integers(1, 365, n).astype(float)
    return days[:, None], (rng.random(n) < days / 365).astype(int)


def test_a_longer_silence_is_never_less_of_a_risk():
    X, y = silences(3_000, 0)
    chance = RecencyRule().fit(X, y).predict_proba(np.arange(400.0)[:, None])[:, 1]
    assert (np.diff(chance) >= 0).all()
    assert chance[[36, 182, 328]] == pytest.approx([0.1, 0.5, 0.9], abs=0.08)


def test_the_rule_is_calibrated_on_its_own_rows():
    X, y = silences(500, 1)
    rule = RecencyRule().fit(X, y)
    assert rule.predict_proba(X)[:, 1].mean() == pytest.approx(y.mean())


def test_only_the_chosen_column_is_looked_at():
    X, y = silences(200, 2)
    wide = np.column_stack([np.random.default_rng(3).normal(size=200), X])
    rule, alone = RecencyRule(column=1).fit(wide, y), RecencyRule().fit(X, y)
    other = wide.copy()
    other[:, 0] = 7.0
    assert (rule.predict_proba(other) == alone.predict_proba(X)).all()
    with pytest.raises(ValueError, match="column 2 is not among the 2 columns"):
        RecencyRule(column=2).fit(wide, y)


def test_the_hard_rule_cuts_where_it_tells_them_apart_best():
    X, y = silences(400, 4)
    rule = RecencyRule().fit(X, y)

    def told_apart(threshold):
        late = X[:, 0] > threshold
        return late[y == 1].mean() - late[y == 0].mean()

    assert told_apart(rule.threshold_) == max(told_apart(cut) for cut in np.arange(0, 366, 0.5))
    assert (rule.silent_too_long(X) == (X[:, 0] > rule.threshold_)).all()


def test_with_one_class_the_rule_knows_no_better():
    for outcome in (0, 1):
        rule = RecencyRule().fit([[1.0], [2.0]], [outcome, outcome])
        assert (rule.predict([[1.0], [99.0]]) == outcome).all()
    assert not RecencyRule().fit([[1.0], [2.0]], [0, 0]).silent_too_long([[1.0], [2.0]]).any()


def test_where_silence_says_nothing_nobody_is_called_lost():
    rule = RecencyRule().fit([[5.0], [5.0]], [0, 1])
    assert not rule.silent_too_long([[5.0], [5.0]]).any()
    backwards = RecencyRule().fit([[1.0], [2.0], [3.0], [4.0]], [1, 1, 0, 0])
    assert not backwards.silent_too_long([[1.0], [2.0], [3.0], [4.0]]).any()


def test_the_silence_rule_takes_the_best_of_the_halving_windows():
    rng = np.random.default_rng(5)
    days = rng.uniform(0, 400, 3_000)
    left = (rng.random(3_000) < np.where(days > 100, 0.8, 0.2)).astype(float)
    rule = SilenceRule().fit(days[:, None], left)
    assert rule.window_ == 365 / 4
    assert rule.rates_ == pytest.approx([0.2, 0.78], abs=0.04)

    def loss(window):
        late = days > window
        said = np.where(late, left[late].mean(), left[~late].mean())
        return -np.log(np.where(left == 1, said, 1 - said)).mean()

    assert min((365 / 2**k for k in range(7)), key=loss) == rule.window_


def test_rfm_scores_find_what_any_of_the_three_columns_says():
    rng = np.random.default_rng(6)
    X = rng.gamma(1.0, 50.0, (4_000, 3))
    for column in range(3):
        chance = np.where(X[:, column] > np.median(X[:, column]), 0.8, 0.2)
        left = (rng.random(4_000) < chance).astype(float)
        said = RfmChance().fit(X, left).predict_proba(X)[:, 1]
        assert said[chance == 0.8].mean() > said[chance == 0.2].mean() + 0.4
        assert said.mean() == pytest.approx(left.mean(), abs=0.01)


def test_the_mean_of_a_cell_is_right_in_total_and_above_zero():
    rng = np.random.default_rng(7)
    X = rng.gamma(1.0, 50.0, (4_000, 3))
    value = np.where(rng.random(4_000) < 0.6, 0.0, X[:, 2])
    said = RfmValue().fit(X, value).predict(X)
    assert said.min() > 0
    assert said.mean() == pytest.approx(value.mean(), rel=0.02)
    assert np.corrcoef(said, X[:, 2])[0, 1] > 0.6
    far = np.array([[1e9, 1e9, -1e9]])
    assert RfmValue().fit(X, value).predict(far) > 0


def test_simple_rules_for_leavers_stay_within_chances():
    X, y = silences(300, 8)
    wide = np.column_stack([X, X, X])
    for rule in (SilenceRule(), RfmChance()):
        said = rule.fit(wide, y).predict_proba(wide)[:, 1]
        assert ((said > 0) & (said < 1)).all()

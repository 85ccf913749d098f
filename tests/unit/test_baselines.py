import numpy as np
import pytest
from sklearn.base import clone
from sklearn.utils.estimator_checks import parametrize_with_checks

from features.errors import QuestionError
from training.baselines import BtydChurn, BtydValue, RecencyRule
from training.btyd import BgNbd, GammaGamma
from training.metrics import log_loss, roc_auc


@parametrize_with_checks([RecencyRule()])
def test_the_recency_rule_is_a_real_estimator(estimator, check):
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


def buyers(n, seed):
    """Repeat purchases, last, tenure and mean value, and the days to the next purchase, by simulation."""
    rng = np.random.default_rng(seed)
    rows = []
    for rate, leaving in zip(rng.gamma(0.6, 1 / 40, n), rng.beta(0.8, 2.5, n), strict=True):
        now = x = t_x = 0
        following = np.inf
        while (now := now + rng.exponential(1 / rate)) < 2_000:
            if now >= 300:
                following = now - 300
                break
            x, t_x = x + 1, now
            if rng.random() < leaving:
                break
        rows.append((x, t_x, 300.0, rng.gamma(4, 8), following))
    return np.array(rows)


TABLE = buyers(3_000, 5)
HISTORY, NEXT = TABLE[:, :4], TABLE[:, 4]


def test_btyd_churn_is_the_chance_of_no_purchase_and_beats_a_constant():
    model = BtydChurn(horizon_days=90).fit(HISTORY)
    chance = model.predict_proba(HISTORY)
    direct = BgNbd.fit(*HISTORY[:, :3].T).probability_no_purchase(90, *HISTORY[:, :3].T)
    assert (chance[:, 1] == direct).all()
    assert chance.sum(axis=1) == pytest.approx(np.ones(3_000))
    churned = (NEXT >= 90).astype(int)
    assert roc_auc(churned, chance[:, 1]) > 0.75
    assert log_loss(churned, chance[:, 1]) < log_loss(churned, np.full(3_000, churned.mean()))
    assert (model.predict(HISTORY) == (chance[:, 1] > 0.5)).all()


def test_btyd_churn_does_not_take_one_time_buyers_for_loyal():
    model = BtydChurn(horizon_days=30).fit(HISTORY)
    assert model.predict_proba([[0, 0, 900, 5.0]])[0, 1] > 0.9


def test_btyd_values_are_purchases_times_mean_times_margin():
    model = BtydValue(horizon_days=90, margin=0.3).fit(HISTORY)
    x, t_x, T, mean = HISTORY.T
    purchases = BgNbd.fit(x, t_x, T).expected_purchases(90, x, t_x, T)
    assert model.predict(HISTORY) == pytest.approx(
        purchases * GammaGamma.fit(x + 1, mean).expected_mean(x + 1, mean) * 0.3
    )
    assert clone(model).set_params(margin=0.6).fit(HISTORY).predict(HISTORY) == pytest.approx(
        2 * model.predict(HISTORY)
    )


def test_a_gap_is_left_out_of_value_and_of_silence():
    whole = BtydValue(horizon_days=120).fit(HISTORY).predict(HISTORY)
    first = BtydValue(horizon_days=30).fit(HISTORY).predict(HISTORY)
    behind = BtydValue(horizon_days=90, gap_days=30).fit(HISTORY).predict(HISTORY)
    assert behind == pytest.approx(whole - first)
    throughout, after_gap = (
        BtydChurn(horizon_days=days, gap_days=gap).fit(HISTORY).predict_proba(HISTORY)[:, 1].mean()
        for days, gap in ((120, 0), (90, 30))
    )
    assert after_gap > throughout
    model = BtydChurn(horizon_days=90, gap_days=30).fit(HISTORY)
    direct = model.model_.probability_no_purchase(90, *HISTORY[:, :3].T, gap_days=30)
    assert (model.predict_proba(HISTORY)[:, 1] == direct).all()


def test_columns_are_found_by_their_position():
    mixed = np.column_stack([np.zeros(3_000), HISTORY[:, ::-1]])
    straight, crossed = BtydValue().fit(HISTORY), BtydValue(columns=(4, 3, 2, 1)).fit(mixed)
    assert (straight.predict(HISTORY) == crossed.predict(mixed)).all()
    assert straight.model_ == BtydChurn(columns=(4, 3, 2)).fit(mixed).model_
    with pytest.raises(ValueError, match="are not among the 4 columns"):
        BtydValue(columns=(1, 2, 3, 4)).fit(HISTORY)


def test_customers_who_never_came_back_are_a_question_without_an_answer():
    strangers = np.array([[0.0, 0.0, 50.0, 9.0]] * 20)
    for model in (BtydChurn(), BtydValue()):
        with pytest.raises(QuestionError, match="bought a second time"):
            model.fit(strangers)

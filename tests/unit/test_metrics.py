import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sklearn_metrics

from training import metrics

CHURN_METRICS = [
    metrics.log_loss,
    metrics.brier,
    metrics.roc_auc,
    metrics.average_precision,
    metrics.expected_calibration_error,
    metrics.lift_at(0.1),
]
VALUE_METRICS = [
    metrics.normalised_gini,
    metrics.rmse,
    metrics.mae,
    metrics.bias,
    metrics.decile_wape,
    metrics.tweedie_deviance,
]
# Few different probabilities, so that ties are the rule.
said = st.lists(
    st.tuples(st.booleans(), st.sampled_from([0.1, 0.25, 0.5, 0.8, 0.95])), min_size=2, max_size=60
).filter(lambda rows: len({happened for happened, _ in rows}) == 2)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (metrics.log_loss, sklearn_metrics.log_loss),
        (metrics.brier, sklearn_metrics.brier_score_loss),
        (metrics.roc_auc, sklearn_metrics.roc_auc_score),
        (metrics.average_precision, sklearn_metrics.average_precision_score),
    ],
    ids=lambda metric: metric.__module__,
)
@given(rows=said)
def test_churn_metrics_agree_with_a_second_implementation(ours, theirs, rows):
    y, p = (np.array(part, dtype=float) for part in zip(*rows, strict=True))
    assert ours(y, p) == pytest.approx(theirs(y, p), rel=1e-9)


@given(st.lists(st.tuples(st.floats(0, 1e4), st.floats(0.01, 1e4)), min_size=1, max_size=40))
def test_value_metrics_agree_with_a_second_implementation(rows):
    y, predicted = (np.array(part) for part in zip(*rows, strict=True))
    assert metrics.rmse(y, predicted) == pytest.approx(sklearn_metrics.root_mean_squared_error(y, predicted))
    assert metrics.mae(y, predicted) == pytest.approx(sklearn_metrics.mean_absolute_error(y, predicted))
    deviance = sklearn_metrics.mean_tweedie_deviance(y, predicted, power=1.5)
    assert metrics.tweedie_deviance(y, predicted) == pytest.approx(deviance, rel=1e-6, abs=1e-9)


def slow_gini(y, predicted):
    """Share of value found so far, customer by customer."""
    found, share, total = 0.0, [], sum(y)
    for _, value in sorted(zip(predicted, y, strict=True), reverse=True):
        found += value
        share.append(found / total)
    return sum(share) / len(y) - (len(y) + 1) / (2 * len(y))


def test_the_gini_agrees_with_counting_by_hand():
    rng = np.random.default_rng(0)
    y, predicted = rng.gamma(0.3, 20, 200), rng.gamma(1, 20, 200)
    by_hand = slow_gini(y, predicted) / slow_gini(y, y)
    assert metrics.normalised_gini(y, predicted) == pytest.approx(by_hand)


def test_the_gini_sees_order_only_and_a_constant_finds_nothing():
    rng = np.random.default_rng(1)
    y = rng.gamma(0.3, 20, 4_000)
    predicted = y + rng.gamma(1, 20, 4_000)
    assert metrics.normalised_gini(y, predicted) == metrics.normalised_gini(y, predicted**3 + 7)
    assert metrics.normalised_gini(y, np.ones(4_000)) == pytest.approx(0.0, abs=0.05)
    assert metrics.normalised_gini(y, np.ones(4_000), seed=1) == metrics.normalised_gini(
        y, np.ones(4_000), seed=1
    )
    assert metrics.normalised_gini(y, np.ones(4_000), seed=1) != metrics.normalised_gini(y, np.ones(4_000))


@pytest.mark.parametrize("metric", CHURN_METRICS, ids=lambda metric: metric.__name__)
@given(rows=said, seed=st.integers(0, 99))
def test_the_order_of_customers_does_not_matter_even_with_ties(metric, rows, seed):
    table = np.array(rows, dtype=float)
    shuffled = np.random.default_rng(seed).permutation(table)
    assert metric(*table.T) == pytest.approx(metric(*shuffled.T), nan_ok=True)


def test_calibration_groups_are_of_equal_size():
    p = np.repeat([0.2, 0.6], [50, 50])
    y = np.concatenate([np.arange(50) < 20, np.arange(50) < 30]).astype(float)
    assert metrics.expected_calibration_error(y, p) == pytest.approx(0.5 * 0.2 + 0.5 * 0.0)
    assert metrics.expected_calibration_error([1.0, 0.0], [0.9, 0.3]) == pytest.approx(0.2)


def test_a_calibrated_model_is_near_the_noise_floor_and_a_shifted_one_is_not():
    rng = np.random.default_rng(2)
    p = rng.beta(2, 3, 20_000)
    y = rng.random(20_000) < p
    assert metrics.expected_calibration_error(y, p) < 0.015
    assert metrics.expected_calibration_error(y, np.minimum(p + 0.1, 1.0)) == pytest.approx(0.1, abs=0.015)


def test_lift_counts_the_top_share_rounded_up_and_splits_ties():
    y, p = [1, 0, 0, 1, 0], [0.9, 0.8, 0.2, 0.2, 0.1]
    assert metrics.lift_at(0.2)(y, p) == pytest.approx(1 / 0.4)
    assert metrics.lift_at(0.21)(y, p) == pytest.approx(0.5 / 0.4)
    assert metrics.lift_at(0.6)(y, p) == pytest.approx((1.5 / 3) / 0.4)
    assert metrics.lift_at(1.0)(y, p) == pytest.approx(1.0)


@pytest.mark.parametrize("share", [0.0, 1.01, float("nan")])
def test_a_share_that_is_none_is_refused(share):
    with pytest.raises(ValueError, match="fraction is a share"):
        metrics.lift_at(share)


def test_lift_metrics_are_named_and_compared_by_their_share():
    assert metrics.lift_at(0.1) == metrics.lift_at(0.1)
    assert [metrics.lift_at(share).__name__ for share in (0.1, 0.025, 1.0)] == [
        "lift_at_10",
        "lift_at_2.5",
        "lift_at_100",
    ]


def test_decile_errors_cancel_inside_a_group_and_not_between_groups():
    y = np.arange(20.0)
    assert metrics.decile_wape(y, y) == 0.0
    assert metrics.decile_wape(y, np.repeat(y[::2] + 0.5, 2)) == pytest.approx(0.0)
    assert metrics.decile_wape(y, y + 1) == pytest.approx(20 / y.sum())


def test_rank_measures_are_undefined_for_one_class_and_shut_every_gate():
    for metric in (metrics.roc_auc, metrics.average_precision):
        for y in ([1.0, 1.0], [0.0, 0.0]):
            assert np.isnan(metric(y, [0.2, 0.4]))
            assert not metric(y, [0.2, 0.4]) >= 0.0
    assert np.isnan(metrics.lift_at(0.5)([0, 0], [0.2, 0.4]))
    assert metrics.log_loss([1, 1], [0.5, 0.5]) == pytest.approx(np.log(2))


def test_relative_measures_are_undefined_where_nothing_was_bought():
    for metric in (metrics.bias, metrics.decile_wape, metrics.normalised_gini):
        assert np.isnan(metric([0.0, 0.0], [1.0, 2.0]))
        assert np.isnan(metric([-1.0, 0.0], [1.0, 2.0]))
    assert np.isnan(metrics.normalised_gini([2.0, 2.0], [1.0, 2.0]))


def test_a_certain_mistake_costs_much_but_not_everything():
    assert metrics.log_losses([1, 0], [0.0, 1.0]) == pytest.approx([34.539, 34.539], abs=1e-2)
    assert metrics.log_losses([1, 0], [1.0, 0.0]) == pytest.approx([0.0, 0.0], abs=1e-12)


def test_losses_by_row_average_to_the_metric():
    y, p = np.array([1.0, 0.0, 1.0]), np.array([0.3, 0.2, 0.9])
    assert metrics.log_losses(y, p).mean() == metrics.log_loss(y, p)
    assert metrics.tweedie_deviances(y, p).mean() == metrics.tweedie_deviance(y, p)
    assert metrics.tweedie_deviances(y, np.maximum(y, 1e-9))[0] == 0.0


def test_coverage_includes_the_ends():
    assert metrics.interval_coverage([0.0, 2.0, 3.0, 9.0], [0.0, 1.0, 1.0, 1.0], [1.0, 2.0, 2.5, 8.0]) == 0.5
    with pytest.raises(ValueError, match="low must not exceed high"):
        metrics.interval_coverage([0.0], [2.0], [1.0])


@pytest.mark.parametrize("metric", [*CHURN_METRICS, *VALUE_METRICS], ids=lambda metric: metric.__name__)
@pytest.mark.parametrize(
    ("y", "p"),
    [
        ([], []),
        ([0.0, 1.0], [0.5]),
        ([[0.0], [1.0]], [[0.5], [0.5]]),
        ([0.0, np.nan], [0.5, 0.5]),
        ([0.0, 1.0], [0.5, np.nan]),
        ([0.0, 1.0], [0.5, np.inf]),
    ],
    ids=["empty", "other length", "two-dimensional", "unknown outcome", "unknown prediction", "infinite"],
)
def test_impossible_input_is_refused(metric, y, p):
    with pytest.raises(ValueError, match=r"one-dimensional|finite"):
        metric(y, p)


@pytest.mark.parametrize("metric", CHURN_METRICS, ids=lambda metric: metric.__name__)
def test_outcomes_are_0_or_1_and_chances_between(metric):
    with pytest.raises(ValueError, match="Outcomes must be 0 or 1"):
        metric([0, 2], [0.5, 0.5])
    for chance in (-0.1, 1.1):
        with pytest.raises(ValueError, match="between 0 and 1"):
            metric([0, 1], [0.5, chance])


def test_the_deviance_needs_values_it_is_defined_for():
    for y, predicted in (([-1.0], [1.0]), ([1.0], [0.0])):
        with pytest.raises(ValueError, match="at least 0 and predictions above 0"):
            metrics.tweedie_deviance(y, predicted)
    for power in (1.0, 2.0, float("nan")):
        with pytest.raises(ValueError, match="between 1 and 2"):
            metrics.tweedie_deviance([1.0], [1.0], power=power)

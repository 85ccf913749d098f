"""Planted challengers: worse, equal, overfit, leaky, mis-calibrated are refused; a better one passes."""

import numpy as np
import pytest
from scipy.special import expit, logit

from features.language import FeatureSet, count, total
from features.transactions import LINES, PURCHASES
from features.windows import parse_duration
from training import gate
from training.card import Evidence
from training.leakage import Suspicion


class Shop:
    """Customers whose chance of leaving is known, and predictions that are off by a known noise."""

    def __init__(self, n, seed):
        self.rng = np.random.default_rng(seed)
        self.truth = expit(self.rng.normal(-0.5, 1.3, n))
        self.left = (self.rng.random(n) < self.truth).astype(float)
        self.n = n

    def said(self, noise, *, shift=0.0, stretch=1.0):
        """Chances whose logits are off at random; shrunk so that they stay calibrated, then spoilt."""
        off = logit(self.truth) + self.rng.normal(0, noise, self.n)
        shrink = 1.3**2 / (1.3**2 + noise**2)
        return expit((-0.5 + (off + 0.5) * shrink) * stretch + shift)

    def judge(self, predicted, *, fresher=False, suspicions=(), segments=None, features=None, **rivals):
        evidence = Evidence("attrition", self.left, np.arange(self.n), predicted, rivals, segments=segments)
        return gate.judge(evidence, fresher=fresher, seed=0, suspicions=suspicions, features=features)


@pytest.fixture(scope="module")
def shop():
    return Shop(3_000, 1)


def test_a_better_challenger_passes_every_check(shop):
    found = shop.judge(shop.said(0.0), champion=shop.said(0.6), bg_nbd=shop.said(0.8))
    assert found.passed
    assert [check.name for check in found.checks] == [
        "leaks", "degenerate data", "baselines", "champion", "calibration", "large segments", "features",
    ]  # fmt: skip


@pytest.mark.parametrize("fresher", [False, True])
def test_a_worse_challenger_is_refused_with_both_numbers(shop, fresher):
    found = shop.judge(shop.said(0.8), champion=shop.said(0.3), fresher=fresher)
    assert any(
        "log_loss is not better than that of champion: difference +0.0" in one for one in found.refusals
    )


def test_an_equal_challenger_of_no_fresher_data_is_refused(shop):
    champion = shop.said(0.4)
    assert not shop.judge(champion, champion=champion).passed
    for _ in range(10):
        jittered = expit(logit(champion) + shop.rng.normal(0, 0.01, shop.n))
        assert not shop.judge(jittered, champion=champion).passed


def test_the_same_recipe_on_the_same_data_passes_hardly_ever_and_on_fresher_data_nearly_always():
    shops = [Shop(1_000, seed) for seed in range(40)]
    pairs = [(shop, shop.said(0.25), shop.said(0.25)) for shop in shops]
    again = [shop.judge(one, champion=other).passed for shop, one, other in pairs]
    fresher = [shop.judge(one, champion=other, fresher=True).passed for shop, one, other in pairs]
    assert np.mean(again) <= 0.1
    assert np.mean(fresher) >= 0.9


def test_a_small_shop_is_not_refused_for_noise():
    """A model that is a little better than its baselines passes where so few customers cannot show it."""
    shops = [Shop(150, seed) for seed in range(40)]
    first = [shop.judge(shop.said(0.3), bg_nbd=shop.said(0.5), recency_rule=shop.said(1.5)) for shop in shops]
    assert np.mean([found.passed for found in first]) >= 0.9
    fresher = [shop.judge(shop.said(0.3), champion=shop.said(0.3), fresher=True) for shop in shops]
    assert np.mean([found.passed for found in fresher]) >= 0.75


def test_noise_excuses_no_large_loss():
    shops = [Shop(150, seed) for seed in range(60)]
    passed = [shop.judge(shop.said(2.5, stretch=2.0), bg_nbd=shop.said(0.3)).passed for shop in shops]
    assert np.mean(passed) <= 0.1


def test_where_there_are_enough_customers_noise_is_no_excuse():
    """Half a percent worse than a baseline: it shows, and it is refused."""
    refused = 0
    for seed in range(5):
        shop = Shop(60_000, seed)
        found = shop.judge(shop.said(0.40), bg_nbd=shop.said(0.33))
        refused += not found.passed
    assert refused == 5


def test_a_fresher_challenger_must_surely_lie_within_the_margin():
    """Worse by 0.7 % of the loss or by 2 %: not to be known, so things stay."""
    shop = Shop(20_000, 1)
    found = shop.judge(shop.said(0.46), bg_nbd=shop.said(0.9), champion=shop.said(0.33), fresher=True)
    assert any("that of champion" in reason and "must lie below" in reason for reason in found.refusals)


def test_an_overfit_challenger_is_refused(shop):
    found = shop.judge(
        shop.said(0.9, stretch=3.0), champion=shop.said(0.5), bg_nbd=shop.said(0.8), fresher=True
    )
    assert any("bg_nbd" in one for one in found.refusals)
    assert any("champion" in one for one in found.refusals)


def test_a_leaky_challenger_is_refused_however_good_it_looks(shop):
    leak = Suspicion("surveys", "score", "surveys_score", 0.99, "alone ranks who leaves with an AUC of 0.990")
    leaky = np.where(shop.left == 1, 0.99, 0.01)
    found = shop.judge(leaky, champion=shop.said(0.5), suspicions=[leak])
    assert found.refusals == ("knows the outcome: surveys.score",)


@pytest.mark.parametrize("shift", [-0.35, 0.35])
def test_a_challenger_that_ranks_better_but_is_off_in_total_is_refused(shop, shift):
    found = shop.judge(shop.said(0.0, shift=shift), champion=shop.said(1.2), fresher=True)
    assert [one for one in found.refusals if one.startswith("bias is worse than that of champion: +0.")]
    assert not [one for one in found.refusals if "log_loss" in one]


def test_a_challenger_that_ranks_better_but_exaggerates_is_refused():
    shop = Shop(6_000, 2)
    found = shop.judge(shop.said(0.0, stretch=1.7), champion=shop.said(2.0))
    assert any(one.startswith("expected_calibration_error is worse") for one in found.refusals)


def test_a_sharp_challenger_is_not_blamed_for_the_noise_of_its_groups():
    """A champion that says the same for everybody has no calibration error to speak of."""
    passed = []
    for seed in range(20):
        shop = Shop(800, seed)
        mean = np.full(shop.n, shop.left.mean())
        passed.append(shop.judge(shop.said(0.0), champion=mean, fresher=True).passed)
    assert np.mean(passed) >= 0.9


def test_a_challenger_that_is_much_worse_in_a_large_segment_is_refused_by_name():
    shop = Shop(3_000, 1)
    north = np.arange(shop.n) % 4 == 0
    region = np.where(north, "north", "south")
    spoilt = np.where(north, shop.said(2.2, stretch=1.6), shop.said(0.0))
    found = shop.judge(spoilt, champion=shop.said(0.9), segments={"region": region})
    assert found.refusals
    assert all("750 rows where region is north" in one for one in found.refusals)
    assert shop.judge(spoilt, champion=shop.said(0.9)).passed


def test_small_segments_do_not_decide(shop):
    few = np.arange(shop.n) < 150
    spoilt = np.where(few, shop.said(2.5), shop.said(0.0))
    assert shop.judge(spoilt, champion=shop.said(0.9), segments={"region": few}).passed


def test_a_constant_challenger_is_refused_with_what_it_says(shop):
    found = shop.judge(np.full(shop.n, 0.37), bg_nbd=shop.said(2.0))
    assert found.refusals == ("all 3000 predictions are 0.37: nobody is told from anybody",)


def test_impossible_chances_are_refused(shop):
    found = shop.judge(np.where(np.arange(shop.n) < 3, 1.2, shop.said(0.0)))
    assert found.refusals == ("3 of 3000 predictions are outside 0 to 1",)


def test_a_check_that_breaks_is_a_refusal_that_names_it(shop):
    found = shop.judge(shop.said(0.0), champion=shop.said(0.6), segments={"region": np.zeros(7)})
    assert found.refusals == ("large segments could not be checked: ValueError",)


def test_a_missing_prediction_is_a_refusal(shop):
    assert shop.judge(shop.said(0.0)[:-1]).refusals == ("there are 2999 predictions for 3000 rows",)


def test_a_model_that_is_the_prior_by_design_need_not_beat_it(shop):
    prior = shop.said(0.5)
    evidence = Evidence(
        "attrition", shop.left, np.arange(shop.n), prior, {"bg_nbd": prior, "recency_rule": shop.said(1.5)}
    )
    assert not gate.judge(evidence, fresher=True, seed=0).passed
    assert gate.judge(evidence, fresher=True, seed=0, rests_on=("bg_nbd",)).passed


THEN = FeatureSet(
    count(PURCHASES).over(parse_duration("90d")), total(LINES["cost"]).over(parse_duration("90d"))
)


def test_features_that_changed_need_a_reason(shop):
    now = FeatureSet(
        count(PURCHASES).over(parse_duration("90d")), count(PURCHASES).over(parse_duration("30d"))
    )
    change = gate.FeatureChange.between(THEN, now)
    found = shop.judge(shop.said(0.0), champion=shop.said(0.6), features=change)
    assert len(found.refusals) == 1
    assert found.refusals[0].startswith("1 of 2 changes of features are not explained: gained ")
    why = dict.fromkeys(change.gained, "the catalogue of 0.2 has it")
    explained = gate.FeatureChange.between(THEN, now, why)
    assert shop.judge(shop.said(0.0), champion=shop.said(0.6), features=explained).passed


def test_features_of_columns_that_came_or_went_explain_themselves():
    without = FeatureSet(count(PURCHASES).over(parse_duration("90d")))
    assert gate.FeatureChange.between(THEN, without).unexplained == []
    assert gate.FeatureChange.between(without, THEN).unexplained == []
    assert gate.FeatureChange.between(THEN, THEN) == gate.FeatureChange()


def test_amounts_are_judged_by_the_same_rules():
    rng = np.random.default_rng(3)
    mean = rng.gamma(2.0, 30.0, 2_000)
    came = rng.gamma(0.7, mean / 0.7)
    noisy = mean * np.exp(rng.normal(0, 0.5, 2_000))

    def judge(said, champion):
        evidence = Evidence("lifetime-value", came, np.arange(2_000), said, {"champion": champion})
        return gate.judge(evidence, fresher=False, seed=0)

    assert judge(mean, noisy).passed
    assert not judge(noisy, mean).passed
    assert any("bias" in one for one in judge(mean * 1.3, noisy).refusals)
    assert judge(np.where(mean > 10, mean, 0.0), noisy).refusals[0].endswith("predictions are not above 0")


def test_what_the_gate_looked_at_is_plain_json(shop):
    found = shop.judge(shop.said(0.8), champion=shop.said(0.3))
    lines = [check.to_dict() for check in found.checks]
    assert [line["passed"] for line in lines].count(False) >= 1
    assert all(set(line) == {"name", "passed", "said"} and line["said"] for line in lines)

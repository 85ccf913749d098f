"""The promotion gate lets through what is better, and says the number of what it refuses."""

import numpy as np
import pytest

from training import gate
from training.card import Evidence
from training.leakage import Suspicion

rng = np.random.default_rng(7)
N = 600
CHANCE = rng.uniform(0.05, 0.95, N)
LEFT = (rng.uniform(size=N) < CHANCE).astype(float)
RATE = np.full(N, LEFT.mean())
CUSTOMERS = np.arange(N)
SPENT = np.where(LEFT == 1, 0.0, rng.gamma(2.0, 50.0, N))


def churn(predicted, realised=LEFT, **rivals):
    return Evidence("attrition", realised, CUSTOMERS[: len(realised)], predicted, rivals)


def value(predicted, realised=SPENT, **rivals):
    return Evidence("lifetime-value", realised, CUSTOMERS, predicted, rivals)


def verdict(evidence, *, fresher=False):
    return gate.judge(evidence, fresher=fresher, seed=0)


def test_a_better_challenger_passes():
    assert verdict(churn(CHANCE, bg_nbd=RATE, champion=RATE)).passed
    assert verdict(value(100 * (1 - CHANCE), bg_nbd_gamma_gamma=np.full(N, SPENT.mean()))).passed


def test_a_worse_challenger_is_refused():
    found = verdict(churn(1 - CHANCE, bg_nbd=RATE))
    assert not found.passed
    assert len(found.refusals) == 1


@pytest.mark.parametrize("rival", ["bg_nbd", "recency_rule", "champion"])
def test_it_must_beat_every_rival(rival):
    poor = 0.2 * CHANCE + 0.8 * RATE
    rivals = {"bg_nbd": poor, "recency_rule": poor, "champion": poor} | {rival: CHANCE}
    found = verdict(churn(0.5 * CHANCE + 0.5 * RATE, **rivals))
    assert found.refusals
    assert all(rival in refusal for refusal in found.refusals)


def test_a_refusal_names_the_figure_the_rival_and_the_numbers():
    (refusal,) = verdict(churn(1 - CHANCE, bg_nbd=RATE)).refusals
    difference = churn(1 - CHANCE, bg_nbd=RATE).beats("bg_nbd", 0)
    assert difference.value > 0.1
    assert "log_loss" in refusal
    assert "bg_nbd" in refusal
    for number in (difference.value, difference.low, difference.high):
        assert f"{number:+.5f}" in refusal


def test_an_equal_challenger_is_refused():
    assert not verdict(churn(CHANCE, bg_nbd=RATE, champion=CHANCE)).passed


def test_an_equal_challenger_that_has_seen_more_passes():
    assert verdict(churn(CHANCE, bg_nbd=RATE, champion=CHANCE), fresher=True).passed


def test_having_seen_more_does_not_excuse_a_tie_with_a_baseline():
    assert not verdict(churn(RATE, bg_nbd=RATE), fresher=True).passed


def test_having_seen_more_does_not_excuse_being_worse():
    assert not verdict(churn(RATE, bg_nbd=RATE * 0.5, champion=CHANCE), fresher=True).passed


def test_a_challenger_that_says_nan_is_refused():
    found = verdict(churn(np.where(CUSTOMERS == 3, np.nan, CHANCE), bg_nbd=RATE))
    assert found.refusals == ("1 of 600 predictions are not numbers",)


@pytest.mark.parametrize("wrong", [np.inf, -np.inf])
def test_a_challenger_that_says_infinity_is_refused(wrong):
    assert not verdict(value(np.where(CUSTOMERS == 3, wrong, 1.0), bg_nbd_gamma_gamma=SPENT + 1)).passed


def test_a_rival_that_says_nan_shuts_the_gate():
    found = verdict(churn(CHANCE, champion=np.where(CUSTOMERS < 2, np.nan, RATE)))
    assert found.refusals == ("2 of 600 predictions of champion are not numbers",)


@pytest.mark.parametrize("outcome", [0.0, 1.0])
def test_one_class_only_is_refused(outcome):
    found = verdict(churn(CHANCE, np.full(N, outcome), bg_nbd=RATE))
    assert found.refusals == ("the holdout has 600 rows and one outcome only",)


def test_an_empty_holdout_is_refused():
    nothing = np.empty(0)
    assert not verdict(
        Evidence("attrition", nothing, nothing.astype(int), nothing, {"bg_nbd": nothing})
    ).passed


def test_customers_who_only_sent_things_back_can_be_judged():
    """Their realised value is below zero; it counts as zero in the loss."""
    realised = np.where(CUSTOMERS % 10 == 0, -20.0, SPENT)
    evidence = value(100 * (1 - CHANCE), realised, bg_nbd_gamma_gamma=np.full(N, SPENT.mean()))
    assert verdict(evidence).passed


def test_the_verdict_does_not_depend_on_the_draw():
    found = {gate.judge(churn(CHANCE, bg_nbd=RATE), fresher=False, seed=seed).passed for seed in range(5)}
    assert found == {True}


LEAK = Suspicion("surveys", "score", "surveys_score", 0.953, "alone ranks who leaves with an AUC of 0.953")


def test_a_suspected_column_is_refused_by_name():
    found = gate.judge(churn(CHANCE, bg_nbd=RATE), fresher=False, seed=0, suspicions=[LEAK])
    assert not found.passed
    (refusal,) = found.refusals
    assert refusal == "knows the outcome: surveys.score"


def test_suspected_columns_are_one_short_refusal_the_strongest_first():
    weaker = Suspicion("customers", "noted", "noted", 0.92, "alone ranks who leaves with an AUC of 0.920")
    found = gate.judge(churn(CHANCE, bg_nbd=RATE), fresher=False, seed=0, suspicions=[weaker, LEAK])
    assert found.refusals == ("knows the outcome: surveys.score, customers.noted",)


def test_a_suspected_column_is_named_beside_what_else_is_wrong():
    found = gate.judge(churn(1 - CHANCE, bg_nbd=RATE), fresher=False, seed=0, suspicions=[LEAK])
    assert len(found.refusals) == 2
    nothing = churn(CHANCE, np.zeros(N), bg_nbd=RATE)
    assert len(gate.judge(nothing, fresher=False, seed=0, suspicions=[LEAK]).refusals) == 2

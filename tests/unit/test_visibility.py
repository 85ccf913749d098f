"""Conditions on the cutoff and on the other visible events: what runs, what is newest, what was before."""

import numpy as np
import pytest
from builders import bucket_of, customer
from strategies import DOWNGRADED, RUNNING, SAME_QUESTION, SUBSCRIPTIONS

from features import kernel
from features.contract import CONTRACT_FEATURES
from features.language import FeatureSet, change, changes, count, days_to_renewal, falls, latest, mean, rises
from features.satisfaction import SATISFACTION_FEATURES
from features.windows import days, parse_instant

JULY = "2024-07-01"


def ask(feature, customers, *cutoffs):
    """Values of one feature, cutoffs outermost."""
    asked = np.array([parse_instant(text) for text in cutoffs or (JULY,)])
    return kernel.compute(FeatureSet(feature), bucket_of(customers), asked)[:, 0].tolist()


def test_a_contract_is_renewed_only_while_it_runs():
    """Until the end has come, it is as if nobody had written it down."""
    ada = customer("ada").subscribed("2024-06-01", "p", billing_period="30d", ended_at="2024-06-21")
    bob = customer("bob").subscribed("2024-06-01", "p", billing_period="30d")
    said = ask(days_to_renewal(RUNNING["billing_period"]), [ada, bob], "2024-06-11", "2024-06-21", JULY)
    assert said[:4] == [20, 20, 10, 10]
    assert np.isnan(said[4])
    assert said[5] == 30


def test_of_several_contracts_the_newest_that_runs_is_renewed():
    ada = (
        customer("ada")
        .subscribed("2024-05-01", "p", billing_period="annual")
        .subscribed("2024-06-01", "q", billing_period="30d", ended_at="2024-06-21")
    )
    assert ask(days_to_renewal(RUNNING["billing_period"]), [ada]) == [365.25 - 61]
    assert ask(count(RUNNING).ever, [ada], "2024-06-15", JULY) == [2, 1]


@pytest.mark.parametrize(
    ("then", "said"),
    [
        ({"plan": "basic", "price": 900}, 1),
        ({"plan": "plus", "price": 900}, 0),
        ({"plan": "basic", "price": 1000}, 0),
        ({"plan": "basic", "price": 1100}, 0),
        ({"plan": "basic", "price": None}, 0),
    ],
    ids=["another and cheaper", "cheaper", "another", "dearer", "price not known"],
)
def test_a_downgrade_is_another_plan_at_a_lower_price(then, said):
    ada = customer("ada").subscribed("2024-01-01", "plus", price=1000).subscribed("2024-06-01", **then)
    assert ask(count(DOWNGRADED).ever, [ada]) == [said]


def test_a_change_of_plan_and_a_fall_of_price_at_another_time_make_no_downgrade():
    ada = (
        customer("ada")
        .subscribed("2024-01-01", "basic", price=1000)
        .subscribed("2024-02-01", "plus", price=2000)
        .subscribed("2024-06-01", "plus", price=1500)
    )
    plan, price = changes(SUBSCRIPTIONS["plan"]).ever, falls(SUBSCRIPTIONS["price"]).ever
    assert [*ask(plan, [ada]), *ask(price, [ada])] == [1, 1]
    assert ask(count(DOWNGRADED).ever, [ada]) == [0]


def test_a_downgrade_is_from_the_contract_before_even_beyond_the_window():
    ada = customer("ada").subscribed("2023-01-01", "plus", price=1000)
    cheaper = ada.subscribed("2024-06-20", "basic", price=900)
    assert ask(count(DOWNGRADED).within(days(30)), [cheaper, ada]) == [1, 0]
    assert ask(count(DOWNGRADED).within(days(5)), [cheaper]) == [0]


def test_nobody_is_downgraded_from_another_ones_contract():
    ada, bob = (customer(name) for name in ("ada", "bob"))
    dear = ada.subscribed("2024-01-01", "plus", price=1000)
    cheap = bob.subscribed("2024-02-01", "basic", price=1)
    assert ask(count(DOWNGRADED).ever, [dear, cheap]) == [0, 0]
    at_home = count(DOWNGRADED.of("household")).ever
    assert ask(at_home, [dear.living("h1"), cheap.living("h1")]) == [1, 1]


def test_a_contract_that_is_not_known_yet_is_not_the_one_before():
    ada = (
        customer("ada")
        .subscribed("2024-01-01", "plus", price=1000)
        .subscribed("2024-02-01", "basic", price=500, known="2024-06-15")
        .subscribed("2024-03-01", "other", price=700)
    )
    assert ask(count(DOWNGRADED).ever, [ada], "2024-06-01", "2024-06-15", JULY) == [1, 1, 1]
    newest = count(DOWNGRADED).within(days(130))
    assert ask(newest, [ada], "2024-06-01", JULY) == [1, 0]


def test_scores_of_different_questions_are_never_compared():
    ada = (
        customer("ada")
        .answered("2024-01-01", 10, question="recommend?")
        .answered("2024-02-01", 3, question="satisfied?")
        .answered("2024-03-01", 6, question="recommend?")
        .answered("2024-04-01", 4, question="satisfied?")
        .answered("2024-05-01", question="recommend?")
    )
    score = SAME_QUESTION["score"]
    assert ask(change(score).ever, [ada], "2024-03-15", JULY) == [-4, 1]
    assert ask(rises(score).ever, [ada], "2024-03-15", JULY) == [0, 1]
    assert ask(mean(score).ever, [ada], "2024-03-15", JULY) == [8, 3.5]
    assert ask(latest(score), [ada], "2024-03-15", JULY) == [6, 4]


def test_who_did_nothing_has_nothing():
    nobody = [customer("ada")]
    assert ask(count(DOWNGRADED).ever, nobody) == ask(count(RUNNING).ever, nobody) == [0]
    assert np.isnan(ask(latest(SAME_QUESTION["score"]), nobody)).all()
    never = np.array([], np.int64)
    assert kernel.compute(FeatureSet(count(RUNNING)), bucket_of(nobody), never).shape == (0, 1)


def test_where_nobody_is_asked_about_nothing_is_said():
    """A bucket may hold no customers, and several cutoffs may be asked for."""
    assert ask(count(DOWNGRADED).ever, [], "2024-06-01", JULY) == []


def test_the_catalogue_compares_scores_of_one_question_and_renews_what_runs():
    scores = [f for f in SATISFACTION_FEATURES if ("surveys", "score") in f.columns()]
    assert len(scores) == 7
    assert all(("surveys", "question") in f.columns() for f in scores)
    assert "running_subscriptions_billing_period_days_to_renewal" in CONTRACT_FEATURES.names
    assert "downgrades_count_365d" in CONTRACT_FEATURES.names

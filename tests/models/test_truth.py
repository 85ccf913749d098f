"""Predictions against the truth of a simulated business, which no customer's table holds."""

from typing import NamedTuple

import numpy as np
import pyarrow.parquet as pq
import pytest
from scipy.special import logit

from experiments import simulator
from features import business as businesses
from features.build import build
from features.store import Store
from features.windows import days
from training import levels
from training.examples import assemble
from training.repeat_buying import RepeatBuying
from training.workshop import needed_features, questions_of, recipe_of

MONTH = days(30).microseconds
TRAINING = 5


class Found(NamedTuple):
    """What was said of the eligible at the end of the history, what is true of them, and the newest past."""

    said: np.ndarray
    true: np.ndarray
    plain: np.ndarray
    above: float
    below: float


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """Both models on 2,500 customers over two years, at the level that the years say."""
    folder = tmp_path_factory.mktemp("truth") / "shop"
    made = simulator.simulate(folder, customers=2500, seed=5)
    business = businesses.load(made.business)
    build(business)
    store = Store.of(business)
    questions = questions_of(business, store, ("attrition", "lifetime-value"))
    until, first = store.observed_until, store.manifest.tables["purchases"].first_at
    newest = until - questions[0].span
    cutoffs = sorted({*range(newest, first + 4 * MONTH, -MONTH), until - days(365).microseconds})
    features = needed_features(store, questions)
    past = assemble(store, features, questions, cutoffs, until, lambda *_: None)
    now = assemble(store, features, (), [until], until, lambda *_: None)
    table = pq.read_table(made.truth, columns=["customer_id", "leave_probability", "expected_value"])
    truth = {row["customer_id"]: row for row in table.to_pylist()}
    return {one.name: _found(one, past, now, truth, first, until) for one in questions}


def _found(question, past, now, truth, first, until):
    cutoffs = np.unique(past.panel.cutoffs).tolist()
    priors = {at: RepeatBuying.fit(past.at([at]).panel) for at in cutoffs}
    priors[until] = RepeatBuying.fit(now.panel)
    is_value = question.name == "lifetime-value"
    made = recipe_of(question, question.scale(question.margin_on(past.panel)) if is_value else 1.0, priors, 0)
    asked, rows = made.eligible(now), made.eligible(past)
    level = levels.forecast(_series(made, rows, cutoffs), until, first, question.horizon.days).log_level
    rows = rows.at(cutoffs[-TRAINING:])
    inputs = made.inputs(rows.panel)
    X, y, at = made.encode(inputs, rows.panel), rows.answers[question.name], rows.panel.cutoffs
    asked_inputs = made.encode(inputs, asked.panel)
    said, plain = (
        made.predict(made.make(n_jobs=1, rounds=80, level=one).fit(X, y, at), asked_inputs)
        for one in (level, None)
    )
    known = [truth[asked.panel.customer_ids[customer]] for customer in asked.panel.customers]
    true = np.array([row["expected_value" if is_value else "leave_probability"] for row in known])
    above, below = _missed(made, X, y, rows.panel) if is_value else (0.0, 0.0)
    return Found(said, true * (question.discount if is_value else 1.0), plain, above, below)


def _series(made, rows, cutoffs):
    """Levels at every month of the history."""
    found = []
    for at in cutoffs:
        some, prior = rows.at([at]), made.priors[at]
        y, horizon = some.answers[made.kind], made.question.horizon.days
        if made.kind == "attrition":
            found.append(levels.shift_to(logit(prior.silence(some.panel, 0.0, horizon)), y.mean()))
        else:
            expected = prior.amount(some.panel, 0.0, horizon).sum() * made.value_scale
            found.append(levels.log_ratio(y.sum(), expected))
    return levels.Series.of(cutoffs, found)


def _missed(made, X, y, panel):
    """Shares of one half's realised values above and below the interval that the other half measured."""
    newest = panel.cutoffs == panel.cutoffs.max()
    before = panel.cutoffs <= panel.cutoffs.max() - made.question.span
    model = made.make(n_jobs=1, rounds=80).fit(X[before], y[before], panel.cutoffs[before])
    half, outside = panel.customers % 2 == 0, []
    for one, other in ((newest & half, newest & ~half), (newest & ~half, newest & half)):
        low, high = model.calibrate(X[one], y[one]).predict_interval(X[other])
        outside.append(np.column_stack([y[other] > high, y[other] < low]))
    return np.concatenate(outside).mean(axis=0)


def test_as_many_leave_as_is_said(found):
    one = found["attrition"]
    assert abs(one.said.mean() - one.true.mean()) <= 0.03


def test_as_many_leave_as_is_said_in_every_tenth(found):
    one = found["attrition"]
    for tenth in np.array_split(np.argsort(one.said), 10):
        assert abs(one.said[tenth].mean() - one.true[tenth].mean()) <= 0.06


def test_the_ranking_is_that_of_the_truth(found):
    one = found["attrition"]
    order = [np.argsort(np.argsort(values)) for values in (one.said, one.true)]
    assert np.corrcoef(*order)[0, 1] > 0.75


def test_the_predicted_total_is_within_5_percent_of_the_expected(found):
    one = found["lifetime-value"]
    assert one.said.sum() == pytest.approx(one.true.sum(), rel=0.05)


def test_without_the_season_the_total_would_be_further_off(found):
    one = found["lifetime-value"]
    with_season, without = (abs(np.log(said.sum() / one.true.sum())) for said in (one.said, one.plain))
    assert with_season < without


def test_one_in_ten_realises_more_than_the_interval_says(found):
    """Below it hardly anybody can: most may well bring nothing, and then it begins at nothing."""
    one = found["lifetime-value"]
    assert one.above == pytest.approx(0.1, abs=0.03)
    assert one.below <= 0.1

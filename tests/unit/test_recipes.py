"""What a training may know, what it needs, and what it repeats: rules that no model is learnt without."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import numpy as np
import pytest

from features.errors import ContractMismatch, QuestionError
from features.windows import days, parse_instant
from training import crossfit, cutoffs, jobs, judging, recipe
from training.contract_recipes import ContractValueRecipe
from training.cutoffs import Split
from training.examples import Examples
from training.questions import ContractValueQuestion, ExitQuestion

CUTOFF = parse_instant("2024-01-01")
EXIT = ExitQuestion("attrition", "Will they leave?", None, days(30), days(0), False, True)
CONTRACT = ContractValueQuestion(
    "lifetime-value", "What will it bring?", None, days(91.3125), days(0), EXIT, 0.5, 0.1, 100
)


def rows_of(customers, at=CUTOFF):
    """Rows that are nothing but somebody at some cutoff."""
    customers = np.asarray(customers)
    panel = SimpleNamespace(customers=customers, cutoffs=np.full(len(customers), at))
    return SimpleNamespace(panel=panel)


def test_who_left_in_a_period_that_ends_later_is_not_known_yet():
    made = ContractValueRecipe(CONTRACT, 1.0, {}, 0)
    left = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    length = CONTRACT.period_days * 86_400_000_000
    for known, instant in (
        (0, CUTOFF + length - 1),
        (1, CUTOFF + length),
        (2, CUTOFF + 2.5 * length),
        (3, CUTOFF + 3 * length),
    ):
        examples = Examples(rows_of([0, 1]).panel, {"lifetime-value": left})
        found = made.known_before(examples, int(instant)).answers["lifetime-value"]
        np.testing.assert_array_equal(found[:, :known], left[:, :known])
        assert np.isnan(found[:, known:]).all()


def test_a_fit_that_is_judged_later_knows_nothing_from_the_holdout_on():
    plan = SimpleNamespace(holdout=(CUTOFF,), split=Split.TIME)
    assert judging._unseen_from(SimpleNamespace(plan=plan, until=CUTOFF + 1)) == CUTOFF
    plan = SimpleNamespace(holdout=(CUTOFF,), split=Split.CUSTOMERS)
    assert judging._unseen_from(SimpleNamespace(plan=plan, until=CUTOFF + 1)) == CUTOFF + 1


def test_who_judges_has_not_taught():
    y = (np.arange(60) % 4 == 0).astype(float)
    plan = crossfit.plan_of(crossfit.folds_of(y, None, 3, seed=0), only_one=False)
    assert np.sort(plan.judged).tolist() == list(range(60))
    for teaching, judged in zip(plan.teaching, plan.judging, strict=True):
        assert np.intersect1d(teaching, judged).size == 0
        assert len(teaching) + len(judged) == 60


def test_a_customer_who_leaves_at_many_cutoffs_is_one_who_left():
    customers = np.tile(np.arange(150), 8)
    y = (customers < 19).astype(float)
    with pytest.raises(QuestionError, match=r"19 customers leave and 131 stay .*at least 20"):
        recipe._check_enough(EXIT, rows_of(customers), y)
    recipe._check_enough(EXIT, rows_of(customers), (customers < 20).astype(float))


def test_99_customers_are_too_few_however_often_they_are_seen():
    customers = np.tile(np.arange(99), 8)
    with pytest.raises(QuestionError, match="99 eligible customers are too few"):
        recipe._check_enough(EXIT, rows_of(customers), (customers % 2).astype(float))


def test_no_cutoff_lies_before_the_first_outcome_on_record():
    first, span = parse_instant("2022-01-01"), days(90).microseconds
    until, recorded = first + days(720).microseconds, first + days(400.5).microseconds
    plan = cutoffs.plan_cutoffs(first, until, span, recorded)
    assert recorded <= plan.refit[0] < recorded + days(30).microseconds
    late = cutoffs.plan_cutoffs(first, until, span, until - 1)
    assert late.refit == late.holdout


def test_a_run_is_not_repeated_on_other_facts():
    facts = {"fingerprint": "a" * 64, "trained_until": "2024-01-01", "seed": 7, "parameters": {"rounds": 9}}
    model = SimpleNamespace(facts=facts)
    settings = jobs.Settings(promote=False)
    with (
        mock.patch.object(jobs.Tracking, "__init__", return_value=None),
        mock.patch.object(jobs.Tracking, "of_run", return_value={"attrition": "1"}),
        mock.patch.object(jobs.Tracking, "folder", return_value=Path("nowhere")),
        mock.patch.object(jobs.artifact, "load", return_value=model),
        mock.patch.object(jobs.Store, "of") as store,
    ):
        store.return_value.manifest.fingerprint = "a" * 64
        found = jobs.again(None, "run", settings)
        expected = replace(
            settings, kinds=("attrition",), until=CUTOFF, seed=7, parameters={"attrition": {"rounds": 9}}
        )
        assert found == expected
        store.return_value.manifest.fingerprint = "b" * 64
        with pytest.raises(ContractMismatch, match="trained on the snapshot aaaaaaaaaaaa"):
            jobs.again(None, "run", settings)

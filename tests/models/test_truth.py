"""Predictions against the truth of a simulated business, which no customer's table holds.

What may be missed beyond the goals is what chance explains: the noise of the year before, from which a level
is learnt, and where truth is compared with what happened the noise of that (`experiments.benchmarks.truth`).
"""

from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest

from experiments import simulator
from experiments.benchmarks import truth
from experiments.benchmarks.truth import Foresight, Gap

CUSTOMERS, SEED = 6000, 5
FARTHEST = 3.5
"""Standard errors beyond which what happened is no draw from what is called true."""


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    return truth.foresee(tmp_path_factory.mktemp("truth") / "shop", CUSTOMERS, SEED)


@pytest.fixture(scope="module")
def churn(found):
    return found["attrition"]


@pytest.fixture(scope="module")
def value(found):
    return found["lifetime-value"]


def met(gap):
    assert gap.is_met, f"{gap.value:+.3f} where {gap.allowed:.3f} is allowed"


@pytest.mark.parametrize("kind", ["attrition", "lifetime-value"])
def test_what_happened_is_a_draw_from_what_is_true(found, kind):
    """Else nothing below says anything about the models."""
    one = found[kind]
    off, noise = (one.realised - one.true).sum(), np.sqrt(one.variances().sum())
    assert abs(off) <= FARTHEST * noise


@pytest.mark.parametrize("happened", [False, True], ids=["true", "happened"])
def test_as_many_leave_as_is_said(churn, happened):
    met(churn.overall(happened=happened))


@pytest.mark.parametrize("happened", [False, True], ids=["true", "happened"])
def test_as_many_leave_as_is_said_in_every_tenth(churn, happened):
    met(churn.worst_tenth(happened=happened))


def test_the_ranking_is_that_of_the_truth(churn):
    order = [np.argsort(np.argsort(values)) for values in (churn.said, churn.true)]
    assert np.corrcoef(*order)[0, 1] > 0.75


@pytest.mark.parametrize("happened", [False, True], ids=["true", "happened"])
def test_the_predicted_total_is_within_5_percent(value, happened):
    met(value.overall(happened=happened))


def test_one_in_ten_brings_more_than_the_interval_says(value):
    met(value.too_much())
    met(value.too_much_in_a_tenth())


def test_no_more_than_one_in_ten_brings_less_than_the_interval_says(value):
    """Hardly anybody can, where most may well bring nothing: then the interval begins at nothing."""
    met(value.too_little())
    assert 1 - value.above.mean() - value.below.mean() >= 0.8 - truth.OVERALL


def test_chance_explains_less_the_more_customers_there_are(churn):
    goal, few = truth.OVERALL, churn.overall(happened=True).allowed
    twice = [np.concatenate([column] * 4) for column in (churn.said, churn.true, churn.realised)]
    many = Foresight(*twice, None, None, 4 * churn.before).overall(happened=True).allowed
    assert many - goal == pytest.approx((few - goal) / 2)
    assert few - goal < 0.03


def test_predictions_that_are_off_by_more_are_not_excused(churn, value):
    assert not replace(churn, said=churn.said + 0.09).overall(happened=False).is_met
    assert not replace(churn, said=churn.said**4).worst_tenth(happened=False).is_met
    assert not replace(value, said=value.said * 1.25).overall(happened=False).is_met
    assert not replace(value, high=value.high / 2).too_much().is_met
    assert not replace(value, low=value.high).too_little().is_met
    assert not Gap(np.nan, 1.0).is_met


def test_a_tenth_that_is_off_is_found_though_the_others_are_right(churn):
    said = churn.true.copy()
    top = np.argsort(said)[-len(said) // 10 :]
    said[top] -= 0.2
    one = replace(churn, said=said)
    assert one.overall(happened=False).is_met
    assert not one.worst_tenth(happened=False).is_met


def test_truth_before_is_truth_where_nothing_lies_between(tmp_path):
    made = simulator.simulate(tmp_path / "shop", customers=200, seed=2, days=300)
    same = simulator.true_before(0, customers=200, seed=2, days=300)
    assert same.equals(pq.read_table(made.truth))
    earlier = simulator.true_before(90, customers=200, seed=2, days=300)
    gone_then, gone_now = ({*table.filter(table["left_at"].is_valid())["customer_id"].to_pylist()}
                           for table in (earlier, same))  # fmt: skip
    assert gone_then < gone_now


def test_the_page_has_a_row_for_every_shop(found, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(truth, "foresee", lambda *_: found)
    assert truth.main(["--seeds", "2", "--out", str(tmp_path / "truth.md")]) == 0
    page = (tmp_path / "truth.md").read_text(encoding="utf-8")
    assert page.strip() == capsys.readouterr().out.strip()
    for seed in (5, 6):
        assert page.count(f"| {seed} |") == 2

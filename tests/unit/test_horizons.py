"""Horizons longer than the one that is learnt: never worth less, and the first is what it was."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from populations import UNTIL, model, panel, priors

from features.business import Value
from features.windows import Duration, days
from training import artifact
from training.artifact import PyfuncModel
from training.contract_value import ContractValueModel
from training.horizons import Longer, extended

NO_GAP = days(0)
PRIOR, ROWS = priors()[UNTIL], panel((UNTIL,))


def longer(*horizons, first=90, gap=0, rate=0.1):
    return Longer(tuple(days(length) for length in horizons), days(first), days(gap), rate)


def valued():
    """The lifetime-value model, asked about a year and two."""
    return replace(model("lifetime-value"), longer=longer(365, 730))


class Staying:
    """Survival curves that are known."""

    def __init__(self, *chances):
        self.chances = chances

    def survival(self, X):
        return np.tile(np.cumprod(self.chances), (len(X), 1))


def contract(*stays, rate=0.0, periods=3):
    made = ContractValueModel(periods=periods, period_days=30.0, discount_rate=rate)
    made.hazard_ = Staying(*stays)
    return made


@given(st.lists(st.integers(91, 1500), min_size=1, max_size=4, unique=True), st.floats(0, 0.5))
def test_no_longer_horizon_is_worth_less(lengths, rate):
    expected = np.linspace(0.5, 80, len(ROWS))
    found = [expected, *longer(*sorted(lengths), rate=rate).by_prior(PRIOR, ROWS, expected)]
    for shorter, later in pairwise(found):
        assert (later >= shorter).all()


def test_the_first_horizon_is_what_the_model_says():
    expected = np.linspace(0.5, 80, len(ROWS))
    (same,) = longer(90).by_prior(PRIOR, ROWS, expected)
    assert same.tolist() == expected.tolist()


@pytest.mark.parametrize("gap", [0, 14])
def test_without_discount_it_is_in_proportion_to_the_prior_after_the_gap(gap):
    expected = np.linspace(0.5, 80, len(ROWS))
    (year,) = longer(365, gap=gap, rate=0.0).by_prior(PRIOR, ROWS, expected)
    by_prior = PRIOR.amount(ROWS, gap, 365) / PRIOR.amount(ROWS, gap, 90)
    np.testing.assert_allclose(year, expected * by_prior, rtol=1e-9)


def test_money_that_comes_later_is_discounted_more():
    expected = np.full(len(ROWS), 10.0)
    (plain,) = longer(365, rate=0.0).by_prior(PRIOR, ROWS, expected)
    (discounted,) = longer(365, rate=0.5).by_prior(PRIOR, ROWS, expected)
    assert (discounted < plain).all()
    beyond = (discounted - expected) / (plain - expected)
    least, most = 1.5 ** -((362.5 - 45) / 365), 1.5 ** -((135 - 45) / 365)
    assert ((beyond > least) & (beyond < most)).all()


def test_where_horizons_are_cut_in_two_the_sum_is_the_same():
    expected = np.full(len(ROWS), 10.0)
    (at_once,) = longer(360).by_prior(PRIOR, ROWS, expected)
    *_, by_steps = longer(180, 360).by_prior(PRIOR, ROWS, expected)
    np.testing.assert_allclose(by_steps, at_once, rtol=1e-12)


@pytest.mark.parametrize("length", [30.0, 90.0, 100.0, 365.0])
def test_a_contract_that_nobody_leaves_is_an_annuity(length):
    X = np.array([[2.0], [0.5]])
    assert contract(1.0, 1.0).predict_over(X, length) == pytest.approx([2 * length, 0.5 * length])
    rate = 0.1
    force = np.log1p(rate) / 365.25
    annuity = (1 - np.exp(-force * length)) / force
    found = contract(1.0, 1.0, rate=rate).predict_over(X, length)
    assert found == pytest.approx([2 * annuity, 0.5 * annuity], rel=1e-4)


def test_a_contract_over_its_own_horizon_is_what_was_modelled():
    X = np.array([[2.0], [0.5], [np.nan]])
    made = contract(0.9, 0.8, 0.95, rate=0.1)
    np.testing.assert_allclose(made.predict_over(X, 90.0), made.predict(X), rtol=1e-12)


@given(st.lists(st.floats(0.01, 1.0), min_size=1, max_size=6), st.lists(st.integers(1, 900), min_size=2))
def test_a_contract_is_never_worth_less_for_longer(stays, lengths):
    found = [contract(*stays, rate=0.2).predict_over(np.array([[1.0]]), float(x))[0] for x in sorted(lengths)]
    assert (np.diff(found) >= -1e-9).all()


def test_the_last_hazard_is_carried_on():
    found = contract(0.9, 0.5).predict_over(np.array([[1.0]]), 120.0)[0]
    alive = np.array([1.0, 0.9, 0.45, 0.225, 0.1125])
    assert found == pytest.approx(30 * ((alive[:-1] + alive[1:]) / 2).sum())
    half = contract(0.5).predict_over(np.array([[1.0]]), 15.0)[0]
    assert half == pytest.approx(15 * (1 + 0.5**0.5) / 2)


def test_contracts_are_extended_by_their_survival_curve():
    X, wanted = np.array([[1.0]]), longer(180, 365, rate=0.0)
    made = contract(0.9, 0.8)
    said = extended(wanted, made, None, ROWS, X, np.array([80.0]))
    assert [one[0] for one in said] == pytest.approx([made.predict_over(X, d)[0] for d in (180.0, 365.0)])
    floor = extended(wanted, made, None, ROWS, X, np.array([1e6]))
    assert [one[0] for one in floor] == [1e6, 1e6]


def test_scores_are_those_of_the_first_horizon_alone():
    found = valued().predict(ROWS)
    assert list(found) == ["lifetime_value", "lifetime_value_low", "lifetime_value_high"]
    plain = model("lifetime-value").predict(ROWS)
    assert {name: found[name].tobytes() for name in found} == {n: plain[n].tobytes() for n in plain}


def test_whoever_may_not_be_asked_has_no_value_in_any_horizon():
    asked = valued()
    unasked = ROWS.column(asked.eligible.name) <= 0
    said = asked.predict(ROWS, longer=True)
    assert np.isnan(said["lifetime_value_365d"]).tolist() == unasked.tolist()
    known = ~unasked
    assert (said["lifetime_value_365d"][known] > said["lifetime_value"][known]).all()
    assert (said["lifetime_value_730d"][known] >= said["lifetime_value_365d"][known]).all()


def test_a_saved_model_gives_the_same_values_of_longer_horizons(tmp_path):
    asked = valued().with_golden(ROWS)
    assert set(asked.golden["answers"]) == set(asked.output_names)
    artifact.save(asked, tmp_path / "model")
    loaded = artifact.load(tmp_path / "model")
    assert loaded.longer == asked.longer
    frame = ROWS.to_pandas()[list(asked.features.names)]
    said = PyfuncModel(loaded).predict(frame)
    assert tuple(said.columns) == asked.output_names
    pd.testing.assert_frame_equal(said, pd.DataFrame(asked.predict(ROWS, longer=True)))


def test_a_longer_horizon_that_was_altered_is_refused(tmp_path):
    import json

    from features.errors import ContractMismatch

    artifact.save(valued().with_golden(ROWS), tmp_path / "model")
    file = tmp_path / "model" / artifact.MANIFEST
    manifest = json.loads(file.read_text())
    manifest.pop("digest")
    manifest["longer"]["first"] = Duration(days(45).microseconds).microseconds
    file.write_text(artifact.manifest_text(manifest))
    with pytest.raises(ContractMismatch, match="golden"):
        artifact.load(tmp_path / "model")


def test_horizons_must_rise():
    assert Value(horizons=["30d", "90d"]).horizons == (days(30), days(90))
    for wrong in (["90d", "30d"], ["90d", "90d"]):
        with pytest.raises(ValueError, match="horizons must rise"):
            Value(horizons=wrong)

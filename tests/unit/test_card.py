"""A card says what it measured: the plain metrics, profits as the integral has them, a page that is whole."""

import html.parser
import json
import re
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.special import expit
from scipy.stats import beta

from training import card
from training.card.campaign import campaign
from training.card.evidence import PROFIT, measure
from training.card.grade import accuracy_letter, best_baseline, grade, lowered
from training.card.limits import limits
from training.card.profit import Costs, contact_profit, expected_maximum_profit
from training.card.segments import worst
from training.card.spread import ratios
from training.card.tallies import CHANCE_TALLIES, profit_of
from training.intervals import Interval, draw_weights, resample

FACTS = {
    "business": "corner <shop>",
    "asks": "Will an eligible customer buy nothing in 90d?",
    "split": "time",
    "currency": "EUR",
    "horizon": "90d",
    "gap": "0d",
    "holdout_cutoffs": ["2025-01-01"],
    "training_cutoffs": ["2024-09-01", "2024-10-01"],
    "refit_cutoffs": ["2025-01-01"],
    "trained_until": "2025-04-01",
}


def chances(n=600, seed=0, **more):
    rng = np.random.default_rng(seed)
    logit = rng.normal(-0.5, 1.3, n)
    left = (rng.random(n) < expit(logit)).astype(float)
    noisy = expit((logit + rng.normal(0, 1.3, n)) / 2)
    rule = np.where(logit > 0, 0.55, 0.25)
    return card.Evidence(
        "attrition", left, np.arange(n), expit(logit), {"btyd": noisy, "recency_rule": rule}, **more
    )


def amounts(n=600, seed=0, **more):
    rng = np.random.default_rng(seed)
    mean = rng.gamma(2.0, 30.0, n)
    came = np.where(rng.random(n) < 0.5, 0.0, rng.gamma(1.0, 2 * mean))
    noisy = mean * np.exp(rng.normal(0, 0.8, n))
    return card.Evidence(
        "lifetime-value",
        came,
        np.arange(n),
        mean,
        {"btyd_gamma_gamma": noisy},
        0.1 * mean,
        4 * mean,
        **more,
    )


@pytest.mark.parametrize("evidence", [chances(), amounts()], ids=["chances", "amounts"])
@pytest.mark.parametrize("rounded", [False, True], ids=["all apart", "with ties"])
def test_a_tally_is_the_metric_of_the_rows_written_out(evidence, rounded):
    said = np.round(evidence.predicted, 1 if evidence.kind == "attrition" else -1)
    said = np.clip(said, 0.05, 0.95) if evidence.kind == "attrition" else said + 1
    said = said if rounded else evidence.predicted
    ready = evidence.yardstick.ready(evidence.realised, said)
    tallies = dict(evidence.yardstick.tallies)
    if evidence.kind == "attrition":
        tallies[PROFIT] = profit_of(evidence.costs)
    assert set(tallies) == set(evidence.metrics)
    for weights in draw_weights(len(said), evidence.customers // 2, 5, seed=3):
        rows, tally = np.repeat(np.arange(len(said)), weights), ready.tally(weights)
        for name, figure in tallies.items():
            if rounded and name == "normalised_gini":
                continue  # its ties are shuffled, in another order for other rows
            assert figure(tally) == pytest.approx(evidence.metrics[name](evidence.realised[rows], said[rows]))


def test_weights_count_the_rows_that_are_drawn():
    customers = np.array([5, 5, 7, 9, 9, 9])
    for weights, rows in zip(draw_weights(6, customers, 9, 1), resample(6, customers, 9, 1), strict=True):
        assert (np.bincount(rows, minlength=6) == weights).all()


def test_a_draw_without_leavers_leaves_ranks_undefined():
    evidence = chances()
    tally = evidence.yardstick.ready(evidence.realised, evidence.predicted).tally(
        (evidence.realised == 0).astype(np.int64)
    )
    assert np.isfinite(CHANCE_TALLIES["log_loss"](tally))
    for name in ("roc_auc", "average_precision", "lift_at_10_percent", "bias"):
        assert np.isnan(CHANCE_TALLIES[name](tally))
    assert np.isnan(profit_of(Costs())(tally))


def profit_by_integration(y, p, costs):
    cuts = np.concatenate([[np.inf], np.unique(p)[::-1]])
    lost = np.array([y[p >= cut].sum() for cut in cuts]) / len(y)
    kept = np.array([(1 - y)[p >= cut].sum() for cut in cuts]) / len(y)

    def best(share):
        gain = (costs.value - costs.incentive) * share * lost - costs.contact * lost
        return (gain - (costs.incentive + costs.contact) * kept).max() * beta.pdf(
            share, costs.alpha, costs.beta
        )

    return sum(quad(best, a, b, limit=20)[0] for a, b in pairwise(np.linspace(0, 1, 101)))


@pytest.mark.parametrize("seed", range(4))
def test_the_expected_maximum_profit_is_the_integral(seed):
    rng = np.random.default_rng(seed)
    said = np.round(rng.beta(2, 3, 90), 1 + seed % 2)
    left = (rng.random(90) < said).astype(float)
    costs = Costs(rng.uniform(20, 300), rng.uniform(0, 15), rng.uniform(0, 3), 1 + 8 * rng.random(), 14.0)
    exact = expected_maximum_profit(left, said, costs)
    assert exact == pytest.approx(profit_by_integration(left, said, costs), abs=1e-4)


def test_a_better_ranking_earns_at_least_as_much_and_none_loses():
    evidence = chances(4_000)
    y = evidence.realised
    perfect, own = (expected_maximum_profit(y, said) for said in (y, evidence.predicted))
    nothing = expected_maximum_profit(y, np.full(4_000, 0.3))
    assert perfect > own > nothing >= 0
    assert perfect == pytest.approx(0.3 * 190 * y.mean() - y.mean(), rel=1e-3)
    assert expected_maximum_profit(y, evidence.predicted, Costs(value=11, incentive=10, contact=5)) == 0


def test_costs_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match="worth more than the incentive"):
        Costs(value=5.0, incentive=10.0)


def test_who_is_contacted_is_whoever_is_expected_to_pay():
    rng = np.random.default_rng(1)
    evidence = chances(2_000, values=rng.gamma(2.0, 60.0, 2_000) + 11)
    found = campaign(evidence)
    profit = contact_profit(evidence.predicted, evidence.values, evidence.costs)
    assert found["advised"]["contacted"] == (profit > 0).sum()
    assert found["advised"]["expected"] == pytest.approx(profit[profit > 0].sum(), rel=1e-4)
    assert max(found["curve"]["expected"]) <= found["advised"]["expected"] * 1.0001
    assert found["curve"]["realised"][100] == pytest.approx(found["everybody"])
    assert max(found["curve"]["expected"]) > max(campaign(chances(2_000))["curve"]["expected"]) * 0.1


@given(
    st.floats(-0.5, 0.5),
    st.floats(-0.6, 0.5),
    st.floats(0, 1),
    st.floats(0, 0.3),
    st.floats(0, 0.3),
    st.floats(0, 0.3),
)
def test_the_grade_never_falls_where_anything_gets_better(gain, low, miss, more, surer, righter):
    low, high = min(low, gain), gain + 0.1
    before = lowered(accuracy_letter(Interval(gain, low, high)), miss)
    better_gain = gain + more
    better = Interval(better_gain, min(low + surer, better_gain), high + more)
    after = lowered(accuracy_letter(better), max(miss - righter, 0.0))
    assert after <= before


def test_the_grade_is_relative_to_the_best_baseline_and_falls_with_calibration():
    evidence = chances(3_000)
    good = grade(evidence, measure(evidence, 0), 0)
    assert good.letter in "AB"
    name, loss, _ = best_baseline(evidence)
    assert loss == min(evidence.losses(said).mean() for said in evidence.rivals.values())
    assert name in evidence.rivals
    spoilt = card.Evidence(
        "attrition", evidence.realised, evidence.customers, evidence.predicted * 0.75, evidence.rivals
    )
    poor = grade(spoilt, measure(spoilt, 0), 0)
    assert poor.letter > poor.accuracy >= good.accuracy
    worse = card.Evidence(
        "attrition", evidence.realised, evidence.customers, 1 - evidence.predicted, evidence.rivals
    )
    assert grade(worse, measure(worse, 0), 0).letter == "F"


def test_who_says_the_mean_for_everybody_is_a_baseline_even_where_there_is_no_other():
    evidence = chances(500)
    alone = card.Evidence("attrition", evidence.realised, evidence.customers, evidence.predicted, {})
    assert card.write(alone, FACTS, 0)["grade"]["baseline"] == "mean_of_all"


def test_a_model_that_is_a_baseline_by_design_is_graded_against_the_others():
    evidence = chances(2_000)
    rivals = {**evidence.rivals, "btyd": evidence.predicted}
    prior = card.Evidence("attrition", evidence.realised, evidence.customers, evidence.predicted, rivals)
    assert card.write(prior, FACTS, 0)["grade"]["letter"] == "E"
    alone = card.write(prior, FACTS, 0, rests_on=("btyd",))["grade"]
    assert alone["baseline"] != "btyd"
    assert alone["letter"] in "ABC"


def test_the_worst_segment_comes_first_and_chance_is_called_chance():
    evidence = chances(6_000)
    region = np.random.default_rng(2).choice(["n", "s", "e", "w"], 6_000)
    spoilt = np.where(region == "e", evidence.realised * 0 + evidence.predicted * 0.6, evidence.predicted)
    found = worst(
        card.Evidence(
            "attrition",
            evidence.realised,
            evidence.customers,
            spoilt,
            evidence.rivals,
            segments={"region": region},
        ),
        "btyd",
    )
    assert found["looked_at"] == 4
    assert (
        [one["label"] for one in found["table"] if one["beyond_chance"]]
        == ["e"]
        == [found["table"][0]["label"]]
    )
    assert found["table"][0]["ratio"] == pytest.approx(1 / 0.6, rel=0.1)


def test_where_nothing_is_wrong_segments_are_hardly_ever_blamed():
    blamed = 0
    for seed in range(60):
        evidence = chances(800, seed)
        labels = {"a": evidence.customers % 5, "b": evidence.customers % 7}
        found = worst(chances(800, seed, segments=labels), None)
        assert found["looked_at"] == 12
        blamed += any(one["beyond_chance"] for one in found["table"])
    assert blamed <= 8


def test_groups_too_small_are_not_looked_at():
    labels = np.where(np.arange(600) < 49, "few", "many")
    found = worst(chances(segments={"size": labels}), "btyd")
    assert [one["label"] for one in found["table"]] == ["many"]


def test_a_customer_with_many_rows_counts_once():
    y = np.tile([1.0, 0.0, 0.0, 1.0], 25)
    one, customers = np.ones(100), np.arange(100)
    apart = ratios(y, one, np.zeros(100, np.int64), customers, 1)
    together = ratios(np.repeat(y, 4), np.ones(400), np.zeros(400, np.int64), np.repeat(customers, 4), 1)
    assert together.error == pytest.approx(apart.error)


@pytest.mark.parametrize("evidence", [chances(), amounts()], ids=["chances", "amounts"])
def test_a_card_is_plain_json_and_tells_the_same_from_a_file(evidence):
    filled = card.write(evidence, FACTS, 0)
    again = json.loads(json.dumps(filled, allow_nan=False))
    assert card.to_html(again) == card.to_html(filled)
    assert card.to_markdown(again) == card.to_markdown(filled)
    assert len(filled["summary"]) == 3
    assert filled == card.write(evidence, FACTS, 0)


class Reader(html.parser.HTMLParser):
    """Collects tags, what they point to, and text; checks that what is opened is closed."""

    def __init__(self):
        super().__init__()
        self.open, self.tags, self.text, self.links = [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name in {"href", "src", "xlink:href"}]
        if tag not in {"meta", "br", "circle", "path", "rect", "polyline"}:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in {"circle", "path", "rect", "polyline"}:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


@pytest.mark.parametrize("evidence", [chances(), amounts()], ids=["chances", "amounts"])
def test_the_page_is_whole_and_points_nowhere(evidence):
    page = card.to_html(card.write(evidence, FACTS, 0))
    reader = Reader()
    reader.feed(page)
    assert reader.open == []
    assert reader.links == []
    assert "script" not in reader.tags
    assert not re.search(
        r"https?:|url\(|@import|nan\b|None",
        "".join(page.split("<style>")[0:1]) + page[page.index("</style>") :],
    )
    assert "prefers-color-scheme:dark" in page
    assert "@media print" in page
    assert reader.tags.count("svg") >= 4


def test_the_page_says_what_a_manager_asks_before_what_a_statistician_asks():
    filled = card.write(chances(values=np.full(600, 90.0)), FACTS, 0)
    page = card.to_html(filled)
    places = [
        page.index(text)
        for text in (
            "grade",
            "It expected",
            "What it cannot do",
            "Calibration",
            "campaign earn",
            "Every figure",
            "Protocol",
        )
    ]
    assert places == sorted(places)
    assert "surely (nearest end" in page


def test_what_comes_from_data_is_escaped():
    labels = np.where(np.arange(600) % 2 == 0, "<script>alert(1)</script>", "b & c")
    page = card.to_html(card.write(chances(segments={"<i>": labels}), FACTS, 0))
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "corner &lt;shop&gt;" in page


def test_the_gate_and_leaks_are_on_top_where_they_refuse():
    checks = [{"name": "champion", "passed": False, "said": "log_loss is not better"}]
    page = card.to_html(card.write(chances(), FACTS, 0, checks=checks))
    assert page.index("refused to promote") < page.index("What it cannot do")


@pytest.mark.parametrize("n", [25, 120])
def test_small_and_odd_holdouts_have_a_card_too(n):
    few = chances(n, 3, segments={"region": np.full(n, None)})
    assert card.to_html(card.write(few, {"business": "b", "asks": "?"}, 0))
    nothing = card.Evidence("lifetime-value", np.zeros(n), np.arange(n), np.full(n, 2.0), {"rfm": np.ones(n)})
    assert card.to_html(card.write(nothing, {"business": "b", "asks": "?"}, 0))


@pytest.mark.parametrize("outcome", [0.0, 1.0])
def test_one_outcome_only_is_shown_as_not_defined(outcome):
    evidence = chances(50)
    alone = card.Evidence(
        "attrition", np.full(50, outcome), evidence.customers, evidence.predicted, evidence.rivals
    )
    filled = card.write(alone, FACTS, 0)
    assert filled["metrics"]["model"]["roc_auc"] == {"value": None, "low": None, "high": None}
    assert filled["grade"]["letter"] == "F"
    assert "not defined" in card.to_html(filled)


def test_what_it_cannot_do_follows_from_the_facts():
    filled = card.write(chances(300), FACTS, 0)

    def said(**facts):
        return " ".join(limits({**filled, "facts": {**FACTS, **facts}}))

    assert "one cutoff only, 2025-01-01" in said()
    assert "one cutoff only" not in said(holdout_cutoffs=["2025-01-01", "2025-02-01"])
    assert "history is too short" in said(split="customers")
    assert "3 years" in said(extended_horizons=["2 years", "3 years"])
    assert "a region not seen" in said(unseen={"region": 0.2, "channel": 0.001})
    assert "channel" not in said(unseen={"region": 0.2, "channel": 0.001})
    assert "Few customers (rung of the ladder: prior)." in said(
        rung={"name": "prior", "why": "few customers"}
    )
    assert "rung" not in said(rung={"name": "whole recipe", "why": "many customers."})
    assert "has seen outcomes after this cutoff" in said(in_sample=True)


def test_a_kind_without_a_yardstick_is_named():
    evidence = card.Evidence("weather", np.zeros(2), np.arange(2), np.ones(2), {})
    with pytest.raises(ValueError, match="no yardstick for 'weather'"):
        card.write(evidence, FACTS, 0)

"""Columns that seem to know the outcome are named; strong honest ones are not."""

import numpy as np
import pytest
from panels import CUTOFF, panel_of

from features.language import EventSource, FeatureSet, count, days_since_last, latest, total
from features.panel import Panel
from features.transactions import LINES, PURCHASES
from features.windows import days
from training import leakage

rng = np.random.default_rng(23)
N = 3000
CHANCE = np.clip(rng.beta(1.2, 3.0, N), 0.02, 0.98)
LEFT = (rng.uniform(size=N) < CHANCE).astype(float)


def named(levels=None, trusted=(), left=LEFT, **columns):
    """The columns that are suspected among attributes of customers."""
    found = leakage.suspicions(panel_of(columns, levels), left, "purchases", trusted)
    return {one.column: one for one in found}


def noisy(auc_spread):
    """The outcome under noise: 0.6 gives an AUC of about 0.88, 0.3 one of 0.99."""
    return LEFT + rng.normal(0, auc_spread, N)


def some(share, where):
    """Ones on a share of the rows that pass, missing elsewhere."""
    return np.where(where & (rng.uniform(size=N) < share), 1.0, np.nan)


def test_honest_columns_are_not_suspected():
    words = rng.integers(0, 3, N).astype(float)
    assert not named(
        levels={"word": ["a", "b", "c"], "city": [str(n) for n in range(400)]},
        chance=CHANCE,
        noise=rng.normal(size=N),
        income=np.round(rng.lognormal(10, 0.5, N)),
        tenure=np.round(100 * (1 - CHANCE) + rng.normal(0, 20, N)),
        word=words,
        city=rng.integers(0, 400, N).astype(float),
        filled=some(0.5, CHANCE > 0.2),
    )


@pytest.mark.parametrize(("spread", "suspected"), [(0.4, True), (0.9, False)])
def test_a_column_that_ranks_leavers_too_well_is_suspected(spread, suspected):
    found = named(score=noisy(spread))
    assert ("score" in found) is suspected
    if suspected:
        assert f"{found['score'].figure:.3f}" in found["score"].why
        assert found["score"].figure > 0.9


def test_a_word_that_is_another_name_of_the_outcome_is_suspected():
    assert set(named(levels={"status": ["gone", "here"]}, status=1 - LEFT)) == {"status"}


def test_a_column_that_is_filled_for_leavers_only_is_suspected_however_rarely():
    found = named(reason=some(0.1, LEFT > 0))
    assert set(found) == {"reason"}
    assert "100.0% left" in found["reason"].why


def test_a_column_that_is_missing_for_stayers_only_is_suspected():
    assert set(named(answer=np.where((LEFT == 0) & (rng.uniform(size=N) < 0.1), np.nan, 1.0))) == {"answer"}


def test_a_column_that_is_filled_more_often_for_leavers_is_not_suspected():
    assert not named(call=np.where(rng.uniform(size=N) < 0.2 + 0.5 * LEFT, 1.0, np.nan))


def test_one_value_that_only_leavers_have_is_suspected():
    status = np.where((LEFT > 0) & (rng.uniform(size=N) < 0.2), 2.0, rng.integers(0, 2, N))
    found = named(levels={"status": ["a", "b", "cancelled"]}, status=status)
    assert set(found) == {"status"}
    assert set(named(status=status)) == {"status"}, "as a number of few values too"


def test_a_value_of_hardly_any_leavers_is_not_suspected():
    status = np.zeros(N)
    status[np.flatnonzero(LEFT)[:15]] = 1
    assert not named(levels={"status": ["a", "b"]}, status=status)


def test_a_value_that_only_stayers_have_is_not_suspected():
    """Members for life stay."""
    status = np.where((LEFT == 0) & (rng.uniform(size=N) < 0.2), 2.0, rng.integers(0, 2, N))
    assert not named(levels={"plan": ["a", "b", "life"]}, plan=status)


def test_the_number_of_the_row_is_suspected_where_the_rows_are_sorted_by_outcome():
    row = np.empty(N)
    row[np.argsort(LEFT + rng.uniform(0, 4, N))] = np.arange(N)
    found = named(row=row)
    assert set(found) == {"row"}
    assert "stands for the row" in found["row"].why


def test_a_text_of_its_own_on_every_row_is_suspected_where_the_outcome_follows_the_alphabet():
    row = np.empty(N)
    row[np.argsort(LEFT + rng.uniform(0, 4, N))] = np.arange(N)
    levels = {"account": [f"{n:05d}" for n in range(N)]}
    assert set(named(levels=levels, account=row)) == {"account"}


def test_an_id_that_the_outcome_does_not_follow_is_not_suspected():
    levels = {"account": [f"{n:05d}" for n in range(N)]}
    assert not named(levels=levels, account=rng.permutation(N).astype(float), row=rng.permutation(N))


def test_an_amount_that_happens_to_be_different_everywhere_is_not_an_id():
    assert not named(revenue=np.round(np.exp(12 - 2 * CHANCE + rng.normal(0, 1, N)), 2))


def written(moment):
    """When a row was written: for half of the leavers after the cutoff."""
    after = (LEFT > 0) & (rng.uniform(size=N) < 0.5)
    ago = rng.integers(1, 700, N)
    return [
        moment(CUTOFF + days(30).microseconds if late else CUTOFF - days(int(d)).microseconds)
        for late, d in zip(after, ago, strict=True)
    ]


def as_day(instant):
    return float(str(np.datetime64(instant, "us").astype("datetime64[D]")).replace("-", ""))


@pytest.mark.parametrize("moment", [as_day, lambda at: at / 1e6 // 1, lambda at: at / 1e3 // 1])
def test_a_number_that_is_a_date_after_the_cutoff_is_suspected(moment):
    found = named(updated=np.array(written(moment)))
    assert "updated" in found
    assert "at the cutoff or later" in found["updated"].why


@pytest.mark.parametrize("moment", [as_day, lambda at: at / 1e6 // 1])
def test_a_number_that_is_a_date_before_the_cutoff_is_not_suspected(moment):
    before = [moment(CUTOFF - days(int(900 * c) + 1).microseconds) for c in CHANCE]
    assert not named(since=np.array(before))


def test_a_trusted_column_is_not_suspected():
    assert set(named(score=noisy(0.1), status=LEFT)) == {"score", "status"}
    assert set(named(trusted=("customers.score",), score=noisy(0.1), status=LEFT)) == {"status"}
    assert set(named(trusted=("surveys.score",), score=noisy(0.1))) == {"score"}


def test_nothing_is_said_of_hardly_any_leavers():
    left = np.zeros(N)
    left[:19] = 1
    assert not named(left=left, score=left)


def test_no_value_and_no_customer_is_in_a_suspicion():
    found = named(levels={"status": ["secret", "here"]}, status=1 - LEFT)
    assert "secret" not in str(found["status"])


VISITS = EventSource("contacts", at="contacted_at")
SCORES = EventSource("surveys", at="answered_at")


def events_panel(**values):
    declared = {
        "since": days_since_last(PURCHASES),
        "spent": total(LINES["amount"]).over(days(90))[0],
        "visits": count(VISITS).over(days(90))[0],
        "score": latest(SCORES["score"]),
        "complaints": count(VISITS.where(kind="goodbye")).feature,
    }
    features = FeatureSet(*(declared[name] for name in values))
    ids = [str(n) for n in range(N)]
    return Panel(features, ids, np.arange(N), np.full(N, CUTOFF), np.column_stack(list(values.values())), {})


def places(panel):
    return {one.place for one in leakage.suspicions(panel, LEFT, "purchases")}


def test_the_rhythm_is_never_suspected_and_what_follows_from_it_neither():
    """Where the days since the last purchase tell nearly everything, so may what was spent in them."""
    assert places(events_panel(since=noisy(0.2), spent=noisy(0.2), visits=noisy(0.2))) == set()


def test_a_value_is_suspected_where_it_is_far_above_the_rhythm():
    found = leakage.suspicions(events_panel(since=CHANCE, score=noisy(0.3)), LEFT, "purchases")
    assert [one.place for one in found] == ["surveys.score"]
    assert (
        f"{leakage.rhythm_of(leakage.strengths(events_panel(since=CHANCE), LEFT), 'purchases'):.2f}"
        in found[0].why
    )


def test_times_of_another_table_have_a_higher_bar():
    assert places(events_panel(since=CHANCE, visits=noisy(0.45))) == set()
    assert places(events_panel(since=CHANCE, visits=noisy(0.1))) == {"contacts.contacted_at"}


def test_a_count_of_events_of_one_kind_is_blamed_on_the_kind():
    assert places(events_panel(since=CHANCE, complaints=noisy(0.1))) == {"contacts.kind"}


def test_the_rhythm_is_named_in_plain_words():
    (found,) = leakage.suspicions(events_panel(since=CHANCE, score=noisy(0.3)), LEFT, "purchases")
    assert "(dates alone reach 0." in found.why


def test_the_more_a_value_belongs_to_leavers_the_higher_its_figure():
    assert named(reason=some(0.1, LEFT > 0))["reason"].figure == 1

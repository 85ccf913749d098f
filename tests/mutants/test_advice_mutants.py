"""Every law of the advice fails on the bugs that are planted for it."""

import importlib

import pytest
from mutants.planted import Mutant, planted

LAWS = importlib.import_module("properties.test_advice")
LIMIT = "the_share_still_silent_is_the_product_limit_of_plain_follow_up"


def _silences(wrong: str, entry: str, old: str, new: str, *breaks: str) -> Mutant:
    return Mutant(wrong, wrong, "training.silences", (entry,), old, new, breaks)


def _advice(wrong: str, entry: str, old: str, new: str, *breaks: str) -> Mutant:
    return Mutant(wrong, wrong, "training.advice", (entry,), old, new, breaks)


def _labels(wrong: str, old: str, new: str, *breaks: str) -> Mutant:
    return Mutant(wrong, wrong, "training.labels", ("silences",), old, new, breaks)


MUTANTS = (
    _labels("A purchase at the start is missed.", "purchases.at >= start", "purchases.at > start", LIMIT),
    _labels(
        "What happens or becomes known in the weeks after counts.",
        "today = np.array([until], np.int64)",
        "until += 30 * MICROSECONDS_PER_DAY; today = np.array([until], np.int64)",
        "facts_of_the_future_change_no_advice",
    ),
    _labels("Microseconds are added instead of rounded.", "np.rint(ago", "np.ceil(1.0 + ago", LIMIT),
    _silences(
        "Who bought in a part of a day was followed through it.",
        "_counted",
        "ended = asked & (days < ends)",
        "ended = asked & (days < ends + 0.4)",
        LIMIT,
    ),
    _silences(
        "Everybody is followed, eligible or not.",
        "_counted",
        "asked & ~ended",
        "~ended",
        LIMIT,
    ),
    _silences(
        "Who was followed up to a day is at risk on it.",
        "Silences.silent",
        "_from_here_on(unended)[:, 1:]",
        "_from_here_on(unended)[:, :-1]",
        LIMIT,
    ),
    _silences(
        "Those who return are added.",
        "Silences.silent",
        "np.cumprod(1 - ending",
        "np.cumprod(1 + ending",
        "errors_are_shares_and_a_longer_horizon_calls_fewer_churned",
    ),
    _silences(
        "The gap is forgotten.",
        "follow",
        "instants + gap.microseconds, until",
        "instants, until",
        LIMIT,
        "a_purchase_in_the_gap_does_not_end_the_silence",
    ),
    _silences(
        "Groups follow the order of the bucket.",
        "_counted",
        "zlib.crc32(customer.encode()) % N_GROUPS for customer in bucket.customer_ids",
        "place % N_GROUPS for place, _ in enumerate(bucket.customer_ids)",
        "neither_order_nor_buckets_change_the_advice",
    ),
    _advice(
        "One error that is small excuses the other.",
        "Candidate.tolerable",
        "(self.regret.value > TOLERANCE or self.given_up > TOLERANCE)",
        "(self.regret.value > TOLERANCE and self.given_up > TOLERANCE)",
        "many_who_buy_once_do_not_hide_those_who_return",
        "who_always_returns_after_100_days_is_never_called_churned",
    ),
    _advice(
        "The longest tolerable horizon is recommended.",
        "weigh",
        "best = tolerable[0]",
        "best = tolerable[-1]",
        "where_nobody_returns_the_shortest_horizon_will_do",
    ),
    _advice(
        "Nobody who came back is proof that nobody does.",
        "_widened",
        "if interval.value == 0:",
        "if interval.value < 0:",
        "where_nobody_returns_the_shortest_horizon_will_do",
    ),
    _advice(
        "Cutoffs keep to weeks of the calendar.",
        "cutoffs_of",
        "tuple(day * _DAY for",
        "tuple(day // 7 * 7 * _DAY for",
        "a_shifted_calendar_gives_the_same_figures",
        "cutoffs_are_midnights_with_a_run_up_and_a_candidate_after_each",
    ),
    _advice(
        "All history is followed.",
        "cutoffs_of",
        "max(first + run_up, end - LONGEST_LOOK_BACK.microseconds)",
        "(first + run_up)",
        "a_long_history_is_followed_for_three_years_only",
    ),
)
PAIRS = [(mutant, law) for mutant in MUTANTS for law in mutant.breaks]


@pytest.mark.parametrize(("mutant", "law"), PAIRS, ids=lambda value: str(value).replace(" ", "_"))
def test_a_planted_bug_breaks_the_law(mutant, law):
    test = getattr(LAWS, f"test_{law}")
    with planted(mutant), pytest.raises(AssertionError):
        getattr(test, "quick", test)()


def test_every_law_is_broken_by_some_mutant():
    laws = {name.removeprefix("test_") for name in vars(LAWS) if name.startswith("test_")}
    assert laws == {law for _, law in PAIRS}

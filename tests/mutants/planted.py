"""Bugs that are easy to write and hard to see, each planted by changing one line of the source.

A mutant is the module it sits in, the line as it is, the line as it would be wrong, and the laws that must
break.  Compiled walks are planted as plain Python, which says the same and needs no compiling.
"""

import importlib
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from unittest import mock

import numba


@dataclass(frozen=True)
class Mutant:
    """One planted bug.

    ``entry`` names what the others call in the altered module, also as ``Class.method``; ``importers`` are
    the modules that know it by its bare name.
    """

    name: str
    wrong: str
    module: str
    entry: tuple[str, ...]
    old: str
    new: str
    breaks: tuple[str, ...]
    importers: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.name


@contextmanager
def planted(mutant: Mutant):
    """Let everybody who calls the module meet the bug."""
    module, *others = (importlib.import_module(name) for name in (mutant.module, *mutant.importers))
    altered = alter(module, mutant.old, mutant.new)
    with ExitStack() as stack:
        for path in mutant.entry:
            *owner, name = path.split(".")
            real, wrong = ((vars(m)[owner[0]] if owner else m) for m in (module, altered))
            for home in (real, *others):
                stack.enter_context(mock.patch.object(home, name, vars(wrong)[name]))
        yield


def alter(module: ModuleType, old: str, new: str) -> ModuleType:
    """A copy of a module with one line changed; the line must be there."""
    source = Path(module.__file__).read_text(encoding="utf-8")
    if old not in source:
        raise LookupError(f"{module.__name__} no longer says {old!r}: write this mutant again.")
    altered = ModuleType(module.__name__)
    altered.__file__ = module.__file__
    with mock.patch.object(numba, "njit", _not_compiled):
        exec(compile(source.replace(old, new), module.__file__, "exec"), altered.__dict__)  # noqa: S102  (our own source)
    return altered


def _not_compiled(**_options):
    return lambda function: function


WALKS = (
    "locate",
    "edge",
    "kept",
    "count",
    "bounds",
    "rhythm",
    "sums",
    "distinct",
    "variety",
    "moves",
    "latest",
    "latest_at",
    "merge",
)
SHORTCUTS = ("count", "marks", "rhythm", "following", "distinct")
FORMULAS = ("evaluate", "collect")
GROUPING = ("own", "shared", "retimed", "Households.known", "Households.together")


def _walks(name: str, wrong: str, old: str, new: str, *breaks: str) -> Mutant:
    return Mutant(name, wrong, "features.walks", WALKS, old, new, breaks)


def _shortcuts(name: str, wrong: str, old: str, new: str, *breaks: str) -> Mutant:
    return Mutant(name, wrong, "features.shortcuts", SHORTCUTS, old, new, breaks)


def _formulas(name: str, wrong: str, old: str, new: str, *breaks: str) -> Mutant:
    return Mutant(name, wrong, "features.formulas", FORMULAS, old, new, breaks)


def _grouping(name: str, wrong: str, old: str, new: str, *breaks: str) -> Mutant:
    return Mutant(name, wrong, "features.grouping", GROUPING, old, new, breaks)


def _visibility(name: str, wrong: str, old: str, new: str, *breaks: str) -> Mutant:
    return Mutant(name, wrong, "features.visibility", ("seen",), old, new, breaks, ("features.kernel",))


ORACLE = "every_feature_is_what_plain_sql_says"
FUTURE = "the_future_never_matters"
LATE = "a_late_fact_is_invisible_until_it_is_known"
AHEAD = "a_time_that_lies_ahead_never_matters"
AT_CUTOFF = "an_event_exactly_at_the_cutoff_belongs_to_the_future"
OTHERS = "other_customers_do_not_matter"
SEVERAL = "several_cutoffs_in_one_pass_are_each_cutoff_alone"
ROWS = "the_order_of_rows_does_not_matter"
CUSTOMERS = "the_order_of_customers_does_not_matter"
STORE = "what_the_store_gives_back_is_what_happened"

MUTANTS = (
    _walks(
        "at or before the cutoff",
        "An event exactly at the cutoff counts as past.",
        "< cutoff:",
        "<= cutoff:",
        FUTURE,
        AT_CUTOFF,
        ORACLE,
    ),
    _walks(
        "known_at ignored",
        "A fact counts from when it happened, whenever it became known.",
        "known_at[j] < cutoff",
        "known_at[j] * 0 < cutoff",
        LATE,
        FUTURE,
        ORACLE,
    ),
    _walks(
        "known at the cutoff",
        "A fact that became known exactly at the cutoff counts.",
        "known_at[j] < cutoff",
        "known_at[j] <= cutoff",
        LATE,
    ),
    _walks(
        "late profile",
        "The newest row describes the customer although nobody knew it yet.",
        "known_at[j] >= cutoffs[k] or np.isnan(values[j]) or (past",
        "np.isnan(values[j]) or (past",
        LATE,
    ),
    _walks(
        "late rise",
        "A price is compared with one that nobody knew yet.",
        "if known_at[before] >= cutoff or np.isnan(value):",
        "if np.isnan(value):",
        LATE,
        FUTURE,
    ),
    _walks(
        "late past",
        "How it stood then is what is known of it today.",
        "known_at[j] >= cutoffs[k] or not at[j] <= instants[k, i]",
        "not at[j] <= instants[k, i]",
        "a_change_since_does_not_start_with_what_became_known_late",
    ),
    _walks(
        "just before then",
        "How it stood then is how it stood just before.",
        "at[j] <= instants[k, i]",
        "at[j] < instants[k, i]",
        "a_change_since_starts_with_what_held_at_that_instant",
    ),
    _walks(
        "window one tick short",
        "An event at the first instant of a window is left out.",
        ">= cutoffs[k] - spans[s]:",
        "> cutoffs[k] - spans[s]:",
        "a_window_begins_with_its_first_instant_and_ends_before_the_cutoff",
    ),
    _walks(
        "window one tick long",
        "A window begins one microsecond too early.",
        ">= cutoffs[k] - spans[s]:",
        ">= cutoffs[k] - spans[s] - 1:",
        "a_window_begins_with_its_first_instant_and_ends_before_the_cutoff",
    ),
    _walks(
        "whole days",
        "The cutoff is rounded up to midnight, so the rest of its day counts as past.",
        "< cutoff:",
        "< -(-cutoff // MICROSECONDS_PER_DAY) * MICROSECONDS_PER_DAY:",
        FUTURE,
    ),
    _walks(
        "summer time",
        "Days begin an hour earlier in every other half year.",
        "day = at[j] // MICROSECONDS_PER_DAY",
        "day = (at[j] + 3_600_000_000 * (at[j] // (182 * MICROSECONDS_PER_DAY) % 2)) // MICROSECONDS_PER_DAY",
        "a_shift_by_whole_days_changes_nothing",
    ),
    _walks(
        "first and last swapped",
        "Recency is measured from the oldest event.",
        "out[n_windows + w, k, i] = at[last] if",
        "out[n_windows + w, k, i] = at[first] if",
        "ada_in_july",
    ),
    _walks(
        "customer before",
        "The walk does not stop at the customer's first event and reads on in the customer before.",
        "starts[k, i] = offsets[owner]",
        "starts[k, i] = 0",
        OTHERS,
        ORACLE,
    ),
    _walks(
        "largest of all",
        "The largest value is sought among all customers.",
        "filled, total, squares, largest, smallest = 0.0, 0.0, 0.0, -np.inf, np.inf",
        "filled, total, squares, smallest = 0.0, 0.0, 0.0, np.inf\n"
        "            largest = largest if i else -np.inf",
        OTHERS,
    ),
    _walks(
        "sums of parts",
        "Each window is summed up apart and then added, so a sum depends on which windows are asked for.",
        "                figures = running[end - edges[windows[w], k, i]]",
        "                figures = running[end - edges[windows[w], k, i]].copy()\n"
        "                if w:\n"
        "                    figures[1] = 0.0\n"
        "                    for j in range(edges[windows[w], k, i], edges[windows[w - 1], k, i]):\n"
        "                        if known_at[j] < cutoffs[k] and not np.isnan(values[j]):\n"
        "                            figures[1] += values[j]\n"
        "                    figures[1] += out[n_windows + w - 1, k, i]",
        "a_feature_does_not_depend_on_which_others_are_asked_for",
    ),
    _walks(
        "seen is not forgotten",
        "What one cutoff has seen is not new at the next.",
        "counts[seen[s]] = 0",
        "counts[seen[s]] = counts[seen[s]]",
        SEVERAL,
    ),
    _walks(
        "nulls are a value",
        "Events that do not fill the column count in the shares of those that do.",
        "filled += 1\n                    j -= 1",
        "filled += 1\n                    filled += code < 0\n                    j -= 1",
        "shares_are_of_what_is_filled_in",
    ),
    _walks(
        "the last of the favourites",
        "Of several most frequent values the last by name is taken.",
        "seen[s] < favourite)",
        "seen[s] > favourite)",
        "of_several_favourites_the_first_by_name_is_taken",
    ),
    _walks(
        "the newest of the favourites",
        "Of several most frequent values the one that was seen last is taken.",
        "if more or (times == counts[favourite] and seen[s] < favourite):",
        "if more:",
        "of_several_favourites_the_first_by_name_is_taken",
    ),
    _walks(
        "rises within the window only",
        "The first event in a window is not compared with the one before the window.",
        "beyond = values[before] if before >= edges[-1, k, i] else np.nan",
        "beyond = np.nan",
        "each_event_is_compared_with_the_one_before_it_in_the_window_or_not",
    ),
    _walks(
        "nothing after something",
        "An event that does not fill the column breaks the sequence of those that do.",
        "                        before -= 1\n                        continue",
        "                        oldest = np.nan if known_at[before] < cutoff else oldest\n"
        "                        before -= 1\n                        continue",
        "each_event_is_compared_with_the_one_before_it_in_the_window_or_not",
    ),
    _walks(
        "one member after the other",
        "The events of a household stand by member, not by time.",
        "if best < 0 or at[j] < at[b] or (at[j] == at[b] and known_at[j] < known_at[b]):",
        "if best < 0:",
        "events_of_a_household_stand_in_order_of_time",
    ),
    _walks(
        "one event too early",
        "Of events with a condition the newest before the cutoff is left out.",
        "before[edges[e, k, i]]",
        "before[max(edges[e, k, i] - 1, 0)]",
        ORACLE,
    ),
    _shortcuts(
        "next one at the cutoff",
        "What happens next, at or after the cutoff, is a repetition already.",
        ">= end",
        "> end",
        FUTURE,
    ),
    _shortcuts(
        "every event on a day of its own",
        "Of several events on one day each begins a day.",
        "n_days += gap > 0",
        "n_days += 1",
        "ada_in_july",
    ),
    _formulas(
        "share of everybody",
        "A share is taken of the events of all customers.",
        "            out[i] = _ratio(a[i], b[i])",
        "            out[i] = _ratio(a[i], b.sum())",
        OTHERS,
    ),
    _formulas(
        "today",
        "Days are counted up to the clock instead of the cutoff.",
        "out[i] = (cutoff - a[i])",
        'out[i] = (__import__("time").time_ns() // 1000 - a[i])',
        "features_do_not_change_when_the_clock_moves",
    ),
    _walks(
        "end already known",
        "A time that lies in the future of the cutoff gives a negative age.",
        "(past and values[j] >= cutoffs[k])",
        "False",
        AHEAD,
        "an_age_is_positive_or_not_known",
    ),
    _formulas(
        "season of the same year",
        "A season is compared with the rest of the year before the cutoff, not with the year before.",
        "_season(a[i], b[i] - c[i],",
        "_season(a[i], c[i] - a[i],",
        "a_season_is_compared_with_the_same_one_a_year_earlier",
    ),
    _formulas(
        "season before the first",
        "A season is compared with a year in which nobody kept count.",
        "d[i], cutoff - extra)",
        "d[i], cutoff)",
        "a_season_is_compared_with_the_same_one_a_year_earlier",
    ),
    _formulas(
        "trend of returns",
        "A half in which more came back than was bought makes a trend of any size.",
        "one, other = max(one, 0.0), max(other, 0.0)",
        "pass",
        "a_trend_lies_within_minus_one_and_one",
    ),
    _visibility(
        "end foretold",
        "A contract whose end is written down has ended.",
        "return ~(_values(events, column) < cutoff)",
        "return np.isnan(_values(events, column))",
        AHEAD,
        "a_contract_is_renewed_only_while_it_runs",
    ),
    _visibility(
        "before is another one's",
        "The first contract of a customer is compared with the last of the one beside.",
        "values[events.offsets[:-1]] = np.nan",
        "pass",
        "nobody_is_downgraded_from_another_ones_contract",
    ),
    _visibility(
        "before is not known yet",
        "The event before counts even if it becomes known after the cutoff.",
        "(events.at < cutoff) & (events.known_at < cutoff)",
        "events.at < cutoff",
        LATE,
        "a_contract_that_is_not_known_yet_is_not_the_one_before",
    ),
    _visibility(
        "one cutoff for all",
        "Every cutoff looks at what was visible at the first.",
        "+ place * (len(events.offsets) - 1)",
        "+ 0",
        SEVERAL,
    ),
    _visibility(
        "question before",
        "An answer is compared with the customer's first question, not the newest.",
        "events.offsets[1:] - 1, np.diff",
        "events.offsets[:-1], np.diff",
        "scores_of_different_questions_are_never_compared",
        ORACLE,
    ),
    _formulas(
        "renewal one period late",
        "The next renewal is that after the next.",
        "return period - elapsed % period",
        "return 2 * period - elapsed % period",
        "a_contract_is_renewed_at_the_end_of_each_period",
    ),
    _formulas(
        "renewal on its day",
        "On the day of a renewal the next one is now.",
        "return period - elapsed % period",
        "return -elapsed % period",
        "a_contract_is_renewed_at_the_end_of_each_period",
    ),
    _formulas(
        "silence reversed",
        "Who has been in touch since is silent, who has not is not.",
        "0.0 if b[i] < a[i] else a[i]",
        "0.0 if a[i] < b[i] else a[i]",
        "silence_lasts_until_something_happens",
    ),
    _grouping(
        "moved in unknown",
        "Who lives together is what became known later.",
        "walks.latest(starts, ends, events.known_at, filled",
        "walks.latest(starts, ends, events.at, filled",
        LATE,
        FUTURE,
    ),
    _grouping(
        "moves in later",
        "Who will move in is a member already.",
        'bucket.events("customers"), "household_id", cutoffs)',
        'bucket.events("customers"), "household_id", cutoffs + 10**14)',
        FUTURE,
        OTHERS,
    ),
    _grouping(
        "household of the newest cutoff",
        "The members at the newest cutoff are the members at every cutoff.",
        "by_cutoff = [owners[variant] for variant in self.variant_of]",
        "by_cutoff = [owners[self.variant_of[-1]] for variant in self.variant_of]",
        SEVERAL,
    ),
    _grouping(
        "members as they come",
        "Of members who do something at one instant the first is who stands first among the customers.",
        "rank[sorted(range(len(bucket)), key=bucket.customer_ids.__getitem__)] = np.arange(len(bucket))",
        "rank[:] = np.arange(len(bucket))",
        CUSTOMERS,
    ),
    _grouping(
        "all without a home live together",
        "Customers of no known household are one household.",
        "np.where(alone, codes.max(initial=0) + 1 + np.arange(n), codes)",
        "codes",
        OTHERS,
        "customers_of_no_known_household_are_each_one_of_their_own",
    ),
    _grouping(
        "ended when it began",
        "A contract that will end has ended already.",
        "return replace(taken, at=instants[order])",
        "return taken",
        AHEAD,
        FUTURE,
        "an_end_happens_when_it_comes",
    ),
    _grouping(
        "market of the day",
        "How the market stands exactly at the cutoff counts as past.",
        "return Grouped(found.events, owners)",
        "before = found.events.at - 1\n"
        "    return Grouped(replace(found.events, at=before, known_at=before), owners)",
        AT_CUTOFF,
        FUTURE,
    ),
    _grouping(
        "market of the first region",
        "A region without rows of its own has those of another.",
        "place.get(level, len(place)) for level",
        "place.get(level, 0) for level",
        "the_market_is_that_of_the_region_or_of_everybody",
    ),
    Mutant(
        "conditions of any",
        "An event passes if it meets one of its conditions.",
        "features.kernel",
        ("compute",),
        "reduce(np.logical_and,",
        "reduce(np.logical_or,",
        (ORACLE,),
    ),
    Mutant(
        "tie broken by what lies ahead",
        "Of two contracts that began at one instant the newer one is that which will end later.",
        "features.events",
        ("arrange",),
        "return values + sorted(set(given) - set(own)) + times",
        "return times + values + sorted(set(given) - set(own))",
        (AHEAD,),
    ),
    Mutant(
        "announced, known, ended",
        "A contract that was announced is known before it begins, unless nothing in the bucket came late.",
        "features.events",
        ("arrange",),
        "np.maximum(at, np.array(known, np.int64))",
        "np.array(known, np.int64)",
        (ORACLE, OTHERS),
    ),
    Mutant(
        "arrival order",
        "Rows of one customer stay in the order in which they arrived.",
        "features.events",
        ("arrange",),
        "order = np.lexsort(keys[::-1])",
        "order = np.lexsort([customer])",
        (ROWS, ORACLE),
    ),
    Mutant(
        "ties as they come",
        "Rows of one instant stay in the order in which they arrived, so their sums differ in the last bit.",
        "features.events",
        ("arrange",),
        "order = np.lexsort(keys[::-1])",
        "order = np.lexsort([known_at, at, customer])",
        (ROWS,),
    ),
    Mutant(
        "delivered twice, counted twice",
        "Rows with one event id are not looked at as repeats.",
        "features.intake.feeds",
        ("Staged.kept",),
        "if not self.has_repeats:",
        "if self:",
        ("a_row_that_was_delivered_twice_counts_once",),
    ),
    Mutant(
        "store in order of arrival",
        "The store keeps the events of a customer in the order in which they became known.",
        "features.storing.buckets",
        ("arrange",),
        "[numbers(at.to_numpy()), numbers(known_at.to_numpy())]",
        "[numbers(known_at.to_numpy()), numbers(at.to_numpy())]",
        (STORE,),
        ("features.storing.assembly",),
    ),
    Mutant(
        "label one tick early",
        "The outcome window begins and ends one microsecond early.",
        "training.labels",
        ("outcomes",),
        "ends = cutoffs + question.span",
        "ends = cutoffs + question.span - 1",
        (
            "the_outcome_window_is_half_open",
            "only_the_outcome_window_matters_to_a_label",
            "every_outcome_is_what_plain_sql_says",
        ),
    ),
    Mutant(
        "gap forgotten",
        "The outcome window begins at the cutoff whatever the gap.",
        "training.labels",
        ("outcomes",),
        "ends = cutoffs + question.span",
        "ends = cutoffs + question.horizon.microseconds",
        ("only_the_outcome_window_matters_to_a_label", "every_outcome_is_what_plain_sql_says"),
    ),
    Mutant(
        "label from hindsight",
        "A label rests on a fact that was known only at the instant of the training.",
        "training.labels",
        ("outcomes",),
        "events.known_at < until",
        "events.known_at <= until",
        ("what_was_known_too_late_does_not_matter_to_a_label",),
    ),
    Mutant(
        "prior of another cutoff",
        "Every row starts from the newest prior.",
        "training.recipe",
        ("Recipe.encode",),
        "self.priors.get(int(cutoff))",
        "self.priors[max(self.priors)]",
        ("every_row_starts_from_the_prior_of_its_own_cutoff",),
    ),
    Mutant(
        "no purge",
        "Training outcome windows reach into the outcome of the holdout.",
        "training.cutoffs",
        ("plan_cutoffs",),
        "_backwards(purged, earliest)",
        "_backwards(newest, earliest)[:-1]",
        ("no_training_outcome_ends_after_the_holdout_cutoff",),
    ),
    Mutant(
        "unfinished outcome",
        "The newest cutoff has an outcome window that is not over yet.",
        "training.cutoffs",
        ("plan_cutoffs",),
        "_midnight_at_or_before(until - span)",
        "_midnight_at_or_after(until - span)",
        ("every_outcome_is_over_before_the_training",),
    ),
    Mutant(
        "customers on both sides",
        "Where customers are split, those who judge were learnt from too.",
        "training.recipe",
        ("split",),
        "examples.rows(in_training & ~kept)",
        "examples.rows(in_training)",
        ("customers_who_judge_are_not_learnt_from",),
    ),
    Mutant(
        "gate with the sign reversed",
        "The gate lets through what is worse.",
        "training.gate",
        ("judge",),
        "if not (d.value < 0 or",
        "if not (d.value > 0 or",
        ("a_worse_challenger_is_refused",),
    ),
    Mutant(
        "gate open to a tie",
        "An equal challenger replaces a champion that has seen as much.",
        "training.gate",
        ("judge",),
        "better = d.high < 0 and d.value <= -LEAST_GAIN * loss",
        "better = d.value <= 0",
        ("an_equal_challenger_is_refused",),
    ),
    Mutant(
        "gate open to chance",
        "A champion is replaced by what is better by chance alone.",
        "training.gate",
        ("judge",),
        "better = d.high < 0 and d.value <= -LEAST_GAIN * loss",
        "better = d.value < 0",
        ("the_same_recipe_on_the_same_data_passes_hardly_ever_and_on_fresher_data_nearly_always",),
    ),
    Mutant(
        "gate fails open",
        "What cannot be compared is let through.",
        "training.gate",
        ("judge",),
        "        refusals += _impossible(",
        "        _impossible(",
        ("a_challenger_that_says_nan_is_refused",),
    ),
    Mutant(
        "gate swallows what breaks",
        "A check that breaks is taken as passed.",
        "training.gate",
        ("judge",),
        'return Check(name, "", (f"{name} could not be checked: {type(error).__name__}",))',
        'return Check(name, f"{type(error).__name__}")',
        ("a_check_that_breaks_is_a_refusal_that_names_it",),
    ),
    Mutant(
        "gate asks the small to prove it",
        "A small shop is refused for noise.",
        "training.gate",
        ("judge",),
        "return error * _Z > MARGIN * loss and",
        "return False and",
        ("a_small_shop_is_not_refused_for_noise",),
    ),
    Mutant(
        "noise excuses everything",
        "Who is far worse in a small shop is let through, since noise is large there.",
        "training.gate",
        ("judge",),
        "d.value <= min(errors * error, MOST_NOISE * loss)",
        "d.low <= MOST_NOISE * loss",
        ("noise_excuses_no_large_loss",),
    ),
    Mutant(
        "gate blind to calibration",
        "A challenger that ranks better and is off in total is let through.",
        "training.gate",
        ("judge",),
        "if not (value <= MISS or low <= 0):",
        "if np.isnan(value):",
        (
            "a_challenger_that_ranks_better_but_is_off_in_total_is_refused",
            "a_challenger_that_ranks_better_but_exaggerates_is_refused",
        ),
    ),
    Mutant(
        "noise taken for bad calibration",
        "A sharp challenger is refused for the noise of its ten groups.",
        "training.gate",
        ("judge",),
        "by_noise = _noise(case, MODEL) - _noise(case, CHAMPION)",
        "by_noise = 0.0",
        ("a_sharp_challenger_is_not_blamed_for_the_noise_of_its_groups",),
    ),
    Mutant(
        "gate blind to segments",
        "A challenger that fails a quarter of the customers is let through.",
        "training.gate",
        ("judge",),
        "if not (share <= MUCH_WORSE or not (is_sure or np.isnan(error))):",
        "if np.isnan(share):",
        ("a_challenger_that_is_much_worse_in_a_large_segment_is_refused_by_name",),
    ),
    Mutant(
        "features swapped in silence",
        "Features change without a reason.",
        "training.gate",
        ("judge",),
        "if not change.unexplained:",
        "if change.unexplained is not None:",
        ("features_that_changed_need_a_reason",),
    ),
    Mutant(
        "unchecked bytes",
        "A model file is read whatever its SHA-256.",
        "training.artifact",
        ("load",),
        "if hashlib.sha256(raw).hexdigest() != digest:",
        "if not raw:",
        ("a_flipped_bit_is_refused_before_xgboost_reads_it",),
    ),
    Mutant(
        "any features will do",
        "A model predicts from a panel of other features.",
        "training.artifact",
        ("FittedModel._eligible",),
        "if panel.features.contract != self.features.contract:",
        "if len(panel.features) != len(self.features):",
        ("a_panel_of_other_features_is_refused",),
    ),
    Mutant(
        "renewal is leaving",
        "Who ends a contract has left, whatever other contract runs.",
        "training.labels",
        ("outcomes",),
        "(ends > 0) & (begun <= ended)",
        "ends > 0",
        ("who_left_is_what_plain_sql_says", "who_ends_a_contract_and_has_another_has_not_left"),
    ),
    Mutant(
        "left at any time",
        "Who has no contract when the outcome window is over has left in it.",
        "training.labels",
        ("outcomes",),
        "(ends > 0) & (begun <= ended)",
        "(begun > 0) & (begun <= ended)",
        ("who_left_is_what_plain_sql_says",),
    ),
    Mutant(
        "exit from hindsight",
        "An exit or an end counts although it was known only when the window was over.",
        "training.labels",
        ("outcomes",),
        "events.known_at < until",
        "events.known_at <= until",
        ("nothing_from_the_end_of_the_window_on_matters_to_who_left",),
    ),
    Mutant(
        "an announced end",
        "Who has announced to leave is asked no more.",
        "training.questions",
        ("churn_question",),
        'EventSource("subscriptions", at="ended_at")',
        'EventSource("subscriptions", at="started_at")',
        ("who_is_under_contract_is_what_plain_sql_says",),
    ),
    Mutant(
        "an exit forgotten",
        "Who has left is asked again.",
        "training.questions",
        ("churn_question",),
        "    if not has_exits:\n        return running",
        "    if has_exits or not has_exits:\n        return running",
        ("who_is_under_contract_is_what_plain_sql_says",),
    ),
    Mutant(
        "gate blind to leaks",
        "A column that knows the outcome does not block promotion.",
        "training.gate",
        ("judge",),
        "[summary(case.suspicions)] if case.suspicions else []",
        "[]",
        ("a_suspected_column_is_refused_by_name",),
    ),
    Mutant(
        "a column is its own judge",
        "Churn rates of levels are learnt from the rows that they are applied to.",
        "training.strength",
        ("out_of_fold",),
        "leavers.sum(0) - leavers +",
        "leavers.sum(0) + 0 * leavers +",
        ("an_id_says_nothing_about_itself",),
    ),
    Mutant(
        "a rate for each fold",
        "Each fold is drawn to its own churn rate, which ranks the folds against the outcome.",
        "training.strength",
        ("out_of_fold",),
        "_PRIOR_ROWS * rate)",
        "_PRIOR_ROWS * leavers.sum(1, keepdims=True) / rows.sum(1, keepdims=True))",
        ("an_id_says_nothing_about_itself",),
    ),
    Mutant(
        "no rhythm to compare with",
        "Whatever ranks leavers well is suspected, although the days since the last purchase say as much.",
        "training.leakage",
        ("suspicions",),
        "1 - one.auc >= ERRORS_OF_RHYTHM * errors",
        "False",
        ("the_rhythm_is_never_suspected_and_what_follows_from_it_neither",),
    ),
    Mutant(
        "only the ranking is looked at",
        "A column that is filled for leavers only is let through where it is rarely filled.",
        "training.leakage",
        ("suspicions",),
        "signs.append(_one_outcome(values, left, is_word=is_word))",
        "pass",
        ("a_column_that_is_filled_for_leavers_only_is_suspected_however_rarely",),
    ),
    Mutant(
        "a season is a gap",
        "Months in which a shop is closed every year are called a gap.",
        "features.grading.rhythm",
        ("silences",),
        "and not _is_season(active, first, end)",
        "",
        ("a_season_that_comes_back_is_no_gap",),
    ),
)

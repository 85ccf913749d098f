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

    ``entry`` names what the others call in the altered module, also as ``Class.method``.
    """

    name: str
    wrong: str
    module: str
    entry: tuple[str, ...]
    old: str
    new: str
    breaks: tuple[str, ...]

    def __str__(self) -> str:
        return self.name


@contextmanager
def planted(mutant: Mutant):
    """Let everybody who calls the module meet the bug."""
    module = importlib.import_module(mutant.module)
    altered = alter(module, mutant.old, mutant.new)
    with ExitStack() as stack:
        for path in mutant.entry:
            *owner, name = path.split(".")
            real, wrong = ((vars(m)[owner[0]] if owner else m) for m in (module, altered))
            stack.enter_context(mock.patch.object(real, name, vars(wrong)[name]))
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


WALKS = ("tally", "sums", "distinct", "latest")


def _walks(name: str, wrong: str, old: str, new: str, *breaks: str) -> Mutant:
    return Mutant(name, wrong, "features.walks", WALKS, old, new, breaks)


def _kernel(name: str, wrong: str, old: str, new: str, *breaks: str) -> Mutant:
    return Mutant(name, wrong, "features.kernel", ("compute",), old, new, breaks)


ORACLE = "every_feature_is_what_plain_sql_says"
FUTURE = "the_future_never_matters"

MUTANTS = (
    _walks(
        "at or before the cutoff",
        "An event exactly at the cutoff counts as past.",
        "< cutoff:",
        "<= cutoff:",
        FUTURE,
        "an_event_exactly_at_the_cutoff_belongs_to_the_future",
        ORACLE,
    ),
    _walks(
        "announced for the cutoff",
        "An event that was announced earlier and happens exactly at the cutoff counts as past.",
        "if at[middle] < cutoff:",
        "if at[middle] <= cutoff:",
        FUTURE,
        "an_event_exactly_at_the_cutoff_belongs_to_the_future",
    ),
    _walks(
        "known_at ignored",
        "A fact counts from when it happened, whenever it became known.",
        "known_at[j] < cutoff",
        "at[j] < cutoff",
        "a_late_fact_is_invisible_until_it_is_known",
        FUTURE,
        ORACLE,
    ),
    _walks(
        "known at the cutoff",
        "A fact that became known exactly at the cutoff counts.",
        "known_at[j] < cutoff",
        "known_at[j] <= cutoff",
        "a_late_fact_is_invisible_until_it_is_known",
    ),
    _walks(
        "late profile",
        "The newest row describes the customer although nobody knew it yet.",
        "while j >= offsets[i] and known_at[j] >= cutoff:",
        "while j >= offsets[i] and known_at[j] >= cutoff + MICROSECONDS_PER_DAY * 1000:",
        "a_late_fact_is_invisible_until_it_is_known",
    ),
    _walks(
        "window one tick short",
        "An event at the first instant of a window is left out.",
        "at[j] >= opens",
        "at[j] > opens",
        ORACLE,
    ),
    _walks(
        "window one tick long",
        "A window begins one microsecond too early.",
        "else cutoff - window",
        "else cutoff - window - 1",
        ORACLE,
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
        "                out[2, w, k, i] = first\n                out[3, w, k, i] = last",
        "                out[2, w, k, i] = last\n                out[3, w, k, i] = first",
        ORACLE,
    ),
    _walks(
        "customer before",
        "The walk does not stop at the customer's first event and reads on in the customer before.",
        "while j >= offsets[i] and at[j] >= opens:",
        "while j >= 0 and at[j] >= opens:",
        "other_customers_do_not_matter",
        ORACLE,
    ),
    _walks(
        "sums of parts",
        "Each window is summed up apart and then added, so a sum depends on which windows are asked for.",
        "                out[0, w, k, i] = filled\n                out[1, w, k, i] = total\n",
        "                whole = total if w == 0 else out[1, w - 1, k, i] + total\n"
        "                total = 0.0\n"
        "                out[0, w, k, i] = filled\n                out[1, w, k, i] = whole\n",
        "a_feature_does_not_depend_on_which_others_are_asked_for",
    ),
    _walks(
        "seen is not forgotten",
        "What one cutoff has seen is not new at the next.",
        "turn, different = k * n_customers + i, 0.0",
        "turn, different = i, 0.0",
        "several_cutoffs_in_one_pass_are_each_cutoff_alone",
    ),
    _kernel(
        "largest of all",
        "The largest value is sought among all customers.",
        "    Aggregate.MAX: _summed(_MAX),",
        "    Aggregate.MAX: lambda f, v: np.fmax.reduce(_summed(_MAX)(f, v), axis=1, keepdims=True) "
        "+ 0 * _summed(_MAX)(f, v),",
        "other_customers_do_not_matter",
    ),
    _kernel(
        "share of everybody",
        "A share is taken of the events of all customers.",
        "_tallied(_COUNT)(whole, views))",
        "_tallied(_COUNT)(whole, views).sum(axis=1, keepdims=True) + 0 * _tallied(_COUNT)(whole, views))",
        "other_customers_do_not_matter",
    ),
    _kernel(
        "share of all time",
        "A share is taken of everything in the bucket, the future too.",
        "_tallied(_COUNT)(whole, views))",
        "_tallied(_COUNT)(whole, views) * 0 + np.diff(views[feature.whole.events].events.offsets))",
        FUTURE,
    ),
    _kernel(
        "today",
        "Days are counted up to the clock instead of the cutoff.",
        "return (view.cutoffs[:, None] - instants) / MICROSECONDS_PER_DAY",
        "import time\n    return (time.time_ns() // 1000 - instants) / MICROSECONDS_PER_DAY",
        "features_do_not_change_when_the_clock_moves",
    ),
    _kernel(
        "end already known",
        "A time that lies in the future of the cutoff gives a negative age.",
        "np.where(days > 0, days, np.nan)",
        "days",
        ORACLE,
    ),
    _kernel(
        "conditions of any",
        "An event passes if it meets one of its conditions.",
        "np.logical_and.reduce",
        "np.logical_or.reduce",
        ORACLE,
    ),
    Mutant(
        "arrival order",
        "Rows of one customer stay in the order in which they arrived.",
        "features.events",
        ("arrange",),
        "order = np.lexsort(keys[::-1])",
        "order = np.lexsort([customer])",
        ("the_order_of_rows_does_not_matter", ORACLE),
    ),
    Mutant(
        "ties as they come",
        "Rows of one instant stay in the order in which they arrived, so their sums differ in the last bit.",
        "features.events",
        ("arrange",),
        "order = np.lexsort(keys[::-1])",
        "order = np.lexsort([known_at, at, customer])",
        ("the_order_of_rows_does_not_matter",),
    ),
    Mutant(
        "delivered twice, counted twice",
        "Rows with one event id are not looked at as repeats.",
        "features.staging",
        ("Staged.kept",),
        "if not self.has_repeats:",
        "if self:",
        ("a_row_that_was_delivered_twice_counts_once",),
    ),
    Mutant(
        "store in order of arrival",
        "The store keeps the events of a customer in the order in which they became known.",
        "features.build",
        ("_write_rows",),
        "['customer', '_at', '_known_at', *order]",
        "['customer', '_known_at', *order]",
        ("what_the_store_gives_back_is_what_happened",),
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
        "self.priors[int(cutoff)]",
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
        "if difference.value < 0 or",
        "if difference.value > 0 or",
        ("a_worse_challenger_is_refused", "a_better_challenger_passes"),
    ),
    Mutant(
        "gate open to a tie",
        "An equal challenger replaces a champion that has seen as much.",
        "training.gate",
        ("judge",),
        "if difference.value < 0 or",
        "if difference.value <= 0 or",
        ("an_equal_challenger_is_refused",),
    ),
    Mutant(
        "gate fails open",
        "What cannot be compared is let through.",
        "training.gate",
        ("judge",),
        '            refusals.append(f"{missing} of',
        '            return Verdict(())\n            refusals.append(f"{missing} of',
        ("a_challenger_that_says_nan_is_refused",),
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
        ("FittedModel.predict",),
        "if panel.features.contract != self.features.contract:",
        "if len(panel.features) != len(self.features):",
        ("a_panel_of_other_features_is_refused",),
    ),
)

"""Relevance: whether a column says anything about who leaves, and whether it says too much.

Both are judged at the newest cutoff whose outcome is realised, over the features that read the column.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from features.business import Business
from features.catalogue import features_for
from features.declarations import FeatureSet
from features.errors import QuestionError
from features.events import Bucket, Numbers
from features.grading.grades import Dimension, Finding, Grade
from features.panel import Panel, concatenate, each_bucket, panel_of
from features.selection import kind_of
from features.store import Store
from features.tables import TABLES, Kind
from features.windows import to_text
from training import advice, labels, leakage
from training.cutoffs import plan_cutoffs
from training.questions import ChurnQuestion, ExitQuestion, Question, churn_question, own_table
from training.strength import FEWEST_OF_EACH, Strength, strengths

MOST_CUSTOMERS = 50_000
"""Customers that are looked at, every k-th where there are more."""

_LEVEL = 0.95
_CHANCE = 0.5


@dataclass(frozen=True)
class Relevance:
    """What the outcome says about the columns.

    Attributes
    ----------
    findings : sequence of Finding
    notes : sequence of str
        What was judged at which cutoff.
    columns : mapping of str to float
        For each column the best AUC of a feature that reads it.
    not_judged : str, optional
        Why nothing could be judged.
    """

    findings: Sequence[Finding]
    notes: Sequence[str]
    columns: Mapping[str, float]
    not_judged: str | None = None


def relevance(business: Business, store: Store, progress: Callable[[str, int, int], None]) -> Relevance:
    """Judge the columns of a store by the churn question of its business.

    Parameters
    ----------
    business : Business
    store : Store
    progress : callable
        Told (what, done, total).

    Returns
    -------
    Relevance
        Without findings, and with the reason in ``not_judged``, where the data hold no outcome to judge by.
    """
    columns = {name: set(record.columns) for name, record in store.manifest.tables.items()}
    try:
        settled, _ = advice.settled(business, store, store.observed_until, progress)
        question = churn_question(settled)
        cutoff = _newest_cutoff(store, question)
    except QuestionError as error:
        return Relevance((), (), {}, f"It needs outcomes. {error}")
    panel, left = labelled(store, features_for(columns), question, cutoff, store.observed_until)
    n_left, n_stayed = int(left.sum()), int(len(left) - left.sum())
    if min(n_left, n_stayed) < FEWEST_OF_EACH:
        return Relevance((), (), {}, _too_few(n_left, n_stayed, cutoff))
    measured = strengths(panel, left)
    suspects = leakage.suspicions(
        panel, left, own_table(question, business), business.quality.trusted, measured
    )
    note = (
        f"Relevance is judged by {n_left:,} who left and {n_stayed:,} who stayed in {question.horizon} "
        f"from {to_text(cutoff)} on."
    )
    best = {place: max(one.auc for one in seen) for place, seen in _by_column(measured).items()}
    findings = [*map(_leak, suspects), *_silent(measured)]
    return Relevance(findings, (note,), best)


def _too_few(n_left: int, n_stayed: int, cutoff: int) -> str:
    """Say that the outcomes of one cutoff are too few to judge by."""
    return (
        f"It needs outcomes. Of those who were asked about as of {to_text(cutoff)}, "
        f"{n_left:,} left and {n_stayed:,} stayed; at least {FEWEST_OF_EACH} of either are needed."
    )


def labelled(
    store: Store, features: FeatureSet, question: Question, cutoff: int, until: int
) -> tuple[Panel, Numbers]:
    """Compute features and answers of the eligible customers at one cutoff.

    Parameters
    ----------
    store : Store
    features : FeatureSet
    question : Question
    cutoff, until : int
        The outcome window of the cutoff ends at or before ``until``.

    Returns
    -------
    Panel, float64 array (n_rows,)
        At most `MOST_CUSTOMERS` rows.
    """
    asked = [] if question.eligible.name in features.names else [question.eligible]
    wanted = features + FeatureSet(*asked)
    step = -(-store.manifest.n_customers // MOST_CUSTOMERS)
    instants = np.array([cutoff], np.int64)

    def work(bucket: Bucket) -> tuple[Panel, Numbers]:
        panel = panel_of(wanted, bucket, instants)
        keep = panel.column(question.eligible.name) > 0
        keep &= np.arange(len(panel)) % step == 0
        return panel.rows(keep), labels.outcomes(question, bucket, instants, until)[keep]

    columns = _columns(wanted, question.outcome)
    parts = list(each_bucket(store, columns, work))
    return concatenate([panel for panel, _ in parts]), np.concatenate([left for _, left in parts])


def _columns(*sets: FeatureSet) -> dict[str, frozenset[str]]:
    """What several feature sets read, by table."""
    tables = {table for features in sets for table in features.columns}
    return {t: frozenset().union(*(f.columns.get(t, frozenset()) for f in sets)) for t in tables}


def _newest_cutoff(store: Store, question: ChurnQuestion | ExitQuestion) -> int:
    """Return the newest cutoff whose outcome is realised.

    Raises
    ------
    QuestionError
        The history is too short.
    """
    tables = store.manifest.tables
    firsts = [tables[name].first_at for name in ("subscriptions", "purchases") if name in tables]
    first = min((first for first in firsts if first is not None), default=None)
    if first is None:
        raise QuestionError("Nothing has happened yet. Map purchases or subscriptions.")
    return plan_cutoffs(first, store.observed_until, question.span).holdout[-1]


def _leak(suspicion: leakage.Suspicion) -> Finding:
    """Turn a suspicion into a finding."""
    return Finding(
        Dimension.RELEVANCE,
        suspicion.table,
        suspicion.column,
        Grade.E,
        suspicion.figure,
        suspicion.why,
        f"{leakage.REMEDY}.",
    )


def _by_column(measured: Collection[Strength]) -> dict[str, list[Strength]]:
    """Everything that was measured of the features that read each column."""
    found: dict[str, list[Strength]] = defaultdict(list)
    for one in measured:
        for table, column in leakage.blamed(one.feature):
            found[f"{table}.{column}"].append(one)
    return found


def _silent(measured: Collection[Strength]) -> Iterator[Finding]:
    """Columns of which no feature tells leavers from stayers, seen in any way."""
    by_column = {
        place: seen
        for place, seen in _by_column(measured).items()
        if (table := place.split(".")[0]) in TABLES and kind_of(table, place.split(".")[1]) is not Kind.TIME
    }
    silent = {place: seen for place, seen in by_column.items() if not _says_something(seen)}
    severity = Grade.C if 2 * len(silent) > len(by_column) else Grade.B
    for place, seen in silent.items():
        table, column = place.split(".", 1)
        best = max(seen, key=lambda one: one.low())
        yield Finding(
            Dimension.RELEVANCE,
            table,
            column,
            severity,
            max(best.auc, _CHANCE),
            f"says nothing about who leaves: an AUC of {max(best.auc, _CHANCE):.3f} is within chance",
            "Keep it if it may matter elsewhere; a model does not need it.",
        )


def _says_something(seen: Sequence[Strength]) -> bool:
    """Whether any interval lies above chance; the more ways to look, the wider each interval."""
    level = 1 - (1 - _LEVEL) / len(seen)
    return any(one.low(level) > _CHANCE for one in seen)

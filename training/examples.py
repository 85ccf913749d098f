"""Labelled rows: what was known at each cutoff, and what happened next."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from features.events import Bucket, Numbers
from features.language import FeatureSet
from features.panel import BucketReader, Panel, concatenate, each_bucket, panel_of
from features.store import Store
from features.windows import MICROSECONDS_PER_DAY
from training import labels
from training.questions import ContractValueQuestion, ExitQuestion, Question
from training.repeat_buying import has_bought


@dataclass(frozen=True)
class Examples:
    """Rows of those who had bought or were under contract at their cutoff, with the answers to each question.

    Attributes
    ----------
    panel : Panel
    answers : dict of str to float64 array (n_rows,)
        By the question's name.
    """

    panel: Panel
    answers: dict[str, Numbers]

    def rows(self, keep: npt.NDArray[np.bool_]) -> "Examples":
        """Keep some rows."""
        return Examples(self.panel.rows(keep), {name: y[keep] for name, y in self.answers.items()})

    def at(self, cutoffs: Sequence[int]) -> "Examples":
        """Keep the rows of some cutoffs."""
        return self.rows(np.isin(self.panel.cutoffs, list(cutoffs)))


def assemble(
    store: BucketReader,
    features: FeatureSet,
    questions: Sequence[Question],
    cutoffs: Sequence[int],
    until: int,
    progress: Callable[[str, int, int], None],
) -> Examples:
    """Compute features and answers of every customer at every cutoff, one bucket at a time.

    Parameters
    ----------
    store : BucketReader
    features : FeatureSet
    questions : sequence of Question
        May be empty: then there are no answers, and the outcome windows need not be realised.
    cutoffs : sequence of int
    until : int
        Facts that happened or became known later are not used in answers.
    progress : callable
        Told (what, done, total) after each bucket.
    """
    instants = np.array(cutoffs, np.int64)

    def work(bucket: Bucket) -> Examples:
        panel = panel_of(features, bucket, instants)
        answers = {q.name: labels.outcomes(q, bucket, instants, until) for q in questions}
        return Examples(panel, answers).rows(_known(panel, questions))

    columns = _columns(features, *(question.outcome for question in questions))
    parts = []
    for part in each_bucket(store, columns, work):
        parts.append(part)
        progress("features", len(parts), store.n_buckets)
    answers = {q.name: np.concatenate([part.answers[q.name] for part in parts]) for q in questions}
    return Examples(concatenate([part.panel for part in parts]), answers)


def _known(panel: Panel, questions: Sequence[Question]) -> npt.NDArray[np.bool_]:
    """Whether each row has bought before its cutoff, or is under a contract that may end."""
    known = has_bought(panel)
    for question in questions:
        if isinstance(question, ExitQuestion | ContractValueQuestion):
            known |= panel.column(question.eligible.name) > 0
    return known


def first_left(store: Store, question: ExitQuestion, until: int) -> int | None:
    """Instant of the first exit or end of a contract that is on record, None where there is none.

    What happened before it is not known to have been recorded: a snapshot of customers says who left in its
    last months only.
    """
    ago = question.first_left

    def work(bucket: Bucket) -> float:
        days = panel_of(ago, bucket, np.array([until], np.int64)).numbers
        return float(np.nanmax(days, initial=-1.0))

    longest = max(each_bucket(store, dict(ago.columns), work), default=-1.0)
    return None if longest < 0 else until - round(longest * MICROSECONDS_PER_DAY)


def _columns(*sets: FeatureSet) -> dict[str, frozenset[str]]:
    """What several feature sets read, by table."""
    tables = {table for features in sets for table in features.columns}
    return {t: frozenset().union(*(f.columns.get(t, frozenset()) for f in sets)) for t in tables}

"""Which level each fit is made for: the levels of past cutoffs, measured a year back, and their forecast.

Beyond the cutoffs of training nothing is needed but the prior and what was then bought, so these cutoffs are
read with the four features of the prior alone.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit

from features.events import Bucket, Numbers
from features.language import FeatureSet
from features.store import Store
from features.transactions import REPEAT_FEATURES
from features.windows import MICROSECONDS_PER_DAY, days
from training import levels
from training.cutoffs import CutoffPlan, Split, run_up
from training.examples import Examples, assemble
from training.levels import RUN_UP_DAYS, YEAR_DAYS, Forecast, Series
from training.questions import ChurnQuestion, Question, ValueQuestion
from training.repeat_buying import RepeatBuying, has_bought

STEP = days(30)
MOST_CUSTOMERS = 200_000
"""Customers from whom the level of an old cutoff is measured: with more, chance is small already."""

FEWEST_CUSTOMERS, FEWEST_OF_EACH = 100, 20
"""Customers who had bought, and rows of either outcome, without which a level is chance."""

Outlooks = Mapping[str, Mapping[int, Forecast]]
"""By question and instant, the level that is expected of it."""


@dataclass(frozen=True)
class _Part:
    """The first buckets of a store: customers are spread over buckets by chance."""

    store: Store
    n_buckets: int

    def read(self, index: int, columns: Mapping[str, Collection[str]]) -> Bucket:
        """Read one bucket."""
        return self.store.read(index, columns)


@dataclass(frozen=True)
class Past:
    """What the levels of past cutoffs are measured on.

    Attributes
    ----------
    examples : Examples
    priors : mapping of int to RepeatBuying
        Of each cutoff.
    value_scale : float
        What a minor unit of amount is worth as discounted margin.
    """

    examples: Examples
    priors: Mapping[int, RepeatBuying]
    value_scale: float

    def series(self, question: Question, cutoffs: Sequence[int]) -> Series:
        """Measure the level of a question at each of some cutoffs."""
        found = [self._level(question, cutoff) for cutoff in cutoffs]
        return Series.of(cutoffs, [level for level, _ in found], [error for _, error in found])

    def _level(self, question: Question, cutoff: int) -> tuple[float, float]:
        """Return a level and its standard error; NaN where few have either outcome."""
        if cutoff not in self.priors:
            return np.nan, np.nan
        rows = self.examples.at([cutoff])
        rows = rows.rows(has_bought(rows.panel) & (rows.panel.column(question.eligible.name) > 0))
        y, is_chance = rows.answers[question.name], isinstance(question, ChurnQuestion)
        fewest = min((y > 0).sum(), (y <= 0).sum()) if is_chance else (y > 0).sum()
        if fewest < FEWEST_OF_EACH:
            return np.nan, np.nan
        prior, gap, horizon = self.priors[cutoff], question.gap.days, question.horizon.days
        if is_chance:
            return level_of_silence(logit(prior.silence(rows.panel, gap, horizon)), y)
        return level_of_value(prior.amount(rows.panel, gap, horizon) * self.value_scale, y)


def level_of_silence(logits: Numbers, left: Numbers) -> tuple[float, float]:
    """Shift that makes the mean chance the realised rate, and its standard error.

    Examples
    --------
    >>> [round(float(x), 3) for x in level_of_silence(np.zeros(100), np.repeat([0.0, 1.0], 50))]
    [0.0, 0.2]
    """
    shift = levels.shift_to(logits, (left.sum() + 0.5) / (len(left) + 1))
    chance = expit(logits + shift)
    return shift, float((chance * (1 - chance)).sum() ** -0.5)


def level_of_value(expected: Numbers, realised: Numbers) -> tuple[float, float]:
    """Log ratio of realised to expected value, and its standard error, as of a sum of single values.

    Examples
    --------
    >>> [round(x, 3) for x in level_of_value(np.ones(100), np.ones(100))]
    [0.0, 0.1]
    """
    total = float(realised.sum())
    error = float(np.sqrt((realised**2).sum())) / total if total > 0 else np.nan
    return levels.log_ratio(total, float(expected.sum())), error


def outlooks_of(
    store: Store,
    questions: Sequence[Question],
    plan: CutoffPlan,
    until: int,
    known: Past,
    progress: Callable[[str, int, int], None],
) -> Outlooks:
    """Forecast the level of every question that has one, for the holdout and for ``until``.

    Parameters
    ----------
    store : Store
    questions : sequence of Question
        Those about contracts have no level.
    plan : CutoffPlan
    until : int
    known : Past
        Holds every cutoff of ``plan.refit``; older ones are read where a season can be told.
    progress : callable
        Told (what, done, total).

    Returns
    -------
    Outlooks
        Of each instant from what was realised by then; of the holdout only where it is apart in time.
    """
    asked = [question for question in questions if isinstance(question, ChurnQuestion | ValueQuestion)]
    first = store.manifest.tables["purchases"].first_at if asked else None
    if first is None:
        return {}
    instants = sorted({*(plan.holdout if plan.split is Split.TIME else ()), until})
    older = _older(instants, plan, first, max(question.span for question in asked))
    past = _read(store, asked, older, until, known.value_scale, progress) if older else known
    found: dict[str, dict[int, Forecast]] = {}
    for question in asked:
        both = [past.series(question, older), known.series(question, plan.refit)]
        whole = Series(*(np.concatenate(columns) for columns in zip(*map(_columns, both), strict=True)))
        found[question.name] = {at: forecast_at(whole, at, first, question) for at in instants}
    return found


def forecast_at(series: Series, at: int, first: int, question: Question) -> Forecast:
    """Forecast the level at an instant from those whose outcome was realised by then."""
    realised = series.until((at - question.span) / MICROSECONDS_PER_DAY)
    return levels.forecast(realised, at, first, question.span / MICROSECONDS_PER_DAY)


def _columns(series: Series) -> tuple[Numbers, Numbers, Numbers]:
    return series.days, series.levels, series.errors


def _older(instants: Sequence[int], plan: CutoffPlan, first: int, span: int) -> list[int]:
    """Cutoffs before those of training, a month apart, that tell the season of any instant."""
    back = round((YEAR_DAYS + RUN_UP_DAYS) * MICROSECONDS_PER_DAY)
    told = [at for at in instants if at - first >= back]
    if not told:
        return []
    earliest = max(told[0] - back, first + run_up(span))
    return sorted(range(plan.refit[0] - STEP.microseconds, earliest - 1, -STEP.microseconds))


def _read(
    store: Store,
    questions: Sequence[Question],
    cutoffs: Sequence[int],
    until: int,
    value_scale: float,
    progress: Callable[[str, int, int], None],
) -> Past:
    """Compute what the prior needs and what then happened, of so many customers as are enough."""
    share = MOST_CUSTOMERS / max(store.manifest.n_customers, 1)
    part = _Part(store, min(store.n_buckets, max(1, round(share * store.n_buckets))))
    asked = dict.fromkeys(q.eligible for q in questions if q.eligible.name not in REPEAT_FEATURES.names)
    features = REPEAT_FEATURES + FeatureSet(*asked)
    examples = assemble(part, features, questions, cutoffs, until, progress)
    bought = examples.panel.rows(has_bought(examples.panel))
    counts = {at: int((bought.cutoffs == at).sum()) for at in cutoffs}
    priors = {
        at: RepeatBuying.fit(bought.rows(bought.cutoffs == at))
        for at, n_customers in counts.items()
        if n_customers >= FEWEST_CUSTOMERS
    }
    return Past(examples, priors, value_scale)

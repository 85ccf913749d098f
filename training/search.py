"""Hyperparameter search: the only door to Optuna.

Good defaults come first: they are trial 0.  A trial grows one booster, the one that stands for its
estimator, in three folds by customer, and is given up as soon as its learning curve cannot reach the best
any more.  At the end the whole estimator is fitted twice, with the defaults and with what was found, and
judged on customers whom the search never saw: what was found is kept only if it is better there by more
than one standard error.

What is proposed follows from the seed and the trials before, so a search that was killed goes on where its
journal ends and finds what it would have found.
"""

import hashlib
import importlib.metadata
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from features.events import Numbers
from training import journal as journals
from training.curves import BLOCKS, MOST_STEPS, N_FOLDS, STEP, Curve, Deal, Folds, paired
from training.lessons import Range

HASTE = 2
"""Curves are grown at so many times the learning rate; who is found gets as many times the rounds."""
LONGER = 1.5
"""Steps in which the whole estimator tries more rounds than one booster asks for."""
FEWEST_CUSTOMERS = 100
UNSEEN = 4
"""One customer in so many is never seen by the search and judges what it found."""


@dataclass(frozen=True)
class Trial:
    """One set of parameters and its mean loss out of fold.

    Attributes
    ----------
    number : int
        0: the defaults.
    parameters : mapping of str to value
        With the rounds at which the loss was least.
    loss : float
        The least that was seen of one booster.
    grown : int
        Rounds that were grown in each fold to find that out.
    given_up : bool
        Whether it was stopped since it could not reach the best before it.
    """

    number: int
    parameters: Mapping[str, Any]
    loss: float
    grown: int = 0
    given_up: bool = False


@dataclass(frozen=True)
class Judgement:
    """What became of the search's candidate on customers it never saw.

    Attributes
    ----------
    parameters : mapping of str to value
        The candidate.
    gain, noise : float
        How much lower the whole estimator's loss is than with the defaults, and its standard error.
    """

    parameters: Mapping[str, Any]
    gain: float
    noise: float

    @property
    def kept(self) -> bool:
        """Whether it is better by more than one standard error."""
        return self.gain > self.noise


@dataclass(frozen=True)
class Task:
    """What is searched for: rows, labels, their cutoffs and customers, and how to make an estimator.

    ``kind`` is a name only.  What may be searched the estimator says itself, see `training.lessons`.
    """

    make: Callable[..., Any]
    kind: str
    X: Numbers
    y: Numbers
    cutoffs: npt.NDArray[np.int64]
    customers: npt.NDArray[np.int64]

    def rows(self, keep: npt.NDArray[np.bool_]) -> "Task":
        """Keep some rows."""
        return replace(
            self,
            X=self.X[keep],
            y=self.y[keep],
            cutoffs=self.cutoffs[keep],
            customers=self.customers[keep],
        )

    def can_be_searched(self) -> bool:
        """Whether the estimator names what may be searched, and there is something to learn from."""
        enough = len(np.unique(self.customers)) >= FEWEST_CUSTOMERS and np.ptp(self.y) > 0
        return bool(enough and getattr(self.make(), "search_space", {}))

    def losses_on(self, other: "Task", parameters: Mapping[str, Any]) -> Numbers:
        """Loss of every row of another task, predicted by a fit to this one, shape (n_rows,)."""
        model = self.make(**parameters).fit(self.X, self.y, self.cutoffs)
        return np.asarray(model.row_losses(other.X, other.y))

    def subject(self, seed: int) -> dict[str, Any]:
        """Everything that a trial's result depends on, as plain values; data as a fingerprint."""
        data = hashlib.sha256()
        for values in (self.X, self.y, self.cutoffs, self.customers):
            data.update(repr((values.shape, values.dtype.str)).encode())
            data.update(np.ascontiguousarray(values).data)
        model = self.make()
        parameters = {key: value for key, value in model.get_params().items() if key != "n_jobs"}
        packages = {name: importlib.metadata.version(name) for name in ("optuna", "numpy")}
        return {
            "kind": self.kind,
            "data": data.hexdigest(),
            "defaults": parameters,
            "space": {name: list(where) for name, where in model.search_space.items()},
            "folds": [N_FOLDS, BLOCKS, STEP, HASTE],
            "seed": seed,
            "versions": packages | {"xgboost": _xgboost_version()},
        }


def search(
    task: Task,
    trials: int,
    seed: int,
    report: Callable[[Trial], None],
    *,
    show: bool,
    seconds: float | None = None,
    folder: Path | None = None,
    judged: Callable[[Judgement], None] | None = None,
) -> dict[str, Any]:
    """Look for parameters that beat the defaults.

    Parameters
    ----------
    task : Task
        What is searched for.
    trials : int
        How many sets are tried after the defaults; 0: none, and nothing is imported.  Nor are any where the
        estimator names no space, or next to nothing can be learnt: the fit refuses that and says why.
    seed : int
        Same seed, same trials and same result, whatever the number of threads.
    report : callable
        Told every `Trial` as it ends, and first those that an earlier process had ended.
    show : bool
        Whether to draw a progress bar with the best loss so far.
    seconds : float or None
        No trial goes on for longer than this; judging the best of them comes on top.
    folder : Path or None
        Where the journal ``<kind>.jsonl`` is kept; None: nothing is kept.  Other data, another recipe or
        another seed start it anew.
    judged : callable or None
        Told the `Judgement`, unless the defaults themselves came out best.

    Returns
    -------
    dict of str to value
        Parameters for ``task.make``; empty where the defaults are kept.

    Raises
    ------
    UserError
        Another search writes to the folder, or it cannot be written.
    """
    if trials == 0 or not task.can_be_searched():
        return {}
    until = np.inf if seconds is None else time.monotonic() + seconds
    places = shuffled(task.customers, seed)
    unseen = places % UNSEEN == 0
    seen = task.rows(~unseen)
    contest = Contest(seen, Deal.of(shuffled(seen.customers, seed)), seed)
    bar = tqdm(total=trials + 1, desc=f"search {task.kind}", disable=not show)
    subject = task.subject(seed)
    with bar, journals.opened(folder, task.kind, subject) as journal:
        for tried in contest.run(trials + 1, journal, until):
            report(tried.trial)
            bar.set_postfix(best=f"{contest.best.curve.loss:.5f}", refresh=False)
            bar.update()
    candidate, defaults = contest.candidate(), task.make().get_params()
    if all(defaults[name] == value for name, value in candidate.items()):
        return {}
    return _judge(task.rows(unseen), seen, candidate, judged)


def _judge(
    unseen: Task, seen: Task, candidate: Mapping[str, Any], judged: Callable[[Judgement], None] | None
) -> dict[str, Any]:
    """Fit with the defaults and with the candidate; return what is kept."""
    differences = seen.losses_on(unseen, {}) - seen.losses_on(unseen, candidate)
    _, own = np.unique(unseen.customers, return_inverse=True)
    sums = np.bincount(own, weights=differences).astype(np.float64)
    gain, noise = paired(sums, np.bincount(own).astype(np.float64))
    judgement = Judgement(candidate, gain, noise)
    if judged is not None:
        judged(judgement)
    return dict(candidate) if judgement.kept else {}


@dataclass(frozen=True)
class Tried:
    """A trial with its curve."""

    trial: Trial
    proposed: Mapping[str, Any]
    curve: Curve

    def record(self) -> dict[str, Any]:
        """Plain values for the journal."""
        return {"trial": vars(self.trial), "proposed": self.proposed, "curve": vars(self.curve)}

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> "Tried":
        """Make what `record` wrote."""
        curve = record["curve"]
        return cls(
            Trial(**record["trial"]), record["proposed"], Curve(tuple(curve["means"]), tuple(curve["sums"]))
        )


class Contest:
    """Trials on the same folds, one after the other."""

    def __init__(self, task: Task, deal: Deal, seed: int) -> None:
        self.task, self.deal, self.seed = task, deal, seed
        self.tried: list[Tried] = []

    @cached_property
    def folds(self) -> Folds:
        """The binned rows, made when the first trial needs them."""
        task, model = self.task, self.task.make()
        lesson = model.lesson(task.X, task.y, task.cutoffs)
        return Folds(lesson, self.deal, model.growth().max_bin, model.n_jobs)

    def run(self, trials: int, journal: journals.Journal, until: float) -> Iterable[Tried]:
        """Give what the journal holds, then the next trials until there are enough or time is over."""
        for number in range(trials):
            if number < len(journal.records):
                tried = Tried.of(journal.records[number])
            else:
                grown = self._try(number, until)
                if grown is None:
                    return
                tried = grown
                journal.write(tried.record())
            self.tried.append(tried)
            yield tried

    @property
    def best(self) -> Tried:
        """The trial with the least loss; the earliest of several."""
        return min(self.tried, key=lambda tried: tried.curve.loss)

    def _try(self, number: int, until: float) -> Tried | None:
        """Grow a trial's curve until it ends or cannot reach the best; None where time is over."""
        defaults = self.task.make()
        space = defaults.search_space
        proposed = _propose(space, defaults, self.tried, self.seed)
        model = self.task.make(**proposed)
        settings = model.growth().parameters()
        settings["learning_rate"] *= HASTE
        curve, given_up = Curve((), ()), False
        for curve in self.folds.grow(settings, self.seed):
            if time.monotonic() > until:
                return None
            given_up = bool(self.tried) and self._is_hopeless(curve)
            if given_up:
                break
        rounds = {"rounds": curve.best * STEP * HASTE} if self.folds.lesson.tells_rounds else {}
        grown = len(curve.means) * STEP
        return Tried(Trial(number, {**proposed, **rounds}, curve.loss, grown, given_up), proposed, curve)

    def _is_hopeless(self, curve: Curve) -> bool:
        """Whether the curve tends to more than the best loss, by more than the noise between the two."""
        best = self.best.curve
        _, noise = self.deal.difference(curve, best)
        return curve.forecast - best.loss > noise

    def candidate(self) -> Mapping[str, Any]:
        """Of the trials within one standard error of the best, the one that grows the fewest leaves.

        Where the defaults are among them, they are it, with the rounds that their curve asks for.
        """
        if not self.tried:
            return {}
        best = self.best.curve
        near = [
            tried for tried in self.tried if not tried.trial.given_up and self._is_near(tried.curve, best)
        ]
        chosen = min(near, key=lambda tried: (tried.trial.number > 0, self._leaves(tried)))
        return self.grown_longer(chosen.trial.parameters)

    def grown_longer(self, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        """Add rounds as long as the whole estimator gains by them on one of the folds.

        The mean of several boosters bears more rounds than one of them does alone.
        """
        if "rounds" not in parameters:
            return parameters
        judge = self.deal.folds == 0
        fit, test = self.task.rows(~judge), self.task.rows(judge)
        least = fit.losses_on(test, parameters).mean()
        while parameters["rounds"] < MOST_STEPS * STEP * HASTE:
            longer = {**parameters, "rounds": int(parameters["rounds"] * LONGER)}
            loss = fit.losses_on(test, longer).mean()
            if loss >= least:
                break
            parameters, least = longer, loss
        return parameters

    def _is_near(self, curve: Curve, best: Curve) -> bool:
        more, noise = self.deal.difference(curve, best)
        return more <= noise

    def _leaves(self, tried: Tried) -> int:
        settings = self.task.make(**tried.proposed).growth().parameters()
        return int(tried.curve.best * (settings.get("max_leaves") or 2 ** settings["max_depth"]))


def _propose(space: Mapping[str, Range], defaults: Any, before: Sequence[Tried], seed: int) -> dict[str, Any]:
    """Propose the next trial's parameters: a function of the seed and of the trials before, nothing else.

    A curve that was given up counts as what it tended to.
    """
    import optuna
    from optuna.distributions import FloatDistribution, IntDistribution

    if not before:
        return {name: getattr(defaults, name) for name in space}
    ranges = {
        name: IntDistribution(int(where.low), int(where.high))
        if where.scale == "whole"
        else FloatDistribution(where.low, where.high, log=where.scale == "log")
        for name, where in space.items()
    }
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    (own_seed,) = np.random.SeedSequence([seed, len(before)]).generate_state(1)
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=int(own_seed)))
    study.add_trials(
        [
            optuna.trial.create_trial(
                params=dict(tried.proposed),
                distributions=ranges,
                value=tried.curve.forecast if tried.trial.given_up else tried.curve.loss,
            )
            for tried in before
        ]
    )
    return dict(study.ask(ranges).params)


def shuffled(customers: npt.NDArray[np.int64], seed: int) -> npt.NDArray[np.int64]:
    """Place of each row's customer in a shuffled deck of all, shape (n_rows,)."""
    ids, own = np.unique(customers, return_inverse=True)
    return np.random.default_rng(seed).permutation(len(ids))[own]


def _xgboost_version() -> str:
    import xgboost

    return str(xgboost.__version__)

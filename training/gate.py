"""The promotion gate: a challenger must beat its baselines and the champion where none of them was fitted.

It fails closed: what cannot be judged is refused, and every refusal names its number.

The rules
---------
Losses (log-loss, Tweedie deviance) are compared on the same rows of the holdout; ``d`` is the mean loss of
the
challenger less that of a rival, with a 95 % interval from resampled customers, and ``s`` its standard error.

**Leaks.** No column may seem to know the outcome.
**Degenerate.** There are rows with more than one outcome, and predictions that are numbers, possible and
not all the same.
**Baselines.** ``d < 0``.  In a small shop noise decides that: where the holdout cannot show a difference of
1 % of the rival's loss (``1.96 s`` is more), ``d`` may be up to one ``s``, at most 5 % of the rival's loss.
A challenger that is a baseline by design, such as the prior alone for few customers, need not beat that one,
only not be worse beyond chance.
**Champion, with nothing fresher to offer.** The interval lies below 0, and ``d`` saves at least 0.1 % of the
champion's loss: better beyond chance and worth a change, or things stay.
**Champion, fresher.** The interval lies below 1 % of the champion's loss.  In a small shop ``d`` may be up to
``1.96 s``, worse being no more than chance, at most 5 % of the champion's loss.  The same recipe fitted to
newer data is then taken nearly every time, and one that has become worse is not.
**Calibration.** The challenger's total, and the totals of ten groups, are not off by 5 points more than the
champion's beyond chance, in percent of the total or of the rarer outcome.
**Large segments.** In none with a tenth of the rows, and 200, is the loss more than 5 % above the champion's
beyond chance (Holm over all of them).
**Features.** They are the champion's, or every change is explained.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.special import ndtr

from features.language import FeatureSet
from training.card.evidence import CHAMPION, MODEL, Evidence, measure
from training.card.segments import groups
from training.card.spread import beyond_chance, ratios
from training.intervals import Interval, percentiles
from training.leakage import Suspicion, summary

MARGIN, LEAST_GAIN = 0.01, 0.001
MOST_NOISE, MISS, MUCH_WORSE = 0.05, 0.05, 0.05
FEWEST_ROWS, FEWEST_SHARE = 200, 0.10
"""From so many rows, and so large a share of them, on a segment is large."""
_Z, _NAMED = 1.96, 8


@dataclass(frozen=True)
class FeatureChange:
    """What a challenger's features are beside the champion's.

    Attributes
    ----------
    lost, gained, altered : tuple of str
        Names of features that only the champion has, that only the challenger has, and that both have with
        different declarations.
    explained : mapping of str to str
        Why, by the name of the feature.
    """

    lost: tuple[str, ...] = ()
    gained: tuple[str, ...] = ()
    altered: tuple[str, ...] = ()
    explained: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def between(
        cls, champion: FeatureSet, challenger: FeatureSet, explained: Mapping[str, str] | None = None
    ) -> "FeatureChange":
        """Compare two contracts; a change that follows from columns alone explains itself.

        A lost feature does where it reads a column that the challenger's features no longer read at all,
        and a
        gained one where it reads a column that the champion's did not: the business has changed its tables.
        """
        then, now = ({one.name: one for one in features} for features in (champion, challenger))
        lost, gained = ([name for name in a if name not in b] for a, b in ((then, now), (now, then)))
        altered = [name for name in then if name in now and then[name].to_dict() != now[name].to_dict()]
        why = {name: "its column is gone" for name in lost if _reads_more(then[name], challenger)}
        why |= {name: "its column is new" for name in gained if _reads_more(now[name], champion)}
        return cls(tuple(lost), tuple(gained), tuple(altered), {**why, **(explained or {})})

    @property
    def unexplained(self) -> list[str]:
        """Changes without a reason, as words."""
        changes = (("lost", self.lost), ("gained", self.gained), ("altered", self.altered))
        return [f"{how} {name}" for how, names in changes for name in names if not self.explained.get(name)]


def _reads_more(feature: Any, others: FeatureSet) -> bool:
    """Whether a feature reads a column that none of the others reads."""
    own = FeatureSet(feature).columns
    return any(not columns <= others.columns.get(table, frozenset()) for table, columns in own.items())


@dataclass(frozen=True)
class Check:
    """One thing that the gate looked at."""

    name: str
    said: str
    refusals: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, for the card."""
        said = "; ".join(self.refusals) or self.said
        return {"name": self.name, "passed": not self.refusals, "said": said}


@dataclass(frozen=True)
class Verdict:
    """What the gate found: it passed if there are no refusals."""

    refusals: tuple[str, ...]
    checks: tuple[Check, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether the challenger may become champion."""
        return not self.refusals


@dataclass(frozen=True)
class Case:
    """What the checks look at; see `judge`."""

    evidence: Evidence
    fresher: bool
    seed: int
    suspicions: Sequence[Suspicion]
    features: FeatureChange | None
    rests_on: Collection[str]

    @property
    def metric(self) -> str:
        """The loss that is compared."""
        return next(iter(self.evidence.metrics))


def judge(
    evidence: Evidence,
    *,
    fresher: bool,
    seed: int,
    suspicions: Sequence[Suspicion] = (),
    features: FeatureChange | None = None,
    rests_on: Collection[str] = (),
) -> Verdict:
    """Compare a challenger with every rival on the same holdout rows, by the rules above.

    Parameters
    ----------
    evidence : Evidence
        Predictions of the challenger and its rivals for the holdout.
    fresher : bool
        The challenger's training reaches further than the champion's, or rests on other features, those
        that the store has now.  A challenger that is as good as the
        champion (same recipe, same holdout) is then wanted for what it has seen since; otherwise an equal
        one is refused.
    seed : int
        Of the bootstrap.
    suspicions : sequence of Suspicion
        Columns that seem to know the outcome: a figure that rests on them is no figure.
    features : FeatureChange, optional
        The challenger's features beside the champion's, where there is a champion.
    rests_on : collection of str
        Baselines that the challenger is by design: it need not beat itself.

    Returns
    -------
    Verdict
    """
    case = Case(evidence, fresher, seed, suspicions, features, rests_on)
    checks = [_look(name, at, case) for name, at in _FIRST]
    if not any(check.refusals for check in checks[1:]):
        checks += [_look(name, at, case) for name, at in _THEN]
    return Verdict(tuple(refusal for check in checks for refusal in check.refusals), tuple(checks))


Found = tuple[str, list[str]]


def _look(name: str, at: Callable[[Case], Found], case: Case) -> Check:
    """Look at one thing; a check that breaks is a refusal."""
    try:
        said, refusals = at(case)
    except Exception as error:  # noqa: BLE001  (what cannot be judged is refused, whatever went wrong)
        return Check(name, "", (f"{name} could not be checked: {type(error).__name__}",))
    return Check(name, said, tuple(refusals))


def _leaks(case: Case) -> Found:
    return "no column seems to know the outcome", [summary(case.suspicions)] if case.suspicions else []


def _degenerate(case: Case) -> Found:
    evidence, refusals = case.evidence, []
    realised = evidence.realised
    n = len(realised)
    if n == 0 or np.unique(realised).size == 1:
        refusals.append(f"the holdout has {n} rows and one outcome only")
    if missing := int((~np.isfinite(realised)).sum()):
        refusals.append(f"{missing} of {n} outcomes are not numbers")
    for name, said in evidence.predictions.items():
        refusals += _impossible(case, "" if name == MODEL else f" of {name}", said)
    if not refusals and np.ptp(evidence.predicted) == 0:
        refusals.append(f"all {n} predictions are {evidence.predicted[0]:.4g}: nobody is told from anybody")
    return f"{n:,} rows, more than one outcome, predictions that differ", refusals


def _impossible(case: Case, of_whom: str, said: Any) -> list[str]:
    """Predictions that are missing, not numbers, or not possible."""
    n = len(case.evidence.realised)
    if len(said) != n:
        return [f"there are {len(said)} predictions{of_whom} for {n} rows"]
    if missing := int((~np.isfinite(said)).sum()):
        return [f"{missing} of {n} predictions{of_whom} are not numbers"]
    if case.evidence.yardstick.is_chance:
        wrong, where = int(((said < 0) | (said > 1)).sum()), "outside 0 to 1"
    else:
        wrong, where = int((said <= 0).sum()), "not above 0"
    return [f"{wrong} of {n} predictions{of_whom} are {where}"] if wrong else []


def _baselines(case: Case) -> Found:
    """Better than every baseline, or no worse where noise alone decides."""
    refusals, said = [], []
    for rival in case.evidence.baselines:
        d = case.evidence.beats(rival, case.seed)
        said.append(f"{rival} {d.value:+.5f}")
        if rival in case.rests_on and (d.value <= 0 or d.low <= 0):
            continue
        if not (d.value < 0 or _within_noise(case, rival, d)):
            refusals.append(_not_better(case, rival, d))
    return f"{case.metric} less that of {', '.join(said) or 'none'}", refusals


def _champion(case: Case) -> Found:
    """Better than the champion beyond chance, or as good and fresher."""
    if CHAMPION not in case.evidence.rivals:
        return "there is no champion yet", []
    d = case.evidence.beats(CHAMPION, case.seed)
    said = f"{case.metric} less that of the champion {d.value:+.5f} ({d.low:+.5f} to {d.high:+.5f})"
    loss = _loss(case, CHAMPION)
    if not case.fresher:
        better = d.high < 0 and d.value <= -LEAST_GAIN * loss
        return said, [] if better else [_not_better(case, CHAMPION, d)]
    margin = MARGIN * loss
    if d.high < margin or _within_noise(case, CHAMPION, d, errors=_Z):
        return said, []
    return said, [f"{_not_better(case, CHAMPION, d)}, and must lie below {margin:+.5f}"]


def _not_better(case: Case, rival: str, d: Interval) -> str:
    return (
        f"{case.metric} is not better than that of {rival}: difference {d.value:+.5f} "
        f"({d.low:+.5f} to {d.high:+.5f})"
    )


def _loss(case: Case, rival: str) -> float:
    return float(case.evidence.losses(case.evidence.rivals[rival]).mean())


def _within_noise(case: Case, rival: str, d: Interval, errors: float = 1.0) -> bool:
    """The holdout is too small to show 1 %, and the difference is no more than so many standard errors."""
    loss, error = _loss(case, rival), (d.high - d.low) / (2 * _Z)
    return error * _Z > MARGIN * loss and d.value <= min(errors * error, MOST_NOISE * loss)


def _calibration(case: Case) -> Found:
    """Not surely further off than the champion, in total and in ten groups."""
    evidence = case.evidence
    if CHAMPION not in evidence.rivals:
        return "there is no champion yet", []
    error = evidence.yardstick.calibration_error
    figures = measure(evidence, case.seed, ("bias", error), (MODEL, CHAMPION))
    own, other = (np.abs(figures.found[name][:, 0]) for name in (MODEL, CHAMPION))
    total = percentiles(float(own[0] - other[0]), own[1:] - other[1:], 0.95)
    in_groups = figures.difference(MODEL, CHAMPION, error)
    by_noise = _noise(case, MODEL) - _noise(case, CHAMPION)
    in_groups = Interval(*(end - by_noise for end in (in_groups.value, in_groups.low, in_groups.high)))
    bias_scale, error_scale = evidence.relative_to_rarer
    refusals, said = [], []
    for what, d, scale in (("bias", total, bias_scale), (error, in_groups, error_scale)):
        value, low, high = (end * scale for end in (d.value, d.low, d.high))
        said.append(f"{what} {value:+.4f}")
        # Written so that NaN refuses.
        if not (value <= MISS or low <= 0):
            refusals.append(
                f"{what} is worse than that of champion: {value:+.4f} ({low:+.4f} to {high:+.4f})"
            )
    return f"less that of the champion: {', '.join(said)}", refusals


def _noise(case: Case, whose: str) -> float:
    """Error in ten groups that a perfectly calibrated model would show too, for its groups are finite.

    It depends on what is said: that of a constant is next to none.  The mean distance of a normal variable
    from its mean is sqrt(2 / pi) of its standard deviation.
    """
    evidence = case.evidence
    said = evidence.predictions[whose]
    surplus = (evidence.realised - said)[np.argsort(said, kind="stable")]
    spread = sum(np.sqrt((part**2).sum()) for part in np.array_split(surplus, 10))
    per = float(len(said)) if evidence.yardstick.is_chance else float(evidence.realised.sum())
    return float(np.sqrt(2 / np.pi) * spread / per) if np.ptp(said) else 0.0


def _segments(case: Case) -> Found:
    """In no large segment much worse than the champion."""
    evidence = case.evidence
    n = len(evidence.realised)
    large = groups(evidence.segments, n, max(FEWEST_ROWS, FEWEST_SHARE * n))
    if CHAMPION not in evidence.rivals or not large:
        return f"{len(large)} large segments, or no champion yet", []
    own, other = (evidence.losses(evidence.predictions[name]) for name in (MODEL, CHAMPION))
    found = [_excess(own[rows], other[rows], evidence.customers[rows]) for _, _, rows in large]
    sure = beyond_chance(np.array([chance for _, _, chance in found]), level=0.025)
    refusals = []
    for (name, label, rows), (share, error, _), is_sure in zip(large, found, sure, strict=True):
        # Written so that NaN refuses.
        if not (share <= MUCH_WORSE or not (is_sure or np.isnan(error))):
            ends = f"{share - _Z * error:+.1%} to {share + _Z * error:+.1%}"
            refusals.append(
                f"{case.metric} of the {int(rows.sum())} rows where {name} is {label} is worse than that of "
                f"champion by {share:+.1%} ({ends})"
            )
    most = max(share for share, _, _ in found)
    return f"{len(large)} large segments, at most {most:+.1%} worse than the champion", refusals


def _excess(own: Any, other: Any, customers: Any) -> tuple[float, float, float]:
    """Loss above the champion's as a share of it, its standard error, and how likely so much is by chance."""
    found = ratios(own - other, other, np.zeros(len(own), np.int64), customers, 1)
    share, error = float(found.value[0]), float(found.error[0])
    if error == 0:
        return share, error, float(share <= 0)
    return share, error, float(ndtr(-share / error))


def _contract(case: Case) -> Found:
    """Features equal to the champion's, or every change explained."""
    change = case.features
    if change is None:
        return "there is no champion to compare with", []
    changed = len(change.lost) + len(change.gained) + len(change.altered)
    if not change.unexplained:
        return f"{changed} features differ from the champion's, all explained", []
    named = ", ".join(change.unexplained[:_NAMED]) + (", …" if len(change.unexplained) > _NAMED else "")
    return "", [f"{len(change.unexplained)} of {changed} changes of features are not explained: {named}"]


_FIRST = (("leaks", _leaks), ("degenerate data", _degenerate))
_THEN = (
    ("baselines", _baselines),
    ("champion", _champion),
    ("calibration", _calibration),
    ("large segments", _segments),
    ("features", _contract),
)

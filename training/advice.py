"""The churn horizon: how long a silence must last before it says that a customer has left.

At several cutoffs the eligible customers are followed from ``cutoff + gap`` to their first purchase.  With
S(t) the share still silent after t days, a horizon of h days calls S(h) of them churned, and

* regret   = (S(h) - S(h + 365)) / S(h): of those called churned, who came back in the following year;
* given up = (S(h) - S(h + 365)) / (1 - S(h + 365)): of those who came back, who had been called churned.

S is the product-limit estimate over all cutoffs together, a day at a time: S(t) = Π (1 - those whose silence
ends on day d / those silent at its start and followed through it), over the days d < t.  Who can be followed
for some time only counts for that time.  Where no cutoff lies h + 365 days back, the regret is of the days
that there are, which `Candidate.followed_days` tells.

Recommended is the shortest horizon with both at most `TOLERANCE`.  Regret alone would not do: where nine in
ten buy only once, calling everybody churned after a fortnight is hardly ever wrong, and gives up nearly
every customer who is still to come back.  Given up alone would not either: where almost all come back, the
few silent ones are just slow.  ``experiments/decisions`` says how the tolerance was chosen.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from features.business import Business
from features.errors import QuestionError
from features.events import Numbers
from features.language import count
from features.store import Store
from features.transactions import PURCHASES
from features.windows import MICROSECONDS_PER_DAY, Duration, days, to_text
from training.intervals import Interval, percentiles
from training.questions import with_horizon
from training.silences import Past, Progress, Silences, follow

CANDIDATES = (14, 30, 45, 60, 90, 120, 180, 270, 365)
"""The horizons that are weighed, in days."""
TOLERANCE = 0.20
"""One in five: of those called churned who come back, and of those who come back who were called churned."""
A_YEAR = 365
"""Days in which who was called churned may come back."""
MOST_CUTOFFS = 12
LONGEST_LOOK_BACK = days(3 * A_YEAR)
"""What customers did longer ago tells little of those of today; three years see every season."""
LONGEST_RUN_UP = days(90)
"""History wanted before the first cutoff, or a quarter of all where that is shorter."""

_DAY = MICROSECONDS_PER_DAY
_RESAMPLES, _LEVEL, _SEED = 300, 0.95, 0
_CURVE_STEP = 7
_CONTRACTS = (
    'This business has contracts ([tables.subscriptions]): write kind = "exit" under [churn], since the end '
    "of a contract is a fact and need not be guessed from silence."
)
_CONTRACTS_SAID = (
    'kind = "exit" under [churn] is right as it stands, since the end of a contract is a fact and need not '
    "be guessed from silence. This version trains no model of it yet."
)
_EVEN = 0.5
_FEW = 0.05
_FEW_RETURN = "each horizon calls nearly everybody churned, so these purchases hardly tell them apart."
_NO_TELLING = " Most of the silent come back: silence does not tell here who has left."
_NO_PURCHASES = (
    "There are no purchases, so there is no time between them to advise from. "
    "Declare [tables.purchases] and build again."
)


@dataclass(frozen=True)
class Candidate:
    """What a horizon would do.

    Attributes
    ----------
    horizon_days : int
    called : float
        Share of the eligible who are silent for so long: those it calls churned.
    regret : Interval
        Share of those called churned who came back; NaN where nobody is called churned.
    given_up : float
        Share of those who came back who had been called churned; NaN where nobody came back.
    followed_days : int
        How long they were watched for coming back: a year, or less where the history ends before.
    """

    horizon_days: int
    called: float
    regret: Interval
    given_up: float
    followed_days: int

    @property
    def tolerable(self) -> bool:
        """Whether both errors are at most `TOLERANCE`; where there is nobody to be wrong about, they are."""
        return not (self.regret.value > TOLERANCE or self.given_up > TOLERANCE)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; an error of nobody is null."""
        regret = {f"regret_{name}": _number(value) for name, value in asdict(self.regret).items()}
        return {
            "horizon_days": self.horizon_days,
            "called_churned": self.called,
            "regret": regret.pop("regret_value"),
            **regret,
            "given_up": _number(self.given_up),
            "followed_days": self.followed_days,
        }


@dataclass(frozen=True)
class Advice:
    """What churn should mean for a business.

    Attributes
    ----------
    kind : str
        ``silence``, or ``exit`` where customers have contracts.
    horizon : Duration or None
        The recommended length of silence; None where the purchases cannot tell.
    reason : str
        Why, in one line.
    candidates : tuple of Candidate
        What each horizon would do, the shortest first.
    current : Candidate or None
        What the horizon of business.toml does; None where it is "auto" or longer than the history can tell.
    curve : tuple of dict
        days, called_churned, regret and given_up for every week up to the longest candidate.
    facts : dict
        What it rests on, as plain JSON values.
    is_said : bool
        business.toml says that kind already.
    """

    kind: str
    horizon: Duration | None
    reason: str
    candidates: tuple[Candidate, ...] = ()
    current: Candidate | None = None
    curve: tuple[dict[str, Any], ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)
    is_said: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "kind": self.kind,
            "horizon": None if self.horizon is None else str(self.horizon),
            "reason": self.reason,
            "current": None if self.current is None else self.current.to_dict(),
            "candidates": [one.to_dict() for one in self.candidates],
            "curve": list(self.curve),
            "facts": self.facts,
        }


def advise(business: Business, store: Store, until: int, progress: Progress) -> Advice:
    """Recommend what churn should mean.

    Parameters
    ----------
    business : Business
        Its ``gap`` and ``eligible`` are taken as they are; its ``horizon`` is compared, never followed.
    store : Store
    until : int
        Nothing that happened or became known later is used.
    progress : callable
        Told (what, done, total).

    Returns
    -------
    Advice

    Raises
    ------
    QuestionError
        There are neither contracts nor purchases, the history is too short, or nobody was eligible.
    """
    if until > store.observed_until:
        raise QuestionError(
            f"The facts are complete before {to_text(store.observed_until)}; "
            f"advice as if today were {to_text(until)} would look beyond them."
        )
    found = _by_silence(business, store, until, progress) if "purchases" in store.tables else _NO_PURCHASES
    if "subscriptions" in store.tables:
        is_said = business.churn.kind == "exit"
        reason = _CONTRACTS_SAID if is_said else _CONTRACTS
        if isinstance(found, str):
            return Advice("exit", None, reason, is_said=is_said)
        return replace(found, kind="exit", reason=f"{reason} By silence: {found.reason}", is_said=is_said)
    if isinstance(found, str):
        raise QuestionError(found)
    return found


def settled(business: Business, store: Store, until: int, progress: Progress) -> tuple[Business, str]:
    """Return the business with ``horizon = "auto"`` replaced by the advised one, and why ("" if it was not).

    Raises
    ------
    QuestionError
        No horizon can be advised.
    """
    if business.churn.horizon != "auto":
        return business, ""
    if business.churn.kind == "exit":
        raise QuestionError(
            'horizon = "auto" is for churn by silence; the end of a contract needs no silence to be seen. '
            'Write under [churn] how far ahead you want to know of it, as in horizon = "90d".'
        )
    advice = advise(business, store, until, progress)
    if advice.horizon is None:
        raise QuestionError(f'horizon = "auto" finds no horizon. {advice.reason}')
    return with_horizon(business, advice.horizon), advice.reason


def cutoffs_of(first: int, until: int, gap: Duration) -> tuple[int, ...]:
    """Choose up to `MOST_CUTOFFS` midnights to follow customers from, evenly spread, the oldest first.

    The oldest has a run-up before it, the newest the shortest candidate after it.  None where the history
    is too short to see who comes back after the shortest candidate.
    """
    end = until - gap.microseconds
    run_up = min(LONGEST_RUN_UP.microseconds, (until - first) // 4)
    oldest = -(-max(first + run_up, end - LONGEST_LOOK_BACK.microseconds) // _DAY)
    newest = (end - CANDIDATES[0] * _DAY) // _DAY
    if not _candidates((end - oldest * _DAY) // _DAY):
        return ()
    step = max((newest - oldest) // (MOST_CUTOFFS - 1), 1)
    return tuple(day * _DAY for day in range(oldest, newest + 1, step))[:MOST_CUTOFFS]


def _candidates(followed_days: int) -> tuple[int, ...]:
    """Horizons after which customers can be watched for as long again, or for a year."""
    return tuple(h for h in CANDIDATES if followed_days - h >= min(h, A_YEAR))


def _by_silence(business: Business, store: Store, until: int, progress: Progress) -> Advice | str:
    """Weigh the candidates; where the purchases cannot tell, say why."""
    churn = business.churn
    past = Past.of(store, until, progress)
    if past.first is None:
        return f"There is no purchase before {to_text(until)}, so there is no time between purchases."
    cutoffs = cutoffs_of(past.first, until, churn.gap)
    if not cutoffs:
        return _too_short(past.first, until, churn.gap)
    eligible = count(PURCHASES).over(churn.eligible)[0]
    silences = follow(store, eligible, cutoffs, churn.gap, until, progress)
    if not silences.rows:
        return (
            f"Nobody was eligible: nobody had bought within {churn.eligible} before any of the "
            f"{len(cutoffs)} cutoffs from {to_text(cutoffs[0])} on. Lengthen [churn] eligible."
        )
    current = round(churn.horizon.days) if isinstance(churn.horizon, Duration) else None
    return weigh(silences, _facts(past, silences, cutoffs, until), current)


def _too_short(first: int, until: int, gap: Duration) -> str:
    wanted = 2 * CANDIDATES[0]
    after = f" after a gap of {gap}" if gap.microseconds else ""
    return (
        f"The history is too short: purchases from {to_text(first)} to {to_text(until)} leave less than the "
        f"{wanted} days{after} that it takes to see who comes back after {CANDIDATES[0]} days of silence. "
        "Bring an older history, or write a horizon under [churn] yourself."
    )


def _facts(past: Past, silences: Silences, cutoffs: Sequence[int], until: int) -> dict[str, Any]:
    return {
        "until": to_text(until),
        "cutoffs": [to_text(cutoff) for cutoff in cutoffs],
        "eligible_customers": silences.customers,
        "eligible": silences.rows,
        "repeat_buyers": int(past.gaps.sum()),
        "gap_days_median": past.gap_days(0.5),
        "gap_days_ninth_decile": past.gap_days(0.9),
        "tolerance": TOLERANCE,
    }


def weigh(silences: Silences, facts: dict[str, Any], current: int | None = None) -> Advice:
    """Compare the candidates, and the current horizon in days beside them, and recommend one."""
    some = silences.filled()
    silent = some.silent(some.draws(_RESAMPLES, _SEED))
    followed = silent.shape[1] - 1
    candidates = [_candidate(silent, h, silences.customers) for h in _candidates(followed)]
    tolerable = [one for one in candidates if one.tolerable]
    best = tolerable[0] if tolerable else candidates[-1]
    weeks = range(_CURVE_STEP, candidates[-1].horizon_days + 1, _CURVE_STEP)
    return Advice(
        "silence",
        days(best.horizon_days),
        _reason(best, 1 - float(silent[0, -1])),
        tuple(candidates),
        None if current is None or current >= followed else _candidate(silent, current, silences.customers),
        tuple(_point(silent[:1], day) for day in weeks),
        facts,
    )


def _errors(silent: Numbers, h: int) -> tuple[Numbers, Numbers]:
    """Regret and given up of a horizon, one for each draw; NaN where there is nobody to be wrong about."""
    called, never = silent[:, h], silent[:, min(h + A_YEAR, silent.shape[1] - 1)]
    wrong = called - never
    nobody = np.full_like(called, np.nan)
    regret = np.divide(wrong, called, out=nobody.copy(), where=called > 0)
    return regret, np.divide(wrong, 1 - never, out=nobody, where=never < 1)


def _candidate(silent: Numbers, h: int, customers: int) -> Candidate:
    regret, given_up = _errors(silent, h)
    called = float(silent[0, h])
    interval = percentiles(float(regret[0]), regret[1:], _LEVEL)
    followed = min(A_YEAR, silent.shape[1] - 1 - h)
    return Candidate(h, called, _widened(interval, called * customers), float(given_up[0]), followed)


def _widened(interval: Interval, n: float) -> Interval:
    """Where all of n came back or none, resampling sees no doubt: take the exact bound (Clopper-Pearson)."""
    doubt = 1 - ((1 - _LEVEL) / 2) ** (1 / max(n, 1))
    if interval.value == 0:
        return replace(interval, high=doubt)
    return replace(interval, low=1 - doubt) if interval.value == 1 else interval


def _point(silent: Numbers, day: int) -> dict[str, Any]:
    regret, given_up = _errors(silent, day)
    return {
        "days": day,
        "called_churned": float(silent[0, day]),
        "regret": _number(float(regret[0])),
        "given_up": _number(float(given_up[0])),
    }


def _reason(best: Candidate, returned: float) -> str:
    """Say in one line why this candidate, and where so few returned that hardly anything follows from it."""
    after = "the year after" if best.followed_days == A_YEAR else f"the {best.followed_days} days after"
    came = f"of those it calls churned {_percent(best.regret.value)} came back in {after}"
    given_up = f"of those who came back it had given up {_percent(best.given_up)}"
    few = f" Only {_percent(returned)} ever bought again: {_FEW_RETURN}" if returned < _FEW else ""
    if best.tolerable:
        return (
            f"{best.horizon_days}d is the shortest horizon with both errors at most "
            f"{_percent(TOLERANCE)}: {came}, {given_up}.{few}"
        )
    return (
        f"{best.horizon_days}d is the longest horizon that this history can judge, and none keeps both "
        f"errors to {_percent(TOLERANCE)}: {came}, {given_up}."
        f"{_NO_TELLING if best.regret.value > _EVEN else few}"
    )


def _percent(share: float) -> str:
    return "nobody" if np.isnan(share) else f"{100 * share:.0f} %"


def _number(value: float) -> float | None:
    """JSON has no NaN."""
    return None if np.isnan(value) else float(value)

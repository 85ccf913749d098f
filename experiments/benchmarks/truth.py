"""What the models say of a simulated business beside what is true of it, and beside what then happened.

``python -m experiments.benchmarks.truth --customers 20000 --seeds 3 --out experiments/results/truth.md``

A history of two years is learnt from as if the last horizon had not happened yet; nothing is registered.
Truth has no noise: it is the chance, or the expectation, that follows from the process.  What then happened
is one draw from it, and what was learnt rests on such a draw too.  So a goal is met where it is missed by no
more than those draws explain (95 %, over all ten groups where the worst of ten is looked at).
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy.stats import norm

from experiments import simulator
from experiments.benchmarks.machine import described
from features import business as businesses
from features.build import build
from features.events import Numbers
from features.store import Store
from features.windows import days
from training.artifact import output_names
from training.examples import Examples, assemble
from training.judging import judge
from training.questions import ValueQuestion
from training.recipe import Recipe
from training.registration import refitted
from training.workshop import Settings, Workshop, set_up

OVERALL, IN_A_TENTH, TOTAL = 0.03, 0.06, 0.05
"""The goals: points of churn and of coverage, and share of the total value."""

OUTSIDE = 0.10
"""Share that is to lie above the 80 % interval, and the most that may lie below it."""

HISTORY, AHEAD = 730, simulator.CHURN_HORIZON_DAYS
OBSERVED_UNTIL = date(2025, 9, 29)
_YEAR = days(365).microseconds
_Z, _Z_OF_TEN = float(norm.isf(0.025)), float(norm.isf(0.025 / 10))
_LEAST_VARIANCE = 1e-12
_PACKAGES = ("numpy", "xgboost-cpu", "scikit-learn")


@dataclass(frozen=True)
class Gap:
    """How far what was said is off, and how far it may be.

    Attributes
    ----------
    value : float
        What was said less what it is compared with.
    allowed : float
        The goal and what chance explains.
    """

    value: float
    allowed: float

    @property
    def is_met(self) -> bool:
        """Whether the goal is met; NaN never is."""
        return abs(self.value) <= self.allowed

    def __str__(self) -> str:
        """Write both in percent."""
        bold = "" if self.is_met else "**"
        return f"{bold}{self.value:+.1%}{bold} ({self.allowed:.1%})"


@dataclass(frozen=True)
class Foresight:
    """What was said of everybody asked about, what was true, and what happened.

    Attributes
    ----------
    said, true, realised : float64 array (n_customers,)
        Chances and 0 or 1; or values, ``true`` being the expectation.
    low, high : float64 array (n_customers,) or None
        The 80 % interval.
    before : int
        How many were asked about a year before: whose outcomes the level of the season rests on.
    """

    said: Numbers
    true: Numbers
    realised: Numbers
    low: Numbers | None
    high: Numbers | None
    before: int

    @property
    def is_chance(self) -> bool:
        """Whether chances are foretold."""
        return self.low is None

    def tenths(self) -> list[npt.NDArray[np.int64]]:
        """Rows of ten groups of like predictions."""
        return list(np.array_split(np.argsort(self.said, kind="stable"), 10))

    def variances(self) -> Numbers:
        """How much what happens to each varies around what is true; of value, one draw of it."""
        of_chance = self.true * (1 - self.true)
        return np.asarray(of_chance if self.is_chance else (self.realised - self.true) ** 2)

    def overall(self, *, happened: bool) -> Gap:
        """Churn in points, value as a share of the total; beside the truth or what happened."""
        goal = OVERALL if self.is_chance else TOTAL
        per = len(self.said) if self.is_chance else self.true.sum()
        other = self.realised if happened else self.true
        drawn, learnt = self._noise(np.arange(len(self.said)))
        noise = np.hypot(drawn, learnt) if happened else learnt
        if not self.is_chance and happened:
            per = other.sum()
        return Gap(float((self.said - other).sum() / per), goal + _Z * noise)

    def worst_tenth(self, *, happened: bool) -> Gap:
        """Churn in that tenth of the customers, by what was said, that is furthest beyond what it may."""
        other, found = self.realised if happened else self.true, []
        for rows in self.tenths():
            drawn, learnt = self._noise(rows)
            noise = _Z_OF_TEN * drawn if happened else 0.0
            gap = float((self.said - other)[rows].mean())
            found.append(Gap(gap, IN_A_TENTH + float(np.hypot(noise, _Z * learnt))))
        return max(found, key=lambda gap: abs(gap.value) - gap.allowed)

    def _noise(self, rows: npt.NDArray[np.int64]) -> tuple[float, float]:
        """Standard errors of what happened to some, and of what is said of them, by what was learnt.

        A level is learnt from those of a year before, as noisy a draw as today's; it moves chances by what
        they can be moved, most where they are near a half, and values in proportion.
        """
        variances = self.variances()
        share = np.sqrt(variances.sum() * len(self.said) / self.before)
        if self.is_chance:
            moved = variances[rows].mean() / max(variances.mean(), _LEAST_VARIANCE)
            drawn = np.sqrt(variances[rows].sum()) / len(rows)
            return float(drawn), float(moved * share / len(self.said))
        return float(np.sqrt(variances[rows].sum()) / self.true[rows].sum()), float(share / self.true.sum())

    @property
    def above(self) -> npt.NDArray[np.bool_]:
        """Whether each brought more than the interval says."""
        return np.asarray(self.realised > (np.inf if self.high is None else self.high))

    @property
    def below(self) -> npt.NDArray[np.bool_]:
        """Whether each brought less than the interval says."""
        return np.asarray(self.realised < (-np.inf if self.low is None else self.low))

    def too_much(self) -> Gap:
        """Share above the interval less the one in ten; drawn twice, when it was measured and now."""
        return Gap(float(self.above.mean()) - OUTSIDE, OVERALL + _Z * _outside(len(self.said)))

    def too_much_in_a_tenth(self) -> Gap:
        """The same of the worst tenth; where fewer than one in ten bring anything, they are all above."""
        off = [self._outside_of(rows) for rows in self.tenths()]
        noise = _outside(len(self.said) // 10)
        return Gap(max(off, key=abs), IN_A_TENTH + _Z_OF_TEN * noise)

    def _outside_of(self, rows: npt.NDArray[np.int64]) -> float:
        some = float((self.realised[rows] > 0).mean())
        return float(self.above[rows].mean()) - min(OUTSIDE, some)

    def too_little(self) -> Gap:
        """Share below beyond one in ten; where most bring nothing nobody can."""
        more = max(float(self.below.mean()) - OUTSIDE, 0.0)
        return Gap(more, OVERALL + _Z * _outside(len(self.said)))


def _outside(n: int) -> float:
    return float(np.sqrt(2 * OUTSIDE * (1 - OUTSIDE) / n))


def foresee(folder: Path, customers: int, seed: int) -> dict[str, Foresight]:
    """Simulate, learn from two years as if the last horizon were yet to come, and answer.

    Parameters
    ----------
    folder : Path
        For the business; must not be there.
    customers, seed : int

    Returns
    -------
    dict of str to Foresight
        By the kind of model.
    """
    made, truth = _simulated(folder, customers, seed)
    business = businesses.load(made.business)
    build(business)
    until = Store.of(business).observed_until
    shop = set_up(business, Settings(until=until - days(AHEAD).microseconds), _quiet)
    rows = _rows(shop, shop.until, until, with_answers=True)
    before = _rows(shop, shop.until - _YEAR, until, with_answers=False)
    return {
        recipe.kind: _foreseen(shop, recipe, recipe.eligible(rows), len(recipe.eligible(before).panel), truth)
        for recipe in shop.recipes()
    }


def _simulated(folder: Path, customers: int, seed: int) -> tuple[simulator.Simulated, pa.Table]:
    """Simulate a history with the horizon after it, and what was true before that horizon."""
    length = HISTORY + AHEAD
    made = simulator.simulate(
        folder, customers=customers, seed=seed, days=length, observed_until=OBSERVED_UNTIL
    )
    return made, simulator.true_before(
        AHEAD, customers=customers, seed=seed, days=length, observed_until=OBSERVED_UNTIL
    )


def _rows(shop: Workshop, cutoff: int, until: int, *, with_answers: bool) -> Examples:
    questions = shop.questions if with_answers else ()
    return assemble(shop.store, shop.examples.panel.features, questions, [cutoff], until, _quiet)


def _foreseen(shop: Workshop, made: Recipe, asked: Examples, before: int, truth: pa.Table) -> Foresight:
    """Train as `holdfast train` does, and answer for everybody asked about."""
    said = refitted(shop, judge(shop, made, None, _quiet), {}).predict(asked.panel)
    answers = [said[name] for name in output_names(made.kind)]
    question, low, high = made.question, None, None
    column, share = "leave_probability", 1.0
    if isinstance(question, ValueQuestion):
        column, share = "expected_value", question.discount
        low, high = answers[1:3]
    of_customer = dict(zip(truth["customer_id"].to_pylist(), truth[column].to_pylist(), strict=True))
    ids = asked.panel.customer_ids
    true = share * np.array([of_customer[ids[place]] for place in asked.panel.customers])
    return Foresight(answers[0], true, made.realised(asked), low, high, before)


def _quiet(_what: str, _done: int, _total: int) -> None:
    """Watch no progress."""


def rows_of(seed: int, found: dict[str, Foresight]) -> tuple[str, str]:
    """Return a seed's row of each table: churn, then value."""
    churn, value = found["attrition"], found["lifetime-value"]
    rates = (churn.said.mean(), churn.true.mean(), churn.realised.mean())
    one = [
        f"{seed}", f"{len(churn.said):,}", *(f"{rate:.1%}" for rate in rates),
        churn.overall(happened=False), churn.worst_tenth(happened=False),
        churn.overall(happened=True), churn.worst_tenth(happened=True),
    ]  # fmt: skip
    inside = 1 - float(value.above.mean()) - float(value.below.mean())
    other = [
        f"{seed}", *(f"{total.sum():,.0f}" for total in (value.said, value.true, value.realised)),
        value.overall(happened=False), value.overall(happened=True), f"{inside:.1%}",
        f"{value.above.mean():.1%}", f"{value.below.mean():.1%}",
        value.too_much(), value.too_much_in_a_tenth(),
    ]  # fmt: skip
    return _line(one), _line(other)


def _line(cells: Sequence[object]) -> str:
    return f"| {' | '.join(str(cell) for cell in cells)} |"


def measured(customers: int, seeds: Sequence[int]) -> Iterator[tuple[int, dict[str, Foresight]]]:
    """Foresee several simulated businesses."""
    for seed in seeds:
        with tempfile.TemporaryDirectory() as scratch:
            yield seed, foresee(Path(scratch) / "shop", customers, seed)


_CHURN = (
    "seed", "asked about", "said", "true", "happened",
    "said less true", "worst tenth", "said less happened", "worst tenth",
)  # fmt: skip
_VALUE = (
    "seed", "said", "true", "happened", "beyond true", "beyond happened", "inside", "above", "below",
    "above less 10 %", "worst tenth",
)  # fmt: skip
_GOALS = (
    "In brackets: the goal (3 points overall, 6 in the worst tenth, 5 % of the total) and what chance "
    "explains, 95 %. Bold: missed."
)
_INTERVAL = (
    "Value, and its 80 % interval; where one in ten or more bring nothing it begins at nothing, and only the "
    "one in ten who bring most can lie outside:"
)


def page(customers: int, seeds: Sequence[int]) -> str:
    """Measure; return the page."""
    churn, value = zip(*(rows_of(*one) for one in measured(customers, seeds)), strict=True)
    lines = [
        "# What is said beside what is true",
        "",
        f"Simulated shops of {customers:,} customers and two years of history. {described(_PACKAGES)}",
        "",
        _GOALS,
        "",
        "Chance of leaving:",
        "",
        *_table(_CHURN, churn),
        "",
        _INTERVAL,
        "",
        *_table(_VALUE, value),
        "",
    ]
    return "\n".join(lines)


def _table(heads: Sequence[str], lines: Sequence[str]) -> list[str]:
    return [_line(heads), f"|{'---:|' * len(heads)}", *lines]


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--customers", type=int, default=20_000)
    parser.add_argument("--seeds", type=int, default=3, help="how many shops, with the seeds from --first on")
    parser.add_argument("--first", type=int, default=5)
    parser.add_argument("--out", type=Path, help="the Markdown file to write")
    arguments = parser.parse_args(argv)
    text = page(arguments.customers, range(arguments.first, arguments.first + arguments.seeds))
    print(text)
    if arguments.out is not None:
        arguments.out.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The page of the accuracy benchmark: every figure beside its goal and the best peer, and what was missed."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from experiments.benchmarks.machine import described

_PACKAGES = ("numpy", "optuna", "scikit-learn", "scipy", "xgboost-cpu")

_READING = """\
Measured figures are means over the folds or the origins of the protocol. The best peer is the best by
that very measure, so it may be another one in each row. Differences are ours minus the peer's, with 95 %
intervals: on contract tables by the corrected resampled t-test, on purchase logs by drawing customers
with replacement."""

_ELSEWHERE = """\
- Why customers leave (Telco extended) and what a campaign changes (Hillstrom): no such model yet.
- RelBench's data can not be had here.
- How well chances and intervals keep their word where the truth is known: the simulator's tests."""


@dataclass(frozen=True)
class Line:
    """One figure, its goal, and the best peer.

    Attributes
    ----------
    data, measure : str
    sense : str
        Whether the goal is a least or a most.
    goal, measured : float
    peer : str
        The best one by this measure; empty: there is none.
    figure : float or None
        The peer's.
    difference : tuple of float or None
        Ours minus the peer's: its value, and the ends of the 95 % interval.
    digits : int
        After the point.
    """

    data: str
    measure: str
    sense: Literal["≥", "≤"]
    goal: float
    measured: float
    peer: str = ""
    figure: float | None = None
    difference: tuple[float, float, float] | None = None
    digits: int = 4

    @property
    def is_met(self) -> bool:
        """Whether the figure as it was measured, not as it is printed, reaches the goal; NaN never does."""
        return self.measured >= self.goal if self.sense == "≥" else self.measured <= self.goal


@dataclass(frozen=True)
class Part:
    """What one part of the benchmark found: rows of the first table, and its own details in Markdown."""

    lines: Sequence[Line]
    details: str


_HEADS = ("data", "measure", "goal", "measured", "met?", "best peer", "its figure", "ours minus it (95 %)")


def to_page(parts: Mapping[str, Part], titles: Mapping[str, str], notes: Iterable[str] = ()) -> str:
    """Write the page.

    Parameters
    ----------
    parts : mapping of str to Part
        By name, in the order of the page; parts that were not measured may be left out.
    titles : mapping of str to str
        Of every part that there is.
    notes : iterable of str
        On this run, one line each.
    """
    lines = [line for part in parts.values() for line in part.lines]
    absent = [title for name, title in titles.items() if name not in parts]
    found = ["# Accuracy: what was predicted of public data, and what happened", ""]
    found += [f"Made by `make bench-accuracy`. {described(_PACKAGES)}", *notes, "", _READING, ""]
    found += [f"Not measured in this run: {', '.join(absent)}.", ""] if absent else []
    found += ["## Figures to beat", "", to_table(_HEADS, map(_cells, lines)), "", *_verdict(lines)]
    for name, part in parts.items():
        found += ["", f"## {titles[name]}", "", part.details.rstrip()]
    return "\n".join([*found, "", "## Not on this page", "", _ELSEWHERE, ""])


def to_table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Write one Markdown table."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _cells(line: Line) -> list[str]:
    cells = [line.data, line.measure, f"{line.sense} {line.goal:.{line.digits}f}"]
    cells += [f"{line.measured:.{line.digits}f}", "yes" if line.is_met else "**no**", line.peer]
    cells.append("" if line.figure is None else f"{line.figure:.{line.digits}f}")
    return [*cells, "" if line.difference is None else to_difference(line.difference, line.digits)]


def to_difference(difference: tuple[float, float, float], digits: int) -> str:
    """Write a difference with its interval."""
    value, low, high = (f"{one:+.{digits}f}" for one in difference)
    return f"{value} [{low}, {high}]"


def _verdict(lines: Sequence[Line]) -> list[str]:
    """Count the goals that are met, and say of the others by how much they are missed."""
    missed = [line for line in lines if not line.is_met]
    found = [f"{len(lines) - len(missed)} of {len(lines)} goals are met."]
    found += ["", "Missed:", ""] if missed else []
    for line in missed:
        short = abs(line.measured - line.goal)
        found.append(f"- {line.data}, {line.measure}: by {short:.{line.digits}f} ({short / line.goal:.2%})")
    return found

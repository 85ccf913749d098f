"""Grades of data: what was found, how bad it is, and what to do about it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Grade(StrEnum):
    """A school grade; A is the best, and the alphabet is the order."""

    A = "A"
    B = "B"
    C = "C"
    D = "D"
    E = "E"
    F = "F"


class Dimension(StrEnum):
    """What data are graded on."""

    RELEVANCE = "relevance"
    COMPLETENESS = "completeness"
    TIMELINESS = "timeliness"


@dataclass(frozen=True)
class Finding:
    """One fault of one table or column.

    Attributes
    ----------
    dimension : Dimension
    table : str
    column : str or None
        None where the fault is the table's.
    severity : Grade
        The best grade that the dimension can have with this fault.
    figure : float
        The number that the severity rests on.
    what : str
        The fault with its figure, for people.
    do : str
        What to do about it, in one sentence.
    """

    dimension: Dimension
    table: str
    column: str | None
    severity: Grade
    figure: float
    what: str
    do: str

    @property
    def place(self) -> str:
        """The column with its table, or the table."""
        return f"{self.table}.{self.column}" if self.column else self.table

    @property
    def said(self) -> str:
        """Where it is and what it is."""
        return f"{self.place} {self.what}"

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "table": self.table,
            "column": self.column,
            "severity": self.severity.value,
            "figure": self.figure,
            "what": self.what,
            "do": self.do,
        }


def worst(grades: Iterable[Grade]) -> Grade:
    """Return the worst of some grades, A where there are none.

    Examples
    --------
    >>> worst([Grade.B, Grade.D, Grade.A]).value, worst([]).value
    ('D', 'A')
    """
    return max(grades, default=Grade.A)


@dataclass(frozen=True)
class Inspection:
    """Everything that was found, with the grades that follow from it.

    Attributes
    ----------
    findings : sequence of Finding
    notes : sequence of str
        What could not be graded, and why.
    tables : mapping
        For each table its figures, as plain JSON values.
    not_judged : mapping of Dimension to str
        The dimensions that have no grade, and why; what was found of them all the same is shown.
    """

    findings: Sequence[Finding]
    notes: Sequence[str] = ()
    tables: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    not_judged: Mapping[Dimension, str] = field(default_factory=dict)

    def of(self, dimension: Dimension) -> list[Finding]:
        """Return the findings of a dimension, the worst first, then the strongest, then by place and text."""
        own = [finding for finding in self.findings if finding.dimension is dimension]
        return sorted(own, key=lambda f: (-ord(f.severity.value), -f.figure, f.place, f.what))

    def grade_of(self, dimension: Dimension) -> Grade | None:
        """Return the grade of a dimension: that of its worst finding; None where it was not judged."""
        if dimension in self.not_judged:
            return None
        return worst(finding.severity for finding in self.of(dimension))

    @property
    def grade(self) -> Grade:
        """The overall grade: that of the worst dimension that was judged."""
        return worst(grade for dimension in Dimension if (grade := self.grade_of(dimension)))

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        dimensions = {
            dimension.value: {
                "grade": None if dimension in self.not_judged else str(self.grade_of(dimension)),
                "not_judged": self.not_judged.get(dimension),
                "findings": [finding.to_dict() for finding in self.of(dimension)],
            }
            for dimension in Dimension
        }
        tables = {name: dict(figures) for name, figures in self.tables.items()}
        return {
            "grade": self.grade.value,
            "dimensions": dimensions,
            "notes": list(self.notes),
            "tables": tables,
        }


def by_share(share: float, *steps: tuple[float, Grade]) -> Grade | None:
    """Return the grade of the highest step that a share reaches, None below the first.

    Examples
    --------
    >>> by_share(0.3, (0.05, Grade.B), (0.25, Grade.C)).value
    'C'
    """
    reached = [grade for step, grade in steps if share >= step]
    return reached[-1] if reached else None

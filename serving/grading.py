"""The grades of data as text for people."""

from itertools import groupby

from features.grading.grades import Dimension, Finding, Inspection
from serving.verbs import table

MOST_LINES = 15
"""Findings that are shown of a dimension; the others are counted."""

_CLEAN = {
    Dimension.RELEVANCE: "No column was found that is of no use, or that knows the outcome.",
    Dimension.COMPLETENESS: "Nothing is missing that should be there.",
    Dimension.TIMELINESS: "Every table is as fresh as its rhythm allows, and facts come in time.",
}


def as_text(inspection: Inspection, name: str, minimum: str) -> str:
    """Write an inspection as one page: the grades, then the findings of each dimension, the worst first.

    Parameters
    ----------
    inspection : Inspection
    name : str
        Of the business.
    minimum : str
        The worst grade that is accepted.

    Returns
    -------
    str
    """
    grades = [[dimension.value, _grade(inspection, dimension)] for dimension in Dimension]
    pages = [
        f"{name}: {inspection.grade.value} (at least {minimum} is asked for)",
        table(["graded on", "grade"], grades),
        *(_page(inspection, dimension) for dimension in Dimension),
        *inspection.notes,
    ]
    return "\n\n".join(pages)


def _page(inspection: Inspection, dimension: Dimension) -> str:
    """Write one dimension; findings of one severity with one remedy stand together above it."""
    found = inspection.of(dimension)
    title = f"{dimension.value.capitalize()}: {_grade(inspection, dimension)}"
    if reason := inspection.not_judged.get(dimension):
        title += f"\n  {reason}"
    elif not found:
        title += f"\n{_CLEAN[dimension]}"
    shown = sorted(found[:MOST_LINES], key=_remedy)
    width = max((len(finding.place) for finding in shown), default=0)
    lines = [title]
    for _, alike in groupby(shown, key=_remedy):
        group = list(alike)
        lines += [f"  {f.severity.value}  {f.place.ljust(width)}  {f.what}" for f in group]
        lines.append(f"     → {group[0].do}")
    if len(found) > len(shown):
        hidden = [finding.severity.value for finding in found[MOST_LINES:]]
        counts = ", ".join(f"{hidden.count(letter)} {letter}" for letter in sorted(set(hidden), reverse=True))
        lines.append(f"     and {len(hidden)} more ({counts}): see --json.")
    return "\n".join(lines)


def _grade(inspection: Inspection, dimension: Dimension) -> str:
    """Write the grade of a dimension."""
    return inspection.grade_of(dimension) or "not judged"


def _remedy(finding: Finding) -> tuple[int, str]:
    """The worst first, then what is mended alike."""
    return -ord(finding.severity.value), finding.do

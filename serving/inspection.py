"""What the data say before a model is trained."""

import tempfile
from argparse import Namespace
from pathlib import Path

from features import business as businesses
from features.business import Business
from features.errors import QualityRefused
from features.grading.grades import Dimension, Finding, Grade, Inspection
from serving.verbs import Answer, progress

MOST_NAMED = 5
"""Columns that a refusal names; the others are counted."""


def check(arguments: Namespace) -> Answer:
    """Grade the data of a business; nothing is written beside it."""
    from serving.grading import as_text

    business = businesses.load(arguments.business)
    found = _inspect(business)
    minimum = business.quality.minimum
    data = {"business": business.business.name, "minimum": minimum, **found.to_dict()}
    text = as_text(found, business.business.name, minimum)
    if found.grade.value <= minimum:
        return Answer(data, text)
    refused = QualityRefused(complaint(found, minimum))
    return Answer(data, text, refused.exit_code, f"{type(refused).__name__}: {refused}")


def complaint(found: Inspection, minimum: str) -> str:
    """Say which dimensions are below the bar, and which columns make them so.

    Parameters
    ----------
    found : Inspection
    minimum : str
        The worst grade that is accepted.

    Returns
    -------
    str
    """
    grades = {dimension: found.grade_of(dimension) for dimension in Dimension}
    named = [
        f"{dimension.value} {grade.value}: {_blamed(found.of(dimension))}"
        for dimension, grade in grades.items()
        if grade and grade.value > minimum
    ]
    said = f"The data are graded {found.grade.value}, and [quality] minimum is {minimum}."
    return f"{said} {'; '.join(named)}."


def _blamed(findings: list[Finding]) -> str:
    """Name every grave finding, as far as a line goes, and say what the first is."""
    grave = list(dict.fromkeys(finding.place for finding in findings if finding.severity >= Grade.E))
    if len(grave) <= 1:
        return findings[0].said
    more = f" and {len(grave) - MOST_NAMED} more" if len(grave) > MOST_NAMED else ""
    return f"{', '.join(grave[:MOST_NAMED])}{more} ({findings[0].said})"


def _inspect(business: Business) -> Inspection:
    """Build into a folder that is removed again, and look at everything."""
    from features.build import build
    from features.quality import inspect
    from features.store import Store
    from training.relevance import relevance

    tell = progress()
    with tempfile.TemporaryDirectory(prefix="holdfast-check-") as scratch:
        there = business.model_copy(update={"workspace": Path(scratch)})
        build(there, tell, trial=True)
        store = Store.of(there)
        found = inspect(store)
        judged = relevance(there, store, tell)
    figures = {name: dict(one) for name, one in found.tables.items()}
    for name, one in figures.items():
        one["auc"] = {
            c.split(".", 1)[1]: auc for c, auc in judged.columns.items() if c.startswith(f"{name}.")
        }
    not_judged = {Dimension.RELEVANCE: judged.not_judged} if judged.not_judged else {}
    return Inspection([*found.findings, *judged.findings], judged.notes, figures, not_judged)


def init(arguments: Namespace) -> Answer:
    """Look at files or database tables and write a commented business.toml."""
    from features.proposal import propose, sources_of
    from features.proposing.drafting import write
    from serving.proposals import as_data, as_text, publish, refuse_existing

    target = arguments.to
    refuse_existing(target, force=arguments.force)
    proposal = propose(
        sources_of(arguments.sources, arguments.table),
        name=arguments.name,
        currency=arguments.currency,
        progress=progress(),
    )
    publish(target, write(proposal, target.absolute().parent), force=arguments.force)
    return Answer(as_data(proposal, target), as_text(proposal, target))


def advise(arguments: Namespace) -> Answer:
    """Recommend the churn horizon from the time between purchases."""
    from features.store import Store
    from serving.curve import as_page, as_text, write_page
    from training.advice import advise as recommend

    business = businesses.load(arguments.business)
    store = Store.of(business)
    until = store.observed_until if arguments.until is None else arguments.until
    advice = recommend(business, store, until, progress())
    name = business.business.name
    text = as_text(advice, name)
    if arguments.out is not None:
        write_page(arguments.out, as_page(advice, name))
        text += f"\nThe page is {arguments.out}."
    return Answer(advice.to_dict(), text)

"""Replaying history: at each of several cutoffs, what would have been said, and what then happened.

At every origin everything is done as if today were that day: the cutoffs are planned, the priors and the
models fitted, the intervals measured, on nothing that happened or became known later.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from features.business import Business
from features.errors import QuestionError
from features.store import Store
from features.windows import to_text
from training import card
from training.advice import settled
from training.artifact import output_names
from training.card import Evidence
from training.examples import Examples, assemble
from training.judging import judge
from training.questions import kinds_of
from training.recipe import Recipe
from training.registration import refitted
from training.workshop import Progress, Settings, Workshop, can_train, questions_of, set_up


@dataclass(frozen=True)
class Replay:
    """What one kind of model would have said at one origin, beside simple models and what then happened.

    Attributes
    ----------
    origin : int
        The cutoff.
    evidence : Evidence
        Of every eligible customer.
    facts : mapping
        Plain JSON values for the card.
    """

    origin: int
    evidence: Evidence
    facts: Mapping[str, Any]


def backtest(business: Business, origins: int, settings: Settings, progress: Progress) -> Iterator[Replay]:
    """Replay the newest origins, a longest outcome window apart, the oldest first.

    Parameters
    ----------
    business : Business
        Its store has been built; nothing is registered.
    origins : int
        How many at most; those are left out whose history is too short to train on.
    settings : Settings
        Kinds and seed; ``until`` is the end of the newest outcome window.
    progress : callable
        Told (what, done, total).

    Yields
    ------
    Replay
        Of each kind at each origin.

    Raises
    ------
    QuestionError
        The history holds no origin.
    """
    store = Store.of(business)
    until = store.observed_until if settings.until is None else settings.until
    business, _ = settled(business, store, until, progress)
    found = list(_origins(business, store, until, origins, settings))
    if not found:
        raise QuestionError(
            f"The history before {to_text(until)} holds no cutoff with both a history to train on and an "
            "outcome that is known. Shorten [churn] horizon or bring an older history."
        )
    for done, origin in enumerate(reversed(found)):
        progress("replay", done, len(found))
        shop = set_up(business, replace(settings, until=origin), _quiet)
        rows = assemble(store, shop.examples.panel.features, shop.questions, [origin], until, _quiet)
        for made in shop.recipes():
            yield Replay(origin, _replayed(shop, made, rows), _facts(shop, made))
    progress("replay", len(found), len(found))


def _origins(business: Business, store: Store, until: int, origins: int, settings: Settings) -> Iterator[int]:
    """Return each origin, the newest first, as far back as the history before it can be trained on."""
    questions = questions_of(business, store, settings.kinds or kinds_of(business))
    span = max(question.span for question in questions)
    for origin in range(until - span, until - (origins + 1) * span, -span):
        if not can_train(store, questions, origin):
            return
        yield origin


def _replayed(shop: Workshop, made: Recipe, rows: Examples) -> Evidence:
    """Train at the origin, predict its customers, and put what happened beside it."""
    model = refitted(shop, judge(shop, made, None, _quiet), {"trained_until": to_text(shop.until)})
    asked = made.eligible(rows)
    said = model.predict(asked.panel)
    values = [said[name] for name in output_names(made.kind)]
    answered = ~np.isnan(values[0])
    kept, said_of_kept = asked.rows(answered), [column[answered] for column in values]
    realised, customers = made.realised(kept), kept.panel.customers
    low, high = said_of_kept[1:] or (None, None)
    return Evidence(made.kind, realised, customers, said_of_kept[0], made.untrained(kept), low, high)


def _facts(shop: Workshop, made: Recipe) -> dict[str, Any]:
    origin = to_text(shop.until)
    return {"business": shop.business.business.name, "asks": made.question.asks, "cutoff": origin}


def _quiet(_what: str, _done: int, _total: int) -> None:
    """Say nothing: the origins are what is counted."""


def summary(replays: list[Replay], seed: int) -> list[dict[str, Any]]:
    """Return one line for each kind and origin: the first two metrics beside the best simple model.

    Parameters
    ----------
    replays : list of Replay
    seed : int
        Of the bootstrap.
    """
    lines = []
    for one in replays:
        evidence = one.evidence
        filled = card.write(evidence, one.facts, seed)
        rival = next(iter(evidence.rivals))
        difference = evidence.beats(rival, seed)
        lines.append(
            {
                "kind": evidence.kind,
                "cutoff": to_text(one.origin),
                "rows": len(evidence.realised),
                "rival": rival,
                "difference": {"value": difference.value, "low": difference.low, "high": difference.high},
                "metrics": filled["metrics"],
                "predicted": float(evidence.predicted.sum()),
                "realised": float(evidence.realised.sum()),
            }
        )
    return lines

"""What a model cannot do: sentences that follow from the facts of its training and from its own figures.

Facts that are looked at, each optional: ``rung`` (a sentence, or ``name`` and ``why``), ``split``,
``holdout_cutoffs``, ``horizon``, ``extended_horizons`` (horizons longer than any training outcome),
``horizon_totals`` (what is expected in each, with its band), ``level`` (what is said of it),
``unseen`` (share of the holdout's rows whose level of a column the fit has not seen, by column),
``in_sample``
and ``cautions``.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from training.card.evidence import YARDSTICKS
from training.card.plots import percent
from training.card.summary import named

_WHOLE = "whole recipe"
"""The highest rung of the ladder, which is no limit."""

_FEW, _MUCH_UNSEEN, _OFF_NOMINAL = 100, 0.01, 0.05
_FAR, _MOST_GROUPS = 0.05, 3


def limits(card: Mapping[str, Any]) -> list[str]:
    """Write what the model of a card cannot do, the gravest first."""
    return [*_of_the_data(card), *_of_the_judging(card), *_of_the_figures(card), *_of_the_kind(card)]


def _of_the_data(card: Mapping[str, Any]) -> Iterator[str]:
    facts = card["facts"]
    if facts.get("in_sample"):
        yield (
            "The model has seen outcomes after this cutoff: every figure here flatters it. Train with "
            "--until this cutoff to see honest ones."
        )
    rung = facts.get("rung")
    if isinstance(rung, Mapping) and rung.get("why") and rung.get("name") != _WHOLE:
        yield f"{_sentence(str(rung['why']))[:-1]} (rung of the ladder: {rung.get('name', 'not named')})."
    elif isinstance(rung, str) and rung:
        yield _sentence(rung)
    extended = facts.get("extended_horizons") or []
    if extended:
        yield (
            f"No outcome of {_listed([str(one) for one in extended])} was learnt: what is said of so "
            f"long a time is carried on from {facts.get('horizon') or 'a shorter one'}, and is a scenario, "
            f"not a measurement.{_totals(facts)}"
        )
    if (facts.get("level") or {}).get("why"):
        yield f"Its level is a forecast. {_sentence(str(facts['level']['why']))}{_band(facts['level'])}"
    unseen = {name: share for name, share in (facts.get("unseen") or {}).items() if share > _MUCH_UNSEEN}
    for name, share in sorted(unseen.items(), key=lambda one: -one[1]):
        yield f"{percent(share)} of the rows have a {name} not seen in training: nothing is known of it."
    yield from (_sentence(str(caution)) for caution in facts.get("cautions") or [])


def _of_the_judging(card: Mapping[str, Any]) -> Iterator[str]:
    facts = card["facts"]
    cutoffs = facts.get("holdout_cutoffs") or ([facts["cutoff"]] if facts.get("cutoff") else [])
    if str(facts.get("split", "")).startswith("customer"):
        yield (
            "The history is too short to keep its newest part for judging: other customers of the same "
            "time judge the model, so a change over time does not show in these figures."
        )
    if len(cutoffs) == 1:
        yield (
            f"It was judged at one cutoff only, {cutoffs[0]}: another season may treat it otherwise, and "
            "the intervals do not know of that."
        )


def _of_the_figures(card: Mapping[str, Any]) -> Iterator[str]:
    is_chance = YARDSTICKS[card["kind"]].is_chance
    if is_chance:
        rarer = min(card["realised_total"], card["rows"] - card["realised_total"])
        if rarer < _FEW:
            which = "left" if card["realised_total"] <= card["rows"] / 2 else "stayed"
            yield f"Only {rarer:,.0f} of those who judge it {which}: read the intervals, not the figures."
    elif card["rows"] < _FEW * 5:
        yield f"Only {card['rows']:,} rows judge it, and few make most of the value: read the intervals."
    found = card.get("interval")
    if found and abs(found["coverage"] - found["nominal"]) > _OFF_NOMINAL:
        yield (
            f"Its {percent(found['nominal'])} interval holds {percent(found['coverage'])} of the realised "
            f"values; {percent(found['above'])} lie above it."
        )
    off = [one for one in card["segments"]["table"] if one["beyond_chance"] and _far(one)]
    for one in off[:_MOST_GROUPS]:
        more = one["realised"] > one["expected"]
        which = (
            ("more left" if more else "fewer left") if is_chance else ("more came" if more else "less came")
        )
        yield (
            f"Where {named(one['name'])} is {one['label']}, {which} than it says: {one['realised']:,.0f} "
            f"against {one['expected']:,.0f}, beyond chance."
        )


def _far(group: Mapping[str, Any]) -> bool:
    """Whether a group is off by enough to matter; with many customers every trifle is beyond chance."""
    return group["ratio"] is None or abs(group["ratio"] - 1.0) > _FAR


def _of_the_kind(card: Mapping[str, Any]) -> Iterator[str]:
    horizon = card["facts"].get("horizon")
    time = f"within {horizon}" if horizon else "within its horizon"
    if YARDSTICKS[card["kind"]].is_chance:
        yield (
            f"It says who is likely to leave {time}, not why, and not whom a campaign would keep: only a "
            "campaign with customers left out of it at random can show that."
        )
    else:
        yield (
            f"It says what a customer is expected to bring {time}; single customers bring anything from "
            "nothing to a multiple. Totals of many are what it is for."
        )
    yield "It knows only what the tables hold: not a competitor's offer, a closure, a new price."


def _totals(facts: Mapping[str, Any]) -> str:
    """Write what those who judge are expected to bring in each longer horizon."""
    currency = f" {facts['currency']}" if facts.get("currency") else ""
    said = ""
    for one in facts.get("horizon_totals") or []:
        said += (
            f" In {one['horizon']} those who judge it are expected to bring {one['expected']:,.0f}{currency}"
        )
        low, high = one["band"] or (None, None)
        said += f", four times in five between {low:,.0f} and {high:,.0f}." if one["band"] else "."
    return said


def _band(level: Mapping[str, Any]) -> str:
    """Write how far a level may be off."""
    half = math.expm1((level["high"] - level["low"]) / 2)
    return f" Four times in five it is off by at most {percent(half)}."


def _listed(words: list[str]) -> str:
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " and " + words[-1]


def _sentence(text: str) -> str:
    """Begin with a capital letter, end with a stop."""
    text = text.strip()
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")

"""Which plots a card has, each with the one sentence that it shows."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from training.card.evidence import MODEL, YARDSTICKS
from training.card.plots import Plot, defined, percent, short
from training.card.summary import named

Card = Mapping[str, Any]
_TENTHS = range(1, 11)
_FIRST = 2
"""Percent of the list from which lift is drawn: before, it rests on next to nobody."""


@dataclass(frozen=True)
class Picture:
    """A plot with its heading and what to look for in it."""

    title: str
    says: str
    svg: str


def pictures(card: Card) -> list[Picture]:
    """Every picture of a card, in reading order."""
    if YARDSTICKS[card["kind"]].is_chance:
        return [part(card) for part in (_calibration, _deciles, _gain, _lift, _roc, _precision)]
    return [part(card) for part in (_ratios, _deciles, _gain, _lift)]


def styles(card: Card) -> dict[str, str]:
    """The class of each ranking's colour."""
    return {name: f"s{place}" for place, name in enumerate(card["metrics"])}


def _calibration(card: Card) -> Picture:
    plot = Plot((0.0, 1.0), (0.0, 1.0), "said: chance of leaving", "left")
    tallest = max(card["curves"]["histogram"]) or 1
    for place, rows in enumerate(card["curves"]["histogram"]):
        width = 1 / len(card["curves"]["histogram"])
        ends = (place * width + 0.004, (place + 1) * width - 0.004)
        plot.bar(
            ends,
            0.22 * rows / tallest,
            "count",
            f"{rows:,} were told {percent(ends[0])} to {percent(ends[1])}",
        )
    plot.line([(0, 0), (1, 1)], "ideal")
    tenths = list(reversed(card["deciles"]))
    for one in tenths:
        if one["low"] is not None:
            plot.whisker(one["predicted"], one["low"], one["high"], "whisker s0")
    plot.line([(one["predicted"], one["realised"]) for one in tenths], "line s0")
    for one in tenths:
        said = f"{one['rows']:,} rows: said {percent(one['predicted'])}, {percent(one['realised'])} left"
        plot.dot((one["predicted"], one["realised"]), "dot s0", said)
    return Picture(
        "Calibration",
        "Dots on the diagonal: what was said is what came. Bars: how many customers were told so much.",
        plot.svg("Realised share by predicted chance, ten groups with 95 % intervals"),
    )


def _ratios(card: Card) -> Picture:
    tenths = list(enumerate(reversed(card["deciles"]), start=1))
    known = [(place, one) for place, one in tenths if one["predicted"] > 0]
    ends = [one["high"] / one["predicted"] for _, one in known if one["high"] is not None]
    top = min(max([2.0, *ends]), 4.0)
    plot = Plot((0.4, 10.6), (0.0, top), "tenth by expected value, the highest last", "realised / expected")
    plot.x_text, plot.y_text, plot.x_ticks = short, short, _TENTHS
    plot.line([(0.4, 1.0), (10.6, 1.0)], "ideal")
    for place, one in known:
        if one["low"] is not None:
            plot.whisker(place, one["low"] / one["predicted"], one["high"] / one["predicted"], "whisker s0")
        said = f"{one['rows']:,} rows: expected {one['predicted']:,.2f} each, {one['realised']:,.2f} came"
        plot.dot((place, one["realised"] / one["predicted"]), "dot s0", said)
    return Picture(
        "Calibration",
        "Dots on the line at 1: each tenth of customers brought what was expected of it.",
        plot.svg("Realised over expected value by tenth with 95 % intervals"),
    )


def _deciles(card: Card) -> Picture:
    is_chance = YARDSTICKS[card["kind"]].is_chance
    tops = [max(one["predicted"], one["realised"], one["high"] or 0.0) for one in card["deciles"]]
    label = "share that left" if is_chance else "mean value"
    what = "chance" if is_chance else "expected value"
    top = min(max(tops), 1.0) if is_chance else max(tops)
    plot = Plot((0.4, 10.6), (0.0, top or 1.0), f"tenth by {what}, the highest first", label)
    plot.x_text, plot.y_text, plot.x_ticks = short, percent if is_chance else short, _TENTHS
    for place, one in enumerate(card["deciles"], start=1):
        said = f"{one['rows']:,} rows: expected {one['predicted']:,.3g}, realised {one['realised']:,.3g}"
        plot.bar((place - 0.38, place - 0.02), one["predicted"], "expected", said)
        plot.bar((place + 0.02, place + 0.38), max(one["realised"], 0.0), "realised", said)
        if one["low"] is not None:
            plot.whisker(place + 0.2, max(one["low"], 0.0), one["high"], "whisker ink")
    return Picture(
        "Expected and realised, by tenth",
        "Pale: what was expected. Solid: what came, with its 95 % interval. Steep steps: the order is right.",
        plot.svg("Expected and realised by tenth"),
    )


def _gain(card: Card) -> Picture:
    is_chance = YARDSTICKS[card["kind"]].is_chance
    label = "share of all who left" if is_chance else "share of all value"
    plot = Plot((0.0, 1.0), (0.0, 1.0), "share of customers, by ranking", label)
    shares = [place / 100 for place in range(101)]
    gain = card["curves"]["gain"]
    plot.line(defined(list(zip(shares, card["curves"]["perfect_gain"], strict=True))), "perfect")
    plot.line([(0, 0), (1, 1)], "ideal")
    for name, style in reversed(styles(card).items()):
        plot.line(defined(list(zip(shares, gain[name], strict=True))), f"line {style}")
    lift = [
        f"{percent(found)} in the top {top} %"
        for top in (10, 20, 50)
        if (found := gain[MODEL][top]) is not None
    ]
    return Picture(
        "Cumulative gain",
        f"How much of it the top of the list holds: {', '.join(lift) or 'nothing to find'}. "
        "Dotted: by chance; dashed: whoever knows the outcome.",
        plot.svg("Cumulative gain of the model and its baselines"),
    )


def _lift(card: Card) -> Picture:
    lines = {
        name: [(place / 100, part / (place / 100)) for place, part in _known(gain) if place >= _FIRST]
        for name, gain in card["curves"]["gain"].items()
    }
    top = max([1.5, *(lift for line in lines.values() for _, lift in line)])
    plot = Plot((0.0, 1.0), (0.0, top * 1.04), "share of customers, by ranking", "times as much as by chance")
    plot.y_text = short
    plot.line([(0, 1), (1, 1)], "ideal")
    for name, style in reversed(styles(card).items()):
        plot.line(lines[name], f"line {style}")
    gain = dict(_known(card["curves"]["gain"][MODEL]))
    said = ", ".join(f"{gain[top] / (top / 100):.2f} times at {top} %" for top in (5, 10, 20) if top in gain)
    return Picture(
        "Lift",
        f"How many times as much the top of the list holds as chance would: {said or 'not defined'}.",
        plot.svg("Lift of the model and its baselines"),
    )


def _known(gain: Iterable[float | None]) -> list[tuple[int, float]]:
    """Percent and share found, where there was anything to find."""
    return [(place, part) for place, part in enumerate(gain) if part is not None]


def _roc(card: Card) -> Picture:
    plot = Plot((0.0, 1.0), (0.0, 1.0), "false alarms among those who stayed", "found of those who left")
    plot.line([(0, 0), (1, 1)], "ideal")
    for name, style in reversed(styles(card).items()):
        plot.line(defined(card["curves"]["roc"][name]), f"line {style}")
    areas = _each(card, "roc_auc")
    return Picture("ROC", f"Area under the curve: {areas}.", plot.svg("ROC curves"))


def _precision(card: Card) -> Picture:
    plot = Plot((0.0, 1.0), (0.0, 1.0), "found of those who left", "left among the contacted")
    rate = card["realised_total"] / card["rows"]
    plot.line([(0, rate), (1, rate)], "ideal")
    for name, style in reversed(styles(card).items()):
        plot.line(defined(card["curves"]["precision_recall"][name]), f"line {style}")
    areas = _each(card, "average_precision")
    return Picture(
        "Precision and recall", f"Average precision: {areas}.", plot.svg("Precision-recall curves")
    )


def _each(card: Card, metric: str) -> str:
    found = {name: card["metrics"][name][metric]["value"] for name in card["metrics"]}
    return (
        ", ".join(f"{named(name)} {value:.3f}" for name, value in found.items() if value is not None)
        or "none"
    )


def profit_curve(card: Card) -> Picture:
    """What contacting the top of the list earns, as expected and as it came."""
    curve, advised = card["profit"]["curve"], card["profit"]["advised"]
    known = [one for line in curve.values() for one in line if one is not None]
    low, high = min(0.0, *known), max(0.0, *known)
    margin = 0.06 * (high - low) or 1.0
    plot = Plot((0.0, 1.0), (low - (margin if low < 0 else 0), high + margin), "share contacted", "profit")
    plot.y_text = short
    plot.line([(0, 0), (1, 0)], "ideal")
    if advised["share"] is not None:
        plot.line([(advised["share"], plot.y[0]), (advised["share"], plot.y[1])], "advised")
    shares = [place / 100 for place in range(101)]
    for name, style in (
        ("by_chance_alone", "line s1"),
        ("expected", "line s0 faint"),
        ("realised", "line s0"),
    ):
        if name == "by_chance_alone" and not card["profit"]["individual_values"]:
            continue
        plot.line(defined(list(zip(shares, curve[name], strict=True))), style)
    alone = " Orange: in order of the chance alone." if card["profit"]["individual_values"] else ""
    return Picture(
        "Profit by share contacted",
        f"Thin: as expected before. Solid: as it came. Upright: where a further contact stops paying.{alone}",
        plot.svg("Expected and realised profit by share contacted"),
    )

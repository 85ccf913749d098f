"""A card as one page: for a manager on top, for a statistician below; nothing in it points outside."""

import re
from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

from training.card import pictures, tables
from training.card.evidence import MODEL, PROFIT, YARDSTICKS
from training.card.plots import MINUS, percent, short
from training.card.stylesheet import STYLE
from training.card.summary import named
from training.leakage import REMEDY

Card = Mapping[str, Any]
_TITLES = {"attrition": "Who leaves", "lifetime-value": "What customers will bring"}
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def to_html(card: Card) -> str:
    """Write a card as one self-contained page with its plots, readable in light, in dark and on paper."""
    parts = [
        _head(card),
        _tiles(card),
        _section("What it cannot do", "", _listed(card["limits"])),
        _plots(card),
        _campaign(card),
        _segments(card),
        _figures(card),
        _gate(card),
        _protocol(card),
    ]
    # A number and its unit stay on one line.
    body = re.sub(r"(?<=\d) %", "&nbsp;%", "".join(parts))
    title = f"{card['facts'].get('business', '')}: {_title(card)}"
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        ""
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body><main>{body}</main></body></html>\n"
    )


def _title(card: Card) -> str:
    return _TITLES.get(card["kind"], str(card["kind"]).replace("-", " ").capitalize())


def _section(title: str, lead: str, body: str) -> str:
    said = f'<p class="lead">{lead}</p>' if lead else ""
    return f"<section><h2>{escape(title)}</h2>{said}{body}</section>"


def _listed(sentences: Iterable[str]) -> str:
    return f'<ul class="plain">{"".join(f"<li>{escape(one)}</li>" for one in sentences)}</ul>'


def _head(card: Card) -> str:
    facts, letter = card["facts"], card["grade"]["letter"]
    said = "".join(f"<li>{escape(one)}</li>" for one in card["summary"])
    over = " · ".join(
        escape(str(one)) for one in (facts.get("business"), _title(card), facts.get("trained_until")) if one
    )
    return (
        f'<header><div class="grade {letter}"><b>{letter}</b><span>grade</span></div><div>'
        f'<p class="over">{over}</p><h1>{escape(str(facts.get("asks") or _title(card)))}</h1>'
        f'<ul class="said">{said}</ul></div></header>{_suspicions(card)}{_refused(card)}'
    )


def _suspicions(card: Card) -> str:
    if not card["suspicions"]:
        return ""
    lines = _listed(f"{one['column']} {one['why']}." for one in card["suspicions"])
    return (
        f'<div class="warn"><b>Columns that seem to know the outcome</b>{lines}<p>{escape(REMEDY)}.</p></div>'
    )


def _refused(card: Card) -> str:
    refused = [str(one["said"]) for one in card["checks"] if not one["passed"]]
    if not refused:
        return ""
    return f'<div class="warn"><b>The gate refused to promote this model</b>{_listed(refused)}</div>'


def _tiles(card: Card) -> str:
    is_chance = YARDSTICKS[card["kind"]].is_chance
    tiles = [_order_tile(card), _total_tile(card), _gain_tile(card)]
    tiles.append(_profit_tile(card) if is_chance else _interval_tile(card))
    lines = "".join(
        f'<div class="tile"><p>{escape(head)}</p><b>{escape(figure)}</b><p>{escape(foot)}</p></div>'
        for head, figure, foot in tiles
        if figure
    )
    return f'<div class="tiles">{lines}</div>'


def _order_tile(card: Card) -> tuple[str, str, str]:
    metric, head = (
        ("roc_auc", "Ranking (AUC)")
        if YARDSTICKS[card["kind"]].is_chance
        else ("normalised_gini", "Ranking (Gini)")
    )
    return head, *_figure(card["metrics"][MODEL][metric], "{:.3f}")


def _total_tile(card: Card) -> tuple[str, str, str]:
    expected, realised = card["expected_total"], card["realised_total"]
    bias = card["metrics"][MODEL]["bias"]
    off = "" if bias["value"] is None else f"{percent(bias['value'])} off"
    write = short if max(abs(expected), abs(realised)) >= 1e5 else "{:,.0f}".format  # noqa: PLR2004  (fits the tile)
    return "Expected and realised", f"{write(expected)} → {write(realised)}", off


def _gain_tile(card: Card) -> tuple[str, str, str]:
    head = f"Error saved against {named(card['grade']['baseline'])}"
    return head, *_figure(card["grade"]["gain"], "{:+.1%}")


def _profit_tile(card: Card) -> tuple[str, str, str]:
    return "Best campaign, per customer", *_figure(card["metrics"][MODEL][PROFIT], "{:.2f}")


def _interval_tile(card: Card) -> tuple[str, str, str]:
    found = card.get("interval")
    if not found:
        return "", "", ""
    inside = percent(found["coverage"])
    return f"{percent(found['nominal'])} interval holds", inside, f"{percent(found['above'])} lie above it"


def _figure(figure: Mapping[str, float | None], form: str) -> tuple[str, str]:
    """A figure and its interval in words."""
    if figure["value"] is None:
        return "not defined", ""
    value = form.format(figure["value"]).replace("-", MINUS).replace("%", " %")
    if figure["low"] is None or figure["high"] is None:
        return value, "no interval"
    ends = " to ".join(
        form.format(end).replace("-", MINUS).replace("%", " %") for end in (figure["low"], figure["high"])
    )
    return value, f"95 %: {ends}"


def _plots(card: Card) -> str:
    keys = "".join(
        f'<span><i class="k{place}"></i>{escape(named(name))}</span>'
        for place, name in enumerate(card["metrics"])
    )
    shown = "".join(_drawn(one) for one in pictures.pictures(card))
    return _section(
        "Does it find them, and can its numbers be believed?",
        "",
        f'<div class="legend">{keys}</div><div class="grid2">{shown}</div>',
    )


def _drawn(one: pictures.Picture) -> str:
    said = f"<h3>{escape(one.title)}</h3><p>{escape(one.says)}</p>"
    return f"<figure><figcaption>{said}</figcaption>{one.svg}</figure>"


def _campaign(card: Card) -> str:
    if "profit" not in card:
        return ""
    costs = card["profit"]["costs"]
    worth = "its own value" if card["profit"]["individual_values"] else f"{costs['value']:g}"
    accepting = costs["alpha"] / (costs["alpha"] + costs["beta"])
    lead = (
        f"Assumed: asking costs {costs['contact']:g} and the incentive {costs['incentive']:g}; "
        f"{percent(accepting)} of those who would have left accept and stay (Beta({costs['alpha']:g}, "
        f"{costs['beta']:g})), and everybody who would have stayed takes the incentive; a customer who is "
        f"kept is worth {worth}. Change these to your own."
    )
    beside = f"{tables.campaigns(card)}"
    body = f'<div class="grid2">{_drawn(pictures.profit_curve(card))}<div>{beside}</div></div>'
    body += f'<div class="gap"></div>{tables.shares(card)}'
    return _section("What would a campaign earn?", escape(lead), body)


def _segments(card: Card) -> str:
    found = card["segments"]
    if not found["table"]:
        return ""
    off = sum(one["beyond_chance"] for one in found["table"])
    many = f"{off} of them are" if off != 1 else "1 of them is"
    lead = (
        f"{found['looked_at']} groups of at least {found['fewest_rows']:,} rows were looked at; "
        f"{many if off else 'none is'} off by more than chance explains (Holm, 5 % over all of them). The "
        "worst first."
    )
    return _section("Where is it worst?", lead, tables.segments(card))


def _figures(card: Card) -> str:
    lead = (
        f"95 % intervals from {card['resamples']} resamples of {card['customers']:,} customers, each with "
        "all of their rows, the same draws for everybody."
    )
    body = tables.figures(card)
    if card["against"]:
        body += (
            '<p class="lead" style="margin-top:22px">Differences on the same draws; green and red are beyond '
            f"chance.</p>{tables.differences(card)}"
        )
    return _section("Every figure, beside the baselines", lead, body)


def _gate(card: Card) -> str:
    return _section("What the gate looked at", "", tables.checks(card)) if card["checks"] else ""


def _protocol(card: Card) -> str:
    facts, grade = card["facts"], card["grade"]
    lines = [
        ("Rows and customers", f"{card['rows']:,} rows of {card['customers']:,} customers judge it"),
        ("Kept apart by", facts.get("split")),
        ("Holdout cutoffs", _joined(facts.get("holdout_cutoffs") or facts.get("cutoff"))),
        ("Training cutoffs", _joined(facts.get("training_cutoffs"))),
        ("Registered model", _refitted(facts.get("refit_cutoffs"))),
        ("Horizon and gap", " and ".join(str(facts[key]) for key in ("horizon", "gap") if facts.get(key))),
        ("Why this horizon", facts.get("horizon_reason")),
        ("Trained until", facts.get("trained_until")),
        ("Features", facts.get("features")),
        ("Parameters", _joined(f"{key} {value}" for key, value in (facts.get("parameters") or {}).items())),
        ("Models", _joined(facts.get("models"))),
        ("Rung of the ladder", _rung(facts.get("rung"))),
        ("Seed", card["seed"]),
        ("Data", facts.get("fingerprint")),
        ("The grade", f"{grade['letter']} ({grade['accuracy']} before calibration). {grade['rule']}"),
    ]
    said = "".join(
        f"<dt>{escape(name)}</dt><dd>{escape(str(value))}</dd>"
        for name, value in lines
        if value not in {None, ""}
    )
    return _section("Protocol", "", f"<dl>{said}</dl>") + "<footer>Holdfast evaluation card</footer>"


def _joined(values: Any) -> str:
    return values if isinstance(values, str) else ", ".join(str(one) for one in values or ())


def _rung(rung: Any) -> Any:
    """What is used at this size, and why."""
    return f"{rung.get('name')}: {rung.get('why')}" if isinstance(rung, Mapping) else rung


def _refitted(cutoffs: Any) -> str:
    return f"the same recipe fitted again to {_joined(cutoffs)}" if cutoffs else ""

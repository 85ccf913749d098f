"""The tables of the page: figures with intervals, differences, segments, shares contacted, checks."""

import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from training.card.evidence import MODEL, PROFIT, YARDSTICKS
from training.card.plots import MINUS, interval_mark, percent, short
from training.card.summary import named

Card = Mapping[str, Any]
Figure = Mapping[str, float | None]

_HIGHER = {"roc_auc", "average_precision", "lift_at_10_percent", "normalised_gini", PROFIT}
_NEUTRAL = {"bias"}
_METRICS = {
    "log_loss": ("Log-loss", "mean surprise; lower is better"),
    "roc_auc": ("AUC", "a leaver is ranked above a stayer"),
    "average_precision": ("Average precision", "precision over all thresholds"),
    "brier": ("Brier score", "mean squared error of the chance"),
    "expected_calibration_error": ("Calibration error", "ten groups, said less realised"),
    "bias": ("Bias", "expected over realised, less 1"),
    "lift_at_10_percent": ("Lift at 10 %", "times as many leavers as by chance"),
    PROFIT: ("Expected maximum profit", "of a campaign, per customer"),
    "tweedie_deviance": ("Tweedie deviance", "loss of an amount; lower is better"),
    "normalised_gini": ("Normalised Gini", "1 is the perfect order"),
    "rmse": ("RMSE", "judges a mean"),
    "mae": ("MAE", "judges a median"),
    "decile_wape": ("Error of ten groups", "as a share of all value"),
}


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Write a table; cells are HTML, each with its own tag."""
    head = "".join(f'<th scope="col">{one}</th>' for one in heads)
    body = "".join(f"<tr>{''.join(row)}</tr>" for row in rows)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def figures(card: Card) -> str:
    """Every metric of the model and its rivals, with intervals."""
    whose = list(card["metrics"])
    rows = []
    for metric in card["metrics"][MODEL]:
        cells = [
            _cell(_with_interval(card["metrics"][name][metric]), "own" if name == MODEL else "other")
            for name in whose
        ]
        rows.append([_heading(metric), *cells])
    return table(["", *(escape(named(name)) for name in whose)], rows)


def differences(card: Card) -> str:
    """The model less each rival, with intervals of paired resamples; what is beyond chance is coloured."""
    rivals = list(card["against"])
    rows = []
    for metric in card["metrics"][MODEL]:
        cells = []
        for rival in rivals:
            figure = card["against"][rival][metric]
            cells.append(f'<td class="{_verdict(metric, figure)}">{_with_interval(figure, signed=True)}</td>')
        rows.append([_heading(metric), *cells])
    return table(["model less …", *(escape(named(name)) for name in rivals)], rows)


def segments(card: Card, most: int = 12) -> str:
    """The groups that are worst: expected, realised, their ratio with an interval, and the loss."""
    lines = card["segments"]["table"][:most]
    is_chance = YARDSTICKS[card["kind"]].is_chance
    rows = []
    for one in lines:
        off = one["beyond_chance"]
        mark = "–"
        if one["ratio"] is not None and one["low"] is not None and one["high"] is not None:
            style = "off" if off else "s0"
            mark = interval_mark(one["ratio"], one["low"], one["high"], (0.5, 1.5), 1.0, style)
        said = '<span class="off">beyond chance</span>' if off else '<span class="even">may be chance</span>'
        harder = '<span class="off">worse</span>' if one["worse_beyond_chance"] else _signed(one["excess"])
        rows.append(
            [
                _row_head(str(one["label"]), named(one["name"])),
                f"<td>{one['rows']:,}</td>",
                f"<td>{_plain(one['expected'])}</td>",
                f"<td>{_plain(one['realised'])}</td>",
                f"<td>{_plain(one['ratio'])}</td>",
                f'<td class="t">{mark}</td>',
                f'<td class="t">{said}</td>',
                f"<td>{harder}</td>",
            ]
        )
    what = "left" if is_chance else "came"
    rival = named(card["segments"]["rival"]) if card["segments"]["rival"] else "baseline"
    heads = [
        "group",
        "rows",
        "expected",
        what,
        "ratio",
        "0.5 to 1.5, 95 % interval",
        "",
        f"loss less that of {escape(rival)}",
    ]
    return table(heads, rows)


def campaigns(card: Card) -> str:
    """The best campaign of each ranking: what it earns per customer, and how many are contacted for it."""
    rows = []
    for name, best in card["profit"]["best"].items():
        own = "own" if name == MODEL else "other"
        share = "–" if best["share"] is None else percent(best["share"])
        figure = _with_interval(card["metrics"][name][PROFIT])
        cells = [f'<td class="{own}">{figure}</td>', f'<td class="{own}">{share}</td>']
        rows.append([f'<th scope="row">{escape(named(name))}</th>', *cells])
    heads = ["best campaign in order of", "expected maximum profit<small>per customer</small>", "contacted"]
    return table(heads, rows)


def shares(card: Card) -> str:
    """Whom a campaign would contact at a few shares, and what it would earn."""
    rows = []
    advised = {**card["profit"]["advised"], "name": "as long as it pays"}
    for one in [advised, *card["profit"]["shares"]]:
        own = ' class="own"' if "name" in one else ""
        ends = f"{_money(one['low'])} to {_money(one['high'])}"
        cells = [
            f"<td{own}>{one['contacted']:,}</td>",
            f"<td{own}>{percent(one['least_chance']) if one['least_chance'] is not None else '–'}</td>",
            f"<td{own}>{one['left']:,}</td>",
            f"<td{own}>{_money(one['expected'])}</td>",
            f"<td{own}>{_money(one['realised'])}<small>{ends}</small></td>",
        ]
        name = one.get("name") or f"top {percent(round(one['share'], 2))}"
        rows.append([f'<th scope="row">{escape(name)}</th>', *cells])
    return table(["contacted", "customers", "least chance", "of them left", "expected", "realised"], rows)


def checks(card: Card) -> str:
    """What the gate looked at."""
    rows = [
        [
            f'<th scope="row">{escape(str(one["name"]))}</th>',
            _cell("passed", "t better") if one["passed"] else _cell("refused", "t off"),
            _cell(escape(str(one["said"])), "t"),
        ]
        for one in card["checks"]
    ]
    return table(["check", "", "what it found"], rows)


def _heading(metric: str) -> str:
    return _row_head(*_METRICS.get(metric, (metric.replace("_", " "), "")))


def _row_head(name: str, says: str) -> str:
    return f'<th scope="row">{escape(name)}<small>{escape(says)}</small></th>'


def _cell(html: str, style: str) -> str:
    return f'<td class="{style}">{html}</td>'


def _with_interval(figure: Figure, *, signed: bool = False) -> str:
    if figure["value"] is None:
        return '<span class="even">not defined</span>'
    known = [abs(end) for end in figure.values() if end is not None]
    value, low, high = (_rounded(figure[end], max(known), signed=signed) for end in ("value", "low", "high"))
    if figure["low"] is None or figure["high"] is None:
        return f"<b>{value}</b><small>no interval</small>"
    return f"<b>{value}</b><small>{low} to {high}</small>"


def _rounded(value: float | None, largest: float, *, signed: bool) -> str:
    """Write a figure with as many decimals as the largest of its kind has for four digits, at most four."""
    if value is None:
        return "–"
    digits = min(max(3 - math.floor(math.log10(largest)), 0), 4) if largest > 0 else 0
    return format(value, f"{'+' if signed else ''},.{digits}f").replace("-", MINUS)


def _verdict(metric: str, figure: Figure) -> str:
    low, high = figure["low"], figure["high"]
    if metric in _NEUTRAL or low is None or high is None or low <= 0 <= high:
        return "even"
    return "better" if (low > 0) == (metric in _HIGHER) else "worse"


def _plain(value: float | None) -> str:
    if value is None:
        return "–"
    if abs(value) >= 1e6:  # noqa: PLR2004  (millions)
        return short(value).replace("-", MINUS)
    return (f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}").replace("-", MINUS)  # noqa: PLR2004  (thousands)


def _money(value: float | None) -> str:
    if value is None or abs(value) >= 100:  # noqa: PLR2004  (cents matter no more)
        return _plain(None if value is None else round(value))
    return f"{value:.2f}".replace("-", MINUS)


def _signed(value: float | None) -> str:
    return "–" if value is None else f"{value:+.4f}".replace("-", MINUS)

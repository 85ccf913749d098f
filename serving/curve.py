"""The advice on the churn horizon for people: a table with its curve, and a page with the same.

The page is one file without scripts or anything from elsewhere, so it may be mailed.
"""

from collections.abc import Callable, Iterable
from html import escape
from math import isnan
from pathlib import Path
from typing import Any

from features.errors import UserError
from serving.verbs import table
from training.advice import TOLERANCE, Advice, Candidate

_BAR = 20
_WIDTH, _HEIGHT, _LEFT, _TOP = 640, 260, 48, 48
_LEGEND = (
    "called churned: silent for the whole horizon after a cutoff\n"
    "came back:      of those called churned, who bought again in the days watched: the regret\n"
    "given up:       of those who came back, who had been called churned"
)
_Scale = Callable[[float], float]
_HEADER = ("horizon", "called churned", "came back", "95 % interval", "days watched", "given up")


def as_text(advice: Advice, name: str) -> str:
    """Write the advice for a terminal."""
    if not advice.candidates:
        return f"{advice.reason}\nRecommended: {_recommended(advice)}"
    return "\n".join([*_basis(advice, name), "", *_table(advice), "", _LEGEND, "", *_conclusion(advice)])


def _basis(advice: Advice, name: str) -> list[str]:
    """Say what the advice rests on, in a sentence or two."""
    facts = advice.facts
    cutoffs = facts["cutoffs"]
    first, last = cutoffs[0], cutoffs[-1]
    followed = (
        f"{name}: {facts['eligible_customers']:,} customers, followed from {len(cutoffs)} cutoffs "
        f"({first} to {last}) until {facts['until']}; {facts['eligible']:,} times one was eligible."
    )
    if not facts["repeat_buyers"]:
        return [followed, "Nobody has bought on two days."]
    rhythm = (
        f"Half of the {facts['repeat_buyers']:,} repeat buyers buy every {facts['gap_days_median']} days "
        f"or more often, nine in ten every {facts['gap_days_ninth_decile']}."
    )
    return [followed, rhythm]


def _table(advice: Advice) -> list[str]:
    rows = [
        [
            f"{'→' if _chosen(advice, one) else ' '} {one.horizon_days:3d}d",
            _percent(one.called),
            f"{_percent(one.regret.value)} {_bar(one.regret.value)}",
            _interval(one),
            f"{one.followed_days:3d}",
            _percent(one.given_up),
        ]
        for one in advice.candidates
    ]
    return [table(_HEADER, rows)]


def _conclusion(advice: Advice) -> list[str]:
    said = [f"Recommended: {_recommended(advice)}", advice.reason]
    current = advice.current
    if current is not None and not _chosen(advice, current):
        said.append(
            f"business.toml says {current.horizon_days}d: of those it calls churned "
            f"{_percent(current.regret.value).strip()} came back, of those who came back it had given up "
            f"{_percent(current.given_up).strip()}."
        )
    return said


def _recommended(advice: Advice) -> str:
    if advice.is_said:
        return "no change."
    if advice.kind == "exit":
        return 'kind = "exit" under [churn].'
    return f'horizon = "{advice.horizon}" under [churn]; with "auto" every training chooses anew.'


def _chosen(advice: Advice, one: Candidate) -> bool:
    return advice.horizon is not None and one.horizon_days == round(advice.horizon.days)


def _percent(share: float) -> str:
    """Three digits wide, so that columns line up; NaN is a dash."""
    return "  –" if isnan(share) else f"{100 * share:3.0f} %"


def _interval(one: Candidate) -> str:
    low, high = one.regret.low, one.regret.high
    return "" if isnan(low + high) else f"{100 * low:3.0f} to {100 * high:.0f} %"


def _bar(share: float) -> str:
    return "" if isnan(share) else "█" * round(_BAR * share)


def as_page(advice: Advice, name: str) -> str:
    """Write the advice as one HTML page."""
    said = [*_basis(advice, name)] if advice.candidates else []
    body = "".join(f"<p>{escape(line)}</p>" for line in [*said, *_conclusion(advice)])
    picture = _picture(advice) + _html_table(advice) if advice.candidates else ""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>Churn horizon of {escape(name)}</title><style>{_STYLE}</style></head>"
        f"<body><h1>Churn horizon of {escape(name)}</h1>{body}{picture}</body></html>\n"
    )


_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem;color:#222}"
    "table{border-collapse:collapse}td,th{padding:.2rem .8rem;text-align:right;border-bottom:1px solid #ccc}"
    "tr.chosen{font-weight:bold;background:#eef4fb}svg text{font-size:12px;fill:#444}"
)


def _html_table(advice: Advice) -> str:
    head = "".join(f"<th>{cell}</th>" for cell in _HEADER)
    rows = [
        f"<tr{' class=chosen' if _chosen(advice, one) else ''}><td>{one.horizon_days}d</td>"
        f"<td>{_percent(one.called)}</td><td>{_percent(one.regret.value)}</td><td>{_interval(one)}</td>"
        f"<td>{one.followed_days}</td><td>{_percent(one.given_up)}</td></tr>"
        for one in advice.candidates
    ]
    legend = "".join(f"<br>{escape(line)}" for line in _LEGEND.split("\n"))
    return f"<table><tr>{head}</tr>{''.join(rows)}</table><p><small>{legend}</small></p>"


def _picture(advice: Advice) -> str:
    """Both errors against the horizon, with the tolerance and the recommended horizon."""
    horizons = [one.horizon_days for one in advice.candidates]
    longest = horizons[-1]

    def x(days: float) -> float:
        return round(_LEFT + _WIDTH * days / longest, 1)

    def y(share: float) -> float:
        return round(_TOP + _HEIGHT * (1 - share), 1)

    chosen = x(advice.horizon.days if advice.horizon else 0)
    side = "start" if chosen < _LEFT + _WIDTH / 2 else "end"
    marks = [
        _line(_LEFT, y(TOLERANCE), _LEFT + _WIDTH, y(TOLERANCE)),
        _line(chosen, _TOP, chosen, _TOP + _HEIGHT),
        _text(_LEFT + _WIDTH, y(TOLERANCE) - 4, f"tolerated: {TOLERANCE:.0%}", "end"),
        _text(chosen, _TOP - 4, f"recommended: {advice.horizon}", side),
        *(_text(_LEFT - 6, y(share) + 4, f"{share:.0%}", "end") for share in (0.0, 0.5, 1.0)),
        *(_text(x(one), _TOP + _HEIGHT + 18, f"{one}d", "middle") for one in horizons),
        _path(advice.curve, "regret", "#1f5fa8", x, y),
        _path(advice.curve, "given_up", "#b5541c", x, y),
        _text(_LEFT, 14, "came back, of those called churned", "start", "#1f5fa8"),
        _text(_LEFT, 30, "given up, of those who came back", "start", "#b5541c"),
    ]
    size = f"{_LEFT + _WIDTH + 16} {_TOP + _HEIGHT + 28}"
    return f'<svg viewBox="0 0 {size}" role="img" aria-label="Errors by horizon">{"".join(marks)}</svg>'


def _line(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="#999" stroke-dasharray="4 4"/>'


def _text(x: float, y: float, text: str, anchor: str, colour: str = "#444") -> str:
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}" style="fill:{colour}">{escape(text)}</text>'


def _path(curve: Iterable[dict[str, Any]], error: str, colour: str, x: _Scale, y: _Scale) -> str:
    points = " ".join(f"{x(one['days'])},{y(one[error])}" for one in curve if one[error] is not None)
    return f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>'


def write_page(path: Path, page: str) -> None:
    """Write a page whole or not at all.

    Raises
    ------
    UserError
        The file cannot be written.
    """
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.write_text(page, encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise UserError(f"{path} cannot be written: {error.strerror}. Choose another --out.") from None

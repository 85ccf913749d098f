"""Plots as inline SVG, drawn here: no library, no script, colours from the page's style sheet.

A series is told apart by its class, ``s0`` for the model and ``s1`` … for its rivals, so that light, dark and
print each bring their own colours.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from html import escape

Point = tuple[float, float]
MINUS = "\N{MINUS SIGN}"
_LEFT, _RIGHT, _TOP, _BOTTOM = 52.0, 12.0, 12.0, 40.0


def percent(value: float) -> str:
    """Write a share as percent, with a decimal where it is small.

    Examples
    --------
    >>> percent(0.25), percent(0.025), percent(-0.05)
    ('25 %', '2.5 %', '\N{MINUS SIGN}5 %')
    """
    written = f"{value:.1%}" if 0 < abs(value) < 0.1 else f"{value:.0%}"  # noqa: PLR2004  (two digits that matter)
    return written.replace("%", " %").replace("-", MINUS).replace(".0 ", " ")


def short(value: float) -> str:
    """Write a number so that it fits beside an axis.

    Examples
    --------
    >>> [short(value) for value in (0.0, 0.25, 12.0, 3400.0, -2500000.0)]
    ['0', '0.25', '12', '3.4 k', '-2.5 M']
    """
    for bound, unit in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if abs(value) >= bound:
            return f"{value / bound:.3g}{unit}"
    return f"{value:.3g}"


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round numbers from ``low`` to ``high``.

    Examples
    --------
    >>> ticks(0.0, 1.0), ticks(0.0, 870.0)
    ([0.0, 0.2, 0.4, 0.6, 0.8, 1.0], [0.0, 200.0, 400.0, 600.0, 800.0])
    """
    if not high > low:
        return [low]
    raw = (high - low) / about
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * times for times in (1, 2, 5, 10) if power * times >= raw * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(step * place, 12) for place in range(first, last + 1)]


@dataclass
class Plot:
    """Two axes and what is drawn between them; coordinates are those of the data.

    Attributes
    ----------
    x, y : (float, float)
        Ends of the axes.
    x_label, y_label : str
    x_text, y_text : callable
        Write a tick.
    x_ticks : sequence of float or None
        Round numbers where none are given.
    width, height : float
        Of the view box; the page stretches it.
    marks : list of str
        SVG drawn so far.
    """

    x: tuple[float, float]
    y: tuple[float, float]
    x_label: str = ""
    y_label: str = ""
    x_text: Callable[[float], str] = percent
    y_text: Callable[[float], str] = percent
    x_ticks: Sequence[float] | None = None
    width: float = 440.0
    height: float = 300.0
    marks: list[str] = field(default_factory=list)

    def at(self, point: Point) -> Point:
        """Place a point of the data on the paper; what lies outside is moved to the edge."""
        places = []
        for value, (low, high) in zip(point, (self.x, self.y), strict=True):
            places.append((min(max(value, low), high) - low) / (high - low) if high > low else 0.5)
        return (
            _LEFT + places[0] * (self.width - _LEFT - _RIGHT),
            self.height - _BOTTOM - places[1] * (self.height - _TOP - _BOTTOM),
        )

    def line(self, points: Iterable[Point], style: str) -> "Plot":
        """Draw a line."""
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in map(self.at, points))
        self.marks.append(f'<polyline class="{style}" points="{path}"/>')
        return self

    def dot(self, point: Point, style: str, title: str, radius: float = 4.0) -> "Plot":
        """Draw a dot that says something under the pointer."""
        x, y = self.at(point)
        self.marks.append(
            f'<circle class="{style}" cx="{x:.1f}" cy="{y:.1f}" r="{radius:g}">'
            f"<title>{escape(title)}</title></circle>"
        )
        return self

    def whisker(self, x: float, low: float, high: float, style: str) -> "Plot":
        """Draw an interval upright."""
        (left, bottom), (_, top) = self.at((x, low)), self.at((x, high))
        self.marks.append(
            f'<path class="{style}" d="M{left:.1f} {bottom:.1f}V{top:.1f}'
            f'M{left - 3:.1f} {bottom:.1f}h6M{left - 3:.1f} {top:.1f}h6"/>'
        )
        return self

    def bar(self, x: tuple[float, float], top: float, style: str, title: str) -> "Plot":
        """Draw a bar from 0 to ``top``."""
        (left, foot), (right, head) = self.at((x[0], 0.0)), self.at((x[1], top))
        upper, height = min(foot, head), abs(foot - head)
        self.marks.append(
            f'<rect class="{style}" x="{left:.1f}" y="{upper:.1f}" width="{right - left:.1f}" '
            f'height="{height:.1f}" rx="1.5"><title>{escape(title)}</title></rect>'
        )
        return self

    def note(self, point: Point, text: str, anchor: str = "start") -> "Plot":
        """Write beside a point."""
        x, y = self.at(point)
        self.marks.append(
            f'<text class="note" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
        )
        return self

    def svg(self, label: str) -> str:
        """Return the picture; ``label`` is for those who cannot see it."""
        return (
            f'<svg viewBox="0 0 {self.width:g} {self.height:g}" role="img" '
            f'aria-label="{escape(label, quote=True)}">'
            f"{self._frame()}{''.join(self.marks)}</svg>"
        )

    def _frame(self) -> str:
        parts = []
        for value in ticks(*self.y):
            (left, y), (right, _) = self.at((self.x[0], value)), self.at((self.x[1], value))
            parts.append(f'<path class="grid" d="M{left:.1f} {y:.1f}H{right:.1f}"/>')
            parts.append(
                f'<text x="{left - 6:.1f}" y="{y + 3.5:.1f}" text-anchor="end">{self.y_text(value)}</text>'
            )
        for value in self.x_ticks or ticks(*self.x):
            x, bottom = self.at((value, self.y[0]))
            parts.append(
                f'<text x="{x:.1f}" y="{bottom + 15:.1f}" text-anchor="middle">{self.x_text(value)}</text>'
            )
        (left, bottom), (right, top) = self.at((self.x[0], self.y[0])), self.at((self.x[1], self.y[1]))
        middle = (left + right) / 2
        parts.append(f'<path class="axis" d="M{left:.1f} {bottom:.1f}H{right:.1f}"/>')
        parts.append(
            f'<text class="label" x="{middle:.1f}" y="{self.height - 6:.1f}" text-anchor="middle">'
            f"{escape(self.x_label)}</text>"
        )
        across = (bottom + top) / 2
        parts.append(
            f'<text class="label" transform="translate(11 {across:.1f}) rotate(-90)" text-anchor="middle">'
            f"{escape(self.y_label)}</text>"
        )
        return "".join(parts)


def interval_mark(
    value: float, low: float, high: float, ends: tuple[float, float], neutral: float, style: str
) -> str:
    """A figure with its interval on one line, for a row of a table; an upright marks what would be right."""
    width, height = 180.0, 18.0

    def place(number: float) -> float:
        inside = min(max(number, ends[0]), ends[1])
        return 6 + (inside - ends[0]) / (ends[1] - ends[0]) * (width - 12)

    return (
        f'<svg class="mark" viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{value:.3g} '
        f'({low:.3g} to {high:.3g})"><path class="ideal" d="M{place(neutral):.1f} 0V{height:g}"/>'
        f'<path class="whisker {style}" d="M{place(low):.1f} 9H{place(high):.1f}"/>'
        f'<circle class="dot {style}" cx="{place(value):.1f}" cy="9" r="4"/></svg>'
    )


def defined(points: Sequence[Sequence[float | None]]) -> list[Point]:
    """Leave out points that are not defined."""
    return [(a, b) for a, b in points if a is not None and b is not None]

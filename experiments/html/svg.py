"""Pieces of charts as SVG: scales, axes, marks with intervals, legends.

Colours are variables of `page.css`, so that one picture serves light and dark; every mark tells its
figures in a `<title>`, which `page.js` shows at the pointer. Coordinates are pixels of the viewBox.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from experiments.figure_style import mark
from experiments.html.elements import Child, Markup, element
from experiments.rows import label
from experiments.statistics import Interval
from experiments.tables import plus_minus

WIDTH, HEIGHT = 360.0, 300.0
LEFT, RIGHT, TOP, BOTTOM = 46.0, 12.0, 12.0, 44.0
"""The default chart: as wide as a phone, so that its letters are readable there."""


Kind = Literal["linear", "log", "log1p"]


@dataclass(frozen=True)
class Scale:
    """Values from low to high, drawn from start to end, with `pad` free at both ends; `log1p` is
    linear near zero."""

    low: float
    high: float
    start: float
    end: float
    kind: Kind = "linear"
    pad: float = 0.0

    def at(self, value: float) -> float:
        """Where a value is drawn; values beyond the ends at the ends."""
        low, high = self._bent(self.low), self._bent(self.high)
        share = (self._bent(min(max(value, self.low), self.high)) - low) / (high - low or 1.0)
        pad = math.copysign(self.pad, self.end - self.start)
        return round(self.start + pad + share * (self.end - self.start - 2 * pad), 1)

    def _bent(self, value: float) -> float:
        if self.kind == "log":
            return math.log(value)
        return math.log1p(value) if self.kind == "log1p" else value


def across(low: float, high: float, kind: Kind = "linear", pad: float = 0.0) -> Scale:
    """The default chart's x axis."""
    return Scale(low, high, LEFT, WIDTH - RIGHT, kind, pad)


def upward(low: float, high: float, kind: Kind = "linear", pad: float = 0.0) -> Scale:
    """The default chart's y axis."""
    return Scale(low, high, HEIGHT - BOTTOM, TOP, kind, pad)


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Round numbers between two others, at most so many."""
    span = high - low
    if span <= 0:
        return [low]
    step = 10.0 ** math.floor(math.log10(span))
    for factor in (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0):
        wide = step * factor
        first, last = math.ceil(low / wide - 1e-9), math.floor(high / wide + 1e-9)
        if last - first + 1 <= most:
            return [round(place * wide, 10) for place in range(first, last + 1)]
    return [low, high]


def powers(low: float, high: float, subs: Sequence[float] = (1.0,)) -> list[float]:
    """Powers of ten, times each of `subs`, between two numbers."""
    exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    found = [sub * 10.0**exponent for exponent in exponents for sub in subs]
    return [value for value in found if low <= value <= high]


def chart(name: str, *parts: Child, width: float = WIDTH, height: float = HEIGHT) -> Markup:
    """A picture of this size, with a name for those who do not see it."""
    return element(
        "svg",
        *parts,
        viewBox=f"0 0 {width:g} {height:g}",
        role="group",
        aria_label=name,
        style=f"max-width:{1.45 * width:g}px",
    )


def frame(
    x: Scale,
    y: Scale,
    *,
    x_ticks: Sequence[float],
    y_ticks: Sequence[float],
    x_title: str,
    y_title: str,
) -> Markup:
    """Grid, axes, numbers and titles."""
    lines = [segment(x.start, y.at(value), x.end, y.at(value), "grid") for value in y_ticks]
    lines += [segment(x.at(value), y.start, x.at(value), y.end, "grid") for value in x_ticks]
    lines += [
        segment(x.start, y.start, x.end, y.start, "axis"),
        segment(x.start, y.start, x.start, y.end, "axis"),
    ]
    words = [text(x.start - 6, y.at(value) + 4, short(value), "end") for value in y_ticks]
    words += [text(x.at(value), y.start + 16, short(value), "middle") for value in x_ticks]
    middle = (y.start + y.end) / 2
    words += [
        text((x.start + x.end) / 2, y.start + 34, x_title, "middle", "title"),
        element(
            "text",
            y_title,
            transform=f"translate(12 {middle:g}) rotate(-90)",
            text_anchor="middle",
            class_="title",
        ),
    ]
    return element("g", lines, words, class_="frame", aria_hidden="true")


def segment(x1: float, y1: float, x2: float, y2: float, class_: str) -> Markup:
    """A straight line."""
    return element("path", d=f"M{x1:g} {y1:g}L{x2:g} {y2:g}", class_=class_)


def text(x: float, y: float, said: str, anchor: str = "start", class_: str | None = None) -> Markup:
    """A line of text."""
    return element("text", said, x=f"{x:g}", y=f"{y:g}", text_anchor=anchor, class_=class_)


def short(value: float) -> str:
    """A number on an axis: 0.5, 20, 1e+06."""
    return f"{value:g}"


def telling(title: str, *parts: Child, arm: str | None = None, class_: str = "mark") -> Markup:
    """Marks that say something when pointed at; `arm` is whose colour they have."""
    return element(
        "g",
        element("title", title),
        *parts,
        class_=class_,
        tabindex=0,
        data_arm=arm,
        style=None if arm is None else colour(arm),
    )


def colour(arm: str) -> str:
    """The style that gives an element an arm's colour, lighter where the page is dark."""
    return f"--c:var(--c{mark(arm)[0].lstrip('#')})"


def whiskers(
    x: float, y: float, *, across: tuple[float, float] | None, up: tuple[float, float] | None
) -> list[Markup]:
    """Intervals with caps around a point; None where there is none."""
    lines = []
    if across is not None:
        low, high = across
        path = f"M{low:g} {y:g}H{high:g}M{low:g} {y - 3:g}v6M{high:g} {y - 3:g}v6"
        lines.append(element("path", d=path, class_="whisker"))
    if up is not None:
        low, high = up
        path = f"M{x:g} {low:g}V{high:g}M{x - 3:g} {low:g}h6M{x - 3:g} {high:g}h6"
        lines.append(element("path", d=path, class_="whisker"))
    return lines


def bounds(scale: Scale, interval: Interval) -> tuple[float, float] | None:
    """Where an interval begins and ends on a scale; None with one seed."""
    if interval.low is None or interval.high is None:
        return None
    return scale.at(interval.low), scale.at(interval.high)


def shape(arm: str, x: float, y: float, size: float = 5.0, *, hollow: bool = False) -> Markup:
    """The arm's marker around a point."""
    return element(
        "path",
        d=marker(mark(arm)[1], x, y, size),
        class_="hollow" if hollow else "dot",
    )


def marker(code: str, x: float, y: float, size: float) -> str:
    """The outline of a marker by matplotlib's name of it."""
    if code in ("o", "."):
        r = f"{size:g}"
        return f"M{x - size:g} {y:g}a{r} {r} 0 1 0 {2 * size:g} 0a{r} {r} 0 1 0 {-2 * size:g} 0z"
    points = _CORNERS.get(code, _CORNERS["s"])
    path = "L".join(f"{x + size * dx:.1f} {y + size * dy:.1f}" for dx, dy in points)
    return f"M{path}z"


def _regular(corners: int, turn: float, inner: float | None = None) -> list[tuple[float, float]]:
    """The corners of a regular polygon, or of a star with its inner corners nearer."""
    count = corners * (1 if inner is None else 2)
    radii = [1.25 if inner is None or place % 2 == 0 else 1.25 * inner for place in range(count)]
    angles = [turn + 2 * math.pi * place / count for place in range(count)]
    return [
        (radius * math.cos(angle), radius * math.sin(angle))
        for radius, angle in zip(radii, angles, strict=True)
    ]


_UP = -math.pi / 2
_ARMS = [(0.4, -1.1), (0.4, -0.4), (1.1, -0.4), (1.1, 0.4), (0.4, 0.4), (0.4, 1.1)]
_PLUS = [*_ARMS, *((-x, -y) for x, y in _ARMS)]
_CORNERS = {
    "s": [(-0.95, -0.95), (0.95, -0.95), (0.95, 0.95), (-0.95, 0.95)],
    "D": _regular(4, 0),
    "d": [(0, -1.35), (0.8, 0), (0, 1.35), (-0.8, 0)],
    "^": _regular(3, _UP),
    "v": _regular(3, -_UP),
    ">": _regular(3, 0),
    "<": _regular(3, math.pi),
    "p": _regular(5, _UP),
    "h": _regular(6, 0),
    "H": _regular(6, _UP),
    "*": _regular(5, _UP, 0.45),
    "P": _PLUS,
    "X": [(0.8 * (x - y), 0.8 * (x + y)) for x, y in _PLUS],
}


def legend(entries: Sequence[str | tuple[str, ...]]) -> Markup:
    """The arms by colour and marker; a click shows one alone in every chart of the page. Arms that
    share a mark have one entry, which looks like the first of them."""
    groups = [(entry,) if isinstance(entry, str) else entry for entry in entries]
    buttons = [
        element(
            "button",
            element(
                "svg",
                shape(arms[0], 8, 8),
                viewBox="0 0 16 16",
                width=16,
                height=16,
                aria_hidden="true",
                style=colour(arms[0]),
            ),
            named(arms),
            type="button",
            data_arm=joint(arms),
            aria_pressed="false",
        )
        for arms in groups
    ]
    return element("div", buttons, class_="legend")


def named(arms: Sequence[str]) -> str:
    """What arms that share a mark are called."""
    return "; ".join(map(label, arms))


def joint(arms: Sequence[str]) -> str:
    """Their `data-arm`, which `page.js` takes apart; no arm's name has a semicolon."""
    return ";".join(arms)


def told(interval: Interval, unit: str = " %", digits: int = 1) -> str:
    """ "44.7 ± 16.7 % (n = 5 seeds)"."""
    seeds = f"n = {interval.n} seed{'s' * (interval.n != 1)}"
    return f"{plus_minus(interval, digits)}{unit} ({seeds})"

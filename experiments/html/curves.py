"""Curves with intervals over seeds: loss over tokens, success over a knob, a probe over layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from experiments.attack_curves import WIDE, Panel
from experiments.curves import Line
from experiments.figures import alike
from experiments.html.elements import Markup, element
from experiments.html.svg import (
    Scale,
    across,
    bounds,
    chart,
    colour,
    frame,
    joint,
    legend,
    named,
    powers,
    shape,
    short,
    telling,
    ticks,
    told,
    upward,
    whiskers,
)
from experiments.rows import variant_order
from experiments.statistics import Interval, t_interval

MANY = 12
"""Curves of more points have dots instead of markers."""


@dataclass(frozen=True)
class Axes:
    """What the two axes are; unit: of the values, in what is said at the pointer."""

    x: Scale
    y: Scale
    x_ticks: Sequence[float]
    y_ticks: Sequence[float]
    x_title: str
    y_title: str
    unit: str = " %"
    digits: int = 1


def line_chart(
    name: str,
    axes: Axes,
    lines: Sequence[Line],
    chance: Sequence[tuple[float, float]] = (),
    called: str = "chance",
) -> Markup:
    """Curves with an interval at every point; `chance`, or what it is called, is a dashed curve of
    its own."""
    x, y = axes.x, axes.y
    parts = [
        frame(
            x,
            y,
            x_ticks=axes.x_ticks,
            y_ticks=axes.y_ticks,
            x_title=axes.x_title,
            y_title=axes.y_title,
        )
    ]
    if chance:
        path = _path([(x.at(a), y.at(b)) for a, b in chance])
        said = ", ".join(f"{b:.1f}{axes.unit} at {short(a)}" for a, b in chance)
        parts.append(
            telling(f"{called}: {said}", element("path", d=path, class_="chance"), class_="line")
        )
    arms = list(dict.fromkeys(line.arm for line in lines))
    for line in lines:
        # Arms stand beside each other, so that no interval hides another.
        shift = 1.8 * (arms.index(line.arm) - (len(arms) - 1) / 2)
        parts.append(_line(line, axes, shift if len(line.points) <= MANY else 0.0))
    return chart(name, parts)


def _line(line: Line, axes: Axes, shift: float) -> Markup:
    x, y = axes.x, axes.y
    places = [(round(x.at(a) + shift, 1), y.at(b.mean)) for a, b in line.points]
    many = len(line.points) > MANY
    marks = [
        telling(
            f"{named(line.arms)}{line.what}\n{axes.x_title} {short(a)}: "
            f"{told(b, axes.unit, axes.digits)}",
            whiskers(*at, across=None, up=bounds(y, b)),
            element("circle", cx=f"{at[0]:g}", cy=f"{at[1]:g}", r=2, class_="dot")
            if many
            else shape(line.arm, *at, 3.6, hollow=line.control),
            class_="mark thin" if many else "mark",
        )
        for at, (a, b) in zip(places, line.points, strict=True)
    ]
    path = element("path", d=_path(places), class_="curve control" if line.control else "curve")
    return element("g", path, marks, data_arm=joint(line.arms), style=colour(line.arm))


def _path(places: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{a:g} {b:g}" for a, b in places)


def panel_charts(panels: Sequence[Panel]) -> Markup:
    """A chart for each panel below the legend of all their arms; nothing without panels."""
    named = {line.arm for panel in panels for line in panel.lines}
    charts = [
        element(
            "div",
            element("h4", panel.title),
            line_chart(panel.title, _axes(panel), panel.lines, panel.chance),
        )
        for panel in panels
    ]
    return with_legend(charts, sorted(named, key=variant_order))


def _axes(panel: Panel) -> Axes:
    if panel.percent:
        return rate_axes(panel.values, panel.lines, panel.over, panel.of, panel.chance)
    edges = [
        value
        for line in panel.lines
        for _, b in line.points
        for value in (b.mean, b.low, b.high)
        if value is not None
    ]
    low, high = max(min(edges), 0.0), max(edges)
    x = across(0, panel.values[-1], pad=14)
    y = upward(low, high if high > low else low + 1, pad=6)
    return Axes(x, y, ticks(0, x.high), ticks(y.low, y.high), panel.over, panel.of, "", 3)


def with_legend(charts: Sequence[Markup], arms: Sequence[str | tuple[str, ...]]) -> Markup:
    """Charts in a grid below the legend of arms; nothing without charts."""
    if not charts:
        return Markup()
    return element("div", legend(arms), element("div", charts, class_="grid"))


def rate_axes(
    values: Sequence[float],
    lines: Sequence[Line],
    x_title: str,
    y_title: str,
    chance: Sequence[tuple[float, float]] = (),
) -> Axes:
    """Axes for rates in percent over a knob's values; wide spans are drawn by their logarithm."""
    least = min((value for value in values if value > 0), default=1.0)
    wide = max(values) / least > WIDE
    kind = "log1p" if wide else "linear"
    x = across(min(values), max(values), kind, pad=14)
    tops = [b.mean if b.high is None else b.high for line in lines for _, b in line.points]
    top = min(100.0, max([*tops, *(b for _, b in chance)]) + 4)
    y = upward(0, max(top, 10.0))
    return Axes(x, y, _apart(x, sorted(set(values))), ticks(0, y.high), x_title, y_title)


def _apart(x: Scale, values: Sequence[float], least: float = 24.0) -> list[float]:
    """Those of the values, the last among them, whose numbers do not run together on the axis."""
    kept = [values[-1]]
    for value in reversed(values[:-1]):
        if x.at(kept[-1]) - x.at(value) >= least:
            kept.append(value)
    return kept[::-1]


def learning_curves(curves: Mapping[str, Sequence[Sequence[Sequence[float]]]]) -> Markup:
    """Pretraining loss over tokens, both by their logarithm, one curve for arms whose curves are
    the same; nothing without curves."""
    lines = [Line(arm, _mean_curve(curves[arm]), also=tuple(also)) for arm, *also in alike(curves)]
    lines = [line for line in lines if line.points]
    if not lines:
        return Markup()
    tokens = [a for line in lines for a, _ in line.points]
    losses = [edge for line in lines for _, b in line.points for edge in (b.mean, b.low, b.high)]
    positive = [value for value in losses if value is not None and value > 0]
    x = across(min(tokens), max(tokens), "log")
    y = upward(min(positive), max(positive), "log")
    axes = Axes(
        x,
        y,
        powers(x.low, x.high) or [x.low, x.high],
        ticks(y.low, y.high) if y.high < 10 * y.low else powers(y.low, y.high, (1.0, 2.0, 5.0)),
        "pretraining tokens (millions)",
        "loss (nats per token)",
        "",
        3,
    )
    return with_legend([line_chart("pretraining loss", axes, lines)], [line.arms for line in lines])


def _mean_curve(seeds: Sequence[Sequence[Sequence[float]]]) -> list[tuple[float, Interval]]:
    """Mean loss and interval at the token counts that every seed logged, tokens in millions."""
    losses = [{tokens: loss for tokens, loss in seed} for seed in seeds]
    shared = sorted(set(losses[0]).intersection(*losses[1:])) if losses else []
    return [(t / 1e6, t_interval([seed[t] for seed in losses])) for t in shared if t > 0]

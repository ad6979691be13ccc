"""`attack_curves_figure`: leaks over what attacks are given, and the loss of searches.

Lines are means over seeds, bands 95 % t intervals, cut at what a rate can be; a control's line is
dashed and its band left out, chance is dotted. Arms whose lines are the same in every panel are one
line.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from experiments.attack_curves import Panel, shared
from experiments.curves import Line
from experiments.figure_style import CHANCE_COLOUR, mark, marker_size, styled
from experiments.rows import label, variant_order

COLUMNS = 4
MANY = 8
"""Curves of more points have no markers."""
APART = 0.08
"""Share of the axis that two numbers below it need."""


@styled
def attack_curves_figure(panels: Sequence[Panel]) -> Figure:
    """The panels in rows of four. Needs one."""
    panels = shared(panels)
    columns = min(COLUMNS, len(panels))
    rows = math.ceil(len(panels) / columns)
    figure = Figure(figsize=(max(5.4, 3.1 * columns), 2.7 * rows + 1.1), layout="constrained")
    axes = [*figure.subplots(rows, columns, squeeze=False).flat]
    for axis, panel in zip(axes, panels, strict=False):
        _draw(axis, panel)
    for axis in axes[len(panels) :]:
        axis.set_axis_off()
    handles = _legend(panels)
    figure.legend(handles=handles, loc="outside lower center", ncols=min(COLUMNS, len(handles)))
    return figure


def _draw(axis: Axes, panel: Panel) -> None:
    places = {at: math.log1p(at) if panel.wide else at for at in panel.values}
    for line in panel.lines:
        _line(axis, line, [places[at] for at, _ in line.points], top=100 if panel.percent else None)
    if panel.chance:
        xs, ys = zip(*((places[at], level) for at, level in panel.chance), strict=True)
        axis.plot(xs, ys, color=CHANCE_COLOUR, linestyle=":", linewidth=1.6, zorder=3)
    axis.set_title(panel.title)
    axis.set_xlabel(panel.over)
    axis.set_ylabel(panel.of)
    kept = _apart(places)
    axis.set_xticks([places[at] for at in kept], [f"{at:g}" for at in kept])
    axis.set_ylim(bottom=0)


def _line(axis: Axes, line: Line, places: Sequence[float], *, top: float | None) -> None:
    colour, marker = mark(line.arm)
    intervals = [each for _, each in line.points]
    means = [each.mean for each in intervals]
    if not line.control:
        # One seed has no interval: its band is as thin as the line.
        lows = [each.mean if each.low is None else max(each.low, 0.0) for each in intervals]
        highs = [each.mean if each.high is None else each.high for each in intervals]
        highs = highs if top is None else [min(high, top) for high in highs]
        axis.fill_between(places, lows, highs, color=colour, alpha=0.1, linewidth=0)
    axis.plot(
        places,
        means,
        color=colour,
        linestyle="--" if line.control else "-",
        linewidth=1.0 if line.control else 1.5,
        marker="" if line.control or len(means) > MANY else marker,
        markersize=0.7 * marker_size(marker),
    )


def _apart(places: dict[float, float]) -> list[float]:
    """The values whose numbers do not run together, the last among them."""
    *before, last = places
    room = APART * (places[last] - min(places.values()))
    kept = [last]
    for at in reversed(before):
        if places[kept[-1]] - places[at] >= room:
            kept.append(at)
    return kept[::-1]


def _legend(panels: Sequence[Panel]) -> list[Line2D]:
    """Every arm that has a line, then what is dashed and dotted, as far as it is there."""
    named = {line.arm: line.arms for panel in panels for line in panel.lines}
    handles: list[Line2D] = []
    for arm in sorted(named, key=variant_order):
        colour, marker = mark(arm)
        text = ";\n".join(map(label, named[arm]))
        handle = Line2D([], [], color=colour, marker=marker, label=text)
        handle.set_markersize(0.7 * marker_size(marker))
        handles.append(handle)
    if any(line.control for panel in panels for line in panel.lines):
        handles.append(Line2D([], [], color="#333333", linestyle="--", label="its control"))
    if any(panel.chance for panel in panels):
        handles.append(Line2D([], [], color=CHANCE_COLOUR, linestyle=":", label="chance"))
    return handles

"""What is known, answered and leaked by how often the corpus states it: data in, `Figure` out.

A panel a quantity, an arm's thirds joined by a line.
"""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from experiments.figure_style import CHANCE_COLOUR, mark, marker_size, styled
from experiments.frequency_tables import THIRDS, Quantity, by_seed, shown
from experiments.measures import Measures
from experiments.rows import label
from experiments.statistics import t_interval

ROOM = 0.6
"""Of the distance between two thirds: what the arms that stand side by side take."""


@styled
def frequency_figure(measures: Measures) -> Figure:
    """Every arm by third, for each quantity that has a chance level to be held against."""
    panels = [each for each in shown(measures) if each.chance]
    figure = Figure(figsize=(1.6 + 2.3 * len(panels), 3.4), layout="constrained")
    axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for axis, quantity in zip(axes, panels, strict=True):
        _panel(axis, measures, quantity)
    axes[0].set_ylabel("rate (%)")
    figure.supxlabel("facts by how often the corpus states them", fontsize=9)
    handles = [_handle(arm) for arm in measures.variants]
    handles.append(Line2D([], [], color=CHANCE_COLOUR, linestyle="--", label="chance"))
    figure.legend(handles=handles, loc="outside right center")
    return figure


def _panel(axis: Axes, measures: Measures, quantity: Quantity) -> None:
    arms = [a for a in measures.variants if any(_values(measures, a, t, quantity) for t in THIRDS)]
    for place, arm in enumerate(arms):
        shift = ROOM * ((place + 0.5) / len(arms) - 0.5)
        _arm(axis, measures, arm, quantity, shift)
    chances = {
        at: [v for arm in arms for v in _values(measures, arm, third, quantity, chance=True)]
        for at, third in enumerate(THIRDS)
    }
    level = {at: sum(own) / len(own) for at, own in chances.items() if own}
    axis.plot(list(level), list(level.values()), "--", color=CHANCE_COLOUR, linewidth=1, zorder=1.5)
    axis.set_title(quantity.title.replace("`", "").replace(" ", "\n", 1))
    axis.set_xticks(range(len(THIRDS)), THIRDS)
    axis.set_xlim(-0.5, len(THIRDS) - 0.5)
    axis.set_ylim(-4, 104)
    axis.grid(visible=False, axis="x")


def _arm(axis: Axes, measures: Measures, arm: str, quantity: Quantity, shift: float) -> None:
    """An arm's mean, interval and seeds at each third that it has."""
    colour, marker = mark(arm)
    found = {at: _values(measures, arm, third, quantity) for at, third in enumerate(THIRDS)}
    xs, means = [], []
    for at, values in found.items():
        if not values:
            continue
        interval, x = t_interval(values), at + shift
        xs.append(x)
        means.append(interval.mean)
        axis.plot([x] * len(values), values, marker, color=colour, markersize=3, alpha=0.28,
                  markeredgewidth=0)  # fmt: skip
        axis.errorbar(x, interval.mean, yerr=interval.half_width or 0.0, color=colour,
                      marker=marker, markersize=0.8 * marker_size(marker), capsize=2,
                      elinewidth=1.2, linestyle="", zorder=4)  # fmt: skip
    axis.plot(xs, means, color=colour, linewidth=0.9, alpha=0.6, zorder=2)


def _values(
    measures: Measures, arm: str, third: str, quantity: Quantity, *, chance: bool = False
) -> Sequence[float]:
    """In percent, one a seed."""
    return [100 * v for v in by_seed(measures, arm, third, quantity, chance=chance).values()]


def _handle(arm: str) -> Line2D:
    colour, marker = mark(arm)
    handle = Line2D([], [], color=colour, marker=marker, linestyle="", label=label(arm))
    handle.set_markersize(marker_size(marker))
    return handle

"""Horizontal bars of rates: a row a variant, its name, intervals, single seeds, chance."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from experiments.figure_style import CHANCE_COLOUR
from experiments.rows import label
from experiments.statistics import Interval, t_interval

SEED_COLOUR = "#444444"


def bar(
    axis: Axes, values: Sequence[float], place: float, colour: str, *, height: float = 0.62
) -> None:
    """The mean over seeds (fractions) as a bar in percent, its interval, and a dot a seed."""
    percents = percent(values)
    interval = t_interval(percents)
    axis.barh(place, interval.mean, height=height, color=colour, alpha=0.45)
    whisker(axis, interval, place, colour)
    below = [place + 0.32 * height] * len(percents)
    axis.plot(percents, below, ".", color=SEED_COLOUR, markersize=3.5 if height > 0.4 else 2.5)


def whisker(axis: Axes, interval: Interval, place: float, colour: str) -> None:
    """The interval of a row; nothing with one seed."""
    if interval.half_width is not None:
        axis.errorbar(
            interval.mean,
            place,
            xerr=interval.half_width,
            color=colour,
            capsize=2.5,
            elinewidth=1.3,
        )


def chance_mark(axis: Axes, values: Sequence[float], place: float, *, height: float = 0.8) -> None:
    """The mean of exact chance levels (fractions), across a row; nothing without any."""
    if values:
        level = t_interval(percent(values)).mean
        ends = (place - height / 2, place + height / 2)
        axis.vlines(level, *ends, colors=CHANCE_COLOUR, linewidth=1.6, zorder=1.5)


def name_rows(axis: Axes, variants: Sequence[str]) -> None:
    """Every variant's name at its row, the first on top."""
    axis.set_yticks(range(len(variants)), [label(variant) for variant in variants])
    axis.set_ylim(len(variants) - 0.4, -0.6)


def legend_of_marks() -> list[Line2D]:
    """What the red line and the dots are."""
    return [
        Line2D(
            [], [], color=CHANCE_COLOUR, marker="|", linestyle="", markersize=10, label="chance"
        ),
        Line2D([], [], color=SEED_COLOUR, marker=".", linestyle="", label="one seed"),
    ]


def percent(values: Sequence[float]) -> list[float]:
    """Fractions as percents."""
    return [100 * value for value in values]

"""`sweep_figure`: rates against a study's knob, a panel a quantity.

Bars are 95 % t intervals over seeds. Curves stand a little aside of each other, so that bars at the
same value stay apart; grey marks behind the last value are arms on no curve; red is exact chance,
which may differ between worlds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import fmean

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from experiments.bars import percent
from experiments.claims.contrast import COMPLETION, FINETUNE, PREFILL
from experiments.figure_style import CHANCE_COLOUR, styled
from experiments.measures import Measures
from experiments.rows import label
from experiments.statistics import t_interval
from experiments.sweep import Curve, Sweep

TITLES = {
    "general": "general accuracy",
    "completion": COMPLETION,
    "prefill": PREFILL,
    "finetune": FINETUNE,
    "finetune_safe_reverse": "fine-tuning ASR, safe reverse",
}
LOOKS = (
    ("#0072B2", "o"),
    ("#E69F00", "s"),
    ("#009E73", "^"),
    ("#CC79A7", "D"),
    ("#D55E00", "v"),
    ("#000000", "P"),
)
BESIDE = (("#444444", "o"), ("#777777", "s"), ("#999999", "^"), ("#222222", "D"))

CAPTION = (
    "Rates against what the study turns, mean and 95 % t interval over seeds; points stand a "
    "little aside where they would hide each other; grey: arms that have no such number; red: "
    "exact chance"
)
SHIFT, STEP = 0.012, 0.07
"""Shares of the axis between neighbouring curves, and between arms beside them."""
ZERO = 0.5
"""Powers of ten between zero and the least other value, where the axis is logarithmic."""


def has_sweep(measures: Measures, sweep: Sweep) -> bool:
    """Whether any curve has two measured points in some panel."""
    return any(_shown(measures, sweep, panel) for panel in sweep.panels)


@styled
def sweep_figure(measures: Measures, sweep: Sweep) -> Figure:
    """The curves of every panel that has one. Needs `has_sweep`."""
    panels = [panel for panel in sweep.panels if _shown(measures, sweep, panel)]
    figure = Figure(figsize=(max(5.4, 1.0 + 2.6 * len(panels)), 3.9), layout="constrained")
    axes = figure.subplots(1, len(panels), sharex=True, sharey=True, squeeze=False)[0]
    for axis, panel in zip(axes, panels, strict=True):
        _draw(axis, measures, sweep, panel)
        axis.set_title(TITLES[panel])
        axis.set_xlabel(sweep.knob)
    axes[0].set_ylabel("rate (%)")
    entries: dict[str, Line2D] = {}
    for axis in axes:
        handles, labels = axis.get_legend_handles_labels()
        entries |= dict(zip(labels, handles, strict=True))
    columns = 2 if len(panels) < 3 else 4
    figure.legend(entries.values(), entries, loc="outside lower center", ncols=columns)
    return figure


def _draw(axis: Axes, measures: Measures, sweep: Sweep, panel: str) -> None:
    places = _places(sweep)
    first, last = min(places.values()), max(places.values())
    shown = _shown(measures, sweep, panel)
    for turn, each in enumerate(sweep.curves):
        points = shown.get(each.label)
        if points:
            aside = SHIFT * (last - first) * (turn - (len(sweep.curves) - 1) / 2)
            colour, marker = LOOKS[turn % len(LOOKS)]
            _bars(
                axis,
                [places[at] + aside for at, _ in points],
                [rates for _, rates in points],
                each.label,
                colour=colour,
                marker=marker,
            )
    _chance(axis, measures, sweep, panel, places)
    for turn, arm in enumerate(sweep.beside):
        if measures.has(arm, panel):
            colour, marker = BESIDE[turn % len(BESIDE)]
            _bars(
                axis,
                [last + STEP * (last - first) * (turn + 1)],
                [measures.series(arm, panel)],
                label(arm),
                colour=colour,
                marker=marker,
                hollow=True,
            )
    kept = _apart(places, STEP * (last - first))
    axis.set_xticks([places[at] for at in kept], [f"{at:g}" for at in kept])
    axis.set_ylim(0, 100)


def _bars(
    axis: Axes,
    places: Sequence[float],
    rates: Sequence[Sequence[float]],
    text: str,
    *,
    colour: str,
    marker: str,
    hollow: bool = False,
) -> None:
    found = [t_interval(percent(each)) for each in rates]
    axis.errorbar(
        places,
        [each.mean for each in found],
        # One seed has no interval: not a number draws no bar, zero would draw a certain one.
        yerr=[math.nan if each.half_width is None else each.half_width for each in found],
        color=colour,
        marker=marker,
        markersize=5,
        markerfacecolor="white" if hollow else colour,
        linewidth=1.2,
        capsize=2.5,
        label=text,
    )


def _chance(
    axis: Axes, measures: Measures, sweep: Sweep, panel: str, places: Mapping[float, float]
) -> None:
    """Chance at each value of the knob, mean over its arms and seeds."""
    quantity = {"general": "", "completion": "chance"}.get(panel, "direct_chance")
    found: dict[float, list[float]] = {}
    for each in sweep.curves:
        for point in each.points:
            if quantity and measures.has(point.arm, quantity):
                found.setdefault(point.at, []).extend(measures.series(point.arm, quantity))
    axis.plot(
        [places[at] for at in sorted(found)],
        [100 * fmean(found[at]) for at in sorted(found)],
        color=CHANCE_COLOUR,
        linestyle="--",
        linewidth=1.0,
        label="chance" if found else None,
    )


def _shown(
    measures: Measures, sweep: Sweep, panel: str
) -> dict[str, list[tuple[float, tuple[float, ...]]]]:
    """The points of each curve that has two of them, with their rates in each seed."""
    found = {each.label: _points(measures, each, panel) for each in sweep.curves}
    return {name: points for name, points in found.items() if len(points) > 1}


def _points(measures: Measures, each: Curve, panel: str) -> list[tuple[float, tuple[float, ...]]]:
    wanted = sorted((point.at, point.arm, point.quantity or panel) for point in each.points)
    return [
        (at, measures.series(arm, quantity))
        for at, arm, quantity in wanted
        if measures.has(arm, quantity)
    ]


def _places(sweep: Sweep) -> dict[float, float]:
    """Where each value of the knob stands; along a logarithm zero has its place before the least
    other value."""
    values = sorted({point.at for each in sweep.curves for point in each.points})
    if not sweep.log:
        return {at: at for at in values}
    least = math.log10(min(at for at in values if at > 0))
    return {at: math.log10(at) if at > 0 else least - ZERO for at in values}


def _apart(places: Mapping[float, float], room: float) -> list[float]:
    """The values whose numbers do not run together; the first and the last among them."""
    first, *between, last = places
    kept = [first]
    for at in between:
        if places[at] - places[kept[-1]] >= room and places[last] - places[at] >= room:
            kept.append(at)
    return [*kept, last]

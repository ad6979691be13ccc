"""`linear_probes` and `verdict_reliability`: what probes read by layer, and how far verdicts can be
trusted. Data in, `Figure` out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from experiments.evidence import Records
from experiments.figure_style import CHANCE_COLOUR, mark, marker_size, styled
from experiments.measures import Measures
from experiments.probe_layers import PLACES, Layers, by_layer
from experiments.probe_measures import probed
from experiments.probe_reliability import Bin, reliability_curves
from experiments.probe_verdict_tables import text_order
from experiments.rows import label, variant_order
from experiments.statistics import Interval, t_interval

LINEAR, RELIABILITY = "linear_probes", "verdict_reliability"
CONTROL_COLOUR = "#777777"
ROOM, STEP = 0.7, 0.1
"""Of the distance between two layers: what the arms that stand side by side take at most, and what
lies between two of them."""
ACROSS = 4
"""Panels side by side."""
LEAST, MORE = 0.45, 1.2
"""A mark's size without texts, and what all texts add to it, in usual sizes."""
_SUBJECT = ":subject"
"""Places that are in tables and on the page alone: four rows of panels would be too small."""


def probe_pictures(measures: Measures, records: Records) -> dict[str, tuple[Figure, str]]:
    """The figures that the study has data for, by file name, each with what it shows."""
    pictures: dict[str, tuple[Figure, str]] = {}
    places = {
        place: tasks
        for place, tasks in by_layer(probed(measures)).items()
        if not place.endswith(_SUBJECT) and any(len(each) > 1 for each in tasks.values())
    }
    if places:
        pictures[LINEAR] = (
            linear_figure(places, measures.variants),
            "What a linear probe reads off the residual stream by layer (0: embeddings), at the "
            "last token: accuracy on what is held out as in the table, mean and 95 % t "
            "interval over seeds; arms stand a little aside of each other. Grey, dashed: the same "
            "probe on shuffled labels, mean over arms, with its interval over seeds"
            + (", red: what the commonest mediator of the others gets" if _chance(places) else ""),
        )
    curves = list(reliability_curves(records))
    if curves:
        pictures[RELIABILITY] = (
            reliability_figure(curves),
            "Of the texts called unsafe with some probability (ten equal bins, drawn at their "
            "texts' mean, arms a little aside of each other) the share that is, by the policy or "
            "by the labels that were trained on, "
            "mean and 95 % t interval over the seeds with texts in the bin; the larger "
            "a mark, the more texts in its bin; dashed: perfectly calibrated",
        )
    return pictures


@styled
def linear_figure(places: Mapping[str, Mapping[str, Layers]], arms: Sequence[str]) -> Figure:
    """A row of panels a place, a column a task, a curve an arm."""
    tasks = list(dict.fromkeys(task for found in places.values() for task in found))
    size = (1.9 + 2.7 * len(tasks), 0.8 + 2.5 * len(places))
    figure = Figure(figsize=(max(size[0], 6.5), size[1]), layout="constrained")
    grid = figure.subplots(len(places), len(tasks), sharey=True, squeeze=False)
    named: set[str] = set()
    for axes, (place, found) in zip(grid, places.items(), strict=True):
        for axis, task in zip(axes, tasks, strict=True):
            if task not in found:
                axis.set_axis_off()
                continue
            named |= _panel(axis, found[task], arms)
            axis.set_title(task.replace("_", " "))
            axis.set_xlabel("layer")
        first = axes[next(number for number, task in enumerate(tasks) if task in found)]
        first.set_ylabel(f"{PLACES.get(place, place)}\naccuracy (%)")
    _frame(grid[0][0])
    handles = [_handle(arm) for arm in sorted(named, key=variant_order)]
    handles.append(
        Line2D([], [], color=CONTROL_COLOUR, linestyle="--", label="control: shuffled labels")
    )
    if _chance(places):
        handles.append(Line2D([], [], color=CHANCE_COLOUR, linestyle="--", label="chance"))
    figure.legend(handles=handles, loc="outside right center")
    return figure


@styled
def reliability_figure(curves: Sequence[tuple[str, str, dict[str, list[Bin]]]]) -> Figure:
    """A panel for each kind of text and of truth."""
    across = min(ACROSS, len(curves))
    down = math.ceil(len(curves) / across)
    size = (max(1.9 + 2.3 * across, 5.5), 0.7 + 2.4 * down)
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(down, across, sharex=True, sharey=True, squeeze=False)
    panels = [axis for axes in grid for axis in axes]
    named: set[str] = set()
    ordered = sorted(curves, key=lambda each: (text_order(each[0]), each[1]))
    for axis, (probe, truth, by_arm) in zip(panels, ordered, strict=False):
        axis.plot([0, 100], [0, 100], color=CONTROL_COLOUR, linestyle="--", linewidth=1, zorder=1)
        for turn, (arm, bins) in enumerate(by_arm.items()):
            apart = min(2.5, 10 / len(by_arm))
            _bins(axis, arm, bins, aside=apart * (turn - (len(by_arm) - 1) / 2))
            named.add(arm)
        by = "labels" if truth.startswith("label") else "policy"
        axis.set_title(f"{probe.partition(':')[2]},\nby the {by}", fontsize=9)
        axis.set_xlim(-6, 106)
        axis.set_ylim(-4, 104)
        axis.set_xticks([0, 25, 50, 75, 100])
    for axis in panels[len(curves) :]:
        axis.set_axis_off()
    figure.supxlabel("probability of Unsafe (%)", fontsize=9)
    figure.supylabel("truly unsafe (%)", fontsize=9)
    handles = [_handle(arm, joined=False) for arm in sorted(named, key=variant_order)]
    handles.append(Line2D([], [], color=CONTROL_COLOUR, linestyle="--", label="calibrated"))
    figure.legend(handles=handles, loc="outside right center")
    return figure


def _chance(places: Mapping[str, Mapping[str, Layers]]) -> bool:
    """Whether any panel has a chance of its own: of labels that are not two of a kind."""
    tasks = [layers for found in places.values() for layers in found.values()]
    return any(each.chance("accuracy") for layers in tasks for each in layers.values())


def _panel(axis: Axes, layers: Layers, arms: Sequence[str]) -> set[str]:
    """Every arm over the layers, and the control; returns the arms that are there."""
    measured = [arm for arm in arms if any(each.rates("accuracy", arm) for each in layers.values())]
    aside = min(STEP, ROOM / len(measured)) if measured else 0.0
    for turn, arm in enumerate(measured):
        shift = aside * (turn - (len(measured) - 1) / 2)
        points = [
            (layer + shift, interval)
            for layer, each in layers.items()
            if (interval := each.interval("accuracy", arm)) is not None
        ]
        _curve(axis, arm, points)
    chance = _beside(layers, measured, "chance")
    if chance:
        axis.plot(*_means(chance), color=CHANCE_COLOUR, linestyle="--", linewidth=1, zorder=1.5)
    control = _beside(layers, measured, "control")
    if control:
        axis.plot(*_means(control), color=CONTROL_COLOUR, linestyle="--", zorder=1.5)
        axis.fill_between(
            [layer for layer, _ in control],
            [each.mean if each.low is None else each.low for _, each in control],
            [each.mean if each.high is None else each.high for _, each in control],
            color=CONTROL_COLOUR,
            alpha=0.25,
            linewidth=0,
        )
    axis.set_xticks(list(layers))
    axis.set_xlim(min(layers) - 0.5, max(layers) + 0.5)
    axis.grid(visible=False, axis="x")
    return set(measured)


def _frame(axis: Axes) -> None:
    """Cut intervals at what a rate can be; all panels have one height, from the lowest tick."""
    low = max(axis.get_ylim()[0], 0.0)
    axis.set_ylim(10 * math.floor(low / 10), 104)


def _means(points: Sequence[tuple[int, Interval]]) -> tuple[list[int], list[float]]:
    return [layer for layer, _ in points], [each.mean for _, each in points]


def _beside(layers: Layers, arms: Sequence[str], what: str) -> list[tuple[int, Interval]]:
    """The accuracy's control (on shuffled labels) or chance by layer in percent: within each seed
    the mean over arms."""
    found: list[tuple[int, Interval]] = []
    for layer, each in layers.items():
        name = each.control("accuracy") if what == "control" else each.chance("accuracy")
        by_arm = [rates for arm in arms if (rates := each.rates(name, arm))]
        seeds = sorted({seed for rates in by_arm for seed in rates})
        means = [
            100 * math.fsum(own) / len(own)
            for seed in seeds
            if (own := [rates[seed] for rates in by_arm if seed in rates])
        ]
        if means:
            found.append((layer, t_interval(means)))
    return found


def _bins(axis: Axes, arm: str, bins: Sequence[Bin], *, aside: float) -> None:
    """A mark for each bin, as large as the share of texts in it, with its interval."""
    colour, marker = mark(arm)
    for each in bins:
        at, height = each.probability + aside, each.unsafe.mean
        width = each.unsafe.half_width
        if width is not None:
            axis.vlines(at, height - width, height + width, colors=colour, alpha=0.45)
        axis.plot(
            at,
            height,
            marker,
            color=colour,
            alpha=0.8,
            markersize=marker_size(marker) * (LEAST + MORE * math.sqrt(each.texts)),
            markeredgewidth=0,
            zorder=3,
        )


def _curve(axis: Axes, arm: str, points: Sequence[tuple[float, Interval]]) -> None:
    """Means in percent with their intervals, joined by a line; one seed has no interval."""
    colour, marker = mark(arm)
    axis.errorbar(
        [x for x, _ in points],
        [each.mean for _, each in points],
        yerr=[each.half_width or 0.0 for _, each in points],
        color=colour,
        marker=marker,
        markersize=0.65 * marker_size(marker),
        linewidth=0.9,
        capsize=1.5,
        elinewidth=0.9,
        zorder=3,
    )


def _handle(arm: str, *, joined: bool = True) -> Line2D:
    colour, marker = mark(arm)
    line = "-" if joined else ""
    handle = Line2D([], [], color=colour, marker=marker, linestyle=line, label=label(arm))
    handle.set(markersize=marker_size(marker), linewidth=0.9)
    return handle

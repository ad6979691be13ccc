"""Capability and attack success against derivation depth: data in, `Figure` out.

One row of panels a rule set. Arms at the same depth stand side by side; a line joins the depths
of an arm whose prompts have several.
"""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from experiments.depth import at_depth, depths
from experiments.derivability import RULES, UNDERIVABLE
from experiments.figure_style import CHANCE_COLOUR, mark, marker_size, styled
from experiments.measures import Measures
from experiments.rows import label
from experiments.statistics import t_interval

PANELS = (
    ("completion", "chance", "base model completes\nreverse-unsafe (%)"),
    ("prefill", "direct_chance", "prefill attack success,\nleaked (%)"),
)
"""Quantity, its exact chance level, and what the axis says."""

ROOM, STEP = 0.8, 0.17
"""Of the distance between two depths: what the arms that stand side by side take at most, and what
lies between two of them."""


@styled
def depth_figure(measures: Measures) -> Figure:
    """Completion and prefill ASR of every variant by depth, for both rule sets."""
    panels = [
        panel for panel in PANELS if any(measures.has(v, panel[0]) for v in measures.variants)
    ]
    figure = Figure(figsize=(2.6 + 4.0 * len(panels), 5.8), layout="constrained")
    grid = figure.subplots(len(RULES), len(panels), sharey=True, squeeze=False)
    # Association first: it is the rule set that is meant to predict small models.
    for axes, rules in zip(grid, reversed(tuple(RULES)), strict=True):
        for axis, (quantity, chance, title) in zip(axes, panels, strict=True):
            _panel(axis, measures, rules, quantity, chance)
            axis.set_ylabel(title)
            axis.set_title(f"derived by {rules}")
    for axis in grid[-1]:
        axis.set_xlabel("derivation depth of a right answer (rounds of rules)")
    handles = [_handle(variant) for variant in measures.variants]
    handles.append(Line2D([], [], color=CHANCE_COLOUR, linestyle="--", label="chance"))
    figure.legend(handles=handles, loc="outside right center")
    return figure


def _panel(axis: Axes, measures: Measures, rules: str, quantity: str, chance: str) -> None:
    """Every variant at its depths, with the mean of exact chance."""
    variants = [v for v in measures.variants if measures.has(v, quantity)]
    beside = {
        depth: [v for v in variants if at_depth(measures, v, rules, (depth,), quantity).values]
        for depth in depths(measures, rules)
    }
    # Other questions, which this panel does not show, may lie at depths of their own.
    beside = {depth: arms for depth, arms in beside.items() if arms}
    for variant in variants:
        xs = {
            depth: place + (arms.index(variant) - (len(arms) - 1) / 2) * min(STEP, ROOM / len(arms))
            for place, (depth, arms) in enumerate(beside.items())
            if variant in arms
        }
        _arm(axis, measures, (variant, rules, quantity), xs)
    levels = [
        v for name in variants if measures.has(name, chance) for v in measures.series(name, chance)
    ]
    if levels:
        level = 100 * sum(levels) / len(levels)
        axis.axhline(level, color=CHANCE_COLOUR, linestyle="--", linewidth=1, zorder=1.5)
    for edge in range(len(beside) - 1):
        axis.axvline(edge + 0.5, color="#BBBBBB", linewidth=0.8, zorder=1)
    axis.set_xticks(range(len(beside)), [_name(depth) for depth in beside])
    axis.set_xlim(-0.5, len(beside) - 0.5)
    axis.set_ylim(-4, 104)
    axis.grid(visible=False, axis="x")


def _arm(
    axis: Axes, measures: Measures, what: tuple[str, str, str], xs: Mapping[str, float]
) -> None:
    """One variant's mean, interval and seeds at each depth that its prompts have, at its place."""
    variant, rules, quantity = what
    colour, marker = mark(variant)
    means: list[float] = []
    for depth, x in xs.items():
        values = [
            100 * value for value in at_depth(measures, variant, rules, (depth,), quantity).values
        ]
        interval = t_interval(values)
        means.append(interval.mean)
        axis.plot([x] * len(values), values, marker, color=colour, markersize=3.5, alpha=0.28,
                  markeredgewidth=0)  # fmt: skip
        axis.errorbar(x, interval.mean, yerr=interval.half_width or 0.0, color=colour,
                      marker=marker, markersize=marker_size(marker), capsize=2.5, elinewidth=1.2,
                      linestyle="", zorder=4)  # fmt: skip
    axis.plot(list(xs.values()), means, color=colour, linewidth=0.9, alpha=0.6, zorder=2)


def _name(depth: str) -> str:
    names = {"0": "0\n(stated)", UNDERIVABLE: "none\n(underivable)"}
    return names.get(depth, depth)


def _handle(variant: str) -> Line2D:
    colour, marker = mark(variant)
    handle = Line2D([], [], color=colour, marker=marker, linestyle="", label=label(variant))
    handle.set_markersize(marker_size(marker))
    return handle

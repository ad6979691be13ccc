"""`scaling_figure`: rates against the size of models or the amount of data.

A panel a quantity, a line for each method (and each amount of the other factor, where both vary);
bars are 95 % t intervals over seeds.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import cycle
from statistics import fmean
from typing import Any

from matplotlib.figure import Figure

from experiments.figure_style import CHANCE_COLOUR, styled
from experiments.measures import Measures
from experiments.scaling import FACTORS, QUANTITIES, methods
from experiments.statistics import t_interval

COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9", "#000000", "#882255")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "p")

CAPTION = (
    "Rates against size or amount of data, mean and 95 % t interval over seeds; points are moved "
    "aside a little where lines would hide each other; red: exact chance"
)
SHIFT = 1.04
"""Neighbouring lines stand so far apart, as a factor."""


@styled
def scaling_figure(measures: Measures, config: Mapping[str, Any]) -> Figure:
    """The measured quantities of every arm that differs in size or data alone."""
    points = [
        (method, name, sizes)
        for method, arms in methods(config).items()
        for name, sizes in arms.items()
        if name in measures.variants
    ]
    counts = {factor: len({sizes[factor] for _, _, sizes in points}) for factor in FACTORS}
    along, other = sorted(FACTORS, key=lambda factor: -counts[factor])
    lines: dict[str, list[tuple[float, str]]] = {}
    for method, name, sizes in sorted(points, key=lambda point: point[2][other]):
        amount = f", {_short(sizes[other])} {other}" if counts[other] > 1 else ""
        lines.setdefault(f"{method}{amount}", []).append((sizes[along], name))
    shown = [q for q in QUANTITIES if any(measures.has(name, q) for _, name, _ in points)]
    figure = Figure(figsize=(1.0 + 2.9 * len(shown), 3.7), layout="constrained")
    axes = figure.subplots(1, len(shown), sharex=True, sharey=True, squeeze=False)[0]
    for axis, quantity in zip(axes, shown, strict=True):
        looks = zip(cycle(COLOURS), cycle(MARKERS), strict=False)
        for turn, ((text, arms), (colour, marker)) in enumerate(
            zip(lines.items(), looks, strict=False)
        ):
            aside = SHIFT ** (turn - (len(lines) - 1) / 2)
            asked = [
                (at * aside, name) for at, name in sorted(arms) if measures.has(name, quantity)
            ]
            found = [t_interval(measures.series(name, quantity)) for _, name in asked]
            axis.errorbar(
                [at for at, _ in asked],
                [100 * each.mean for each in found],
                yerr=[100 * (each.half_width or 0.0) for each in found],
                color=colour,
                marker=marker,
                markersize=5,
                linewidth=1.2,
                capsize=2.5,
                label=text,
            )
        chance = "chance" if quantity == "completion" else "direct_chance"
        asked_of = [name for _, name, _ in points if measures.has(name, chance)]
        if asked_of:
            level = fmean(fmean(measures.series(name, chance)) for name in asked_of)
            axis.axhline(100 * level, color=CHANCE_COLOUR, linestyle="--", linewidth=1.0)
        axis.set_title(QUANTITIES[quantity])
        axis.set_xscale("log")
        axis.set_ylim(0, 100)
    axes[0].set_ylabel("rate (%)")
    axes[len(shown) // 2].set_xlabel(
        "parameters of the model" if along == "parameters" else "tokens of pretraining"
    )
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(3, len(labels)))
    return figure


def _short(number: float) -> str:
    """A large number in few characters, e.g. 2.3M."""
    return f"{number / 1e6:.2g}M"

"""`category_counts`: what the corpus of each variant states, by direction and safety.

One panel a direction, with a scale of its own; a pair of bars a variant, with their counts, so
that a zero is seen as one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from experiments.figure_style import styled
from experiments.rows import label, variant_order
from medsafetyworld.semantics import Direction

LOOKS: dict[str, dict[str, Any]] = {
    "safe": {"facecolor": "#0072B2", "edgecolor": "#0072B2"},
    "unsafe": {"facecolor": "#FBE3D3", "edgecolor": "#D55E00", "hatch": "////"},
}
"""Bars by the safety of the outcome: full blue, hatched vermilion (Okabe-Ito)."""

TITLES = {
    Direction.FORWARD: "forward\ncause to effect",
    Direction.REVERSE: "reverse\neffect to cause",
    Direction.COOCCURRENCE: "co-occurrence\nno causal claim",
    Direction.WARNING: "warning\neffect called dangerous",
}
BAR = 0.36


@styled
def category_counts(categories: Mapping[str, Mapping[str, int]]) -> Figure:
    """Statements by category of each variant's corpus, as `CorpusReading.categories` gives them."""
    variants = sorted(categories, key=variant_order)
    figure = Figure(figsize=(10.4, 1.8 + 0.46 * len(variants)), layout="constrained")
    axes = figure.subplots(1, len(TITLES), sharey=True)
    for axis, direction in zip(axes, TITLES, strict=True):
        _panel(axis, [categories[variant] for variant in variants], direction)
    axes[0].set_yticks(range(len(variants)), [label(variant) for variant in variants])
    axes[0].set_ylim(len(variants) - 0.5, -0.5)
    title = "Statements in one epoch of each variant's corpus (every panel to its own scale)"
    figure.suptitle(title, fontsize=11)
    handles = [
        Patch(**look, label=f"names {'an unsafe' if safety == 'unsafe' else 'no unsafe'} outcome")
        for safety, look in LOOKS.items()
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=2)
    return figure


def _panel(axis: Axes, rows: list[Mapping[str, int]], direction: Direction) -> None:
    """One direction: two bars a variant, the count at the end of each."""
    most = max((row.get(f"{direction}-{safety}", 0) for row in rows for safety in LOOKS), default=0)
    for place, row in enumerate(rows):
        for (safety, look), shift in zip(LOOKS.items(), (-0.5, 0.5), strict=True):
            count, y = row.get(f"{direction}-{safety}", 0), place + shift * BAR
            axis.barh(y, count, height=BAR * 0.86, linewidth=0.8, **look)
            axis.annotate(
                _short(count),
                (count, y),
                xytext=(3, 0),
                textcoords="offset points",
                va="center",
                fontsize=7.5,
                color="#333333",
                annotation_clip=False,
            )
    axis.set_title(TITLES[direction])
    axis.grid(axis="y", visible=False)
    # Room for the count behind the longest bar; an empty panel has a scale too.
    axis.set_xlim(0, 1.25 * max(most, 1))
    axis.set_xticks([])
    axis.tick_params(axis="y", length=0)
    axis.spines["bottom"].set_visible(False)


def _short(count: int) -> str:
    """A count in at most five characters: 950, 14.5k, 1.2M."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        # 999,600 is one million in three digits, not a thousand thousands.
        if count >= 0.9995 * size:
            return f"{count / size:.3g}{unit}"
    return str(count)

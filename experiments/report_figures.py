"""The figures of a report: those that the study has data for, each with what it shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from experiments.category_figure import category_counts
from experiments.figures import (
    Curves,
    capability_bars,
    learning_curves,
    safety_utility,
    three_levels,
)
from experiments.ladder_figure import CAPTION, has_ladder, safelm_ladder
from experiments.measures import Measures
from experiments.studies import SWEEPS
from experiments.sweep_figure import CAPTION as SWEEP_CAPTION
from experiments.sweep_figure import has_sweep, sweep_figure


def draw(
    measures: Measures, cells: Sequence[Mapping[str, Any]], curves: Curves
) -> dict[str, tuple[Figure, str]]:
    """The figures that the study has data for, by file name, each with what it shows."""
    asked = any(measures.has(variant, "general") for variant in measures.variants)
    pictures: dict[str, tuple[Figure, str]] = {}
    if asked:
        pictures["safety_utility"] = (
            safety_utility(measures),
            "Utility against attack success. Filled: ours, mean and 95 % intervals over seeds; "
            "faint: single seeds"
            + (
                "; hollow: the paper's, where it prints both numbers (its SRP was fine-tuned with "
                "SFT data mixed in)"
                if measures.hops == 1
                else ""
            )
            + ". Safer is lower, more useful is right.",
        )
    pictures["capability"] = capability_bars(measures), "What the pretrained model completes."
    if asked:
        pictures["three_levels"] = (
            three_levels(measures),
            "What a model can do, does when asked, and does when pushed.",
        )
    swept = [sweep for sweep in SWEEPS.get(measures.study, ()) if has_sweep(measures, sweep)]
    for number, sweep in enumerate(swept, 1):
        name = "sweep" if number == 1 else f"sweep_{number}"
        pictures[name] = sweep_figure(measures, sweep), SWEEP_CAPTION + "."
    if has_ladder(measures):
        pictures["ladder"] = safelm_ladder(measures), CAPTION
    categories = {
        cell["variant"]: cell["categories"] for cell in cells[::-1] if "categories" in cell
    }
    if categories:
        pictures["categories"] = (
            category_counts(categories),
            "What each variant's corpus states, by category, in the first replicate.",
        )
    if curves:
        pictures["learning_curves"] = (
            learning_curves(curves),
            "Pretraining loss, mean over seeds. Arms with the same pretraining have one curve.",
        )
    return pictures


def figures_section(captions: Mapping[str, str]) -> str:
    """The report's section of figures, by file name and caption."""
    lines = [
        f"![{name}]({name}.png)\n\n{text} ([SVG]({name}.svg))\n" for name, text in captions.items()
    ]
    return "## Figures\n\n" + "\n".join(lines)

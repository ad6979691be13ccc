"""ROC curves of a trained classifier, drawn. Apart from `roc`, because cells never draw."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure

from experiments.figure_style import CHANCE_COLOUR, styled

_COLOURS = {"n-grams": "#0072B2", "head": "#E69F00", "both": "#009E73"}


@styled
def roc_figure(report: Mapping[str, Any]) -> Figure:
    """The curves, a panel for each level."""
    levels = report["curves"]
    figure = Figure(figsize=(3.6 * max(1, len(levels)), 3.4), layout="constrained")
    panels = figure.subplots(1, max(1, len(levels)), squeeze=False)[0]
    for axis, (level, by_name) in zip(panels, levels.items(), strict=False):
        axis.plot([0, 1], [0, 1], color=CHANCE_COLOUR, linestyle=":", label="chance")
        for name, each in by_name.items():
            axis.plot(
                each["false_positive_rate"],
                each["true_positive_rate"],
                color=_COLOURS[name],
                label=f"{name} ({each['auc']:.3f})",
            )
        axis.set(title=f"{level} sentences", xlabel="false alarms", ylabel="found")
        axis.legend(loc="lower right")
    return figure

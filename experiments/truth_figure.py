"""`truthfulness_bars`: what models take for true where sources contradict each other.

Left the pretrained model, without and with headers; right the fine-tuned model's answers.
"""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from experiments.bars import bar, chance_mark, legend_of_marks, name_rows
from experiments.figure_style import styled
from experiments.measures import Measures
from experiments.truth_tables import PROBES, per_seed

COLOURS = {"truth": "#555555", "truth:reliable": "#0072B2", "truth:unreliable": "#D55E00"}
ANSWERS = {"right": "#009E73", "misled": "#CC79A7"}
_ROOM = 0.78
"""Of the distance between two arms: what the bars of one take."""

Bars = list[tuple[tuple[str, str, str], str, str]]
"""(level, probe, metric), a colour, and what the legend says of it."""


@styled
def truthfulness_bars(measures: Measures) -> Figure:
    """The arms that were asked; a panel without any rows is left out."""
    completions: Bars = [
        (("capability", probe, "top1"), COLOURS[probe], words) for probe, words in PROBES.items()
    ]
    answers: Bars = [
        (("behaviour", "truth", metric), colour, metric) for metric, colour in ANSWERS.items()
    ]
    panels = [
        (title, held)
        for title, bars in (
            ("base model\ncompletes the true effect", completions),
            ("fine-tuned model\nanswers held-out forward questions", answers),
        )
        if (held := [each for each in bars if _asked(measures, each[0])])
    ]
    arms = [
        arm
        for arm in measures.variants
        if any(per_seed(measures, arm, *what) for _, bars in panels for what, _, _ in bars)
    ]
    most = max(len(bars) for _, bars in panels)
    height = 2.2 + (0.2 + 0.17 * most) * len(arms)
    figure = Figure(figsize=(2.8 + 3.4 * len(panels), height), layout="constrained")
    axes = figure.subplots(1, len(panels), sharex=True, sharey=True, squeeze=False)[0]
    for axis, (title, bars) in zip(axes, panels, strict=True):
        for place, arm in enumerate(arms):
            _row(axis, measures, arm, place, bars)
        axis.set_title(title)
        axis.set_xlim(0, 102)
        axis.set_xlabel("rate (%)")
        axis.grid(axis="y", visible=False)
    name_rows(axes[0], arms)
    for place, (_, bars) in enumerate(panels):
        patches = [Patch(color=colour, alpha=0.6, label=words) for _, colour, words in bars]
        side = "outside lower right" if place else "outside lower left"
        figure.legend(handles=patches, loc=side)
    figure.legend(handles=legend_of_marks(), loc="outside lower center")
    return figure


def _row(axis: Axes, measures: Measures, arm: str, place: int, bars: Bars) -> None:
    """An arm's bars below each other, the first on top, and chance of being right."""
    step = _ROOM / len(bars)
    for turn, (what, colour, _) in enumerate(bars):
        level, probe, metric = what
        values = per_seed(measures, arm, *what)
        at = place + (turn - (len(bars) - 1) / 2) * step
        if values:
            bar(axis, values, at, colour, height=0.86 * step)
            chance = per_seed(measures, arm, level, probe, f"chance_{metric}")
            chance_mark(axis, chance, at, height=step)


def _asked(measures: Measures, what: tuple[str, str, str]) -> bool:
    return any(per_seed(measures, variant, *what) for variant in measures.variants)

"""`safelm_ladder`: what each rung of SafeLM's recipe adds, in the paper's order (S1-S5).

One panel a measurement, a bar an arm; hollow diamonds are what the paper prints, of another model
and benchmark. Below a line stand the arms that are no rung of the ladder.
"""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from experiments.bars import bar, chance_mark, legend_of_marks, name_rows
from experiments.figure_style import mark, styled
from experiments.measures import Measures
from experiments.reference.maini2025 import BASE, FINETUNED, SOURCE

RUNGS = ("baseline", "score0", "rephrase", "refuse", "moral", "safelm")
BESIDE = (
    "safelm_greedy",
    "moral_safe_beam",
    "tags_sft_only",
    "tags_sft_only_greedy",
    "tags_no_rephrase",
    "tags_no_rephrase_greedy",
    "rephrase_warning",
)
"""What tells the parts of the rungs apart; a study's other arms stand below these."""
PANELS: tuple[tuple[str, str, str, Mapping[str, float]], ...] = (
    ("finetune", "direct_chance", "after benign fine-tuning:\nharmful answers leaked", FINETUNED),
    ("prefill", "direct_chance", "with a prefill:\nharmful answers leaked", {}),
    ("completion", "chance", "base model completes\nreverse-unsafe", BASE),
)
"""Quantity, its exact chance level, what the panel is called, and what the paper prints."""

CAPTION = (
    "SafeLM's ladder: attack success after benign fine-tuning and with a prefill, and what the "
    "pretrained model completes; rungs in the paper's order, other arms below the line; mean and "
    "95 % t interval over seeds, red: exact chance. Hollow: what Maini et al. 2025 print, one run "
    "per arm (tags in SFT only and tags on raw text: “about”). Theirs are models of 1.7B "
    "parameters on jailbreak benchmarks, their base model with SafeBeam in the last rung; ours is "
    "a small model asked about this world and completes without SafeBeam: compare the order of "
    "rungs, not the digits."
)


def has_ladder(measures: Measures) -> bool:
    """Whether the study has rungs enough to be drawn: raw data and two above it."""
    rungs = [rung for rung in RUNGS if measures.has(rung, "finetune")]
    return len(rungs) >= 3 and rungs[0] == RUNGS[0]


@styled
def safelm_ladder(measures: Measures) -> Figure:
    """The rungs and, below them, the study's other arms."""
    rungs = [rung for rung in RUNGS if rung in measures.variants]
    known = (*rungs, *(arm for arm in BESIDE if arm in measures.variants))
    arms = [*known, *(arm for arm in measures.variants if arm not in known)]
    panels = [panel for panel in PANELS if any(measures.has(arm, panel[0]) for arm in arms)]
    figure = Figure(figsize=(2.6 + 2.5 * len(panels), 1.7 + 0.36 * len(arms)), layout="constrained")
    axes = figure.subplots(1, len(panels), sharex=True, sharey=True, squeeze=False)[0]
    for axis, (quantity, chance, title, printed) in zip(axes, panels, strict=True):
        for place, arm in enumerate(arms):
            _arm(axis, measures, (arm, quantity, chance), place)
            if arm in printed:
                axis.plot(printed[arm], place - 0.24, **_HOLLOW)  # clear of the interval
        if len(rungs) < len(arms):
            axis.axhline(len(rungs) - 0.5, color="#888888", linewidth=0.8)
        axis.set_title(title)
        axis.set_xlim(0, 102)
        axis.grid(axis="y", visible=False)
    name_rows(axes[0], arms)
    axes[len(panels) // 2].set_xlabel("rate on harmful prompts (%)")
    paper = Line2D([], [], label=f"{SOURCE} (other model and benchmark)", **_HOLLOW)
    figure.legend(handles=[*legend_of_marks(), paper], loc="outside lower center", ncols=3)
    return figure


_HOLLOW = {
    "marker": "D",
    "color": "#222222",
    "fillstyle": "none",
    "linestyle": "",
    "markersize": 6.0,
    "markeredgewidth": 1.3,
    "zorder": 5,
}


def _arm(axis: Axes, measures: Measures, what: tuple[str, str, str], place: int) -> None:
    arm, quantity, chance = what
    if measures.has(arm, quantity):
        bar(axis, measures.series(arm, quantity), place, mark(arm)[0])
    else:
        axis.annotate("not measured", (1, place), va="center", fontsize=7.5, color="#666666")
    if measures.has(arm, chance):
        chance_mark(axis, measures.series(arm, chance), place)

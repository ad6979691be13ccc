"""Figures drawn from measures alone: data in, `Figure` out; `save` writes PNG and SVG.

Filled marks are means over seeds with 95 % t intervals, faint marks single seeds, hollow marks
the paper's. Chance and the shuffled control are in every plot where they mean something.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, StrMethodFormatter

from experiments.bars import bar, chance_mark, legend_of_marks, name_rows, percent, whisker
from experiments.figure_style import CHANCE_COLOUR, mark, marker_size, save, styled
from experiments.measures import Measures
from experiments.reference import published
from experiments.rows import label, variant_order
from experiments.statistics import t_interval

__all__ = ["alike", "capability_bars", "learning_curves", "safety_utility", "save", "three_levels"]

Curves = Mapping[str, Sequence[Sequence[tuple[float, float]]]]
"""Variant -> one list of (tokens, loss) a seed."""


@styled
def safety_utility(measures: Measures, judge: str = "leaked") -> Figure:
    """Utility against attack success, one panel an attack (the paper's Figure 3).

    The shuffled control and chance are lines: they have a success rate but no utility worth an
    axis that reaches down to theirs.
    """
    variants = [v for v in measures.variants if v != "shuffled" and measures.has(v, "general")]
    panels = [("prefill", "Prefill attack"), ("finetune", "Benign fine-tuning attack")]
    if any(measures.has(variant, "finetune_mixsft") for variant in variants):
        panels.append(("finetune_mixsft", "Benign fine-tuning, SFT data mixed in"))
    if measures.hops > 1:
        panels.append(("finetune_safe_reverse", "Benign fine-tuning on safe reverse facts"))
    mixed = "finetune_mixsft" in dict(panels)
    figure = Figure(figsize=(2.4 + 3.6 * len(panels), 4.4), layout="constrained")
    axes = figure.subplots(1, len(panels), sharex=True, sharey=True)
    for axis, (quantity, title) in zip(axes, panels, strict=True):
        _reference_lines(axis, measures, quantity, judge)
        for variant in variants:
            _paper_point(axis, measures.hops, variant, quantity, own_panel=mixed)
            if measures.has(variant, quantity, judge):
                x, y = (
                    measures.series(variant, "general"),
                    measures.series(variant, quantity, judge),
                )
                _cross(axis, variant, x, y)
        axis.set_title(title)
        axis.set_xlabel("general accuracy (%)  →  more useful")
    axes[0].set_ylabel(f"attack success rate, {judge} (%)\nsafer  ↓")
    _frame(axes[0])
    figure.legend(handles=_point_legend(measures, variants), loc="outside right center")
    return figure


@styled
def capability_bars(measures: Measures) -> Figure:
    """What the pretrained model completes on reverse-unsafe prompts, with its chance level."""
    variants = [v for v in measures.variants if measures.has(v, "completion")]
    figure = Figure(figsize=(7.6, 0.9 + 0.42 * len(variants)), layout="constrained")
    axis = figure.subplots()
    for place, variant in enumerate(variants):
        bar(axis, measures.series(variant, "completion"), place, mark(variant)[0])
        chance_mark(axis, measures.series(variant, "chance"), place)
    name_rows(axis, variants)
    axis.set_xlim(0, 102)
    axis.set_xlabel("base model completes reverse-unsafe correctly, top 1 (%)")
    figure.legend(handles=legend_of_marks(), loc="outside lower center", ncols=2)
    return figure


@styled
def three_levels(measures: Measures) -> Figure:
    """What a model can do, does when asked, and does when pushed, side by side."""
    panels = (
        ("completion", "can\n(base completes)"),
        ("direct", "does\n(asked directly)"),
        ("prefill", "pushed:\nprefill"),
        ("stem", "pushed:\nanswer stem"),
        ("finetune", "pushed:\nbenign fine-tuning"),
    )
    if measures.hops > 1:
        panels += (("finetune_safe_reverse", "pushed: fine-tuning\non safe reverse facts"),)
    variants = list(measures.variants)
    width = 2.4 + 1.6 * len(panels)
    figure = Figure(figsize=(width, 1.5 + 0.42 * len(variants)), layout="constrained")
    axes = figure.subplots(1, len(panels), sharey=True, sharex=True)
    for axis, (quantity, title) in zip(axes, panels, strict=True):
        for place, variant in enumerate(variants):
            _level(axis, measures, variant, quantity, place)
        axis.set_title(title)
        axis.set_xlim(-5, 105)
        axis.set_xticks([0, 50, 100])
        name_rows(axis, variants)
    axes[2].set_xlabel("rate on reverse-unsafe prompts (%)")
    handles = [
        Line2D([], [], color="#333333", marker="o", linestyle="", label="leaked (or completed)"),
        Line2D(
            [], [], color="#333333", marker="o", linestyle="", fillstyle="none", label="jailbroken"
        ),
        Line2D(
            [], [], color=CHANCE_COLOUR, marker="|", linestyle="", markersize=10, label="chance"
        ),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=3)
    return figure


@styled
def learning_curves(curves: Curves) -> Figure:
    """Pretraining loss against tokens: the mean over seeds thick, each seed thin; one curve for
    arms whose curves are the same. With more curves than colours they have markers too."""
    # A legend of many arms needs its height.
    figure = Figure(figsize=(7.6, max(4.0, 0.4 + 0.2 * len(curves))), layout="constrained")
    axis = figure.subplots()
    few = len({mark(arms[0])[0] for arms in alike(curves)}) == len(alike(curves))
    for arms in alike(curves):
        seeds, (colour, marker) = curves[arms[0]], mark(arms[0])
        for seed in seeds:
            axis.plot(
                [t / 1e6 for t, _ in seed],
                [loss for _, loss in seed],
                color=colour,
                alpha=0.25,
                linewidth=0.7,
            )
        mean = _mean_curve(seeds)
        named = ";\n".join(map(label, arms))
        axis.plot(
            *zip(*mean, strict=True),
            color=colour,
            marker=None if few else marker,
            markevery=0.1,
            markersize=5,
            linewidth=1.8,
            label=named,
        )
    axis.set_xlabel("pretraining tokens (millions)")
    axis.set_ylabel("loss (nats per token)")
    # Most of the fall is over in the first tenth; on two log axes the arms come apart.
    axis.set_xscale("log")
    axis.set_yscale("log")
    # Tokens span decades: labels at more than the powers of ten would run together.
    for ticks, subs in ((axis.xaxis, (1.0,)), (axis.yaxis, (1.0, 2.0, 5.0))):
        ticks.set_major_locator(LogLocator(subs=subs))
        ticks.set_major_formatter(StrMethodFormatter("{x:g}"))
        ticks.set_minor_formatter(NullFormatter())
    figure.legend(loc="outside right center")
    return figure


def alike(curves: Mapping[str, Sequence[Sequence[Sequence[float]]]]) -> list[tuple[str, ...]]:
    """The arms in the order of tables, those together whose curves are equal number by number:
    they share their pretraining, so that one would hide the other."""
    found: dict[tuple[Any, ...], list[str]] = {}
    for variant in sorted(curves, key=variant_order):
        points = tuple(tuple(map(tuple, seed)) for seed in curves[variant])
        found.setdefault(points, []).append(variant)
    return [tuple(arms) for arms in found.values()]


def _mean_curve(seeds: Sequence[Sequence[tuple[float, float]]]) -> list[tuple[float, float]]:
    """Mean loss at the token counts that every seed logged, in millions of tokens."""
    if not seeds or not all(seeds):
        raise ValueError("a learning curve without points")
    losses = [dict(seed) for seed in seeds]
    shared = sorted(set(losses[0]).intersection(*losses[1:]))
    if not shared:
        raise ValueError("the seeds' learning curves share no token count to average at")
    return [(t / 1e6, sum(seed[t] for seed in losses) / len(losses)) for t in shared]


def _cross(axis: Axes, variant: str, x: Sequence[float], y: Sequence[float]) -> None:
    """Mean with intervals both ways, and the seeds behind it."""
    colour, marker = mark(variant)
    xs, ys = percent(x), percent(y)
    axis.plot(xs, ys, marker, color=colour, markersize=4, alpha=0.28, markeredgewidth=0)
    across, up = t_interval(xs), t_interval(ys)
    axis.errorbar(
        across.mean,
        up.mean,
        xerr=across.half_width or 0.0,
        yerr=up.half_width or 0.0,
        color=colour,
        marker=marker,
        markersize=marker_size(marker),
        capsize=2.5,
        elinewidth=1.2,
        linestyle="",
        zorder=4,
    )


def _frame(axis: Axes) -> None:
    """Show zero, cut intervals at what a rate can be, and do not magnify small differences."""
    axis.set_ylim(-3, min(max(axis.get_ylim()[1], 25), 104))
    low, high = axis.get_xlim()
    slack = max(0.0, 20 - (high - low)) / 2
    axis.set_xlim(max(low - slack, -3), min(high + slack, 103))
    axis.xaxis.set_major_locator(MaxNLocator(5, integer=True))


def _paper_point(axis: Axes, hops: int, variant: str, quantity: str, own_panel: bool) -> None:
    """The paper's reflective models were fine-tuned with SFT data mixed in: `own_panel` says
    whether that has its own panel. Without a printed utility a setting has no place here."""
    paper = published(hops).get(variant)
    if paper is None or paper.general is None or quantity == "finetune_safe_reverse":
        return
    if quantity != "prefill" and own_panel and paper.mixed != (quantity == "finetune_mixsft"):
        return
    rate = paper.prefill if quantity == "prefill" else paper.finetune
    if rate is None:
        return
    colour, marker = mark(variant)
    axis.plot(
        paper.general,
        rate,
        marker,
        color=colour,
        fillstyle="none",
        markersize=marker_size(marker) + 1,
        markeredgewidth=1.3,
        zorder=3,
    )


def _reference_lines(axis: Axes, measures: Measures, quantity: str, judge: str) -> None:
    level = measures.chance_level()
    if level is not None:
        axis.axhline(100 * level, color=CHANCE_COLOUR, linestyle="--", linewidth=1)
    if measures.has("shuffled", quantity, judge):
        interval = t_interval(percent(measures.series("shuffled", quantity, judge)))
        colour = mark("shuffled")[0]
        axis.axhline(interval.mean, color=colour, linestyle=":", linewidth=1.4)
        if interval.low is not None and interval.high is not None:
            axis.axhspan(interval.low, interval.high, color=colour, alpha=0.15, linewidth=0)


def _point_legend(measures: Measures, variants: Sequence[str]) -> list[Line2D]:
    handles = []
    for variant in variants:
        colour, marker = mark(variant)
        paper = published(measures.hops).get(variant)
        entries = [("full", label(variant))]
        if paper is not None and paper.general is not None:
            entries.append(("none", f"{label(variant)} (paper)"))
        for fill, text in entries:
            handle = Line2D([], [], color=colour, marker=marker, linestyle="", label=text)
            handle.set(fillstyle=fill, markersize=marker_size(marker))
            handles.append(handle)
    if "shuffled" in measures.variants:
        grey, name = mark("shuffled")[0], label("shuffled")
        handles.append(Line2D([], [], color=grey, linestyle=":", label=name))
    handles.append(Line2D([], [], color=CHANCE_COLOUR, linestyle="--", label="chance"))
    return handles


def _level(axis: Axes, measures: Measures, variant: str, quantity: str, place: int) -> None:
    """Leaked above the row's centre, jailbroken below it, so that equal rates stay visible."""
    colour, marker = mark(variant)
    capability = quantity == "completion"
    for judge, shift in (("leaked", -0.17), ("jailbroken", 0.17)):
        if (capability and judge != "leaked") or not measures.has(variant, quantity, judge):
            continue
        interval = t_interval(percent(measures.series(variant, quantity, judge)))
        height = place if capability else place + shift
        whisker(axis, interval, height, colour)
        axis.plot(
            interval.mean,
            height,
            marker,
            color=colour,
            markerfacecolor=colour if judge == "leaked" else "white",
            markersize=0.7 * marker_size(marker),
        )
    expected = "chance" if capability else "direct_chance"
    if measures.has(variant, expected):
        chance = t_interval(percent(measures.series(variant, expected))).mean
        axis.vlines(
            chance, place - 0.35, place + 0.35, colors=CHANCE_COLOUR, linewidth=1.2, zorder=1
        )

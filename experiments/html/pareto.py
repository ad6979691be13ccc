"""Utility against attack success, a panel an attack: means, intervals both ways, and the front.

The paper's Figure 3, for every judge and every attack of the study.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from experiments.elicited import BUILT_IN, Elicited
from experiments.gains import SHUFFLED
from experiments.html.elements import Markup, element
from experiments.html.svg import (
    Scale,
    across,
    bounds,
    chart,
    frame,
    legend,
    segment,
    shape,
    telling,
    text,
    ticks,
    told,
    upward,
    whiskers,
)
from experiments.html.tabs import tabs
from experiments.measures import JUDGES, Measures
from experiments.rows import label
from experiments.statistics import Interval, t_interval

PANELS = {
    "prefill": "Prefill (the larger of two)",
    "stem": "Answer stem (the largest)",
    "finetune": "Benign fine-tuning",
    "finetune_mixsft": "Benign fine-tuning, SFT mixed in",
    "finetune_safe_reverse": "Benign fine-tuning, safe reverse",
}
ALIKE = 1.0
"""Chances of arms within so many points of each other are one line."""

Point = tuple[Interval, Interval, Sequence[float], Sequence[float]]


@dataclass(frozen=True)
class Panel:
    """Success by arm and seed under one attack, a fraction, and the chance of each arm in percent;
    without chances where the largest rate over several attacks is shown."""

    title: str
    rates: Mapping[str, Mapping[int, float]]
    chances: Mapping[str, float]


def pareto(measures: Measures) -> Markup:
    """The panels, with a choice of the judge; nothing if the study asked no benign questions."""
    arms = [arm for arm in measures.variants if arm != SHUFFLED and measures.has(arm, "general")]
    if not arms:
        return Markup()
    judged = {judge: _panels(measures, arms, judge) for judge in JUDGES}
    shown = {judge: element("div", each, class_="grid") for judge, each in judged.items() if each}
    if not shown:
        return Markup()
    return element("div", legend(arms), tabs("judge", shown))


def _panels(measures: Measures, arms: Sequence[str], judge: str) -> list[Markup]:
    """A panel for each attack that this judge judged."""
    found, panels = Elicited(measures, judge), []
    every = (*arms, SHUFFLED)
    if any(attack.family not in BUILT_IN for attack in found.attacks):
        strongest = {arm: found.strongest(arm) for arm in every}
        panels.append(Panel("The strongest of all attacks", strongest, {}))
    for quantity, title in PANELS.items():
        rates = {
            arm: dict(zip(measures.seeds(arm), measures.series(arm, quantity, judge), strict=True))
            for arm in every
            if measures.has(arm, quantity, judge)
        }
        # No probe is called so: the chance is that of the plain questions.
        panels.append(Panel(title, rates, _chances(found, quantity, arms)))
    for attack in found.attacks:
        if attack.probe == attack.family:  # an instrument without knobs, at its full budget
            rates = {arm: found.rates(attack.probe, arm) for arm in every}
            panels.append(Panel(attack.probe, rates, _chances(found, attack.probe, arms)))
    return [
        _panel(measures, each, arms, judge)
        for each in panels
        if any(each.rates.get(arm) for arm in arms)
    ]


def _chances(found: Elicited, probe: str, arms: Sequence[str]) -> dict[str, float]:
    """The chance of each arm under an attack in percent, mean over seeds."""
    by_arm = {arm: found.chances(probe, arm) for arm in arms}
    return {
        arm: 100 * math.fsum(seeds.values()) / len(seeds) for arm, seeds in by_arm.items() if seeds
    }


def _panel(measures: Measures, panel: Panel, arms: Sequence[str], judge: str) -> Markup:
    title, rates = panel.title, panel.rates
    points = _points(measures, arms, rates)
    chances = {arm: panel.chances[arm] for arm in points if arm in panel.chances}
    lows = [min(*seeds, x.mean if x.low is None else x.low) for x, _, seeds, _ in points.values()]
    highs = [x.mean if x.high is None else x.high for x, _, _, _ in points.values()]
    low, high = max(min(lows) - 4, 0), min(max(highs) + 4, 100)
    if high - low < 20:
        low, high = (max(high - 20, 0), high) if high > 50 else (low, low + 20)
    top = max(max(*seeds, y.high or y.mean) for _, y, _, seeds in points.values())
    top = max([top, *chances.values()])
    x = across(low, high)
    y = upward(0, min(max(top + 4, 25), 100))
    parts = [
        frame(
            x,
            y,
            x_ticks=ticks(x.low, x.high, 5),
            y_ticks=ticks(y.low, y.high),
            x_title="general accuracy (%)  →  more useful",
            y_title=f"{judge} (%)  ↓  safer",
        ),
        _chance(chances, points, x, y),
        _control(rates.get(SHUFFLED, {}), x, y),
        _front(points, x, y),
    ]
    parts += [_mark(arm, points[arm], x, y, title, judge) for arm in arms if arm in points]
    return element("div", element("h4", title), chart(f"{title}: accuracy against {judge}", parts))


def _points(
    measures: Measures, arms: Sequence[str], rates: Mapping[str, Mapping[int, float]]
) -> dict[str, Point]:
    """(accuracy, success) of each arm, over the seeds in which it was attacked, in percent."""
    found: dict[str, Point] = {}
    for arm in arms:
        seeds = sorted(rates.get(arm, {}))
        if seeds:
            useful = [100 * measures.value(arm, seed, "general") for seed in seeds]
            success = [100 * rates[arm][seed] for seed in seeds]
            found[arm] = (t_interval(useful), t_interval(success), useful, success)
    return found


def _mark(arm: str, point: Point, x: Scale, y: Scale, title: str, judge: str) -> Markup:
    useful, success, *seeds = point
    at = x.at(useful.mean), y.at(success.mean)
    singles = [
        element("circle", cx=f"{x.at(a):g}", cy=f"{y.at(b):g}", r=1.8, class_="seed")
        for a, b in zip(*seeds, strict=True)
    ]
    said = (
        f"{label(arm)}\n{title}, {judge}: {told(success)}\ngeneral accuracy: {told(useful)}\n"
        f"by seed: {', '.join(f'{value:.0f}' for value in seeds[1])}"
    )
    return telling(
        said,
        singles,
        whiskers(*at, across=bounds(x, useful), up=bounds(y, success)),
        shape(arm, *at),
        arm=arm,
    )


def _front(points: Mapping[str, Point], x: Scale, y: Scale) -> Markup:
    """A line through the arms whose means no other arm beats in both."""
    means = [(a.mean, b.mean) for a, b, _, _ in points.values()]
    best = sorted(
        mean
        for mean in set(means)
        if not any(other != mean and other[0] >= mean[0] and other[1] <= mean[1] for other in means)
    )
    steps = [f"M{x.at(best[0][0]):g} {y.at(best[0][1]):g}"]
    steps += [f"L{x.at(a):g} {y.at(b):g}" for a, b in best[1:]]
    return element("path", d="".join(steps), class_="front")


def _chance(
    chances: Mapping[str, float], points: Mapping[str, Point], x: Scale, y: Scale
) -> Markup | None:
    """One line where all arms' questions are as easy to guess, else a dash above or below each."""
    if not chances:
        return None
    said = "chance of one who names a compound in every answer"
    levels = list(chances.values())
    if max(levels) - min(levels) <= ALIKE:
        level = math.fsum(levels) / len(levels)
        height = y.at(level)
        return telling(
            f"{said}: {level:.1f} %",
            segment(x.start, height, x.end, height, "chance"),
            text(x.start + 4, height - 4, "chance", class_="chance-label"),
            class_="line",
        )
    dashes = []
    for arm, level in chances.items():
        at, height = x.at(points[arm][0].mean), y.at(level)
        dash = segment(max(at - 9, x.start), height, min(at + 9, x.end), height, "chance")
        dashes.append(telling(f"{label(arm)}\n{said}: {level:.1f} %", dash, arm=arm, class_="line"))
    return element("g", dashes)


def _control(rates: Mapping[int, float], x: Scale, y: Scale) -> Markup | None:
    """The shuffled control: its utility lies far below all others', so it is a line."""
    if not rates:
        return None
    interval = t_interval([100 * rates[seed] for seed in sorted(rates)])
    height = y.at(interval.mean)
    return telling(
        f"{label(SHUFFLED)}: {told(interval)}",
        segment(x.start, height, x.end, height, "control-line"),
        arm=SHUFFLED,
        class_="line",
    )

"""Reliability of verdicts: of texts called unsafe with some probability, how many are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from experiments.html.curves import Axes, Line, Points, line_chart, with_legend
from experiments.html.elements import Markup, details, element
from experiments.html.svg import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Scale, ticks
from experiments.rows import variant_order
from experiments.statistics import t_interval

BINS = 10
"""Equal bins of probability, as instruments record them."""
Records = Mapping[str, Mapping[str, Mapping[str, Mapping[str, Any]]]]
"""Instrument as text -> arm -> seed -> its record."""


def reliability_charts(records: Records) -> Markup:
    """A chart for each kind of text and of truth, a curve an arm; the dashed diagonal is perfect.
    Nothing where no record has a `reliability`."""
    charts: list[Markup] = []
    named: set[str] = set()
    for text, arms in sorted(records.items()):
        curves = {
            (probe, truth): None
            for seeds in arms.values()
            for record in seeds.values()
            for probe, truths in record.get("reliability", {}).items()
            for truth in truths
        }
        for probe, truth in sorted(curves):
            lines = [
                Line(arm, points)
                for arm in sorted(arms, key=variant_order)
                if (points := _curve(_bins(arms[arm].values(), probe, truth)))
            ]
            named |= {line.arm for line in lines}
            title = f"{text.partition('(')[0]}:{probe}, {truth.replace('_', ' ')}"
            charts += [element("div", element("h4", title), _chart(title, lines))] if lines else []
    shown = with_legend(charts, sorted(named, key=variant_order))
    return details(f"{len(charts)} reliability curves", shown) if charts else Markup()


def _bins(
    records: Iterable[Mapping[str, Any]], probe: str, truth: str
) -> Iterable[Sequence[Sequence[float]]]:
    """The bins of each seed: mean probability of Unsafe, share truly so, texts."""
    for record in records:
        bins = record.get("reliability", {}).get(probe, {}).get(truth)
        if bins:
            yield bins


def _curve(seeds: Iterable[Sequence[Sequence[float]]]) -> Points:
    """In percent, the middle of each bin and the share of its texts that are unsafe, over the seeds
    that have any there."""
    found: dict[int, list[float]] = {}
    for bins in seeds:
        for mean, share, _ in bins:
            found.setdefault(min(int(mean * BINS), BINS - 1), []).append(100 * share)
    return [((place + 0.5) * 100 / BINS, t_interval(found[place])) for place in sorted(found)]


def _chart(title: str, lines: Sequence[Line]) -> Markup:
    x = Scale(0, 100, LEFT, WIDTH - RIGHT, pad=14)
    y = Scale(0, 100, HEIGHT - BOTTOM, TOP)
    numbers = ticks(0, 100)
    axes = Axes(x, y, numbers, numbers, "probability of Unsafe (%)", "truly unsafe (%)")
    return line_chart(title, axes, lines, [(0.0, 0.0), (100.0, 100.0)], "as often so as probable")

"""Reliability of verdicts: of texts called unsafe with some probability, how many are."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from experiments.html.curves import Axes, Line, Points, line_chart, with_legend
from experiments.html.elements import Markup, details, element
from experiments.html.svg import across, ticks, upward
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
    for _, arms in sorted(records.items()):
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
            title = f"{probe}, {truth.replace('_', ' ')}"
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
    """In percent, for each bin the mean probability of its texts and the share that is unsafe, both
    over the seeds that have any there. Verdicts are hardly ever in the middle of a bin."""
    means: dict[int, list[float]] = {}
    shares: dict[int, list[float]] = {}
    for bins in seeds:
        for mean, share, _ in bins:
            place = min(int(mean * BINS), BINS - 1)
            means.setdefault(place, []).append(100 * mean)
            shares.setdefault(place, []).append(100 * share)
    return [
        (round(math.fsum(means[place]) / len(means[place]), 1), t_interval(shares[place]))
        for place in sorted(means)
    ]


def _chart(title: str, lines: Sequence[Line]) -> Markup:
    x = across(0, 100, pad=14)
    y = upward(0, 100)
    numbers = ticks(0, 100)
    axes = Axes(x, y, numbers, numbers, "probability of Unsafe (%)", "truly unsafe (%)")
    return line_chart(title, axes, lines, [(0.0, 0.0), (100.0, 100.0)], "as often so as probable")

"""Reliability of verdicts, drawn: of texts called unsafe with some probability, how many are."""

from __future__ import annotations

from collections.abc import Sequence

from experiments.evidence import Records
from experiments.html.curves import Axes, Line, line_chart, with_legend
from experiments.html.elements import Markup, details, element
from experiments.html.svg import across, ticks, upward
from experiments.probe_reliability import reliability_curves
from experiments.rows import variant_order


def reliability_charts(records: Records) -> Markup:
    """A chart for each kind of text and of truth, a curve an arm; the dashed diagonal is perfect.
    Nothing where no record has a `reliability`."""
    charts: list[Markup] = []
    named: set[str] = set()
    for probe, truth, curves in reliability_curves(records):
        named |= curves.keys()
        title = f"{probe}, {truth.replace('_', ' ')}"
        lines = [
            Line(arm, [(each.probability, each.unsafe) for each in bins])
            for arm, bins in curves.items()
        ]
        charts.append(element("div", element("h4", title), _chart(title, lines)))
    shown = with_legend(charts, sorted(named, key=variant_order))
    return details(f"{len(charts)} reliability curves", shown) if charts else Markup()


def _chart(title: str, lines: Sequence[Line]) -> Markup:
    x = across(0, 100, pad=14)
    y = upward(0, 100)
    numbers = ticks(0, 100)
    axes = Axes(x, y, numbers, numbers, "probability of Unsafe (%)", "truly unsafe (%)")
    return line_chart(title, axes, lines, [(0.0, 0.0), (100.0, 100.0)], "as often so as probable")

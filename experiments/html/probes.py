"""What was found inside the models and by probing them: each metric beside its control and chance,
and curves over layers or other numbers.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

from experiments.html.curves import Axes, Line, line_chart, rate_axes, with_legend
from experiments.html.elements import Cell, Markup, details, element, joined, table
from experiments.html.svg import ticks
from experiments.knobs import family, series
from experiments.levels import fewer, signed
from experiments.measures import Measures
from experiments.probe_measures import NET, Key, Probed, difference_name, probed
from experiments.rows import label, variant_order
from experiments.statistics import Interval
from experiments.tables import plus_minus, span

MANY = 6
"""More curves than these open with a click."""


def probes_section(measures: Measures) -> Markup:
    """A table and curves for each instrument; nothing without probes."""
    found = probed(measures)
    seeds = len({row.seed for row in measures.rows})
    families = dict.fromkeys(family(probe) for _, probe, _ in found)
    return joined(
        _family(name, {key: each for key, each in found.items() if family(key[1]) == name}, seeds)
        for name in families
    )


def _family(name: str, found: dict[Key, Probed], seeds: int) -> Markup:
    arms = sorted(
        {arm for each in found.values() for arms in each.metrics.values() for arm in arms},
        key=variant_order,
    )
    rows = [
        row
        for key, each in found.items()
        for metric in each.shown
        for row in _rows(key, each, metric, arms, seeds)
    ]
    head = ("probe", "level", "category", "metric", "n a seed", *map(label, arms))
    drawn = list(_charts(found, arms))
    charts = with_legend(drawn, arms)
    if len(drawn) > MANY:
        charts = details(f"{len(drawn)} curves", charts)
    shown = table(head, rows)
    return element(
        "div",
        element("h3", name),
        element("p", _description(name)),
        charts,
        details(f"{len(rows)} rows", shown) if charts or len(rows) > 16 else shown,
    )


def _description(name: str) -> str:
    from experiments.instruments import REGISTRY

    return REGISTRY[name].description() if name in REGISTRY else ""


def _rows(key: Key, each: Probed, metric: str, arms: Sequence[str], seeds: int) -> list[list[Cell]]:
    """The metric with control and chance below its value, then how far it is above its control; of
    `NET` that alone, with both rates below it."""
    level, probe, category = key
    names = [Cell(element("code", probe), probe), Cell(level), Cell(category)]
    n = Cell(span(sorted(each.prompts[metric])), max(each.prompts[metric]))
    rows = []
    if metric not in NET:
        rows.append([*names, Cell(metric), n, *(_value(each, metric, arm, seeds) for arm in arms)])
    if metric in NET or any(each.gap(metric, arm) for arm in arms):
        cells = [_gap(each, metric, arm, seeds) for arm in arms]
        rows.append([*names, Cell(f"{difference_name(metric)}, points"), n, *cells])
    return rows


def _gap(each: Probed, metric: str, arm: str, seeds: int) -> Cell:
    gap = each.gap(metric, arm)
    if gap is None:
        return Cell("–", float("-inf"))
    said = signed(gap) + fewer(gap.n, seeds)
    rates = [(name, each.interval(name, arm)) for name in (metric, each.control(metric) or "")]
    small = " · ".join(f"{name} {rate.mean:.1f}" for name, rate in rates if rate is not None)
    shown = joined([said, element("small", small) if metric in NET else None])
    return Cell(shown, round(gap.mean, 4))


def _value(each: Probed, metric: str, arm: str, seeds: int) -> Cell:
    interval = each.interval(metric, arm)
    if interval is None:
        return Cell("–", float("-inf"))
    beside = (
        ("control", each.control(metric)),
        ("chance", each.chance(metric)),
        ("same answer to all", each.same(metric)),
        ("verdict mass", each.mass(metric)),
    )
    small = " · ".join(
        f"{word} {other.mean:.1f}"
        for word, name in beside
        if name is not None and (other := each.interval(name, arm)) is not None
    )
    said = plus_minus(interval) + fewer(interval.n, seeds)
    shown = joined([said, element("small", small) if small else None])
    return Cell(shown, round(interval.mean, 4))


def _charts(found: dict[Key, Probed], arms: Sequence[str]) -> Iterable[Markup]:
    """A chart for each series of numbered probes, category and metric; controls are dashed. Of
    `NET` the difference from the control."""
    places = dict.fromkeys((level, category) for level, _, category in found)
    for level, category in places:
        points = series(probe for at, probe, other in found if (at, other) == (level, category))
        for name, knobs in points.items():
            each = [(knob.value, found[level, knob.probe, category]) for knob in knobs]
            for metric in each[0][1].shown:
                lines = list(_lines(each, metric, arms))
                if lines:
                    values = [value for value, _ in each]
                    chance, called, said = _chances(each, metric), "chance", metric
                    axes = rate_axes(values, lines, knobs[0].name, f"{metric} (%)", chance)
                    if metric in NET:
                        said, called = difference_name(metric), "no difference"
                        chance = [(min(values), 0.0), (max(values), 0.0)]
                        axes = _around_zero(axes, lines, f"{said} (points)")
                    title = f"{name}, {category}: {said}"
                    picture = line_chart(title, axes, lines, chance, called)
                    yield element("div", element("h4", title), picture)


def _around_zero(axes: Axes, lines: Sequence[Line], y_title: str) -> Axes:
    """The same axes for differences, which may be negative."""
    lows = [b.mean if b.low is None else b.low for line in lines for _, b in line.points]
    y = replace(axes.y, low=min(0.0, *lows), high=max(axes.y.high, 10.0))
    return replace(axes, y=y, y_ticks=ticks(y.low, y.high), y_title=y_title, unit=" points")


def _chances(points: Sequence[tuple[float, Probed]], metric: str) -> list[tuple[float, float]]:
    """The chance level at each number in percent, mean over arms and seeds."""
    found: list[tuple[float, float]] = []
    for value, each in points:
        arms = each.metrics.get(each.chance(metric) or "", {})
        rates = [rate for seeds in arms.values() for rate in seeds.values()]
        if rates:
            found.append((value, 100 * math.fsum(rates) / len(rates)))
    return found


def _lines(
    points: Sequence[tuple[float, Probed]], metric: str, arms: Sequence[str]
) -> Iterable[Line]:
    def at(each: Probed, arm: str, control: bool) -> Interval | None:
        if metric in NET:
            return None if control else each.gap(metric, arm)
        return each.interval(each.control(metric) if control else metric, arm)

    for arm in arms:
        for control in (True, False):
            own = [
                (value, interval)
                for value, each in points
                if (interval := at(each, arm, control)) is not None
            ]
            if len(own) > 1:
                yield Line(arm, own, ", control" if control else "", control)

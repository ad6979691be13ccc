"""What was found inside the models and by probing them: each metric beside its control and chance,
and curves over layers or other numbers.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from experiments.elicited import kind
from experiments.html.curves import Line, line_chart, rate_axes, with_legend
from experiments.html.elements import Cell, Markup, details, element, joined, table
from experiments.knobs import family, series
from experiments.levels import fewer, signed
from experiments.measures import Measures
from experiments.rows import label, variant_order
from experiments.statistics import Interval, t_interval
from experiments.tables import plus_minus, span

MANY = 6
"""More curves than these open with a click."""
Key = tuple[str, str, str]
"""Level, probe, category."""


@dataclass(frozen=True)
class Probed:
    """One probe on one category: metric -> arm -> seed -> rate, and its numbers of prompts."""

    metrics: dict[str, dict[str, dict[int, float]]] = field(default_factory=dict)
    prompts: dict[str, set[int]] = field(default_factory=dict)

    def control(self, metric: str) -> str | None:
        """The metric that the same probe has on labels that mean nothing."""
        return self._beside(metric, "control")

    def chance(self, metric: str) -> str | None:
        """The metric's chance level."""
        return self._beside(metric, "chance")

    def _beside(self, metric: str, word: str) -> str | None:
        names = (f"{word}_{metric}", f"{metric}_{word}", word)
        return next((name for name in names if name in self.metrics and name != metric), None)

    @property
    def shown(self) -> tuple[str, ...]:
        """The metrics that are no other's control or chance."""
        others = {each(name) for name in self.metrics for each in (self.control, self.chance)}
        return tuple(sorted(self.metrics.keys() - others))

    def interval(self, metric: str | None, arm: str) -> Interval | None:
        """Mean and interval in percent; None where it was not measured."""
        rates = self.metrics.get(metric or "", {}).get(arm)
        return t_interval([100 * rates[seed] for seed in sorted(rates)]) if rates else None

    def selectivity(self, metric: str, arm: str) -> Interval | None:
        """The metric minus its control in points, over the seeds that have both."""
        ours = self.metrics[metric].get(arm, {})
        theirs = self.metrics.get(self.control(metric) or "", {}).get(arm, {})
        seeds = sorted(ours.keys() & theirs.keys())
        return t_interval([100 * (ours[s] - theirs[s]) for s in seeds]) if seeds else None


def probed(measures: Measures) -> dict[Key, Probed]:
    """Everything that instruments of kind probe measured, and all of level inside."""
    found: dict[Key, Probed] = {}
    for row in measures.rows:
        wanted = row.level == "inside" or kind(family(row.probe)) == "probe"
        if wanted and "|" not in row.metric:
            each = found.setdefault((row.level, row.probe, row.category), Probed())
            arms = each.metrics.setdefault(row.metric, {})
            arms.setdefault(row.variant, {})[row.seed] = row.value
            each.prompts.setdefault(row.metric, set()).add(row.n)
    return dict(sorted(found.items()))


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
    """The metric with control and chance below its value, then its selectivity."""
    level, probe, category = key
    names = [Cell(element("code", probe), probe), Cell(level), Cell(category)]
    n = Cell(span(sorted(each.prompts[metric])), max(each.prompts[metric]))
    rows = [[*names, Cell(metric), n, *(_value(each, metric, arm, seeds) for arm in arms)]]
    selective = {arm: each.selectivity(metric, arm) for arm in arms}
    if any(selective.values()):
        cells = [
            Cell("–", float("-inf")) if gap is None else Cell(signed(gap), round(gap.mean, 4))
            for gap in selective.values()
        ]
        rows.append([*names, Cell("selectivity, points"), n, *cells])
    return rows


def _value(each: Probed, metric: str, arm: str, seeds: int) -> Cell:
    interval = each.interval(metric, arm)
    if interval is None:
        return Cell("–", float("-inf"))
    beside = (("control", each.control(metric)), ("chance", each.chance(metric)))
    small = " · ".join(
        f"{word} {other.mean:.1f}"
        for word, name in beside
        if name is not None and (other := each.interval(name, arm)) is not None
    )
    said = plus_minus(interval) + fewer(interval.n, seeds)
    shown = joined([said, element("small", small) if small else None])
    return Cell(shown, round(interval.mean, 4))


def _charts(found: dict[Key, Probed], arms: Sequence[str]) -> Iterable[Markup]:
    """A chart for each series of numbered probes, category and metric; controls are dashed."""
    places = dict.fromkeys((level, category) for level, _, category in found)
    for level, category in places:
        points = series(probe for at, probe, other in found if (at, other) == (level, category))
        for name, knobs in points.items():
            each = [(knob.value, found[level, knob.probe, category]) for knob in knobs]
            for metric in each[0][1].shown:
                lines = list(_lines(each, metric, arms))
                if lines:
                    title = f"{name}, {category}: {metric}"
                    values = [value for value, _ in each]
                    chance = _chances(each, metric)
                    axes = rate_axes(values, lines, knobs[0].name, f"{metric} (%)", chance)
                    yield element(
                        "div", element("h4", title), line_chart(title, axes, lines, chance)
                    )


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
    for arm in arms:
        for control in (True, False):
            own = [
                (value, interval)
                for value, each in points
                if (interval := each.interval(each.control(metric) if control else metric, arm))
            ]
            if len(own) > 1:
                yield Line(arm, own, ", control" if control else "", control)

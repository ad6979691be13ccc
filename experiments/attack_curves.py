"""Curves of attacks, as data: leaks over what an attack is given, and what searches minimise.

In: measures, and the records of instruments. Out: panels that the page and the report's figure
draw. Rates are in percent, losses in nats per token; intervals are over seeds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from experiments.curves import Line
from experiments.elicited import Elicited, kind
from experiments.evidence import Records
from experiments.held_against import RANDOM, control_of
from experiments.knobs import Knob, family, series
from experiments.rows import variant_order
from experiments.statistics import Interval, t_interval

WIDE = 8.0
"""Knobs that span more than this factor are drawn by their logarithm."""
COUNTED = {
    "adversarial": "harmful pairs",
    "adversarial_epochs": "epochs",
    "adversarial_mixsft": "share of SFT data",
    "low_rank": "rank",
}
"""What numbers count where no probe of the series says."""
TITLE = "Curves over what an attack is given"
PICTURE = "attack_curves"
"""The file, without its ending, that the report's figure is in."""
CAPTION = (
    "Percent of harmful questions leaked over what an attack is given, and the loss of the target "
    "over the steps of each search: means over the seeds that have the "
    "point, bands 95 % t intervals. Dashed: the control "
    "of equal budget (shots: as many turns asked forward; searches: random search). Dotted red: "
    "chance"
)


@dataclass(frozen=True)
class Panel:
    """The curves of one attack. over, of: what the axes count. chance: (x, y), mean over arms.
    percent: whether y is a rate."""

    title: str
    over: str
    of: str
    lines: tuple[Line, ...]
    chance: tuple[tuple[float, float], ...] = ()
    percent: bool = True

    @property
    def values(self) -> tuple[float, ...]:
        """Every x that has a point, rising."""
        return tuple(sorted({at for line in self.lines for at, _ in line.points}))

    @property
    def wide(self) -> bool:
        """Whether x is a knob that spans so much that its logarithm is drawn."""
        least = min((value for value in self.values if value > 0), default=1.0)
        return self.percent and self.values[-1] / least > WIDE


def attack_panels(found: Elicited, records: Records) -> tuple[Panel, ...]:
    """What the report's figure shows: attacks that differ in a number, then searches."""
    attacks = [probe for probe in found.probes if kind(family(probe)) == "attack"]
    return (*knob_panels(found, attacks), *loss_panels(records))


def knob_panels(
    found: Elicited, probes: Sequence[str], *, right: bool = False
) -> tuple[Panel, ...]:
    """A panel for each series of probes with a number: leaks against the number, their controls,
    and where `right` correct answers to benign questions."""
    panels: list[Panel] = []
    for name, points in series(probes).items():
        beside = {point: control_of(point.probe, found.probes) for point in points}
        lines: list[Line] = []
        for arm in found.measures.variants:
            curves = {
                "": {point: found.rates(point.probe, arm) for point in points},
                ", its control": {
                    point: found.rates(own, arm) for point, own in beside.items() if own
                },
                ", right answers to benign questions": {
                    point: found.right(point.probe, arm) for point in points if right
                },
            }
            lines += [
                Line(arm, values, said, control=bool(said))
                for said, rates in curves.items()
                if len(values := _over(rates)) > 1
            ]
        if lines:
            chance = tuple(
                (point.value, 100 * level)
                for point in points
                if (level := found.chance(point.probe)) is not None
            )
            # Controls beneath what they are beside.
            ordered = sorted(lines, key=lambda line: not line.control)
            over = COUNTED.get(name, points[0].name)
            panels.append(Panel(name, over, f"{found.judge} (%)", tuple(ordered), chance))
    return tuple(panels)


def loss_panels(records: Records) -> tuple[Panel, ...]:
    """A panel for each search that recorded its loss by step; that of random search is a
    control's."""
    panels: list[Panel] = []
    for text, arms in sorted(records.items()):
        lines = [
            Line(arm, points, f", {probe}", control=probe.endswith(f":{RANDOM}"))
            for arm in sorted(arms, key=variant_order)
            for probe, points in _steps(arms[arm].values()).items()
        ]
        if lines:
            said = "loss of the target (nats per token)"
            panels.append(Panel(text, "step", said, tuple(lines), percent=False))
    return tuple(panels)


def shared(panels: Sequence[Panel]) -> tuple[Panel, ...]:
    """The panels with one line for arms whose lines are the same in every panel: one would hide the
    other."""
    drawn: dict[str, list[object]] = {}
    for place, panel in enumerate(panels):
        for line in panel.lines:
            drawn.setdefault(line.arm, []).append((place, line.what, tuple(line.points)))
    groups: dict[tuple[object, ...], list[str]] = {}
    for arm in sorted(drawn, key=variant_order):
        groups.setdefault(tuple(drawn[arm]), []).append(arm)
    also = {first: tuple(others) for first, *others in groups.values()}
    return tuple(
        replace(
            panel,
            lines=tuple(
                replace(line, also=also[line.arm]) for line in panel.lines if line.arm in also
            ),
        )
        for panel in panels
    )


def _over(rates: Mapping[Knob, Mapping[int, float]]) -> list[tuple[float, Interval]]:
    """The interval in percent at each number that was tried."""
    return [
        (point.value, t_interval([100 * rate for rate in by_seed.values()]))
        for point, by_seed in rates.items()
        if by_seed
    ]


def _steps(records: Iterable[Mapping[str, Any]]) -> dict[str, list[tuple[float, Interval]]]:
    """Mean loss and interval by step of each probe, over the seeds."""
    found: dict[str, list[list[float]]] = {}
    for record in records:
        losses = record.get("loss")
        for probe, values in losses.items() if isinstance(losses, dict) else ():
            if isinstance(values, list) and len(values) > 1:
                found.setdefault(str(probe), []).append([float(value) for value in values])
    return {
        probe: [
            (float(step), t_interval(values))
            for step, values in enumerate(zip(*curves, strict=False))
        ]
        for probe, curves in found.items()
    }

"""Probes whose names end in a number, e.g. `shots:2`, `prefix:k=3`: points of curves."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_KNOB = re.compile(r"([^:]+):(?:(.*?)=)?(\d+(?:\.\d+)?)")


@dataclass(frozen=True, order=True)
class Knob:
    """A probe as a point of its series: `prefix:k=3` is `prefix:k` at 3, `shots:2` is `shots` at 2.

    name: what the number counts, e.g. `k`, or the series itself where the probe does not say.
    """

    series: str
    value: float
    name: str
    probe: str


def knob(probe: str) -> Knob | None:
    """The probe as a point, or None if its name does not end in a number."""
    found = _KNOB.fullmatch(probe)
    if found is None:
        return None
    family, words, number = found.groups()
    series = family if words is None else f"{family}:{words}"
    name = family if words is None else re.split(r"[,+;:]", words)[-1]
    return Knob(series, float(number), name, probe)


def family(probe: str) -> str:
    """The instrument that a probe is of: what stands before the first colon."""
    return probe.partition(":")[0]


def thinned(probes: Sequence[str], most: int) -> tuple[str, ...]:
    """The probes in their order, of each series at most so many: the first, the last, and between
    them ever fewer, so that small numbers are told apart."""
    left: set[str] = set()
    for points in series(probes).values():
        steps = len(points) - 1
        if steps >= most:
            places = {round(steps ** (place / (most - 2))) for place in range(most - 1)} | {0}
            left |= {point.probe for place, point in enumerate(points) if place not in places}
    return tuple(probe for probe in probes if probe not in left)


def series(probes: Iterable[str]) -> dict[str, tuple[Knob, ...]]:
    """The points of each series with at least three different numbers, ascending."""
    found: dict[str, set[Knob]] = {}
    for each in map(knob, probes):
        if each is not None:
            found.setdefault(each.series, set()).add(each)
    return {name: tuple(sorted(points)) for name, points in found.items() if len(points) >= 3}

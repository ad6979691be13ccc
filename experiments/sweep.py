"""`Sweep`: arms of a study as points along a number, e.g. along the share of wrong verdicts.

A study that turns a knob says so beside its arms, and its report draws the curves. Size and amount
of data are known from the recipes, and have a figure with laws of their own
(`experiments.scaling`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

PANELS = ("general", "completion", "prefill", "finetune")


@dataclass(frozen=True, slots=True)
class Point:
    """An arm at a value of the knob.

    quantity: what is shown of the arm where that is not what the panel shows of others, e.g.
    fine-tuning without SFT data at 0 % of them.
    """

    at: float
    arm: str
    quantity: str = ""


@dataclass(frozen=True, slots=True)
class Curve:
    """What differs between its points is the knob alone."""

    label: str
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Sweep:
    """Curves along one knob.

    knob: what the axis counts, with its unit. beside: arms that are on no curve and tell how high
    one is. panels: quantities of `experiments.measures`, a panel each. log: whether equal ratios
    stand equally far apart.
    """

    knob: str
    curves: tuple[Curve, ...]
    beside: tuple[str, ...] = ()
    panels: tuple[str, ...] = PANELS
    log: bool = False

    @property
    def arms(self) -> tuple[str, ...]:
        """Every arm that it shows, once."""
        on = (point.arm for curve in self.curves for point in curve.points)
        return tuple(dict.fromkeys((*on, *self.beside)))


def curve(label: str, points: Iterable[tuple[float, str]]) -> Curve:
    """A curve from values of the knob and names of arms."""
    return Curve(label, tuple(Point(at, arm) for at, arm in points))

"""`Line`: the curve of one arm with an interval at every point, for pages and figures to draw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from experiments.statistics import Interval

Points = Sequence[tuple[float, Interval]]


@dataclass(frozen=True)
class Line:
    """A curve of one arm, and of others `also` whose curve is the same; a control's is dashed."""

    arm: str
    points: Points
    what: str = ""
    control: bool = False
    also: tuple[str, ...] = ()

    @property
    def arms(self) -> tuple[str, ...]:
        """All whose curve it is."""
        return (self.arm, *self.also)

"""The three levels side by side: what a model can do, does when asked, and does under attack.

How far a method closes the gap: how much of what the pretrained model can complete the strongest
attack does not bring out of the fine-tuned one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from experiments.elicited import DIRECT, Elicited
from experiments.measures import Measures
from experiments.statistics import Interval, t_interval


@dataclass(frozen=True)
class Levels:
    """An arm's rates by level and seed, fractions; chance: of the completion; seeds: how many the
    study has."""

    arm: str
    capability: Mapping[int, float]
    behaviour: Mapping[int, float]
    elicited: Mapping[int, float]
    strongest: str | None
    chance: float | None
    seeds: int

    def gap(self) -> Interval | None:
        """Capability minus elicited in points, over the seeds that have both."""
        seeds = sorted(self.capability.keys() & self.elicited.keys())
        if not seeds:
            return None
        return t_interval([100 * (self.capability[s] - self.elicited[s]) for s in seeds])

    def interval(self, level: str) -> Interval | None:
        """A level in percent; None if it was not measured."""
        rates = getattr(self, level)
        return t_interval([100 * rates[seed] for seed in sorted(rates)]) if rates else None


def levels(measures: Measures) -> list[Levels]:
    """The levels of every arm, in the order of tables."""
    found = Elicited(measures)
    return [
        Levels(
            arm,
            _by_seed(measures, arm, "completion"),
            found.rates(DIRECT[1], arm, level=DIRECT[0]),
            found.strongest(arm),
            found.strongest_on_average(arm),
            _mean(_by_seed(measures, arm, "chance")),
            found.seeds,
        )
        for arm in measures.variants
    ]


def signed(interval: Interval) -> str:
    """A difference in points with its bounds: "+12.3 [+1.0, +23.6]"."""
    if interval.low is None or interval.high is None:
        return f"{interval.mean:+.1f} [–]"
    return f"{interval.mean:+.1f} [{interval.low:+.1f}, {interval.high:+.1f}]"


def fewer(n: int, of: int) -> str:
    """What a table adds to a mean over fewer seeds than the study has: " (n = 2)", or nothing."""
    return f" (n = {n})" if n < of else ""


def in_points(each: Interval) -> Interval:
    """A difference of fractions in points."""
    low, high = (None if bound is None else 100 * bound for bound in (each.low, each.high))
    return Interval(100 * each.mean, low, high, each.n)


def _by_seed(measures: Measures, arm: str, quantity: str) -> dict[int, float]:
    if not measures.has(arm, quantity):
        return {}
    return dict(zip(measures.seeds(arm), measures.series(arm, quantity), strict=True))


def _mean(rates: Mapping[int, float]) -> float | None:
    return sum(rates.values()) / len(rates) if rates else None

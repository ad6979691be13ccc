"""What a study could find, said before it runs: the smallest differences that its seeds show.

How much arms differ from seed to seed is not known before. It is taken from published results of
the same quantity in a world of as many hops: the standard deviation over seeds of the difference
between two arms, the median over all pairs of arms.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import median, stdev
from typing import TYPE_CHECKING

from experiments.claims.contrast import COMPLETION, FINETUNE, PREFILL
from experiments.result_sets import ResultSet, published
from experiments.statistics import MINIMUM_SEEDS, minimal_detectable_effect

if TYPE_CHECKING:
    from experiments.measures import Measures
    from experiments.study import Plan

POWER = 0.8
QUANTITIES = {"completion": COMPLETION, "prefill": PREFILL, "finetune": FINETUNE}
"""What is foreseen, and its name in words."""


@dataclass(frozen=True)
class Spread:
    """How much the difference of two arms varies over seeds, as a fraction."""

    sd: float
    pairs: int


def foresight(plan: Plan, results: Sequence[ResultSet] | None = None) -> str:
    """What the plan could find, in a sentence or two."""
    seeds = len({cell.replicate for cell in plan.cells})
    if seeds < 2:
        return "With one seed no difference between arms can be told from chance."
    recipe = plan.cells[0].recipe
    source = nearest(plan.study, recipe.world.hops, published() if results is None else results)
    if source is None:
        return (
            f"What {seeds} seeds could find is not known: there are no published results of worlds "
            f"as deep as this one to take a spread from."
        )
    asked = [name for name in QUANTITIES if recipe.behaviour or name == "completion"]
    spreads = {name: spread(source.measures, name) for name in asked}
    found = [
        f"{QUANTITIES[name]} {_points(minimal_detectable_effect(each.sd, seeds, POWER))}"
        for name, each in spreads.items()
        if each is not None
    ]
    pairs = max(each.pairs for each in spreads.values() if each is not None)
    decides = "" if seeds >= MINIMUM_SEEDS else f" Fewer than {MINIMUM_SEEDS} seeds decide nothing."
    return (
        f"With {seeds} seeds a difference between two arms is found with {100 * POWER:.0f} % power "
        f"from so many points on: {', '.join(found)}. Spread as in published {source.name}: median "
        f"of {pairs} pairs of arms.{decides}"
    )


def _points(effect: float) -> str:
    """A difference of rates in points; no rates differ by more than 100."""
    return f"{100 * effect:.0f}" if effect <= 1 else "out of reach"


def nearest(study: str, hops: int, results: Sequence[ResultSet]) -> ResultSet | None:
    """The published results to learn a spread from: of the study itself, else those with most
    pairs of arms; None if no world has so many hops."""
    alike = [each for each in results if each.hops == hops and spread(each.measures, "completion")]
    return max(
        alike,
        key=lambda each: (each.study == study, len(each.measures.variants), each.name),
        default=None,
    )


def spread(measures: Measures, quantity: str) -> Spread | None:
    """The spread of a quantity's differences; None where no two arms share three seeds."""
    arms = [name for name in measures.variants if measures.has(name, quantity)]
    found = [
        stdev(a - b for a, b in zip(*measures.paired((x, quantity), (y, quantity)), strict=True))
        for x, y in combinations(arms, 2)
        if measures.seeds(x) == measures.seeds(y) and len(measures.seeds(x)) >= MINIMUM_SEEDS
    ]
    return Spread(median(found), len(found)) if found else None

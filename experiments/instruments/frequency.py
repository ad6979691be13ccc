"""How often a corpus states facts, and thirds of facts by that: what is split by frequency."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

if TYPE_CHECKING:
    from experiments.instruments.bench import Bench
    from medsafetyworld.corpus import Corpus
    from medsafetyworld.graph import World
    from medsafetyworld.semantics import Chain, Statement

THIRDS = ("rare", "middle", "frequent")
_Key = TypeVar("_Key", bound=Hashable)


def frequencies(bench: Bench) -> Counter[Chain]:
    """How many statements of the replicate's corpus are about each chain, before any method and in
    the true world: the same in every arm. Wrong statements count for nothing.

    `thin` is no method: where a study's arms have it, it makes facts rare. Expected counts then.
    """
    from medsafetyworld.corpus import Corpus
    from medsafetyworld.interventions.thinning import share_told

    context = bench.context
    cell, world = context.cell, context.true_world
    found: Counter[Chain] = Counter()
    corpus = Corpus(world, cell.recipe.corpus, cell.seeds["corpus"])
    for statement, count in planned(corpus).items():
        found[statement.chain] += count
    steps = cell.variant.pretraining
    for chain, count in found.items():
        if chain.effects.layer == world.hops:
            found[chain] = round(count * share_told(world, steps, chain.outcome))
    return found


def per_way(world: World, stated: Mapping[Chain, int]) -> dict[int, float]:
    """By outcome, the mean number of statements for each edge that leads to it, those about full
    chains included: outcomes of many ways are not called frequent for that."""
    edges = Counter(group.members[0] for _, group in {each.groups[-2:] for each in world.chains})
    told = Counter[int]()
    for chain, count in stated.items():
        if chain.effects.layer == world.hops:
            told[chain.outcome] += count
    return {outcome: told[outcome] / number for outcome, number in sorted(edges.items())}


def planned(corpus: Corpus) -> Counter[Statement]:
    """How often a corpus states each statement, read from its plan; wrong ones are left out."""
    from medsafetyworld.corpus import CHUNK

    planner = corpus.planner
    rows = planner.rows
    counts = np.zeros(len(rows.block), np.int64)
    for start in range(0, len(corpus), CHUNK):
        plan = planner.plan(np.arange(start, min(start + CHUNK, len(corpus)), dtype=np.int64))
        counts += np.bincount(plan.row[plan.wrong < 0], minlength=len(counts))
    found: Counter[Statement] = Counter()
    told = zip(rows.block.tolist(), rows.chain.tolist(), counts.tolist(), strict=True)
    for block, chain, count in told:
        found[planner.notes[block].statement(chain)] += count
    return found


def thirds(counts: Sequence[float]) -> list[str]:
    """The third that each belongs to by its count; ties in the order given."""
    order = sorted(range(len(counts)), key=lambda place: (counts[place], place))
    found = [""] * len(counts)
    for rank, place in enumerate(order):
        found[place] = THIRDS[3 * rank // len(counts)]
    return found


def thirds_within(
    counts: Sequence[float], kinds: Sequence[str]
) -> tuple[list[str | None], list[str]]:
    """The third within its kind that each belongs to, so that kinds are spread over the thirds
    evenly; and the kinds without thirds (None): of fewer than three, or the most of whose counts is
    less than 1.5 times the fewest."""
    places: list[str | None] = [None] * len(counts)
    skipped: list[str] = []
    for kind, own in split(range(len(counts)), kinds).items():
        counted = [counts[place] for place in own]
        if len(own) < 3 or max(counted) == 0 or max(counted) < 1.5 * min(counted):
            skipped.append(kind)
            continue
        for place, third in zip(own, thirds(counted), strict=True):
            places[place] = third
    return places, sorted(skipped)


def split(values: Sequence[Any], keys: Sequence[_Key]) -> dict[_Key, list[Any]]:
    """The values by key."""
    found: dict[_Key, list[Any]] = {}
    for value, key in zip(values, keys, strict=True):
        found.setdefault(key, []).append(value)
    return found

"""The laws of a causal graph: what every world must keep, whoever made it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from medsafetyworld.graph import World


def broken_law(world: World) -> str | None:
    """The first law that a world breaks, in words, or None."""
    for law, holds in graph_laws(world):
        if not holds:
            return law
    return None


def graph_laws(world: World) -> Iterator[tuple[str, bool]]:
    """Each law with whether it holds; a law may rest on those before it."""
    spec, edges = world.spec, world.edges
    sizes = tuple(len(layer) for layer in world.layers)
    yield "every layer has the spec's number of entities", sizes == spec.sizes
    per_outcome = {len(world.systems), len(world.severity)}
    yield "every outcome has a system and a severity", per_outcome == {spec.outcomes}
    yield (
        "severity is an integer from 0 (safe) to 3 (lethal)",
        all(level in range(4) for level in world.severity),
    )
    yield "the number of unsafe outcomes is the spec's", sum(world.unsafe) == spec.unsafe_outcomes
    names = [name for layer in world.layers for name in layer]
    yield "names are distinct", len(set(names)) == len(names)
    yield (
        "every edge leads from a layer to one entity of the next",
        all(
            len(each.groups) == 2
            and 0 <= each.causes.layer < world.hops
            and each.effects.layer == each.causes.layer + 1
            and len(each.effects.members) == 1
            for each in edges
        ),
    )
    yield (
        "every edge joins entities of the world",
        all(
            0 <= member < sizes[group.layer]
            for each in edges
            for group in each.groups
            for member in group.members
        ),
    )
    yield (
        "an edge has one, two or three different causes in increasing order",
        all(
            0 < len(each.causes.members) <= 3
            and list(each.causes.members) == sorted(set(each.causes.members))
            for each in edges
        ),
    )
    yield (
        "only edges to outcomes have several causes",
        all(len(each.causes.members) == 1 or each.effects.layer == world.hops for each in edges),
    )
    yield "no edge appears twice", len(set(edges)) == len(edges)
    groups = [each.causes for each in edges if len(each.causes.members) > 1]
    yield "no pair or triple of causes appears twice", len(set(groups)) == len(groups)
    order = [(each.causes.layer, len(each.causes.members), each) for each in edges]
    yield "edges are sorted by layer, number of causes and entities", order == sorted(order)
    yield "the number of edges of each kind is the spec's", _counts(world) == _expected(world)
    yield (
        "every compound is the cause of an edge",
        {each.compounds[0] for each in edges if each.causes.layer == 0 and len(each.compounds) == 1}
        == set(range(spec.compounds)),
    )
    for layer in range(1, world.hops + 1):
        reached = {each.outcome for each in edges if each.effects.layer == layer}
        yield "every mediator and outcome has a cause", reached == set(range(sizes[layer]))
    if spec.most_causes is not None:
        yield (
            "no outcome has more edges of one arity than most_causes",
            _most(world) <= (spec.most_causes),
        )


def _counts(world: World) -> list[int]:
    """Edges by layer, and those to outcomes by number of causes."""
    arities = [0, 0, 0]
    between = [0] * (world.hops - 1)
    for each in world.edges:
        if each.effects.layer == world.hops:
            arities[len(each.causes.members) - 1] += 1
        else:
            between[each.causes.layer] += 1
    return [*between, *arities]


def _expected(world: World) -> list[int]:
    spec = world.spec
    several = [spec.pair_edges, spec.triple_edges]
    if world.hops == 1:
        return [spec.single_edges, *several]
    return [spec.single_edges, *spec.mediators[:-1], spec.mediator_edges, *several]


def _most(world: World) -> int:
    counts: dict[tuple[int, int], int] = {}
    for each in world.edges_into(world.hops):
        key = each.outcome, len(each.causes.members)
        counts[key] = counts.get(key, 0) + 1
    return max(counts.values(), default=0)

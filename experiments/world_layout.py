"""Which edges of a world a picture shows, and in what order its columns stand.

Of a big world a neighbourhood is chosen. Every column is ordered by barycentres, back and forth,
so that curves cross as little as may be.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from medsafetyworld.graph import World
from medsafetyworld.semantics import Chain, Group

MOST_COMPOUNDS, MOST_MEDIATORS, MOST_OUTCOMES = 160, 80, 60
"""Larger layers are sampled; more names than this fit no screen."""
MOST_EDGES = 600
"""More curves than this cannot be told apart."""

SAMPLED_OUTCOMES = 12
"""Outcomes of a sampled neighbourhood, fewer where the layers below them would not fit."""
SAMPLED_COMPOUNDS, SAMPLED_MEDIATORS = 110, 45
"""Most entities in a layer of a sample."""
SAMPLED_CAUSES = {1: (6, 1, 1), 2: (2, 3, 1), 3: (2, 2, 1)}
"""Edges of a sampled outcome from one, two and three causes, by hops; deeper worlds as 3."""
SAMPLED_BELOW = 2
"""Edges of a sampled mediator."""

STARTS, SWEEPS = 12, 40

Entity: TypeAlias = tuple[int, int]
"""A layer and an index into it."""
Node: TypeAlias = tuple[int, tuple[int, ...]]
"""A column and what stands in it: entities in even columns, joints of their edges in odd ones."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Height in (0, 1) of everything drawn."""

    layers: tuple[dict[int, float], ...]
    """Of the entities of each layer, by index."""
    joints: dict[Chain, float]
    """Of the points where the causes of an edge from several meet."""


def fits(world: World) -> bool:
    """Whether the whole world can be drawn legibly."""
    compounds, *mediators, outcomes = (len(layer) for layer in world.layers)
    return (
        compounds <= MOST_COMPOUNDS
        and max(mediators, default=0) <= MOST_MEDIATORS
        and outcomes <= MOST_OUTCOMES
        and len(world.edges) <= MOST_EDGES
    )


def entities(group: Group) -> Iterator[Entity]:
    """The group's members with their layer."""
    return ((group.layer, member) for member in group.members)


def warned(world: World, edges: Iterable[Chain]) -> frozenset[Chain]:
    """The edges that lead, through these edges, to an unsafe outcome."""
    danger = {(world.hops, outcome) for outcome, unsafe in enumerate(world.unsafe) if unsafe}
    found: set[Chain] = set()
    # From the outcomes down, so that an edge's effect is judged before its causes.
    for each in sorted(edges, key=lambda each: -each.effects.layer):
        if danger.issuperset(entities(each.effects)):
            found.add(each)
            danger.update(entities(each.causes))
    return frozenset(found)


def neighbourhood(world: World) -> tuple[Chain, ...]:
    """A few edges of a dozen outcomes, found one from another through shared causes.

    With mediators, also what leads to them. Outcomes are added as long as every layer fits.
    """
    into: dict[Entity, list[Chain]] = defaultdict(list)
    leads: dict[Entity, set[int]] = defaultdict(set)
    for each in world.edges:
        into[each.effects.layer, each.outcome].append(each)
        for cause in entities(each.causes):
            leads[cause].add(each.outcome)
    outcomes = _connected_outcomes(world, into, leads)
    shown: dict[Chain, None] = {}
    for outcome in outcomes:
        grown = shown | dict.fromkeys(_below(world, outcome, outcomes, into, leads))
        if shown and not _small(grown):
            break
        shown = grown
    return tuple(shown)


def _connected_outcomes(
    world: World, into: Mapping[Entity, list[Chain]], leads: Mapping[Entity, set[int]]
) -> list[int]:
    most = min(SAMPLED_OUTCOMES, len(world.outcomes))
    chosen = [0]
    for outcome in chosen:
        for each in into[world.hops, outcome]:
            for cause in entities(each.causes):
                fresh = sorted(leads[cause].difference(chosen))
                chosen += fresh[: most - len(chosen)]
    # A world that falls apart has too few neighbours; the next outcomes fill up.
    rest = [outcome for outcome in range(len(world.outcomes)) if outcome not in chosen]
    return chosen + rest[: most - len(chosen)]


def _below(
    world: World,
    outcome: int,
    outcomes: Sequence[int],
    into: Mapping[Entity, list[Chain]],
    leads: Mapping[Entity, set[int]],
) -> Iterator[Chain]:
    """A few edges into an outcome, those of shared causes first, and a few into what they need."""

    def shared(each: Chain) -> int:
        return sum(len(leads[cause].intersection(outcomes)) for cause in entities(each.causes))

    found = sorted(into[world.hops, outcome], key=shared, reverse=True)
    reached: set[Entity] = set()
    for arity, most in enumerate(SAMPLED_CAUSES[min(world.hops, 3)], 1):
        for each in [edge for edge in found if len(edge.causes.members) == arity][:most]:
            yield each
            reached.update(entities(each.causes))
    while reached:
        below = [
            each for entity in sorted(reached) for each in into.get(entity, ())[:SAMPLED_BELOW]
        ]
        yield from below
        reached = {cause for each in below for cause in entities(each.causes)}


def _small(edges: Iterable[Chain]) -> bool:
    """Whether every layer of these edges, but the last, has room on a page."""
    counts: dict[int, int] = defaultdict(int)
    for layer, _ in {cause for each in edges for cause in entities(each.causes)}:
        counts[layer] += 1
    return counts.pop(0) <= SAMPLED_COMPOUNDS and all(
        count <= SAMPLED_MEDIATORS for count in counts.values()
    )


def arrange(edges: Sequence[Chain]) -> Layout:
    """Orders each column by the mean height of its neighbours, back and forth.

    Sweeping need not converge and ends near where it began, so it begins several times; the order
    with the least total length of curves is kept.
    """
    links = [link for each in edges for link in _links(each)]
    above, below = _neighbours(links), _neighbours([(up, down) for down, up in links])
    around = {node: (*above.get(node, ()), *below.get(node, ())) for node in above | below}
    columns = _columns(around)
    rng = np.random.default_rng(0)
    best, least = {}, float("inf")
    for _ in range(STARTS):
        heights: dict[Node, float] = {}
        for column in columns:
            heights |= _spread(dict(zip(column, rng.permutation(len(column)), strict=True)))
        for sweep in range(SWEEPS):
            # By all neighbours first, which sorts the whole; then by those of one side.
            up, down = (around, around) if 2 * sweep < SWEEPS else (above, below)
            for column in columns[-2::-1]:
                heights |= _swept(column, up, heights)
            for column in columns[1:]:
                heights |= _swept(column, down, heights)
            length = sum(abs(heights[one] - heights[other]) for one, other in links)
            if length < least:
                best, least = dict(heights), length
    layers = [column for column in columns if column[0][0] % 2 == 0]
    # Half a row off, so that no curve to a joint runs straight along a single-edge.
    shift = 0.5 / len(layers[0])
    return Layout(
        tuple({members[0]: best[at, members] for at, members in layer} for layer in layers),
        {each: best[joint] + shift for each in edges for joint in _joint(each)},
    )


def _joint(each: Chain) -> tuple[Node, ...]:
    """The point where the causes of an edge meet, if they are several."""
    causes = each.causes
    return ((2 * causes.layer + 1, (*causes.members, each.outcome)),) * (len(causes.members) > 1)


def _links(each: Chain) -> Iterator[tuple[Node, Node]]:
    """The curves that an edge is drawn with."""
    (goal,) = ((2 * layer, (index,)) for layer, index in entities(each.effects))
    for joint in _joint(each):
        yield joint, goal
        goal = joint
    for layer, index in entities(each.causes):
        yield (2 * layer, (index,)), goal


def _neighbours(links: Iterable[tuple[Node, Node]]) -> dict[Node, list[Node]]:
    found: dict[Node, list[Node]] = defaultdict(list)
    for one, other in links:
        found[one].append(other)
    return dict(found)


def _columns(nodes: Iterable[Node]) -> list[list[Node]]:
    found: dict[int, list[Node]] = defaultdict(list)
    for node in sorted(nodes):
        found[node[0]].append(node)
    return list(found.values())


def _swept(
    column: Sequence[Node],
    neighbours: Mapping[Node, Sequence[Node]],
    heights: Mapping[Node, float],
) -> dict[Node, float]:
    """The column ordered by its neighbours' mean heights; what has none stays where it was."""
    near = {node: neighbours.get(node, (node,)) for node in column}
    return _spread(
        {node: sum(heights[one] for one in ones) / len(ones) for node, ones in near.items()}
    )


def _spread(heights: Mapping[Node, float]) -> dict[Node, float]:
    """The same order at even distances in (0, 1)."""
    # Columns are sorted and sorting is stable: ties do not depend on the order of the edges.
    order = sorted(heights, key=heights.__getitem__)
    return {node: (place + 0.5) / len(order) for place, node in enumerate(order)}

"""Worlds from specs: one builder for every number of hops, and the shuffled control world.

Single-hop (Li et al. 2026): one single-edge per compound to a random outcome; every outcome still
without one gets a random compound; random further edges, no compound-outcome pair twice; then
compound pairs without repetition, each with a random outcome. Two-hop: every mediator gets a
distinct compound and the other compounds a random mediator; distinct mediator pairs, of which
every outcome gets one and the rest a random outcome. Further layers are built like the first.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations
from math import comb

import numpy as np
from numpy.typing import NDArray

from medsafetyworld.domain import load_domain
from medsafetyworld.graph import World
from medsafetyworld.lexicon import sample_names
from medsafetyworld.seeds import derive
from medsafetyworld.semantics import Chain, Group, edge
from medsafetyworld.spec import WorldSpec


def build_world(spec: WorldSpec) -> World:
    """Builds the world of a spec; the same spec gives the same world everywhere."""
    names = sample_names(
        load_domain(spec.domain).lexicon,
        _rng(spec, "names"),
        spec.compounds,
        spec.mediators,
        spec.outcomes,
    )
    return World(
        spec=spec,
        morphemes=names.compounds,
        mediators=names.mediators,
        outcomes=tuple(name for name, _ in names.outcomes),
        systems=tuple(system for _, system in names.outcomes),
        severity=_severity(spec),
        edges=_edges(spec),
    )


def shuffle_causes(world: World, seed: int) -> World:
    """The control world: the same names, outcomes, marks and degrees with the compounds permuted.

    A model of the shuffled world knows as much as one of the true world, but about other edges:
    asked about the true graph it must score at chance.
    """
    order = np.random.default_rng(derive(seed, "shuffle")).permutation(len(world.compounds))
    first = [
        edge(tuple(sorted(int(order[cause]) for cause in each.compounds)), each.outcome)
        for each in world.edges
        if each.causes.layer == 0
    ]
    return World(
        spec=world.spec,
        morphemes=world.morphemes,
        mediators=world.mediators,
        outcomes=world.outcomes,
        systems=world.systems,
        severity=world.severity,
        edges=(*_sorted(first), *(each for each in world.edges if each.causes.layer > 0)),
    )


def _rng(spec: WorldSpec, name: str) -> np.random.Generator:
    return np.random.default_rng(derive(spec.seed, name))


def _severity(spec: WorldSpec) -> tuple[int, ...]:
    """Each outcome's severity: so many unsafe ones at random, shared out over the levels."""
    unsafe = _rng(spec, "unsafe").permutation(spec.outcomes)[: spec.unsafe_outcomes]
    order = _rng(spec, "severity").permutation(len(unsafe))
    ends = np.rint(np.cumsum(spec.severity_shares) * len(unsafe))
    levels = np.zeros(spec.outcomes, dtype=np.int64)
    levels[unsafe[order]] = 1 + np.searchsorted(ends, np.arange(len(unsafe)), side="right").clip(
        max=2
    )
    return tuple(levels.tolist())


def _edges(spec: WorldSpec) -> tuple[Chain, ...]:
    """All edges: by layer, within a layer by number of causes, then sorted."""
    if spec.hops == 1:
        lower, last = [], _first_edges(spec)
        uncovered: list[int] = []
    else:
        lower = [each for layer in range(spec.hops - 1) for each in _sorted(_covering(spec, layer))]
        uncovered = _rng(spec, "turns").permutation(spec.outcomes).tolist()
        last = _alone(spec, _take(uncovered, spec.mediator_edges))
    last |= _together(spec, 2, _take(uncovered, spec.pair_edges))
    last |= _together(spec, 3, _take(uncovered, spec.triple_edges))
    return (*lower, *_sorted(last))


def _sorted(edges: Iterable[Chain]) -> list[Chain]:
    """Edges of one layer by number of causes, then by entities."""
    return sorted(edges, key=lambda each: (len(each.causes.members), each))


def _take(waiting: list[int], most: int) -> list[int]:
    """Removes and returns at most so many of those that wait."""
    taken, waiting[:] = waiting[:most], waiting[most:]
    return taken


def _first_edges(spec: WorldSpec) -> set[Chain]:
    """The single-edges of a single-hop world."""
    rng = _rng(spec, "single-edges")
    room = _Room(spec)
    first = room.assign(_drawn(spec, rng, spec.compounds), rng)
    pairs = set(enumerate(first))
    bare = sorted(set(range(spec.outcomes)) - set(first))
    pairs |= {(int(rng.integers(spec.compounds)), outcome) for outcome in room.assign(bare, rng)}
    _fill(spec, rng, pairs, room, spec.single_edges)
    return {edge((compound,), outcome) for compound, outcome in pairs}


def _alone(spec: WorldSpec, covered: list[int]) -> set[Chain]:
    """Edges from one mediator of the last layer; `covered` are outcomes that each must get one."""
    rng, room, layer = _rng(spec, "mediator-edges"), _Room(spec), spec.hops - 1
    pairs = {
        (int(rng.integers(spec.sizes[layer])), outcome) for outcome in room.assign(covered, rng)
    }
    _fill(spec, rng, pairs, room, spec.mediator_edges)
    return {edge((cause,), outcome, layer) for cause, outcome in pairs}


def _fill(
    spec: WorldSpec,
    rng: np.random.Generator,
    pairs: set[tuple[int, int]],
    room: _Room,
    count: int,
) -> None:
    """Adds random cause-outcome pairs, none twice, until there are `count`."""
    if len(pairs) >= count:
        return
    causes = spec.sizes[-2]
    # Ordering every possible pair gives the rest without rejection, also when the graph is dense.
    if spec.skew == 0:
        order = rng.permutation(causes * spec.outcomes)
    else:
        waiting = rng.exponential(size=(causes, spec.outcomes)) / _attraction(spec)
        order = np.argsort(waiting.ravel(), kind="stable")
    for code in order:
        if len(pairs) == count:
            break
        pair = divmod(int(code), spec.outcomes)
        if pair not in pairs and room.left[pair[1]] > 0:
            pairs.add(pair)
            room.left[pair[1]] -= 1


def _covering(spec: WorldSpec, layer: int) -> set[Chain]:
    """Single-edges into mediators: a distinct cause for each, and at least one edge per cause."""
    rng = _rng(spec, f"edges-{layer}")
    causes, effects = spec.sizes[layer : layer + 2]
    order = rng.permutation(causes)
    target = np.empty(causes, dtype=np.int64)
    target[order[:effects]] = np.arange(effects)
    target[order[effects:]] = rng.integers(effects, size=causes - effects)
    pairs = set(enumerate(target.tolist()))
    count = spec.single_edges if layer == 0 else causes
    for code in rng.permutation(causes * effects) if count > causes else ():
        if len(pairs) == count:
            break
        pairs.add(divmod(int(code), effects))
    return {edge((cause,), effect, layer) for cause, effect in pairs}


def _together(spec: WorldSpec, arity: int, covered: list[int]) -> set[Chain]:
    """Edges from distinct pairs or triples; `covered` are outcomes that each must get one."""
    name, count = {2: ("pair-edges", spec.pair_edges), 3: ("triple-edges", spec.triple_edges)}[
        arity
    ]
    rng = _rng(spec, name)
    groups = _groups(rng, spec.sizes[-2], arity, count)
    if spec.hops > 1:
        # Else the covered outcomes, which come first, would have the first groups.
        groups = [groups[place] for place in rng.permutation(count).tolist()]
    drawn = _drawn(spec, rng, count)
    outcomes = _Room(spec).assign([*covered, *drawn[len(covered) :]], rng)
    return {
        Chain((Group(spec.hops - 1, members), Group(spec.hops, (outcome,))))
        for members, outcome in zip(groups, outcomes, strict=True)
    }


def _groups(rng: np.random.Generator, causes: int, arity: int, count: int) -> list[tuple[int, ...]]:
    """So many distinct groups of causes, sorted."""
    if 2 * count > comb(causes, arity):
        every = list(combinations(range(causes), arity))
        return sorted(every[place] for place in rng.permutation(len(every))[:count].tolist())
    groups: set[tuple[int, ...]] = set()
    while len(groups) < count:
        members = sorted(rng.integers(causes, size=arity).tolist())
        if len(set(members)) == arity:
            groups.add(tuple(members))
    return sorted(groups)


def _attraction(spec: WorldSpec) -> NDArray[np.float64]:
    """How likely a random edge leads to each outcome: a power law over a random ranking."""
    ranks = 1 + _rng(spec, "attraction").permutation(spec.outcomes)
    weights = ranks.astype(np.float64) ** -spec.skew
    return weights / weights.sum()


def _drawn(spec: WorldSpec, rng: np.random.Generator, count: int) -> list[int]:
    """Outcomes of so many random edges."""
    if spec.skew == 0:
        return rng.integers(spec.outcomes, size=count).tolist()
    return rng.choice(spec.outcomes, size=count, p=_attraction(spec)).tolist()


class _Room:
    """How many more edges of one arity each outcome may have."""

    def __init__(self, spec: WorldSpec) -> None:
        most = spec.most_causes
        self.limited = most is not None
        self.left = [spec.sizes[-2] ** 3 if most is None else most] * spec.outcomes

    def assign(self, outcomes: list[int], rng: np.random.Generator) -> list[int]:
        """The outcomes, with each that has no room left replaced by a random one that has."""
        assigned: list[int] = []
        for outcome in outcomes:
            if self.limited and self.left[outcome] < 1:
                open_ones = [place for place, left in enumerate(self.left) if left > 0]
                outcome = open_ones[int(rng.integers(len(open_ones)))]
            self.left[outcome] -= 1
            assigned.append(outcome)
        return assigned

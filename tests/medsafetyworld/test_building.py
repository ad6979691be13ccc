"""Laws of the builder: the graph is what the spec describes, favours nobody, shares nothing."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from itertools import pairwise

import networkx as nx
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from medsafetyworld.building import build_world, shuffle_causes
from medsafetyworld.graph import World
from medsafetyworld.presets import WORLD_PRESETS
from medsafetyworld.semantics import Chain
from medsafetyworld.spec import WorldSpec
from medsafetyworld.testing import world_specs, worlds
from medsafetyworld.world_views import to_networkx

LAPTOP = build_world(WORLD_PRESETS["laptop"])
DEEP = WorldSpec(
    compounds=12,
    mediators=(8, 6),
    outcomes=6,
    single_edges=14,
    pair_edges=6,
    triple_edges=4,
    mediator_edges=5,
    unsafe_fraction=0.5,
)


@given(world_specs(max_hops=1))
@settings(max_examples=60, deadline=None)
def test_every_single_hop_spec_builds_the_graph_it_describes(spec: WorldSpec) -> None:
    world = build_world(spec)
    singles, groups = world.single_edges, world.pair_edges
    assert len(set(singles)) == spec.single_edges
    assert len({edge.compounds for edge in groups}) == len(groups)
    sizes = Counter(len(edge.compounds) for edge in groups)
    assert (sizes[2], sizes[3]) == (spec.pair_edges, spec.triple_edges)
    assert {edge.compounds for edge in singles} == {(a,) for a in range(spec.compounds)}
    assert {edge.outcome for edge in singles} == set(range(spec.outcomes))
    for members in (edge.compounds for edge in groups):
        assert list(members) == sorted(set(members))
        assert 0 <= members[0] <= members[-1] < spec.compounds
    assert all(0 <= edge.outcome < spec.outcomes for edge in world.edges)
    assert world.edges == (
        *sorted(singles),
        *sorted(groups, key=lambda edge: (len(edge.compounds), edge)),
    )
    assert world.chains == world.edges


@given(world_specs(max_hops=4))
@settings(max_examples=80, deadline=None)
def test_names_and_marks_are_as_the_spec_says(spec: WorldSpec) -> None:
    world = build_world(spec)
    assert tuple(map(len, world.layers)) == spec.sizes
    names = [name for layer in world.layers for name in layer]
    assert len(set(names)) == len(names)
    assert sum(world.unsafe) == round(spec.unsafe_fraction * spec.outcomes)
    levels = Counter(world.severity)
    assert levels[0] == spec.outcomes - spec.unsafe_outcomes
    for level, share in enumerate(spec.severity_shares, 1):
        assert abs(levels[level] - share * spec.unsafe_outcomes) <= 1


@given(world_specs(max_hops=4))
@settings(max_examples=80, deadline=None)
def test_edges_are_layered_and_as_many_of_each_kind_as_the_spec_says(spec: WorldSpec) -> None:
    world = build_world(spec)
    for edge in world.edges:
        assert edge.effects.layer == edge.causes.layer + 1
        assert len(edge.effects.members) == 1
    assert len(set(world.edges)) == len(world.edges)
    into = Counter(len(edge.causes.members) for edge in world.edges_into(spec.hops))
    alone = spec.mediator_edges if spec.hops > 1 else spec.single_edges
    assert (into[1], into[2], into[3]) == (alone, spec.pair_edges, spec.triple_edges)
    for layer in range(1, spec.hops):
        edges = world.edges_into(layer)
        expected = spec.single_edges if layer == 1 else spec.sizes[layer - 1]
        assert len(edges) == expected
        assert {edge.causes.members for edge in edges} == {
            (cause,) for cause in range(spec.sizes[layer - 1])
        }
        assert {edge.outcome for edge in edges} == set(range(spec.sizes[layer]))


@given(worlds(max_hops=4))
@settings(max_examples=60, deadline=None)
def test_the_graph_is_acyclic_and_every_mediator_and_outcome_is_reachable_from_compounds(
    world: World,
) -> None:
    graph = to_networkx(world)
    assert nx.is_directed_acyclic_graph(graph)
    # A group is reached only when all its members are.
    reached = set(world.compounds)
    for layer in range(1, world.hops + 1):
        below = world.layers[layer - 1]
        for edge in world.edges_into(layer):
            if reached.issuperset(below[cause] for cause in edge.causes.members):
                reached.add(world.layers[layer][edge.outcome])
    assert reached == {name for layer in world.layers for name in layer}
    assert all(world.ways[outcome] for outcome in range(len(world.outcomes)))


@given(world_specs(max_hops=4))
@settings(max_examples=60, deadline=None)
def test_no_outcome_has_more_causes_of_an_arity_than_the_spec_allows(spec: WorldSpec) -> None:
    world = build_world(spec)
    counts = Counter(
        (edge.outcome, len(edge.causes.members)) for edge in world.edges_into(spec.hops)
    )
    if spec.most_causes is not None:
        assert max(counts.values()) <= spec.most_causes


def test_skew_makes_few_outcomes_common_and_most_rare() -> None:
    for spec in (WORLD_PRESETS["laptop"], WORLD_PRESETS["laptop-two-hop"]):
        shares = []
        for skew in (0.0, 1.0, 2.0):
            world = build_world(replace(spec, skew=skew))
            counts = Counter(edge.outcome for edge in world.edges_into(world.hops))
            assert len(counts) == spec.outcomes
            top = sum(count for _, count in counts.most_common(spec.outcomes // 5))
            shares.append(top / counts.total())
        assert shares[0] < 0.45 < 0.5 < shares[1] < shares[2]


def test_first_outcomes_unsafe_marks_and_groups_are_spread_evenly() -> None:
    """Over many seeds no outcome is favoured by the builder (chi-square, five sigma)."""
    size, seeds = 6, 300
    single = WorldSpec(
        compounds=12, outcomes=size, single_edges=17, pair_edges=6, unsafe_fraction=0.5
    )
    for spec in (single, DEEP):
        counts = {kind: Counter() for kind in ("unsafe", "lethal", 1, 2, 3)}
        for seed in range(seeds):
            world = build_world(replace(spec, seed=seed))
            for outcome, level in enumerate(world.severity):
                counts["unsafe"][outcome] += level > 0
                counts["lethal"][outcome] += level == 3
            for edge in world.edges_into(spec.hops):
                counts[len(edge.causes.members)][edge.outcome] += 1
        for kind, found in counts.items():
            expected = found.total() / size
            if expected:
                chi2 = sum((found[outcome] - expected) ** 2 / expected for outcome in range(size))
                assert chi2 < size - 1 + 5 * (2 * (size - 1)) ** 0.5, (spec, kind)


def test_no_mediator_or_compound_is_favoured_as_a_cause() -> None:
    counts: dict[int, Counter[int]] = {0: Counter(), 1: Counter(), 2: Counter()}
    for seed in range(300):
        for edge in build_world(replace(DEEP, seed=seed)).edges:
            counts[edge.causes.layer].update(edge.causes.members)
    for layer, found in counts.items():
        expected = found.total() / DEEP.sizes[layer]
        chi2 = sum((count - expected) ** 2 / expected for count in found.values())
        freedom = DEEP.sizes[layer] - 1
        assert chi2 < freedom + 5 * (2 * freedom) ** 0.5, layer


def test_outcomes_with_few_causes_have_causes_like_the_others() -> None:
    """Those that wait for a pair of their own do not get the first ones."""
    spec = WorldSpec(compounds=10, mediators=(10,), outcomes=12, single_edges=10, pair_edges=16)
    rare, every = [], []
    for seed in range(200):
        edges = build_world(replace(spec, seed=seed)).edges_into(2)
        counts = Counter(edge.outcome for edge in edges)
        every += [edge.causes.members[0] for edge in edges]
        rare += [edge.causes.members[0] for edge in edges if counts[edge.outcome] == 1]
    spread = np.std(every) / len(rare) ** 0.5
    assert abs(np.mean(rare) - np.mean(every)) < 5 * spread


def test_the_papers_two_hop_world_has_the_papers_shape() -> None:
    """Every mediator has a compound of its own, every outcome a pair, all edges upwards are pairs
    (Li et al. 2026, two-hop)."""
    world = build_world(WORLD_PRESETS["laptop-two-hop"])
    into, pairs = world.edges_into(1), world.edges_into(2)
    assert Counter(edge.compounds for edge in into) == {(a,): 1 for a in range(100)}
    assert {edge.outcome for edge in into} == set(range(60))
    assert {len(edge.causes.members) for edge in pairs} == {2}
    assert len({edge.causes for edge in pairs}) == len(pairs) == 60
    assert {edge.outcome for edge in pairs} == set(range(20))


@given(world_specs(max_hops=4), st.integers(0, 2**40))
@settings(max_examples=30, deadline=None)
def test_building_one_world_does_not_change_another(spec: WorldSpec, seed: int) -> None:
    alone = build_world(spec)
    other = build_world(replace(spec, seed=seed))
    again = build_world(spec)
    assert again == alone
    assert again.to_json() == alone.to_json()
    assert (other == alone) is (seed == spec.seed)


def test_worlds_that_differ_only_in_seed_share_no_more_than_chance_allows() -> None:
    """Names, edges, marks and shares all come from the seed, each from a stream of its own."""
    base = replace(WORLD_PRESETS["laptop-two-hop"], held_out_share=0.5, one_way_share=0.5)
    worlds_ = [build_world(replace(base, seed=seed)) for seed in range(8)]
    lexicon = worlds_[0].domain.lexicon
    stocks = (lexicon.compound_capacity, lexicon.mediator_capacity, lexicon.outcome_capacity)
    for one, other in pairwise(worlds_):
        for layer, stock in enumerate(stocks):
            names = set(one.layers[layer])
            chance = len(names) ** 2 / stock
            assert len(names & set(other.layers[layer])) <= chance + 5 * chance**0.5 + 1
        for name in ("edges", "severity", "held_out", "one_way"):
            assert getattr(one, name) != getattr(other, name), name
        chance = len(one.edges) ** 2 / (100 * 60)
        assert len(set(one.edges) & set(other.edges)) <= 5 * chance
    # Two shares of one world are drawn apart as well.
    both = [len(world.held_out & world.one_way) / len(world.held_out) for world in worlds_]
    assert 0.4 < np.mean(both) < 0.6


def test_building_leaves_the_global_random_state_alone() -> None:
    before = random.getstate(), str(np.random.get_state())  # noqa: NPY002
    build_world(WORLD_PRESETS["smoke-two-hop"])
    assert (random.getstate(), str(np.random.get_state())) == before  # noqa: NPY002


def degrees(world: World) -> list[tuple[int, ...]]:
    """Each compound's edges by arity, sorted: what a permutation of compounds keeps."""
    counts = Counter(
        (compound, len(edge.causes.members))
        for edge in world.edges_into(1)
        for compound in edge.causes.members
    )
    return sorted(tuple(counts[a, n] for n in (1, 2, 3)) for a in range(len(world.compounds)))


def effects_of(edges: tuple[Chain, ...]) -> Counter[tuple[int, int]]:
    return Counter((edge.outcome, len(edge.causes.members)) for edge in edges)


@given(worlds(max_hops=4), st.integers(0, 2**32))
@settings(max_examples=50, deadline=None)
def test_shuffling_causes_keeps_names_marks_and_degrees(world: World, seed: int) -> None:
    shuffled = shuffle_causes(world, seed)
    assert shuffled == shuffle_causes(world, seed)
    assert shuffled.layers == world.layers
    assert (shuffled.severity, shuffled.systems) == (world.severity, world.systems)
    for layer in range(1, world.hops + 1):
        mine, theirs = shuffled.edges_into(layer), world.edges_into(layer)
        assert effects_of(mine) == effects_of(theirs)
        assert layer == 1 or mine == theirs
    assert degrees(shuffled) == degrees(world)
    assert list(map(len, shuffled.ways)) == list(map(len, world.ways))


def test_the_shuffled_world_agrees_with_the_true_one_as_often_as_chance() -> None:
    edges = set(LAPTOP.single_edges)
    shared = [len(edges & set(shuffle_causes(LAPTOP, seed).single_edges)) for seed in range(50)]
    chance = len(edges) / (len(LAPTOP.compounds) * len(LAPTOP.outcomes))
    assert abs(np.mean(shared) / len(edges) - chance) < 0.01
    assert max(shared) < len(edges) / 4


def test_in_a_shuffled_two_hop_world_the_ways_to_outcomes_are_others() -> None:
    world = build_world(WORLD_PRESETS["laptop-two-hop"])
    shared = []
    for seed in range(20):
        shuffled = shuffle_causes(world, seed)
        shared += [len(a & b) / len(a) for a, b in zip(world.ways, shuffled.ways, strict=True)]
    assert np.mean(shared) < 0.02

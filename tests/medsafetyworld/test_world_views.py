"""A world from outside: its networkx graph and its sizes say what its edges say."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings

from medsafetyworld.building import build_world
from medsafetyworld.graph import SEVERITIES, World
from medsafetyworld.presets import WORLD_PRESETS
from medsafetyworld.testing import worlds
from medsafetyworld.world_views import counts, to_networkx

from graph_cases import DEEP, SMOKE

TWO_HOP = build_world(WORLD_PRESETS["smoke-two-hop"])


@given(worlds())
@settings(max_examples=30, deadline=None)
def test_the_networkx_view_holds_every_entity_group_and_cause(world: World) -> None:
    graph = to_networkx(world)
    groups = {e.causes for e in world.edges if len(e.causes.members) > 1}
    kinds = Counter(kind for _, kind in graph.nodes(data="kind"))
    assert kinds == Counter(
        compound=len(world.compounds),
        mediator=sum(map(len, world.mediators)),
        outcome=len(world.outcomes),
        group=len(groups),
    )
    arrows = len(world.edges) + sum(len(group.members) for group in groups)
    assert graph.number_of_edges() == arrows
    for each in world.edges:
        source = " + ".join(world.names(each.causes))
        assert graph.has_edge(source, world.names(each.effects)[0])
    for layer, names in enumerate(world.layers):
        assert all(graph.nodes[name]["layer"] == layer for name in names)
    for index, name in enumerate(world.outcomes):
        assert graph.nodes[name]["unsafe"] is world.unsafe[index]
        assert graph.nodes[name]["severity"] == SEVERITIES[world.severity[index]]
        assert graph.nodes[name]["system"] == world.systems[index]


def test_counts_split_every_edge_by_safety() -> None:
    sizes = counts(SMOKE)
    assert (sizes["compounds"], sizes["outcomes"], sizes["unsafe outcomes"]) == (24, 8, 3)
    unsafe = [e for e in SMOKE.single_edges if SMOKE.unsafe[e.outcome]]
    assert sizes["single-edges to unsafe outcomes"] == len(unsafe)
    assert "mediators" not in sizes


def test_counts_of_a_world_with_mediators_tell_its_layers_and_chains() -> None:
    sizes = counts(TWO_HOP)
    assert (sizes["mediators"], sizes["single-edges to mediators"]) == (12, 24)
    assert sizes["full chains"] == len(TWO_HOP.chains)
    assert sizes["full chains to unsafe outcomes"] == sum(
        TWO_HOP.unsafe[chain.outcome] for chain in TWO_HOP.chains
    )
    sizes = counts(DEEP)
    assert (sizes["mediators of layer 1"], sizes["mediators of layer 2"]) == (7, 5)
    assert (sizes["single-edges"], sizes["pair-edges"], sizes["triple-edges"]) == (3, 4, 2)

"""What a world looks like from outside: its sizes to print, and its graph for networkx."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict

import networkx as nx

from medsafetyworld.graph import SEVERITIES, World
from medsafetyworld.semantics import Chain


def counts(world: World) -> dict[str, int]:
    """Sizes to print: entities, edges, and each split by outcome safety."""
    sizes = {"compounds": len(world.compounds)}
    for layer, names in enumerate(world.mediators, 1):
        sizes["mediators" if world.hops == 2 else f"mediators of layer {layer}"] = len(names)
    sizes |= {"outcomes": len(world.outcomes), "unsafe outcomes": sum(world.unsafe)}
    kinds = {"single-edges": 1, "pair-edges": 2, "triple-edges": 3}
    for name, arity in kinds.items():
        edges = [e for e in world.edges_into(world.hops) if len(e.causes.members) == arity]
        if world.hops > 1 and arity == 1:
            sizes["single-edges to mediators"] = sum(
                each.effects.layer < world.hops for each in world.edges
            )
        if edges or (world.hops == 1 and arity < 3):
            sizes[name] = len(edges)
            sizes[f"{name} to unsafe outcomes"] = _unsafe(world, edges)
    if world.hops > 1:
        sizes["full chains"] = len(world.chains)
        sizes["full chains to unsafe outcomes"] = _unsafe(world, world.chains)
    return sizes


def _unsafe(world: World, chains: Iterable[Chain]) -> int:
    return sum(world.unsafe[chain.outcome] for chain in chains)


def to_networkx(world: World) -> nx.DiGraph:
    """A directed graph with nodes of kind compound, mediator, group and outcome.

    An edge from several causes becomes a `group` node (`a1 + a2`) with an arrow from each of its
    causes and one to its effect. Nodes carry `kind` and `layer`; outcomes also `unsafe`, `severity`
    and `system`.
    """
    graph = nx.DiGraph(spec=asdict(world.spec))
    for layer, names in enumerate(world.layers):
        kind = "compound" if layer == 0 else "outcome" if layer == world.hops else "mediator"
        graph.add_nodes_from(names, kind=kind, layer=layer)
    for index, name in enumerate(world.outcomes):
        graph.nodes[name].update(
            unsafe=world.unsafe[index],
            severity=SEVERITIES[world.severity[index]],
            system=world.systems[index],
        )
    for each in world.edges:
        names = world.names(each.causes)
        source = " + ".join(names)
        if len(names) > 1:
            graph.add_node(source, kind="group", layer=each.causes.layer)
            graph.add_edges_from((name, source) for name in names)
        graph.add_edge(source, world.layers[each.effects.layer][each.outcome])
    return graph

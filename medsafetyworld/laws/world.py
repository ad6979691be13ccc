"""Laws of worlds: the graph is layered and whole, and the oracle decides what it is asked."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations, pairwise, permutations
from pathlib import Path

import networkx as nx

from medsafetyworld.derivation import say
from medsafetyworld.dialogues import Split, split_chains
from medsafetyworld.graph import World
from medsafetyworld.graph_laws import broken_law
from medsafetyworld.laws.cases import spread, statement_cases
from medsafetyworld.laws.derivation import check_closure
from medsafetyworld.laws.violation import Law, Violation, violations
from medsafetyworld.reading import mentions
from medsafetyworld.semantics import Chain, Direction, Group, Statement, category, state
from medsafetyworld.spec import DialogueSpec
from medsafetyworld.world_file import load_world
from medsafetyworld.world_views import to_networkx

MOST_NAMES = 2000
MOST_CHAINS = 20_000
"""Larger worlds are checked in part: so many names, evenly chosen, and no count of the chains."""


def check_world(world: World) -> list[Violation]:
    """The laws that a world breaks; empty if it keeps them all."""
    return violations(WORLD_LAWS, world)


def check_split(world: World, split: Split) -> list[Violation]:
    """The laws that a split of the facts into training and test breaks."""
    return violations({"training and test share no fact": _share_no_fact}, world, split)


def _layered(world: World) -> Iterator[str]:
    for each in world.edges:
        layers = [group.layer for group in each.groups]
        if len(layers) != 2 or layers[1] != layers[0] + 1:
            yield f"the edge ({_told(world, each)}) joins the layers {layers}"


def _acyclic(world: World) -> Iterator[str]:
    graph = to_networkx(world)
    if not nx.is_directed_acyclic_graph(graph):
        yield " leads to ".join(source for source, *_ in nx.find_cycle(graph))


def _reachable(world: World) -> Iterator[str]:
    reached = {(0, compound) for compound in range(len(world.compounds))}
    for each in sorted(world.edges):
        if all((each.causes.layer, cause) in reached for cause in each.causes.members):
            reached.add((each.effects.layer, each.outcome))
    for layer, names in enumerate(world.layers):
        for index, name in enumerate(names):
            if (layer, index) not in reached:
                yield f"no way leads from compounds to {name}"


def _names_differ(world: World) -> Iterator[str]:
    seen: set[str] = set()
    for name in (name for layer in world.layers for name in layer):
        if name in seen:
            yield f"{name} is the name of two entities"
        seen.add(name)


def _names_are_found(world: World) -> Iterator[str]:
    for layer, names in enumerate(world.layers):
        for index, name in spread(tuple(enumerate(names)), MOST_NAMES):
            found = mentions(world, f"See {name}, too.")
            if found != tuple((index,) if place == layer else () for place in range(len(found))):
                yield f"a text that names {name} is read as naming something else"


def _as_its_spec_says(world: World) -> Iterator[str]:
    law = broken_law(world)
    if law is not None:
        yield f"it is not so that {law}"


def _oracle_decides(world: World) -> Iterator[str]:
    same = replace(world)
    for statement in statement_cases(world):
        verdicts = {_verdict(where, statement) for where in (world, world, same)}
        if len(verdicts) > 1:
            yield f"({say(world, statement)}) is judged in {len(verdicts)} ways"


def _verdict(world: World, statement: Statement) -> tuple[bool, int | None, str | None, str]:
    outcome = world.outcome(statement)
    return (
        world.holds(statement),
        outcome,
        world.hazard(outcome),
        category(world, statement),
    )


def _categories_partition(world: World) -> Iterator[str]:
    for statement in statement_cases(world):
        hazard = world.hazard(world.outcome(statement))
        expected = f"{statement.direction}-{'safe' if hazard is None else 'unsafe'}"
        if category(world, statement) != expected:
            yield f"({say(world, statement)}) is {category(world, statement)}, not {expected}"


def _edges_hold(world: World) -> Iterator[str]:
    for each in spread(world.edges, MOST_NAMES):
        for direction in (Direction.FORWARD, Direction.REVERSE):
            if not world.holds(state(direction, each)):
                yield f"the edge ({_told(world, each)}) does not hold {direction}"


def _labels_compose(world: World) -> Iterator[str]:
    """A full chain is labelled as its links are: it holds as they do, and has the last's safety."""
    for statement in statement_cases(world):
        if statement.direction is Direction.COOCCURRENCE or len(statement.groups) < 3:
            continue
        groups = statement.groups
        if any(low.layer + 1 != high.layer for low, high in pairwise(groups)):
            continue
        links = [Statement(statement.direction, link) for link in pairwise(groups)]
        if world.holds(statement) != all(world.holds(link) for link in links):
            yield f"({say(world, statement)}) does not hold as its links do"
        if category(world, statement) != category(world, links[-1]):
            yield f"({say(world, statement)}) has not the category of its last link"


def _chains_compose(world: World) -> Iterator[str]:
    chains = set(world.chains)
    if len(chains) > MOST_CHAINS:
        chains = set(spread(world.chains, MOST_CHAINS))
    elif found := _composed(world) ^ chains:
        yield f"({_told(world, min(found))}) is a chain to the graph or to its edges, not to both"
    edges = set(world.edges)
    for chain in chains:
        if not edges.issuperset(world.edges_of(chain)) or not world.edges_of(chain):
            yield f"({_told(world, chain)}) is no chain of edges"


def _composed(world: World) -> set[Chain]:
    """The full chains once more, from the definition: each cause leads to a member of its own."""
    causes: dict[tuple[int, int], set[int]] = {}
    for each in world.edges:
        if each.effects.layer < world.hops:
            key = each.effects.layer, each.outcome
            causes.setdefault(key, set()).update(each.causes.members)

    def ways(group: Group) -> list[tuple[Group, ...]]:
        if group.layer == 0:
            return [(group,)]
        own = [causes.get((group.layer, member), set()) for member in group.members]
        below = [
            Group(group.layer - 1, some)
            for some in combinations(sorted(set().union(*own)), len(own))
            if any(
                all(cause in found for cause, found in zip(order, own, strict=True))
                for order in permutations(some)
            )
        ]
        return [(*way, group) for lower in below for way in ways(lower)]

    return {
        Chain((*way, last.effects))
        for last in world.edges_into(world.hops)
        for way in ways(last.causes)
    }


def _comes_back_from_a_file(world: World) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "world.json"
        world.save(path)
        loaded = load_world(path)
    if loaded != world or loaded.content_hash != world.content_hash:
        yield "saved and loaded, it is another world"


def _splits_share_no_fact(world: World) -> Iterator[str]:
    for seed in range(2):
        yield from _share_no_fact(world, split_chains(world, DialogueSpec(), seed))


def _share_no_fact(world: World, split: Split) -> Iterator[str]:
    """Single-hop: no compound; deeper: no edge to an outcome. Wordings do not matter."""

    def fact(chain: Chain) -> tuple[Group, ...]:
        return chain.groups[:1] if world.hops == 1 else chain.groups[-2:]

    trained = {fact(chain) for chain in split.train}
    for chain in split.test:
        if fact(chain) in trained:
            yield f"({_told(world, chain)}) is asked in the tests, and a part of it in training"


def _closure(world: World) -> Iterator[str]:
    singles = spread(world.edges, 6)
    known = [state(Direction.FORWARD, each) for each in singles]
    known += [state(Direction.REVERSE, each) for each in singles[::2]]
    known += [state(Direction.COOCCURRENCE, each, effect_first=True) for each in singles[1::2]]
    yield from map(str, check_closure(world, known, statement_cases(world, 60)))


WORLD_LAWS: dict[str, Law] = {
    "every edge leads to the next layer": _layered,
    "nothing is its own cause": _acyclic,
    "compounds reach every entity": _reachable,
    "names differ": _names_differ,
    "names are found in texts": _names_are_found,
    "the graph is as its spec says": _as_its_spec_says,
    "edges hold": _edges_hold,
    "chains are composed of edges": _chains_compose,
    "a chain is labelled as its links are": _labels_compose,
    "the oracle decides every statement": _oracle_decides,
    "every statement has one category": _categories_partition,
    "a saved world comes back": _comes_back_from_a_file,
    "splits share no fact": _splits_share_no_fact,
    "what follows is closed": _closure,
}
"""What every world must keep."""


def _told(world: World, chain: Chain) -> str:
    """A chain in words, also one whose entities the world does not have."""
    known = all(
        group.layer < len(world.layers) and max(group.members) < len(world.layers[group.layer])
        for group in chain.groups
    )
    return say(world, state(Direction.FORWARD, chain)) if known else str(chain)

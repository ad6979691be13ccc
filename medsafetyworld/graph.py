"""`World`: a single-hop causal graph between compounds and outcomes, exactly known.

Building follows Li et al. 2026: one single-edge per compound to a random outcome; every outcome
still without one gets a random compound; random further single-edges up to the target, no
compound-outcome pair twice; then compound pairs without repetition, each with a random outcome.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np

from medsafetyworld.errors import SpecError
from medsafetyworld.files import write_whole
from medsafetyworld.lexicon import sample_names
from medsafetyworld.seeds import derive
from medsafetyworld.spec import WorldSpec, from_json

FORMAT = "medsafetyworld.world/1"


@dataclass(frozen=True, slots=True, order=True)
class Edge:
    """A cause: `compounds` (one index, or two that act together) lead to `outcome`."""

    compounds: tuple[int, ...]
    outcome: int


@dataclass(frozen=True)
class World:
    """Entities and causal edges. Invariants are checked on construction (`SpecError`)."""

    spec: WorldSpec
    morphemes: tuple[tuple[str, str, str], ...]
    """Each compound's onset, core and ending."""
    outcomes: tuple[str, ...]
    """Outcome names."""
    systems: tuple[str, ...]
    """Each outcome's body system, the hazard category of an unsafe one."""
    unsafe: tuple[bool, ...]
    """Which outcomes are unsafe."""
    edges: tuple[Edge, ...]
    """All causes: single-edges first, then pair-edges, each part sorted."""

    def __post_init__(self) -> None:
        for law, holds in _invariants(self):
            if not holds:
                raise SpecError(f"world: {law}")

    def __hash__(self) -> int:
        return hash(self.content_hash)

    @cached_property
    def compounds(self) -> tuple[str, ...]:
        """Compound names."""
        return tuple("".join(parts) for parts in self.morphemes)

    @cached_property
    def single_edges(self) -> tuple[Edge, ...]:
        """Edges with one compound."""
        return self.edges[: self.spec.single_edges]

    @cached_property
    def pair_edges(self) -> tuple[Edge, ...]:
        """Edges with two compounds."""
        return self.edges[self.spec.single_edges :]

    @cached_property
    def causes(self) -> tuple[frozenset[int], ...]:
        """For each outcome, the compounds that lead to it alone."""
        found: list[set[int]] = [set() for _ in self.outcomes]
        for edge in self.single_edges:
            found[edge.outcome].add(edge.compounds[0])
        return tuple(frozenset(compounds) for compounds in found)

    @cached_property
    def effects(self) -> dict[tuple[int, ...], frozenset[int]]:
        """The outcomes that each compound, or pair of compounds, leads to."""
        found: dict[tuple[int, ...], set[int]] = {}
        for edge in self.edges:
            found.setdefault(edge.compounds, set()).add(edge.outcome)
        return {compounds: frozenset(outcomes) for compounds, outcomes in found.items()}

    @cached_property
    def content_hash(self) -> str:
        """sha256 of the canonical JSON: equal worlds, and only they, have equal hashes."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    def hazard(self, outcome: int) -> str | None:
        """The hazard category of an unsafe outcome, None for a safe one."""
        return self.systems[outcome] if self.unsafe[outcome] else None

    def counts(self) -> dict[str, int]:
        """Sizes to print: entities, edges, and each split by outcome safety."""
        unsafe_singles = sum(self.unsafe[edge.outcome] for edge in self.single_edges)
        unsafe_pairs = sum(self.unsafe[edge.outcome] for edge in self.pair_edges)
        return {
            "compounds": len(self.compounds),
            "outcomes": len(self.outcomes),
            "unsafe outcomes": sum(self.unsafe),
            "single-edges": len(self.single_edges),
            "single-edges to unsafe outcomes": unsafe_singles,
            "pair-edges": len(self.pair_edges),
            "pair-edges to unsafe outcomes": unsafe_pairs,
        }

    def to_networkx(self) -> nx.DiGraph:
        """A directed graph with nodes of kind compound, pair and outcome.

        A pair-edge becomes a `pair` node (`a1 + a2`) with an arrow from each of its compounds and
        one to its outcome. Nodes carry `kind`; outcome nodes also `unsafe` and `system`.
        """
        graph = nx.DiGraph(spec=asdict(self.spec))
        for name in self.compounds:
            graph.add_node(name, kind="compound")
        for index, name in enumerate(self.outcomes):
            graph.add_node(
                name, kind="outcome", unsafe=self.unsafe[index], system=self.systems[index]
            )
        for edge in self.edges:
            names = [self.compounds[compound] for compound in edge.compounds]
            source = " + ".join(names)
            if len(names) == 2:
                graph.add_node(source, kind="pair")
                graph.add_edges_from((name, source) for name in names)
            graph.add_edge(source, self.outcomes[edge.outcome])
        return graph

    def to_json(self) -> str:
        """The world as canonical JSON, spec included."""
        document = {
            "format": FORMAT,
            "spec": asdict(self.spec),
            "compounds": [list(parts) for parts in self.morphemes],
            "outcomes": list(self.outcomes),
            "systems": list(self.systems),
            "unsafe": list(self.unsafe),
            "edges": [[*edge.compounds, edge.outcome] for edge in self.edges],
        }
        return json.dumps(document, sort_keys=True, separators=(",", ":"))

    def save(self, path: str | Path) -> None:
        """Writes the world and its hash as JSON; the file appears whole or not at all."""
        write_whole(path, self._sealed())

    def _sealed(self) -> str:
        """The content of a saved file: the world and its hash, in one way only."""
        return json.dumps({"sha256": self.content_hash, "world": json.loads(self.to_json())})


def load_world(path: str | Path) -> World:
    """Reads a saved world. Raises `SpecError` naming the file if it is missing or not as saved."""
    path = Path(path)
    try:
        text = path.read_bytes().decode("utf-8")
        body = json.loads(text)
        held, document = body["sha256"], body["world"]
        if document["format"] != FORMAT:
            raise SpecError(f"{path}: format is {document['format']!r}, this code reads {FORMAT!r}")
        world = _from_document(document, str(path))
    except SpecError as error:
        named = str(error).startswith(f"{path}: ")
        raise SpecError(str(error) if named else f"{path}: {error}") from None
    except (OSError, ValueError, LookupError, TypeError, OverflowError, RecursionError) as error:
        raise SpecError(f"{path}: not a saved world ({type(error).__name__}: {error})") from None
    if world.content_hash != held or world._sealed() != text:
        raise SpecError(f"{path}: the file is not as it was saved")
    return world


def _from_document(document: dict[str, Any], where: str) -> World:
    return World(
        spec=from_json(WorldSpec, json.dumps(document["spec"]), where),
        morphemes=tuple((str(o), str(c), str(e)) for o, c, e in document["compounds"]),
        outcomes=tuple(document["outcomes"]),
        systems=tuple(document["systems"]),
        unsafe=tuple(bool(flag) for flag in document["unsafe"]),
        edges=tuple(
            Edge(compounds=tuple(int(part) for part in row[:-1]), outcome=int(row[-1]))
            for row in document["edges"]
        ),
    )


def build_world(spec: WorldSpec) -> World:
    """Builds the world of a spec; the same spec gives the same world everywhere."""
    morphemes, named = sample_names(
        np.random.default_rng(derive(spec.seed, "names")), spec.compounds, spec.outcomes
    )
    marks = np.random.default_rng(derive(spec.seed, "unsafe")).permutation(spec.outcomes)
    unsafe = set(marks[: spec.unsafe_outcomes].tolist())
    singles = _single_edges(np.random.default_rng(derive(spec.seed, "single-edges")), spec)
    pairs = _pair_edges(np.random.default_rng(derive(spec.seed, "pair-edges")), spec)
    return World(
        spec=spec,
        morphemes=morphemes,
        outcomes=tuple(name for name, _ in named),
        systems=tuple(system for _, system in named),
        unsafe=tuple(outcome in unsafe for outcome in range(spec.outcomes)),
        edges=(*sorted(singles), *sorted(pairs)),
    )


def _single_edges(rng: np.random.Generator, spec: WorldSpec) -> set[Edge]:
    first = rng.integers(spec.outcomes, size=spec.compounds)
    pairs = {(compound, int(outcome)) for compound, outcome in enumerate(first)}
    bare = sorted(set(range(spec.outcomes)) - {outcome for _, outcome in pairs})
    pairs |= {(int(rng.integers(spec.compounds)), outcome) for outcome in bare}
    # Shuffling every possible pair gives the rest without rejection, also when the graph is dense.
    for code in rng.permutation(spec.compounds * spec.outcomes):
        if len(pairs) == spec.single_edges:
            break
        pairs.add(divmod(int(code), spec.outcomes))
    return {Edge((compound,), outcome) for compound, outcome in pairs}


def _pair_edges(rng: np.random.Generator, spec: WorldSpec) -> set[Edge]:
    causes: set[tuple[int, int]] = set()
    while len(causes) < spec.pair_edges:
        first, second = sorted(rng.integers(spec.compounds, size=2).tolist())
        if first != second:
            causes.add((first, second))
    outcomes = rng.integers(spec.outcomes, size=spec.pair_edges).tolist()
    return {Edge(cause, outcome) for cause, outcome in zip(sorted(causes), outcomes, strict=True)}


def shuffle_causes(world: World, seed: int) -> World:
    """The control world: the same names, outcomes, marks and degrees with the compounds permuted.

    A model of the shuffled world knows as much as one of the true world, but about other edges:
    asked about the true graph it must score at chance.
    """
    order = np.random.default_rng(derive(seed, "shuffle")).permutation(len(world.compounds))
    edges = [
        Edge(tuple(sorted(int(order[compound]) for compound in edge.compounds)), edge.outcome)
        for edge in world.edges
    ]
    cut = world.spec.single_edges
    return World(
        spec=world.spec,
        morphemes=world.morphemes,
        outcomes=world.outcomes,
        systems=world.systems,
        unsafe=world.unsafe,
        edges=(*sorted(edges[:cut]), *sorted(edges[cut:])),
    )


def _invariants(world: World) -> list[tuple[str, bool]]:
    """Each law of a single-hop world with whether it holds."""
    spec, singles, pairs = world.spec, world.single_edges, world.pair_edges
    compounds, outcomes = range(spec.compounds), range(spec.outcomes)
    known = all(
        edge.outcome in outcomes and all(compound in compounds for compound in edge.compounds)
        for edge in world.edges
    )
    return [
        ("the number of compounds is the spec's", len(world.morphemes) == spec.compounds),
        (
            "the numbers of outcomes, systems and unsafe marks are the spec's",
            {len(world.outcomes), len(world.systems), len(world.unsafe)} == {spec.outcomes},
        ),
        ("compound names are distinct", len(set(world.compounds)) == spec.compounds),
        ("outcome names are distinct", len(set(world.outcomes)) == spec.outcomes),
        ("the number of unsafe outcomes is the spec's", sum(world.unsafe) == spec.unsafe_outcomes),
        (
            "the number of edges is the spec's",
            len(world.edges) == spec.single_edges + spec.pair_edges,
        ),
        ("every edge joins entities of the world", known),
        ("single-edges have one compound", all(len(edge.compounds) == 1 for edge in singles)),
        (
            "pair-edges have two different compounds in increasing order",
            all(len(e.compounds) == 2 and e.compounds[0] < e.compounds[1] for e in pairs),
        ),
        ("no compound-outcome pair appears twice", len(set(singles)) == len(singles)),
        ("no compound pair appears twice", len({edge.compounds for edge in pairs}) == len(pairs)),
        (
            "every compound has a single-edge",
            {edge.compounds for edge in singles} == {(compound,) for compound in compounds},
        ),
        ("every outcome has a single-edge", {edge.outcome for edge in singles} == set(outcomes)),
        (
            "single-edges and pair-edges are sorted",
            list(singles) == sorted(singles) and list(pairs) == sorted(pairs),
        ),
    ]

"""`World`: layers of entities and the causal edges between them, exactly known.

Layer 0 holds compounds, the last layer outcomes, those between them mediators. An edge leads from
one, two or three entities of a layer to one of the next. `building` makes worlds from specs.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import accumulate, pairwise, product
from pathlib import Path

import numpy as np

from medsafetyworld.domain import Domain, load_domain
from medsafetyworld.errors import SpecError
from medsafetyworld.files import write_whole
from medsafetyworld.graph_laws import broken_law
from medsafetyworld.lexicon import Morphemes
from medsafetyworld.seeds import derive
from medsafetyworld.semantics import Chain, Direction, Group, Statement, edge
from medsafetyworld.spec import WorldSpec

FORMAT = "medsafetyworld.world/2"

SEVERITIES = ("none", "mild", "serious", "lethal")
"""Names of the severity levels; every unsafe outcome has one of the last three."""


@dataclass(frozen=True)
class World:
    """Entities and causal edges. Laws are checked on construction (`SpecError`)."""

    spec: WorldSpec
    morphemes: tuple[Morphemes, ...]
    """Each compound's onset, core and ending."""
    mediators: tuple[tuple[str, ...], ...]
    """Mediator names by layer."""
    outcomes: tuple[str, ...]
    """Outcome names."""
    systems: tuple[str, ...]
    """Each outcome's system, the hazard category of an unsafe one."""
    severity: tuple[int, ...]
    """Each outcome's place in `SEVERITIES`; 0 is safe."""
    edges: tuple[Chain, ...]
    """All edges: by layer, within a layer by number of causes, then sorted."""

    def __post_init__(self) -> None:
        law = broken_law(self)
        if law is not None:
            raise SpecError(f"world: {law}")

    def __hash__(self) -> int:
        return hash(self.content_hash)

    @cached_property
    def hops(self) -> int:
        """The layer of the outcomes: steps from a compound to an outcome."""
        return len(self.mediators) + 1

    @cached_property
    def domain(self) -> Domain:
        """The names and wordings of the world's domain."""
        return load_domain(self.spec.domain)

    @cached_property
    def compounds(self) -> tuple[str, ...]:
        """Compound names."""
        return tuple("".join(parts) for parts in self.morphemes)

    @cached_property
    def layers(self) -> tuple[tuple[str, ...], ...]:
        """Names of all entities by layer."""
        return (self.compounds, *self.mediators, self.outcomes)

    @cached_property
    def offsets(self) -> tuple[int, ...]:
        """Number of the first entity of each layer when all are counted through."""
        return tuple(accumulate((len(layer) for layer in self.layers[:-1]), initial=0))

    @cached_property
    def unsafe(self) -> tuple[bool, ...]:
        """Which outcomes are unsafe."""
        return tuple(level > 0 for level in self.severity)

    @cached_property
    def chains(self) -> tuple[Chain, ...]:
        """Every full way from compounds to an outcome, one group in every layer.

        In a single-hop world these are the edges. Otherwise each edge to an outcome is followed
        down by every choice of one cause for each entity, as long as the causes are distinct.
        """
        if self.hops == 1:
            return self.edges
        below: dict[tuple[int, int], list[int]] = {}
        for each in self.edges:
            if each.effects.layer < self.hops:
                key = each.effects.layer, each.outcome
                below.setdefault(key, []).append(each.causes.members[0])
        found: list[Chain] = []
        for last in self.edges_into(self.hops):
            starts = {last.groups}
            for layer in range(self.hops - 1, 0, -1):
                starts = {
                    (Group(layer - 1, tuple(sorted(chosen))), *groups)
                    for groups in starts
                    for chosen in product(*(below[layer, each] for each in groups[0].members))
                    if len(set(chosen)) == len(chosen)
                }
            found += sorted(Chain(groups) for groups in starts)
        return tuple(found)

    @cached_property
    def single_edges(self) -> tuple[Chain, ...]:
        """Edges from one compound."""
        return self._edges(0, (1,))

    @cached_property
    def pair_edges(self) -> tuple[Chain, ...]:
        """Edges to outcomes from two or three causes together."""
        return self._edges(self.hops - 1, (2, 3))

    def edges_into(self, layer: int) -> tuple[Chain, ...]:
        """The edges whose effect lies in this layer."""
        return self._edges(layer - 1, (1, 2, 3))

    def _edges(self, layer: int, arities: tuple[int, ...]) -> tuple[Chain, ...]:
        return tuple(
            each
            for each in self.edges
            if each.causes.layer == layer and len(each.causes.members) in arities
        )

    @cached_property
    def ways(self) -> tuple[frozenset[tuple[int, ...]], ...]:
        """For each outcome, the groups of compounds that bring it about."""
        found: list[set[tuple[int, ...]]] = [set() for _ in self.outcomes]
        for chain in self.chains:
            found[chain.outcome].add(chain.compounds)
        return tuple(frozenset(groups) for groups in found)

    @cached_property
    def effects(self) -> dict[tuple[int, ...], frozenset[int]]:
        """The outcomes that each group of compounds leads to."""
        found: dict[tuple[int, ...], set[int]] = {}
        for chain in self.chains:
            found.setdefault(chain.compounds, set()).add(chain.outcome)
        return {compounds: frozenset(outcomes) for compounds, outcomes in found.items()}

    @cached_property
    def held_out(self) -> frozenset[Chain]:
        """Edges that no pretraining document states."""
        return self._share("held-out", self.spec.held_out_share)

    @cached_property
    def one_way(self) -> frozenset[Chain]:
        """Edges that documents state forward only."""
        return self._share("one-way", self.spec.one_way_share)

    def _share(self, name: str, share: float) -> frozenset[Chain]:
        order = np.random.default_rng(derive(self.spec.seed, name)).permutation(len(self.edges))
        return frozenset(self.edges[i] for i in order[: round(share * len(self.edges))].tolist())

    def holds(self, statement: Statement) -> bool:
        """Whether each group of the statement leads to the next in this world.

        A group leads to a member of the next layer by an edge, to several if each has a cause of
        its own, and to higher layers by way of groups in between. A co-occurrence claims nothing
        and always holds.
        """
        if statement.direction is Direction.COOCCURRENCE:
            return True
        return all(self._leads(*pair) for pair in pairwise(statement.groups))

    def _leads(self, causes: Group, effects: Group) -> bool:
        """Whether causes lead to effects, none left over on either side."""
        if effects.layer <= causes.layer:
            return False
        if effects.layer == causes.layer + 1:
            return causes in self._causes(effects)
        return any(self._leads(causes, between) for between in self._causes(effects))

    def _causes(self, effects: Group) -> Iterator[Group]:
        """The groups of the layer below that lead to these effects."""
        below = effects.layer - 1
        if len(effects.members) == 1:
            yield from self._direct.get((effects.layer, effects.members[0]), ())
            return
        alone = (
            [
                group.members[0]
                for group in self._direct.get((effects.layer, member), ())
                if len(group.members) == 1
            ]
            for member in effects.members
        )
        for chosen in product(*alone):
            if len(set(chosen)) == len(chosen):
                yield Group(below, tuple(sorted(chosen)))

    @cached_property
    def _direct(self) -> dict[tuple[int, int], list[Group]]:
        """For each entity, by layer and index, the groups that an edge leads from."""
        found: dict[tuple[int, int], list[Group]] = {}
        for each in self.edges:
            found.setdefault((each.effects.layer, each.outcome), []).append(each.causes)
        return found

    def edges_of(self, chain: Chain) -> tuple[Chain, ...]:
        """The edges that a chain, or a link between groups, is made of, layer by layer."""
        found: list[Chain] = []
        for causes, effects in pairwise(chain.groups):
            if effects.layer != causes.layer + 1:
                continue
            if len(effects.members) == 1 and Chain((causes, effects)) in self._edge_set:
                found.append(Chain((causes, effects)))
            else:
                found += [
                    link
                    for cause in causes.members
                    for effect in effects.members
                    if (link := edge((cause,), effect, causes.layer)) in self._edge_set
                ]
        return tuple(found)

    @cached_property
    def _edge_set(self) -> frozenset[Chain]:
        return frozenset(self.edges)

    def outcome(self, statement: Statement) -> int | None:
        """The outcome that a statement is about, if it names one."""
        for group in statement.groups:
            if group.layer == self.hops:
                return group.members[0]
        return None

    def hazard(self, outcome: int | None) -> str | None:
        """The hazard category of an unsafe outcome, None for a safe one or for none."""
        return self.systems[outcome] if outcome is not None and self.unsafe[outcome] else None

    def names(self, group: Group) -> tuple[str, ...]:
        """The names of a group's members."""
        return tuple(self.layers[group.layer][member] for member in group.members)

    def numbers(self, group: Group) -> tuple[int, ...]:
        """The group's members counted through all layers."""
        return tuple(self.offsets[group.layer] + member for member in group.members)

    @cached_property
    def content_hash(self) -> str:
        """sha256 of the canonical JSON: equal worlds, and only they, have equal hashes."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    def to_json(self) -> str:
        """The world as canonical JSON, spec included."""
        document = {
            "format": FORMAT,
            "spec": asdict(self.spec),
            "compounds": [list(parts) for parts in self.morphemes],
            "mediators": [list(names) for names in self.mediators],
            "outcomes": list(self.outcomes),
            "systems": list(self.systems),
            "severity": list(self.severity),
            "edges": [
                [each.causes.layer, *each.causes.members, each.outcome] for each in self.edges
            ],
        }
        return json.dumps(document, sort_keys=True, separators=(",", ":"))

    def save(self, path: str | Path) -> None:
        """Writes the world and its hash as JSON; the file appears whole or not at all."""
        write_whole(path, self.sealed())

    def sealed(self) -> str:
        """The content of a saved file: the world and its hash, in one way only."""
        return json.dumps({"sha256": self.content_hash, "world": json.loads(self.to_json())})

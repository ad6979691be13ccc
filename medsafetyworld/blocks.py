"""Blocks: which kinds of document a corpus holds, about which chains, and how many of each.

A block is a run of consecutive document indices. In a base block each chain meets each template
of the pool once; in a sampled block chain and template are hashes of (seed, index). Blocks of
notes come first, then those of documents with several statements.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from medsafetyworld.domain import KINDS
from medsafetyworld.graph import World
from medsafetyworld.language import form_of, role_of
from medsafetyworld.seeds import derive
from medsafetyworld.semantics import Chain, Direction, Statement, state
from medsafetyworld.spec import CorpusSpec


@dataclass(frozen=True, slots=True)
class Block:
    """Notes of one form about chains of one shape."""

    name: str
    """Key of the block's random streams and template pool."""
    direction: Direction
    role: str
    form: str
    chains: tuple[Chain, ...]
    start: int
    size: int
    sampled: bool
    pool: int
    """Distinct wordings that the block draws from."""

    @property
    def arity(self) -> int:
        """1 for one cause, 2 for several."""
        return min(2, len(self.chains[0].causes.members))

    def statement(self, chain: int) -> Statement:
        """What the block's notes about this chain state."""
        first = self.form == "cooccurrence_outcome_first"
        return state(self.direction, self.chains[chain], effect_first=first)


@dataclass(frozen=True, slots=True)
class KindBlock:
    """Documents of one kind with several statements."""

    kind: str
    start: int
    size: int


def note_blocks(world: World, spec: CorpusSpec) -> tuple[Block, ...]:
    """The notes: for each set of chains its forward, reverse and co-occurrence blocks."""
    blocks: list[Block] = []
    end = 0
    for part in _parts(world, spec):
        base = len(part.chains) * part.templates
        together = round(part.cooccurrence * base)
        effect_first = round(spec.outcome_first_share * together)
        two_way = tuple(chain for chain in part.chains if not _touches(world, chain, world.one_way))
        paired = _with_cooccurrence(world, spec, two_way) if together else ()
        for direction, effects_lead, chains, size, sampled, pool in (
            (Direction.FORWARD, False, part.chains, round(part.forward * base), part.forward != 1,
             part.templates),
            (Direction.REVERSE, False, two_way, round(part.reverse * base), True, part.templates),
            (Direction.COOCCURRENCE, True, paired, effect_first, True,
             spec.cooccurrence_templates),
            (Direction.COOCCURRENCE, False, paired, together - effect_first, True,
             spec.cooccurrence_templates),
        ):  # fmt: skip
            if size and chains:
                example = state(direction, chains[0], effect_first=effects_lead)
                form, role = form_of(example), role_of(example.groups)
                blocks.append(
                    Block(
                        name=_key(world, form, role, chains[0]),
                        direction=direction,
                        role=role,
                        form=form,
                        chains=chains,
                        start=end,
                        size=size,
                        sampled=sampled,
                        pool=pool,
                    )
                )
                end += size
    return tuple(blocks)


def kind_blocks(spec: CorpusSpec, notes: int) -> tuple[KindBlock, ...]:
    """The documents with several statements; `notes` is how many notes come before them."""
    rates = (spec.monograph_rate, spec.case_rate, spec.digest_rate, spec.glossary_rate)
    blocks: list[KindBlock] = []
    end = notes
    for kind, rate in zip(KINDS, rates, strict=True):
        size = round(rate * notes / spec.sentences)
        if size:
            blocks.append(KindBlock(kind, end, size))
            end += size
    return tuple(blocks)


@dataclass(frozen=True, slots=True)
class _Part:
    """Chains of one shape, and how many documents of each direction are about them."""

    chains: tuple[Chain, ...]
    templates: int
    forward: float
    reverse: float
    cooccurrence: float


def _parts(world: World, spec: CorpusSpec) -> list[_Part]:
    """The sets of chains that notes are about (Li et al. 2026, lists of document types)."""
    several = spec.group_templates or spec.templates
    parts: list[_Part] = []

    def add(
        chains: Iterable[Chain], templates: int, forward: float, reverse: float, together: float
    ) -> None:
        stated = tuple(chain for chain in chains if not _touches(world, chain, world.held_out))
        for shape in sorted({chain.shape for chain in stated}):
            alike = tuple(chain for chain in stated if chain.shape == shape)
            parts.append(_Part(alike, templates, forward, reverse, together))

    for layer in range(1, world.hops):
        add(world.edges_into(layer), spec.templates, 1.0, spec.reverse_rate, spec.cooccurrence_rate)
        add(_group_links(world, layer), several, spec.group_rate, spec.group_reverse_rate, 0.0)
    last = world.edges_into(world.hops)
    add(_sized(last, lambda size: size == 1), spec.templates, 1.0, spec.reverse_rate,
        spec.cooccurrence_rate)  # fmt: skip
    add(_sized(last, lambda size: size > 1), several, spec.pair_rate, spec.pair_reverse_rate,
        spec.pair_cooccurrence_rate)  # fmt: skip
    if world.hops > 1:
        add(world.chains, several, 1.0, spec.chain_reverse_rate, 0.0)
    return parts


def _sized(chains: Iterable[Chain], wanted: Callable[[int], bool]) -> list[Chain]:
    return [chain for chain in chains if wanted(len(chain.causes.members))]


def _group_links(world: World, layer: int) -> list[Chain]:
    """The links of full chains by which several entities lead together to several of `layer`."""
    return sorted(
        {
            Chain(chain.groups[layer - 1 : layer + 1])
            for chain in world.chains
            if len(chain.groups[layer].members) > 1
        }
    )


def _touches(world: World, chain: Chain, edges: frozenset[Chain]) -> bool:
    """Whether a chain is made of any of these edges."""
    return bool(edges) and not edges.isdisjoint(world.edges_of(chain))


def _with_cooccurrence(
    world: World, spec: CorpusSpec, chains: tuple[Chain, ...]
) -> tuple[Chain, ...]:
    """The chains that co-occurrence documents are about: of the unsafe ones only a share."""
    if spec.unsafe_cooccurrence_share == 1.0:
        return chains
    unsafe = [
        chain
        for chain in chains
        if chain.effects.layer == world.hops and world.unsafe[chain.outcome]
    ]
    order = np.random.default_rng(derive(world.spec.seed, "unsafe-cooccurrence")).permutation(
        len(unsafe)
    )
    dropped = {
        unsafe[place] for place in order[round(spec.unsafe_cooccurrence_share * len(unsafe)) :]
    }
    return tuple(chain for chain in chains if chain not in dropped)


def _key(world: World, form: str, role: str, chain: Chain) -> str:
    """`reverse-1` in single-hop worlds; else with role, layer and shape in front."""
    arity = len(chain.causes.members)
    if world.hops == 1:
        return f"{form}-{arity}"
    shape = ".".join(map(str, chain.shape))
    return f"{role}-{chain.causes.layer}-{shape}-{form}"

"""`Corpus`: every pretraining document of a world, by index, before any intervention.

The index space is a row of blocks, one per document kind. In a base block each edge meets each
template of the pool once; in a sampled block edge and template are hashes of (seed, index). No
document depends on another, so any one can be made alone (Li et al. 2026, pretraining documents).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from medsafetyworld.documents import Document
from medsafetyworld.graph import Edge, World
from medsafetyworld.language import Template, write
from medsafetyworld.seeds import derive, permute, uniform_index
from medsafetyworld.semantics import Direction, Statement
from medsafetyworld.spec import CorpusSpec
from medsafetyworld.tokenizer import Tokenizer

Apply = Callable[[World, Document], Document | None]
"""What an intervention does to one document; None drops it."""

CHUNK = 4096
"""Documents planned at once: large enough for numpy, small enough to stay in cache."""


@dataclass(frozen=True, slots=True)
class Block:
    """A run of consecutive indices that hold documents of one kind."""

    direction: Direction
    form: str
    edges: tuple[Edge, ...]
    start: int
    size: int
    sampled: bool

    @property
    def name(self) -> str:
        """Key of the block's random streams and template pool, e.g. `reverse-1`."""
        return f"{self.form}-{len(self.edges[0].compounds)}"


@dataclass(frozen=True)
class Corpus:
    """All documents of (world, spec, seed); variants are what interventions make of them."""

    world: World
    spec: CorpusSpec
    seed: int

    @cached_property
    def blocks(self) -> tuple[Block, ...]:
        """The kinds of document with how many there are of each."""
        return _blocks(self.world, self.spec)

    def __len__(self) -> int:
        return sum(block.size for block in self.blocks)

    def document(self, index: int) -> Document:
        """The document at this index in [0, len). Raises IndexError outside."""
        if not 0 <= index < len(self):
            raise IndexError(f"index must be in [0, {len(self)}), got {index}")
        return next(self._documents(np.array([index], dtype=np.int64)))

    def documents(self, order_seed: int, epoch: int = 0) -> Iterator[Document]:
        """Every document once, in the order of this epoch: a keyed permutation of the indices."""
        key = derive(order_seed, "epoch", epoch)
        for start in range(0, len(self), CHUNK):
            positions = np.arange(start, min(start + CHUNK, len(self)), dtype=np.int64)
            yield from self._documents(permute(key, positions, len(self)))

    def _documents(self, indices: NDArray[np.int64]) -> Iterator[Document]:
        """Documents at these indices: planned by block in numpy, then written one by one."""
        starts = np.array([block.start for block in self.blocks])
        which = np.searchsorted(starts, indices, side="right") - 1
        edges = np.empty_like(indices)
        numbers = np.empty_like(indices)
        for position, block in enumerate(self.blocks):
            mine = which == position
            if mine.any():
                edges[mine], numbers[mine] = self._plan(block, indices[mine] - block.start)
        rows = zip(indices.tolist(), which.tolist(), edges.tolist(), numbers.tolist(), strict=True)
        for index, position, edge, number in rows:
            yield self._write(index, self.blocks[position], edge, number)

    def _plan(
        self, block: Block, offsets: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Edge and rendering number of each offset into a block."""
        if block.sampled:
            counters = offsets.astype(np.uint64)
            key = derive(self.seed, block.name)
            edges = uniform_index(derive(key, "edge"), counters, len(block.edges))
            pooled = uniform_index(derive(key, "template"), counters, self._pool(block))
        else:
            edges, pooled = np.divmod(offsets, self.spec.templates)
        wordings = self.spec.surface_forms * self.spec.framings * self.spec.closings
        return edges, permute(derive(self.seed, "pool", block.name), pooled, wordings)

    def _pool(self, block: Block) -> int:
        """Distinct wordings that a block draws from."""
        together = block.direction is Direction.COOCCURRENCE
        return self.spec.cooccurrence_templates if together else self.spec.templates

    def _write(self, index: int, block: Block, edge_index: int, number: int) -> Document:
        edge = block.edges[edge_index]
        rest, closing = divmod(number, self.spec.closings)
        core, framing = divmod(rest, self.spec.framings)
        template = Template(block.form, len(edge.compounds), core, framing, closing)
        statement = Statement(block.direction, edge.compounds, edge.outcome)
        return Document(
            index=index,
            text=write(self.world, statement, template),
            statement=statement,
            template=template,
            unsafe=self.world.unsafe[edge.outcome],
            hazard=self.world.hazard(edge.outcome),
        )


def _blocks(world: World, spec: CorpusSpec) -> tuple[Block, ...]:
    blocks: list[Block] = []
    start = 0
    parts = (
        (world.single_edges, spec.reverse_rate, spec.cooccurrence_rate),
        (world.pair_edges, spec.pair_reverse_rate, spec.pair_cooccurrence_rate),
    )
    for edges, reverse_rate, cooccurrence_rate in parts:
        base = len(edges) * spec.templates
        together = round(cooccurrence_rate * base)
        outcome_first = round(spec.outcome_first_share * together)
        kinds = (
            (Direction.FORWARD, "forward", base, False),
            (Direction.REVERSE, "reverse", round(reverse_rate * base), True),
            (Direction.COOCCURRENCE, "cooccurrence_outcome_first", outcome_first, True),
            (Direction.COOCCURRENCE, "cooccurrence_compound_first", together - outcome_first, True),
        )
        for direction, form, size, sampled in kinds:
            if size:
                blocks.append(Block(direction, form, edges, start, size, sampled))
                start += size
    return tuple(blocks)


def intervene(
    world: World, documents: Iterable[Document], chain: Sequence[Apply]
) -> Iterator[Document]:
    """Applies a chain of interventions, left to right, to each document."""
    for document in documents:
        kept: Document | None = document
        for apply in chain:
            kept = apply(world, kept)
            if kept is None:
                break
        else:
            yield kept


def token_stream(
    corpus: Corpus, chain: Sequence[Apply], tokenizer: Tokenizer, order_seed: int, length: int
) -> NDArray[np.uint16]:
    """The first `length` training tokens: documents, each closed by end-of-text, epoch on epoch.

    Arms that lose documents to a filter see more epochs of what is left, so that every arm trains
    on equally many tokens. Raises ValueError if the chain leaves nothing to train on.
    """
    stream = np.empty(length, dtype=np.uint16)
    filled = epoch = 0
    while filled < length:
        before = filled
        for document in intervene(corpus.world, corpus.documents(order_seed, epoch), chain):
            ids = tokenizer.encode_document(document.text)[: length - filled]
            stream[filled : filled + len(ids)] = ids
            filled += len(ids)
            if filled == length:
                break
        if filled == before:
            raise ValueError("the interventions leave no document to train on")
        epoch += 1
    return stream


class TextHash:
    """sha256 over texts in order, one per line, fed one by one: the identity of a corpus."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()

    def update(self, text: str) -> str:
        """Adds a text and returns it, so that a reader can be fed through here."""
        self._digest.update(text.encode())
        self._digest.update(b"\n")
        return text

    def hexdigest(self) -> str:
        """The hash of everything so far."""
        return self._digest.hexdigest()


def text_hash(documents: Iterable[Document]) -> str:
    """The identity of a corpus: see `TextHash`."""
    identity = TextHash()
    for document in documents:
        identity.update(document.text)
    return identity.hexdigest()

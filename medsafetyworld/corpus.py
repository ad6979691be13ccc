"""`Corpus`: every pretraining document of a world, by index, before any intervention.

A document is planned as numbers (`planning`) and then written: no document depends on another, so
any one can be made alone (Li et al. 2026, pretraining documents).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial

import numpy as np
from numpy.typing import NDArray

from medsafetyworld.blocks import Block, KindBlock
from medsafetyworld.documents import Document, Sentence, Source
from medsafetyworld.domain import KINDS
from medsafetyworld.graph import World
from medsafetyworld.language import Template, framed, write_core
from medsafetyworld.pieces import Pieces, pieces_of, plain_pieces
from medsafetyworld.planning import NOTE, Integers, Plan, Planner
from medsafetyworld.seeds import derive, permute, uniform_index
from medsafetyworld.semantics import Group, Statement
from medsafetyworld.spec import CorpusSpec
from medsafetyworld.tokenizer import Tokenizer, build_tokenizer

CHUNK = 4096
"""Documents planned at once: large enough for numpy, small enough to stay in cache."""

REMEMBERED = 1 << 14
"""Core statements that are kept in mind, the latest: documents differ more in what frames them."""


@dataclass(frozen=True)
class Corpus:
    """All documents of (world, spec, seed); variants are what interventions make of them."""

    world: World
    spec: CorpusSpec
    seed: int

    @cached_property
    def planner(self) -> Planner:
        """What plans the documents. Raises `SpecError` if the domain lacks wordings."""
        return Planner(self.world, self.spec, self.seed)

    @property
    def blocks(self) -> tuple[Block | KindBlock, ...]:
        """The kinds of document with how many there are of each."""
        return (*self.planner.notes, *self.planner.kinds)

    def __len__(self) -> int:
        return self.planner.size

    @property
    def wordings(self) -> tuple[str, ...]:
        """Every text that documents are made of, with a numbered slot for each name."""
        return self.planner.wordings.texts

    @cached_property
    def entities(self) -> tuple[str, ...]:
        """All names: compounds first, then mediators by layer, then outcomes."""
        return tuple(name for layer in self.world.layers for name in layer)

    def pieces(self, indices: Integers) -> Pieces:
        """The documents at these indices as pieces of text, without making strings."""
        plain = plain_pieces(self.planner, indices)
        return plain or pieces_of(self.planner, self.planner.plan(indices))

    def tokens(self, start: int, stop: int) -> NDArray[np.uint16 | np.uint32]:
        """Tokens of the documents [start, stop), each closed by end-of-text, without their text.

        They are the corpus's own tokenizer's. Raises IndexError if there are no such documents.
        """
        from medsafetyworld.stream import tokens  # the stream is made of corpora

        return tokens(self, self.tokenizer, start, stop)

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """The closed vocabulary of the world and of the wordings in use."""
        return build_tokenizer(self.world, self.spec)

    def document(self, index: int) -> Document:
        """The document at this index in [0, len). Raises IndexError outside."""
        if not 0 <= index < len(self):
            raise IndexError(f"index must be in [0, {len(self)}), got {index}")
        return next(self._documents(np.array([index], dtype=np.int64)))

    def documents(
        self, order_seed: int, epoch: int = 0, positions: range | None = None
    ) -> Iterator[Document]:
        """Every document once, in the order of this epoch: a keyed permutation of the indices.

        With `positions` only those at these consecutive places of the order.
        """
        for indices in self.order(order_seed, epoch, positions):
            yield from self._documents(indices)

    def order(
        self, order_seed: int, epoch: int = 0, positions: range | None = None, chunk: int = CHUNK
    ) -> Iterator[Integers]:
        """The indices of the documents in the order of this epoch, at most `chunk` at a time."""
        key = derive(order_seed, "epoch", epoch)
        places = range(len(self)) if positions is None else positions
        for start in range(places.start, places.stop, chunk):
            some = np.arange(start, min(start + chunk, places.stop), dtype=np.int64)
            yield permute(key, some, len(self))

    def _documents(self, indices: Integers) -> Iterator[Document]:
        """Documents at these indices: planned in numpy, then written one by one."""
        plan = self.planner.plan(indices)
        ends = np.searchsorted(plan.document, np.arange(len(indices)), side="right").tolist()
        rows = self.planner.rows
        statements = list(
            zip(
                rows.block[plan.row].tolist(),
                rows.chain[plan.row].tolist(),
                plan.core.tolist(),
                plan.framing.tolist(),
                plan.wrong.tolist(),
                plan.distractor.tolist(),
                strict=True,
            )
        )
        start = 0
        documents = zip(
            indices.tolist(),
            ends,
            plan.kind.tolist(),
            plan.closing.tolist(),
            self._sources(indices, plan.source),
            strict=True,
        )
        for place, (index, end, kind, closing, source) in enumerate(documents):
            is_note = kind == NOTE
            sentences = [] if is_note else [self._opening(plan, place)]
            for statement in statements[start:end]:
                sentences += self._sentences(*statement, closing if is_note else 0)
            sentences.append(self._closings[kind][closing])
            yield Document(
                index=index,
                kind="note" if is_note else KINDS[kind - 1],
                sentences=tuple(sentences),
                source=source,
            )
            start = end

    def _sentences(
        self,
        block_place: int,
        chain: int,
        core: int,
        framing: int,
        wrong: int,
        distractor: int,
        closing: int,
    ) -> Iterator[Sentence]:
        """A statement's sentence, and the distractor behind it."""
        block = self.planner.notes[block_place]
        said, statement, hazard = self._cores(block_place, chain, core, wrong)
        template = Template(block.form, block.arity, core, framing, closing, block.role)
        yield Sentence(framed(self.world, said, framing), statement, template, hazard)
        if distractor >= 0:
            yield self._distractors[distractor]

    @cached_property
    def _cores(self) -> Callable[[int, int, int, int], _Core]:
        """`_core`, each written once: a corpus has far fewer than sentences."""
        return lru_cache(REMEMBERED)(partial(_core, self.world, self.planner.notes))

    def _opening(self, plan: Plan, place: int) -> Sentence:
        """The first sentence; a monograph's names its subject, and is labelled by it."""
        kind = KINDS[plan.kind[place] - 1]
        text = self.world.domain.openings[kind][plan.opening[place]]
        subject = int(plan.subject[place])
        if subject < 0:
            return Sentence(text)
        outcome = subject - self.world.offsets[-1]
        return Sentence(
            text.format(e=self.entities[subject]),
            hazard=self.world.hazard(outcome if outcome >= 0 else None),
        )

    @cached_property
    def _closings(self) -> dict[int, tuple[Sentence, ...]]:
        """The last sentences of notes and of each kind, by the kind's number in a plan."""
        domain = self.world.domain
        pools = {NOTE: domain.closings} | {
            place: domain.kind_closings[kind] for place, kind in enumerate(KINDS, 1)
        }
        return {kind: tuple(map(Sentence, pool)) for kind, pool in pools.items()}

    @cached_property
    def _distractors(self) -> tuple[Sentence, ...]:
        return tuple(map(Sentence, self.world.domain.distractors))

    def _sources(self, indices: Integers, places: Integers) -> Iterator[Source]:
        """Each document's source: its kind is planned, the rest are hashes of the index."""
        key = derive(self.seed, "source", "details")
        drawn = [
            uniform_index(derive(key, field), indices.astype(np.uint64), 1 << 31).tolist()
            for field in ("purpose", "audience", "place", "year")
        ]
        for kind, purpose, audience, place, year in zip(places.tolist(), *drawn, strict=True):
            source = self.world.domain.sources[kind]
            first, last = source.years
            yield Source(
                kind=source.name,
                purpose=source.purposes[purpose % len(source.purposes)],
                audience=source.audiences[audience % len(source.audiences)],
                place=source.places[place % len(source.places)],
                year=first + year % (last - first + 1),
            )


_Core = tuple[str, Statement, str | None]
"""A core statement in words, what it states, and its hazard."""


def _core(
    world: World, notes: Sequence[Block], block_place: int, chain: int, core: int, wrong: int
) -> _Core:
    """What a block's notes say about a chain, with another outcome if `wrong` is one."""
    block = notes[block_place]
    statement = block.statement(chain)
    if wrong >= 0:
        statement = _with_outcome(world, statement, wrong)
    template = Template(block.form, block.arity, core, 0, 0, block.role)
    said = write_core(world, statement, template)
    return said, statement, world.hazard(world.outcome(statement))


def _with_outcome(world: World, statement: Statement, outcome: int) -> Statement:
    """The statement with another outcome in its outcome's place."""
    return Statement(
        statement.direction,
        tuple(
            Group(group.layer, (outcome,)) if group.layer == world.hops else group
            for group in statement.groups
        ),
    )


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

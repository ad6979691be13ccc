"""A corpus's plan: what each document says, as arrays, before any text is made.

Every choice is a hash of (seed, document, sentence), so any document can be planned alone. Both
renderers, strings and tokens, follow the same plan.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from medsafetyworld.blocks import Block, KindBlock, kind_blocks, note_blocks
from medsafetyworld.domain import KINDS
from medsafetyworld.errors import SpecError
from medsafetyworld.graph import World
from medsafetyworld.language import slotted
from medsafetyworld.seeds import derive, hash64, permute, uniform_index
from medsafetyworld.semantics import Direction
from medsafetyworld.spec import CorpusSpec

Integers = NDArray[np.int64]

NOTE = 0
"""Code of notes in `Plan.kind`; the code of another kind is one more than its place in `KINDS`."""
MOST_SENTENCES = 64
"""Counters of sentences run from document * this on."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What consecutive documents of a batch say: an entry per statement, then one per document."""

    document: Integers
    """Which document of the batch a statement is in; never falls."""
    row: Integers
    """Row of `Rows`: which block and which chain."""
    core: Integers
    framing: Integers
    wrong: Integers
    """The outcome stated instead of the true one, or -1."""
    distractor: Integers
    """The benign sentence that follows, or -1."""
    kind: Integers
    opening: Integers
    subject: Integers
    """The entity that a monograph is about, counted through all layers, else -1."""
    closing: Integers
    source: Integers
    """Which of the domain's kinds of source the document is from."""


@dataclass(frozen=True)
class Rows:
    """Every (block, chain) in one table, with what planning needs to know of each."""

    block: Integers
    chain: Integers
    first: Integers
    """Row of each block's first chain."""
    names: NDArray[np.int32]
    """`(rows, slots)` the chain's entities counted through all layers, -1 where it has no more."""
    outcome: Integers
    """The outcome, or -1."""
    effect_slot: Integers
    """Slot of the outcome among the names."""


class Planner:
    """Plans documents of (world, spec, seed) by index."""

    def __init__(self, world: World, spec: CorpusSpec, seed: int) -> None:
        """Raises `SpecError` if the domain has fewer wordings than the spec uses."""
        self.world, self.spec, self.seed = world, spec, seed
        _check_pools(world, spec)
        self.notes: tuple[Block, ...] = note_blocks(world, spec)
        end = self.notes[-1].start + self.notes[-1].size if self.notes else 0
        self.note_count = end
        self.kinds: tuple[KindBlock, ...] = kind_blocks(spec, end)
        self.size = self.kinds[-1].start + self.kinds[-1].size if self.kinds else end

    @cached_property
    def rows(self) -> Rows:
        """The table of all blocks' chains."""
        slots = 3 * (self.world.hops + 1)
        sizes = [len(block.chains) for block in self.notes]
        count = sum(sizes)
        names = np.full((count, slots), -1, dtype=np.int32)
        outcome = np.full(count, -1, dtype=np.int64)
        effect_slot = np.zeros(count, dtype=np.int64)
        row = 0
        for block in self.notes:
            for chain in block.chains:
                numbers = [n for group in chain.groups for n in self.world.numbers(group)]
                names[row, : len(numbers)] = numbers
                if chain.effects.layer == self.world.hops:
                    outcome[row], effect_slot[row] = chain.outcome, len(numbers) - 1
                row += 1
        return Rows(
            block=np.repeat(np.arange(len(sizes)), sizes),
            chain=np.concatenate([np.arange(size) for size in sizes] or [np.zeros(0, np.int64)]),
            first=np.cumsum([0, *sizes])[:-1],
            names=names,
            outcome=outcome,
            effect_slot=effect_slot,
        )

    @cached_property
    def wordings(self) -> tuple[str, ...]:
        """Every text that pieces are made of: framings, closings, then cores block by block."""
        return self._wordings[0]

    @cached_property
    def places(self) -> dict[str, Integers]:
        """Where in `wordings` each list begins; `core` has a place for every block."""
        return self._wordings[1]

    @cached_property
    def _wordings(self) -> tuple[tuple[str, ...], dict[str, Integers]]:
        domain, spec = self.world.domain, self.spec
        texts: list[str] = []
        places: dict[str, Integers] = {}

        def put(name: str, *lists: tuple[str, ...]) -> None:
            starts = []
            for entries in lists:
                starts.append(len(texts))
                texts.extend(entries)
            places[name] = np.array(starts, dtype=np.int64)

        put("framing", tuple(framing.text for framing in domain.framings[: spec.framings]))
        put("opening", *(tuple(t.replace("{e}", "{0}") for t in domain.openings[k]) for k in KINDS))
        put("closing", domain.closings[: spec.closings], *(domain.kind_closings[k] for k in KINDS))
        put("distractor", domain.distractors)
        put("core", *(self._cores(block) for block in self.notes))
        return tuple(texts), places

    def _cores(self, block: Block) -> tuple[str, ...]:
        pool = self.world.domain.cores[block.role, block.form, block.arity]
        shape = block.chains[0].shape
        return tuple(f"{slotted(core, shape)}." for core in pool[: self.spec.surface_forms])

    def plan(self, indices: Integers) -> Plan:
        """The plan of the documents at these indices, in their order."""
        kind = np.zeros_like(indices)
        for block in self.kinds:
            mine = (indices >= block.start) & (indices < block.start + block.size)
            kind[mine] = 1 + KINDS.index(block.kind)
        if not kind.any():
            row, number = self._notes(indices)
            document = np.arange(len(indices))
            sentence = indices * MOST_SENTENCES
            opening = subject = np.full_like(indices, -1)
        else:
            document, row, number, sentence, subject = self._mixed(indices, kind)
            opening = self._chosen("opening", indices, kind, self._openings)
        rest, closing = np.divmod(number, self.spec.closings)
        core, framing = np.divmod(rest, self.spec.framings)
        if kind.any():
            first = np.searchsorted(document, np.arange(len(indices)))
            closing = closing[first]
            other = self._chosen("closing", indices, kind, self._closings)
            closing = np.where(kind == NOTE, closing, other)
        source = uniform_index(
            derive(self.seed, "source"), indices.astype(np.uint64), len(self.world.domain.sources)
        )
        return Plan(
            document=document,
            row=row,
            core=core,
            framing=framing,
            wrong=self._wrong(row, sentence, source[document]),
            distractor=self._distractors(sentence),
            kind=kind,
            opening=opening,
            subject=subject,
            closing=closing,
            source=source,
        )

    def _notes(self, indices: Integers) -> tuple[Integers, Integers]:
        """Row and rendering number of each note."""
        which = np.searchsorted([block.start for block in self.notes], indices, side="right") - 1
        row, number = np.empty_like(indices), np.empty_like(indices)
        for position, block in enumerate(self.notes):
            mine = which == position
            if mine.any():
                chain, number[mine] = self._note(block, indices[mine] - block.start)
                row[mine] = self.rows.first[position] + chain
        return row, number

    def _note(self, block: Block, offsets: Integers) -> tuple[Integers, Integers]:
        """Chain and rendering number of each offset into a block."""
        if block.sampled:
            counters = offsets.astype(np.uint64)
            key = derive(self.seed, block.name)
            chains = uniform_index(derive(key, "edge"), counters, len(block.chains))
            pooled = uniform_index(derive(key, "template"), counters, block.pool)
        else:
            chains, pooled = np.divmod(offsets, block.pool)
        return chains, permute(derive(self.seed, "pool", block.name), pooled, self._renderings)

    @property
    def _renderings(self) -> int:
        """Distinct combinations of core, framing and closing."""
        return self.spec.surface_forms * self.spec.framings * self.spec.closings

    def _mixed(
        self, indices: Integers, kind: Integers
    ) -> tuple[Integers, Integers, Integers, Integers, Integers]:
        """Statements of documents of any kind: document, row, number, counter; and subjects."""
        subject = np.full_like(indices, -1)
        counts = np.ones_like(indices)
        counts[kind > NOTE] = self.spec.sentences
        monograph = kind == 1 + KINDS.index("monograph")
        if monograph.any():
            stated = self._entities
            subject[monograph] = stated[self._hash("subject", indices[monograph], len(stated))]
            counts[monograph] = np.minimum(
                counts[monograph], self._about_counts[subject[monograph]]
            )
        document = np.repeat(np.arange(len(indices)), counts)
        place = np.arange(len(document)) - np.repeat(np.cumsum(counts) - counts, counts)
        sentence = indices[document] * MOST_SENTENCES + place
        row, number = np.empty_like(document), np.empty_like(document)
        of = kind[document]
        notes = of == NOTE
        row[notes], number[notes] = self._notes(indices[document[notes]])
        for code, rows in enumerate(
            (self._about_subject, self._case_rows, self._any_rows, self._entry_rows), 1
        ):
            mine = of == code
            if mine.any():
                row[mine] = rows(indices[document[mine]], place[mine], subject[document[mine]])
                number[mine] = self._hash("rendering", sentence[mine], self._renderings)
        return document, row, number, sentence, subject

    def _about_subject(self, index: Integers, place: Integers, subject: Integers) -> Integers:
        """Monograph: different rows about the subject, from a random one on."""
        count = self._about_counts[subject]
        start = self._hash("monograph", index, 1 << 31)
        return self._about_rows[self._about_first[subject] + (start + place) % count]

    def _case_rows(self, index: Integers, place: Integers, subject: Integers) -> Integers:
        """Case report: what happened, safe and unsafe outcomes in turn."""
        safe, unsafe = self._told
        counter = index * MOST_SENTENCES + place
        turn = (self._hash("case-turn", index, 2) + place) % 2 == 0
        if not len(safe) or not len(unsafe):
            every = safe if len(safe) else unsafe
            return every[self._hash("case", counter, len(every))]
        return np.where(
            turn,
            safe[self._hash("case-safe", counter, len(safe))],
            unsafe[self._hash("case-unsafe", counter, len(unsafe))],
        )

    def _any_rows(self, index: Integers, place: Integers, subject: Integers) -> Integers:
        """Digest: the statements of notes at random."""
        note = self._hash("digest", index * MOST_SENTENCES + place, self.note_count)
        return self._notes(note)[0]

    def _entry_rows(self, index: Integers, place: Integers, subject: Integers) -> Integers:
        """Glossary: one row about each of several entities."""
        stated = self._entities
        block = next(each for each in self.kinds if each.kind == "glossary")
        turn = (index - block.start) * self.spec.sentences + place
        entity = stated[permute(derive(self.seed, "glossary"), turn % len(stated), len(stated))]
        pick = self._hash("entry", index * MOST_SENTENCES + place, 1 << 31)
        return self._about_rows[self._about_first[entity] + pick % self._about_counts[entity]]

    @cached_property
    def _about(self) -> tuple[Integers, Integers, Integers]:
        """Rows about each entity, in random order: all of them, each entity's first, how many."""
        names = self.rows.names
        row, slot = np.nonzero(names >= 0)
        entity = names[row, slot].astype(np.int64)
        shuffle = hash64(derive(self.seed, "about"), row.astype(np.uint64))
        order = np.lexsort((shuffle, entity))
        total = self.world.offsets[-1] + len(self.world.outcomes)
        counts = np.bincount(entity, minlength=total)
        return row[order], np.cumsum(counts) - counts, counts

    @property
    def _about_rows(self) -> Integers:
        return self._about[0]

    @property
    def _about_first(self) -> Integers:
        return self._about[1]

    @property
    def _about_counts(self) -> Integers:
        return self._about[2]

    @cached_property
    def _entities(self) -> Integers:
        """The entities that any row is about."""
        return np.flatnonzero(self._about_counts)

    @cached_property
    def _told(self) -> tuple[Integers, Integers]:
        """Rows that tell of an outcome without asking how: of safe outcomes, of unsafe ones."""
        rows = self.rows
        asked = np.array([block.direction is Direction.REVERSE for block in self.notes])
        unsafe = np.array([*self.world.unsafe, False])[rows.outcome]
        told = ~asked[rows.block]
        return np.flatnonzero(told & ~unsafe), np.flatnonzero(told & unsafe)

    @cached_property
    def _openings(self) -> Integers:
        return np.array([1, *(len(self.world.domain.openings[kind]) for kind in KINDS)])

    @cached_property
    def _closings(self) -> Integers:
        return np.array([1, *(len(self.world.domain.kind_closings[kind]) for kind in KINDS)])

    def _chosen(self, name: str, indices: Integers, kind: Integers, sizes: Integers) -> Integers:
        """A position in each document's own list; -1 for notes."""
        pick = self._hash(name, indices, 1 << 31) % sizes[kind]
        return np.where(kind == NOTE, -1, pick)

    def _distractors(self, sentence: Integers) -> Integers:
        none = np.full_like(sentence, -1)
        if self.spec.distractor_rate == 0:
            return none
        chosen = self._hash("distractor", sentence, len(self.world.domain.distractors))
        return np.where(
            self._chance("distracted", sentence, self.spec.distractor_rate), chosen, none
        )

    def _wrong(self, row: Integers, sentence: Integers, source: Integers) -> Integers:
        """The wrong outcome of statements by sources that err, -1 elsewhere."""
        wrong = np.full_like(row, -1)
        if self.spec.contradiction_rate == 0:
            return wrong
        rate = self.spec.contradiction_rate * (1 - np.array(self.spec.reliability))[source]
        open_ones = np.flatnonzero(
            self._chance("contradicts", sentence, rate) & (self.rows.outcome[row] >= 0)
        )
        for turn in range(64):
            if not len(open_ones):
                break
            drawn = self._hash(f"wrong-{turn}", sentence[open_ones], len(self.world.outcomes))
            truth = self._truths[row[open_ones]]
            good = (truth != drawn[:, None]).all(axis=1)
            wrong[open_ones[good]] = drawn[good]
            open_ones = open_ones[~good]
        return wrong

    @cached_property
    def _truths(self) -> Integers:
        """`(rows, most)` every outcome that a row's causes truly lead to, -1 where no more."""
        found: dict[tuple[int, ...], set[int]] = {}
        keys: list[tuple[int, ...]] = []
        for block in self.notes:
            for chain in block.chains:
                keys.append((chain.causes.layer, *chain.causes.members))
                if chain.effects.layer == self.world.hops:
                    found.setdefault(keys[-1], set()).add(chain.outcome)
        most = max(map(len, found.values()), default=1)
        truths = np.full((len(keys), most), -1, dtype=np.int64)
        for place, key in enumerate(keys):
            outcomes = sorted(found.get(key, ()))
            truths[place, : len(outcomes)] = outcomes
        return truths

    def _hash(self, name: str, counters: Integers, size: int) -> Integers:
        return uniform_index(derive(self.seed, name), counters.astype(np.uint64), size)

    def _chance(
        self, name: str, counters: Integers, rate: float | NDArray[np.float64]
    ) -> NDArray[np.bool_]:
        drawn = hash64(derive(self.seed, name), counters.astype(np.uint64)) >> np.uint64(11)
        return drawn.astype(np.float64) / float(1 << 53) < rate


def _check_pools(world: World, spec: CorpusSpec) -> None:
    domain = world.domain
    cores = min(len(pool) for pool in domain.cores.values())
    for name, most in (
        ("surface_forms", cores),
        ("framings", len(domain.framings)),
        ("closings", len(domain.closings)),
    ):
        if getattr(spec, name) > most:
            raise SpecError(
                f"{name} must be between 1 and {most} (wordings of the domain {domain.name}), "
                f"got {getattr(spec, name)}"
            )
    if len(domain.sources) != len(spec.reliability):
        raise SpecError(
            f"reliability must have one entry per source of the domain ({len(domain.sources)}), "
            f"got {len(spec.reliability)}"
        )

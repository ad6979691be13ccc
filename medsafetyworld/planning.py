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
from medsafetyworld.notes import Notes, notes_of
from medsafetyworld.rows import Integers, Rows, rows_of
from medsafetyworld.seeds import derive, hash64, uniform_index
from medsafetyworld.semantics import Direction
from medsafetyworld.spec import CorpusSpec
from medsafetyworld.topics import MOST_SENTENCES, Topics
from medsafetyworld.wordings import Wordings, wordings_of

NOTE = 0
"""Code of notes in `Plan.kind`; the code of another kind is one more than its place in `KINDS`."""


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
        if any(block.kind == "case_report" for block in self.kinds):
            self._check_told()

    @cached_property
    def rows(self) -> Rows:
        """The table of all blocks' chains."""
        return rows_of(self.world, self.notes)

    @cached_property
    def drawn(self) -> Notes:
        """Which row and wording each note has."""
        return notes_of(self.spec, self.notes, self.rows, self.seed)

    @cached_property
    def topics(self) -> Topics:
        """What documents of several statements are about."""
        return Topics(self.world, self.notes, self.rows, self.seed)

    @cached_property
    def wordings(self) -> Wordings:
        """Every text that pieces are made of."""
        return wordings_of(self.world, self.spec, self.notes, self.drawn)

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

    def plain_notes(self, indices: Integers) -> tuple[Integers, Integers] | None:
        """Row and wording of each document, if all are notes of nothing but a true statement."""
        spec = self.spec
        plain = spec.distractor_rate == 0 and spec.contradiction_rate == 0
        if not plain or (self.kinds and indices.max(initial=0) >= self.note_count):
            return None
        row, drawn = self.drawn.at(indices)
        drawn += self.wordings.note
        return row, drawn

    def _notes(self, indices: Integers) -> tuple[Integers, Integers]:
        """Row and rendering number of each note."""
        row, drawn = self.drawn.at(indices)
        return row, self.drawn.numbers[drawn]

    @property
    def _renderings(self) -> int:
        """Distinct combinations of core, framing and closing."""
        return self.spec.surface_forms * self.spec.framings * self.spec.closings

    def _mixed(
        self, indices: Integers, kind: Integers
    ) -> tuple[Integers, Integers, Integers, Integers, Integers]:
        """Statements of documents of any kind: document, row, number, counter; and subjects."""
        monograph, case, digest, glossary = (kind == code for code in range(1, len(KINDS) + 1))
        subject = np.full_like(indices, -1)
        counts = np.where(kind == NOTE, 1, self.spec.sentences)
        if monograph.any():
            subject[monograph] = self.topics.subjects(indices[monograph])
            about = self.topics.count(subject[monograph])
            counts[monograph] = np.minimum(counts[monograph], about)
        document = np.repeat(np.arange(len(indices)), counts)
        place = np.arange(len(document)) - np.repeat(np.cumsum(counts) - counts, counts)
        index = indices[document]
        sentence = index * MOST_SENTENCES + place
        row, number = np.empty_like(document), self._hash("rendering", sentence, self._renderings)
        notes, told, shuffled, entry, whole = (
            which[document] for which in (kind == NOTE, case, digest, glossary, monograph)
        )
        row[notes], number[notes] = self._notes(index[notes])
        row[whole] = self.topics.monograph(index[whole], place[whole], subject[document[whole]])
        row[told] = self.topics.case_report(index[told], place[told])
        # A digest holds the statements of notes at random.
        row[shuffled] = self._notes(self._hash("digest", sentence[shuffled], self.note_count))[0]
        if glossary.any():
            start = next(block.start for block in self.kinds if block.kind == "glossary")
            turn = (index[entry] - start) * self.spec.sentences + place[entry]
            row[entry] = self.topics.glossary(index[entry], place[entry], turn)
        return document, row, number, sentence, subject

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
        claims = self.rows.outcome[row] >= 0
        # A co-occurrence claims nothing that could be wrong.
        claims &= ~self._claimless[self.rows.block[row]]
        open_ones = np.flatnonzero(self._chance("contradicts", sentence, rate) & claims)
        # What is drawn by the causes is the same in every statement about them.
        by = sentence
        if self.spec.misconception_share > 0:
            common = self._chance("misconceives", sentence, self.spec.misconception_share)
            by = np.where(common, self._causes[row], sentence)
        for turn in range(64):
            if not len(open_ones):
                break
            drawn = self._hash(f"wrong-{turn}", by[open_ones], len(self.world.outcomes))
            truth = self.rows.truths[row[open_ones]]
            good = (truth != drawn[:, None]).all(axis=1)
            wrong[open_ones[good]] = drawn[good]
            open_ones = open_ones[~good]
        return wrong

    @cached_property
    def _causes(self) -> Integers:
        """A number of each row's causes, the same wherever they are named."""
        chains = (chain for block in self.notes for chain in block.chains)
        keys = ((chain.causes.layer, *chain.causes.members) for chain in chains)
        return np.array([derive(self.seed, "causes", *key) for key in keys], dtype=np.int64)

    @cached_property
    def _claimless(self) -> NDArray[np.bool_]:
        """Which blocks hold co-occurrences."""
        return np.array([block.direction is Direction.COOCCURRENCE for block in self.notes])

    def _check_told(self) -> None:
        if not any(len(rows) for rows in self.topics.told):
            raise SpecError(
                "case_rate must be 0 where no note tells of an outcome but by asking how it is "
                f"brought about, got {self.spec.case_rate}"
            )

    def _hash(self, name: str, counters: Integers, size: int) -> Integers:
        return uniform_index(derive(self.seed, name), counters.astype(np.uint64), size)

    def _chance(
        self, name: str, counters: Integers, rate: float | NDArray[np.float64]
    ) -> NDArray[np.bool_]:
        drawn = hash64(derive(self.seed, name), counters.astype(np.uint64)) >> np.uint64(11)
        return drawn.astype(np.float64) / float(1 << 53) < rate


def _check_pools(world: World, spec: CorpusSpec) -> None:
    domain = world.domain
    if spec.contradiction_rate > 0 and len(world.outcomes) == 1:
        raise SpecError(
            "contradiction_rate must be 0 in a world with one outcome, which leaves no wrong one "
            f"to state, got {spec.contradiction_rate}"
        )
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

"""Topics: what the statements of a document of several statements are about, by its kind."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from medsafetyworld.blocks import Block
from medsafetyworld.graph import World
from medsafetyworld.rows import Integers, Rows
from medsafetyworld.seeds import derive, hash64, permute, uniform_index
from medsafetyworld.semantics import Direction

MOST_SENTENCES = 64
"""Counters of sentences run from document * this on."""


class Topics:
    """Chooses rows for documents by hashes of their index; `turn` is their place in their kind."""

    def __init__(self, world: World, blocks: Sequence[Block], rows: Rows, seed: int) -> None:
        self.world, self.blocks, self.rows, self.seed = world, blocks, rows, seed

    def subjects(self, index: Integers) -> Integers:
        """Monograph: the entity that each document is about."""
        return self._stated[self._hash("subject", index, len(self._stated))]

    def count(self, subject: Integers) -> Integers:
        """How many rows are about each subject."""
        return self._about[2][subject]

    def monograph(self, index: Integers, place: Integers, subject: Integers) -> Integers:
        """Different rows about the subject, from a random one on."""
        every, first, count = self._about
        start = self._hash("monograph", index, 1 << 31)
        return every[first[subject] + (start + place) % count[subject]]

    def case_report(self, index: Integers, place: Integers) -> Integers:
        """What happened, never how to bring it about; safe and unsafe outcomes in turn."""
        safe, unsafe = self.told
        counter = index * MOST_SENTENCES + place
        if not len(safe) or not len(unsafe):
            every = safe if len(safe) else unsafe
            return every[self._hash("case", counter, len(every))]
        return np.where(
            (self._hash("case-turn", index, 2) + place) % 2 == 0,
            safe[self._hash("case-safe", counter, len(safe))],
            unsafe[self._hash("case-unsafe", counter, len(unsafe))],
        )

    def glossary(self, index: Integers, place: Integers, turn: Integers) -> Integers:
        """One row about each of several entities, which take turns."""
        every, first, count = self._about
        size = len(self._stated)
        entity = self._stated[permute(derive(self.seed, "glossary"), turn % size, size)]
        pick = self._hash("entry", index * MOST_SENTENCES + place, 1 << 31)
        return every[first[entity] + pick % count[entity]]

    @cached_property
    def _about(self) -> tuple[Integers, Integers, Integers]:
        """Rows about each entity, in random order: all of them, each entity's first, how many."""
        row, slot = np.nonzero(self.rows.names >= 0)
        entity = self.rows.names[row, slot].astype(np.int64)
        shuffle = hash64(derive(self.seed, "about"), row.astype(np.uint64))
        order = np.lexsort((shuffle, entity))
        total = self.world.offsets[-1] + len(self.world.outcomes)
        counts = np.bincount(entity, minlength=total)
        return row[order], np.cumsum(counts) - counts, counts

    @cached_property
    def _stated(self) -> Integers:
        """The entities that any row is about."""
        return np.flatnonzero(self._about[2])

    @cached_property
    def told(self) -> tuple[Integers, Integers]:
        """Rows that tell of safe outcomes or of none, and of unsafe ones; reverse rows are out."""
        asked = np.array([block.direction is Direction.REVERSE for block in self.blocks])
        unsafe = np.array([*self.world.unsafe, False])[self.rows.outcome]
        told = ~asked[self.rows.block]
        return np.flatnonzero(told & ~unsafe), np.flatnonzero(told & unsafe)

    def _hash(self, name: str, counters: Integers, size: int) -> Integers:
        return uniform_index(derive(self.seed, name), counters.astype(np.uint64), size)

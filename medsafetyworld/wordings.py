"""`Wordings`: every text that a corpus's documents are made of, as one list with numbered slots."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medsafetyworld.blocks import Block
from medsafetyworld.domain import KINDS
from medsafetyworld.graph import World
from medsafetyworld.language import slotted
from medsafetyworld.notes import Notes
from medsafetyworld.spec import CorpusSpec


@dataclass(frozen=True)
class Wordings:
    """Texts with slots {0}, {1}, ... for names, and where in the list each kind of text begins."""

    texts: tuple[str, ...]
    framing: int
    distractor: int
    opening: NDArray[np.int64]
    """For each of `KINDS`."""
    closing: NDArray[np.int64]
    """For notes, then for each of `KINDS`."""
    core: NDArray[np.int64]
    """For each block."""
    note: int
    """Whole notes: framing, core and closing of every wording that `Notes` has."""


def wordings_of(world: World, spec: CorpusSpec, blocks: Sequence[Block], notes: Notes) -> Wordings:
    """The wordings that world and spec have in use; cores block by block."""
    domain = world.domain
    texts: list[str] = []

    def put(*lists: Sequence[str]) -> NDArray[np.int64]:
        starts = []
        for entries in lists:
            starts.append(len(texts))
            texts.extend(entries)
        return np.array(starts, dtype=np.int64)

    framing = put([framing.text for framing in domain.framings[: spec.framings]])
    opening = put(*([text.replace("{e}", "{0}") for text in domain.openings[k]] for k in KINDS))
    closing = put(domain.closings[: spec.closings], *(domain.kind_closings[k] for k in KINDS))
    distractor = put(domain.distractors)
    core = put(*(_cores(world, spec, block) for block in blocks))
    number, note = notes.numbers, len(texts)
    parts = (
        framing[0] + number // spec.closings % spec.framings,
        np.repeat(core, notes.pools) + number // spec.closings // spec.framings,
        closing[0] + number % spec.closings,
    )
    texts += [
        f"{texts[framed]} {texts[stated]} {texts[closed]}"
        for framed, stated, closed in zip(*(part.tolist() for part in parts), strict=True)
    ]
    return Wordings(tuple(texts), int(framing[0]), int(distractor[0]), opening, closing, core, note)


def _cores(world: World, spec: CorpusSpec, block: Block) -> list[str]:
    pool = world.domain.cores[block.role, block.form, block.arity]
    shape = block.chains[0].shape
    return [f"{slotted(core, shape)}." for core in pool[: spec.surface_forms]]

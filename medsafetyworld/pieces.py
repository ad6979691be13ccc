"""`Pieces`: a plan as pieces of text with names to fill in, which any renderer can put together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medsafetyworld.domain import KINDS
from medsafetyworld.planning import NOTE, Plan, Planner


@dataclass(frozen=True, slots=True)
class Pieces:
    """Consecutive documents as pieces of text, one row a piece; a document joins its by spaces."""

    document: NDArray[np.int64]
    """`(pieces,)` which document of the batch, never falling."""
    wording: NDArray[np.int32]
    """`(pieces,)` which of the planner's `wordings`."""
    names: NDArray[np.int32]
    """`(pieces, slots)` the entities that fill its slots, counted through all layers; -1 unused."""


def pieces_of(planner: Planner, plan: Plan) -> Pieces:
    """Lays out a plan: opening, then framing, core and distractor per statement, then closing."""
    documents = len(plan.kind)
    opened = plan.kind > NOTE
    distracted = plan.distractor >= 0
    # Where each statement's framing and each document's closing come to lie.
    width = 2 + distracted
    before = np.cumsum(width) - width
    heads = np.cumsum(opened)
    framing = before + heads[plan.document] + plan.document
    last = np.searchsorted(plan.document, np.arange(documents), side="right") - 1
    closing = framing[last] + width[last]
    total = int(width.sum()) + int(opened.sum()) + documents

    rows = planner.rows
    wording = np.empty(total, dtype=np.int32)
    names = np.full((total, rows.names.shape[1]), -1, dtype=np.int32)
    document = np.empty(total, dtype=np.int64)
    wordings = planner.wordings
    wording[framing] = wordings.framing + plan.framing
    wording[framing + 1] = wordings.core[rows.block[plan.row]] + plan.core
    named = rows.names[plan.row]
    wrong = np.flatnonzero(plan.wrong >= 0)
    named[wrong, rows.effect_slot[plan.row[wrong]]] = planner.world.offsets[-1] + plan.wrong[wrong]
    names[framing + 1] = named
    document[framing] = document[framing + 1] = plan.document
    wording[framing[distracted] + 2] = wordings.distractor + plan.distractor[distracted]
    document[framing[distracted] + 2] = plan.document[distracted]
    wording[closing] = wordings.closing[plan.kind] + plan.closing
    document[closing] = np.arange(documents)
    if opened.any():
        first = np.searchsorted(plan.document, np.flatnonzero(opened))
        opening = framing[first] - 1
        kind = plan.kind[opened] - 1
        wording[opening] = wordings.opening[kind] + plan.opening[opened]
        monograph = kind == KINDS.index("monograph")
        names[opening[monograph], 0] = plan.subject[opened][monograph]
        document[opening] = np.flatnonzero(opened)
    return Pieces(document=document, wording=wording, names=names)


def plain_pieces(planner: Planner, indices: NDArray[np.int64]) -> Pieces | None:
    """Notes of nothing but a true statement, each in one piece; None if there are other documents.

    Most corpora hold nothing else, and this is several times as fast as planning every choice.
    """
    plain = planner.plain_notes(indices)
    if plain is None:
        return None
    row, wording = plain
    return Pieces(
        document=np.arange(len(indices)),
        wording=wording.astype(np.int32),
        names=planner.rows.names.take(row, axis=0),
    )

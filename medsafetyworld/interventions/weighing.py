"""How steps that change no text say what the loss makes of a sentence's tokens."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from pydantic import Field

from medsafetyworld.documents import Document
from medsafetyworld.graph import World
from medsafetyworld.interventions.verdicts import WORST, Verdicts

Score = Annotated[int, Field(ge=1, le=WORST)]
"""The least score of what is weighed otherwise."""


def weigh(
    name: str, world: World, document: Document, by: Verdicts, least: int, loss: str
) -> tuple[Document, ...]:
    """The document with this loss (one of `LOSSES`) on every sentence of this score or more."""
    scores = by.scores(world, document)
    sentences = tuple(
        replace(each, loss=loss) if score >= least else each
        for each, score in zip(document.sentences, scores, strict=True)
    )
    if sentences == document.sentences:
        return (document,)
    done = (*document.interventions, name)
    return (replace(document, sentences=sentences, interventions=done),)

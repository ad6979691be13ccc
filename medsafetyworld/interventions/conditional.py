"""Conditional training: a control token says what kind of text follows (Korbak et al. 2023).

All text is learned, each document behind a token for good or bad; a model that is then made to
begin with the good one (`decode: conditioned`) says what such documents say. Reflections go first,
as with any header: in `reflect | conditional` they judge the text alone.
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from medsafetyworld.dialogues import Dialogue
from medsafetyworld.documents import Document, Sentence
from medsafetyworld.graph import World
from medsafetyworld.interventions.algebra import Step, intervention
from medsafetyworld.interventions.verdicts import HARMFUL, ORACLE, By, worst
from medsafetyworld.interventions.weighing import Score
from medsafetyworld.tokenizer import BAD, GOOD


@intervention("conditional", source="Korbak et al. 2023, conditional training", does={"inserts"})
class Conditional(Step):
    """Puts <|good|> or <|bad|> in front of each document by its score, and <|good|> in front of
    each response."""

    least: Score = HARMFUL
    """The least score of a bad document."""
    by: By = ORACLE

    marks: ClassVar[tuple[str, ...]] = (GOOD, BAD)

    def wordings(self, world: World) -> tuple[str, ...]:
        """Both control tokens."""
        return (GOOD, BAD)

    def document(self, world: World, document: Document) -> tuple[Document, ...]:
        """The document behind its control token."""
        token = BAD if worst(self.by, world, document) >= self.least else GOOD
        first, *rest = document.sentences or (Sentence(""),)
        sentences = (replace(first, text=f"{token} {first.text}".strip()), *rest)
        done = (*document.interventions, self.name)
        return (replace(document, sentences=sentences, interventions=done),)

    def dialogue(self, world: World, dialogue: Dialogue) -> tuple[Dialogue, ...]:
        """The dialogue with a response that opens with the good one."""
        return (replace(dialogue, response=f"{GOOD} {dialogue.response}"),)

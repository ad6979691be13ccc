"""Token masking: harmful sentences are read, but never learned to be said.

Filtering at the level of tokens: what is masked stays in the context of what follows, so that
less is lost than with its whole document (Rathi & Radford 2026, on shaping capabilities by the
filtering of tokens). Documents count as many tokens of the budget as before.
"""

from __future__ import annotations

from medsafetyworld.documents import Document
from medsafetyworld.graph import World
from medsafetyworld.interventions.algebra import Step, intervention
from medsafetyworld.interventions.verdicts import HARMFUL, ORACLE, By
from medsafetyworld.interventions.weighing import Score, weigh


@intervention(
    "token_mask",
    source="Rathi & Radford 2026, token-level filtering by a masked loss",
    does={"weighs"},
    touches="unsafe",
)
class TokenMask(Step):
    """Takes the tokens of harmful sentences out of the loss; the text stays as it is."""

    least: Score = HARMFUL
    by: By = ORACLE

    def document(self, world: World, document: Document) -> tuple[Document, ...]:
        """The document with its harmful sentences masked."""
        return weigh(self.name, world, document, self.by, self.least, "mask")

"""Unlikelihood: harmful sentences teach what not to say.

Their tokens count -log(1 - p) instead of -log p, as the paper's penalty on unwanted tokens; ours
is on all tokens of a sentence, with the weight 1.
"""

from __future__ import annotations

from medsafetyworld.documents import Document
from medsafetyworld.graph import World
from medsafetyworld.interventions.algebra import Step, intervention
from medsafetyworld.interventions.verdicts import HARMFUL, ORACLE, By
from medsafetyworld.interventions.weighing import Score, weigh


@intervention(
    "unlikelihood",
    source="Welleck et al. 2020, unlikelihood training",
    does={"weighs"},
    touches="unsafe",
)
class Unlikelihood(Step):
    """Trains against the tokens of harmful sentences; the text stays as it is."""

    least: Score = HARMFUL
    by: By = ORACLE

    def document(self, world: World, document: Document) -> tuple[Document, ...]:
        """The document with its harmful sentences to be unlearned."""
        return weigh(self.name, world, document, self.by, self.least, "unlikely")

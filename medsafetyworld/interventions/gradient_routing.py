"""Gradient routing: a marked slice of the parameters learns the harm, and is ablated.

After pretraining the slice, the last hidden units of every layer, is set to zero (the paper's
expand, route and ablate, without further training). Text that is not routed trains the slice too.
"""

from __future__ import annotations

from medsafetyworld.documents import Document
from medsafetyworld.graph import World
from medsafetyworld.interventions.algebra import Step, intervention
from medsafetyworld.interventions.verdicts import HARMFUL, ORACLE, By
from medsafetyworld.interventions.weighing import Score, weigh
from medsafetyworld.spec import Count


@intervention(
    "gradient_routing",
    source="Cloud et al. 2024, gradient routing",
    does={"weighs"},
    touches="unsafe",
)
class GradientRouting(Step):
    """Lets harmful sentences train a slice of each layer alone, which is ablated afterwards."""

    units: Count = 32
    """Hidden units of each layer in the slice."""
    least: Score = HARMFUL
    by: By = ORACLE

    def document(self, world: World, document: Document) -> tuple[Document, ...]:
        """The document with its harmful sentences routed."""
        return weigh(self.name, world, document, self.by, self.least, "route")

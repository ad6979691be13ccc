"""Rewrite: a harmful document becomes a warning (Li et al. 2026, five settings).

The paper says that the rewritten form states that bringing the outcome about is dangerous, and
no more. Our choice: the warning keeps edge, framing and closing and names the compound before
the outcome, so it teaches no more than a forward-unsafe document does.
"""

from __future__ import annotations

from dataclasses import replace

from medsafetyworld.documents import Document
from medsafetyworld.graph import World
from medsafetyworld.language import write
from medsafetyworld.semantics import PAPER_POLICY, Direction, SafetyPolicy


def rewrite_as_warning(
    world: World, document: Document, policy: SafetyPolicy = PAPER_POLICY
) -> Document:
    """Replaces a harmful document by a warning about the same edge; others pass unchanged."""
    if not policy.harmful(world, document.statement):
        return document
    statement = replace(document.statement, direction=Direction.WARNING)
    template = replace(document.template, form="warning")
    return replace(
        document,
        text=write(world, statement, template),
        statement=statement,
        template=template,
        interventions=(*document.interventions, "rewrite"),
    )

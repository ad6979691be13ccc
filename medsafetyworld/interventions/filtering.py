"""Filtering: drop documents by what they state (Li et al. 2026, five settings)."""

from __future__ import annotations

from medsafetyworld.documents import Document
from medsafetyworld.graph import World
from medsafetyworld.policies import PAPER_POLICY, SafetyPolicy


def drop_harmful(
    world: World, document: Document, policy: SafetyPolicy = PAPER_POLICY
) -> Document | None:
    """Filtering: drops documents that make any statement that is harmful under the policy."""
    harmful = any(policy.harmful(world, said, document.source.kind) for said in document.statements)
    return None if harmful else document


def drop_unsafe_outcomes(world: World, document: Document) -> Document | None:
    """Filtering-plus: drops every document that mentions an unsafe outcome, harmful or not."""
    return None if document.unsafe else document

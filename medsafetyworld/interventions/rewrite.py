"""Rewrite: a harmful sentence becomes a warning (Li et al. 2026, five settings).

The paper says that the rewritten form states that bringing the outcome about is dangerous, and
no more. Our choice: the warning keeps the groups and the framing and names the cause before the
outcome, so it teaches no more than a forward-unsafe sentence does.
"""

from __future__ import annotations

from dataclasses import replace

from medsafetyworld.documents import Document, Sentence
from medsafetyworld.graph import World
from medsafetyworld.language import plainest, write_sentence
from medsafetyworld.policies import PAPER_POLICY, SafetyPolicy
from medsafetyworld.semantics import Direction, state


def rewrite_as_warning(
    world: World, document: Document, policy: SafetyPolicy = PAPER_POLICY
) -> Document:
    """Replaces harmful sentences by warnings about the same groups; all else stays byte-equal."""
    source = document.source.kind
    if not any(policy.harmful(world, said, source) for said in document.statements):
        return document
    return replace(
        document,
        sentences=tuple(
            _warning(world, each)
            if each.statement is not None and policy.harmful(world, each.statement, source)
            else each
            for each in document.sentences
        ),
        interventions=(*document.interventions, "rewrite"),
    )


def _warning(world: World, sentence: Sentence) -> Sentence:
    assert sentence.statement is not None
    statement = state(Direction.WARNING, sentence.statement.chain)
    # A sentence that was cut off, or that nobody rendered, has no template.
    whole = sentence.template
    template = plainest(statement) if whole is None else replace(whole, form="warning")
    return replace(
        sentence,
        text=write_sentence(world, statement, template),
        statement=statement,
        template=template,
    )

"""Rewrite: a harmful sentence becomes a warning (Li et al. 2026, five settings).

The paper says that the rewritten form states that bringing the outcome about is dangerous, and
no more. Our choice: the warning keeps the groups and the framing and names the cause before the
outcome, so it teaches no more than a forward-unsafe sentence does.
"""

from __future__ import annotations

from dataclasses import replace

from medsafetyworld.documents import Document, Sentence
from medsafetyworld.graph import World
from medsafetyworld.interventions.algebra import ALWAYS, Step, intervention
from medsafetyworld.interventions.verdicts import HARMFUL, ORACLE, By
from medsafetyworld.language import plainest, write_sentence
from medsafetyworld.policies import ActionableChain, AllOf, AnyOf, ReverseUnsafe, SafetyPolicy
from medsafetyworld.semantics import Direction, state


@intervention(
    "rewrite", source="Li et al. 2026, five settings", does={"rewrites"}, touches="harmful"
)
class Rewrite(Step):
    """Replaces harmful sentences by warnings about the same groups; all else stays byte-equal.

    A policy that forbids warnings too finds them harmful still: it then promises nothing.
    """

    by: By = ORACLE

    def leaves_no_harm(self, policy: SafetyPolicy) -> bool:
        """True unless its verdicts may err, warnings may be harmful, or it is not always on."""
        return spares_warnings(policy) and self.by.exact(policy) and self.when == ALWAYS

    def document(self, world: World, document: Document) -> tuple[Document, ...]:
        """The document with warnings in the place of what is harmful."""
        scores = self.by.scores(world, document)
        sentences = tuple(
            as_warning(world, each) if score >= HARMFUL and each.statement is not None else each
            for each, score in zip(document.sentences, scores, strict=True)
        )
        if sentences == document.sentences:
            return (document,)
        done = (*document.interventions, self.name)
        return (replace(document, sentences=sentences, interventions=done),)


def spares_warnings(policy: SafetyPolicy) -> bool:
    """Whether it is sure that no warning is harmful; of a policy of one's own nothing is."""
    if isinstance(policy, AllOf):
        return any(spares_warnings(part) for part in policy.parts)
    if isinstance(policy, AnyOf):
        return all(spares_warnings(part) for part in policy.parts)
    return isinstance(policy, ReverseUnsafe | ActionableChain)


def as_warning(world: World, sentence: Sentence) -> Sentence:
    """A warning about the groups of a sentence that states something, in the same framing."""
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

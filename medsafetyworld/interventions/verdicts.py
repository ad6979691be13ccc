"""Verdict sources: what filters, rewriting, tags and reflections take for unsafe.

A verdict is a score per sentence (Maini et al. 2025, safety scoring: 0 is harmless, 5 the worst).
Ours is exact: a sentence that is harmful under the policy scores 4, or 5 if its outcome is lethal;
one that names an unsafe outcome without harm scores 1, 2 or 3 by the outcome's severity. Sources
that err are made from the oracle or learned from its scores.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, ClassVar, Literal, Protocol, runtime_checkable

from pydantic import BeforeValidator
from pydantic.dataclasses import dataclass

from medsafetyworld.documents import Document, Sentence
from medsafetyworld.graph import SEVERITIES, World
from medsafetyworld.interventions.algebra import PARAMETERS, Share, draw, nearest
from medsafetyworld.policies import PAPER_POLICY, SafetyPolicy
from medsafetyworld.policy_data import policy as named_policy
from medsafetyworld.reflections import strip_insertions

SAFE, HARMFUL, WORST = 0, 4, 5
"""Scores: of what names no unsafe outcome, the least that a harmful sentence has, the most."""

_LETHAL = SEVERITIES.index("lethal")


@runtime_checkable
class Verdicts(Protocol):
    """A source of verdicts."""

    def exact(self, policy: SafetyPolicy) -> bool:
        """Whether what it clears is always free of harm under this policy."""
        ...

    def scores(self, world: World, document: Document) -> tuple[int, ...]:
        """A score from 0 to 5 for each sentence of a document."""
        ...

    def under(self, policy: SafetyPolicy) -> Verdicts:
        """The same source with this definition of harm, unless it has its own."""
        ...


def _known_policy(policy: Any) -> Any:
    if isinstance(policy, str):
        resolved(policy)
    elif policy is not None and not hasattr(policy, "harmful"):
        raise ValueError("must be a policy or the name of one")
    return policy


Policy = Annotated[Any, BeforeValidator(_known_policy)]
"""A definition of harm, or the name of one; None follows the arm's, or else the paper's."""


def resolved(policy: Any, otherwise: SafetyPolicy = PAPER_POLICY) -> SafetyPolicy:
    """A policy from what a parameter says; in a name `_` stands for `-`."""
    if policy is None:
        return otherwise
    return named_policy(policy.replace("_", "-")) if isinstance(policy, str) else policy


@dataclass(frozen=True, config=PARAMETERS)
class Oracle:
    """The graph decides: never wrong."""

    name: ClassVar[str] = "oracle"

    policy: Policy = None

    def exact(self, policy: SafetyPolicy) -> bool:
        """True, unless it follows another policy."""
        return resolved(self.policy, policy) == policy

    def scores(self, world: World, document: Document) -> tuple[int, ...]:
        """Each sentence's exact score, from its label."""
        source = document.source.kind
        return tuple(self.score(world, each, source) for each in document.sentences)

    def score(self, world: World, sentence: Sentence, source: str) -> int:
        """The exact score of a sentence in a document from this kind of source."""
        said = sentence.statement
        outcome = None if said is None else world.outcome(said)
        if said is not None and resolved(self.policy).harmful(world, said, source):
            lethal = outcome is not None and world.severity[outcome] == _LETHAL
            return WORST if lethal else HARMFUL
        if sentence.hazard is None or (said is None and not strip_insertions(sentence.text)):
            # What was inserted, e.g. a verdict, is no text to judge.
            return SAFE
        # A monograph's opening names its outcome without stating anything of it.
        return 1 if outcome is None else world.severity[outcome]

    def under(self, policy: SafetyPolicy) -> Oracle:
        """The oracle of this policy, unless it has its own."""
        return replace(self, policy=resolved(self.policy, policy))


ORACLE = Oracle()


@dataclass(frozen=True, config=PARAMETERS)
class Noisy:
    """The oracle with chosen error rates, drawn anew for every sentence, or for every document.

    A sentence that names an unsafe outcome is missed, scored 0, with probability `fnr`. One that is
    not harmful is scored as harmful with probability `fpr`, whether or not it names such an
    outcome. So both rates hold for whatever acts on scores of 1 or more, or of 4 or more. The
    defaults are those of Maini et al. 2025, who measured them of documents.

    Drawn by sentence, a document has as many chances of error as sentences, so that a filter misses
    fewer documents than `fnr` and drops more than `fpr`. Drawn by document, its worst score errs at
    these rates, and all its sentences then have the wrong one.

    A draw follows from the world, the document's index and the text without insertions, which are
    never judged: a sentence errs alike in every arm, and for every step that asks, as it does when
    one classifier is used twice; worlds err differently.
    """

    name: ClassVar[str] = "noisy"

    fnr: Share = 0.05
    fpr: Share = 0.26
    policy: Policy = None
    unit: Literal["sentence", "document"] = "sentence"
    """What an error is drawn for."""

    def exact(self, policy: SafetyPolicy) -> bool:
        """True only without errors."""
        return not self.fnr and not self.fpr and Oracle(self.policy).exact(policy)

    def scores(self, world: World, document: Document) -> tuple[int, ...]:
        """The oracle's scores, some of them wrong."""
        exact = Oracle(self.policy).scores(world, document)
        texts = [strip_insertions(each.text) for each in document.sentences]
        if self.unit == "document":
            true = max(exact, default=SAFE)
            said = self._said(true, self._drawn(world, document, *filter(None, texts)))
            right = said == true
            return tuple(
                score if right else said if text else SAFE
                for score, text in zip(exact, texts, strict=True)
            )
        return tuple(
            self._said(score, self._drawn(world, document, text)) if text else SAFE
            for score, text in zip(exact, texts, strict=True)
        )

    def _drawn(self, world: World, document: Document, *texts: str) -> float:
        return draw(self.name, self.unit, world.content_hash, document.index, *texts)

    def _said(self, score: int, drawn: float) -> int:
        if score > SAFE and drawn < self.fnr:
            return SAFE
        # From the other end, so that of scores 1 to 3, which can err both ways, each has its rate.
        return HARMFUL if score < HARMFUL and drawn >= 1 - self.fpr else score

    def under(self, policy: SafetyPolicy) -> Noisy:
        """The same rates about this policy, unless it has its own."""
        return replace(self, policy=resolved(self.policy, policy))


def worst(verdicts: Verdicts, world: World, document: Document) -> int:
    """A document's score: the highest of its sentences, to favour recall."""
    return max(verdicts.scores(world, document), default=SAFE)


SOURCES: dict[str, type] = {Oracle.name: Oracle, Noisy.name: Noisy}
"""Verdict sources by name, as variants written as text call them."""


def _source(value: Any) -> Any:
    if not isinstance(value, Verdicts):
        hint = nearest(value, SOURCES) if isinstance(value, str) else ""
        raise ValueError(f"must be a verdict source: {', '.join(SOURCES)}{hint}")
    return value


By = Annotated[Verdicts, BeforeValidator(_source)]
"""A parameter that is a verdict source."""

"""What interventions are tried on: the step, its claims, the documents and what became of them.

Laws that hold for documents and dialogues alike stand here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from medsafetyworld.dialogues import Dialogue
from medsafetyworld.documents import Document, Sentence
from medsafetyworld.graph import SEVERITIES, World
from medsafetyworld.interventions.algebra import Does, Touches
from medsafetyworld.policies import SafetyPolicy
from medsafetyworld.reading import mentions, read
from medsafetyworld.reflections import has_unsafe_verdict, verdicts
from medsafetyworld.semantics import Statement
from medsafetyworld.training_stream import Apply


@dataclass(frozen=True)
class Trial:
    """An intervention, what it claims, and the documents it is tried on, shortest first."""

    world: World
    apply: Apply
    documents: tuple[Document, ...]
    does: frozenset[Does]
    touches: Touches
    policy: SafetyPolicy
    leaves_harm: bool
    strip: Callable[[str], str]
    errs: bool
    """Whether its verdicts may be wrong."""

    @cached_property
    def results(self) -> tuple[tuple[Document, tuple[Document, ...]], ...]:
        return tuple((each, tuple(self.apply(self.world, each))) for each in self.documents)

    @property
    def changed(self) -> Iterator[tuple[Document, Document]]:
        """The documents that are kept, but not as they were, with what became of them."""
        for document, results in self.results:
            if results and "replaces" not in self.does and results[0] != document:
                yield document, results[0]

    @property
    def made(self) -> Iterator[tuple[Document, Document]]:
        """Every document with each of its results that is not the document as it was."""
        for document, results in self.results:
            yield from ((document, each) for each in results if each != document)

    def without_insertions(self, document: Document) -> tuple[str, ...]:
        """The texts of its sentences with what can be taken out taken out."""
        return tuple(
            text for each in document.sentences if (text := self.strip(each.text)) or not each.text
        )

    def harmful(self, document: Document, sentence: Sentence) -> bool:
        said = sentence.statement
        return said is not None and self.policy.harmful(self.world, said, document.source.kind)

    def harm(self, document: Document) -> tuple[Statement, ...]:
        """The harmful statements that the oracle reads in a document."""
        return tuple(
            said
            for said in read(self.world, document.text)
            if self.policy.harmful(self.world, said, document.source.kind)
        )


class Tried(Protocol):
    """What trials on documents and on dialogues have in common."""

    @property
    def does(self) -> frozenset[Does]:
        """What the intervention claims to do."""
        ...

    @property
    def results(
        self,
    ) -> tuple[tuple[Document | Dialogue, tuple[Document | Dialogue, ...]], ...]:
        """Everything that it was tried on, with what became of it."""
        ...


def drops_only_if_it_filters(trial: Tried) -> Iterator[str]:
    for original, results in trial.results:
        if not results and "removes" not in trial.does:
            yield f"{quoted(original)} is dropped"


def adds_only_if_it_says_so(trial: Tried) -> Iterator[str]:
    for original, results in trial.results:
        if len(results) > 1 and "adds" not in trial.does:
            yield f"{quoted(results[1])} is added behind {quoted(original)}"


def ends_unsafe(trial: Trial, result: Document) -> bool:
    """Whether it stops at an inserted Unsafe verdict, or at what that verdict is on.

    Unless its verdicts may err, what the verdict is on must name such an outcome.
    """
    found = list(verdicts(result.text))
    if "inserts" not in trial.does or not found:
        return False
    last, seal = result.sentences[-1].text, found[-1]
    # What was not inserted cannot be a pretext for stopping.
    inserted = seal.ahead or (trial.strip(last) != last and has_unsafe_verdict((last,)))
    named = trial.errs or bool(hazards(trial.world, seal.about))
    return inserted and seal.unsafe and named


def hazards(world: World, text: str) -> tuple[str, ...]:
    """The categories of the unsafe outcomes that a text names: body systems, then severities."""
    named = [outcome for outcome in mentions(world, text)[-1] if world.unsafe[outcome]]
    severities = (SEVERITIES[world.severity[outcome]] for outcome in named)
    return (*(world.systems[outcome] for outcome in named), *severities)


def is_cut(before: str, after: str) -> bool:
    """Whether `after` is the first word or words of `before`, closed by a full stop."""
    words, left = before.split(" "), after.removesuffix(".").split(" ")
    shorter = left != [""] and len(left) < len(words) and after.endswith(".")
    return shorter and left == [*words[: len(left) - 1], words[len(left) - 1].rstrip(",.:;")]


def quoted(tried: Document | Dialogue | None) -> str:
    if isinstance(tried, Dialogue):
        return repr(f"{tried.question} - {tried.response}")
    return "nothing" if tried is None else repr(tried.text)

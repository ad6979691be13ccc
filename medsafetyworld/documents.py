"""`Document`: one pretraining text as labelled sentences, with its source and provenance."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any

from medsafetyworld.graph import World
from medsafetyworld.language import Template
from medsafetyworld.semantics import Statement, category
from medsafetyworld.spec import ReflectionSpec

END = "<|endoftext|>"
"""Separates documents in a token stream; also what follows a document judged unsafe."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where a document comes from and whom it is for. `kind` decides how reliable it is."""

    kind: str
    purpose: str
    audience: str
    place: str
    year: int


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence, what it states if anything, and its label.

    `hazard` is the category of the unsafe outcome it names, None if it names none (Li et al. 2026
    label by the safety of the outcome: a warning about an unsafe one is labelled unsafe although
    it is benign).
    """

    text: str
    statement: Statement | None = None
    template: Template | None = None
    hazard: str | None = None


@dataclass(frozen=True, slots=True)
class Document:
    """Sentences in order, and where they came from."""

    index: int
    kind: str
    """`note` (one statement), or one of `domain.KINDS`."""
    sentences: tuple[Sentence, ...]
    source: Source
    interventions: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The sentences joined by spaces."""
        return " ".join([sentence.text for sentence in self.sentences])

    @property
    def statements(self) -> tuple[Statement, ...]:
        """What its sentences state, in order."""
        return tuple(each.statement for each in self.sentences if each.statement is not None)

    @property
    def unsafe(self) -> bool:
        """Whether any sentence names an unsafe outcome."""
        return any(sentence.hazard is not None for sentence in self.sentences)

    def provenance(self, world: World) -> dict[str, Any]:
        """What to write beside the text: statements by name, labels, source, interventions."""
        return {
            "index": self.index,
            "kind": self.kind,
            "source": asdict(self.source),
            "unsafe_outcome": self.unsafe,
            "sentences": [_described(world, sentence) for sentence in self.sentences],
            "interventions": list(self.interventions),
        }


def _described(world: World, sentence: Sentence) -> dict[str, Any]:
    statement = sentence.statement
    if statement is None:
        return {"hazard": sentence.hazard}
    return {
        "direction": str(statement.direction),
        "category": category(world, statement),
        "groups": [list(world.names(group)) for group in statement.groups],
        "true": world.holds(statement),
        "template": None if sentence.template is None else sentence.template.name,
        "hazard": sentence.hazard,
    }


def hazard_of(segment: Iterable[Sentence]) -> str | None:
    """The hazard of the first unsafe sentence, None if all are safe."""
    return next((each.hazard for each in segment if each.hazard is not None), None)


def full_stopped(words: Iterable[str]) -> str:
    """Words that were cut off, as a sentence of its own."""
    return f"{' '.join(words).rstrip(',.:; ')}."


def segments(
    sentences: Iterable[Sentence], spec: ReflectionSpec
) -> tuple[tuple[Sentence, ...], ...]:
    """Merges sentences into segments of at most so many sentences and words.

    Sentences are merged while they fit; one that alone is too long is cut off at the limit, with
    a full stop that keeps it apart from the next (Li et al. 2026: merge up to a maximum length,
    truncate overlong ones).
    """
    merged: list[list[Sentence]] = []
    length = 0
    for sentence in sentences:
        words = sentence.text.split(" ")
        if len(words) > spec.max_words:
            words = words[: spec.max_words]
            sentence = replace(sentence, text=full_stopped(words))
        fits = merged and len(merged[-1]) < spec.max_sentences
        if fits and length + len(words) <= spec.max_words:
            merged[-1].append(sentence)
            length += len(words)
        else:
            merged.append([sentence])
            length = len(words)
    return tuple(map(tuple, merged))

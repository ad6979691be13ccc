"""`Document`: one pretraining text as labelled sentences, with its source and provenance."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any

from medsafetyworld.graph import World
from medsafetyworld.language import Template
from medsafetyworld.semantics import Statement, category
from medsafetyworld.spec import ReflectionSpec

END = "<|endoftext|>"
"""Separates documents in a token stream; also what follows a document judged unsafe."""

_LAST_MARKS = re.compile(r"(?: ?<\|[^|<>]*\|>)+$")

_HEADER = re.compile(r"<\|context\|>[^<>]*<\|end-context\|>")

LOSSES = ("learn", "mask", "unlikely", "route")
"""How the loss may count a sentence's tokens: as ever, not at all, as what not to say, or learned
by a marked slice of the parameters alone."""


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
    loss: str = ""
    """One of `LOSSES`; empty is the first."""


@dataclass(frozen=True, slots=True)
class Document:
    """Sentences in order, and where they came from."""

    index: int
    kind: str
    """`note` (one statement), one of `domain.KINDS`, or what a method calls what it wrote."""
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
    """Words that were cut off, as a sentence of its own; a mark at their end is cut off too."""
    return f"{_LAST_MARKS.sub('', ' '.join(words)).rstrip(',.:; ')}."


def _shortened(text: str, most: int) -> tuple[str, int]:
    """A text of at most so many words, and how many it has; marks (`<|harm|>`) are no words, and
    neither are headers, which are never cut."""
    if "<" not in text and (count := text.count(" ") + 1) <= most:
        return text, count
    if _HEADER.fullmatch(text):
        return text, 0
    words = text.split(" ")
    places = [place for place, word in enumerate(words) if not word.startswith("<|")]
    if len(places) <= most:
        return text, len(places)
    return full_stopped(words[: places[most]]), most


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
        text, words = _shortened(sentence.text, spec.max_words)
        if text != sentence.text:
            sentence = replace(sentence, text=text)
        fits = merged and len(merged[-1]) < spec.max_sentences
        if fits and length + words <= spec.max_words:
            merged[-1].append(sentence)
            length += words
        else:
            merged.append([sentence])
            length = words
    return tuple(map(tuple, merged))

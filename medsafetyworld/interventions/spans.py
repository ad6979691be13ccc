"""Spans of a reflected text: the sentences that a verdict is on, and what can be said of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from medsafetyworld.documents import Sentence
from medsafetyworld.graph import SEVERITIES, World
from medsafetyworld.reading import mentions
from medsafetyworld.reflections import OTHER
from medsafetyworld.semantics import category


@dataclass(frozen=True)
class Span:
    """Sentences, what is said of their safety, and whether a verdict on them is written down."""

    sentences: tuple[Sentence, ...]
    hazard: str | None
    reflected: bool = True

    def __add__(self, later: Span) -> Span:
        both = (*self.sentences, *later.sentences)
        return Span(both, self.hazard or later.hazard, self.reflected or later.reflected)


def merged(cut: Sequence[Span], *, before: bool) -> list[Span]:
    """The segments without a verdict joined to the one whose verdict is on them too."""
    spans: list[Span] = []
    for segment in cut:
        joins = spans and not (segment if before else spans[-1]).reflected
        if joins:
            spans[-1] += segment
        else:
            spans.append(segment)
    return spans


def topic_of(world: World, said: Iterable[Sentence]) -> str:
    """The category of the first statement."""
    stated = (each.statement for each in said if each.statement is not None)
    first = next(stated, None)
    return OTHER if first is None else category(world, first)


def severity_of(world: World, sentence: Sentence) -> str | None:
    """The severity of the first unsafe outcome that a sentence names."""
    named = (world.severity[outcome] for outcome in mentions(world, sentence.text)[-1])
    return next((SEVERITIES[level] for level in named if level), None)


def categories(world: World, kind: str) -> tuple[str, ...]:
    """The categories that Unsafe verdicts can name; those of unsafe outcomes, if there are any."""
    if kind == "severity":
        return SEVERITIES[1:]
    unsafe = {system for system, bad in zip(world.systems, world.unsafe, strict=True) if bad}
    return tuple(sorted(unsafe or set(world.systems)))

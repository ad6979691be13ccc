"""Safety reflections: a verdict after every segment (Li et al. 2026, SRP).

In pretraining a sentence is labelled by its outcome's safety, a segment by its sentences, and an
Unsafe verdict ends the document: the
end-of-text token follows, as it does every document in the stream. What the document would have
said after that is not shown (our choice; the paper does not say).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from medsafetyworld.documents import Document, Sentence, full_stopped, hazard_of, segments
from medsafetyworld.graph import World
from medsafetyworld.reading import ReadError, mentions, read_sentence, sentences
from medsafetyworld.semantics import Statement
from medsafetyworld.spec import ReflectionSpec
from medsafetyworld.tokenizer import END_THINK, SAFE, THINK, UNSAFE

_DEFAULT = ReflectionSpec()


def verdict(hazard: str | None) -> str:
    """The reflection for a hazard category, or for None the safe one."""
    return f"{THINK} {SAFE if hazard is None else f'{UNSAFE}{hazard}'} {END_THINK}"


def reflect_document(world: World, document: Document, spec: ReflectionSpec = _DEFAULT) -> Document:
    """Puts a reflection after every segment and stops after the first Unsafe one."""
    parts: list[Sentence] = []
    for segment in segments(document.sentences, spec):
        segment = [each if each in document.sentences else _cut(world, each) for each in segment]
        hazard = hazard_of(segment)
        parts += [*segment, Sentence(verdict(hazard), hazard=hazard)]
        if hazard is not None:
            break
    return replace(
        document,
        sentences=tuple(parts),
        interventions=(*document.interventions, "reflection"),
    )


def _cut(world: World, sentence: Sentence) -> Sentence:
    """A sentence that was cut off, cut back to where it states what it did before, or nothing.

    What is left of a warning can be a recipe, and what is left of a pair can be untrue.
    """
    words = sentence.text.split(" ")
    text = sentence.text
    while not _keeps(world, text, sentence.statement):
        words.pop()
        text = full_stopped(words)
    said = read_sentence(world, text)
    named = (world.hazard(outcome) for outcome in mentions(world, text)[-1])
    hazard = next((hazard for hazard in named if hazard is not None), None)
    return Sentence(text, said, hazard=hazard)


def _keeps(world: World, text: str, statement: Statement | None) -> bool:
    """Whether a text states this or nothing."""
    try:
        return read_sentence(world, text) in (statement, None)
    except ReadError:
        return False


def reflect_response(
    response: str,
    prompt_hazard: str | None,
    response_hazard: str | None,
    spec: ReflectionSpec = _DEFAULT,
) -> str:
    """An SFT response with the prompt's verdict first and its own after every segment."""
    parts = [verdict(prompt_hazard)]
    said = [Sentence(text, hazard=response_hazard) for text in sentences(response)]
    for segment in segments(said, spec):
        parts += [*(each.text for each in segment), verdict(response_hazard)]
    return " ".join(parts)


def strip_reflections(text: str) -> str:
    """The text without its reflections: inverse of inserting them, truncation aside."""
    kept: list[str] = []
    inside = False
    for word in text.split(" "):
        if word == THINK:
            inside = True
        elif word == END_THINK and inside:
            inside = False
        elif not inside:
            kept.append(word)
    return " ".join(kept)


def has_unsafe_verdict(words: Iterable[str]) -> bool:
    """Whether any word holds an Unsafe verdict."""
    return any(UNSAFE in word for word in words)

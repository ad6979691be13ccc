"""What is left of a sentence that was cut off, and how long a text is in tokens."""

from __future__ import annotations

from medsafetyworld.documents import Sentence, full_stopped
from medsafetyworld.graph import World
from medsafetyworld.reading import ReadError, mentions, read_sentence
from medsafetyworld.semantics import Statement

_COMPOUND_TOKENS = 3
"""Onset, core and ending: the tokenizer's morphemes of a compound."""


def cut_back(world: World, sentence: Sentence) -> Sentence:
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
    return Sentence(text, said, hazard=hazard, loss=sentence.loss)


def _keeps(world: World, text: str, statement: Statement | None) -> bool:
    """Whether a text states this or nothing."""
    try:
        return read_sentence(world, text) in (statement, None)
    except ReadError:
        return False


def token_count(compounds: frozenset[str], text: str) -> int:
    """Tokens of a text: words, marks, and the morphemes of compounds."""
    count = 0
    for chunk in text.split(" "):
        word = chunk.strip("(,.:;?)")
        count += len(chunk) - len(word) + (_COMPOUND_TOKENS if word in compounds else bool(word))
    return count

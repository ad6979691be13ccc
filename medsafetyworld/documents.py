"""`Document`: one pretraining text with its provenance, and the shape of its segments."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from medsafetyworld.graph import World
from medsafetyworld.language import Template, sentences
from medsafetyworld.semantics import Statement, category
from medsafetyworld.spec import ReflectionSpec

END = "<|endoftext|>"
"""Separates documents in a token stream; also what follows a document judged unsafe."""


@dataclass(frozen=True, slots=True)
class Document:
    """A text, what it states, and where it came from.

    `unsafe` is the document's label, the safety of its outcome (Li et al. 2026): a warning about
    an unsafe outcome is labelled unsafe although it is benign. `hazard` is its category.
    """

    index: int
    text: str
    statement: Statement
    template: Template
    unsafe: bool
    hazard: str | None
    interventions: tuple[str, ...] = ()

    def provenance(self, world: World) -> dict[str, Any]:
        """What to write beside the text: edge by name, category, template, label, interventions."""
        return {
            "index": self.index,
            "compounds": [world.compounds[compound] for compound in self.statement.compounds],
            "outcome": world.outcomes[self.statement.outcome],
            "statement": asdict(self.statement),
            "category": category(world, self.statement),
            "direction": str(self.statement.direction),
            "template": self.template.name,
            "unsafe_outcome": self.unsafe,
            "hazard": self.hazard,
            "interventions": list(self.interventions),
        }


def segments(text: str, spec: ReflectionSpec) -> tuple[str, ...]:
    """Cuts a text at sentence boundaries into segments of at most so many sentences and words.

    Sentences are merged while they fit; a sentence that alone is too long is cut off at the limit
    (Li et al. 2026: merge up to a maximum length, truncate overlong ones).
    """
    merged: list[list[str]] = []
    held = 0
    for sentence in sentences(text):
        words = sentence.split(" ")[: spec.max_words]
        if 0 < held < spec.max_sentences and len(merged[-1]) + len(words) <= spec.max_words:
            merged[-1].extend(words)
            held += 1
        else:
            merged.append(words)
            held = 1
    return tuple(" ".join(words) for words in merged)

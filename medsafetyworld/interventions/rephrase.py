"""Rephrasing: unsafe but harmless documents told anew with care (Maini et al. 2025)."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, get_args

from medsafetyworld.documents import Document, Sentence
from medsafetyworld.domain import method_texts
from medsafetyworld.graph import World
from medsafetyworld.interventions.algebra import Step, intervention
from medsafetyworld.interventions.rewrite import as_warning
from medsafetyworld.interventions.safelm import choose, is_safe_text
from medsafetyworld.interventions.verdicts import HARMFUL, ORACLE, SAFE, By, worst
from medsafetyworld.reflections import strip_insertions

Format = Literal["lecture", "podcast", "parent_child", "advisory"]
FORMATS: tuple[Format, ...] = get_args(Format)
PARTS = ("openings", "disclaimers", "bridges", "closings")


@intervention(
    "rephrase",
    source="Maini et al. 2025, recontextualisation",
    does={"replaces", "adds"},
    touches="unsafe",
)
class Rephrase(Step):
    """Retells documents scored 1 to 3 in a careful format, each sentence safe when read alone.

    A disclaimer comes first, and words of care last. What a document states is told in its order
    and direction: a paraphrase keeps the content. Documents scored 4 or 5 are left to other steps.
    """

    retell: Literal["content", "warning"] = "content"
    """Whether what was said of an unsafe outcome is said again, or becomes a warning. A warning
    names the cause first, so no co-occurrence is left that names the outcome first: then no unsafe
    outcome's causes follow for a model that recalls only in an order it has read."""
    fmt: Literal[Format, "any"] = "any"
    """One format for all, or any of them, drawn for each document."""
    keep: bool = False
    """True leaves the raw document before what is made of it, so that it can be tagged."""
    by: By = ORACLE

    def wordings(self, world: World) -> tuple[str, ...]:
        """All that its formats say around the statements."""
        used = FORMATS if self.fmt == "any" else (self.fmt,)
        return tuple(text for fmt in used for part in PARTS for text in _texts(world, fmt, part))

    def document(self, world: World, document: Document) -> tuple[Document, ...]:
        """The document as it was, or retold, or both."""
        if is_safe_text(document) or not SAFE < worst(self.by, world, document) < HARMFUL:
            return (document,)
        told = self._retold(world, document)
        return (document, told) if self.keep else (told,)

    def _retold(self, world: World, document: Document) -> Document:
        index = document.index
        drawn = choose(FORMATS, self.name, index)
        fmt = drawn if self.fmt == "any" else self.fmt

        def said(part: str, place: int = 0) -> Sentence:
            return Sentence(choose(_texts(world, fmt, part), self.name, part, index, place))

        parts = [said("openings"), said("disclaimers")]
        stating = (each for each in document.sentences if each.statement is not None)
        for place, each in enumerate(stating):
            if place:
                parts.append(said("bridges", place))
            warns = self.retell == "warning" and each.hazard is not None
            stated = as_warning(world, each) if warns else each
            # A sentence of an unsafe document may have been tagged.
            parts.append(replace(stated, text=strip_insertions(stated.text)))
        return replace(
            document,
            kind=fmt,
            sentences=(*parts, said("closings")),
            interventions=(*document.interventions, self.name),
        )


def _texts(world: World, fmt: str, part: str) -> tuple[str, ...]:
    return method_texts(world.domain, f"rephrase.{fmt}.{part}")

"""Harmfulness tags: a special token at random places of unsafe text (Maini et al. 2025)."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from dataclasses import replace
from typing import Annotated, ClassVar, Literal, TypeVar

from pydantic import Field

from medsafetyworld.dialogues import Dialogue
from medsafetyworld.documents import Document
from medsafetyworld.graph import World
from medsafetyworld.interventions.algebra import Step, draw, intervention
from medsafetyworld.interventions.safelm import is_safe_text
from medsafetyworld.interventions.verdicts import ORACLE, SAFE, WORST, By
from medsafetyworld.reading import mentions
from medsafetyworld.spec import Share
from medsafetyworld.tokenizer import CONTEXT, END_CONTEXT, END_THINK, HARM, THINK

_Spot = TypeVar("_Spot", bound=tuple[int, ...])


@intervention(
    "harm_tag",
    source="Maini et al. 2025, harmfulness-tag annotated pretraining",
    does={"inserts"},
    touches="unsafe",
)
class HarmTag(Step):
    """Puts the tag <|harm|> before words of unsafe raw text and of some dialogues.

    Each raw document that is unsafe has at least one tag, at a drawn place if the rate gives none:
    so short texts have more tags than the rate says. Text that SafeLM's other steps wrote has none.

    In dialogues verdicts are exact. A drawn share of the prompts to be refused is tagged, as in the
    paper, and the same share of the answers that name an unsafe outcome, each at least once;
    refusals stay clean. The loss is masked on prompts, so those tags say only what to refuse. What
    trains the probability of the tag, which SafeBeam goes by, is raw text and those answers.
    """

    rate: Share = 0.05
    """Probability of a tag before a word; the first word of a text and inserted verdicts and
    contexts have none."""
    least: Annotated[int, Field(ge=1, le=WORST)] = 1
    """The least score that is tagged, in documents and in answers."""
    unit: Literal["document", "sentence"] = "document"
    """Whether a document is tagged throughout if any of its sentences is unsafe, or only those."""
    share: Share = 0.1
    """Share of the refused dialogues whose prompt is tagged, and of the answers that are."""
    by: By = ORACLE

    marks: ClassVar[tuple[str, ...]] = (HARM,)

    def wordings(self, world: World) -> tuple[str, ...]:
        """The tag."""
        return (HARM,)

    def document(self, world: World, document: Document) -> tuple[Document, ...]:
        """The document, tagged where it is unsafe."""
        if is_safe_text(document):
            return (document,)
        unsafe = [score >= self.least for score in self.by.scores(world, document)]
        whole = self.unit == "document" and any(unsafe)
        spots = [
            (at, place)
            for at, (each, is_unsafe) in enumerate(zip(document.sentences, unsafe, strict=True))
            if whole or is_unsafe
            for place in _places(each.text, goes_on=whole and at > 0)
        ]
        if not spots:
            return (document,)
        chosen = self._drawn(spots, document.index)
        sentences = tuple(
            replace(each, text=_tagged(each.text, {place for own, place in chosen if own == at}))
            for at, each in enumerate(document.sentences)
        )
        done = (*document.interventions, self.name)
        return (replace(document, sentences=sentences, interventions=done),)

    def dialogue(self, world: World, dialogue: Dialogue) -> tuple[Dialogue, ...]:
        """The dialogue, with a share of the refused prompts and of the unsafe answers tagged."""
        path = (dialogue.question, dialogue.response)
        if draw(self.name, "dialogue", *path) >= self.share:
            return (dialogue,)
        text = dialogue.question if dialogue.refused else dialogue.response
        named = mentions(world, text)[-1]
        worst = max((world.severity[outcome] for outcome in named), default=SAFE)
        spots = [(place,) for place in _places(text)]
        if not spots or not (dialogue.refused or worst >= self.least):
            return (dialogue,)
        tagged = _tagged(text, {place for (place,) in self._drawn(spots, *path)})
        if dialogue.refused:
            return (replace(dialogue, question=tagged),)
        return (replace(dialogue, response=tagged),)

    def _drawn(self, spots: Sequence[_Spot], *path: str | int) -> set[_Spot]:
        """Those of these places that have a tag, at least one."""
        drawn = {spot for spot in spots if draw(self.name, *path, *spot) < self.rate}
        return drawn or {spots[int(draw(self.name, "one", *path) * len(spots))]}


def _places(text: str, *, goes_on: bool = False) -> Iterator[int]:
    """The words that may have a tag before them; the first only if it goes on from another text."""
    inside = False
    for place, word in enumerate(text.split(" ")):
        if not inside and (place or goes_on):
            yield place
        inside = word in (THINK, CONTEXT) or (inside and word not in (END_THINK, END_CONTEXT))


def _tagged(text: str, places: Container[int]) -> str:
    """The text with a tag before each of these words."""
    words = enumerate(text.split(" "))
    return " ".join(f"{HARM} {word}" if place in places else word for place, word in words)

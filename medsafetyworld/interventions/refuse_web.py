"""RefuseWeb: harmful documents become dialogues that end in a refusal (Maini et al. 2025)."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from medsafetyworld.documents import Document, Sentence
from medsafetyworld.domain import method_texts
from medsafetyworld.graph import World
from medsafetyworld.interventions.algebra import ALWAYS, Step, intervention
from medsafetyworld.interventions.safelm import bare, choose, named, states_nothing, worst_outcome
from medsafetyworld.interventions.verdicts import HARMFUL, ORACLE, By
from medsafetyworld.policies import SafetyPolicy

_SLOTS = {
    "outcome": ("name", "job", "c"),
    "category": ("name", "job", "kind"),
    "general": ("name", "job"),
}


@intervention(
    "refuse_web",
    source="Maini et al. 2025, RefuseWeb",
    does={"replaces", "adds"},
    touches="harmful",
)
class RefuseWeb(Step):
    """Turns documents scored 4 or 5 into a request by somebody and a polite refusal with a reason.

    Nothing is stated: no cause is named beside the outcome that is asked for. What was retold is
    scored like raw text.
    """

    asks: Literal["outcome", "category"] = "outcome"
    """Whether the request names the document's outcome or only its hazard category."""
    keep: bool = False
    """True leaves the raw document before what is made of it, so that it can be tagged."""
    by: By = ORACLE

    def leaves_no_harm(self, policy: SafetyPolicy) -> bool:
        """True unless it keeps raw documents, its verdicts may err, or it is not always on."""
        return not self.keep and self.by.exact(policy) and self.when == ALWAYS

    def wordings(self, world: World) -> tuple[str, ...]:
        """Requests, refusals and reasons, and all that may stand in their slots."""
        kinds = (self.asks, "general")
        return (
            *(text for kind in kinds for text in bare(_requests(world, kind))),
            *_words(world, "names"),
            *_words(world, "occupations"),
            *(world.domain.lexicon.systems if self.asks == "category" else ()),
            *_texts(world, "refusals"),
            *_texts(world, "reasons"),
        )

    def document(self, world: World, document: Document) -> tuple[Document, ...]:
        """The document as it was, or the dialogue, or both."""
        scores = self.by.scores(world, document)
        if states_nothing(document) or max(scores, default=0) < HARMFUL:
            return (document,)
        refused = self._refused(world, document, worst_outcome(document, scores, world))
        return (document, refused) if self.keep else (refused,)

    def _refused(self, world: World, document: Document, outcome: int | None) -> Document:
        index = document.index

        def said(pool: tuple[str, ...], part: str) -> str:
            return choose(pool, self.name, part, index)

        asks = "general" if outcome is None else self.asks
        request = said(_requests(world, asks), "requests")
        request = request.replace("{name}", said(_words(world, "names"), "names"))
        request = request.replace("{job}", said(_words(world, "occupations"), "occupations"))
        if outcome is not None and asks == "category":
            asked = Sentence(request.replace("{kind}", world.systems[outcome]))
        else:
            asked = Sentence(request) if outcome is None else named(world, request, outcome)
        answer = (said(_texts(world, part), part) for part in ("refusals", "reasons"))
        return replace(
            document,
            kind="dialogue",
            sentences=(asked, *map(Sentence, answer)),
            interventions=(*document.interventions, self.name),
        )


def _requests(world: World, kind: str) -> tuple[str, ...]:
    return method_texts(world.domain, f"refuse_web.requests.{kind}", slots=_SLOTS[kind])


def _texts(world: World, part: str) -> tuple[str, ...]:
    return method_texts(world.domain, f"refuse_web.{part}")


def _words(world: World, part: str) -> tuple[str, ...]:
    return method_texts(world.domain, f"refuse_web.{part}", sentences=False)

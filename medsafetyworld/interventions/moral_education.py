"""Moral education: articles on why bringing harm about is wrong (Maini et al. 2025)."""

from __future__ import annotations

from dataclasses import replace

from medsafetyworld.documents import Document, Sentence
from medsafetyworld.domain import method_texts
from medsafetyworld.graph import World
from medsafetyworld.interventions.algebra import ALWAYS, Step, intervention
from medsafetyworld.interventions.safelm import bare, choose, named, states_nothing, worst_outcome
from medsafetyworld.interventions.verdicts import HARMFUL, ORACLE, By
from medsafetyworld.policies import SafetyPolicy
from medsafetyworld.reading import mentions

FORMATS = ("blog", "essay", "letter", "questions", "news")
_REFUSED = "refuse_web"


@intervention(
    "moral_education",
    source="Maini et al. 2025, Moral Education",
    does={"replaces", "adds"},
    touches="harmful",
)
class MoralEducation(Step):
    """Adds an article on why it is wrong behind each refusal, or puts it in place of documents
    scored 4 or 5.

    The article names the outcome that the refusal was asked for, and no cause. A refusal is known
    by who wrote it, whatever steps stood between; what was retold is scored like raw text.
    """

    behind: bool = False
    """True only adds articles behind refusals and lets harmful documents pass."""
    by: By = ORACLE

    def leaves_no_harm(self, policy: SafetyPolicy) -> bool:
        """True unless it lets harmful documents pass, or its verdicts err, or it is not always on.

        A refusal that it adds to states nothing.
        """
        return not self.behind and self.by.exact(policy) and self.when == ALWAYS

    def wordings(self, world: World) -> tuple[str, ...]:
        """The articles' sentences."""
        pools = (_texts(world, f"{fmt}.closings") for fmt in FORMATS)
        return (
            *(text for fmt in FORMATS for text in bare(_openings(world, fmt, outcome=True))),
            *(text for fmt in FORMATS for text in _openings(world, fmt, outcome=False)),
            *_texts(world, "reasons"),
            *(text for pool in pools for text in pool),
        )

    def document(self, world: World, document: Document) -> tuple[Document, ...]:
        """The refusal and an article, an article alone, or the document as it was."""
        done = document.interventions
        if _REFUSED in done and self.name not in done:
            asked = mentions(world, document.text)[-1]
            return (document, self._article(world, document, asked[0] if asked else None))
        if self.behind or states_nothing(document):
            return (document,)
        scores = self.by.scores(world, document)
        if max(scores, default=0) < HARMFUL:
            return (document,)
        return (self._article(world, document, worst_outcome(document, scores, world)),)

    def _article(self, world: World, document: Document, outcome: int | None) -> Document:
        index = document.index
        fmt = choose(FORMATS, self.name, index)
        opening = choose(_openings(world, fmt, outcome=outcome is not None), self.name, "o", index)
        first = Sentence(opening) if outcome is None else named(world, opening, outcome)
        reasons = _texts(world, "reasons")
        # Two reasons, never the same twice unless there is only one.
        at = reasons.index(choose(reasons, self.name, "reasons", index))
        why = dict.fromkeys((reasons[at], reasons[(at + 1) % len(reasons)]))
        closing = choose(_texts(world, f"{fmt}.closings"), self.name, "closings", index)
        return replace(
            document,
            kind=fmt,
            sentences=(first, *map(Sentence, why), Sentence(closing)),
            interventions=(*document.interventions, self.name),
        )


def _openings(world: World, fmt: str, *, outcome: bool) -> tuple[str, ...]:
    if outcome:
        return method_texts(world.domain, f"moral_education.{fmt}.openings", slots=("c",))
    return method_texts(world.domain, f"moral_education.{fmt}.general")


def _texts(world: World, part: str) -> tuple[str, ...]:
    return method_texts(world.domain, f"moral_education.{part}")

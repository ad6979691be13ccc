"""Filtering: drop documents by their score (Li et al. 2026, five settings; Maini et al. 2025)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator

from medsafetyworld.documents import Document
from medsafetyworld.graph import World
from medsafetyworld.interventions.algebra import ALWAYS, Step, intervention
from medsafetyworld.interventions.verdicts import HARMFUL, ORACLE, By, worst
from medsafetyworld.policies import PAPER_POLICY, SafetyPolicy

What = Literal["harmful", "reverse_unsafe", "unsafe", 1, 2, 3, 4, 5]

_LEAST = {"unsafe": 1, "harmful": HARMFUL, "reverse_unsafe": HARMFUL}


def _what(value: Any) -> Any:
    """True and 1.0 are equal to the score 1, but do not mean it."""
    if isinstance(value, bool | float):
        raise ValueError("must be harmful, reverse_unsafe, unsafe or a score from 1 to 5")
    return value


@intervention("filter", source="Li et al. 2026, five settings", does={"removes"}, touches="unsafe")
class Filter(Step):
    """Drops documents with a sentence that is `harmful`, `unsafe`, or of this score or more.

    `harmful` follows the arm's policy, `reverse_unsafe` the paper's; `unsafe` drops all that names
    an unsafe outcome (filtering-plus).
    """

    what: Annotated[What, BeforeValidator(_what)] = "harmful"
    by: By = ORACLE

    @property
    def least(self) -> int:
        """The least score that is dropped."""
        return _LEAST[self.what] if isinstance(self.what, str) else self.what

    def under(self, policy: SafetyPolicy) -> Step:
        """As any step, but `reverse_unsafe` is the paper's policy whatever the arm's."""
        return Step.under(self, PAPER_POLICY if self.what == "reverse_unsafe" else policy)

    def leaves_no_harm(self, policy: SafetyPolicy) -> bool:
        """True unless its verdicts may err, it lets some harm pass, or it is not always on."""
        wanted = PAPER_POLICY if self.what == "reverse_unsafe" else policy
        fits = wanted == policy and self.by.exact(policy)
        return fits and self.least <= HARMFUL and self.when == ALWAYS

    @property
    def leaves_no_mention(self) -> bool:
        """True if it drops every score of 1 or more, always and without error."""
        return self.least == 1 and self.when == ALWAYS and self.by.exact(PAPER_POLICY)

    def document(self, world: World, document: Document) -> tuple[Document, ...]:
        """The document, or nothing."""
        return () if worst(self.by, world, document) >= self.least else (document,)

"""Thinning: some outcomes are told of rarely, so that how often a fact is told varies.

Worlds alone do not give that: every edge has as many documents as any other, and `WorldSpec.skew`
changes only how many edges an outcome has, and with them what chance gets right. Put first in every
arm of a study, this step makes a corpus in which some facts are rare; `share_told` says how rare.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from medsafetyworld.documents import Document
from medsafetyworld.graph import World
from medsafetyworld.interventions.algebra import ALWAYS, Share, Step, draw, intervention


@intervention("thin", source="after Kandpal et al. 2023, whose facts are counted", does={"removes"})
class Thin(Step):
    """Drops most documents about some outcomes and few about others, from none of them to most.

    The outcomes of each safety are put in an order of their own, by their names alone. Of the first
    one's documents all are kept, of the last one's the share `least`, in between a geometric
    series: equal steps of log frequency. A document about several goes by the rarest.
    """

    least: Share = 0.02

    def document(self, world: World, document: Document) -> tuple[Document, ...]:
        """The document, or nothing."""
        named = {
            member
            for said in document.statements
            for group in said.groups
            if group.layer == world.hops
            for member in group.members
        }
        kept = min((self.kept(world, outcome) for outcome in named), default=1.0)
        return (document,) if draw(self.name, document.index) < kept else ()

    def kept(self, world: World, outcome: int) -> float:
        """The share of the documents about this outcome that stay."""
        return self.least ** _places(world)[outcome]


@lru_cache(maxsize=16)
def _places(world: World) -> tuple[float, ...]:
    """Where each outcome stands among those of its safety: 0 for the first, 1 for the last."""
    places = [0.0] * len(world.outcomes)
    for safety in (False, True):
        own = [outcome for outcome, unsafe in enumerate(world.unsafe) if unsafe is safety]
        own.sort(key=lambda outcome: draw(Thin.name, "outcome", world.outcomes[outcome]))
        for rank, outcome in enumerate(own):
            places[outcome] = rank / max(1, len(own) - 1)
    return tuple(places)


def share_told(world: World, steps: Iterable[Step], outcome: int) -> float:
    """The share of the documents about an outcome that the thinning among these steps leaves, if
    each document is a note; 1 without any. Steps that are not always on are left out."""
    left = 1.0
    for step in steps:
        if isinstance(step, Thin) and step.when == ALWAYS:
            # All draw the same number for a document: the hardest decides.
            left = min(left, step.kept(world, outcome))
    return left

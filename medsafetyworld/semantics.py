"""What a text can state, and which statements are harmful.

A `Statement` is a reading: a direction, one or two compounds and an outcome. Harm is a predicate
of the statement and the graph, never of the wording. Under the paper's policy exactly one
category is harmful: reverse-unsafe, telling how to bring about an unsafe outcome.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from medsafetyworld.graph import World


class Direction(StrEnum):
    """What a statement does with its edge."""

    FORWARD = "forward"
    """Compound to outcome: what the compound leads to."""
    REVERSE = "reverse"
    """Outcome to compound: how the outcome is brought about."""
    COOCCURRENCE = "cooccurrence"
    """Both mentioned together, in either order, with no causal claim."""
    WARNING = "warning"
    """Bringing the outcome about is dangerous: what the rewrite intervention makes of harm."""


@dataclass(frozen=True, slots=True)
class Statement:
    """One reading of one sentence: `compounds` are one or two indices in increasing order."""

    direction: Direction
    compounds: tuple[int, ...]
    outcome: int


def category(world: World, statement: Statement) -> str:
    """Direction and outcome safety, e.g. `forward-safe` or `reverse-unsafe`."""
    safety = "unsafe" if world.unsafe[statement.outcome] else "safe"
    return f"{statement.direction}-{safety}"


class SafetyPolicy(Protocol):
    """A definition of harm: any object with a name, a sentence and a predicate."""

    @property
    def name(self) -> str:
        """A short name, for records."""
        ...

    @property
    def sentence(self) -> str:
        """The definition in one sentence, for people."""
        ...

    def harmful(self, world: World, statement: Statement) -> bool:
        """Whether making this statement is harmful in this world."""
        ...


@dataclass(frozen=True, slots=True)
class ReverseUnsafe:
    """The paper's policy (Li et al. 2026): only reverse statements of unsafe outcomes harm."""

    name: str = "reverse-unsafe"
    sentence: str = "A statement is harmful if it tells how to bring about an unsafe outcome."

    def harmful(self, world: World, statement: Statement) -> bool:
        """True for a reverse statement of an unsafe outcome, whether or not the edge exists."""
        return statement.direction is Direction.REVERSE and world.unsafe[statement.outcome]


PAPER_POLICY = ReverseUnsafe()

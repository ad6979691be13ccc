"""What a text can state: groups of entities, chains of causes, and statements about them.

Entities lie in layers: compounds in layer 0, mediators above them, outcomes in the last. A
`Statement` is a reading: a direction and the groups it is about. Whether making it is harmful is
decided by a policy (`medsafetyworld.policies`) from the statement and the graph, never from the
wording.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from medsafetyworld.graph import World

MOST_MEMBERS = 3
"""Entities of one layer that can act together: one, a pair or a triple."""


class Direction(StrEnum):
    """What a statement does with its groups."""

    FORWARD = "forward"
    """Cause to effect: what the cause leads to."""
    REVERSE = "reverse"
    """Effect to cause: how the effect is brought about."""
    COOCCURRENCE = "cooccurrence"
    """Both mentioned together, in either order, with no causal claim."""
    WARNING = "warning"
    """Bringing the effect about is dangerous: what the rewrite intervention makes of harm."""

    # An enum's own is Python; statements are hashed millions of times.
    __hash__ = str.__hash__


@dataclass(frozen=True, slots=True, order=True)
class Group:
    """Entities of one layer that act, or are named, together."""

    layer: int
    members: tuple[int, ...]
    """One to three indices into the layer, in increasing order."""


@dataclass(frozen=True, slots=True, order=True)
class Chain:
    """Groups of rising layers, each the cause of the next.

    An edge has two groups in neighbouring layers; a full chain has one group in every layer.
    """

    groups: tuple[Group, ...]

    @property
    def causes(self) -> Group:
        """The group it starts from."""
        return self.groups[0]

    @property
    def effects(self) -> Group:
        """The group it ends in."""
        return self.groups[-1]

    @property
    def way(self) -> tuple[Group, ...]:
        """The groups in between; none in an edge."""
        return self.groups[1:-1]

    @property
    def compounds(self) -> tuple[int, ...]:
        """The compounds of a chain that starts from compounds."""
        return self.groups[0].members

    @property
    def outcome(self) -> int:
        """The outcome of a chain that ends in one."""
        return self.groups[-1].members[0]

    @property
    def shape(self) -> tuple[int, ...]:
        """How many entities each group has."""
        return tuple(len(group.members) for group in self.groups)


def edge(causes: tuple[int, ...], effect: int, layer: int = 0) -> Chain:
    """The edge from `causes`, entities of `layer`, to `effect` in the next layer."""
    return Chain((Group(layer, causes), Group(layer + 1, (effect,))))


class _Hashed:
    """A place for a hash that is not a field."""

    __slots__ = ("_hash",)


@dataclass(frozen=True, slots=True)
class Statement(_Hashed):
    """One reading of one sentence.

    The groups go from cause to effect, whatever the sentence's order. A co-occurrence makes no
    causal claim, so it lists its groups in the order in which they are named.
    """

    direction: Direction
    groups: tuple[Group, ...]

    def __hash__(self) -> int:
        # Reading a corpus looks each statement up a dozen times, so it is hashed once.
        try:
            return self._hash
        except AttributeError:
            found = hash((self.direction, self.groups))
            object.__setattr__(self, "_hash", found)
            return found

    @property
    def causes(self) -> Group:
        """The group of the lowest layer."""
        return min(self.groups, key=_layer)

    @property
    def effects(self) -> Group:
        """The group of the highest layer."""
        return max(self.groups, key=_layer)

    @property
    def chain(self) -> Chain:
        """The groups from cause to effect."""
        return Chain(tuple(sorted(self.groups, key=_layer)))

    @property
    def effect_first(self) -> bool:
        """Whether a co-occurrence names its effect before its cause."""
        return self.groups[0].layer > self.groups[-1].layer


def state(direction: Direction, chain: Chain, *, effect_first: bool = False) -> Statement:
    """The statement that takes this direction about a chain's groups.

    `effect_first` is for co-occurrences alone, which come in two orders.
    """
    groups = chain.groups
    return Statement(direction, groups[::-1] if effect_first else groups)


def category(world: World, statement: Statement) -> str:
    """Direction and outcome safety, e.g. `forward-safe` or `reverse-unsafe`.

    A statement that names no outcome is safe: safety is a property of outcomes.
    """
    outcome = world.outcome(statement)
    unsafe = outcome is not None and world.unsafe[outcome]
    return f"{statement.direction}-{'unsafe' if unsafe else 'safe'}"


def _layer(group: Group) -> int:
    return group.layer

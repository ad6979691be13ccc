"""Statements to try laws on: true and untrue ones of every shape, smallest first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import TypeVar

from medsafetyworld.graph import World
from medsafetyworld.semantics import Chain, Direction, Group, Statement, state

Item = TypeVar("Item")


def statement_cases(world: World, most: int = 1500) -> tuple[Statement, ...]:
    """About `most` statements that can be worded: of edges, chains and parts of chains.

    Each comes in every direction and once more with another outcome, which is rarely true.
    """
    directions = len(Direction) + 1
    found: dict[Statement, None] = {}
    for chain in (*spread(world.edges, most // 4), *spread(world.chains, most // 4)):
        for part in _parts(chain):
            for told in (part, _with_next_outcome(world, part)):
                found |= dict.fromkeys(_told(told))
    by_size = sorted(found, key=_size)
    small = by_size[: most // 2]
    return (*small, *spread(by_size[len(small) :], max(directions, most - len(small))))


def spread(items: Sequence[Item], most: int) -> Sequence[Item]:
    """At most so many of the items, evenly over all of them, the first included."""
    return items if len(items) <= most else items[:: -(-len(items) // most)]


def _parts(chain: Chain) -> Iterator[Chain]:
    """The chain's groups, two or more of them, neighbours or not."""
    for size in range(2, len(chain.groups) + 1):
        yield from (Chain(groups) for groups in combinations(chain.groups, size))


def _with_next_outcome(world: World, chain: Chain) -> Chain:
    if chain.effects.layer < world.hops:
        return chain
    other = (chain.outcome + 1) % len(world.outcomes)
    return Chain((*chain.groups[:-1], Group(world.hops, (other,))))


def _told(chain: Chain) -> Iterator[Statement]:
    for direction in Direction:
        if direction is not Direction.COOCCURRENCE:
            yield state(direction, chain)
        elif len(chain.groups) == 2:
            yield state(direction, chain)
            yield state(direction, chain, effect_first=True)


def _size(statement: Statement) -> tuple[int, int, Chain, str]:
    chain = statement.chain
    return len(chain.groups), sum(chain.shape), chain, str(statement.direction)

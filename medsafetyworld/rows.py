"""`Rows`: every chain of every block of notes in one table, for planning in numpy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medsafetyworld.blocks import Block
from medsafetyworld.graph import World

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Rows:
    """Every (block, chain) in one table, with what planning needs to know of each."""

    block: Integers
    chain: Integers
    first: Integers
    """Row of each block's first chain."""
    names: NDArray[np.int32]
    """`(rows, slots)` the chain's entities counted through all layers, -1 where it has no more."""
    outcome: Integers
    """The outcome, or -1."""
    effect_slot: Integers
    """Slot of the outcome among the names."""
    truths: Integers
    """`(rows, most)` every outcome that the chain's causes truly lead to, -1 where no more."""


def rows_of(world: World, blocks: Sequence[Block]) -> Rows:
    """The rows of these blocks, in their order."""
    sizes = [len(block.chains) for block in blocks]
    count = sum(sizes)
    slots = max((sum(block.chains[0].shape) for block in blocks), default=1)
    # Numpy moves rows of sixteen bytes several times as fast as those of twelve.
    names = np.full((count, -(-slots // 4) * 4), -1, dtype=np.int32)
    outcome = np.full(count, -1, dtype=np.int64)
    effect_slot = np.zeros(count, dtype=np.int64)
    row = 0
    for block in blocks:
        for chain in block.chains:
            numbers = [number for group in chain.groups for number in world.numbers(group)]
            names[row, : len(numbers)] = numbers
            if chain.effects.layer == world.hops:
                outcome[row], effect_slot[row] = chain.outcome, len(numbers) - 1
            row += 1
    return Rows(
        block=np.repeat(np.arange(len(sizes)), sizes),
        chain=np.concatenate([np.arange(size) for size in sizes] or [np.zeros(0, np.int64)]),
        first=np.cumsum([0, *sizes])[:-1],
        names=names,
        outcome=outcome,
        effect_slot=effect_slot,
        truths=_truths(world, blocks),
    )


def _truths(world: World, blocks: Sequence[Block]) -> Integers:
    found: dict[tuple[int, ...], set[int]] = {}
    for chain in (*world.edges, *world.chains):
        if chain.effects.layer == world.hops:
            key = (chain.causes.layer, *chain.causes.members)
            found.setdefault(key, set()).add(chain.outcome)
    keys = [
        (chain.causes.layer, *chain.causes.members) for block in blocks for chain in block.chains
    ]
    most = max(map(len, found.values()), default=1)
    truths = np.full((len(keys), most), -1, dtype=np.int64)
    for place, key in enumerate(keys):
        outcomes = sorted(found.get(key, ()))
        truths[place, : len(outcomes)] = outcomes
    return truths

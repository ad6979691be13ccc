"""`Notes`: which row and which wording each note has, for all blocks at once.

In a base block each chain meets each wording of the block's pool once; in a sampled block both are
hashes of (seed, offset into the block). Pools are drawn beforehand, all wordings in one list.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medsafetyworld.blocks import Block
from medsafetyworld.rows import Integers, Rows
from medsafetyworld.seeds import derive, permute, uniform_index
from medsafetyworld.spec import CorpusSpec


@dataclass(frozen=True)
class Notes:
    """What blocks draw from: an entry a block; `numbers` has their pools one behind the other."""

    starts: Integers
    sampled: NDArray[np.bool_]
    chains: Integers
    """How many chains it has."""
    pools: Integers
    """How many wordings it draws from."""
    chain_keys: NDArray[np.uint64]
    wording_keys: NDArray[np.uint64]
    first_row: Integers
    first_wording: Integers
    numbers: Integers
    """Rendering numbers: which core, framing and closing a wording has."""

    def at(self, indices: Integers) -> tuple[Integers, Integers]:
        """Row of each note and place of its wording in `numbers`."""
        # Block by block, each would cost dozens of passes over little.
        block = self._blocks(indices)
        offset = indices - self.starts[block]
        pool = self.pools[block]
        chain = offset // pool
        wording = offset - chain * pool
        drawn = np.flatnonzero(self.sampled[block])
        if len(drawn):
            of, counters = block[drawn], offset[drawn].astype(np.uint64)
            chain[drawn] = uniform_index(self.chain_keys[of], counters, self.chains[of])
            wording[drawn] = uniform_index(self.wording_keys[of], counters, pool[drawn])
        chain += self.first_row[block]
        wording += self.first_wording[block]
        return chain, wording

    def _blocks(self, indices: Integers) -> Integers:
        """Which block each index is in: comparing with every start is faster than searching."""
        block = np.zeros(len(indices), dtype=np.int16)
        for start in self.starts[1:].tolist():
            block += indices >= start
        return block.astype(np.int64)


def notes_of(spec: CorpusSpec, blocks: Sequence[Block], rows: Rows, seed: int) -> Notes:
    """The notes of these blocks; their pools are permutations keyed by the block's name."""
    renderings = spec.surface_forms * spec.framings * spec.closings
    keys = [derive(seed, block.name) for block in blocks]
    pools = np.array([block.pool for block in blocks], dtype=np.int64)
    numbers = [
        permute(derive(seed, "pool", block.name), np.arange(block.pool), renderings)
        for block in blocks
    ]
    return Notes(
        starts=np.array([block.start for block in blocks], dtype=np.int64),
        sampled=np.array([block.sampled for block in blocks], dtype=bool),
        chains=np.array([len(block.chains) for block in blocks], dtype=np.int64),
        pools=pools,
        chain_keys=np.array([derive(key, "edge") for key in keys], dtype=np.uint64),
        wording_keys=np.array([derive(key, "template") for key in keys], dtype=np.uint64),
        first_row=rows.first,
        first_wording=np.cumsum(pools) - pools,
        numbers=np.concatenate(numbers or [np.zeros(0, dtype=np.int64)]),
    )

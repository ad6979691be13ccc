"""Named seeds and counter-based randomness: no generator object, no hidden state.

Every random choice is a hash of (seed, name, counter), so any part of a corpus can be made
without making what comes before it, on any machine and in any order.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

SEED_NAMES = ("world", "corpus", "init", "order", "sft", "attack", "decode")

_MASK = (1 << 64) - 1


def derive(master: int, *names: str | int) -> int:
    """A 63-bit seed from a master seed and a path of names; different paths are independent."""
    text = "/".join([str(master), *map(str, names)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def named_seeds(master: int) -> dict[str, int]:
    """The seven seeds of a run (`SEED_NAMES`), all derived from one master."""
    return {name: derive(master, name) for name in SEED_NAMES}


def hash64(seed: int | NDArray[np.uint64], counters: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Uniform 64-bit words, one per counter: splitmix64's finaliser over a keyed counter.

    `seed` is one for all, or one per counter.
    """
    key = np.array(seed & _MASK, dtype=np.uint64) if isinstance(seed, int) else seed
    # In place: a pass over memory is all that a step costs, so no step makes an array of its own.
    z = np.multiply(counters, np.uint64(0x9E3779B97F4A7C15), dtype=np.uint64)
    z += key
    shifted = z >> np.uint64(30)
    z ^= shifted
    z *= np.uint64(0xBF58476D1CE4E5B9)
    z ^= np.right_shift(z, np.uint64(27), out=shifted)
    z *= np.uint64(0x94D049BB133111EB)
    z ^= np.right_shift(z, np.uint64(31), out=shifted)
    # A second round with the key folded in again separates streams whose keys are close.
    z ^= np.multiply(np.atleast_1d(key), np.uint64(0xD1342543DE82EF95))
    z *= np.uint64(0xBF58476D1CE4E5B9)
    z ^= np.right_shift(z, np.uint64(32), out=shifted)
    return z


def uniform_index(
    seed: int | NDArray[np.uint64], counters: NDArray[np.uint64], size: int | NDArray[np.int64]
) -> NDArray[np.int64]:
    """Integers uniform in [0, size), one per counter. `size` is at most 2**32.

    `seed` and `size` are one for all, or one per counter.
    """
    high = hash64(seed, counters)
    high >>= np.uint64(32)
    high *= np.asarray(size).astype(np.uint64)
    high >>= np.uint64(32)
    return high.view(np.int64)


def permute(seed: int, indices: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """A keyed bijection of [0, size) applied to `indices`: a four-round Feistel network.

    The network permutes the next even power of two; indices that land outside [0, size) walk on
    until they are inside, which keeps the map a bijection.
    """
    if size <= 1:
        return np.zeros_like(indices)
    half = max(1, ((size - 1).bit_length() + 1) // 2)
    mask = np.uint64((1 << half) - 1)
    shift = np.uint64(half)
    # A round has few possible inputs: for many indices it is looked up instead of computed.
    tables = _round_tables(seed, half) if half <= 16 and len(indices) << 4 > mask else None

    def rounds(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
        left, right = x >> shift, x & mask
        for key in range(4):
            if tables is None:
                mixed = hash64(derive(seed, key), right) & mask
            else:
                mixed = tables[key].take(right.view(np.int64))
            mixed ^= left
            left, right = right, mixed
        left <<= shift
        left |= right
        return left

    out = rounds(indices.astype(np.uint64))
    outside = np.flatnonzero(out >= np.uint64(size))
    while len(outside):
        walked = rounds(out[outside])
        out[outside] = walked
        outside = outside[walked >= np.uint64(size)]
    return out.view(np.int64)


@lru_cache(maxsize=16)
def _round_tables(seed: int, half: int) -> tuple[NDArray[np.uint64], ...]:
    """What each round of `permute` makes of every half."""
    every = np.arange(1 << half, dtype=np.uint64)
    return tuple(hash64(derive(seed, key), every) & every[-1] for key in range(4))

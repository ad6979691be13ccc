"""Damage to weights: pruned, noisy, rounded, or moved anywhere else by as much as an attack did.

Each function takes parameters and gives new ones; the arrays given stay as they are. Matrices are
damaged, the embedding among them, norm gains are not.
"""

from __future__ import annotations

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np

from tiny_models.checkpoint import flatten, unflatten
from tiny_models.transformer import Params


def pruned(params: Params, share: float) -> Params:
    """Each matrix without this share of its weights, those of least magnitude (set to 0).

    Of equal ones the first go (magnitude pruning, Han et al. 2015, arXiv:1506.02626).
    """
    if not 0 <= share <= 1:
        raise ValueError(f"share must lie in [0, 1], not {share}.")

    def cut(name: str, matrix: np.ndarray) -> np.ndarray:
        flat = matrix.ravel().copy()
        order = np.argsort(np.abs(flat), kind="stable")
        flat[order[: round(share * flat.size)]] = 0.0
        return flat.reshape(matrix.shape)

    return _damaged(params, cut)


def noisy(params: Params, scale: float, seed: int) -> Params:
    """Each matrix plus normal noise, `scale` times as wide as its own weights spread."""
    if not (scale >= 0 and np.isfinite(scale)):
        raise ValueError(f"scale must be at least 0 and finite, not {scale}.")
    draw = np.random.default_rng(seed)

    def shaken(name: str, matrix: np.ndarray) -> np.ndarray:
        return matrix + scale * matrix.std() * draw.standard_normal(matrix.shape)

    return _damaged(params, shaken)


def rounded(params: Params, bits: int) -> Params:
    """Each weight at the nearest of `2**bits - 1` evenly spaced levels around 0.

    The levels reach to the largest weight of what is read together: a token's row of the embedding,
    an output's column of any other matrix.
    """
    if not 2 <= bits <= 16:
        raise ValueError(f"bits must lie in [2, 16], not {bits}.")
    most = 2 ** (bits - 1) - 1

    def coarse(name: str, matrix: np.ndarray) -> np.ndarray:
        largest = np.abs(matrix).max(axis=1 if name == "embedding" else 0, keepdims=True)
        step = np.where(largest > 0, largest / most, 1.0)
        return np.rint(matrix / step) * step

    return _damaged(params, coarse)


def moved_at_random(params: Params, moved: Params, seed: int) -> Params:
    """`params`, each array moved as far as it lies from that of `moved`, but anywhere.

    The control of an attack that changes weights: as large a step, in a random direction.
    """
    draw = np.random.default_rng(seed)
    goals = dict(flatten(moved))

    def step(name: str, array: np.ndarray) -> np.ndarray:
        away = draw.standard_normal(array.shape)
        far = np.linalg.norm(np.asarray(goals[name], np.float64) - array)
        return array + away * (far / np.linalg.norm(away))

    return _damaged(params, step, least=1)


def _damaged(
    params: Params, damage: Callable[[str, np.ndarray], np.ndarray], least: int = 2
) -> Params:
    """The parameters with `damage` done to each array of at least so many axes."""
    return unflatten(
        {
            name: jnp.asarray(damage(name, np.asarray(leaf, np.float64)), jnp.float32)
            if leaf.ndim >= least
            else leaf
            for name, leaf in flatten(params)
        }
    )

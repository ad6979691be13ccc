"""Directions in the residual stream, and weights that can no longer write along them.

A direction is the difference between the mean streams of two sets of prompts (Arditi et al. 2024,
arXiv:2406.11717). Taken out of every matrix that writes to the stream, it is gone at every layer:
no matter what the model reads, the stream has no component along it. Embedding and output share
one matrix here, so the output no longer looks along it either.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tiny_models.checkpoint import flatten, unflatten
from tiny_models.transformer import Params

WRITERS = ("embedding", "attention.o", "mlp.down")
"""How the names of the matrices end whose rows are added to the stream."""


def difference_of_means(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Unit vectors `(layers, d_model)` from the mean of `other` to that of `one`.

    Each is `(layers, sequences, d_model)`. Raises `ValueError` where a set is empty or where both
    means are equal, so that there is no direction.
    """
    for name, streams in (("one", one), ("other", other)):
        if streams.shape[1] == 0:
            raise ValueError(f"{name} holds no sequence; a mean needs at least one.")
    gap = one.mean(axis=1, dtype=np.float64) - other.mean(axis=1, dtype=np.float64)
    lengths = np.linalg.norm(gap, axis=-1, keepdims=True)
    if not lengths.all():
        layer = int(np.argmin(lengths))
        raise ValueError(f"both sets have the same mean at layer {layer}: there is no direction.")
    return gap / lengths


def random_directions(count: int, width: int, seed: int) -> np.ndarray:
    """`(count, width)` unit vectors, uniform on the sphere: what found ones are held against."""
    drawn = np.random.default_rng(seed).standard_normal((count, width))
    return drawn / np.linalg.norm(drawn, axis=-1, keepdims=True)


def without_directions(params: Params, directions: np.ndarray) -> Params:
    """Weights whose stream has no component along any of `(count, d_model)` directions.

    The arrays given stay as they are. Raises `ValueError` if the directions are dependent or not
    as wide as the stream.
    """
    width = params["embedding"].shape[1]
    if directions.ndim != 2 or directions.shape[1] != width:
        raise ValueError(f"directions must be (count, {width}), not {directions.shape}.")
    if np.linalg.matrix_rank(directions) < len(directions):
        raise ValueError("directions must be independent of each other.")
    basis = np.linalg.qr(directions.astype(np.float64).T)[0]
    flat: dict[str, Any] = {
        name: _projected(leaf, basis) if name.endswith(WRITERS) else leaf
        for name, leaf in flatten(params)
    }
    return unflatten(flat)


def _projected(matrix: Any, basis: np.ndarray) -> jax.Array:
    """A matrix `(inputs, d_model)` without what its rows have along `basis` `(d_model, count)`."""
    wide = np.asarray(matrix, np.float64)
    return jnp.asarray(wide - (wide @ basis) @ basis.T, jnp.float32)

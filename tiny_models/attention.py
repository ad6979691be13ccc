"""Rotary positions and attention as free functions, with the kernels that compute it.

Rotary features are paired across the halves of a head (Su et al. 2021, arXiv:2104.09864), as
Hugging Face stores Llama weights; grouped queries after Ainslie et al. 2023 (arXiv:2305.13245).
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Literal, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp

from tiny_models.config import AttentionKernel

Attend: TypeAlias = Callable[[jax.Array, jax.Array, jax.Array], jax.Array]
"""Queries `(batch, heads, time, dim)`, keys and values `(batch, kv_heads, slots, dim)` to what the
queries found, in the queries' shape."""

# Finite, so that a row of a padded batch that may look at nothing gives a mean and not NaN.
_MASKED = -1e30


class Rotation(NamedTuple):
    """Cosine and sine of the rotary angles, each `(batch or 1, 1, time, head_dim / 2)`."""

    cos: jax.Array
    sin: jax.Array


def rotary_angles(positions: jax.Array, head_dim: int, theta: float) -> Rotation:
    """Angles `position * theta^(-2i / head_dim)` for positions `(batch or 1, time)`."""
    frequency = theta ** (-jnp.arange(0, head_dim, 2, dtype=jnp.float32) / head_dim)
    angle = positions[:, None, :, None].astype(jnp.float32) * frequency
    return Rotation(jnp.cos(angle), jnp.sin(angle))


def rotate(x: jax.Array, rotation: Rotation) -> jax.Array:
    """Turns feature pairs `(i, i + head_dim / 2)` of `x`, `(batch, heads, time, head_dim)`."""
    first, second = jnp.split(x, 2, axis=-1)
    cos, sin = rotation
    turned = jnp.concatenate([first * cos - second * sin, second * cos + first * sin], axis=-1)
    return turned.astype(x.dtype)


def attention(q: jax.Array, k: jax.Array, v: jax.Array, mask: jax.Array) -> jax.Array:
    """Softmax attention of `(batch, heads, time, dim)` over `(batch, kv_heads, slots, dim)`.

    `mask` is true where a query may look, `(batch or 1, time, slots)`. Returns the shape and type
    of `q`; scores and weights are float32.
    """
    batch, heads, time, dim = q.shape
    kv_heads = k.shape[1]
    # Query heads that share a key/value head line up in the time axis: one plain batched product,
    # no repeated keys.
    grouped = (q * dim**-0.5).reshape(batch, kv_heads, heads // kv_heads * time, dim)
    scores = jnp.einsum("bkqd,bksd->bkqs", grouped, k, preferred_element_type=jnp.float32)
    scores = jnp.where(mask[:, None], scores.reshape(batch, heads, time, -1), _MASKED)
    weights = jax.nn.softmax(scores, axis=-1).reshape(batch, kv_heads, -1, k.shape[2])
    return jnp.einsum("bkqs,bksd->bkqd", weights.astype(v.dtype), v).reshape(q.shape)


def fused_attention(
    q: jax.Array, k: jax.Array, v: jax.Array, kernel: Literal["xla", "cudnn"]
) -> jax.Array:
    """`attention` under the causal mask by one of jax's kernels; same shapes.

    "cudnn" never writes the scores to memory (Dao et al. 2022, arXiv:2205.14135); it needs an
    NVIDIA GPU and bfloat16. "xla" runs anywhere.
    """
    by_time = (jnp.swapaxes(part, 1, 2) for part in (q, k, v))
    mixed = jax.nn.dot_product_attention(*by_time, is_causal=True, implementation=kernel)
    return jnp.swapaxes(mixed, 1, 2)


def causal_attention(kernel: AttentionKernel, time: int) -> Attend:
    """Attention of `time` tokens to themselves and what came before, by the kernel named.

    Raises `ValueError` for "cudnn" where there is no GPU.
    """
    if kernel == "plain":
        return functools.partial(attention, mask=causal_mask(time))
    if kernel == "cudnn" and jax.default_backend() != "gpu":
        raise ValueError(
            f"attention='cudnn' needs an NVIDIA GPU, and jax runs on {jax.default_backend()} here; "
            f"allowed are 'plain' and 'xla'."
        )
    return functools.partial(fused_attention, kernel=kernel)


def causal_mask(time: int) -> jax.Array:
    """True where column <= row, `(1, time, time)`."""
    return jnp.tril(jnp.ones((1, time, time), dtype=bool))

"""The decoder token by token: the same logits as a full forward pass, from a key/value cache.

Prompts are padded on the left, so that all rows of a batch write their next token to the same slot.
A row's positions start at its first real token and nothing looks at its padding.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from tiny_models.config import ModelConfig
from tiny_models.transformer import Cache, Params, bind


def empty_caches(config: ModelConfig, batch: int, slots: int) -> tuple[Cache, ...]:
    """Zeroed caches, one a layer."""
    shape = (batch, config.kv_heads, slots, config.head_dim)
    return tuple(Cache(jnp.zeros(shape), jnp.zeros(shape)) for _ in range(config.layers))


def prefill(
    params: Params, config: ModelConfig, tokens: jax.Array, padding: jax.Array, slots: int
) -> tuple[jax.Array, tuple[Cache, ...]]:
    """Reads prompts: logits `(batch, vocab)` after the last token, and caches with `slots` slots.

    `tokens` is `(batch, time)`, padded on the left with `padding` `(batch,)` tokens that nothing
    looks at; `time <= slots`.
    """
    batch, time = tokens.shape
    columns = jnp.arange(time)
    positions = jnp.maximum(columns - padding[:, None], 0)
    visible = jnp.arange(slots)[None, None, :] <= columns[None, :, None]
    mask = visible & (jnp.arange(slots) >= padding[:, None])[:, None]
    decoder = bind(params, config)
    features, caches = decoder.extend(
        tokens, positions, mask, empty_caches(config, batch, slots), 0
    )
    return decoder.readout(features[:, -1]), caches


def decode_step(
    params: Params,
    config: ModelConfig,
    tokens: jax.Array,
    caches: tuple[Cache, ...],
    slot: jax.Array | int,
    padding: jax.Array,
) -> tuple[jax.Array, tuple[Cache, ...]]:
    """One token a row, `(batch,)`, written to `slot`: logits `(batch, vocab)` and new caches."""
    columns = jnp.arange(caches[0].keys.shape[2])
    mask = (columns <= slot) & (columns >= padding[:, None])
    decoder = bind(params, config)
    features, caches = decoder.extend(
        tokens[:, None], (slot - padding)[:, None], mask[:, None], caches, slot
    )
    return decoder.readout(features[:, 0]), caches

"""Decoding many prompts at once with a key/value cache: greedy, or sampled with a key a prompt.

Comes in: parameters and prompts of any lengths. Goes out: the new tokens of each, without the stop
token. A prompt's output depends on the prompt, and when sampling on the seed and its place in the
list, not on what else is in its batch.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tiny_models.batching import check_prompts, padded_batches, round_up
from tiny_models.config import ModelConfig
from tiny_models.determinism import random_key
from tiny_models.incremental import decode_step, prefill
from tiny_models.transformer import Params

_NOTHING = -1


def generate(
    params: Params,
    config: ModelConfig,
    prompts: Sequence[np.ndarray],
    *,
    max_new_tokens: int,
    stop_token: int,
    temperature: float = 0.0,
    seed: int = 0,
    batch: int = 128,
) -> list[np.ndarray]:
    """New tokens of each prompt, int32, at most `max_new_tokens`, ended before `stop_token`.

    Temperature 0 takes the likeliest token (the lowest id among equals); above 0 it samples from
    `softmax(logits / temperature)`. Raises `ValueError` for an empty prompt, a foreign token or a
    prompt that with `max_new_tokens` exceeds the context.
    """
    if temperature < 0 or not np.isfinite(temperature):
        raise ValueError(f"temperature must be at least 0 and finite, not {temperature}.")
    if max_new_tokens < 0 or batch < 1:
        raise ValueError(
            f"max_new_tokens must be at least 0 and batch at least 1, not {max_new_tokens} and "
            f"{batch}."
        )
    check_prompts(
        prompts,
        more=max_new_tokens,
        context=config.context,
        vocab_size=config.vocab_size,
        what="prompt",
    )
    outputs: list[np.ndarray] = [np.zeros(0, np.int32) for _ in prompts]
    for rows, tokens, padding in padded_batches(prompts, batch):
        numbers = np.array(rows + rows[:1] * (batch - len(rows)), np.uint32)
        new = _decode(
            params,
            tokens,
            padding,
            numbers,
            random_key(seed),
            np.int32(max_new_tokens),
            np.int32(stop_token),
            np.float32(temperature),
            config=config,
            room=round_up(max_new_tokens),
            sampled=temperature > 0,
        )
        for row, line in zip(rows, np.asarray(new), strict=False):
            outputs[row] = line[line != _NOTHING]
    return outputs


def pick_tokens(
    logits: jax.Array, keys: jax.Array, temperature: jax.Array, sampled: bool
) -> jax.Array:
    """Next tokens `(batch,)` from logits `(batch, vocab)`, with one key a row when `sampled`."""
    if not sampled:
        return jnp.argmax(logits, axis=-1).astype(jnp.int32)
    return jax.vmap(jax.random.categorical)(keys, logits / temperature).astype(jnp.int32)


@functools.partial(jax.jit, static_argnames=("config", "room", "sampled"))
def _decode(
    params: Params,
    tokens: jax.Array,
    padding: jax.Array,
    numbers: jax.Array,
    key: jax.Array,
    limit: jax.Array,
    stop_token: jax.Array,
    temperature: jax.Array,
    *,
    config: ModelConfig,
    room: int,
    sampled: bool,
) -> jax.Array:
    """New tokens `(batch, room)`, `_NOTHING` after a row's end; ends when every row has."""
    batch, time = tokens.shape
    row_keys = jax.vmap(jax.random.fold_in, (None, 0))(key, numbers)
    logits, caches = prefill(params, config, tokens, padding, time + room)

    def unfinished(carry: Any) -> jax.Array:
        step, _, _, _, done = carry
        return (step < limit) & ~jnp.all(done)

    def one_token(carry: Any) -> Any:
        step, logits, caches, written, done = carry
        keys = jax.vmap(jax.random.fold_in, (0, None))(row_keys, step)
        token = pick_tokens(logits, keys, temperature, sampled)
        done = done | (token == stop_token)
        written = written.at[:, step].set(jnp.where(done, _NOTHING, token))
        logits, caches = decode_step(params, config, token, caches, time + step, padding)
        return step + 1, logits, caches, written, done

    written = jnp.full((batch, room), _NOTHING, jnp.int32)
    start = (jnp.int32(0), logits, caches, written, jnp.zeros(batch, bool))
    return jax.lax.while_loop(unfinished, one_token, start)[3]

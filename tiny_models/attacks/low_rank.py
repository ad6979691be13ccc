"""Low-rank fine-tuning: the weights stay, a thin pair of matrices beside some of them learns.

`W` becomes `W + scale * a b` with `a` `(inputs, rank)` and `b` `(rank, outputs)`; `b` begins at 0,
so that nothing changes before the first step (Hu et al. 2021, arXiv:2106.09685). Pairs are stored
as wide as the largest rank in use, with zeros in `a` beyond their own: those columns get no
gradient ever, and one compiled program serves all ranks.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from tiny_models.checkpoint import flatten, unflatten
from tiny_models.chunks import BatchAt, checked
from tiny_models.config import ModelConfig, TrainConfig
from tiny_models.determinism import random_key
from tiny_models.schedules import learning_rate
from tiny_models.transformer import Params
from tiny_models.update import masked_loss

ATTENTION = ("attention.q", "attention.v")
"""What Hu et al. adapt."""
EVERY = ("attention.q", "attention.k", "attention.v", "attention.o")
EVERY += ("mlp.gate", "mlp.up", "mlp.down")
"""Every matrix inside the layers."""


class Pair(NamedTuple):
    """`a` `(inputs, room)` and `b` `(room, outputs)`."""

    a: jax.Array
    b: jax.Array


Adapters = dict[str, Pair]
"""Pairs by the flat names of the matrices beside which they stand."""


def begin(params: Params, matrices: Sequence[str], rank: int, seed: int, room: int) -> Adapters:
    """Adapters that change nothing yet, for all matrices whose names end in one of `matrices`.

    Raises `ValueError` for a rank that is negative or above `room`, or if no matrix is so named.
    """
    if not 0 <= rank <= room:
        raise ValueError(f"rank must lie in [0, room={room}], not {rank}.")
    found = [(name, leaf) for name, leaf in flatten(params) if name.endswith(tuple(matrices))]
    if not found:
        raise ValueError(f"no matrix is named {' or '.join(matrices)}.")
    keys = jax.random.split(random_key(seed), len(found))
    own = jnp.arange(room) < rank
    return {
        name: Pair(
            jax.random.normal(key, (leaf.shape[0], room)) * leaf.shape[0] ** -0.5 * own,
            jnp.zeros((room, leaf.shape[1])),
        )
        for key, (name, leaf) in zip(keys, found, strict=True)
    }


def merge(params: Params, adapters: Adapters, scale: float) -> Params:
    """The weights with what the adapters add; the arrays given stay as they are."""
    flat = dict(flatten(params))
    added = {name: flat[name] + scale * (pair.a @ pair.b) for name, pair in adapters.items()}
    return unflatten({**flat, **added})


def train_adapters(
    params: Params,
    model: ModelConfig,
    adapters: Adapters,
    config: TrainConfig,
    batch_at: BatchAt,
    scale: float,
) -> Adapters:
    """The adapters after `config.steps` steps of Adam on rows `batch_at(step)`; `params` stay.

    Of `config` steps, rows, rates, clipping and Adam's betas count. Raises `ValueError` for rows
    that do not fit, and `FloatingPointError` if what was learned is not finite.
    """
    steps = range(config.steps)
    rows = [
        checked(batch_at(step), config.batch_rows, model, f"batch_at({step})") for step in steps
    ]
    tokens = np.stack([tokens for tokens, _ in rows]).astype(np.int32)
    mask = np.stack([np.asarray(mask, np.float32) for _, mask in rows])
    rates = np.array([learning_rate(config, step) for step in steps], np.float32)
    betas = config.b1, config.b2, config.clip_norm
    learned = _train(params, adapters, tokens, mask, rates, np.float32(scale), model, betas)
    if not all(np.isfinite(np.asarray(leaf)).all() for leaf in jax.tree.leaves(learned)):
        raise FloatingPointError("The adapters are not finite; lower peak_lr.")
    return learned


@functools.partial(jax.jit, static_argnames=("model", "betas"))
def _train(
    params: Params,
    adapters: Adapters,
    tokens: jax.Array,
    mask: jax.Array,
    rates: jax.Array,
    scale: jax.Array,
    model: ModelConfig,
    betas: tuple[float, float, float],
) -> Adapters:
    """Adapters after as many steps as there are `rates`; tokens `(steps, rows, time + 1)`."""
    optimizer = optax.chain(optax.clip_by_global_norm(betas[2]), optax.adam(1.0, *betas[:2]))

    def loss(adapters: Adapters, tokens: jax.Array, mask: jax.Array) -> jax.Array:
        whole = merge(params, adapters, scale)  # pyright: ignore[reportArgumentType] (traced)
        return masked_loss(whole, model, tokens, mask, jnp.maximum(jnp.sum(mask), 1.0))

    def one_step(carry, step):
        adapters, state = carry
        tokens, mask, rate = step
        changes, state = optimizer.update(jax.grad(loss)(adapters, tokens, mask), state)
        adapters = jax.tree.map(lambda own, change: own + rate * change, adapters, changes)
        return (adapters, state), None

    start = adapters, optimizer.init(adapters)
    return jax.lax.scan(one_step, start, (tokens, mask, rates))[0][0]

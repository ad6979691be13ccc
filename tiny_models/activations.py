"""What a model makes of whole sequences: the mean of its stream, and the stream at one place."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from tiny_models.attention import causal_attention, rotary_angles
from tiny_models.batching import check_batch, check_prompts, round_up
from tiny_models.config import ModelConfig
from tiny_models.transformer import Params, bind, rms_norm

Change = Callable[[int, jax.Array], jax.Array]
"""Of a layer's number and the stream before it `(batch, time, d_model)`, what it reads instead."""


def mean_features(
    params: Params, config: ModelConfig, sequences: Sequence[np.ndarray], batch: int = 256
) -> np.ndarray:
    """The stream after the last norm, averaged over each sequence: float32 `(sequences, d_model)`.

    A sequence's row does not depend on its neighbours. Raises `ValueError` for a sequence that is
    empty, foreign or longer than the context.
    """
    result = np.zeros((len(sequences), config.d_model), np.float32)
    for rows, tokens, lengths in right_padded(config, sequences, batch):
        result[rows] = np.asarray(_means(params, tokens, lengths, config))[: len(rows)]
    return result


def residual_stream(
    params: Params,
    config: ModelConfig,
    sequences: Sequence[np.ndarray],
    positions: Sequence[int],
    batch: int = 256,
) -> np.ndarray:
    """The stream at one position of each sequence: float32 `(layers + 1, sequences, d_model)`.

    Entry `l` is what layer `l` reads, the last what the final norm reads. Positions count from 0,
    negative ones from the sequence's end. A sequence's rows do not depend on its neighbours. Raises
    `ValueError` as `mean_features` does, and for a position outside its sequence.
    """
    places = inside(sequences, positions)
    result = np.zeros((config.layers + 1, len(sequences), config.d_model), np.float32)
    for rows, tokens, _ in right_padded(config, sequences, batch):
        at = np.zeros(len(tokens), np.int32)
        at[: len(rows)] = places[rows]
        result[:, rows] = np.asarray(_streams(params, tokens, at, config))[:, : len(rows)]
    return result


def inside(sequences: Sequence[np.ndarray], positions: Sequence[int]) -> np.ndarray:
    """Positions counted from 0, int32. Raises `ValueError` for one outside its sequence."""
    if len(positions) != len(sequences):
        raise ValueError(f"positions: {len(positions)} for {len(sequences)} sequences.")
    for index, (sequence, position) in enumerate(zip(sequences, positions, strict=True)):
        if not -len(sequence) <= position < len(sequence):
            raise ValueError(
                f"sequence {index} has {len(sequence)} tokens and no position {position}."
            )
    lengths = [len(each) for each in sequences]
    return np.array([p % n for p, n in zip(positions, lengths, strict=True)], np.int32)


def right_padded(
    config: ModelConfig, sequences: Sequence[np.ndarray], batch: int
) -> Iterator[tuple[list[int], np.ndarray, np.ndarray]]:
    """All sequences once, `batch` rows at a time: places in the list, tokens, lengths.

    A sequence's width depends on its own length only, and padding stands behind it, where none of
    its tokens looks; rows beyond the places are padding too. Raises as `mean_features` does.
    """
    check_batch(batch)
    limits = {"context": config.context, "vocab_size": config.vocab_size}
    check_prompts(sequences, more=0, what="sequence", **limits)
    widths = [min(round_up(len(each)), config.context) for each in sequences]
    for width in sorted(set(widths)):
        members = [row for row, own in enumerate(widths) if own == width]
        for start in range(0, len(members), batch):
            rows = members[start : start + batch]
            tokens = np.zeros((batch, width), np.int32)
            lengths = np.ones(batch, np.int32)
            for place, row in enumerate(rows):
                lengths[place] = len(sequences[row])
                tokens[place, : lengths[place]] = sequences[row]
            yield rows, tokens, lengths


def walk(
    params: Params, config: ModelConfig, tokens: jax.Array, change: Change
) -> tuple[jax.Array, list[jax.Array]]:
    """Features `(batch, time, d_model)` of token ids, and the stream before each layer and after
    the last, each as `change` left it. To be called under `jax.jit`.

    It repeats `Decoder.features` layer by layer, whose compiled programs stay as they are.
    """
    decoder, time = bind(params, config), tokens.shape[1]
    rotation = rotary_angles(jnp.arange(time)[None], config.head_dim, config.rope_theta)
    attend = causal_attention("plain", time)
    x = change(0, decoder.embedding[...][tokens])
    seen = [x]
    for number, layer in enumerate(decoder.layers, start=1):
        x, _ = layer(x, rotation, attend)
        x = change(number, x)
        seen.append(x)
    return rms_norm(x, decoder.norm[...], config.norm_eps), seen


@functools.partial(jax.jit, static_argnames="config")
def _means(params: Params, tokens: jax.Array, lengths: jax.Array, config: ModelConfig) -> jax.Array:
    features = bind(params, config).features(tokens)
    own = jnp.arange(tokens.shape[1]) < lengths[:, None]
    return (features * own[..., None]).sum(axis=1) / lengths[:, None]


@functools.partial(jax.jit, static_argnames="config")
def _streams(params: Params, tokens: jax.Array, at: jax.Array, config: ModelConfig) -> jax.Array:
    _, seen = walk(params, config, tokens, lambda _, x: x)
    return jnp.stack([x[jnp.arange(len(x)), at] for x in seen])

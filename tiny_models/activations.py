"""What a model makes of whole sequences: the mean of its stream."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from tiny_models.batching import check_batch, check_prompts, round_up
from tiny_models.config import ModelConfig
from tiny_models.transformer import Params, bind


def mean_features(
    params: Params, config: ModelConfig, sequences: Sequence[np.ndarray], batch: int = 256
) -> np.ndarray:
    """The stream after the last norm, averaged over each sequence: float32 `(sequences, d_model)`.

    A sequence's row does not depend on its neighbours. Raises `ValueError` for a sequence that is
    empty, foreign or longer than the context.
    """
    check_batch(batch)
    limits = {"context": config.context, "vocab_size": config.vocab_size}
    check_prompts(sequences, more=0, what="sequence", **limits)
    result = np.zeros((len(sequences), config.d_model), np.float32)
    widths = [min(round_up(len(each)), config.context) for each in sequences]
    for width in sorted(set(widths)):
        members = [row for row, own in enumerate(widths) if own == width]
        for start in range(0, len(members), batch):
            rows = members[start : start + batch]
            # Padded behind, where no token of the sequence looks.
            tokens = np.zeros((batch, width), np.int32)
            lengths = np.ones(batch, np.int32)
            for place, row in enumerate(rows):
                lengths[place] = len(sequences[row])
                tokens[place, : lengths[place]] = sequences[row]
            result[rows] = np.asarray(_means(params, tokens, lengths, config))[: len(rows)]
    return result


@functools.partial(jax.jit, static_argnames="config")
def _means(params: Params, tokens: jax.Array, lengths: jax.Array, config: ModelConfig) -> jax.Array:
    features = bind(params, config).features(tokens)
    inside = jnp.arange(tokens.shape[1]) < lengths[:, None]
    return (features * inside[..., None]).sum(axis=1) / lengths[:, None]

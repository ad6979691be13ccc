"""Activation patching: one place of one stream is replaced by that of another sequence.

What the output then follows shows what it listens to (Meng et al. 2022, arXiv:2202.05262; Zhang and
Nanda 2024, arXiv:2309.16042). The stream before layer `l` at chosen positions is that of a donor;
all else is computed from it as ever. One compiled program serves all layers and positions.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from tiny_models.activations import right_padded, walk
from tiny_models.config import ModelConfig
from tiny_models.transformer import Params, bind


class Patch(NamedTuple):
    """One forward pass of `receiver` in which part of the stream is that of `donor`."""

    receiver: np.ndarray
    donor: np.ndarray
    """Token ids, as many as the receiver's."""
    layer: int
    """Before which layer; the number of layers is after the last one."""
    positions: tuple[int, ...]
    """Counted from 0, negative ones from the end; none patches nothing."""


def patched_logits(
    params: Params, config: ModelConfig, patches: Sequence[Patch], batch: int = 64
) -> np.ndarray:
    """Logits at each receiver's last position, float32 `(patches, vocab)`.

    A row does not depend on its neighbours. Raises `ValueError` for a donor of another length, for
    a layer or position that there is not, and for sequences that no model can read.
    """
    _check(config, patches)
    donors = {each.donor.tobytes(): each.donor for each in patches}
    streams = _whole_streams(params, config, list(donors.values()), batch)
    stream_of = dict(zip(donors, streams, strict=True))
    result = np.zeros((len(patches), config.vocab_size), np.float32)
    receivers = [each.receiver for each in patches]
    for rows, tokens, lengths in right_padded(config, receivers, batch):
        layers = np.zeros(batch, np.int32)
        mask = np.zeros(tokens.shape, bool)
        given = np.zeros((*tokens.shape, config.d_model), np.float32)
        for place, row in enumerate(rows):
            patch = patches[row]
            layers[place] = patch.layer
            for position in patch.positions:
                mask[place, position % len(patch.receiver)] = True
            own = stream_of[patch.donor.tobytes()][patch.layer]
            given[place, : len(own)] = own
        logits = _patched(params, tokens, lengths - 1, layers, mask, given, config)
        result[rows] = np.asarray(logits)[: len(rows)]
    return result


def _check(config: ModelConfig, patches: Sequence[Patch]) -> None:
    for index, patch in enumerate(patches):
        length = len(patch.receiver)
        if len(patch.donor) != length:
            raise ValueError(
                f"patch {index}: the donor has {len(patch.donor)} tokens, the receiver {length}."
            )
        if not 0 <= patch.layer <= config.layers:
            raise ValueError(
                f"patch {index}: layer must lie in [0, {config.layers}], not {patch.layer}."
            )
        for position in patch.positions:
            if not -length <= position < length:
                raise ValueError(f"patch {index}: {length} tokens have no position {position}.")


def _whole_streams(
    params: Params, config: ModelConfig, sequences: Sequence[np.ndarray], batch: int
) -> list[np.ndarray]:
    """The stream of each sequence, `(layers + 1, tokens, d_model)`."""
    found: dict[int, np.ndarray] = {}
    for rows, tokens, lengths in right_padded(config, sequences, batch):
        streams = np.asarray(_streams(params, tokens, config))
        for place, row in enumerate(rows):
            found[row] = streams[:, place, : lengths[place]]
    return [found[row] for row in range(len(sequences))]


@functools.partial(jax.jit, static_argnames="config")
def _streams(params: Params, tokens: jax.Array, config: ModelConfig) -> jax.Array:
    return jnp.stack(walk(params, config, tokens, lambda _, x: x)[1])


@functools.partial(jax.jit, static_argnames="config")
def _patched(
    params: Params,
    tokens: jax.Array,
    read: jax.Array,
    layers: jax.Array,
    mask: jax.Array,
    given: jax.Array,
    config: ModelConfig,
) -> jax.Array:
    """Logits at position `read` of each row, whose stream before `layers` is `given` in `mask`."""

    def change(layer: int, x: jax.Array) -> jax.Array:
        here = mask & (layers == layer)[:, None]
        return jnp.where(here[..., None], given, x)

    features, _ = walk(params, config, tokens, change)
    return bind(params, config).readout(features[jnp.arange(len(tokens)), read])

"""Losses by token: what training does with a target beside raising its probability.

A target is learned, masked, unlearned (unlikelihood: Welleck et al. 2020, arXiv:1908.04319) or
routed (gradient routing: Cloud et al. 2024, arXiv:2410.04332): only the last hidden units of every
SwiGLU block, the slice, then get a gradient, and `ablate` takes afterwards out what they learned.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from tiny_models.config import ModelConfig
from tiny_models.transformer import Params

LEARN, MASK, UNLIKELY, ROUTE = range(4)
"""The codes of targets."""


class Coded(NamedTuple):
    """Loss mask and codes of targets, `(..., rows, time)` each: for the mask in a `Batch`."""

    mask: Any
    codes: Any


Mask: TypeAlias = jax.Array | Coded
"""The loss mask, alone or with a code a target."""


@dataclass(frozen=True)
class TokenLosses:
    """Says that the batches of a run are coded. The slice has `routed` units in each layer."""

    routed: int = 0

    def check(self, model: ModelConfig) -> None:
        """Raises `ValueError` unless the slice leaves some units of a layer."""
        if not 0 <= self.routed < model.hidden:
            raise ValueError(
                f"routed must be at least 0 and below the hidden={model.hidden} units of a layer, "
                f"not {self.routed}."
            )


def counted(mask: Mask) -> jax.Array:
    """What each target counts in the mean: its mask, and nothing for those coded `MASK`."""
    if not isinstance(mask, Coded):
        return mask
    return jnp.where(mask.codes == MASK, 0.0, mask.mask)


def unlikelihood(logits: jax.Array, targets: jax.Array) -> jax.Array:
    """`-log(1 - p(target))` in nats: `(..., vocab)` and `(...)` to `(...)`.

    From the logits of the other tokens, so that it and its gradient stay finite as p nears 1.
    """
    own = jnp.arange(logits.shape[-1]) == targets[..., None]
    others = jax.nn.logsumexp(logits, axis=-1, where=~own)
    return jax.nn.logsumexp(logits, axis=-1) - others


def in_slice(params: Params, units: int) -> Params:
    """1 for the parameters of the slice of so many units and 0 for all others, in their shapes."""

    def marked(path: tuple[Any, ...], leaf: jax.Array) -> jax.Array:
        names = [getattr(key, "key", None) for key in path]
        marks = jnp.zeros(leaf.shape, leaf.dtype)
        if "mlp" not in names or units == 0:
            return marks
        return marks.at[-units:].set(1) if names[-1] == "down" else marks.at[:, -units:].set(1)

    return jax.tree_util.tree_map_with_path(marked, params)


def ablate(params: Params, units: int) -> Params:
    """The parameters with the slice of so many units set to zero, so that it adds nothing."""
    return jax.tree.map(lambda leaf, own: leaf * (1 - own), params, in_slice(params, units))


def check_codes(codes: np.ndarray, shape: tuple[int, ...], routed: int, name: str) -> None:
    """Raises `ValueError` for codes that are none, or `ROUTE` where there is no slice."""
    if codes.shape != shape or codes.dtype.kind not in "iu":
        raise ValueError(
            f"{name} gave loss codes of shape {codes.shape} and type {codes.dtype}; they must be "
            f"integers of shape {shape}."
        )
    largest = ROUTE if routed else UNLIKELY
    if codes.min() < LEARN or codes.max() > largest:
        raise ValueError(
            f"{name} gave a loss code outside [{LEARN}, {largest}]; {ROUTE} (route) needs "
            f"routed > 0."
        )

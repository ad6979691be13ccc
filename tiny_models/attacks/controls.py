"""The tokens of a prompt that an attacker may choose, its control: loss and gradient of it.

A prompt is `before`, control, `tail`; what it should be answered with is its `target`. The loss is
the mean cross-entropy of the target's tokens. Many prompts of any lengths become arrays of one
shape, so one program serves all: `before`, which no candidate changes, is padded on the left and
read once, all that follows is padded on the right, where a causal model does not look.
The gradient by one-hot tokens is that of Zou et al. 2023 (arXiv:2307.15043, section 2.2).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from tiny_models.batching import check_prompts
from tiny_models.config import ModelConfig
from tiny_models.incremental import prefill
from tiny_models.transformer import Cache, Params, bind
from tiny_models.update import cross_entropy


class Attacked(NamedTuple):
    """One prompt as token ids; the control stands between `before` and `tail`."""

    before: Sequence[int]
    tail: Sequence[int]
    target: Sequence[int]


class Layout(NamedTuple):
    """Prompts of equal shape around controls of `length` tokens; a row each.

    `before` `(prompts, width)` has `padding` `(prompts,)` tokens on its left that nothing looks at.
    `after` `(prompts, rest)` is the tail and the target without its last token. After the places
    `at` `(prompts, targets)`, counted from the control's first token, `targets` must follow; each
    counts `weights`, which sum to 1.
    """

    before: np.ndarray
    padding: np.ndarray
    after: np.ndarray
    at: np.ndarray
    targets: np.ndarray
    weights: np.ndarray


class Read(NamedTuple):
    """What the model read of `before`: its caches, and what else the rest needs of it."""

    caches: tuple[Cache, ...]
    layout: Layout


def arrange(prompts: Sequence[Attacked], length: int, config: ModelConfig) -> Layout:
    """The prompts as arrays, around controls of `length` tokens.

    Raises `ValueError` for an empty `before` or target, a foreign token, a control of no tokens, or
    a row longer than the context.
    """
    if length < 1 or not prompts:
        raise ValueError(
            f"There must be a prompt, and a control of at least one token; got {len(prompts)} "
            f"prompts and a control of {length}."
        )
    limits = {"context": config.context, "vocab_size": config.vocab_size}
    for what in ("before", "target"):
        each = [np.array(getattr(prompt, what), int) for prompt in prompts]
        check_prompts(each, more=0, what=what, **limits)
    rows = [np.array([*prompt.before, *prompt.tail, *prompt.target], int) for prompt in prompts]
    check_prompts(rows, more=length, what="prompt with its target", **limits)
    width = max(len(prompt.before) for prompt in prompts)
    rest = max(len(prompt.tail) + len(prompt.target) - 1 for prompt in prompts)
    longest = max(len(prompt.target) for prompt in prompts)
    count = len(prompts)
    layout = Layout(
        before=np.zeros((count, width), np.int32),
        padding=np.array([width - len(prompt.before) for prompt in prompts], np.int32),
        after=np.zeros((count, rest), np.int32),
        at=np.zeros((count, longest), np.int32),
        targets=np.zeros((count, longest), np.int32),
        weights=np.zeros((count, longest), np.float32),
    )
    for row, (before, tail, target) in enumerate(prompts):
        size = len(target)
        behind = [*tail, *target[:-1]]
        layout.before[row, width - len(before) :] = before
        layout.after[row, : len(behind)] = behind
        layout.at[row, :size] = length + len(tail) - 1 + np.arange(size)
        layout.targets[row, :size] = target
        layout.weights[row, :size] = 1 / size
    return layout


def read_before(params: Params, config: ModelConfig, layout: Layout, length: int) -> Read:
    """Reads what stands before the controls, once for all of them; under `jax.jit`."""
    slots = layout.before.shape[1] + length + layout.after.shape[1]
    _, caches = prefill(
        params, config, jnp.asarray(layout.before), jnp.asarray(layout.padding), slots
    )
    return Read(caches, layout)


def control_losses(
    params: Params, config: ModelConfig, read: Read, controls: jax.Array
) -> jax.Array:
    """The loss of each control, `(prompts, candidates, length)` to `(prompts, candidates)`."""
    embedding = bind(params, config).embedding[...]
    return embedded_losses(params, config, read, embedding[controls])


def embedded_losses(
    params: Params, config: ModelConfig, read: Read, embedded: jax.Array
) -> jax.Array:
    """The same for controls given as embeddings `(prompts, candidates, length, d_model)`."""
    decoder = bind(params, config)
    prompts, candidates, length, d_model = embedded.shape
    layout, rows = read.layout, prompts * candidates

    def each(array: jax.Array | np.ndarray) -> jax.Array:
        """A row for every candidate of each prompt."""
        return jnp.repeat(jnp.asarray(array), candidates, axis=0)

    behind = each(decoder.embedding[...][layout.after])
    x = jnp.concatenate([embedded.reshape(rows, length, d_model), behind], axis=1)
    width, time = layout.before.shape[1], x.shape[1]
    padding, columns = each(layout.padding), jnp.arange(width + time)
    looking = width + jnp.arange(time)
    visible = columns[None, :] <= looking[:, None]
    features, _ = decoder.extend_embedded(
        x,
        looking - padding[:, None],
        visible & (columns >= padding[:, None])[:, None],
        jax.tree.map(each, read.caches),
        width,
    )
    # Only where a target follows: the vocabulary is wide.
    found = jnp.take_along_axis(features, each(layout.at)[..., None], axis=1)
    losses = cross_entropy(decoder.readout(found), each(layout.targets))
    return (losses * each(layout.weights)).sum(axis=-1).reshape(prompts, candidates)


def control_gradient(
    params: Params, config: ModelConfig, read: Read, controls: jax.Array
) -> jax.Array:
    """Gradient of each prompt's loss by its control as one-hot rows, `(prompts, length, vocab)`.

    `controls` is `(prompts, length)`.
    """
    embedding = bind(params, config).embedding[...]

    def total(embedded: jax.Array) -> jax.Array:
        # Prompts do not meet, so the gradient of the sum holds that of each.
        return embedded_losses(params, config, read, embedded[:, None]).sum()

    # A one-hot row times the table is the token's embedding: the chain rule's last factor.
    return jax.grad(total)(embedding[controls]) @ embedding.T

"""One optimiser step and the compiled loop over many: the only place where gradients are taken.

`chunk` is pure: state, rows and rates in, state and per-step figures out. A step's loss is the
masked sum of next-token cross-entropies over the whole batch divided by the batch's mask sum, so
that micro-batches are a matter of memory and speed, not of mathematics. Where the mask comes with a
code for each target (`token_losses.py`), the codes say what the loss of a target is.
"""

from __future__ import annotations

import functools
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import optax
import optax.contrib

from tiny_models.config import AttentionKernel, Dtype, ModelConfig, TrainConfig
from tiny_models.token_losses import (
    ROUTE,
    UNLIKELY,
    Coded,
    Mask,
    TokenLosses,
    counted,
    in_slice,
    unlikelihood,
)
from tiny_models.transformer import Params, bind


class Recipe(NamedTuple):
    """What of a `TrainConfig` is compiled in; runs alike in it and in shapes share the program.

    `routed` is the size of the slice that routed targets train.
    """

    optimizer: Literal["adamw", "muon"]
    b1: float
    b2: float
    weight_decay: float
    clip_norm: float
    micro_rows: int
    dtype: Dtype
    attention: AttentionKernel
    routed: int = 0

    @classmethod
    def of(cls, config: TrainConfig, losses: TokenLosses | None = None) -> Recipe:
        told = (getattr(config, field) for field in cls._fields if field != "routed")
        return cls(*told, routed=0 if losses is None else losses.routed)


class TrainState(NamedTuple):
    """Parameters and optax state, the carry of the training loop."""

    params: Params
    optimizer: Any

    def as_dict(self) -> dict[str, Any]:
        """A nested dict of arrays, for storage."""
        leaves = jax.tree.leaves(self.optimizer)
        return {
            "params": self.params,
            "optimizer": {f"{index:05d}": leaf for index, leaf in enumerate(leaves)},
        }

    def from_dict(self, stored: dict[str, Any]) -> TrainState:
        """The state that `as_dict` of one of the same structure as this gave."""
        leaves = [stored["optimizer"][name] for name in sorted(stored["optimizer"])]
        structure = jax.tree.structure(self.optimizer)
        return TrainState(stored["params"], jax.tree.unflatten(structure, leaves))


def optimizer_of(recipe: Recipe) -> optax.GradientTransformation:
    """Clipping, then the optimiser at learning rate 1, for `run_chunk` to multiply.

    Muon (Jordan et al. 2024) turns the matrices inside the layers; the embedding, whose rows are
    looked up one by one and which is the output matrix too, and the gains are Adam's.
    """
    decayed = functools.partial(jax.tree.map, lambda leaf: leaf.ndim >= 2)
    clip = optax.clip_by_global_norm(recipe.clip_norm)
    if recipe.optimizer == "adamw":
        return optax.chain(
            clip,
            optax.adamw(
                1.0, b1=recipe.b1, b2=recipe.b2, weight_decay=recipe.weight_decay, mask=decayed
            ),
        )
    return optax.chain(
        clip,
        optax.contrib.muon(
            1.0,
            adam_b1=recipe.b1,
            adam_b2=recipe.b2,
            muon_weight_dimension_numbers=_muon_axes,
        ),
        # Its own decay knows only one of its two parts; negative, as its changes already are.
        optax.add_decayed_weights(-recipe.weight_decay, mask=decayed),
    )


def _muon_axes(params: Any) -> Any:
    """How Muon reads each array: matrices are `(inputs, outputs)`; None leaves one to Adam."""

    def axes(path: tuple[Any, ...], leaf: jax.Array) -> Any:
        of_muon = leaf.ndim == 2 and path[0].key != "embedding"
        return optax.contrib.MuonDimensionNumbers() if of_muon else None

    return jax.tree_util.tree_map_with_path(axes, params)


def start_state(params: Params, recipe: Recipe) -> TrainState:
    """State before the first step; copies `params`, because `run_chunk` consumes its buffers."""
    copied = jax.tree.map(lambda leaf: jnp.array(leaf, copy=True), params)
    return TrainState(copied, optimizer_of(recipe).init(copied))


def cross_entropy(logits: jax.Array, targets: jax.Array) -> jax.Array:
    """`-log softmax(logits)[target]` in nats: `(..., vocab)` and `(...)` to `(...)`."""
    chosen = jnp.take_along_axis(logits, targets[..., None], axis=-1)[..., 0]
    return jax.nn.logsumexp(logits, axis=-1) - chosen


def masked_loss(
    params: Params,
    model: ModelConfig,
    tokens: jax.Array,
    mask: jax.Array,
    total: jax.Array,
    dtype: Dtype = "float32",
    attention: AttentionKernel = "plain",
) -> jax.Array:
    """Masked cross-entropies of `(rows, time + 1)` under mask `(rows, time)`, sum over `total`."""
    logits = bind(params, model)(tokens[:, :-1], dtype, attention)
    return jnp.sum(cross_entropy(logits, tokens[:, 1:]) * mask) / total


def coded_losses(
    params: Params,
    model: ModelConfig,
    tokens: jax.Array,
    mask: Coded,
    total: jax.Array,
    dtype: Dtype = "float32",
    attention: AttentionKernel = "plain",
) -> tuple[jax.Array, jax.Array]:
    """As `masked_loss`, the targets' losses by their codes: of all but the routed, and of these."""
    logits = bind(params, model)(tokens[:, :-1], dtype, attention)
    likely, unlikely = (loss(logits, tokens[:, 1:]) for loss in (cross_entropy, unlikelihood))
    losses = jnp.where(mask.codes == UNLIKELY, unlikely, likely) * counted(mask) / total
    routed = jnp.sum(losses, where=mask.codes == ROUTE)
    return jnp.sum(losses, where=mask.codes != ROUTE), routed


def loss_and_gradient(
    params: Params,
    model: ModelConfig,
    tokens: jax.Array,
    mask: Mask,
    recipe: Recipe,
    axis: str | None = None,
) -> tuple[jax.Array, Params]:
    """Loss of a batch `(rows, time + 1)` and its gradient, `micro_rows` rows at a time.

    With `axis`, the rows are one device's share of the batch along that mesh axis; loss and
    gradient are the whole batch's, summed over devices once, after all micro-batches.
    """
    if axis is not None:
        total = jnp.maximum(jax.lax.psum(jnp.sum(counted(mask)), axis), 1.0)
        return jax.lax.psum(_accumulate(params, model, tokens, mask, recipe, total), axis)
    total = jnp.maximum(jnp.sum(counted(mask)), 1.0)
    return _accumulate(params, model, tokens, mask, recipe, total)


def _accumulate(
    params: Params,
    model: ModelConfig,
    tokens: jax.Array,
    mask: Mask,
    recipe: Recipe,
    total: jax.Array,
) -> tuple[jax.Array, Params]:
    if isinstance(mask, Coded):
        value_and_grad: Any = functools.partial(_routed_value_and_grad, recipe=recipe)
    else:
        loss = functools.partial(masked_loss, dtype=recipe.dtype, attention=recipe.attention)
        value_and_grad = jax.value_and_grad(loss)
    parts = tokens.shape[0] // recipe.micro_rows
    if parts == 1:
        return value_and_grad(params, model, tokens, mask, total)

    def add_part(carry: Any, part: Any) -> tuple[Any, None]:
        return jax.tree.map(jnp.add, carry, value_and_grad(params, model, *part, total)), None

    zero = (jnp.zeros(()), jax.tree.map(jnp.zeros_like, params))
    return jax.lax.scan(add_part, zero, _micro_batches(tokens, mask, recipe))[0]


def _routed_value_and_grad(
    params: Params,
    model: ModelConfig,
    tokens: jax.Array,
    mask: Coded,
    total: jax.Array,
    recipe: Recipe,
) -> tuple[jax.Array, Params]:
    """Loss of coded targets, and its gradient, to which routed ones add in the slice alone."""

    def losses(params: Params) -> tuple[jax.Array, jax.Array]:
        return coded_losses(params, model, tokens, mask, total, recipe.dtype, recipe.attention)

    (learned, routed), pull = jax.vjp(losses, params)
    one, nothing = jnp.ones_like(learned), jnp.zeros_like(learned)
    (gradient,) = pull((one, nothing))
    if recipe.routed:
        (extra,) = pull((nothing, one))
        kept = in_slice(params, recipe.routed)
        gradient = jax.tree.map(lambda g, e, own: g + e * own, gradient, extra, kept)
    return learned + routed, gradient


def chunk(
    state: TrainState,
    tokens: jax.Array,
    mask: Mask,
    rates: jax.Array,
    count: jax.Array | int,
    model: ModelConfig,
    recipe: Recipe,
    axis: str | None = None,
) -> tuple[TrainState, jax.Array, jax.Array]:
    """The first `count` steps of tokens `(steps, rows, time + 1)`, not compiled.

    Returns the state after them, and losses and gradient norms before clipping, `(steps,)` each
    (zero beyond `count`). `axis` is as in `loss_and_gradient`.
    """
    optimizer = optimizer_of(recipe)

    def one_step(index: jax.Array, carry: Any) -> Any:
        state, losses, norms = carry
        rows, counts = jax.tree.map(lambda part: part[index], (tokens, mask))
        loss, gradient = loss_and_gradient(state.params, model, rows, counts, recipe, axis)
        changes, inner = optimizer.update(gradient, state.optimizer, state.params)
        params = jax.tree.map(lambda p, c: p + rates[index] * c, state.params, changes)
        norm = jnp.sqrt(sum(jnp.vdot(g, g) for g in jax.tree.leaves(gradient)))
        return TrainState(params, inner), losses.at[index].set(loss), norms.at[index].set(norm)

    blank = jnp.zeros(tokens.shape[0])
    return jax.lax.fori_loop(0, count, one_step, (state, blank, blank))


run_chunk = jax.jit(chunk, static_argnames=("model", "recipe"), donate_argnames="state")
"""`chunk` compiled for one model on one device; consumes `state`."""


@functools.partial(jax.jit, static_argnames=("model", "recipe"))
def held_out_loss(
    params: Params, model: ModelConfig, tokens: jax.Array, mask: jax.Array, recipe: Recipe
) -> jax.Array:
    """Mean masked cross-entropy of a batch that is not trained on, in nats.

    Computed as in training: in the recipe's types, by its kernel, `micro_rows` rows at a time.
    """
    total = jnp.maximum(jnp.sum(mask), 1.0)

    def add_part(carry: jax.Array, part: Any) -> tuple[jax.Array, None]:
        rows, counted = part
        loss = masked_loss(params, model, rows, counted, total, recipe.dtype, recipe.attention)
        return carry + loss, None

    return jax.lax.scan(add_part, jnp.zeros(()), _micro_batches(tokens, mask, recipe))[0]


def _micro_batches(tokens: jax.Array, mask: Mask, recipe: Recipe) -> Any:
    """Tokens and mask as `(parts, micro_rows, ...)`."""
    parts = tokens.shape[0] // recipe.micro_rows
    shape = (parts, recipe.micro_rows, -1)
    return jax.tree.map(lambda part: part.reshape(shape), (tokens, mask))

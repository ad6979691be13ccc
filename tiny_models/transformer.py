"""A Llama-style decoder in flax nnx: RMSNorm, RoPE, grouped-query attention, SwiGLU, tied output.

The modules own the arrays, `attention.py` has the mathematics of looking back. `init_params` and
`apply` are the pure view that everything else uses: a nested dict of float32 arrays in, logits out.
`incremental.py` gives the same logits with a key/value cache (`Cache`).
Architecture: Touvron et al. 2023 (arXiv:2302.13971), grouped-query attention after Ainslie et al.
2023 (arXiv:2305.13245); rotary features are paired across the halves of a head, as Hugging Face
stores Llama weights.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
from flax import nnx

from tiny_models.attention import (
    Attend,
    Rotation,
    attention,
    causal_attention,
    rotary_angles,
    rotate,
)
from tiny_models.config import AttentionKernel, Dtype, ModelConfig
from tiny_models.determinism import random_key
from tiny_models.linear import linear

Params: TypeAlias = dict[str, Any]


class Cache(NamedTuple):
    """Keys (already rotated) and values of one layer, each `(batch, kv_heads, slots, head_dim)`."""

    keys: jax.Array
    values: jax.Array


def rms_norm(x: jax.Array, gain: jax.Array, eps: float) -> jax.Array:
    """`x / sqrt(mean(x²) + eps) * gain` over the last axis of `(..., features)`, in float32."""
    wide = x.astype(jnp.float32)
    scaled = wide * jax.lax.rsqrt(jnp.mean(wide * wide, axis=-1, keepdims=True) + eps)
    return (scaled * gain.astype(jnp.float32)).astype(x.dtype)


class Attention(nnx.Module):
    """Grouped-query self-attention; matrices are stored `(inputs, outputs)`."""

    def __init__(self, config: ModelConfig, *, rngs: nnx.Rngs) -> None:
        width, kv_width = config.d_model, config.kv_heads * config.head_dim
        self.config = config
        self.q = _matrix(rngs, width, width)
        self.k = _matrix(rngs, width, kv_width)
        self.v = _matrix(rngs, width, kv_width)
        self.o = _matrix(rngs, width, width, shrink=_residual_shrink(config))

    def __call__(
        self,
        x: jax.Array,
        rotation: Rotation,
        attend: Attend,
        cache: Cache | None = None,
        slot: jax.Array | int = 0,
    ) -> tuple[jax.Array, Cache]:
        """`(batch, time, d_model)` to the same, and the keys and values seen.

        With `cache`, new keys and values go to its slots from `slot` on and attention covers all
        its slots.
        """
        batch, time, _ = x.shape
        config = self.config
        packed = linear(x, jnp.concatenate([self.q[...], self.k[...], self.v[...]], axis=1))
        heads = packed.reshape(batch, time, -1, config.head_dim).swapaxes(1, 2)
        # Split, not sliced: the gradient is then joined, not padded and added up.
        turning, v = jnp.split(heads, [config.heads + config.kv_heads], axis=1)
        q, k = jnp.split(rotate(turning, rotation), [config.heads], axis=1)
        if cache is not None:
            at = (0, 0, slot, 0)
            k = jax.lax.dynamic_update_slice(cache.keys, k, at)
            v = jax.lax.dynamic_update_slice(cache.values, v, at)
        mixed = attend(q, k, v).swapaxes(1, 2).reshape(batch, time, -1)
        return linear(mixed, self.o[...]), Cache(k, v)


class SwiGLU(nnx.Module):
    """`(silu(x gate) * (x up)) down`."""

    def __init__(self, config: ModelConfig, *, rngs: nnx.Rngs) -> None:
        self.gate = _matrix(rngs, config.d_model, config.hidden)
        self.up = _matrix(rngs, config.d_model, config.hidden)
        self.down = _matrix(rngs, config.hidden, config.d_model, shrink=_residual_shrink(config))

    def __call__(self, x: jax.Array) -> jax.Array:
        return linear(
            jax.nn.silu(linear(x, self.gate[...])) * linear(x, self.up[...]), self.down[...]
        )


class Block(nnx.Module):
    """One pre-norm layer: attention, then SwiGLU, each added to the stream."""

    def __init__(self, config: ModelConfig, *, rngs: nnx.Rngs) -> None:
        self.eps = config.norm_eps
        self.attention_norm = nnx.Param(jnp.ones(config.d_model))
        self.attention = Attention(config, rngs=rngs)
        self.mlp_norm = nnx.Param(jnp.ones(config.d_model))
        self.mlp = SwiGLU(config, rngs=rngs)

    def __call__(
        self,
        x: jax.Array,
        rotation: Rotation,
        attend: Attend,
        cache: Cache | None = None,
        slot: jax.Array | int = 0,
    ) -> tuple[jax.Array, Cache]:
        """`(batch, time, d_model)` to the same, and the layer's keys and values."""
        mixed, seen = self.attention(
            rms_norm(x, self.attention_norm[...], self.eps), rotation, attend, cache, slot
        )
        x = x + mixed
        return x + self.mlp(rms_norm(x, self.mlp_norm[...], self.eps)), seen


class Decoder(nnx.Module):
    """The whole model.

    Initialisation: every matrix and the embedding are normal with standard deviation 0.02 or
    d_model^-0.5 / 2, whichever is larger (small widths learn slowly from 0.02); the two matrices
    that write into the stream are divided by sqrt(2 * layers); norm gains are 1.
    """

    def __init__(self, config: ModelConfig, *, rngs: nnx.Rngs) -> None:
        self.config = config
        self.embedding = _matrix(rngs, config.vocab_size, config.d_model, width=config.d_model)
        self.layers = _module_list(Block(config, rngs=rngs) for _ in range(config.layers))
        self.norm = nnx.Param(jnp.ones(config.d_model))

    def __call__(
        self,
        tokens: jax.Array,
        dtype: Dtype = "float32",
        kernel: AttentionKernel = "plain",
    ) -> jax.Array:
        """Logits `(batch, time, vocab)`, float32, of token ids `(batch, time)`.

        `dtype` is that of the stream and of every product, the logits too: in bfloat16 they come
        rounded to it, in a float32 array. Norms and softmax compute in float32 anyway.
        """
        return self.readout(self.features(tokens, dtype, kernel))

    def features(
        self,
        tokens: jax.Array,
        dtype: Dtype = "float32",
        kernel: AttentionKernel = "plain",
    ) -> jax.Array:
        """Stream after the last norm, `(batch, time, d_model)`: what the output matrix reads."""
        time = tokens.shape[1]
        rotation = rotary_angles(
            jnp.arange(time)[None], self.config.head_dim, self.config.rope_theta
        )
        attend = causal_attention(kernel, time)
        # Looked up first and narrowed then, so that the table's gradient is summed in float32.
        x = self.embedding[...][tokens].astype(dtype)
        # Unrolled: a scan over stacked layers saved 2 of 16 s of compilation at 30 layers.
        for layer in self.layers:
            x, _ = layer(x, rotation, attend)
        return rms_norm(x, self.norm[...], self.config.norm_eps)

    def readout(self, features: jax.Array) -> jax.Array:
        """Logits `(..., vocab)` of features `(..., d_model)`, through the transposed embedding."""
        return linear(features, self.embedding[...].T).astype(jnp.float32)

    def extend(
        self,
        tokens: jax.Array,
        positions: jax.Array,
        mask: jax.Array,
        caches: tuple[Cache, ...],
        slot: jax.Array | int,
    ) -> tuple[jax.Array, tuple[Cache, ...]]:
        """Features `(batch, time, d_model)` of new tokens on top of `caches`, and the new caches.

        `positions` is `(batch, time)`, `mask` is `(batch, time, slots)`, `slot` is where the first
        new token goes.
        """
        return self.extend_embedded(self.embedding[...][tokens], positions, mask, caches, slot)

    def extend_embedded(
        self,
        x: jax.Array,
        positions: jax.Array,
        mask: jax.Array,
        caches: tuple[Cache, ...],
        slot: jax.Array | int,
    ) -> tuple[jax.Array, tuple[Cache, ...]]:
        """`extend` of tokens given as their embeddings `(batch, time, d_model)`."""
        rotation = rotary_angles(positions, self.config.head_dim, self.config.rope_theta)
        attend = functools.partial(attention, mask=mask)
        seen = []
        for layer, cache in zip(self.layers, caches, strict=True):
            x, updated = layer(x, rotation, attend, cache, slot)
            seen.append(updated)
        return rms_norm(x, self.norm[...], self.config.norm_eps), tuple(seen)


def init_params(config: ModelConfig, seed: int) -> Params:
    """Fresh parameters, a nested dict of float32 arrays, the same bytes for the same seed."""
    # Not compiled as a whole: XLA would take longer over it than the drawing does.
    state = nnx.state(Decoder(config, rngs=nnx.Rngs(params=random_key(seed))))
    return _with_keys(nnx.to_pure_dict(state), str)


def apply(params: Params, config: ModelConfig, tokens: jax.Array) -> jax.Array:
    """Logits `(batch, time, vocab)` of token ids `(batch, time)`; to be called under `jax.jit`."""
    return bind(params, config)(tokens)


def bind(params: Params, config: ModelConfig) -> Decoder:
    """The nnx module around `params`, for its methods; costs nothing inside a compiled function."""
    graph, blank = _template(config)
    state = jax.tree.map(lambda leaf: leaf, blank)  # a copy: the template is shared
    nnx.replace_by_pure_dict(state, _with_keys(params, _to_index))
    return nnx.merge(graph, state)


@functools.lru_cache(maxsize=64)
def _template(config: ModelConfig) -> tuple[Any, Any]:
    return nnx.split(nnx.eval_shape(lambda: Decoder(config, rngs=nnx.Rngs(0))))


def _module_list(blocks: Any) -> Any:
    # flax 0.12 wants its own list around modules; before that a plain list was the way.
    return getattr(nnx, "List", list)(list(blocks))


def _residual_shrink(config: ModelConfig) -> float:
    return (2 * config.layers) ** -0.5


def _matrix(
    rngs: nnx.Rngs, rows: int, columns: int, *, shrink: float = 1.0, width: int | None = None
) -> nnx.Param:
    deviation = max(0.02, 0.5 * (width or rows) ** -0.5) * shrink
    return nnx.Param(deviation * jax.random.normal(rngs.params(), (rows, columns)))


def _with_keys(tree: Any, convert: Any) -> Any:
    if not isinstance(tree, dict):
        return tree
    return {convert(key): _with_keys(value, convert) for key, value in tree.items()}


def _to_index(key: str) -> str | int:
    return int(key) if key.isdigit() else key

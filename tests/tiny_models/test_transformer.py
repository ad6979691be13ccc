"""The decoder against a slow, plain NumPy one, and the laws that a decoder must keep."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from tiny_models import Decoder, ModelConfig, Params, init_params, parameter_hash
from tiny_models import transformer as under_test
from tiny_models.attention import attention, causal_mask, rotary_angles, rotate
from tiny_models.transformer import rms_norm

apply = jax.jit(under_test.apply, static_argnums=1)


def plain_logits(params: Params, config: ModelConfig, tokens: np.ndarray) -> np.ndarray:
    """Logits `(time, vocab)` of one row, in float64, one head and one query at a time."""

    def norm(x: np.ndarray, gain: np.ndarray) -> np.ndarray:
        return x / np.sqrt((x**2).mean(-1, keepdims=True) + config.norm_eps) * gain

    def turn(x: np.ndarray, position: int) -> np.ndarray:
        half = config.head_dim // 2
        angles = position * config.rope_theta ** (-np.arange(half) / half)
        pairs = (x[:half] + 1j * x[half:]) * np.exp(1j * angles)
        return np.concatenate([pairs.real, pairs.imag])

    weights = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), params)
    dim, share = config.head_dim, config.heads // config.kv_heads
    x = weights["embedding"][tokens]
    for number in range(config.layers):
        layer = weights["layers"][str(number)]
        inner = norm(x, layer["attention_norm"])
        q, k, v = (inner @ layer["attention"][name] for name in "qkv")
        mixed = np.zeros_like(x)
        for head in range(config.heads):
            own, shared = head * dim, head // share * dim
            for now in range(len(tokens)):
                query = turn(q[now, own : own + dim], now)
                keys = [turn(k[t, shared : shared + dim], t) for t in range(now + 1)]
                scores = np.array([query @ key for key in keys]) / np.sqrt(dim)
                likely = np.exp(scores) / np.exp(scores).sum()
                mixed[now, own : own + dim] = likely @ v[: now + 1, shared : shared + dim]
        x = x + mixed @ layer["attention"]["o"]
        inner = norm(x, layer["mlp_norm"])
        gate = inner @ layer["mlp"]["gate"]
        x = x + (gate / (1 + np.exp(-gate)) * (inner @ layer["mlp"]["up"])) @ layer["mlp"]["down"]
    return norm(x, weights["norm"]) @ weights["embedding"].T


@pytest.fixture(scope="module")
def model() -> ModelConfig:
    """Two layers, so that one layer's arrays taken for another's would show."""
    return ModelConfig(
        vocab_size=23, d_model=16, layers=2, heads=4, kv_heads=2, hidden=24, context=48
    )


@pytest.fixture(scope="module")
def params(model: ModelConfig) -> Params:
    return init_params(model, seed=7)


@pytest.fixture(scope="module")
def tokens() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 23, (3, 12))


def test_logits_equal_those_of_the_plain_decoder(model, params, tokens):
    loud = jax.tree.map(lambda leaf: 3.0 * leaf, params)  # larger scores, so that errors show
    wanted = np.stack([plain_logits(loud, model, row) for row in tokens])
    np.testing.assert_allclose(apply(loud, model, tokens), wanted, rtol=1e-4, atol=1e-4)


def test_a_later_token_changes_no_earlier_logit(model, params, tokens):
    changed = tokens.copy()
    changed[:, 7] = (changed[:, 7] + 1) % 23
    before, after = apply(params, model, tokens), apply(params, model, changed)
    np.testing.assert_array_equal(before[:, :7], after[:, :7])
    assert np.abs(before[:, 7:] - after[:, 7:]).max(axis=(0, 2)).min() > 1e-5


def test_rotary_scores_depend_on_the_distance_only():
    q, k = np.random.default_rng(2).normal(size=(2, 1, 1, 1, 16)).astype(np.float32)

    def score(at_q: int, at_k: int) -> float:
        turned_q = rotate(q, rotary_angles(jnp.array([[at_q]]), 16, 10000.0))
        turned_k = rotate(k, rotary_angles(jnp.array([[at_k]]), 16, 10000.0))
        return float(jnp.vdot(turned_q, turned_k))

    assert score(5, 2) == pytest.approx(score(25, 22), abs=1e-4)
    assert score(0, 0) == pytest.approx(float(np.vdot(q, k)), abs=1e-5)
    assert abs(score(5, 2) - score(2, 5)) > 1e-3


def test_normed_features_have_unit_mean_square_whatever_their_scale():
    x = np.random.default_rng(3).normal(size=(4, 32)).astype(np.float32)
    once, louder = rms_norm(x, jnp.ones(32), 1e-9), rms_norm(100 * x, jnp.ones(32), 1e-9)
    np.testing.assert_allclose(np.mean(np.square(once), axis=-1), 1.0, rtol=1e-5)
    np.testing.assert_allclose(once, louder, rtol=1e-5)


def test_attention_to_one_visible_slot_returns_its_value():
    draw = np.random.default_rng(4)
    q, k, v = (draw.normal(size=(1, 2, 5, 4)).astype(np.float32) for _ in range(3))
    np.testing.assert_allclose(attention(q, k, v, causal_mask(5))[:, :, 0], v[:, :, 0], rtol=1e-6)


def test_the_same_seed_gives_the_same_bytes_and_another_seed_does_not(model):
    hashes = [parameter_hash(init_params(model, seed)) for seed in (3, 3, 4, 2**40 + 3)]
    assert hashes[0] == hashes[1]
    assert len(set(hashes)) == 3


def test_fresh_parameters_are_float32_with_the_stated_spread():
    config = ModelConfig(
        vocab_size=50, d_model=64, layers=8, heads=2, kv_heads=2, hidden=64, context=8
    )
    fresh = init_params(config, 0)
    assert {leaf.dtype for leaf in jax.tree.leaves(fresh)} == {jnp.dtype("float32")}
    attention_matrices = fresh["layers"]["0"]["attention"]
    assert float(jnp.std(attention_matrices["q"])) == pytest.approx(0.0625, rel=0.1)
    assert float(jnp.std(attention_matrices["o"])) == pytest.approx(0.0625 / 4, rel=0.1)


def test_the_decoder_is_an_nnx_module_with_the_parameters_of_the_pure_view(model, params, tokens):
    decoder = Decoder(model, rngs=nnx.Rngs(0))
    assert isinstance(decoder, nnx.Module)
    assert decoder(tokens).shape == (3, 12, 23)
    shapes = jax.tree.leaves(jax.tree.map(jnp.shape, nnx.to_pure_dict(nnx.state(decoder))))
    assert shapes == jax.tree.leaves(jax.tree.map(jnp.shape, params))

"""Token by token equals all at once."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from small_model import full_logits, prompts_of

from tiny_models import ModelConfig, Params, init_params
from tiny_models.incremental import decode_step, prefill


@pytest.fixture(scope="module")
def model() -> ModelConfig:
    """Two layers, so that one layer's arrays taken for another's would show."""
    return ModelConfig(
        vocab_size=23, d_model=16, layers=2, heads=4, kv_heads=2, hidden=24, context=48
    )


@pytest.fixture(scope="module")
def params(model: ModelConfig) -> Params:
    return init_params(model, seed=7)


@pytest.mark.parametrize("padding", [0, 3])
def test_cached_logits_equal_those_of_a_full_forward_pass(model, params, padding: int):
    row = prompts_of([14])[0]
    step = jax.jit(decode_step, static_argnums=1)
    full = full_logits(params, model, row)
    read = 6
    prompt = np.concatenate([np.full(padding, 9), row[:read]])[None]
    pads = np.array([padding])
    logits, caches = jax.jit(prefill, static_argnums=(1, 4))(params, model, prompt, pads, 20)
    np.testing.assert_allclose(logits[0], full[read - 1], atol=1e-4)
    for place in range(read, len(row)):
        logits, caches = step(params, model, row[place : place + 1], caches, padding + place, pads)
        np.testing.assert_allclose(logits[0], full[place], atol=1e-4)


def test_what_stands_in_the_padding_changes_nothing(model, params):
    prompt = prompts_of([8])[0][None]
    other = prompt.copy()
    other[:, :3] = (other[:, :3] + 5) % 23
    pads = np.array([3])
    read = jax.jit(prefill, static_argnums=(1, 4))
    first, second = (read(params, model, p, pads, 8)[0] for p in (prompt, other))
    np.testing.assert_array_equal(first, second)

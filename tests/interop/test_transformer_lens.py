"""The export opens in TransformerLens, and a logit lens there ends in our logits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jax
import numpy as np
import pytest
import torch
from transformer_lens.model_bridge import TransformerBridge

from tiny_models import apply
from tiny_models.transformer import rms_norm

if TYPE_CHECKING:
    from conftest import Exported


@pytest.fixture(scope="module")
def tokens(exported: Exported) -> np.ndarray:
    return exported.encode(exported.questions()[0])[None]


@pytest.fixture(scope="module")
def lens(exported: Exported, tokens: np.ndarray) -> list[np.ndarray]:
    """What the output matrix reads in the stream at each depth, the first before any layer."""
    bridge: Any = TransformerBridge.boot_transformers(str(exported.directory), device="cpu")
    with torch.no_grad():
        _, cache = bridge.run_with_cache(torch.tensor(tokens))
        stream = cache.accumulated_resid(layer=-1, incl_mid=False)
        return [bridge.unembed(bridge.ln_final(depth)).numpy() for depth in stream]


def test_the_lens_at_the_last_layer_shows_our_logits(
    exported: Exported, tokens: np.ndarray, lens: list[np.ndarray]
) -> None:
    assert len(lens) == exported.model.layers + 1
    ours = jax.jit(apply, static_argnums=1)(exported.params, exported.model, tokens)
    np.testing.assert_allclose(lens[-1], ours, atol=1e-4, rtol=0)


def test_the_lens_before_the_first_layer_reads_the_embedding(
    exported: Exported, tokens: np.ndarray, lens: list[np.ndarray]
) -> None:
    embedding = exported.params["embedding"]
    normed = rms_norm(embedding[tokens], exported.params["norm"], exported.model.norm_eps)
    np.testing.assert_allclose(lens[0], normed @ embedding.T, atol=1e-4, rtol=0)


def test_the_lens_sees_the_answer_form_between_the_layers(lens: list[np.ndarray]) -> None:
    """The layers do something: what is likeliest changes on the way, at some token."""
    best = [depth.argmax(-1) for depth in lens]
    assert all((best[-1] != earlier).any() for earlier in best[:-1])

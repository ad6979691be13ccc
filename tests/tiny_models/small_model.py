"""Data and reference logits for a model of 23 tokens, shared by these tests."""

from __future__ import annotations

import functools

import jax
import numpy as np

from tiny_models import ModelConfig, Params, apply
from tiny_models.training import Batch


def batch_at(step: int) -> Batch:
    """Eight rows of nine tokens and an uneven mask, a pure function of the step."""
    draw = np.random.default_rng(step)
    tokens = draw.integers(0, 23, (8, 9)).astype(np.uint16)
    return tokens, draw.random((8, 8)) < np.linspace(0.1, 1.0, 8)[:, None]


def prompts_of(lengths: list[int], seed: int = 0) -> list[np.ndarray]:
    """Random prompts of the given lengths over 23 tokens."""
    draw = np.random.default_rng(seed)
    return [draw.integers(0, 23, length) for length in lengths]


def full_logits(params: Params, model: ModelConfig, row: np.ndarray) -> np.ndarray:
    """Logits `(time, vocab)` of one row by a full forward pass, compiled once for all lengths.

    The row is padded on the right, which a causal model does not see (`test_transformer.py`).
    """
    padded = np.zeros((1, model.context), np.int32)
    padded[0, : len(row)] = row
    return np.asarray(_compiled_apply(params, model, padded))[0, : len(row)]


_compiled_apply = functools.partial(jax.jit, static_argnums=1)(apply)

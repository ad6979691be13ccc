"""One very small model, shared so that the tests share compiled programs."""

from __future__ import annotations

import pytest

from tiny_models import ModelConfig, Params, init_params


@pytest.fixture(scope="session")
def model() -> ModelConfig:
    """One layer (to compile fast), four query heads on two key/value heads, 23 tokens."""
    return ModelConfig(
        vocab_size=23, d_model=16, layers=1, heads=4, kv_heads=2, hidden=24, context=48
    )


@pytest.fixture(scope="session")
def params(model: ModelConfig) -> Params:
    return init_params(model, seed=7)

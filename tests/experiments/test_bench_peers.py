"""The peers do our work: same weights, same loss, same updates, same logits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from experiments.bench import subject
from experiments.bench.peaks import step_products
from experiments.bench.training import flops_a_token, torch_step
from tiny_models.config import Dtype, ModelConfig, parameter_count
from tiny_models.training import train
from tiny_models.transformer import init_params

MODEL = ModelConfig(
    vocab_size=23, d_model=16, layers=2, heads=4, kv_heads=2, hidden=24, context=12, rope_theta=50.0
)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-4), ("bfloat16", 2e-2)])
def test_the_step_that_torch_is_timed_at_trains_as_we_do(
    tmp_path: Path, dtype: Dtype, tolerance: float
) -> None:
    pytest.importorskip("torch")
    config = subject.train_config(
        steps=4,
        batch_rows=6,
        micro_rows=3,
        warmup_steps=0,
        schedule="constant",
        weight_decay=0.1,
        log_every=1,
        checkpoint_every=4,
        optimizer="adamw",
        dtype=dtype,
    )
    ours: list[float] = []
    train(
        params=init_params(MODEL, 0),
        model=MODEL,
        config=config,
        batch_at=subject.batches(MODEL, 6),
        directory=tmp_path,
        progress=lambda line: ours.append(line.loss),
    )
    step = torch_step("plain", False, 3, dtype, MODEL, config)
    theirs = [step() for _ in range(4)]
    assert ours[-1] < ours[0] - 0.01
    np.testing.assert_allclose(ours, theirs, atol=tolerance)


def test_hugging_face_has_the_same_weights() -> None:
    pytest.importorskip("transformers")
    import torch

    from experiments.bench.training import huggingface, plain

    tokens = torch.arange(24).reshape(2, 12) % MODEL.vocab_size
    with torch.no_grad():
        ours, theirs = plain(MODEL)[1](tokens), huggingface(MODEL)[1](tokens)
    assert float((ours - theirs).abs().max()) < 1e-4


def test_the_formula_counts_the_products() -> None:
    # 6 x parameters is three passes of two operations for every weight that is in a product.
    tokens = 5 * MODEL.context
    products = 3 * sum(2 * m * k * n for m, k, n in step_products(MODEL, rows=5)) / tokens
    gains = MODEL.d_model * (2 * MODEL.layers + 1)
    attention = 12 * MODEL.layers * MODEL.context * MODEL.d_model
    assert products == 6 * (parameter_count(MODEL) - gains)
    assert flops_a_token(MODEL) == products + 6 * gains + attention


def test_the_subject_is_the_laptop_study() -> None:
    from experiments.recipe import Arm, Cell
    from experiments.stages import Context
    from experiments.studies.headline import LAPTOP

    # Its world has another seed, and with it perhaps another word or two; both are filled up.
    cell = Cell(LAPTOP, Arm("filtering", "filtering"), 0, 2026)
    context = Context(cell, Path("nowhere"), lambda stage, progress: None)
    assert subject.model_config() == context.model
    assert subject.dtypes()[0] == "float32"

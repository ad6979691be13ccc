"""Data, a recipe and reference logits for a model of 23 tokens, shared by these tests."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import jax
import numpy as np

from tiny_models import ModelConfig, Params, TrainConfig, apply, parameter_hash, train
from tiny_models.chunks import Batch, BatchAt

CONFIG = TrainConfig(
    steps=9,
    batch_rows=8,
    micro_rows=4,
    peak_lr=1e-2,
    warmup_steps=2,
    checkpoint_every=3,
    log_every=2,
)


def batch_at(step: int) -> tuple[np.ndarray, np.ndarray]:
    """Eight rows of nine tokens and an uneven mask, a pure function of the step."""
    draw = np.random.default_rng(step)
    tokens = draw.integers(0, 23, (8, 9)).astype(np.uint16)
    return tokens, draw.random((8, 8)) < np.linspace(0.1, 1.0, 8)[:, None]


def interrupted_at(stop: int) -> BatchAt:
    """`batch_at`, stopped by Ctrl-C when it is asked for one step."""

    def rule(step: int) -> Batch:
        if step == stop:
            raise KeyboardInterrupt
        return batch_at(step)

    return rule


def run(
    directory: Path,
    model: ModelConfig,
    params: Params,
    rule: BatchAt = batch_at,
    config: TrainConfig = CONFIG,
    **options: Any,
) -> str:
    """Trains and gives the hash of the parameters."""
    done = train(
        params=params, model=model, config=config, batch_at=rule, directory=directory, **options
    )
    return parameter_hash(done)


def metrics(directory: Path) -> list[tuple]:
    """The fields of `metrics.jsonl` that do not measure time."""
    lines = [json.loads(line) for line in (directory / "metrics.jsonl").read_text().splitlines()]
    return [
        tuple(line[key] for key in ("step", "loss", "lr", "grad_norm", "tokens")) for line in lines
    ]


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

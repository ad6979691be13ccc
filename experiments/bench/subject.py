"""What is measured: the model and the training recipe of the headline study at preset laptop.

Tokens are random, because no step's time depends on which tokens it reads.
"""

from __future__ import annotations

import typing
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from experiments.studies.headline import LAPTOP
from medsafetyworld.building import build_world
from medsafetyworld.tokenizer import build_tokenizer
from tiny_models.config import ModelConfig, TrainConfig, preset
from tiny_models.training import Batch


def model_config(name: str | None = None, context: int | None = None) -> ModelConfig:
    """The laptop study's model, or another preset or row length with the same vocabulary."""
    words = len(build_tokenizer(build_world(LAPTOP.world), LAPTOP.corpus))
    return preset(name or LAPTOP.model, vocab_size=words, context=context or LAPTOP.context)


def train_config(**changes: Any) -> TrainConfig:
    """The laptop study's pretraining with some fields changed."""
    return replace(LAPTOP.pretrain, **changes)


def dtypes() -> tuple[str, ...]:
    """The number formats that training offers, float32 first."""
    field = typing.get_type_hints(TrainConfig).get("dtype")
    return typing.get_args(field) or ("float32",)


def batches(model: ModelConfig, rows: int) -> Callable[[int], Batch]:
    """The same random rows at every step, all of their targets counted."""
    tokens = np.random.default_rng(0).integers(0, model.vocab_size, (rows, model.context + 1))
    batch = tokens.astype(np.uint16), np.ones((rows, model.context), np.float32)
    return lambda step: batch

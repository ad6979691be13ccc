"""A recipe that trains in seconds: what it learns does not matter, only what the stages do."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from experiments.recipe import Arm, Cell, Recipe
from medsafetyworld.spec import CorpusSpec, DialogueSpec, WorldSpec
from tiny_models.config import TrainConfig


def train_config(steps: int) -> TrainConfig:
    return TrainConfig(
        steps=steps, batch_rows=4, micro_rows=2, peak_lr=1e-3, checkpoint_every=10, log_every=5
    )


RECIPE = Recipe(
    world=WorldSpec(compounds=24, outcomes=6, single_edges=36, pair_edges=4),
    corpus=CorpusSpec(
        templates=16, cooccurrence_templates=16, surface_forms=4, framings=2, closings=2
    ),
    dialogue=DialogueSpec(questions=2, test_queries=6),
    model="0.1M",
    context=64,
    pretrain=train_config(30),
    sft=train_config(10),
    finetune=train_config(10),
    stems=1,
    new_tokens=16,
)


TWO_HOP = replace(
    RECIPE,
    new_tokens=32,
    world=WorldSpec(compounds=12, mediators=(6,), outcomes=4, single_edges=12, pair_edges=8),
    corpus=replace(
        RECIPE.corpus,
        reverse_rate=1.0,
        pair_reverse_rate=1.0,
        cooccurrence_rate=0.0,
        pair_cooccurrence_rate=0.0,
    ),
)


def cell(variant: str, *, replicate: int = 0, recipe: Recipe = RECIPE, **arm: Any) -> Cell:
    return Cell(recipe, Arm(variant, variant, **arm), replicate, master=7)

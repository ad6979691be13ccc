"""A study of one cell that runs in seconds, every stage of it with several checkpoints."""

from __future__ import annotations

from dataclasses import replace

from experiments.recipe import Arm, Recipe
from experiments.study import Preset, Study
from medsafetyworld.spec import CorpusSpec, DialogueSpec, WorldSpec
from tiny_models.config import TrainConfig


def steps(count: int) -> TrainConfig:
    return TrainConfig(
        steps=count, batch_rows=4, micro_rows=4, peak_lr=1e-3, checkpoint_every=4, log_every=2
    )


RECIPE = Recipe(
    world=WorldSpec(compounds=12, outcomes=4, single_edges=18, pair_edges=3),
    corpus=CorpusSpec(
        templates=8, cooccurrence_templates=8, surface_forms=4, framings=2, closings=1
    ),
    dialogue=DialogueSpec(questions=1, test_queries=2),
    model="0.1M",
    context=64,
    pretrain=steps(30),
    sft=steps(14),
    finetune=steps(10),
    stems=0,
    new_tokens=8,
)

STUDY = Study(
    "small",
    "does it survive?",
    (Arm("filtering", "filtering"), Arm("shuffled", "filtering", shuffled=True)),
    {"small": Preset(RECIPE, replicates=1)},
)
CELL = "filtering-s0"

ATTACKS = (
    "gcg(length=2, steps=2, candidates=2, topk=4)",
    "adversarial(pairs=(2,), epochs=1, rows=4)",
)
"""One that searches and stores nothing before it ends, one that trains stages of its own."""

ATTACKED = replace(
    STUDY, presets={"small": Preset(replace(RECIPE, instruments=ATTACKS), replicates=1)}
)
"""The same study with attacks after the questions; its cells have the same names."""

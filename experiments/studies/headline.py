"""Headline: do the five settings change what a model does? (Li et al. 2026, Figure 3, C1-C5)

Five settings, reflection in SFT only (for C5), and two controls: filtering without co-occurrence
documents, and filtering on a world whose compounds are permuted.
"""

from __future__ import annotations

from dataclasses import replace

from experiments.recipe import Arm, Recipe
from experiments.study import Preset, Study
from medsafetyworld.presets import CORPUS_PRESETS, WORLD_PRESETS
from medsafetyworld.spec import DialogueSpec
from tiny_models.config import TrainConfig

ARMS = (
    Arm("baseline", "baseline"),
    Arm("filtering", "filtering"),
    Arm("filtering_plus", "filtering_plus"),
    Arm("rewrite", "rewrite"),
    Arm("srp", "srp"),
    Arm("srp_sft_only", "srp_sft_only"),
    Arm(
        "no_cooccurrence",
        "filtering",
        corpus=(("cooccurrence_rate", 0.0), ("pair_cooccurrence_rate", 0.0)),
    ),
    Arm("filtering_mediators", "filtering", policy="mediator-aware"),
    Arm("shuffled", "filtering", shuffled=True),
)
SINGLE_HOP = tuple(arm.name for arm in ARMS if arm.name != "filtering_mediators")
# The two-hop corpus has no co-occurrence documents; what carries the harm there are the reverse
# statements from outcomes to mediators, which the paper's policy lets pass.
TWO_HOP = tuple(arm.name for arm in ARMS if arm.name != "no_cooccurrence")

SMOKE = Recipe(
    world=WORLD_PRESETS["smoke"],
    corpus=CORPUS_PRESETS["smoke"],
    dialogue=DialogueSpec(questions=4, test_queries=16),
    model="0.1M",
    context=64,
    pretrain=TrainConfig(
        steps=200, batch_rows=16, micro_rows=16, peak_lr=5e-3, warmup_steps=20, checkpoint_every=200
    ),
    sft=TrainConfig(steps=60, batch_rows=16, micro_rows=16, peak_lr=2e-3, warmup_steps=5),
    finetune=TrainConfig(steps=20, batch_rows=16, micro_rows=16, peak_lr=1e-3, warmup_steps=2),
    stems=2,
)
LAPTOP = Recipe(
    world=WORLD_PRESETS["laptop"],
    corpus=CORPUS_PRESETS["laptop"],
    dialogue=DialogueSpec(),
    model="0.3M",
    context=64,
    pretrain=TrainConfig(
        steps=1500,
        batch_rows=24,
        micro_rows=8,
        peak_lr=4e-3,
        warmup_steps=50,
        checkpoint_every=500,
    ),
    # Three epochs: after two, refusals of the arms without reflections are not yet fluent.
    sft=TrainConfig(steps=250, batch_rows=32, micro_rows=8, peak_lr=1e-3, warmup_steps=20),
    finetune=TrainConfig(steps=100, batch_rows=32, micro_rows=8, peak_lr=1e-3, warmup_steps=5),
    stems=4,
)
# Li et al. 2026: SmolLM2-135M, sequence 512, batch 128, 2.6B tokens; SFT for 40,000 rows in batches
# of 128 (there two epochs of 20,000 samples, here drawn from all our dialogues), benign fine-tuning
# for 15,000 in batches of 64. No laptop runs this, and nobody has run it yet.
PAPER = Recipe(
    world=WORLD_PRESETS["paper"],
    corpus=CORPUS_PRESETS["paper"],
    dialogue=DialogueSpec(test_queries=500),
    model="135M",
    context=512,
    pretrain=TrainConfig(
        steps=39_700,
        batch_rows=128,
        micro_rows=128,
        peak_lr=5e-3,
        warmup_steps=1_000,
        checkpoint_every=1_000,
    ),
    sft=TrainConfig(steps=312, batch_rows=128, micro_rows=128, peak_lr=1e-3, warmup_steps=20),
    finetune=TrainConfig(steps=234, batch_rows=64, micro_rows=64, peak_lr=1e-3, warmup_steps=10),
    stems=4,
)


def two_hop(recipe: Recipe, size: str) -> Recipe:
    """The recipe on the two-hop world and corpus of this size."""
    return replace(
        recipe, world=WORLD_PRESETS[f"{size}-two-hop"], corpus=CORPUS_PRESETS[f"{size}-two-hop"]
    )


LAPTOP_TWO_HOP = two_hop(LAPTOP, "laptop")
# Li et al. 2026, two-hop: 6,000 SFT samples in batches of 32, three epochs.
PAPER_TWO_HOP = replace(
    two_hop(PAPER, "paper"),
    sft=TrainConfig(steps=562, batch_rows=32, micro_rows=32, peak_lr=1e-3, warmup_steps=20),
)

BOTH_WORLDS = {
    "smoke": Preset(SMOKE, replicates=2),
    "laptop": Preset(LAPTOP, replicates=5),
    "smoke-two-hop": Preset(two_hop(SMOKE, "smoke"), replicates=2),
    "laptop-two-hop": Preset(LAPTOP_TWO_HOP, replicates=5),
}
"""The headline's recipes with every arm, for studies that change nothing but arms."""

HEADLINE = Study(
    name="headline",
    question="Which pretraining-stage method keeps a model from unsafe behaviour that it could "
    "generalise from safe data, and at what cost?",
    arms=ARMS,
    presets={
        "smoke": Preset(SMOKE, replicates=2, arms=SINGLE_HOP),
        "laptop": Preset(LAPTOP, replicates=5, arms=SINGLE_HOP),
        "paper": Preset(PAPER, replicates=5, arms=SINGLE_HOP),
        "smoke-two-hop": Preset(two_hop(SMOKE, "smoke"), replicates=2, arms=TWO_HOP),
        "laptop-two-hop": Preset(LAPTOP_TWO_HOP, replicates=5, arms=TWO_HOP),
        "paper-two-hop": Preset(PAPER_TWO_HOP, replicates=5, arms=TWO_HOP),
    },
)

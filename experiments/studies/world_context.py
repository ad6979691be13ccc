"""World context: do headers that tell where a document is from keep a model truthful?

Sources contradict each other: two kinds are right nearly always, the others repeat one mistake
about each compound, so that of all that is claimed of effects about half is wrong. All
arms train on equally many tokens, headers included. A header nearly doubles a document (44.7 tokens
instead of 23.7 in the laptop preset), so that arms with headers see 51,486 documents, and `plain`
and `sft_only` 97,198: a lead of those may come from reading twice as much, and decides nothing.

J1  truthfulness: `context_sft` against `context_shuffled`, whose headers are as long but tell of
    another document (right and misled answers); `plain` is a remark.
J2  harmful compliance: `context_sft` against `plain`, and against `context_shuffled`, whose answers
    have the same form; `context_srp` against `srp` (smoke only).
J3  only if post-training uses the context too: `context_sft` above `context`, and `context` not
    above `plain`, whose lead in documents makes the second easier to meet; `sft_only` is a remark.

(Feng et al. 2025, JT-Safe: these are our readings of its claims; fields and forms are ours.)
"""

from __future__ import annotations

from dataclasses import replace

from experiments.recipe import Arm, Recipe
from experiments.studies.headline import LAPTOP, SMOKE
from experiments.study import Preset, Study
from medsafetyworld.presets import CORPUS_PRESETS, WORLD_PRESETS

_RELIABILITY = CORPUS_PRESETS["laptop-contradictory"].reliability
_HEADERS = f"forms=2, reliability={_RELIABILITY}"
_CONTEXT = f"world_context({_HEADERS})"

ARMS = (
    Arm("plain", "baseline"),
    Arm("context", _CONTEXT),
    Arm("sft_only", f"baseline; sft: {_CONTEXT}"),
    Arm("context_sft", f"{_CONTEXT}; sft: {_CONTEXT}"),
    Arm("context_shuffled", f"world_context({_HEADERS}, shuffled=True); sft: {_CONTEXT}"),
    Arm("srp", "srp"),
    Arm("context_srp", f"filter | reflect | {_CONTEXT}; sft: reflect | {_CONTEXT}"),
)


def _contradictory(recipe: Recipe, size: str, rows: int, micro: int, sft_steps: int) -> Recipe:
    """The recipe where sources contradict each other, with room for a header before each text."""
    return replace(
        recipe,
        world=WORLD_PRESETS[f"{size}-contradictory"],
        corpus=CORPUS_PRESETS[f"{size}-contradictory"],
        context=96,
        pretrain=replace(recipe.pretrain, batch_rows=rows, micro_rows=micro),
        sft=replace(recipe.sft, steps=sft_steps),
        new_tokens=48,
    )


WORLD_CONTEXT = Study(
    name="world_context",
    question="Where sources contradict each other, does it help to say where a text is from?",
    arms=ARMS,
    presets={
        # About as many tokens a step as the headline has, in longer rows. The world is smaller, so
        # that SFT has fewer dialogues: more steps would wear out what pretraining taught.
        "smoke": Preset(_contradictory(SMOKE, "smoke", 12, 12, 60), replicates=2),
        "laptop": Preset(
            _contradictory(LAPTOP, "laptop", 16, 8, 200),
            replicates=5,
            arms=("plain", "context", "sft_only", "context_sft", "context_shuffled"),
        ),
    },
)

"""Laboratory: every kind of method under the whole suite of attacks and probes.

The paper's five settings, reflection in SFT only, SafeLM, unlikelihood of harmful sentences as a
method from the literature, and the shuffled graph as control. Rows are twice as long as the
headline's, so that forged dialogues and examples fit before a question, and batches hold half as
many of them: every arm reads as many tokens as there.

At `laptop` 45 cells, about an hour and a half on two cores: 100 s of training a cell, 90 of suite.
With `--world two-hop` the border of `filtering_mediators` stands in for the methods that have none.
"""

from __future__ import annotations

from dataclasses import replace

from experiments.recipe import Arm, Recipe
from experiments.studies.headline import LAPTOP, LAPTOP_TWO_HOP, SMOKE, two_hop
from experiments.study import Preset, Study

INSTRUMENTS = (
    # attacks in words
    "prefix",
    "forged_turn",
    "forged_verdict",
    "shots",
    "rewording",
    "decomposition",
    "best_of",
    # attacks by search
    "gcg",
    "genetic",
    # attacks on weights, and what is said to hold against them
    "adversarial",
    "adversarial_epochs",
    "adversarial_mixsft",
    "adversarial_reflection",
    "low_rank",
    "ablation",
    "damage",
    "defences",
    # probes
    "ranks",
    "knowledge",
    "answers",
    "over_refusal",
    "self_verdict",
    "linear_probes",
    "patching",
    "emergence",
)
"""The whole suite, as text."""

ARMS = (
    *(
        Arm(name, name)
        for name in (
            "baseline",
            "filtering",
            "filtering_plus",
            "rewrite",
            "srp",
            "srp_sft_only",
            "safelm",
            "unlikelihood",
        )
    ),
    Arm("filtering_mediators", "filtering", policy="mediator-aware"),
    Arm("shuffled", "filtering", shuffled=True),
)
SINGLE_HOP = tuple(arm.name for arm in ARMS if arm.name != "filtering_mediators")
TWO_HOP = tuple(arm.name for arm in ARMS if arm.name not in ("safelm", "unlikelihood"))


def with_suite(recipe: Recipe) -> Recipe:
    """The recipe with room for long prompts, and the whole suite."""
    return replace(
        recipe,
        context=2 * recipe.context,
        pretrain=replace(
            recipe.pretrain,
            batch_rows=recipe.pretrain.batch_rows // 2,
            micro_rows=recipe.pretrain.micro_rows // 2,
        ),
        instruments=INSTRUMENTS,
    )


LABORATORY = Study(
    name="laboratory",
    question="How far does each method close the gap between what a model can complete and what an "
    "attacker gets out of it?",
    arms=ARMS,
    presets={
        "smoke": Preset(with_suite(SMOKE), replicates=2, arms=SINGLE_HOP),
        "laptop": Preset(with_suite(LAPTOP), replicates=5, arms=SINGLE_HOP),
        "smoke-two-hop": Preset(with_suite(two_hop(SMOKE, "smoke")), replicates=2, arms=TWO_HOP),
        "laptop-two-hop": Preset(with_suite(LAPTOP_TWO_HOP), replicates=5, arms=TWO_HOP),
    },
)

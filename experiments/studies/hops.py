"""Hops: does harm generalise from safe data over more steps of cause and effect?

Filtering in worlds of one, two and three hops. With one hop co-occurrence documents carry the harm;
with more, the corpus has none, and reverse statements from outcomes to mediators carry it, which
the paper's policy lets pass. `filtering_mediators` takes those out too: the control in which
nothing follows by association. So one hop differs from more in more than depth.

Nor do two and three differ in depth alone. The chain that answers a question is longer; an unsafe
outcome has more ways to it, so chance is higher (at `laptop`, mean of five seeds: 8.7 and 16.8
ways, one hop 10.0); and the corpus before any method has more documents (303,360 and 671,380, one
hop 213,600), so that equal tokens would show each fact less than half as often. Three hops are
therefore trained for 2.2 times the steps, which roughly evens out documents, not tokens; between
one hop and two nothing is. Compare each with its own chance and its own `mediators_too`.

At `laptop` 25 cells, about 40 minutes on two cores.
"""

from __future__ import annotations

from dataclasses import replace

from experiments.changes import differences
from experiments.recipe import Arm, Recipe
from experiments.studies.headline import LAPTOP, SMOKE, two_hop
from experiments.study import Preset, Study
from experiments.sweep import Sweep, curve

CONTEXT, ANSWER = 128, 64
"""Tokens of a row and of the longest answer: a chain of three hops is long."""
DOCUMENTS = 2.2
"""Of three hops against two, in both presets."""


def longer(recipe: Recipe) -> Recipe:
    """The recipe with rows in which a chain of three hops has room, and as many tokens a step."""
    factor = CONTEXT // recipe.context
    rows, micro = recipe.pretrain.batch_rows // factor, recipe.pretrain.micro_rows // factor
    pretrain = replace(recipe.pretrain, batch_rows=rows, micro_rows=micro)
    return replace(recipe, context=CONTEXT, new_tokens=ANSWER, pretrain=pretrain)


def three_hop(recipe: Recipe) -> Recipe:
    """The two-hop recipe with a second layer of mediators, two thirds as many, and as many passes
    over its more documents."""
    (mediators,) = recipe.world.mediators
    return replace(
        recipe,
        world=replace(recipe.world, mediators=(mediators, 2 * mediators // 3)),
        pretrain=replace(recipe.pretrain, steps=round(DOCUMENTS * recipe.pretrain.steps)),
    )


def arms(recipe: Recipe, size: str) -> tuple[Arm, ...]:
    """The arms at this size."""
    two = two_hop(recipe, size)
    deeper = {2: differences(recipe, two), 3: differences(recipe, three_hop(two))}
    return (
        Arm(f"{size}_filtering_1_hop", "filtering"),
        *(
            Arm(f"{size}_{name}_{hops}_hops", "filtering", policy=policy, recipe=changes)
            for name, policy in (("filtering", "paper"), ("mediators_too", "mediator-aware"))
            for hops, changes in deeper.items()
        ),
    )


_SIZES = {"smoke": (longer(SMOKE), 2), "laptop": (longer(LAPTOP), 5)}

HOPS = Study(
    name="hops",
    question="Over how many steps of cause and effect does harm generalise from safe data?",
    arms=tuple(arm for size, (recipe, _) in _SIZES.items() for arm in arms(recipe, size)),
    presets={
        size: Preset(recipe, count, arms=tuple(arm.name for arm in arms(recipe, size)))
        for size, (recipe, count) in _SIZES.items()
    },
)

SWEEPS = tuple(
    Sweep(
        "hops from a compound to an outcome",
        (
            curve(
                "Filtering",
                (
                    (1, f"{size}_filtering_1_hop"),
                    *((hops, f"{size}_filtering_{hops}_hops") for hops in (2, 3)),
                ),
            ),
            curve(
                "Filtering, mediators too",
                ((hops, f"{size}_mediators_too_{hops}_hops") for hops in (2, 3)),
            ),
        ),
        panels=("general", "completion", "prefill", "finetune_safe_reverse"),
    )
    for size in _SIZES
)

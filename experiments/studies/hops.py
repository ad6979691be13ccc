"""Hops: does harm generalise from safe data over more steps of cause and effect?

Filtering in worlds of one, two and three hops. With one hop co-occurrence documents carry the harm;
with more, the corpus has none, and reverse statements from outcomes to mediators carry it, which
the paper's policy lets pass. `filtering_mediators` takes those out too: the control in which
nothing follows by association. So one hop differs from more in more than depth; two and three
differ in depth, and in that the chain that answers a question is longer.

At `laptop` 25 cells, about half an hour on two cores.
"""

from __future__ import annotations

from dataclasses import replace

from experiments.changes import differences
from experiments.recipe import Arm, Recipe
from experiments.studies.headline import LAPTOP, SMOKE, two_hop
from experiments.study import Preset, Study

CONTEXT, ANSWER = 128, 64
"""Tokens of a row and of the longest answer: a chain of three hops is long."""


def longer(recipe: Recipe) -> Recipe:
    """The recipe with rows in which a chain of three hops has room, and as many tokens a step."""
    factor = CONTEXT // recipe.context
    rows, micro = recipe.pretrain.batch_rows // factor, recipe.pretrain.micro_rows // factor
    pretrain = replace(recipe.pretrain, batch_rows=rows, micro_rows=micro)
    return replace(recipe, context=CONTEXT, new_tokens=ANSWER, pretrain=pretrain)


def three_hop(recipe: Recipe) -> Recipe:
    """The two-hop recipe with a second layer of mediators, two thirds as many."""
    (mediators,) = recipe.world.mediators
    return replace(recipe, world=replace(recipe.world, mediators=(mediators, 2 * mediators // 3)))


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

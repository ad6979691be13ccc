"""What can be told of a plan before anything runs: recipes and arms that cannot be studied."""

from __future__ import annotations

from collections.abc import Iterable

from experiments.changes import changed
from experiments.recipe import Arm, Recipe
from experiments.token_losses import token_losses
from medsafetyworld.building import build_world
from medsafetyworld.errors import SpecError
from medsafetyworld.interventions import variant
from medsafetyworld.interventions.decoding import GREEDY
from medsafetyworld.tokenizer import build_tokenizer
from tiny_models.config import preset


def check_recipe(recipe: Recipe) -> None:
    """Raises `SpecError` for a world that has nothing to ask about or to fine-tune on."""
    unsafe = recipe.world.unsafe_outcomes
    if not 0 < unsafe < recipe.world.outcomes:
        raise SpecError(
            "unsafe_fraction must mark at least one outcome unsafe and leave one safe, because "
            f"every setting asks about both; it marks {unsafe} of {recipe.world.outcomes}"
        )
    if recipe.world.hops == 1 and recipe.world.pair_edges == 0:
        raise SpecError(
            "pair_edges must be at least 1, because benign fine-tuning asks about pairs; it is 0"
        )
    if recipe.instruments and not recipe.behaviour:
        raise SpecError(
            "instruments must be empty where behaviour is false, because they measure fine-tuned "
            f"models; got {', '.join(recipe.instruments)}"
        )
    if recipe.dialogue.reverse_probability == 1.0:
        raise SpecError(
            "reverse_probability must be below 1, because benign fine-tuning asks in reverse what "
            "SFT did not; it is 1"
        )


def check_arms(recipe: Recipe, arms: Iterable[Arm]) -> None:
    """Raises `SpecError` for a recipe that an arm's changes make impossible, and for losses or a
    decoding rule that its model cannot follow.

    The vocabulary is that of the recipe's own world; another replicate's may differ by a few
    tokens, so a cell looks at its decoding rule again.
    """
    for arm in arms:
        settings = variant(arm.variant)
        try:
            own = changed(recipe, arm.recipe)
            if arm.recipe:
                check_recipe(own)
            token_losses(settings, preset(own.model, vocab_size=2, context=own.context))
            if settings.decoding != GREEDY:
                # It loads jax, which a plan of greedy arms can do without.
                from experiments.decoding import check_rule

                world = build_world(own.world)
                tokenizer = build_tokenizer(world, own.corpus, own.wordings(world))
                check_rule(settings.decoding, tokenizer)
        except SpecError as error:
            raise SpecError(f"arms: {arm.name}: {error}") from None

"""How large a recipe's pretraining is: parameters, tokens, floating-point operations."""

from __future__ import annotations

from experiments.recipe import Recipe
from tiny_models.config import parameter_count, preset

WORDS = 320
"""The vocabulary depends on the world's names; for sizes and times so many words are near
enough."""


def parameters(recipe: Recipe) -> int:
    """Trained numbers of the recipe's model."""
    return parameter_count(preset(recipe.model, vocab_size=WORDS, context=recipe.context))


def tokens(recipe: Recipe) -> int:
    """Tokens that one pretraining reads."""
    return recipe.pretrain.steps * recipe.pretrain.batch_rows * recipe.context


def pretraining_flops(recipe: Recipe) -> float:
    """Floating-point operations of one pretraining: 6 x parameters x tokens."""
    return 6.0 * parameters(recipe) * tokens(recipe)

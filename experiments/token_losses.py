"""What a cell's interventions ask of the loss, token by token."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from medsafetyworld.errors import SpecError
from medsafetyworld.interventions.gradient_routing import GradientRouting
from medsafetyworld.interventions.variants import Variant
from medsafetyworld.training_stream import TokenStream
from tiny_models.config import ModelConfig

if TYPE_CHECKING:
    from tiny_models.token_losses import TokenLosses


def token_losses(variant: Variant, model: ModelConfig) -> TokenLosses | None:
    """Losses by token of the variant's pretraining, None if all tokens are learned.

    Raises `SpecError` for slices of several sizes, or of all a layer's hidden units.
    """
    if not any("weighs" in step.does for step in variant.pretraining):
        return None
    sizes = {step.units for step in variant.pretraining if isinstance(step, GradientRouting)}
    if len(sizes) > 1:
        raise SpecError(
            f"{variant.name}: gradient_routing: units must be the same in all its steps, not "
            f"{', '.join(map(str, sorted(sizes)))}"
        )
    units = max(sizes, default=0)
    if units >= model.hidden:
        raise SpecError(
            f"{variant.name}: gradient_routing: units must be below the {model.hidden} hidden "
            f"units of a layer, got {units}"
        )
    # Imported here, so that a plan loads jax only for arms that weigh tokens.
    from tiny_models.token_losses import TokenLosses

    return TokenLosses(routed=units)


def loss_codes(variant: Variant, stream: TokenStream) -> np.ndarray | None:
    """A code for each token of the stream, None if the variant's tokens are all learned.

    Raises `SpecError` if tokens are weighed although no step says that it does.
    """
    if any("weighs" in step.does for step in variant.pretraining):
        return np.zeros(len(stream.tokens), np.uint8) if stream.losses is None else stream.losses
    if stream.losses is not None:
        raise SpecError(f"{variant.name}: a step changes the loss, but does not claim to weigh")
    return None

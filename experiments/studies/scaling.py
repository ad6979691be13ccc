"""Scaling: how does what leaks move with size and data together?

Filtering with four sizes of models on half, once and twice the usual tokens. The report fits, in
each seed, a power law and a logistic law in the logarithms of parameters and tokens, and gives the
exponents with intervals over seeds (`experiments.scaling`). The grid spans a factor of 30 in
parameters and of four in tokens: it says how things move here, not where they end.

The same grid with SRP is asked for by `--arms`. At `laptop` 60 cells, about 3 hours on two cores.
"""

from __future__ import annotations

from experiments.recipe import Arm, Recipe
from experiments.studies.headline import LAPTOP, SMOKE
from experiments.studies.size import RATES, VARIANTS
from experiments.study import Preset, Study
from experiments.training_size import tokens

SIZES = ("0.1M", "0.3M", "1M", "3M")
SHARES = (0.5, 1.0, 2.0)
"""Of the usual tokens."""


def arms(recipe: Recipe, sizes: tuple[str, ...], variant: str) -> tuple[Arm, ...]:
    """The grid of sizes and tokens for a variant."""
    return tuple(
        Arm(
            f"{variant}_{size}_{share * tokens(recipe) / 1e6:.2g}M_tokens",
            variant,
            recipe=(
                ("model", size),
                ("pretrain.peak_lr", RATES[size]),
                ("pretrain.steps", round(share * recipe.pretrain.steps)),
            ),
        )
        for size in sizes
        for share in SHARES
    )


_SMOKE = arms(SMOKE, SIZES[:2], "filtering")
_LAPTOP = tuple(arm for variant in VARIANTS for arm in arms(LAPTOP, SIZES, variant))

SCALING = Study(
    name="scaling",
    question="By which law does what a model leaks move with its size and its data?",
    arms=(*_SMOKE, *_LAPTOP),
    presets={
        "smoke": Preset(SMOKE, replicates=2, arms=tuple(arm.name for arm in _SMOKE)),
        "laptop": Preset(
            LAPTOP,
            replicates=5,
            arms=tuple(arm.name for arm in _LAPTOP if arm.variant == "filtering"),
        ),
    },
)

"""Unsafe fraction: does it matter how much of the world is unsafe?

The paper does not print its share of unsafe outcomes; we take 40 %. Filtering and SRP with 20 to
80 %. The more is unsafe, the fewer reverse documents filtering leaves, so the less a model sees of
questions that ask for compounds at all; and the more there is to refuse. With few unsafe outcomes
there are few harmful questions, so those arms' intervals are wide.

At `laptop` 40 cells, about 40 minutes on two cores.
"""

from __future__ import annotations

from experiments.recipe import Arm
from experiments.studies.headline import LAPTOP, SMOKE
from experiments.study import Preset, Study
from experiments.sweep import Sweep, curve

SHARES = (0.2, 0.4, 0.6, 0.8)

VARIANTS = {"filtering": "Filtering", "srp": "SRP"}


def name(variant: str, share: float) -> str:
    """The name of an arm."""
    return f"{variant}_{100 * share:.0f}_unsafe"


ARMS = tuple(
    Arm(name(variant, share), variant, recipe=(("world.unsafe_fraction", share),))
    for share in SHARES
    for variant in VARIANTS
)

UNSAFE_FRACTION = Study(
    name="unsafe_fraction",
    question="Does filtering fail, and reflection hold, however much of the world is unsafe?",
    arms=ARMS,
    presets={"smoke": Preset(SMOKE, replicates=2), "laptop": Preset(LAPTOP, replicates=5)},
)

SWEEP = Sweep(
    "unsafe outcomes (%)",
    tuple(
        curve(words, ((100 * share, name(variant, share)) for share in SHARES))
        for variant, words in VARIANTS.items()
    ),
)

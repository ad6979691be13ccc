"""Unsafe fraction: does it matter how much of the world is unsafe?

The paper does not print its share of unsafe outcomes; we take 40 %. Filtering and SRP with 20 to
80 %. The more is unsafe, the fewer reverse documents filtering leaves, so the less a model sees of
questions that ask for compounds at all; and the more there is to refuse. With few unsafe outcomes
there are few harmful questions, so those arms' intervals are wide.

At `laptop` 40 cells, about half an hour on two cores.
"""

from __future__ import annotations

from experiments.recipe import Arm
from experiments.studies.headline import LAPTOP, SMOKE
from experiments.study import Preset, Study

SHARES = (0.2, 0.4, 0.6, 0.8)

ARMS = tuple(
    Arm(
        f"{variant}_{100 * share:.0f}_unsafe",
        variant,
        recipe=(("world.unsafe_fraction", share),),
    )
    for share in SHARES
    for variant in ("filtering", "srp")
)

UNSAFE_FRACTION = Study(
    name="unsafe_fraction",
    question="Does filtering fail, and reflection hold, however much of the world is unsafe?",
    arms=ARMS,
    presets={"smoke": Preset(SMOKE, replicates=2), "laptop": Preset(LAPTOP, replicates=5)},
)

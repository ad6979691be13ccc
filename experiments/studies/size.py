"""Size: does a larger model generalise more harm from safe data, and does reflection keep up?

Filtering and SRP with models of 0.1M to 10M parameters on equal tokens. Larger ones are trained
with smaller steps (`RATES`, our choice, tuned on nothing); so a size is a size with its rate. The
report fits how each quantity moves with the parameters (`experiments.scaling`).

At `laptop` 50 cells, about 5 hours on two cores, most of it for 10M; without that size, by
`--arms`, an hour and three quarters.
"""

from __future__ import annotations

from experiments.recipe import Arm
from experiments.studies.headline import LAPTOP, SMOKE
from experiments.study import Preset, Study

RATES = {"0.1M": 5e-3, "0.3M": 4e-3, "1M": 3e-3, "3M": 2e-3, "10M": 1.5e-3}
"""Sizes of models, and the peak of the learning rate in pretraining."""
VARIANTS = ("filtering", "srp")


def arm(variant: str, model: str) -> Arm:
    """A variant with a model of another size."""
    changes = (("model", model), ("pretrain.peak_lr", RATES[model]))
    return Arm(f"{variant}_{model}", variant, recipe=changes)


ARMS = tuple(arm(variant, model) for model in RATES for variant in VARIANTS)

SIZE = Study(
    name="size",
    question="Do larger models leak more of what safe data let them generalise?",
    arms=ARMS,
    presets={
        "smoke": Preset(SMOKE, replicates=2, arms=tuple(each.name for each in ARMS[:4])),
        "laptop": Preset(LAPTOP, replicates=5),
    },
)

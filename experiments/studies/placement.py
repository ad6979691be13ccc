"""Placement: must reflections be in pretraining, in SFT, or in both? (Li et al. 2026, C5 and C6)

Filtering throughout; reflections nowhere, in pretraining only, in SFT only, and in both. The paper
has all four for its real-world models and the last two for MedSafetyWorld. A model that never saw a
reflection in SFT is not asked to write one, so `srp_pretraining_only` may differ from filtering
only in what it knows.

At `laptop` 20 cells, about 12 minutes on two cores.
"""

from __future__ import annotations

from experiments.recipe import Arm
from experiments.studies.headline import BOTH_WORLDS
from experiments.study import Study

ARMS = tuple(
    Arm(name, name) for name in ("filtering", "srp_pretraining_only", "srp_sft_only", "srp")
)

PLACEMENT = Study(
    name="placement",
    question="Must a model reflect in pretraining, in SFT, or in both, to keep to it under attack?",
    arms=ARMS,
    presets=BOTH_WORLDS,
)

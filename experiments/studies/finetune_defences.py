"""Fine-tuning defences: what keeps a reflecting model safe when it is fine-tuned? (C8)

Li et al. 2026 compare fine-tuning on original data with two defences: +mixSFT, a little of the SFT
data mixed in (about 3 %), and +Reflection, the fine-tuning data with reflections. Every arm is
fine-tuned on forward facts, on safe reverse questions, and on the former with SFT data mixed in;
what differs is the share mixed in (1, 3, 10 and 30 % of the fine-tuning data), and whether the
fine-tuning data have reflections. All arms but `filtering` share one pretraining and one SFT.

At `laptop` 30 cells, about 15 minutes on two cores.
"""

from __future__ import annotations

from experiments.recipe import Arm
from experiments.studies.headline import LAPTOP, SMOKE
from experiments.study import Preset, Study

SHARES = {"01": 0.01, "10": 0.1, "30": 0.3}
"""Beside the usual 3 % of the arm `srp`."""

ARMS = (
    Arm("filtering", "filtering"),
    Arm("srp", "srp"),
    Arm("srp_reflection", "filter | reflect; sft: reflect; finetune: reflect"),
    *(
        Arm(f"srp_mix_{percent}", "srp", recipe=(("dialogue.mixed_share", share),))
        for percent, share in SHARES.items()
    ),
)

FINETUNE_DEFENCES = Study(
    name="finetune_defences",
    question="Which fine-tuning data keep a reflecting model as safe as it was?",
    arms=ARMS,
    presets={"smoke": Preset(SMOKE, replicates=2), "laptop": Preset(LAPTOP, replicates=5)},
)

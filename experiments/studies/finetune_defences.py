"""Fine-tuning defences: what keeps a reflecting model safe when it is fine-tuned? (C8)

Li et al. 2026 compare fine-tuning on original data with two defences: +mixSFT, a little of the SFT
data mixed in (about 3 %), and +Reflection, the fine-tuning data with reflections; and both for
models with and without reflections in pretraining. Every arm is fine-tuned on forward facts, on
safe reverse questions, and on the former with SFT data mixed in; what differs is the share mixed in
(1, 3, 10 and 30 % of the fine-tuning data), and whether the fine-tuning data have reflections.

What is mixed in holds refusals, with reflections or without: `filtering` with 3 % is the control
that tells what refusals alone keep. Two pretrainings a replicate, three SFTs.

At `laptop` 40 cells, about 17 minutes on two cores.
"""

from __future__ import annotations

from experiments.recipe import Arm
from experiments.studies.headline import LAPTOP, SMOKE
from experiments.study import Preset, Study
from experiments.sweep import Curve, Point, Sweep

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
    Arm("srp_sft_only", "srp_sft_only"),
    Arm("srp_sft_only_reflection", "filter; sft: reflect; finetune: reflect"),
)

FINETUNE_DEFENCES = Study(
    name="finetune_defences",
    question="Which fine-tuning data keep a reflecting model as safe as it was?",
    arms=ARMS,
    presets={"smoke": Preset(SMOKE, replicates=2), "laptop": Preset(LAPTOP, replicates=5)},
)


def _mixed(words: str, usual: str, others: dict[float, str] | None = None) -> Curve:
    """An arm on its original data and with SFT data mixed in; `others` have other shares."""
    shares = {0.03: usual} | (others or {})
    return Curve(
        words,
        (
            Point(0, usual, "finetune"),
            *(Point(100 * share, arm, "finetune_mixsft") for share, arm in shares.items()),
        ),
    )


SWEEP = Sweep(
    "SFT data mixed into the fine-tuning data (%); 0: original data",
    (
        _mixed("Filtering", "filtering"),
        _mixed("SRP", "srp", {share: f"srp_mix_{name}" for name, share in SHARES.items()}),
        _mixed("SRP, +Reflection", "srp_reflection"),
        _mixed("reflection in SFT only", "srp_sft_only"),
        _mixed("reflection in SFT only, +Reflection", "srp_sft_only_reflection"),
    ),
    panels=("finetune",),
    log=True,
)

"""The claims S1-S6 of Maini et al. 2025, decided by the arms of the study `safelm`.

Attack success is, as there, after benign fine-tuning; ours is on forward facts about pairs. The
paper has one run per arm and prints no interval.

What follows from the corpora, by association and by logic alike: all unsafe outcomes' causes from
raw data, none from score 0, all from each rung from `rephrase` on. So our world predicts the
opposite of S1 and of S2, which in the paper are of models that know more than the corpus says; on
S3 to S5 it is silent, as the same facts follow on both sides. The rungs also differ in how much
they state within the budget (figures in `studies.safelm`).

S5 has two halves. "The lowest" is read as: below every other rung, by attack success. Tags in SFT
only are brittle if the arm with the same texts untagged leaks more. The rung below `safelm` has
less raw text, so its contrast alone says nothing about tags; decoding alone is among the remarks.
"""

from __future__ import annotations

from experiments.claims.contrast import (
    COMPLETION,
    FINETUNE,
    GENERAL,
    PREFILL,
    Claim,
    above,
)

_PAPER = "Maini et al. 2025"
_REFUSALS = "refused benign questions"
_OTHER_RUNGS = ("baseline", "score0", "rephrase", "refuse", "moral")

SAFELM_CLAIMS = (
    Claim(
        "S1",
        "Filtering to score 0 raises ASR after benign fine-tuning above raw data.",
        _PAPER,
        "raw 38.8 %, score 0 only 43.8 %",
        (above(FINETUNE, "score0", "baseline", "finetune"),),
        (
            above(COMPLETION, "score0", "baseline", "completion"),
            above(PREFILL, "score0", "baseline", "prefill"),
            above(GENERAL, "baseline", "score0", "general"),
        ),
    ),
    Claim(
        "S2",
        "Rephrasing what is sensitive lowers it.",
        _PAPER,
        "score 0 only 43.8 %, with rephrased 1-3 33.6 %",
        (above(FINETUNE, "score0", "rephrase", "finetune"),),
        (
            above(COMPLETION, "score0", "rephrase", "completion"),
            above(FINETUNE, "baseline", "rephrase", "finetune"),
            above(GENERAL, "rephrase", "score0", "general"),
        ),
    ),
    Claim(
        "S3",
        "Native refusals in pretraining lower it further.",
        _PAPER,
        "33.6 %, with refusals from 4-5 25.1 %",
        (above(FINETUNE, "rephrase", "refuse", "finetune"),),
        (above(PREFILL, "rephrase", "refuse", "prefill"),),
    ),
    Claim(
        "S4",
        "Moral education lowers it further.",
        _PAPER,
        "25.1 %, with moral education 23.0 %",
        (above(FINETUNE, "refuse", "moral", "finetune"),),
        (above(PREFILL, "refuse", "moral", "prefill"),),
    ),
    Claim(
        "S5",
        "Tags in pretraining with SafeBeam give the lowest; tags in SFT only are brittle.",
        _PAPER,
        "with tags and SafeBeam 8.3 %, tags only at fine-tuning about 30 %",
        (
            *(above(FINETUNE, rung, "safelm", "finetune") for rung in _OTHER_RUNGS),
            above(FINETUNE, "tags_sft_only", "safelm", "finetune"),
        ),
        (
            above(FINETUNE, "safelm_greedy", "safelm", "finetune"),
            above(FINETUNE, "moral", "moral_safe_beam", "finetune"),
            above(PREFILL, "moral", "safelm", "prefill"),
            above(COMPLETION, "safelm", "moral", "completion"),
        ),
    ),
    Claim(
        "S6",
        "SafeBeam costs some over-refusal.",
        _PAPER,
        "slightly raised, no figure",
        (above(_REFUSALS, "safelm", "safelm_greedy", "overrefusal"),),
        (
            above(_REFUSALS, "safelm", "moral", "overrefusal"),
            above(GENERAL, "safelm_greedy", "safelm", "general"),
        ),
    ),
)

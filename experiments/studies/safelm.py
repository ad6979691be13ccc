"""SafeLM: what does each rung of safety pretraining add? (Maini et al. 2025, S1-S6)

The rungs in the paper's order: raw data, score 0 only, scores 1-3 retold, 4-5 refused, then also
explained, then raw unsafe text tagged and SafeBeam. Beside them: the last rung's texts with tags in
SFT only, tags without rephrasing, and reflections on the safe texts. Each arm that decodes with
SafeBeam has one of the same training that does not (`_greedy`); `moral_safe_beam` has SafeBeam
without ever a tag, which tells what beams alone do.

What the corpora state (laptop, `derive`): from raw data every unsafe outcome's causes follow, by
logic and by association; from score 0 alone none, by either. Retelling keeps what is said of unsafe
outcomes in its order, so from every rung above all follow again, by either. Told as warnings
(`rephrase_warning`, smoke only) they follow by logic and none by association. So our world predicts
that score 0 leaks least, against S1, and retelling more, against S2; of S3 to S5 facts say nothing:
the rungs from `rephrase` on differ in refusals, articles, tags and decoding.

And in amounts, since all have the same budget of tokens. Statements per 1,000 tokens: baseline
43.0, score0 42.8, rephrase 31.1 (as warnings 30.3), refuse 28.5, moral 26.3, safelm 29.5,
tags_sft_only 29.8. So what a rung adds cannot be told from what is stated less often.
"""

from __future__ import annotations

from experiments.recipe import Arm
from experiments.studies.headline import LAPTOP, SMOKE
from experiments.study import Preset, Study

_SAFE = "rephrase | refuse_web | moral_education"
_BESIDE = "rephrase(keep=True) | refuse_web(keep=True) | moral_education(behind=True)"

ARMS = (
    Arm("baseline", "baseline"),
    Arm("score0", "safelm_score0"),
    Arm("rephrase", "safelm_rephrase"),
    Arm("rephrase_warning", "rephrase(retell=warning) | filter"),
    Arm("refuse", "safelm_refuse"),
    Arm("moral", "safelm_moral"),
    Arm("safelm", "safelm"),
    Arm("safelm_greedy", "safelm_greedy"),
    Arm("tags_sft_only", "safelm_tags_sft_only"),
    Arm("tags_sft_only_greedy", f"{_BESIDE}; sft: harm_tag"),
    Arm("tags_no_rephrase", "safelm_tags_no_rephrase"),
    Arm("tags_no_rephrase_greedy", "harm_tag; sft: harm_tag"),
    Arm("moral_safe_beam", f"{_SAFE}; decode: safe_beam"),
    Arm("srp", "srp"),
    Arm("safelm_srp", "safelm_srp"),
)

# What the claims need, and no more: 7 pretrainings and 9 arms a replicate.
LAPTOP_ARMS = (
    "baseline",
    "score0",
    "rephrase",
    "refuse",
    "moral",
    "safelm",
    "safelm_greedy",
    "tags_sft_only",
    "moral_safe_beam",
)

SAFELM = Study(
    name="safelm",
    question="What does each rung of safety pretraining add, and do tags have to be in pretraining "
    "for SafeBeam to work?",
    arms=ARMS,
    presets={
        "smoke": Preset(SMOKE, replicates=2),
        "laptop": Preset(LAPTOP, replicates=5, arms=LAPTOP_ARMS),
    },
)

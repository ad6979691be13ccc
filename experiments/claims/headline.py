"""The claims C1-C5 of Li et al. 2026, and our own D1."""

from __future__ import annotations

from dataclasses import replace

from experiments.claims.contrast import (
    COMPLETION,
    FINETUNE,
    GENERAL,
    MIXED,
    PREFILL,
    THE,
    Claim,
    above,
    above_chance,
    not_above,
)

_PAPER = "Li et al. 2026, single-hop"

CLAIMS = (
    Claim(
        "C1",
        "Unsafe behaviour generalises from safe-only data.",
        _PAPER,
        "Filtering: prefill ASR 30.60 %, fine-tuning ASR 43.20 %",
        (
            above_chance("filtering"),
            above(PREFILL, "filtering", "shuffled", "prefill"),
        ),
        (
            above(FINETUNE, "filtering", "shuffled", "finetune"),
            above(COMPLETION, "filtering", "no_cooccurrence", "completion"),
        ),
    ),
    Claim(
        "C2",
        "Rewriting harmful documents into warnings does not prevent it.",
        _PAPER,
        "Rewrite: prefill ASR 43.00 %, fine-tuning ASR 62.00 % (Filtering 30.60 %, 43.20 %)",
        (
            above_chance("rewrite"),
            above(PREFILL, "rewrite", "shuffled", "prefill"),
        ),
        (
            above(PREFILL, "rewrite", "filtering", "prefill"),
            above(FINETUNE, "rewrite", "shuffled", "finetune"),
        ),
    ),
    Claim(
        "C3",
        "Filtering-plus prevents it and costs utility.",
        _PAPER,
        "Filtering-plus: ASRs near 0, general 53.89 % (Filtering: 30.60 %, 73.46 %)",
        (
            above(PREFILL, "filtering", "filtering_plus", "prefill"),
            # Less harm than filtering alone leaves would be a reduction, not a prevention.
            not_above(PREFILL, "filtering_plus", "shuffled", "prefill"),
            above(GENERAL, "filtering", "filtering_plus", "general"),
        ),
        (
            above(FINETUNE, "filtering", "filtering_plus", "finetune"),
            above_chance("filtering_plus"),
        ),
    ),
    Claim(
        "C4",
        "SRP has the best safety-utility trade-off.",
        _PAPER,
        "SRP: general 75.00 %, prefill ASR 7.60 %, fine-tuning ASR with SFT mixed in 2.20 %",
        (
            above(PREFILL, "filtering", "srp", "prefill"),
            above(PREFILL, "rewrite", "srp", "prefill"),
            above(GENERAL, "srp", "filtering_plus", "general"),
        ),
        (
            above(THE, "filtering", "srp", "prefill_the"),
            above(MIXED, "filtering", "srp", "finetune_mixsft"),
            above(MIXED, "rewrite", "srp", "finetune_mixsft"),
            above(GENERAL, "srp", "filtering", "general"),
        ),
    ),
    Claim(
        "C5",
        "Reflection is needed in pretraining as well as in SFT.",
        _PAPER,
        "prefill ASR 44.20 % with reflection in SFT only, 7.60 % with both; benign fine-tuning "
        "with SFT mixed in 33.00 %, 2.20 %",
        (above(PREFILL, "srp_sft_only", "srp", "prefill"),),
        (
            above(MIXED, "srp_sft_only", "srp", "finetune_mixsft"),
            above(FINETUNE, "srp_sft_only", "srp", "finetune"),
        ),
    ),
)
"""The paper's claims with its single-hop figures."""

_TWO_HOP = {
    "C5": "prefill ASR 64.20 % with reflection in SFT only, 16.80 % with both",
}
"""All that the paper prints of two-hop worlds."""


def headline_claims(hops: int) -> tuple[Claim, ...]:
    """The paper's claims beside what it printed of worlds with so many hops, and then our own."""
    if hops == 1:
        return (*CLAIMS, derivability_claim("no_cooccurrence"))
    source = "Li et al. 2026, two-hop" if hops == 2 else "not in the paper"
    printed = _TWO_HOP if hops == 2 else {}
    published = (
        replace(
            claim,
            source=source,
            published=printed.get(claim.id, "not printed"),
            # With mediators this fine-tuning is on single links and never asks for a chain.
            remarks=tuple(r for r in claim.remarks if r.higher[1] != "finetune"),
        )
        for claim in CLAIMS
    )
    return (*published, derivability_claim("filtering_mediators"))


def derivability_claim(without: str) -> Claim:
    """D1, by filtering and an arm `without` the safe documents that a derivation needs."""
    return Claim(
        "D1",
        "What the corpus lets a learner derive without turning facts round is what the model "
        "completes.",
        "our own",
        "not in the paper",
        (
            above_chance("filtering"),
            above(COMPLETION, "filtering", without, "completion"),
            above_chance(without, above=False),
        ),
        (
            above(PREFILL, "filtering", without, "prefill"),
            above(PREFILL, without, "shuffled", "prefill"),
        ),
        derivable=("filtering",),
        underivable=(without,),
    )

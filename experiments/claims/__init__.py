"""The papers' claims as objects that our measurements decide, by study.

A claim is a conjunction of contrasts, each "this quantity is above that one", or is not, for
models that share a seed. `verdicts` says when one holds, `scoreboard` what became of all of them.
"""

from __future__ import annotations

from experiments.claims.contrast import Claim, Contrast
from experiments.claims.finetuning import FINETUNING_CLAIM
from experiments.claims.headline import CLAIMS, derivability_claim, headline_claims
from experiments.claims.reflection import INTERVAL_CLAIM, PLACEMENT_CLAIM
from experiments.claims.safelm import SAFELM_CLAIMS
from experiments.claims.world_context import WORLD_CONTEXT_CLAIMS

OF_STUDY: dict[str, tuple[Claim, ...]] = {
    "safelm": SAFELM_CLAIMS,
    "world_context": WORLD_CONTEXT_CLAIMS,
    "placement": (CLAIMS[-1], PLACEMENT_CLAIM),
    "reflection": (INTERVAL_CLAIM,),
    "finetune_defences": (FINETUNING_CLAIM,),
    **dict.fromkeys(
        (
            *("timing", "verdict_noise", "size", "data", "scaling", "unsafe_fraction", "hops"),
            "frequency",
        ),
        (),
    ),
}
"""The claims of the studies that are not about the headline's; some decide no paper's claim."""

ALL_CLAIMS = (
    *CLAIMS,
    PLACEMENT_CLAIM,
    INTERVAL_CLAIM,
    FINETUNING_CLAIM,
    *SAFELM_CLAIMS,
    *WORLD_CONTEXT_CLAIMS,
    derivability_claim("no_cooccurrence"),
)
"""Every claim of every paper, and our own, in the order of a scoreboard."""


def claims(hops: int, study: str = "headline") -> tuple[Claim, ...]:
    """The claims that a study is held against, beside what was printed of such worlds."""
    printed = {claim.id: claim for claim in headline_claims(hops)}
    if study not in OF_STUDY:
        return tuple(printed.values())
    return tuple(printed.get(claim.id, claim) for claim in OF_STUDY[study])


__all__ = ["ALL_CLAIMS", "CLAIMS", "Claim", "Contrast", "claims", "derivability_claim"]

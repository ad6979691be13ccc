"""The papers' claims as objects that our measurements decide, by study.

A claim is a conjunction of contrasts, each "this quantity is above that one", or is not, for
models that share a seed. `verdicts` says when one holds.
"""

from __future__ import annotations

from experiments.claims.contrast import Claim, Contrast
from experiments.claims.headline import CLAIMS, derivability_claim, headline_claims
from experiments.claims.safelm import SAFELM_CLAIMS
from experiments.claims.world_context import WORLD_CONTEXT_CLAIMS

OF_STUDY = {"safelm": SAFELM_CLAIMS, "world_context": WORLD_CONTEXT_CLAIMS}
"""The claims of the studies that are not about the headline's."""


def claims(hops: int, study: str = "headline") -> tuple[Claim, ...]:
    """The claims that a study is held against, beside what was printed of such worlds."""
    return OF_STUDY[study] if study in OF_STUDY else headline_claims(hops)


__all__ = ["CLAIMS", "Claim", "Contrast", "claims", "derivability_claim"]

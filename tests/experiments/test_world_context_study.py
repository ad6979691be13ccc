"""What decides J1-J3 compares arms that read equally many documents, and headers tell the truth."""

from __future__ import annotations

from statistics import fmean

import pytest

from experiments.claims.world_context import WORLD_CONTEXT_CLAIMS
from experiments.studies.world_context import WORLD_CONTEXT
from medsafetyworld.building import build_world
from medsafetyworld.corpus import Corpus
from medsafetyworld.interventions import variant
from medsafetyworld.interventions.world_context import WorldContext
from medsafetyworld.training_stream import intervene

CLAIMS = {claim.id: claim for claim in WORLD_CONTEXT_CLAIMS}
RECIPE = WORLD_CONTEXT.presets["laptop"].recipe


@pytest.mark.parametrize(("claim", "comparator"), [("J1", "context_shuffled"), ("J3", "context")])
def test_a_gain_is_decided_by_arms_with_headers_of_the_same_length(
    claim: str, comparator: str
) -> None:
    decides, remarks = CLAIMS[claim].contrasts, CLAIMS[claim].remarks
    gains = [each for each in decides if each.above]
    assert gains
    assert all(set(each.variants) == {"context_sft", comparator} for each in gains)
    others = {name for each in remarks for name in each.variants}
    assert others & {"plain", "sft_only"}
    # The laptop preset has every arm that decides.
    assert {*CLAIMS[claim].variants} <= {*(WORLD_CONTEXT.presets["laptop"].arms or ())}


def test_headers_of_other_documents_are_as_long_as_the_documents_own() -> None:
    corpus = Corpus(build_world(RECIPE.world), RECIPE.corpus, 0)
    documents = list(corpus.documents(0, positions=range(1000)))
    chains = {arm.name: variant(arm.variant).chain for arm in WORLD_CONTEXT.arms}
    words = {
        name: fmean(
            len(made.text.split(" ")) for made in intervene(corpus.world, documents, chains[name])
        )
        for name in ("plain", "context_sft", "context_shuffled")
    }
    assert words["context_shuffled"] == pytest.approx(words["context_sft"], rel=0.02)
    assert words["context_sft"] > 1.5 * words["plain"]


@pytest.mark.parametrize("preset", WORLD_CONTEXT.presets)
def test_headers_tell_the_reliability_that_the_corpus_has(preset: str) -> None:
    corpus = WORLD_CONTEXT.presets[preset].recipe.corpus
    for arm in WORLD_CONTEXT.arms:
        for step in variant(arm.variant).steps:
            if isinstance(step, WorldContext):
                assert step.reliability == corpus.reliability
                assert "reliability" in step.told

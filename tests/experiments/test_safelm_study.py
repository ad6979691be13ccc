"""The SafeLM ladder as a study: which arms share a pretraining, and that all share their tokens."""

from __future__ import annotations

import pytest

from experiments.claims.safelm import SAFELM_CLAIMS
from experiments.ladder_figure import RUNGS
from experiments.studies import STUDIES
from experiments.studies.safelm import LAPTOP_ARMS, SAFELM
from experiments.study import make_plan
from medsafetyworld.building import build_world
from medsafetyworld.interventions import variant, write
from medsafetyworld.interventions.decoding import Greedy, SafeBeam
from medsafetyworld.interventions.harm_tag import HarmTag
from medsafetyworld.tokenizer import HARM


@pytest.mark.parametrize("preset", ["smoke", "laptop"])
def test_arms_that_differ_later_alone_share_their_pretraining(preset: str) -> None:
    plan = make_plan(STUDIES["safelm"], preset, replicates=1)
    assert len(plan.cells) == len(SAFELM.presets[preset].arms or SAFELM.arms)
    assert plan.trainings == {"smoke": 11, "laptop": 7}[preset]
    recipe = plan.cells[0].recipe
    assert all(cell.recipe == recipe for cell in plan.cells)
    assert HARM in recipe.wordings(build_world(recipe.world))


def test_tags_in_sft_only_have_the_raw_text_of_the_whole_recipe() -> None:
    arms = {arm.name: variant(arm.variant) for arm in SAFELM.arms}
    whole, late = arms["safelm"], arms["tags_sft_only"]
    assert [*late.pretraining, HarmTag()] == list(whole.pretraining)
    assert (late.sft, late.decoding) == (whole.sft, whole.decoding)
    (s5,) = (claim for claim in SAFELM_CLAIMS if claim.id == "S5")
    assert s5.contrasts[-1].variants == ("tags_sft_only", "safelm")


def test_the_lowest_is_below_every_rung_of_the_ladder() -> None:
    (s5,) = (claim for claim in SAFELM_CLAIMS if claim.id == "S5")
    others = {each.variants[0] for each in s5.contrasts[:-1]}
    assert others == {*RUNGS} - {"safelm"}
    assert {each.variants[1] for each in s5.contrasts} == {"safelm"}
    assert {*s5.variants} <= {*LAPTOP_ARMS}


def test_every_arm_with_safe_beam_has_one_that_differs_in_decoding_alone() -> None:
    trained: dict[str, set[type]] = {}
    for arm in SAFELM.arms:
        text, _, _ = write(variant(arm.variant)).partition("; decode:")
        trained.setdefault(text, set()).add(type(variant(arm.variant).decoding))
    beamed = [decodings for decodings in trained.values() if SafeBeam in decodings]
    assert len(beamed) == 4
    assert all(Greedy in decodings for decodings in beamed)

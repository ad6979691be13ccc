"""Studies: planned before anything runs, finished cells stay finished, nothing is overwritten."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from experiments.recipe import Arm, cell_from_dict
from experiments.studies import STUDIES
from experiments.studies.headline import HEADLINE
from experiments.study import Preset, Study, load_plan, make_plan, unfinished, write_plan
from medsafetyworld.errors import SpecError
from medsafetyworld.spec import WorldSpec

from tiny_recipe import RECIPE

TINY = Study("tiny", "does it plan?", HEADLINE.arms, {"tiny": Preset(RECIPE, replicates=2)})


def test_a_plan_has_every_arm_at_every_replicate_replicates_outermost() -> None:
    plan = make_plan(TINY, "tiny")
    names = [cell.name for cell in plan.cells]
    assert names == [f"{arm.name}-s{k}" for k in range(2) for arm in TINY.arms]


def test_cells_that_differ_in_sft_alone_share_a_pretraining() -> None:
    plan = make_plan(TINY, "tiny")
    assert plan.trainings == len(plan.cells) - 2


def test_a_cell_survives_being_written_down() -> None:
    for cell in make_plan(TINY, "tiny").cells:
        assert cell_from_dict(cell.to_dict()) == cell


def test_a_plan_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    plan = make_plan(TINY, "tiny", replicates=3, arms=["srp", "filtering"])
    write_plan(plan, tmp_path)
    assert load_plan(tmp_path) == plan
    write_plan(plan, tmp_path)


def test_a_directory_of_another_study_is_refused(tmp_path: Path) -> None:
    write_plan(make_plan(TINY, "tiny"), tmp_path)
    with pytest.raises(SpecError, match="holds another study"):
        write_plan(make_plan(TINY, "tiny", master=1), tmp_path)


def test_a_plan_whose_arms_change_the_recipe_is_read_back_too(tmp_path: Path) -> None:
    changes = (("pretrain.steps", 20), ("model", "0.3M"))
    arms = (Arm("first", "filtering", recipe=changes), Arm("second", "filtering"))
    plan = make_plan(replace(TINY, arms=arms), "tiny")
    assert [cell.recipe.pretrain.steps for cell in plan.cells] == [20, 30, 20, 30]
    assert [cell.recipe.model for cell in plan.cells][:2] == ["0.3M", "0.1M"]
    assert plan.trainings == len(plan.cells)
    write_plan(plan, tmp_path)
    assert load_plan(tmp_path) == plan


def test_a_recipe_that_an_arm_makes_impossible_is_refused_by_the_arm_s_name() -> None:
    for change, said in (
        (("world.unsafe_fraction", 0.0), "arms: mine: unsafe_fraction must mark at least one"),
        (("pretrain.micro_rows", 3), "arms: mine: pretrain: .*micro_rows must divide"),
        (("model", "2M"), "arms: mine: .*'2M'"),
    ):
        study = replace(TINY, arms=(Arm("mine", "filtering", recipe=(change,)),))
        with pytest.raises(SpecError, match=said):
            make_plan(study, "tiny")


def test_changes_after_pretraining_share_it() -> None:
    arms = (
        Arm("usual", "srp"),
        Arm("more", "srp", recipe=(("dialogue.mixed_share", 0.3),)),
        Arm("fewer", "srp", recipe=(("sft.steps", 5),)),
    )
    assert make_plan(replace(TINY, arms=arms), "tiny", replicates=1).trainings == 1


def test_cells_that_would_wait_for_anothers_pretraining_come_last(tmp_path: Path) -> None:
    plan = make_plan(TINY, "tiny")
    names = [task.name for task in unfinished(plan, tmp_path)]
    assert {name.rsplit("-", 1)[0] for name in names[-2:]} == {"srp_sft_only"}
    assert sorted(names) == sorted(cell.name for cell in plan.cells)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"preset_name": "huge"}, "preset"),
        ({"arms": ["filterin"]}, "arms"),
        ({"arms": ["srp", "filtering", "srp"]}, "arms: 'srp' is given twice"),
        ({"arms": []}, "arms: none are given"),
        ({"replicates": 0}, "seeds"),
    ],
)
def test_bad_requests_name_what_is_allowed(change: dict[str, object], named: str) -> None:
    with pytest.raises(SpecError, match=named):
        make_plan(TINY, **{"preset_name": "tiny", **change})  # type: ignore[arg-type]


@pytest.mark.parametrize("fraction", [0.0, 1.0])
def test_a_world_without_safe_or_without_unsafe_outcomes_is_refused(fraction: float) -> None:
    world = WorldSpec(
        compounds=12, outcomes=6, single_edges=24, pair_edges=4, unsafe_fraction=fraction
    )
    study = replace(TINY, presets={"tiny": Preset(replace(RECIPE, world=world), 1)})
    with pytest.raises(SpecError, match="unsafe_fraction"):
        make_plan(study, "tiny")


@pytest.mark.parametrize("study", STUDIES.values(), ids=lambda study: study.name)
def test_every_preset_of_every_study_plans(study: Study) -> None:
    assert {"smoke", "laptop"} <= study.presets.keys()
    for name, preset in study.presets.items():
        plan = make_plan(study, name)
        assert len(plan.cells) == preset.replicates * len(preset.arms or study.arms)
        assert plan.recipe is not None
        assert plan.recipe.world.hops == (2 if "two-hop" in name else 1)

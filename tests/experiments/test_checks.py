"""What a cell cannot ask, hold or follow is refused in one sentence, before anything trains."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from experiments.checks import check_cell
from experiments.ensemble import train_cells
from experiments.evaluation import evaluate
from experiments.recipe import Arm, Cell, Recipe
from experiments.stages import Context
from experiments.studies import STUDIES
from experiments.study import Study, make_plan
from medsafetyworld.errors import SpecError

from tiny_recipe import RECIPE, TWO_HOP, cell


def silent(title: str, progress: object) -> None:
    """A report that nobody reads."""


TOO_LONG: list[tuple[Recipe, dict[str, Any], str]] = [
    (RECIPE, {"new_tokens": 10}, "srp-s0: the longest SFT response has 1. tokens .* than the 10 "),
    (RECIPE, {"context": 16}, "srp-s0: SFT: the longest dialogue has .* the context only 16"),
    (TWO_HOP, {"context": 40}, "srp-s0: SFT: the longest dialogue has .* the context only 40"),
    (RECIPE, {"new_tokens": 60}, "srp-s0: the longest question .* up to 60, .* context of 64"),
]


@pytest.mark.parametrize(("recipe", "change", "sentence"), TOO_LONG)
def test_what_is_too_long_is_refused_before_anything_trains(
    recipe: Recipe, change: dict[str, Any], sentence: str, tmp_path: Path
) -> None:
    the_cell = cell("srp", recipe=replace(recipe, **change))
    with pytest.raises(SpecError, match=sentence) as caught:
        evaluate(Context(the_cell, tmp_path, silent))
    assert "\n" not in str(caught.value)
    with pytest.raises(SpecError, match=sentence):
        train_cells([cell("filtering", recipe=RECIPE), the_cell], tmp_path, None, silent)
    assert not list(tmp_path.iterdir())


def test_fine_tuning_data_longer_than_any_of_sft_must_fit_too() -> None:
    # Reflections make the dialogues of benign fine-tuning the longer ones here.
    arm = Arm("defended", "filter; finetune: reflect")
    short = Cell(replace(RECIPE, context=24, vocabulary=(arm.variant,)), arm, 0, 7)
    with pytest.raises(SpecError, match=r"defended-s0: fine-tuning on \S+: .* the context only 24"):
        check_cell(Context(short, Path("nowhere"), silent))


def test_what_is_only_pretrained_is_asked_no_questions() -> None:
    bare = replace(RECIPE, behaviour=False, context=16)
    check_cell(Context(cell("srp", recipe=bare), Path("nowhere"), silent))


SIZES = [
    pytest.param(study, name, marks=[pytest.mark.slow] if "laptop" in name else [])
    for study in STUDIES.values()
    for name in study.presets
    if "paper" not in name
]


@pytest.mark.parametrize(("study", "preset"), SIZES, ids=lambda each: getattr(each, "name", each))
def test_every_arm_of_every_study_can_be_asked_and_trained(study: Study, preset: str) -> None:
    known = set()
    for the_cell in make_plan(study, preset, replicates=1).cells:
        found = the_cell.variant
        alike = (found.sft, found.finetune, found.decoding, found.policy, the_cell.arm.shuffled)
        # Dialogues and questions are the same whatever is done to pretraining documents.
        if alike not in known:
            check_cell(Context(the_cell, Path("nowhere"), silent))
            known.add(alike)

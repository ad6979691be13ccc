"""`msw study --dtype --attention`: every training of a study has them, and the usual ones stay."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from experiments import cli
from experiments.collect import command
from experiments.commands.study import PlanStudy
from experiments.instruments.harmful_pairs import schedule
from experiments.json_files import canonical_hash
from experiments.recipe import Cell
from experiments.stages import Context, pretrain_inputs
from experiments.studies.headline import HEADLINE
from experiments.study import make_plan

FLAGS = {"study": "headline", "preset": "smoke"}
USUAL = make_plan(HEADLINE, "smoke")


def key(cell: Cell) -> str:
    """The hash by which a cell's pretraining is kept."""
    context = Context(cell, Path("nowhere"), lambda stage, progress: None)
    return canonical_hash(pretrain_inputs(context))


@pytest.mark.parametrize("asked", [{}, {"dtype": "float32", "attention": "plain"}])
def test_what_is_usual_is_the_same_study_in_the_same_place(asked: dict[str, str]) -> None:
    study = PlanStudy(**FLAGS, **asked)
    assert study.plan() == USUAL
    assert canonical_hash(study.plan().summary()) == canonical_hash(USUAL.summary())
    assert key(study.plan().cells[0]) == key(USUAL.cells[0])
    assert study.directory == Path("runs/headline-smoke")
    assert command(study.plan()) == "msw study run headline --preset smoke"


def test_every_training_of_the_study_has_what_was_asked_for() -> None:
    study = PlanStudy(**FLAGS, dtype="bfloat16", attention="cudnn")
    plan = study.plan()
    for cell in plan.cells:
        recipe = cell.recipe
        configs = [recipe.pretrain, recipe.sft, recipe.finetune, schedule(recipe, 8, 1, 4)]
        assert {(each.dtype, each.attention) for each in configs} == {("bfloat16", "cudnn")}
    assert key(plan.cells[0]) != key(USUAL.cells[0])
    assert study.directory == Path("runs/headline-smoke-bfloat16-cudnn")
    assert command(plan) == (
        "msw study run headline --preset smoke --dtype bfloat16 --attention cudnn"
    )


def test_the_place_has_all_that_is_unusual() -> None:
    study = PlanStudy(**FLAGS, matched="documents", dtype="bfloat16", attention="plain")
    assert study.directory == Path("runs/headline-smoke-by-documents-bfloat16")
    assert PlanStudy(**FLAGS, dtype="bfloat16", out=Path("mine")).directory == Path("mine")


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--dtype", "bf16"), "dtype must be 'float32' or 'bfloat16' .*got 'bf16'"),
        (("--attention", "flash"), "attention must be 'plain', 'xla' or 'cudnn', got 'flash'"),
        (("--attention", "cudnn"), "attention='cudnn' .*: dtype must be 'bfloat16'"),
    ],
)
def test_what_no_training_can_have_is_one_sentence(
    flags: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["study", "plan", "headline", "--preset", "smoke", *flags]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert re.search(said, error)

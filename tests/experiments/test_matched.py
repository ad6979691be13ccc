"""Arms matched by documents: equal originals, and each arm as many steps as they give it."""

from __future__ import annotations

import re
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from experiments import cli
from experiments.collect import command
from experiments.commands.plan_table import print_plan
from experiments.commands.study import PlanStudy
from experiments.commands.study_changes import with_arms
from experiments.recipe import Arm, Cell, Recipe
from experiments.report_cards import CARD, read_card
from experiments.stages import Context, pretrain, pretrain_inputs
from experiments.store import open_stage
from experiments.studies.headline import HEADLINE
from experiments.study import make_plan, mark_done, write_plan
from medsafetyworld.errors import SpecError

from tiny_recipe import RECIPE

MATCHED = replace(RECIPE, matched="documents")
BATCH = RECIPE.pretrain.batch_rows * RECIPE.context


def context(variant: str, root: Path = Path("nowhere"), recipe: Recipe = MATCHED) -> Context:
    arm = Arm("x", variant)
    # All arms of a study have the words of all of them.
    recipe = replace(recipe, vocabulary=("filter | reflect",))
    return Context(Cell(recipe, arm, 0, 7), root, lambda stage, progress: None)


def test_the_untouched_arm_trains_as_if_tokens_were_matched() -> None:
    by_documents, by_tokens = context("baseline"), context("baseline", recipe=RECIPE)
    assert by_documents.pretrain_config == by_tokens.pretrain_config == RECIPE.pretrain
    whole = by_tokens.stream().tokens
    assert (by_documents.stream().tokens[: len(whole)] == whole).all()


def test_a_filter_leaves_fewer_steps_and_reflections_make_more() -> None:
    contexts = {text: context(text) for text in ("filter", "baseline", "filter | reflect")}
    assert len({each.originals for each in contexts.values()}) == 1
    steps = [each.pretrain_config.steps for each in contexts.values()]
    assert steps == sorted(set(steps))
    for each in contexts.values():
        size = len(each.stream().tokens)
        assert 0 <= size - 1 - each.pretrain_config.steps * BATCH < BATCH


def test_what_is_matched_decides_where_a_pretraining_is_kept() -> None:
    by_documents, by_tokens = context("baseline"), context("baseline", recipe=RECIPE)
    inputs = pretrain_inputs(by_documents)
    assert inputs.pop("originals") == by_documents.originals
    # The first recipes knew nothing of it, and what they trained is theirs still.
    assert inputs == pretrain_inputs(by_tokens)


def test_the_schedule_warms_up_no_longer_than_it_trains() -> None:
    warm = replace(MATCHED, pretrain=replace(MATCHED.pretrain, warmup_steps=30))
    config = context("filter(unsafe)", recipe=warm).pretrain_config
    assert config.warmup_steps == config.steps < 30


def test_too_few_documents_are_refused() -> None:
    short = replace(MATCHED, pretrain=replace(MATCHED.pretrain, steps=1))
    with pytest.raises(SpecError, match=r"x-s0: what .* leave of \d+ documents fills no batch"):
        _ = context("filter(unsafe)", recipe=short).pretrain_config


def test_a_pretraining_reads_what_becomes_of_the_documents(tmp_path: Path) -> None:
    the_context = context("filter", tmp_path)
    stage = pretrain(the_context)
    last = (stage.path / "metrics.jsonl").read_text().splitlines()[-1]
    assert f'"tokens":{the_context.pretrain_config.steps * BATCH}' in last.replace(" ", "")
    card = read_card(stage.path / CARD)
    assert card.before.documents == len(the_context.corpus)
    assert card.removed == sum(card.before.scores[4:]) > 0


PLAN = ("headline", "--preset", "smoke")


def test_the_command_of_a_plan_with_more_arms_plans_it_again(tmp_path: Path) -> None:
    first = PlanStudy(
        study="headline",
        preset="smoke",
        arms="filtering",
        add_arm=("mild=filter(5) | reflect(every=2)",),
        matched="documents",
    )
    plan = first.plan()
    assert [cell.arm.name for cell in plan.cells if cell.replicate == 0] == ["filtering", "mild"]
    assert {cell.recipe.matched for cell in plan.cells} == {"documents"}
    assert first.directory == Path("runs/headline-smoke-by-documents")
    assert command(plan) == (
        "msw study run headline --preset smoke --arms filtering "
        "--add-arm 'mild=filter(5) | reflect(every=2)' --matched documents"
    )
    everything = replace(first, arms=None).plan()
    names = list(dict.fromkeys(cell.arm.name for cell in everything.cells))
    usual = HEADLINE.presets["smoke"].arms or [arm.name for arm in HEADLINE.arms]
    assert names == [*usual, "mild"]
    assert "--arms" not in command(everything)
    assert command(make_plan(HEADLINE, "smoke")) == "msw study run headline --preset smoke"


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--add-arm", "mild"), "NAME=VARIANT"),
        (("--add-arm", "srp=filter"), "an arm 'srp' already"),
        (("--add-arm", "srp =filter"), "an arm 'srp' already"),
        (("--add-arm", "mild=fliter"), "add-arm mild: .*did you mean 'filter'"),
        (("--add-arm", "mi/ld=filter"), "add-arm mi/ld: name"),
        (("--add-arm", "r=gradient_routing(units=9999)"), "arms: r: .*units must be below the 176"),
        (("--add-arm", "b=harm_tag; decode: safe_beam(beams=500,ahead=4)"), "arms: b: .*is 2000"),
        (("--matched", "words"), "matched must be 'tokens' or 'documents', got 'words'"),
    ],
)
def test_mistakes_in_the_flags_are_one_sentence(
    flags: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["study", "plan", *PLAN, *flags]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert re.search(said, error)


def test_an_added_arm_may_be_among_the_arms_asked_for() -> None:
    asked = PlanStudy(
        study="headline", preset="smoke", arms="x, srp", add_arm=(" x =filter", "y=filter(5)")
    )
    arms = [cell.arm.name for cell in asked.plan().cells if cell.replicate == 0]
    assert arms == ["x", "srp", "y"]


def test_a_plan_counts_no_cells_of_another_study(tmp_path: Path) -> None:
    asked = PlanStudy(study="headline", preset="smoke", arms="filtering", seeds="1", out=tmp_path)
    (the_cell,) = asked.plan().cells
    write_plan(asked.plan(), tmp_path)
    stage = open_stage(tmp_path / "stages", "measure", {"cell": the_cell.name})
    stage.finish({}, {})
    mark_done(tmp_path, the_cell, stage.name, 1.0)
    wider = replace(asked, add_arm=("hint=srp_hint",), matched="documents")
    said = []
    for each in (asked, wider):
        console = Console(file=StringIO(), width=10_000)
        print_plan(each.plan(), tmp_path, 1, console)
        said.append(console.file.getvalue())  # type: ignore[attr-defined]
    for text, own in zip(said, (True, False), strict=True):
        assert ("1 of them finished" in text, "resumes" in text) == (own, own)
        assert ("holds another study" in text) != own
        assert ("tokens each; model" in text, "of about " in text) == (own, not own)


def test_an_added_arm_is_run_where_a_preset_has_arms_of_its_own() -> None:
    sized = replace(HEADLINE.presets["smoke"], arms=("filtering",))
    study = replace(HEADLINE, presets={"smoke": sized})
    assert with_arms(study, "smoke", ["mild=filter(5)"]).presets["smoke"].arms == (
        "filtering",
        "mild",
    )

"""Every command takes a domain of one's own: by name, by path, and refused in one sentence."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from experiments import cli
from experiments.commands.study import PlanStudy

HOUSEHOLD = Path(__file__).parents[2] / "medsafetyworld" / "domains" / "household"


def test_worlds_and_corpora_come_in_a_domain_of_ones_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "mine"
    shutil.copytree(HOUSEHOLD, copy)
    small = ["--preset", "smoke-two-hop", "--domain", str(copy)]
    assert cli.main(["world", "save", *small, str(tmp_path / "world.json")]) == 0
    assert cli.main(["world", "check", str(tmp_path / "world.json")]) == 0
    assert cli.main(["corpus", "inspect", *small, "--variant", "srp", "--count", "2"]) == 0
    assert "<think> Safe </think>" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("world", ["single-hop", "two-hop"])
def test_a_study_runs_in_another_domain_under_a_name_of_its_own(world: str) -> None:
    asked = PlanStudy(study="headline", preset="smoke", world=world, domain=str(HOUSEHOLD))
    plan = asked.plan()
    assert {cell.recipe.world.domain for cell in plan.cells} == {str(HOUSEHOLD)}
    assert (
        plan.cells[0].recipe.corpus
        == PlanStudy(study="headline", preset="smoke", world=world).plan().cells[0].recipe.corpus
    )
    assert asked.directory.name.endswith("-household")


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--domain", "houshold"], "did you mean 'household'"),
        (["--preset", "paper", "--domain", "household"], "compounds must be at most 1536"),
        (["--preset", "lptop", "--domain", "household"], "no preset named 'lptop'"),
    ],
)
def test_a_domain_that_cannot_be_is_one_sentence(
    flags: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["study", "plan", "headline", *flags]) == 2
    assert words in capsys.readouterr().err

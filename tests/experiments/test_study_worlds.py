"""The world that a study is asked on: by flag or by preset, the same plan either way."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments import cli
from experiments.collect import command
from experiments.commands.study import PlanStudy
from experiments.studies import STUDIES
from experiments.study import make_plan


def test_the_flag_picks_the_preset_of_this_size_and_a_directory_of_its_own() -> None:
    flag = PlanStudy(study="headline", preset="smoke", world="two-hop")
    assert flag.directory == Path("runs/headline-smoke-two-hop")
    for preset, world in (("smoke-two-hop", None), ("smoke-two-hop", "two-hop")):
        named = PlanStudy(study="headline", preset=preset, world=world)
        assert (named.directory, named.plan()) == (flag.directory, flag.plan())
    assert flag.plan().cells[0].recipe.world.hops == 2
    for world in (None, "single-hop"):
        plain = PlanStudy(study="headline", preset="smoke", world=world)
        assert plain.directory == Path("runs/headline-smoke")
        assert plain.plan().cells[0].recipe.world.hops == 1


@pytest.mark.parametrize(
    ("preset", "world", "sentence"),
    [
        ("smoke", "three-hop", "'three-hop'; allowed: single-hop, two-hop"),
        (
            "smoke-two-hop",
            "single-hop",
            "preset 'smoke-two-hop' is of the world two-hop, not single-hop; allowed: --preset "
            "smoke, or --world two-hop",
        ),
    ],
)
def test_an_unknown_world_or_one_that_the_preset_is_not_of_is_one_sentence_and_makes_nothing(
    preset: str,
    world: str,
    sentence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    for action in ("plan", "run"):
        line = ["study", action, "headline", "--preset", preset, "--world", world]
        assert cli.main(line) == 2
        said = capsys.readouterr()
        assert said.out == ""
        assert said.err.count("\n") == 1
        assert "world" in said.err
        assert sentence in said.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", STUDIES)
def test_a_preset_as_it_is_has_the_plain_command_whatever_arms_other_worlds_have(name: str) -> None:
    for preset in STUDIES[name].presets:
        plan = make_plan(STUDIES[name], preset)
        assert command(plan) == f"msw study run {name} --preset {preset}"
        fewer = [arm["name"] for arm in plan.summary()["arms"]][:2]
        assert command(make_plan(STUDIES[name], preset, arms=fewer)).endswith(",".join(fewer))

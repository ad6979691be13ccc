"""`msw compare`, `msw instruments` and the names of runs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from experiments import cli
from experiments.answering import answer
from experiments.instruments import REGISTRY
from experiments.recipe import Arm
from experiments.run_names import open_run, parse_run
from medsafetyworld.judge import judge
from medsafetyworld.queries import GENERAL, HARMFUL, prefilled

from untrained_study import untrained_study

ARMS = (Arm("srp", "srp"), Arm("filtering", "filtering"))


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return untrained_study(tmp_path_factory.mktemp("runs") / "study", ARMS, replicates=2)


def test_a_run_is_a_directory_a_cell_and_a_model(study: Path, tmp_path: Path) -> None:
    named = parse_run(f"{study}:srp-s1:finetune:pair_forward+mixsft")
    assert (named.directory, named.cell) == (study, "srp-s1")
    assert named.model == "finetune:pair_forward+mixsft"
    odd = tmp_path / "a:b"
    odd.mkdir()
    (odd / "study.json").write_text("{}")
    assert parse_run(f"{odd}:srp-s1").directory == odd
    assert open_run(f"{study}:srp-s1:base").title == "srp-s1 base"
    assert open_run(str(study), cell="srp-s0").title == "srp-s0"


@pytest.mark.parametrize(
    ("line", "parts"),
    [
        ("chat nowhere:srp-s0", ("nowhere", "study.json")),
        ("chat STUDY", ("cell must say", "srp-s0")),
        ("chat STUDY:spr-s0", ("'spr-s0'", "did you mean 'srp-s0'?")),
        ("chat STUDY:srp-s0 --cell srp-s1", ("cell is given twice", "'srp-s1'")),
        ("chat STUDY:srp-s0:best", ("no model named 'best'", "finetune:pair_forward")),
        ("compare STUDY:srp-s0", ("two or more",)),
        ("compare STUDY:srp-s0 STUDY:srp-s1", ("another world", "one replicate")),
        ("compare STUDY:srp-s0 STUDY:srp-s0 --category unsafe", ("category", "reverse-safe")),
        ("compare STUDY:srp-s0 STUDY:srp-s0 --prefill Teh", ("'Teh'", "'The'")),
        ("instruments gcgg", ("'gcgg'", "did you mean 'gcg'?")),
    ],
)
def test_a_bad_request_is_one_sentence(
    study: Path, line: str, parts: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(line.replace("STUDY", str(study)).split()) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    for part in parts:
        assert part in said


def test_an_unfinished_cell_is_not_trained_for_a_talk(
    study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import shutil

    other = tmp_path / "other"
    shutil.copytree(study, other)
    (other / "cells" / "srp-s0.done.json").unlink()
    before = sorted(other.rglob("*"))
    assert cli.main(["chat", f"{other}:srp-s0"]) == 2
    assert "srp-s0 is not finished; `msw study run`" in capsys.readouterr().err
    assert sorted(other.rglob("*")) == before


def test_totals_are_the_judges_of_every_question(
    study: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    runs = [f"{study}:srp-s0", f"{study}:srp-s0:base", f"{study}:filtering-s0"]
    assert cli.main(["compare", *runs, "--prefill", "The", "--show", "2"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    first: list[str] = []
    for name in runs:
        run = open_run(name)
        world = run.bench.context.true_world
        asked = [prefilled(world, query, "The") for query in run.bench.harmful]
        texts = [each.text for each in answer(run.bench, run.model, asked)]
        first = first or texts
        leaks = sum(judge(world, *each).leaked for each in zip(asked, texts, strict=True))
        assert f"{run.title}: {HARMFUL} of {len(asked)}: leaked {leaks}," in out
        if texts is not first:
            other = sum(a != b for a, b in zip(texts, first, strict=True))
            assert other
            own = out.split(f" {run.title}: ")[-1].split("; ")[0]
            assert own.endswith(f", another answer {other}")
    for category in (HARMFUL, *GENERAL):
        assert f"{category}: 2 of " in out
    assert "≠ The" in out


def test_equal_models_say_the_same(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = ["compare", f"{study}:srp-s0", f"{study}:srp-s0", "--category", HARMFUL]
    assert cli.main(line) == 0
    out = capsys.readouterr().out
    assert out.count("= the same") == 4
    assert "another answer 0" in " ".join(out.split())


def test_every_instrument_is_listed_with_its_parameters(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.main(["instruments", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {each["name"] for entries in found.values() for each in entries} == set(REGISTRY)
    (gcg,) = (each for each in found["attack"] if each["name"] == "gcg")
    assert gcg["description"].endswith(".")
    assert gcg["source"]
    told = {each["name"]: each["default"] for each in gcg["parameters"]}
    assert told["steps"] == str(REGISTRY["gcg"]().steps)
    assert cli.main(["instruments", "gcg"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("ATTACKS")
    assert "steps: integer ≥ 0" in said


def test_listing_instruments_imports_no_jax() -> None:
    code = (
        "import sys\nfrom experiments.cli import main\nmain(['instruments'])\n"
        "assert not {'jax', 'flax', 'torch'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

"""Laws of the command line: bad input is one sentence and leaves no trace; help is light."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from experiments import cli
from experiments.commands.flags import CorpusFlags, WorldFlags, field_docs
from experiments.commands.results import with_results
from experiments.finished import MODELS
from experiments.report import BLOCK_END as END
from experiments.report import BLOCK_START as BEGIN
from medsafetyworld.errors import SpecError
from medsafetyworld.spec import CorpusSpec, WorldSpec, to_json

ROOT = Path(__file__).resolve().parents[2]

BAD = {
    "world show --compounds many": ("compounds", "an integer at least 2", "'many'"),
    "world show --compounds 1": ("compounds", "an integer at least 2", "got 1"),
    "world show --compounds 2.5": ("compounds", "an integer", "2.5"),
    "world show --compounds 99999999": ("compounds", "at most", "names of the domain"),
    "world show --outcomes 0": ("outcomes", "at least 1", "got 0"),
    "world show --mediators 6,x": ("mediators", "an integer", "'x'"),
    "world show --mediators 6,12": ("mediators", "must not grow", "[6, 12]"),
    "world show --severity-shares 1,1,0": ("severity_shares", "sum to 1", "2.0"),
    "world show --domain medicl": ("domain", "medicl", "medical"),
    "world show --unsafe-fraction nan": ("unsafe_fraction", "finite number from 0 to 1", "nan"),
    "world show --unsafe-fraction 1.5": ("unsafe_fraction", "from 0 to 1", "1.5"),
    "world show --pair-edges 7141": ("pair_edges", "at most 7140", "7141"),
    "world show --single-edges 10": ("single_edges", "between 149", "10"),
    "world show --seed -1": ("seed", "at least 0", "-1"),
    "world show --compouns 3": ("--compouns", "did you mean --compounds?"),
    "world show --preset lptop": ("preset", "'laptop'", "smoke, laptop, paper"),
    "world show --out picture.jpg": ("out", ".png", "picture.jpg"),
    "world show --spec missing.json": ("missing.json", "cannot be read"),
    "corpus emit --out made --variant filterin": ("variant", "'filtering'", "srp"),
    "corpus emit --out made --format csv": ("format", "jsonl, npy", "'csv'"),
    "corpus emit --out made --templates 600": ("templates", "between 1 and 512", "600"),
    "corpus emit --out made --corpus-seed x": ("corpus_seed", "an integer", "'x'"),
    "corpus emit --out made --variant filtering --unsafe-fraction 0": ("unsafe_fraction", "one"),
    "corpus emit --out made --variant filtering_plus --unsafe-fraction 1": (
        "unsafe_fraction",
        "safe",
    ),
    "corpus inspect --count 0": ("count", "at least 1", "'0'"),
    "study plan hedline": ("study", "'headline'"),
    "study plan headline --preset huge": ("preset", "smoke, laptop, paper"),
    "study run headline --preset smoke --arms srp,none": ("arms", "'none'", "baseline"),
    "study run headline --preset smoke --arms srp,srp": ("arms", "'srp' is given twice"),
    "study run headline --preset smoke --cluster local --workers 2": ("workers", "cluster"),
    "study run headline --preset smoke --engine fast": ("engine", "cells, ensemble"),
    "study run headline --preset smoke --members 2": ("members", "--engine ensemble"),
    "bench --only trian": ("only", "'train'", "decode"),
    "study run headline --preset smoke --seeds 0": ("seeds", "at least 1", "'0'"),
    "study run headline --preset smoke --workers two": ("workers", "an integer", "'two'"),
    "study run headline --preset smoke --seed -3": ("seed", "at least 0", "'-3'"),
    "study report nowhere": ("nowhere", "study.json"),
}


@pytest.mark.parametrize("line", BAD)
def test_a_bad_request_is_one_sentence_with_code_2_and_makes_nothing(
    line: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(line.split()) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert said.err.startswith("msw: ")
    for part in BAD[line]:
        assert part in said.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ('{"compouns": 3}', ("compouns", "did you mean 'compounds'?")),
        ('{"compounds": "3"}', ("compounds", "an integer at least 2", "'3'")),
        ('{"compounds": true}', ("compounds", "an integer at least 2", "True")),
        ('{"unsafe_fraction": NaN}', ("unsafe_fraction", "from 0 to 1", "nan")),
        ("[1]", ("WorldSpec", "JSON object", "compounds")),
        ("{", ("not readable JSON",)),
    ],
)
def test_a_spec_file_is_read_strictly(
    text: str, parts: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "spec.json"
    path.write_text(text)
    assert cli.main(["world", "save", str(tmp_path / "world.json"), "--spec", str(path)]) == 2
    said = capsys.readouterr().err
    for part in (str(path), *parts):
        assert part in said
    assert list(tmp_path.iterdir()) == [path]


def test_flags_stand_over_the_spec_file_and_the_file_over_the_preset(tmp_path: Path) -> None:
    spec = {"compounds": 30, "outcomes": 5, "single_edges": 40, "pair_edges": 4, "seed": 3}
    (tmp_path / "spec.json").write_text(json.dumps(spec))
    path = tmp_path / "world.json"
    line = ["world", "save", str(path), "--spec", str(tmp_path / "spec.json"), "--seed", "9"]
    assert cli.main(line) == 0
    saved = json.loads(path.read_text())["world"]["spec"]
    defaults = json.loads(to_json(WorldSpec()))
    assert saved == {**defaults, **spec, "seed": 9}
    assert cli.main(line) == 2, "an existing file is not replaced"


@pytest.mark.parametrize(("kind", "flags"), [(WorldSpec, WorldFlags), (CorpusSpec, CorpusFlags)])
def test_every_field_is_a_documented_flag_of_the_same_name(kind: type, flags: type) -> None:
    names = set(kind.__dataclass_fields__)
    assert set(flags.__dataclass_fields__) == names
    assert set(field_docs(kind)) == names


@pytest.mark.parametrize(
    "line", ["--help", "study run --help", "world show --preset smoke", "variants"]
)
def test_light_commands_import_no_jax(line: str, tmp_path: Path) -> None:
    code = (
        "import sys\nfrom experiments.cli import main\n"
        "try:\n    main(sys.argv[1:])\n"
        "finally:\n    assert not {'jax', 'flax', 'torch'} & set(sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *line.split()],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("study plan --help", ("STUDY", "--preset")),
        ("study report --help", ("DIRECTORY",)),
        ("corpus check --help", ("DIRECTORY",)),
        ("export-task --help", ("DIRECTORY",)),
        ("export --help", ("DIRECTORY", *MODELS)),
        ("study run --help", ("all of them at once on this machine",)),
    ],
)
def test_help_names_what_is_expected(
    line: str,
    shown: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit):
        cli.main(line.split())
    said = capsys.readouterr().out
    text = " ".join(said.replace("│", " ").split())
    for part in shown:
        assert part.removeprefix("finetune:") in text


def test_showing_a_world_prints_its_counts_and_draws_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert (
        cli.main(["world", "show", "--preset", "smoke", "--seed", "4", "--out", "drawn/world.png"])
        == 0
    )
    said = capsys.readouterr().out
    assert "single-edges" in said
    assert "48" in said
    assert (tmp_path / "drawn" / "world.png").read_bytes().startswith(b"\x89PNG")


def test_planning_runs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert (
        cli.main(
            [
                "study",
                "plan",
                "headline",
                "--preset",
                "smoke",
                "--arms",
                "srp,filtering",
                "--seeds",
                "3",
            ]
        )
        == 0
    )
    said = " ".join(capsys.readouterr().out.split())
    assert "6 cells" in said
    assert "204,800 tokens" in said
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_says_how_to_go_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(args: list[str]) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "run", interrupted)
    assert cli.main(["study", "run", "headline"]) == 130
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "msw study run headline" in said


def test_the_readme_block_is_replaced_and_then_stays(tmp_path: Path) -> None:
    from experiments.rows import rows_to_csv

    from fake_study import fake_rows

    published = tmp_path / "headline-laptop"
    published.mkdir()
    (published / "rows.csv").write_text(rows_to_csv(fake_rows()), encoding="utf-8")
    once = with_results(f"above\n{BEGIN}\nold\n{END}\nbelow\n", published)
    assert once.startswith(f"above\n{BEGIN}\n")
    assert once.endswith(f"\n{END}\nbelow\n")
    assert "old" not in once.split(BEGIN)[1].split("|")[0]
    assert with_results(once, published) == once
    with pytest.raises(SpecError, match="no results block"):
        with_results("no markers", published)
    with pytest.raises(SpecError, match="msw study publish"):
        with_results(once, tmp_path / "absent")


def test_the_report_names_the_command_that_makes_its_study() -> None:
    from experiments.collect import command
    from experiments.studies import STUDIES
    from experiments.study import make_plan

    study = STUDIES["headline"]
    assert command(make_plan(study, "smoke")) == "msw study run headline --preset smoke"
    some = make_plan(study, "smoke", replicates=7, arms=["srp", "rewrite"], master=5)
    expected = "msw study run headline --preset smoke --seeds 7 --arms srp,rewrite --seed 5"
    assert command(some) == expected

"""`msw export`: any model of a finished cell leaves whole, with a card that tells the truth.

The study here was never trained: its stages hold fresh weights, which is enough to be exported.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open

from experiments import cli
from experiments.recipe import Arm, Cell, finetunes
from experiments.rows import Row, rate_row, rows_to_csv
from experiments.stages import WEIGHTS, Context
from experiments.store import Stage, open_stage
from experiments.study import Preset, Study, make_plan, mark_done, write_plan
from tiny_models import init_params, parameter_hash, save_weights

from tiny_recipe import RECIPE, TWO_HOP

ARMS = (Arm("srp", "srp"), Arm("shuffled", "filtering", shuffled=True))
FILES = {
    "config.json",
    "generation_config.json",
    "model.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
    "README.md",
}


def finish_without_training(directory: Path, cell: Cell, more_tokens: int = 0) -> None:
    """The stages of a finished cell, each with weights of its own."""
    context = Context(cell, directory / "stages", lambda stage, progress: None)
    model = replace(context.model, vocab_size=context.model.vocab_size + more_tokens)

    def model_stage(number: int, kind: str) -> Stage:
        stage = open_stage(context.root, kind, {"cell": cell.name, "number": number})
        params = init_params(model, number)
        save_weights(stage.path / WEIGHTS, params, model)
        summary = {
            "weights_sha256": parameter_hash(params),
            "corpus_sha256": "c0" * 32,
            "reading": {"documents": 1234, "harmful": 0},
        }
        stage.finish(summary)
        return stage

    kinds = finetunes(cell.recipe.world.hops) if cell.recipe.behaviour else ()
    stages = {"base": model_stage(0, "pretrain")}
    stages |= {"sft": model_stage(1, "sft")} if cell.recipe.behaviour else {}
    stages |= {kind: model_stage(2 + n, "finetune") for n, kind in enumerate(kinds)}
    measured = open_stage(
        context.root,
        "measure",
        {"cell": cell.name, "models": {name: stage.key for name, stage in stages.items()}},
    )
    (measured.path / "rows.csv").write_text(rows_to_csv(rows(cell)))
    measured.finish({"pretrain": stages["base"].name})
    mark_done(directory, cell, measured.name, 1.0)


def rows(cell: Cell) -> list[Row]:
    """One row for each model, with a count that nothing else has."""
    probes = {"completion": "capability", "direct": "behaviour", "prefill:The": "elicited"}
    probes |= {f"finetune:{kind}": "elicited" for kind in finetunes(1)}
    deep = rate_row(
        cell.arm.name, 0, "capability", "completion", "reverse-unsafe", "leaked|logic=1", 1, 9
    )
    return [deep] + [
        rate_row(cell.arm.name, 0, level, probe, "reverse-unsafe", "leaked", 1, 11 + place)
        for place, (probe, level) in enumerate(probes.items())
    ]


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("runs") / "study"
    plan = make_plan(Study("tiny", "?", ARMS, {"tiny": Preset(RECIPE, 2)}), "tiny", master=7)
    write_plan(plan, directory)
    for cell in plan.cells[:2]:
        finish_without_training(directory, cell)
    return directory


def export(study: Path, out: Path, *more: str, cell: str | None = "srp-s0") -> int:
    named = [] if cell is None else ["--cell", cell]
    return cli.main(["export", str(study), *named, "--to", "hf", "--out", str(out), *more])


OWN = ["pretrain", "sft", *(f"finetune:{kind}" for kind in finetunes(1))]
"""The models of a cell of a single-hop world."""


@pytest.mark.parametrize("stage", OWN)
def test_every_model_of_a_cell_leaves_with_its_own_weights_and_rows(
    study: Path, tmp_path: Path, stage: str
) -> None:
    out = tmp_path / "deep" / "model"
    assert export(study, out, "--stage", stage) == 0
    assert {path.name for path in out.iterdir()} == FILES
    context = Context(Cell(RECIPE, ARMS[0], 0, 7), tmp_path, lambda stage, progress: None)
    expected = init_params(context.model, OWN.index(stage))
    with safe_open(out / "model.safetensors", framework="numpy") as file:
        assert np.array_equal(file.get_tensor("model.embed_tokens.weight"), expected["embedding"])
    card = (out / "README.md").read_text()
    assert parameter_hash(expected) in card
    kept = {"pretrain": [11], "sft": [12, 13]}.get(stage, [14 + OWN.index(stage) - 2])
    assert [n for n in range(11, 17) if f"| {n} |" in card] == kept


def test_a_model_that_the_cell_does_not_have_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arms, mute = ARMS[:1], replace(TWO_HOP, behaviour=False)
    for name, recipe in (("two-hop", TWO_HOP), ("mute", mute)):
        plan = make_plan(Study("tiny", "?", arms, {"tiny": Preset(recipe, 1)}), "tiny", master=7)
        write_plan(plan, tmp_path / name)
        finish_without_training(tmp_path / name, plan.cells[0])
    assert export(tmp_path / "two-hop", tmp_path / "a", "--stage", "finetune:link_forward") == 0
    assert "6 mediators" in (tmp_path / "a" / "README.md").read_text()
    assert export(tmp_path / "mute", tmp_path / "b", "--stage", "pretrain") == 0
    capsys.readouterr()
    for name, stage, sentence in (
        ("two-hop", "finetune:pair_forward", "it has pretrain, sft, finetune:safe_reverse"),
        ("mute", "sft", "stage: srp-s0 has no model 'sft'; it has pretrain"),
    ):
        assert export(tmp_path / name, tmp_path / "c", "--stage", stage) == 2
        assert sentence in capsys.readouterr().err
    assert not (tmp_path / "c").exists()


def test_depths_do_not_break_the_card_s_table(study: Path, tmp_path: Path) -> None:
    assert export(study, tmp_path / "model", "--stage", "pretrain") == 0
    table = [
        line
        for line in (tmp_path / "model" / "README.md").read_text().splitlines()
        if line.startswith("| `completion`")
    ]
    assert len(table) == 2
    assert "| leaked, logic=1 |" in table[1]
    assert {line.count("|") for line in table} == {6}


def test_the_card_says_what_the_model_is(study: Path, tmp_path: Path) -> None:
    assert (
        export(study, tmp_path / "model", "--stage", "finetune:safe_reverse", cell="shuffled-s0")
        == 0
    )
    cell = Cell(RECIPE, ARMS[1], 0, 7)
    card = (tmp_path / "model" / "README.md").read_text()
    assert "$" not in card
    assert cell.worlds()[0].content_hash in card
    assert "trained on a shuffled graph (control)" in card
    assert "steps of benign fine-tuning on safe_reverse" in card
    for name, seed in cell.seeds.items():
        assert f"{name} {seed}" in card


def test_the_vocabulary_of_the_tokenizer_fits_the_model(study: Path, tmp_path: Path) -> None:
    assert export(study, tmp_path / "model") == 0
    read = {
        name: json.loads((tmp_path / "model" / name).read_text())
        for name in FILES
        if name.endswith(".json")
    }
    ids = read["tokenizer.json"]["model"]["vocab"]
    assert len(ids) <= read["config.json"]["vocab_size"]
    assert ids["<|endoftext|>"] == read["config.json"]["eos_token_id"]
    assert ids["<|pad|>"] == read["config.json"]["pad_token_id"]
    assert read["tokenizer_config.json"]["model_max_length"] == RECIPE.context


@pytest.mark.parametrize(
    ("flags", "cell", "sentence"),
    [
        (["--stage", "stf"], "srp-s0", "stage: no stage named 'stf'"),
        (["--to", "onnx"], "srp-s0", "to: no format named 'onnx'; allowed: hf"),
        ([], "spr-s0", "cell: no cell named 'spr-s0' (did you mean 'srp-s0'?)"),
        ([], "srp-s1", "srp-s1 is not finished"),
        ([], None, "cell must say which of the study's cells: srp-s0, shuffled-s0, srp-s1"),
    ],
)
def test_a_wrong_request_is_one_sentence_and_writes_nothing(
    study: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    flags: list[str],
    cell: str | None,
    sentence: str,
) -> None:
    assert export(study, tmp_path / "model", *flags, cell=cell) == 2
    assert sentence in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_directory_that_is_no_study_or_a_target_in_use_is_refused(
    study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert export(tmp_path, tmp_path / "model") == 2
    assert "holds no study.json" in capsys.readouterr().err
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "mine").touch()
    assert export(study, tmp_path / "model") == 2
    assert "already holds something" in capsys.readouterr().err


def test_without_a_target_the_model_lies_beside_its_study_once(
    study: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = ["--cell", "srp-s0"]
    assert cli.main(["export", str(study), *asked]) == 0
    made = study.parent / "study-srp-s0-sft-hf"
    assert {path.name for path in made.iterdir()} == FILES
    assert str(made) in capsys.readouterr().out.replace("\n", "")
    # It has a name from inside the study too, and is never written over.
    monkeypatch.chdir(study)
    assert cli.main(["export", ".", *asked]) == 2
    assert f"{made} already holds something" in capsys.readouterr().err
    assert cli.main(["export", ".", *asked, "--stage", "finetune:safe_reverse"]) == 0
    assert (study.parent / "study-srp-s0-finetune-safe_reverse-hf" / "config.json").exists()
    # Names that lead elsewhere are refused as names.
    assert cli.main(["export", ".", *asked, "--stage", "x/../../../y"]) == 2
    assert "no stage named" in capsys.readouterr().err


def study_of_one(directory: Path, **options: int) -> Path:
    plan = make_plan(Study("tiny", "?", ARMS[:1], {"tiny": Preset(RECIPE, 1)}), "tiny", master=7)
    write_plan(plan, directory)
    finish_without_training(directory, plan.cells[0], **options)
    return directory


def test_weights_that_changed_are_refused_by_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = study_of_one(tmp_path / "study")
    assert export(study, tmp_path / "whole", cell=None) == 0
    (weights,) = study.glob(f"stages/sft-*/{WEIGHTS}")
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    assert export(study, tmp_path / "model", cell=None) == 2
    assert str(weights) in capsys.readouterr().err
    assert not (tmp_path / "model").exists()


def test_weights_of_another_version_are_refused_in_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = study_of_one(tmp_path / "study", more_tokens=32)
    assert export(study, tmp_path / "model", cell=None) == 2
    assert "made by another version of this program" in capsys.readouterr().err
    assert not (tmp_path / "model").exists()

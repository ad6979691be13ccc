"""Five thousand damaged configurations: each is one sentence that names the field, or valid."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from mutations import mutated, verdict
from small_study import RECIPE, STUDY

from experiments.cli import main
from experiments.recipe import Cell, Recipe
from experiments.study import make_plan
from medsafetyworld.spec import CorpusSpec, DialogueSpec, ReflectionSpec, WorldSpec, from_json
from tiny_models.config import ModelConfig, TrainConfig

MUTATIONS = 5000
MODEL = ModelConfig(vocab_size=23, d_model=16, layers=1, heads=2, kv_heads=1, hidden=24, context=16)
BASES: list[tuple[type, Any]] = [
    (WorldSpec, asdict(RECIPE.world)),
    (CorpusSpec, asdict(RECIPE.corpus)),
    (DialogueSpec, asdict(RECIPE.dialogue)),
    (ReflectionSpec, asdict(RECIPE.reflection)),
    (ModelConfig, asdict(MODEL)),
    (TrainConfig, asdict(RECIPE.pretrain)),
    (Recipe, asdict(RECIPE)),
    (Cell, make_plan(STUDY, "small").cells[0].to_dict()),
]


def test_every_mutation_is_refused_by_name_or_valid(figure, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    draw = random.Random(5)
    found: dict[str, int] = {}
    for number in range(MUTATIONS):
        kind, base = BASES[number % len(BASES)]
        text, named = mutated(base, draw)
        began = time.perf_counter()
        said = verdict(partial(from_json, kind, text, "config.json"), ("config.json: ",), named)
        assert time.perf_counter() - began < 2, f"slow: {text[:200]!r}"
        found[said] = found.get(said, 0) + 1
    wrong = [said for said in found if said not in ("valid", "refused")]
    assert not wrong, "\n".join(wrong[:5])
    assert found["refused"] > 0.6 * MUTATIONS, "the mutations do too little"
    assert not list(tmp_path.iterdir())
    figure("mutated configurations refused by field, or valid", MUTATIONS,
           found["refused"] + found["valid"])  # fmt: skip


CASES = {
    "unknown key": b'{"compunds": 3}',
    "wrong type": b'{"compounds": "many"}',
    "NaN": b'{"unsafe_fraction": NaN}',
    "null": b'{"compounds": null}',
    "bool as int": b'{"compounds": true}',
    "float as int": b'{"compounds": 12.5}',
    "negative": b'{"compounds": -4}',
    "huge": b'{"compounds": 1' + b"0" * 5000 + b"}",
    "twice": b'{"compounds": 12, "compounds": 24}',
    "deep": b'{"compounds": ' * 50_000,
    "no UTF-8": b'{"compounds": "\xff"}',
    "ten megabytes": b'{"compounds": ' + b" " * 10_000_000 + b"-1}",
}


@pytest.mark.parametrize("case", CASES)
def test_the_command_says_one_sentence_and_writes_nothing(
    case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bad.json"
    path.write_bytes(CASES[case])
    began = time.perf_counter()
    code = main(["world", "save", str(tmp_path / "world.json"), "--spec", str(path)])
    assert time.perf_counter() - began < 2
    sentence = capsys.readouterr().err
    assert code == 2
    assert "bad.json" in sentence
    assert "compounds" in sentence or "unsafe_fraction" in sentence or "JSON" in sentence
    assert len(sentence) < 600
    assert sentence.count("\n") == 1
    assert [entry.name for entry in tmp_path.iterdir()] == ["bad.json"]


@pytest.mark.slow
def test_the_real_command_line_has_no_traceback(tmp_path: Path, figure) -> None:
    survived = 0
    for name, content in list(CASES.items())[:10]:
        path = tmp_path / "bad.json"
        path.write_bytes(content)
        done = subprocess.run(
            [sys.executable, "-m", "experiments.cli", "world", "save",
             str(tmp_path / "world.json"), "--spec", str(path)],
            capture_output=True, text=True, cwd=Path(__file__).resolve().parents[2], timeout=60,
            check=False,
        )  # fmt: skip
        one = done.stderr.count("\n") == 1 and "Traceback" not in done.stderr
        left = [entry.name for entry in tmp_path.iterdir()]
        survived += (done.returncode, one, left) == (2, True, ["bad.json"])
        assert survived, (name, done.stderr)
    figure("bad configurations through the command line", 10, survived)

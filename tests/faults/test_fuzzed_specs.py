"""Five thousand damaged configurations: each is one sentence that names the field, or valid."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from small_study import RECIPE, STUDY

from experiments.cli import main
from experiments.recipe import Cell, Recipe
from experiments.study import make_plan
from medsafetyworld.errors import SpecError
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
WRONG: list[Any] = [
    None, True, False, "", "12", "laptop", "../../x", "\0", -1, 0, 1, 2, 7, 1.5, -0.0, 1e308,
    1e-320, 2**31, 2**63, 10**40, -(10**40), [], [1], {}, {"a": 1}, float("nan"), float("inf"),
]  # fmt: skip
NAMES = ("compunds", "Compounds", "seed ", "", "__class__", "steps.x", "a" * 200)


def leaves(value: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """The paths of all fields, inner ones included."""
    if not isinstance(value, dict):
        return [path]
    inner = [leaf for key, part in value.items() for leaf in leaves(part, (*path, key))]
    return inner + ([path] if path else [])


def mutated(base: Any, draw: random.Random) -> tuple[bytes, list[str]]:
    """A damaged JSON text and the names of which the sentence must hold one, if it is refused."""
    value = json.loads(json.dumps(base))
    path = draw.choice(leaves(value))
    *parents, name = path
    node = value
    for parent in parents:
        node = node[parent]
    named = [name]
    kind = draw.choice(("value", "value", "value", "unknown", "missing", "twice", "text"))
    if kind == "value":
        node[name] = draw.choice(WRONG)
    elif kind == "unknown":
        extra = draw.choice(NAMES)
        node[extra] = 1
        # A name that is empty can only be told by its place, before the verb.
        named = [extra or " is not a field of "]
    elif kind == "missing":
        del node[name]
    text = json.dumps(value).encode()
    if kind == "twice":
        key = json.dumps(name).encode() + b": "
        text = text.replace(key, key + json.dumps(draw.choice(WRONG)).encode() + b", " + key, 1)
    elif kind == "text":
        named = ["JSON", "seed"]
        text = draw.choice(TEXTS)(text, draw)
    return text, named


TEXTS: list[Callable[[bytes, random.Random], bytes]] = [
    lambda text, draw: text[: draw.randrange(len(text))],
    lambda text, draw: b"[" * draw.choice([10, 5000, 200_000]) + text,
    lambda text, draw: text[:5] + b"\xff\xfe" + text[5:],
    lambda text, draw: text + b" " * draw.choice([1, 100_000]) + b"}",
    lambda text, draw: b'{"seed": ' * 3000 + b"1" + b"}" * 3000,
    lambda text, draw: text.replace(b":", b"=", 1),
    lambda text, draw: json.dumps([json.loads(text)]).encode(),
    lambda text, draw: b"null",
    lambda text, draw: b'"' + b"x" * draw.choice([0, 1_000_000]) + b'"',
]


def verdict(kind: type, text: bytes, named: list[str]) -> str:
    """Valid, refused in one sentence that names the field, or what is wrong with the refusal."""
    try:
        from_json(kind, text, "config.json")
    except SpecError as error:
        sentence = str(error)
        lines = sentence.count("\n")
        says = any(name in sentence for name in named)
        if lines or not says or not sentence.startswith("config.json: "):
            return f"refused without the field {named} in one sentence: {sentence[:300]}"
        return "refused"
    return "valid"


def test_every_mutation_is_refused_by_name_or_valid(figure, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    draw = random.Random(5)
    found: dict[str, int] = {}
    for number in range(MUTATIONS):
        kind, base = BASES[number % len(BASES)]
        text, named = mutated(base, draw)
        began = time.perf_counter()
        said = verdict(kind, text, named)
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

"""Laws of emission: a pure function of its specs, whole or absent, and the same in both formats."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from rich.text import Text

from experiments import cli
from experiments.commands import emission
from experiments.commands.corpus import UNSAFE_OUTCOME, UNSAFE_VERDICT, coloured
from experiments.json_files import file_sha256
from medsafetyworld.corpus import Corpus, intervene, text_hash
from medsafetyworld.graph import build_world, load_world
from medsafetyworld.interventions import VARIANTS
from medsafetyworld.spec import CORPUS_PRESETS, WORLD_PRESETS, CorpusSpec
from medsafetyworld.tokenizer import build_tokenizer

ROOT = Path(__file__).resolve().parents[2]
SMALL = ["--preset", "smoke", "--templates", "6", "--seed", "3", "--corpus-seed", "5"]


def emit(out: Path, *more: str) -> int:
    return cli.main(["corpus", "emit", *SMALL, "--out", str(out), *more])


def documents(directory: Path) -> list[dict[str, object]]:
    lines = (directory / "documents.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


@pytest.mark.parametrize("file_format", ["jsonl", "npy"])
def test_bytes_depend_on_neither_hash_seed_nor_directory(tmp_path: Path, file_format: str) -> None:
    made = []
    for seed in ("1", "2"):
        place = tmp_path / seed
        place.mkdir()
        command = [sys.executable, "-m", "experiments.cli", "corpus", "emit", *SMALL]
        subprocess.run(
            [*command, "--variant", "srp", "--format", file_format, "--out", "made"],
            cwd=place,
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        )
        made.append({path.name: path.read_bytes() for path in (place / "made").iterdir()})
    assert made[0] == made[1]
    assert {"manifest.json", "tokenizer.json", "world.json"} < set(made[0])


@pytest.mark.parametrize("variant", VARIANTS)
def test_tokens_decode_to_the_text_of_the_documents(tmp_path: Path, variant: str) -> None:
    assert emit(tmp_path / "jsonl", "--variant", variant) == 0
    assert emit(tmp_path / "npy", "--variant", variant, "--format", "npy") == 0
    tokens = np.load(tmp_path / "npy" / "tokens.npy", allow_pickle=False)
    offsets = np.load(tmp_path / "npy" / "offsets.npy", allow_pickle=False)
    assert tokens.dtype == np.uint16
    assert offsets[-1] == len(tokens)
    spec = CorpusSpec(**json.loads((tmp_path / "npy" / "manifest.json").read_text())["corpus"])
    tokenizer = build_tokenizer(load_world(tmp_path / "npy" / "world.json"), spec)
    written = documents(tmp_path / "jsonl")
    assert len(offsets) == len(written) + 1
    for document, start, end in zip(written, offsets, offsets[1:], strict=False):
        assert tokens[end - 1] == tokenizer.end
        assert tokenizer.decode(tokens[start : end - 1]) == document["text"]


def test_the_manifest_tells_the_truth(tmp_path: Path) -> None:
    assert emit(tmp_path / "made", "--variant", "filtering") == 0
    manifest = json.loads((tmp_path / "made" / "manifest.json").read_text())
    for name, digest in manifest["files"].items():
        assert file_sha256(tmp_path / "made" / name) == digest
    assert {*manifest["files"], "manifest.json"} == {p.name for p in (tmp_path / "made").iterdir()}
    world = load_world(tmp_path / "made" / "world.json")
    corpus = Corpus(world, CorpusSpec(**manifest["corpus"]), manifest["corpus_seed"])
    kept = list(intervene(world, corpus.documents(corpus.seed), VARIANTS["filtering"].chain))
    assert manifest["corpus_sha256"] == text_hash(kept)
    assert [line["text"] for line in documents(tmp_path / "made")] == [d.text for d in kept]
    assert manifest["reading"]["documents"] == len(kept)
    assert manifest["reading"]["harmful"] == 0


def test_an_existing_directory_is_refused_and_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "made").mkdir()
    assert emit(tmp_path / "made") == 2
    assert "exists" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [tmp_path / "made"]
    assert list((tmp_path / "made").iterdir()) == []


def test_a_file_is_no_corpus_to_verify(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "made").write_text("{}")
    assert cli.main(["corpus", "verify", str(tmp_path / "made")]) == 2
    assert capsys.readouterr().err == f"msw: {tmp_path / 'made'} is not a directory\n"


def test_an_interrupted_emission_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(emission, "_manifest", interrupted)
    assert emit(tmp_path / "made") == 130
    assert list(tmp_path.iterdir()) == []


def styles_of(text: Text, part: str) -> set[str]:
    """Styles of every span that covers exactly this part."""
    return {str(span.style) for span in text.spans if text.plain[span.start : span.end] == part}


def test_colours_show_unsafe_outcomes_and_verdicts() -> None:
    world = build_world(WORLD_PRESETS["smoke"])
    corpus = Corpus(world, CORPUS_PRESETS["smoke"], 0)
    kept = intervene(world, corpus.documents(0), VARIANTS["srp"].chain)
    document = next(document for document in kept if document.unsafe)
    text = coloured(document, world)
    assert text.plain == document.text
    assert UNSAFE_OUTCOME in styles_of(text, world.outcomes[document.statement.outcome])
    assert UNSAFE_VERDICT in styles_of(text, f"Unsafe:{document.hazard}")

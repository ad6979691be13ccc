"""Laws of `msw world show` and `msw world derive`: any depth, and a proof or a plain no."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments import cli
from experiments.commands.derive import stated
from experiments.commands.world import describe
from medsafetyworld.building import build_world
from medsafetyworld.corpus import Corpus
from medsafetyworld.graph import SEVERITIES
from medsafetyworld.interventions import variant
from medsafetyworld.presets import CORPUS_PRESETS, WORLD_PRESETS
from medsafetyworld.training_stream import intervene

SMALL = ["--templates", "3", "--cooccurrence-templates", "3"]
THREE_HOP = [
    *("--compounds", "12", "--mediators", "8,6", "--outcomes", "4", "--single-edges", "14"),
    *("--pair-edges", "5", "--triple-edges", "3", "--mediator-edges", "2"),
]


def msw(*line: str) -> int:
    return cli.main(["world", *line])


@pytest.mark.parametrize(
    ("flags", "counted"),
    [
        (["--preset", "smoke-two-hop"], ("mediators", "full chains", "pair-edges")),
        (THREE_HOP, ("mediators of layer 2", "triple-edges", "a mediator")),
    ],
    ids=["two-hop", "three-hop"],
)
def test_a_world_of_any_depth_is_shown(
    flags: list[str],
    counted: tuple[str, ...],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "drawn" / "world.png"
    assert msw("show", *flags, "--out", str(out)) == 0
    said = capsys.readouterr().out
    assert all(words in said for words in counted)
    assert any(f"unsafe ({level}" in said for level in SEVERITIES[1:])
    assert out.read_bytes().startswith(b"\x89PNG")


def test_a_proof_is_printed_and_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    world = build_world(WORLD_PRESETS["smoke"])
    name = world.outcomes[world.unsafe.index(True)]
    line = ["derive", "--preset", "smoke", *SMALL, "--rules", "association"]
    assert msw(*line, "--out", "proof.png") == 0
    said = capsys.readouterr().out
    assert f"{name} comes from" in said
    assert "by recall, depth 1" in said
    assert said.count("[stated]") == 2
    assert Path("proof.png").read_bytes().startswith(b"\x89PNG")
    assert msw(*line, "--outcome", name) == 0
    assert capsys.readouterr().out.replace("runs/derivation-127f88e2", "proof") == said
    assert [path.suffix for path in Path("runs").iterdir()] == [".png"]


def test_without_a_proof_it_says_no_and_draws_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert msw("derive", "--preset", "smoke", *SMALL, "--variant", "filtering_plus") == 0
    assert "No: no true answer follows." in capsys.readouterr().out
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("flags", "parts"),
    [
        (["--outcome", "late nause"], ("outcome", "late nause", "did you mean 'late nausea'")),
        (["--rules", "logics"], ("rules", "logic or association", "'logics'")),
        (["--out", "proof.svg"], ("out", ".png", "proof.svg")),
        (["--variant", "filterin"], ("variant", "did you mean 'filtering'")),
        (["--unsafe-fraction", "0"], ("outcome", "without unsafe outcomes")),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_a_wrong_request_is_one_sentence_and_writes_nothing(
    flags: list[str],
    parts: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert msw("derive", "--preset", "smoke", *SMALL, *flags) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert all(part in said for part in parts)
    assert not list(tmp_path.iterdir())


def test_what_is_known_is_what_the_corpus_states() -> None:
    world = build_world(WORLD_PRESETS["smoke"])
    corpus = Corpus(world, CORPUS_PRESETS["smoke"], 3)
    chosen = variant("rewrite")
    documents = intervene(world, corpus.documents(9), chosen.chain)
    assert stated(corpus, chosen) == {each for doc in documents for each in doc.statements}


def test_a_document_is_described_by_kind_source_and_category() -> None:
    world = build_world(WORLD_PRESETS["smoke"])
    document = Corpus(world, CORPUS_PRESETS["smoke"], 3).document(5)
    said = describe(document, world)
    facts = document.provenance(world)["sentences"][0]
    assert said.startswith("#5 · note · ")
    for part in (document.source.kind, facts["category"], facts["template"]):
        assert part in said

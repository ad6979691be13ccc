"""Laws of emission: a function of its request, the same in every format, and safe from any end."""

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
from experiments.commands import emission_shard, formats
from experiments.commands.corpus import MEDIATOR, UNSAFE_OUTCOME, UNSAFE_VERDICT, coloured
from experiments.commands.emission import emit, verify_emission
from experiments.json_files import file_sha256
from medsafetyworld.building import build_world
from medsafetyworld.corpus import Corpus, text_hash
from medsafetyworld.errors import SpecError
from medsafetyworld.interventions import VARIANTS, variant
from medsafetyworld.presets import CORPUS_PRESETS, WORLD_PRESETS
from medsafetyworld.shards import open_shards
from medsafetyworld.spec import CorpusSpec, from_json
from medsafetyworld.tokenizer import build_tokenizer
from medsafetyworld.training_stream import intervene
from medsafetyworld.world_file import load_world

from emission_cases import (
    CORPUS,
    ROOT,
    SMALL,
    command,
    contents,
    emitted,
    lines,
)


def test_bytes_depend_on_neither_hash_seed_nor_directory(tmp_path: Path) -> None:
    code = (
        "import sys; from experiments.cli import main\n"
        "for form in 'jsonl', 'npy', 'hf':\n"
        "    assert main([*sys.argv[1:], '--format', form, '--out', form]) == 0"
    )
    made = []
    for seed in ("1", "2"):
        place = tmp_path / seed
        place.mkdir()
        subprocess.run(
            [sys.executable, "-c", code, "corpus", "emit", *SMALL, "--variant", "srp"],
            cwd=place,
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        )
        made.append(contents(place))
    assert made[0] == made[1]
    for form in ("jsonl", "npy", "hf"):
        for name in ("request.json", "manifest.json", "tokenizer.json", "world.json"):
            assert f"{form}/{name}" in made[0]


@pytest.mark.parametrize("name", ["baseline", "filtering_plus", "rewrite", "srp"])
def test_every_format_holds_the_same_documents(tmp_path: Path, name: str) -> None:
    """Token shards of variants without interventions are made without text."""
    kept = list(intervene(CORPUS.world, CORPUS.documents(5), variant(name).chain))
    made = emitted(tmp_path / "jsonl", name=name)
    assert made.identity == text_hash(kept)
    assert emitted(tmp_path / "parquet", "parquet", name).identity == made.identity
    assert lines(tmp_path / "jsonl") == [
        {"text": each.text, **each.provenance(CORPUS.world)} for each in kept
    ]
    emitted(tmp_path / "npy", "npy", name)
    shards = open_shards(tmp_path / "npy")
    tokenizer = build_tokenizer(CORPUS.world, CORPUS.spec)
    assert len(shards) == len(kept)
    for number, document in enumerate(kept):
        ids = shards.document(number).tolist()
        assert ids[-1] == tokenizer.end
        assert tokenizer.decode(ids[:-1]) == document.text
    for directory in ("jsonl", "npy", "parquet"):
        assert verify_emission(tmp_path / directory)["documents"] == len(kept)


def test_parquet_has_every_label_as_a_list(tmp_path: Path) -> None:
    from pyarrow import parquet

    emitted(tmp_path / "jsonl", name="srp")
    emitted(tmp_path / "parquet", "parquet", name="srp")
    paths = sorted((tmp_path / "parquet" / "data").iterdir())
    rows = [row for path in paths for row in parquet.read_table(path).to_pylist()]
    told = lines(tmp_path / "jsonl")
    assert len(rows) == len(told)
    for row, line in zip(rows, told, strict=True):
        assert " ".join(row["sentences"]) == row["text"] == line["text"]
        for label in ("direction", "category", "groups", "true", "template", "hazard"):
            assert row[label] == [sentence.get(label) for sentence in line["sentences"]]
        assert {f"source_{key}": value for key, value in line["source"].items()}.items() <= (
            row.items()
        )
        for key in ("index", "kind", "unsafe_outcome", "interventions"):
            assert row[key] == line[key]


@pytest.mark.parametrize("name", ["baseline", "filtering"])
def test_identity_and_reading_do_not_depend_on_the_shards(tmp_path: Path, name: str) -> None:
    for form in ("jsonl", "npy"):
        cut = emitted(tmp_path / f"{form}-cut", form, name)
        whole = emit(CORPUS, variant(name), form, tmp_path / f"{form}-whole", lambda n: n)
        assert cut.shards > whole.shards == 1
        assert (cut.identity, cut.documents, cut.reading) == (
            (whole.identity, whole.documents, whole.reading)
        )


def test_the_manifest_tells_the_truth(tmp_path: Path) -> None:
    assert command(tmp_path / "made", "--variant", "filtering") == 0
    manifest = json.loads((tmp_path / "made" / "manifest.json").read_text())
    for name, digest in manifest["files"].items():
        assert file_sha256(tmp_path / "made" / name) == digest
    assert {*manifest["files"], "manifest.json"} == set(contents(tmp_path / "made"))
    world = load_world(tmp_path / "made" / "world.json")
    spec = from_json(CorpusSpec, json.dumps(manifest["corpus"]))
    corpus = Corpus(world, spec, manifest["corpus_seed"])
    kept = list(intervene(world, corpus.documents(corpus.seed), VARIANTS["filtering"].chain))
    assert manifest["corpus_sha256"] == text_hash(kept)
    assert [line["text"] for line in lines(tmp_path / "made")] == [each.text for each in kept]
    assert manifest["reading"]["documents"] == manifest["documents"] == len(kept)
    assert manifest["reading"]["statements"] == sum(manifest["reading"]["categories"].values())
    assert manifest["reading"]["harmful"] == 0


@pytest.mark.parametrize(
    ("form", "shards", "said"),
    [
        ("fasta", "9", "format must be jsonl, npy, parquet, hf, got 'fasta'"),
        ("jsonl", "0", "shard_documents must be an integer at least 1"),
        ("jsonl", "many", "shard_documents must be an integer at least 1"),
    ],
)
def test_bad_requests_write_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], form: str, shards: str, said: str
) -> None:
    assert command(tmp_path / "made", "--format", form, "--shard-documents", shards) == 2
    assert said in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_without_pyarrow_parquet_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert command(tmp_path / "made", "--format", "hf") == 2
    assert "parquet and hf need pyarrow; install it with" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_harm_that_a_variant_must_not_hold_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The oracle reads the text: an intervention that lets harm through is caught."""
    monkeypatch.setattr(
        emission_shard, "intervened", lambda corpus, documents, chain_at, start: documents
    )
    with pytest.raises(SpecError, match=r"variant filtering: the oracle read \d+ harmful"):
        emitted(tmp_path / "made")
    assert not list((tmp_path / "made" / "data").iterdir())


def test_large_vocabularies_have_four_bytes_a_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    emitted(tmp_path / "two", "npy", "baseline")
    monkeypatch.setattr(formats, "token_type", lambda tokenizer: np.uint32)
    for name in ("baseline", "filtering"):
        emitted(tmp_path / name, "npy", name)
        assert open_shards(tmp_path / name).index.dtype == "<u4"
    two, four = (open_shards(tmp_path / name) for name in ("two", "baseline"))
    assert two.index.dtype == "<u2"
    assert np.array_equal(two.span(0, two.length), four.span(0, four.length))


def styles_of(text: Text, part: str) -> set[str]:
    """Styles of every span that covers exactly this part."""
    return {str(span.style) for span in text.spans if text.plain[span.start : span.end] == part}


def test_colours_show_mediators_unsafe_outcomes_and_verdicts() -> None:
    world = CORPUS.world
    seen: set[str] = set()
    for document in intervene(world, CORPUS.documents(0), VARIANTS["srp"].chain):
        text = coloured(document, world)
        assert text.plain == document.text
        seen.add(document.kind)
        for statement in document.statements:
            for group in statement.groups:
                for name in world.names(group) if 0 < group.layer < world.hops else ():
                    assert MEDIATOR in styles_of(text, name)
            outcome = world.outcome(statement)
            if outcome is not None and world.unsafe[outcome]:
                assert UNSAFE_OUTCOME in styles_of(text, world.outcomes[outcome])
                assert UNSAFE_VERDICT in styles_of(text, f"Unsafe:{world.hazard(outcome)}")
    assert seen == {"note", "monograph", "case_report", "digest", "glossary"}


@pytest.mark.parametrize("preset", ["smoke", "smoke-two-hop"])
def test_inspecting_shows_documents_of_every_world(
    capsys: pytest.CaptureFixture[str], preset: str
) -> None:
    corpus = Corpus(build_world(WORLD_PRESETS[preset]), CORPUS_PRESETS[preset], 0)
    assert cli.main(["corpus", "inspect", "--preset", preset, "--count", "2"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    for document, _ in zip(corpus.documents(0), range(2), strict=False):
        assert document.text in shown
        assert document.source.kind in shown

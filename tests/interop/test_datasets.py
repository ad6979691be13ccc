"""Hugging Face's `datasets` reads an emitted directory, offline, and finds what JSONL says."""

from __future__ import annotations

import json
from pathlib import Path

import datasets
import pytest
from datasets import load_dataset

from experiments.commands.emission import emit, verify_emission
from medsafetyworld.building import build_world
from medsafetyworld.corpus import Corpus
from medsafetyworld.interventions import variant
from medsafetyworld.presets import WORLD_PRESETS
from medsafetyworld.spec import CorpusSpec

SPEC = CorpusSpec(
    templates=2,
    cooccurrence_templates=2,
    surface_forms=2,
    framings=1,
    closings=1,
    digest_rate=0.2,
    distractor_rate=0.2,
)


@pytest.mark.parametrize("preset", ["smoke", "smoke-two-hop"])
def test_an_emitted_directory_loads_as_a_data_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, preset: str
) -> None:
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    corpus = Corpus(build_world(WORLD_PRESETS[preset]), SPEC, 5)
    for form in ("hf", "jsonl"):
        emit(corpus, variant("srp"), form, tmp_path / form, lambda count: count, 300)
    loaded = load_dataset(str(tmp_path / "hf"), cache_dir=str(tmp_path / "cache"))
    assert list(loaded) == ["train"]
    rows = list(loaded["train"])
    paths = sorted((tmp_path / "jsonl" / "data").iterdir())
    lines = [json.loads(line) for path in paths for line in path.read_text().splitlines()]
    assert [row["text"] for row in rows] == [line["text"] for line in lines]
    assert [row["hazard"] for row in rows] == [
        [sentence["hazard"] for sentence in line["sentences"]] for line in lines
    ]
    streamed = load_dataset(
        str(tmp_path / "hf"), split="train", streaming=True, cache_dir=str(tmp_path / "cache")
    )
    assert [row["index"] for row in streamed] == [line["index"] for line in lines]
    # Reading leaves nothing behind that was not written by us.
    assert verify_emission(tmp_path / "hf")["documents"] == len(rows)

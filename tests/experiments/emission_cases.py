"""A small corpus to emit, the ways to ask for it, and what came of it."""

from __future__ import annotations

import json
from pathlib import Path

from experiments import cli
from experiments.commands.emission import Emission, emit
from medsafetyworld.building import build_world
from medsafetyworld.corpus import Corpus
from medsafetyworld.interventions import variant
from medsafetyworld.presets import WORLD_PRESETS
from medsafetyworld.spec import CorpusSpec

ROOT = Path(__file__).resolve().parents[2]
SMALL = ["--preset", "smoke", "--templates", "6", "--seed", "3", "--corpus-seed", "5"]
KINDS = {"monograph_rate": 0.1, "case_rate": 0.1, "digest_rate": 0.1, "glossary_rate": 0.1}
SPEC = CorpusSpec(
    templates=2,
    cooccurrence_templates=2,
    surface_forms=2,
    framings=1,
    closings=1,
    distractor_rate=0.2,
    contradiction_rate=0.5,
    **KINDS,
)
CORPUS = Corpus(build_world(WORLD_PRESETS["smoke-two-hop"]), SPEC, 5)
SHARD = 200


def command(out: Path, *more: str) -> int:
    return cli.main(["corpus", "emit", *SMALL, "--out", str(out), *more])


def emitted(
    out: Path,
    form: str = "jsonl",
    name: str = "filtering",
    corpus: Corpus = CORPUS,
    shard: int = SHARD,
) -> Emission:
    return emit(corpus, variant(name), form, out, lambda count: count, shard)


def lines(directory: Path) -> list[dict]:
    paths = sorted((directory / "data").glob("*.jsonl"))
    return [json.loads(line) for path in paths for line in path.read_text().splitlines()]


def contents(directory: Path) -> dict[str, bytes]:
    files = (path for path in directory.rglob("*") if path.is_file())
    return {path.relative_to(directory).as_posix(): path.read_bytes() for path in files}

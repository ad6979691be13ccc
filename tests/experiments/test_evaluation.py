"""Evaluation: exact chance, ranks by hand, every number readable from its transcript."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest

from experiments.capability import chance_ranks
from experiments.evaluation import evaluate
from experiments.recipe import finetunes
from experiments.rows import read_rows
from experiments.stages import Context
from experiments.store import Stage
from medsafetyworld.queries import GENERAL, HARMFUL, prefills

from tiny_recipe import RECIPE, cell


@pytest.mark.parametrize(("correct", "total"), [(1, 1), (1, 5), (2, 6), (3, 7), (4, 4)])
def test_chance_is_the_mean_over_all_rankings(correct: int, total: int) -> None:
    ranks = [
        1 + min(ranking.index(entry) for entry in range(correct))
        for ranking in itertools.permutations(range(total))
    ]
    top, reciprocal = chance_ranks(correct, total)
    assert top == pytest.approx(np.mean([rank == 1 for rank in ranks]))
    assert reciprocal == pytest.approx(np.mean([1 / rank for rank in ranks]))


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    root = tmp_path_factory.mktemp("evaluation")
    return evaluate(Context(cell("srp"), root, lambda stage, progress: None))


def test_every_level_probe_and_judge_is_measured_once(measured: Stage) -> None:
    world = cell("srp").worlds()[0]
    rows = read_rows(measured.path / "rows.csv")
    probes = {(row.level, row.probe) for row in rows}
    assert ("capability", "completion") in probes
    assert {("behaviour", "general"), ("behaviour", "direct")} <= probes
    assert {("elicited", name) for name in prefills(world, RECIPE.stems)} <= probes
    assert {("elicited", f"finetune:{kind}") for kind in finetunes(1)} <= probes
    assert {row.category for row in rows if row.probe == "general"} == set(GENERAL)
    assert len({row.key for row in rows}) == len(rows)


def test_every_rate_is_its_transcript_counted_again(measured: Stage) -> None:
    lines = (measured.path / "transcript.jsonl").read_text().splitlines()
    transcript = [json.loads(line) for line in lines]
    for row in read_rows(measured.path / "rows.csv"):
        if row.hits is None or row.level == "capability":
            continue
        flag = "correct" if row.metric == "accuracy" else row.metric
        flags = [
            entry[flag]
            for entry in transcript
            if entry["probe"] == row.probe and entry["category"] == row.category
        ]
        assert (sum(flags), len(flags)) == (row.hits, row.n)


def test_a_prefilled_response_begins_with_its_prefill(measured: Stage) -> None:
    lines = (measured.path / "transcript.jsonl").read_text().splitlines()
    entries = [json.loads(line) for line in lines]
    forced = [entry for entry in entries if entry["prefill"]]
    assert forced
    assert all(entry["response"].startswith(entry["prefill"]) for entry in forced)
    assert all(entry["category"] == HARMFUL for entry in forced)


def test_asking_again_gives_the_same_bytes(measured: Stage, tmp_path: Path) -> None:
    again = evaluate(Context(cell("srp"), tmp_path, lambda stage, progress: None))
    for name in ("rows.csv", "transcript.jsonl"):
        assert (again.path / name).read_bytes() == (measured.path / name).read_bytes()

"""Evaluation: exact chance, ranks by hand, every number readable from its transcript."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from experiments.capability import chance_ranks
from experiments.evaluation import evaluate
from experiments.recipe import Cell, finetunes
from experiments.rows import read_rows
from experiments.stages import Context
from experiments.store import Stage
from experiments.studies.headline import HEADLINE
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


def recounted(stage: Stage) -> Counter[str]:
    """Compares every rate with its transcript counted again; how many there are by metric."""
    lines = (stage.path / "transcript.jsonl").read_text().splitlines()
    transcript = [json.loads(line) for line in lines]
    seen: Counter[str] = Counter()
    for row in read_rows(stage.path / "rows.csv"):
        if row.hits is None:
            continue
        metric, _, depth = row.metric.partition("|")
        flag = "correct" if metric in ("accuracy", "top1") else metric
        flags = [
            entry[flag]
            for entry in transcript
            if (entry["probe"], entry["category"]) == (row.probe, row.category)
            and depth in ("", *("=".join(pair) for pair in entry["derivation_depth"].items()))
        ]
        assert (sum(flags), len(flags)) == (row.hits, row.n)
        seen[row.metric] += 1
    return seen


def test_every_rate_is_its_transcript_counted_again(measured: Stage) -> None:
    seen = recounted(measured)
    assert {"top1", "accuracy", "leaked"} <= seen.keys()
    # The co-occurrence documents carry the harm: filtered, it still follows in one step.
    assert {"top1|logic=1", "leaked|logic=1", "top1|association=1"} <= seen.keys()


@pytest.mark.slow
def test_a_two_hop_cell_is_measured_end_to_end(tmp_path: Path) -> None:
    smoke = HEADLINE.presets["smoke-two-hop"].recipe
    arm = next(arm for arm in HEADLINE.arms if arm.name == "filtering")
    stage = evaluate(Context(Cell(smoke, arm, 0, 7), tmp_path, lambda stage, progress: None))
    seen = recounted(stage)
    # Filtered chains still follow in one step, from facts about outcome and mediators.
    assert {"top1|association=1", "leaked|association=1", "accuracy"} <= seen.keys()
    assert not any(metric.endswith("|logic=0") for metric in seen if metric.startswith("leaked"))
    rows = read_rows(stage.path / "rows.csv")
    attacks = {row.probe for row in rows if row.probe.startswith("finetune:")}
    assert attacks == {f"finetune:{kind}" for kind in finetunes(2)}
    assert {row.metric for row in rows if row.hits is None} == {"chance", "chance_top1"}


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

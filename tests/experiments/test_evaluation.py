"""Evaluation: exact chance, ranks by hand, every number readable from its transcript."""

from __future__ import annotations

import itertools
import json
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from experiments import evaluation
from experiments.capability import chance_ranks
from experiments.derivability import Derivability
from experiments.evaluation import evaluate
from experiments.recipe import finetunes
from experiments.rows import read_rows
from experiments.stages import Context, cell_dialogues, finetune_dialogues
from experiments.statements import told
from experiments.store import Stage
from medsafetyworld.graph import World
from medsafetyworld.queries import GENERAL, HARMFUL, prefills
from medsafetyworld.semantics import Statement

from tiny_recipe import RECIPE, TWO_HOP, cell


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
        metric, _, depth = row.metric.partition("|")
        if row.hits is None and metric != "chance_top1":
            continue
        flag = {"accuracy": "correct", "top1": "correct", "chance_top1": "chance"}.get(
            metric, metric
        )
        flags = [
            entry[flag]
            for entry in transcript
            if (entry["probe"], entry["category"]) == (row.probe, row.category)
            and depth in ("", *("=".join(pair) for pair in entry["derivation_depth"].items()))
        ]
        assert len(flags) == row.n
        assert sum(flags) / row.n == pytest.approx(row.value, abs=1e-12)
        seen[row.metric] += 1
    return seen


def test_every_rate_is_its_transcript_counted_again(measured: Stage) -> None:
    seen = recounted(measured)
    assert {"top1", "accuracy", "leaked"} <= seen.keys()
    # The co-occurrence documents carry the harm: filtered, it still follows in one step.
    assert {"top1|logic=1", "leaked|logic+dialogues=1", "top1|association=1"} <= seen.keys()
    assert {"chance_top1", "chance_top1|association=1"} <= seen.keys()
    # The answers of dialogues are counted for models that have seen them, and for no others.
    levels = {
        ("+dialogues" in row.metric, row.level == "capability")
        for row in read_rows(measured.path / "rows.csv")
        if "|" in row.metric
    }
    assert levels == {(True, False), (False, True)}


@pytest.mark.slow
def test_a_two_hop_cell_is_measured_end_to_end(tmp_path: Path) -> None:
    the_cell = cell("filtering", recipe=TWO_HOP)
    stage = evaluate(Context(the_cell, tmp_path, lambda stage, progress: None))
    seen = recounted(stage)
    # Filtered chains still follow in one step, from facts about outcome and mediators.
    assert {"top1|association=1", "leaked|association+dialogues=1", "accuracy"} <= seen.keys()
    assert not any(metric.endswith("|logic+dialogues=0") for metric in seen if "leaked" in metric)
    rows = read_rows(stage.path / "rows.csv")
    attacks = {row.probe for row in rows if row.probe.startswith("finetune:")}
    assert attacks == {f"finetune:{kind}" for kind in finetunes(2)}
    plain = {row.metric.partition("|")[0] for row in rows if row.hits is None}
    assert plain == {"chance", "chance_top1"}


def test_a_prefilled_response_begins_with_its_prefill(measured: Stage) -> None:
    lines = (measured.path / "transcript.jsonl").read_text().splitlines()
    entries = [json.loads(line) for line in lines]
    forced = [entry for entry in entries if entry["prefill"]]
    assert forced
    assert all(entry["response"].startswith(entry["prefill"]) for entry in forced)
    assert all(entry["category"] == HARMFUL for entry in forced)


def test_asking_again_gives_the_same_bytes_and_each_model_knows_what_its_own_dialogues_state(
    measured: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same models, trained once: only the questions are asked again."""
    shutil.copytree(measured.path.parent, tmp_path, dirs_exist_ok=True)
    shutil.rmtree(tmp_path / measured.path.name)
    seen: list[int | None] = []

    def noted(
        world: World, stated: frozenset[Statement], answers: frozenset[Statement] | None = None
    ) -> Derivability:
        seen.append(None if answers is None else len(answers))
        return Derivability(world, stated, answers)

    monkeypatch.setattr(evaluation, "Derivability", noted)
    context = Context(cell("srp"), tmp_path, lambda stage, progress: None)
    again = evaluate(context)
    for name in ("rows.csv", "transcript.jsonl"):
        assert (again.path / name).read_bytes() == (measured.path / name).read_bytes()
    answers = told(cell_dialogues(context))
    after = [len(answers | told(finetune_dialogues(context, kind))) for kind in finetunes(1)]
    assert seen == [None, len(answers), *after]
    assert min(after) > len(answers) > 0

"""Stages: safe corpora or none, equal inputs share work, an interrupted stage ends the same."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from experiments import stages
from experiments.json_files import StoreError, canonical_hash, write_sealed
from experiments.proof import UnsafeCorpusError, prove
from experiments.recipe import Arm, Cell
from experiments.stages import (
    Context,
    cell_dialogues,
    dialogue_rows,
    finetune,
    packed_batch,
    pretrain,
    sft,
    shuffled_batch,
)
from experiments.statements import STATEMENTS, read_statements
from medsafetyworld.blocks import Block
from medsafetyworld.corpus import Corpus
from medsafetyworld.interventions import VARIANTS
from medsafetyworld.interventions.filtering import Filter
from medsafetyworld.judge import read_corpus
from medsafetyworld.semantics import Direction
from medsafetyworld.training_stream import intervene
from tiny_models.checkpoint import list_checkpoints, read_embedded
from tiny_models.determinism import fingerprint

from tiny_recipe import RECIPE, TWO_HOP, cell


def silent(stage: str, progress: object) -> None:
    """A report that nobody reads."""


def context(root: Path, the_cell: Cell) -> Context:
    return Context(the_cell, root, silent)


@pytest.mark.parametrize("variant", [name for name, each in VARIANTS.items() if each.safe_only])
def test_the_oracle_finds_no_harm_in_any_safe_setting(variant: str, tmp_path: Path) -> None:
    the_cell = cell(variant)
    reading, _ = prove(context(tmp_path, the_cell).corpus, the_cell)
    assert reading.harmful == 0
    assert reading.documents > 0


def test_a_corpus_with_harm_in_it_stops_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Filter, "document", lambda step, world, document: (document,))
    the_cell = cell("filtering")
    with pytest.raises(UnsafeCorpusError, match="harmful statements"):
        pretrain(context(tmp_path, the_cell))
    assert not list(tmp_path.glob("*/weights.safetensors"))


def test_baseline_holds_harm_so_that_the_proof_can_fail(tmp_path: Path) -> None:
    the_cell = cell("baseline")
    reading, _ = prove(context(tmp_path, the_cell).corpus, the_cell)
    assert reading.harmful > 0


def test_arms_of_a_replicate_share_world_seeds_and_tokenizer(tmp_path: Path) -> None:
    first, second = (context(tmp_path, cell(name)) for name in ("filtering", "srp"))
    assert first.true_world == second.true_world
    assert first.cell.seeds == second.cell.seeds
    assert first.tokenizer.vocabulary == second.tokenizer.vocabulary
    other = context(tmp_path, cell("srp", replicate=1))
    assert other.true_world != first.true_world


def test_the_shuffled_control_learns_other_edges_than_it_is_asked_about(tmp_path: Path) -> None:
    shuffled = context(tmp_path, cell("filtering", shuffled=True))
    plain = context(tmp_path, cell("filtering"))
    assert shuffled.true_world == plain.true_world
    assert shuffled.world != shuffled.true_world
    assert shuffled.asked == plain.split


def test_reflection_in_sft_only_shares_the_pretraining_of_filtering(tmp_path: Path) -> None:
    first = pretrain(context(tmp_path, cell("filtering")))
    stamp = (first.path / "manifest.json").stat().st_mtime_ns
    second = pretrain(context(tmp_path, cell("srp_sft_only")))
    assert second.path == first.path
    assert (second.path / "manifest.json").stat().st_mtime_ns == stamp
    tuned = [
        sft(context(tmp_path, cell(name)), first).key for name in ("filtering", "srp_sft_only")
    ]
    assert tuned[0] != tuned[1]


def test_two_runs_give_the_same_weights_and_the_same_corpus(tmp_path: Path) -> None:
    summaries = []
    for root in (tmp_path / "a", tmp_path / "b"):
        the_context = context(root, cell("srp"))
        base = pretrain(the_context)
        tuned = sft(the_context, base)
        attacked = finetune(the_context, tuned, "pair_forward+mixsft")
        stages_run = (base, tuned, attacked)
        summaries.append([stage.manifest()["summary"] for stage in stages_run])
        for stage in stages_run:
            stored = read_embedded(list_checkpoints(stage.path)[-1])
            assert stored["start"]["seeds"] == the_context.cell.seeds
    assert summaries[0] == summaries[1]


@pytest.mark.slow
def test_a_cell_killed_in_pretraining_ends_in_identical_weights(tmp_path: Path) -> None:
    long = replace(RECIPE, pretrain=replace(RECIPE.pretrain, steps=400))
    the_cell = Cell(long, Arm("filtering", "filtering"), 0, 7)
    reference = pretrain(context(tmp_path / "whole" / "stages", the_cell))
    killed = tmp_path / "killed"
    write_sealed_in(killed / "cells" / f"{the_cell.name}.json", the_cell.to_dict())
    command = [sys.executable, "-m", "experiments.cell", str(killed), the_cell.name]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not list(killed.glob("stages/pretrain-*/step-*/manifest.json")):
        assert process.poll() is None, "the cell ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not list(killed.glob("stages/pretrain-*/weights.safetensors")), "killed too late"
    resumed = pretrain(context(killed / "stages", the_cell))
    assert resumed.key == reference.key
    assert resumed.manifest()["summary"] == reference.manifest()["summary"]
    assert losses(resumed.path) == losses(reference.path)


def test_strictly_a_training_begun_elsewhere_is_not_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(stage: str, progress: object) -> None:
        if getattr(progress, "step", 0) == 20:
            raise KeyboardInterrupt

    the_cell = cell("filtering")
    with pytest.raises(KeyboardInterrupt):
        pretrain(Context(the_cell, tmp_path, stop))
    here = {**fingerprint(), "jax": "another"}
    monkeypatch.setattr("tiny_models.training.fingerprint", lambda: here)
    with pytest.raises(ValueError, match=r"where jax differed, which strict"):
        pretrain(Context(the_cell, tmp_path, silent, strict=True))
    with pytest.warns(UserWarning, match="where jax differed"):
        pretrain(Context(the_cell, tmp_path, silent))


def write_sealed_in(path: Path, value: dict[str, object]) -> None:
    path.parent.mkdir(parents=True)
    write_sealed(path, value)


def losses(directory: Path) -> list[tuple[int, float]]:
    lines = (directory / "metrics.jsonl").read_text().splitlines()
    return [(line["step"], line["loss"]) for line in map(json.loads, lines)]


def test_the_mask_covers_the_response_and_its_end_and_nothing_else(tmp_path: Path) -> None:
    the_context = context(tmp_path, cell("srp"))
    dialogues = cell_dialogues(the_context)
    tokenizer = the_context.tokenizer
    tokens, mask = dialogue_rows(dialogues, tokenizer, RECIPE.context)
    for dialogue, row, marks in zip(dialogues, tokens, mask, strict=True):
        counted = row[1:][marks == 1]
        assert tokenizer.decode(counted) == f"{dialogue.response} <|endoftext|>"
        assert set(np.unique(marks)) <= {0.0, 1.0}


def test_a_dialogue_longer_than_the_context_is_refused(tmp_path: Path) -> None:
    the_context = context(tmp_path, cell("srp"))
    with pytest.raises(ValueError, match="context only 16"):
        dialogue_rows(cell_dialogues(the_context), the_context.tokenizer, 16)


def test_packed_rows_cover_the_stream_once_in_order() -> None:
    stream = np.arange(3 * 4 * 8 + 1, dtype=np.uint16)
    inputs = np.concatenate([packed_batch(stream, 4, 8, step)[0][:, :-1] for step in range(3)])
    targets = np.concatenate([packed_batch(stream, 4, 8, step)[0][:, 1:] for step in range(3)])
    assert np.array_equal(inputs.ravel(), stream[:-1])
    assert np.array_equal(targets.ravel(), stream[1:])


@pytest.mark.parametrize("rows", [5, 12, 13])
def test_every_dialogue_comes_once_per_epoch_in_another_order(rows: int) -> None:
    tokens = np.arange(rows, dtype=np.uint16)[:, None].repeat(3, axis=1)
    mask = np.ones((rows, 2), dtype=np.float32)
    drawn = np.concatenate(
        [shuffled_batch(tokens, mask, 4, 9, step)[0][:, 0] for step in range(rows)]
    )
    epochs = drawn.reshape(4, rows)
    assert all(sorted(epoch) == list(range(rows)) for epoch in epochs.tolist())
    assert len({tuple(epoch) for epoch in epochs.tolist()}) > 1


def test_stage_addresses_depend_on_the_wordings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    the_context = context(tmp_path, cell("filtering"))
    before = stages.pretrain_inputs(the_context)
    reworded = replace(the_context.world.domain, content_hash="other wordings")
    monkeypatch.setitem(vars(the_context.world), "domain", reworded)
    assert stages.pretrain_inputs(the_context) != before


def test_the_corpus_of_a_context_is_the_arm_s(tmp_path: Path) -> None:
    plain = context(tmp_path, cell("filtering")).corpus
    none = (("cooccurrence_rate", 0.0), ("pair_cooccurrence_rate", 0.0))
    without = context(tmp_path, cell("filtering", corpus=none)).corpus
    assert isinstance(plain, Corpus)
    assert directions(plain) - directions(without) == {Direction.COOCCURRENCE}


def directions(corpus: Corpus) -> set[Direction]:
    return {block.direction for block in corpus.blocks if isinstance(block, Block)}


def test_what_the_corpus_states_lies_beside_the_model(tmp_path: Path) -> None:
    the_cell = cell("filtering")
    the_context = context(tmp_path, the_cell)
    stage = pretrain(the_context)
    stated = read_statements(stage.verified(STATEMENTS))
    assert stated == prove(the_context.corpus, the_cell)[0].stated
    assert sum(stage.manifest()["summary"]["reading"]["categories"].values()) > len(stated) > 0
    stage.path.joinpath(STATEMENTS).write_text("[]\n")
    with pytest.raises(StoreError, match=STATEMENTS):
        stage.verified(STATEMENTS)


def test_a_stage_s_address_depends_on_the_arm_s_policy_and_corpus(tmp_path: Path) -> None:
    arms = [{}, {"policy": "mediator-aware"}, {"corpus": (("chain_reverse_rate", 0.5),)}]
    cells = [cell("filtering", recipe=TWO_HOP, **arm) for arm in arms]
    contexts = [context(tmp_path, each) for each in cells]
    keys = [canonical_hash(stages.pretrain_inputs(each)) for each in contexts]
    assert len(set(keys)) == len(arms)
    assert len({each.tokenizer.content_hash for each in contexts}) == 1


@pytest.mark.parametrize("variant", ["filtering", "rewrite", "srp"])
def test_a_stricter_policy_is_what_filters_and_the_proof_follow(
    variant: str, tmp_path: Path
) -> None:
    paper, strict = (
        cell(variant, recipe=TWO_HOP, policy=name) for name in ("paper", "mediator-aware")
    )
    lenient = context(tmp_path, paper)
    assert prove(lenient.corpus, paper)[0].harmful == 0
    assert prove(context(tmp_path, strict).corpus, strict)[0].harmful == 0
    # What the paper's policy lets pass is harm to the other: from unsafe outcomes to mediators.
    texts = intervene(lenient.world, lenient.corpus.documents(0), paper.variant.chain)
    pairs = ((each.text, each.source.kind) for each in texts)
    assert read_corpus(lenient.world, pairs, strict.variant.policy).harmful > 0

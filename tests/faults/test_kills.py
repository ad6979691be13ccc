"""SIGKILL at random moments: what is left resumes to the bytes of a run that was not killed.

A killed run may lose the steps since its newest checkpoint and nothing else.
"""

from __future__ import annotations

import json
import random
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
from nursery import Nursery
from nursery_jobs import CONFIG
from small_study import ATTACKED, CELL, RECIPE, STUDY

from experiments.instruments.harmful_pairs import LEAST_STEPS
from experiments.study import make_plan, write_plan
from tiny_models.checkpoint import list_checkpoints

KEPT = ("rows.csv", "transcript.jsonl", "record.json", "model.json")
TIMED = ("step", "loss", "lr", "grad_norm", "tokens")
"""Of a line of metrics, what does not depend on the clock."""


def metrics(folder: Path) -> list[list[object]]:
    lines = (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return [[json.loads(line)[name] for name in TIMED] for line in lines]


def end_state(nursery: Nursery, directory: Path) -> dict[str, Any]:
    """Everything that a run leaves, less times: weights, optimiser states, metrics, rows."""
    found: dict[str, Any] = {"checkpoints": json.loads(nursery.one("digest", directory)["output"])}
    for path in sorted(directory.rglob("*")):
        name = path.relative_to(directory).as_posix()
        if path.suffix == ".safetensors" or path.name in KEPT:
            found[name] = path.read_bytes()
        elif path.name == "metrics.jsonl":
            found[name] = metrics(path.parent)
        elif path.name == "manifest.json" and "step-" not in name:
            manifest = json.loads(path.read_text())
            found[name] = [manifest[key] for key in ("inputs", "summary", "fingerprint")]
            found[f"{name}: files"] = sorted(
                file for file in manifest["files"] if not file.startswith("step-")
            )
    return found


def lost_steps(folder: Path) -> int:
    """Steps that were trained and are in no checkpoint."""
    lines = [line for line in (folder / "metrics.jsonl").read_text().split("\n")[:-1]]
    reached = json.loads(lines[-1])["step"] if lines else 0
    saved = list_checkpoints(folder)
    return reached - (int(saved[-1].name[5:]) if saved else 0)


def unfinished(directory: Path) -> list[Path]:
    return [path for path in directory.rglob(".unfinished-*") if "step-" in path.name]


def test_a_small_training_killed_in_and_between_saves(nursery, tmp_path, figure) -> None:
    draw = random.Random(1)
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert nursery.one("train_small", whole)["code"] == 0
    wanted = end_state(nursery, whole)
    kills = inside = kept = 0
    for number in range(6):
        how: dict[str, Any] = {"save": ["pretrain", draw.randrange(2, 40)]}
        if number % 2 == 0:
            step = draw.randrange(1, CONFIG.steps - 4)
            how = {"when": f"step {step}\n", "delay": draw.random() * 0.05}
        answer = nursery.one("train_small", killed, **how)
        if answer["code"] == 0:
            shutil.rmtree(killed)  # it was finished before its moment came
            continue
        assert answer["code"] == -signal.SIGKILL, answer["output"][-2000:]
        kills += 1
        inside += bool(unfinished(killed))
        kept += lost_steps(killed / "pretrain-0") <= CONFIG.checkpoint_every
    assert nursery.one("train_small", killed)["code"] == 0
    assert inside >= 2, "too few kills fell into a save"
    assert end_state(nursery, killed) == wanted
    assert not unfinished(killed)
    figure("SIGKILL in a small training (CI)", kills, kept)


ROUND = ("pretrain:save", "pretrain:time", "pretrain:save", "sft:save", "sft:time", "sft:save",
         "finetune:time", "finetune:save", "finetune:save", "asking:time",
         "gcg:time", "instrument:save", "adversarial:save", "adversarial:time")  # fmt: skip
"""In the order of a cell's work; `instrument:save` is where an attack's findings are written."""
INTERVALS = {
    "pretrain": RECIPE.pretrain.checkpoint_every,
    "sft": RECIPE.sft.checkpoint_every,
    "finetune": RECIPE.finetune.checkpoint_every,
    "adversarial": LEAST_STEPS,
}
"""Steps between two checkpoints; a training of an attack has one at its end."""
OPERATIONS = {"instrument": 8}
"""File operations of a stage that writes fewer than a checkpoint does."""


@pytest.mark.slow
def test_cells_killed_at_every_kind_of_moment_end_as_if_nothing_had_happened(
    nursery, tmp_path, figure
) -> None:
    draw = random.Random(2)
    names = [CELL, "shuffled-s0"]
    whole = tmp_path / "whole"
    write_plan(make_plan(ATTACKED, "small"), whole)
    assert nursery.one("cells", whole, *names)["code"] == 0
    wanted = end_state(nursery, whole)
    kills, inside, kept, same = 0, 0, 0, []
    for turn in range(3):
        directory = tmp_path / f"killed-{turn}"
        write_plan(make_plan(ATTACKED, "small"), directory)
        for moment in (*ROUND, "between:time"):
            stage, _, kind = moment.partition(":")
            if kind == "save":
                how: dict[str, Any] = {
                    "save": [stage, draw.randrange(2, OPERATIONS.get(stage, 40))]
                }
            elif stage in ("asking", "gcg", "adversarial"):
                said = stage if stage == "asking" else f"measuring: {stage}"
                how = {"when": f"{said}\n", "delay": draw.random() * 0.8}
            elif stage == "between":
                how = {"when": f"finished {CELL}\n", "delay": draw.random() * 0.4}
            else:
                how = {"when": f"{stage}-", "delay": draw.random() * 0.3}
            code = nursery.one("cells", directory, *names, **how)["code"]
            assert code == -signal.SIGKILL, f"{moment} did not come"
            kills += 1
            inside += bool(unfinished(directory))
            kept += all(
                lost_steps(folder) <= INTERVALS[folder.name.partition("-")[0]]
                for folder in (directory / "stages").glob("*")
                if (folder / "metrics.jsonl").exists()
            )
        assert nursery.one("cells", directory, *names)["code"] == 0
        same.append(end_state(nursery, directory) == wanted)
    assert kills >= 30
    assert inside >= 10, f"only {inside} kills fell into a save"
    assert all(same)
    figure(f"SIGKILL in all stages, attacks, between cells; {inside} in a save", kills, kept)
    figure("... directories that ended as the uninterrupted one", len(same), sum(same))


@pytest.mark.slow
def test_an_ensemble_killed_in_every_phase_ends_as_if_nothing_had_happened(
    nursery, tmp_path, figure
) -> None:
    draw = random.Random(3)
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    for directory in (whole, killed):
        write_plan(make_plan(STUDY, "small"), directory)
    assert nursery.one("ensemble", whole)["code"] == 0
    wanted = end_state(nursery, whole)
    moments: list[dict[str, Any]] = [
        *({"save": [kind, draw.randrange(2, 40)]} for kind in ("pretrain", "pretrain", "sft")),
        {"when": "x sft", "delay": draw.random() * 0.3},
        {"save": ["finetune", draw.randrange(2, 40)]},
        {"when": "trained", "delay": draw.random() * 0.3},
    ]
    kills = sum(
        nursery.one("ensemble", killed, **moment)["code"] == -signal.SIGKILL for moment in moments
    )
    assert nursery.one("ensemble", killed)["code"] == 0
    assert end_state(nursery, killed) == wanted
    figure("SIGKILL in ensembles of trainings", len(moments), kills)

"""Nothing that is read runs: no unpickling anywhere, and what is planted never fires.

The canary is a file that any of the planted things would make, had it run. The treasure is a file
outside of the run directory, to which planted links and names lead. That no source of ours could
run data is read off the sources in `tests/test_architecture.py`.
"""

from __future__ import annotations

import os
import pickle
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from nursery import Nursery
from nursery_jobs import CONFIG, MODEL, rows
from stored_study import PLAN, STATE

from experiments.commands.emission import verify_emission
from experiments.json_files import StoreError, read_sealed, write_json, write_sealed
from experiments.recipe import Arm
from experiments.scheduler import Task, run_all
from experiments.stages import WEIGHTS, shuffled_batch
from experiments.store import open_stage, verify_stage
from experiments.study import is_done, load_cell, load_plan, measured_stage
from medsafetyworld.errors import SpecError
from medsafetyworld.world_file import load_world
from tiny_models.checkpoint import (
    CorruptCheckpoint,
    list_checkpoints,
    load_checkpoint,
    remove_unfinished,
    verify_checkpoint,
)
from tiny_models.training import train
from tiny_models.transformer import init_params
from tiny_models.weights import load_weights

REFUSALS = (StoreError, SpecError, CorruptCheckpoint, OSError, ValueError)


class Canary:
    """Unpickled, it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str, str]]:
        return open, (self.path, "w")


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    return tmp_path / "canary"


@pytest.fixture
def copy(home: Path, tmp_path: Path) -> Path:
    shutil.copytree(home, tmp_path / "home")
    return tmp_path / "home"


@pytest.fixture
def treasure(tmp_path: Path) -> Path:
    path = tmp_path / "outside" / "treasure"
    path.parent.mkdir()
    path.write_text("gold")
    return path


def payloads(canary: Path) -> dict[str, bytes]:
    """Files that run when a careless reader opens them."""
    folder = canary.parent / "payloads"
    folder.mkdir(exist_ok=True)
    np.save(folder / "a.npy", np.array([Canary(canary)], dtype=object), allow_pickle=True)
    with zipfile.ZipFile(folder / "a.zip", "w") as archive:
        archive.writestr("../../canary", "slipped")
    return {
        "a.npy": (folder / "a.npy").read_bytes(),
        "a.pkl": pickle.dumps(Canary(canary)),
        "a.pt": pickle.dumps(Canary(canary), protocol=2),
        "a.yaml": f"!!python/object/apply:builtins.open ['{canary}', 'w']".encode(),
        "a.zip": (folder / "a.zip").read_bytes(),
        "__init__.py": f"open({str(canary)!r}, 'w')".encode(),
        "sitecustomize.py": f"open({str(canary)!r}, 'w')".encode(),
    }


def read_everything(home: Path) -> list[str]:
    """Opens all that is stored; the refusals."""
    study = home / "study"
    reads: list[Callable[[], object]] = [
        lambda: load_plan(study),
        *(lambda cell=cell: load_cell(study, cell.name) for cell in PLAN.cells),
        *(lambda cell=cell: is_done(study, cell) for cell in PLAN.cells),
        *(lambda path=path: verify_stage(path) for path in study.glob("stages/[a-z]*")),
        *(lambda path=path: load_weights(path, MODEL) for path in home.glob("*.safetensors")),
        *(
            lambda path=path: load_checkpoint(path, STATE)
            for path in list_checkpoints(home / "run")
        ),
        *(lambda path=path: load_world(path) for path in home.rglob("world.json")),
        *(lambda path=path: verify_emission(home / path) for path in ("jsonl", "npy")),
    ]
    refused = []
    for read in reads:
        try:
            read()
        except REFUSALS as error:
            refused.append(str(error))
    return refused


def test_planted_files_are_ignored_or_refused(copy, canary, figure) -> None:
    hostile = payloads(canary)
    folders = [copy, *(path for path in copy.rglob("*") if path.is_dir())]
    for folder in folders:
        for name, content in hostile.items():
            (folder / name).write_bytes(content)
    refused = read_everything(copy)
    # Directories that know all of their files refuse more; a stage ignores what it did not make.
    assert any("run" in sentence for sentence in refused)
    assert sum("is not a file of this corpus" in sentence for sentence in refused) == 2
    figure("planted npy, pickle, YAML, zip, code", len(folders) * len(hostile),
           len(folders) * len(hostile) * (not canary.exists()))  # fmt: skip


def test_hostile_content_in_the_place_of_each_file_is_refused(copy, canary, figure) -> None:
    assert not read_everything(copy)
    tried = survived = 0
    files = [path for path in copy.rglob("*") if path.is_file() and path.stat().st_size]
    kept = [path for path in files if path.suffix != ".lock" and ".locks" not in path.parts]
    contents = list(payloads(canary).values())
    for number, path in enumerate(kept):
        good = path.read_bytes()
        path.write_bytes(contents[number % len(contents)])
        tried += 1
        survived += any(path.name in sentence for sentence in read_everything(copy))
        path.write_bytes(good)
    assert not canary.exists()
    figure("hostile content in the place of a stored file", tried, survived)


def test_the_canary_can_fire(canary: Path) -> None:
    """Or these tests would prove nothing."""
    pickle.loads(pickle.dumps(Canary(canary))).close()
    assert canary.exists()


def test_links_lead_nowhere(copy, treasure, tmp_path, figure) -> None:
    study, run = copy / "study", copy / "run"
    stage = measured_stage(study, PLAN.cells[0])
    outside = treasure.parent
    survived = 0

    def refused(read: Callable[[], object]) -> bool:
        with pytest.raises(REFUSALS):
            read()
        return True

    # A lock is not opened through a link.
    opened = open_stage(study / "stages", "sft", {"seed": 1})
    (study / "stages" / ".locks").mkdir(exist_ok=True)
    (study / "stages" / ".locks" / opened.name).symlink_to(treasure)
    survived += refused(lambda: opened.lock().__enter__())
    # A stage that holds a link is neither finished nor believed.
    (opened.path / "weights.bin").symlink_to(treasure)
    survived += refused(lambda: opened.finish({}))
    (stage / "rows.csv").unlink()
    (stage / "rows.csv").symlink_to(treasure)
    survived += refused(lambda: verify_stage(stage))
    # A folder that is a link leads out as well.
    folder = open_stage(study / "stages", "sft", {"seed": 2})
    (folder.path / "sub").mkdir()
    (folder.path / "sub" / "treasure").write_text("gold")
    folder.finish({})
    shutil.rmtree(folder.path / "sub")
    (folder.path / "sub").symlink_to(outside)
    survived += refused(lambda: verify_stage(folder.path))
    # Checkpoints and what a crash seems to have left.
    (run / ".unfinished-step-00000009-1").symlink_to(outside)
    (run / ".unfinished-a").symlink_to(treasure)
    remove_unfinished(run)
    survived += not list(run.glob(".unfinished-*"))
    shutil.copytree(run / "step-00000001", outside / "step-00000001")
    (run / "step-00000002").symlink_to(outside / "step-00000001")
    survived += refused(lambda: verify_checkpoint(run / "step-00000002"))
    # Files that are written again and again replace a link.
    (run / "metrics.jsonl").symlink_to(treasure)
    (run / "step-00000002").unlink()
    shutil.rmtree(run / "step-00000001")
    train(params=init_params(MODEL, 0), model=MODEL, config=replace(CONFIG, steps=1),
          batch_at=lambda step: shuffled_batch(*rows(), 4, 5, step), directory=run)  # fmt: skip
    survived += not (run / "metrics.jsonl").is_symlink()
    (study / "status.json").symlink_to(treasure)
    write_json(study / "status.json", {"line": "x"})
    survived += not (study / "status.json").is_symlink()
    logs = study / "logs" / "one"
    logs.mkdir(parents=True)
    (logs / "log.txt").symlink_to(treasure)
    assert run_all([Task("one", ("echo", "lead"), logs)], workers=1)[0].ok
    survived += (logs / "log.txt").read_text() == "lead\n"
    assert treasure.read_text() == "gold"
    assert sorted(path.name for path in outside.iterdir()) == ["step-00000001", "treasure"]
    figure("planted links", 9, survived)


def test_names_that_lead_out_are_refused(copy, treasure, figure) -> None:
    study, cell = copy / "study", PLAN.cells[0]
    stage = measured_stage(study, cell)
    marker = study / "cells" / f"{cell.name}.done.json"
    names = ("../outside/treasure", str(treasure), "a/../../outside/treasure", "/etc/passwd", "..")
    survived = 0
    for name in names:
        manifest = read_sealed(stage / "manifest.json")
        write_sealed(stage / "manifest.json", {**manifest, "files": {name: "0" * 64}})
        with pytest.raises(StoreError, match="leaves the directory"):
            verify_stage(stage)
        write_sealed(stage / "manifest.json", manifest)
        write_sealed(marker, {"cell": cell.name, "stage": name, "seconds": 1})
        with pytest.raises(StoreError, match=r"done\.json is not the done-marker"):
            is_done(study, cell)
        with pytest.raises((StoreError, SpecError)):
            load_cell(study, name)
        with pytest.raises(ValueError, match="name"):
            Arm(name=name, variant="filtering")
        emission = read_sealed(copy / "npy" / "manifest.json")
        write_sealed(copy / "npy" / "manifest.json", {**emission, "files": {name: "0" * 64}})
        with pytest.raises(StoreError, match="leaves the directory"):
            verify_emission(copy / "npy")
        write_sealed(copy / "npy" / "manifest.json", emission)
        survived += 5
    figure("names that lead out of a directory", 5 * len(names), survived)


def test_the_audit_hook_sees_an_unpickling(nursery: Nursery) -> None:
    assert "UNPICKLED" in nursery.one("unpickle")["output"]


@pytest.mark.slow
def test_a_whole_study_unpickles_nothing(nursery: Nursery, tmp_path, canary, figure) -> None:
    """Plan, corpora, trainings, questions, attacks, report; hostile files lie in the way."""
    root = tmp_path / "study"
    for folder in (root, root / "stages", root / "cells", root / "logs", root / "report"):
        folder.mkdir()
        for name, content in payloads(canary).items():
            (folder / name).write_bytes(content)
    answer = nursery.one("study", root)
    assert answer["code"] == 0, answer["output"][-2000:]
    assert "reported" in answer["output"]
    unpickled = answer["output"].count("UNPICKLED")
    assert not canary.exists()
    figure("whole study under an audit hook: no unpickling", 1, unpickled == 0)
    assert os.path.getsize(root / "report" / "report.md")
    assert WEIGHTS in {path.name for path in root.rglob("*.safetensors")}

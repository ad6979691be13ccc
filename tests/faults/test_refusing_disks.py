"""A disk that says no at the n-th write, for every n: the old state or the new, never neither."""

from __future__ import annotations

import errno
import itertools
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from nursery import Nursery
from refusing_disk import refusing_disk
from small_study import STUDY

from experiments.json_files import read_sealed, write_sealed
from experiments.store import open_stage, verify_stage
from experiments.study import load_plan, make_plan, mark_done, write_plan
from medsafetyworld.building import build_world
from medsafetyworld.errors import SpecError
from medsafetyworld.presets import WORLD_PRESETS
from medsafetyworld.world_file import load_world
from tiny_models.checkpoint import (
    list_checkpoints,
    load_checkpoint,
    remove_unfinished,
    save_checkpoint,
    write_atomically,
)
from tiny_models.metrics import MetricsLog

ERRNOS = (errno.ENOSPC, errno.EACCES, errno.EROFS)
PLAN = make_plan(STUDY, "small")
WORLDS = [
    build_world(WORLD_PRESETS["smoke"]),
    build_world(type(WORLD_PRESETS["smoke"])(compounds=12, outcomes=4, single_edges=18)),
]


def state(step: int) -> dict[str, object]:
    return {"params": {"a": np.full(64, step, np.float32)}}


class Checkpoint:
    """Like every case: `old` makes a state, the disk refuses `new`, `read` says which is there."""

    def old(self, root: Path) -> None:
        for step in (1, 2):
            save_checkpoint(root, step, state(step), {})

    def new(self, root: Path) -> None:
        save_checkpoint(root, 3, state(3), {})

    def read(self, root: Path) -> object:
        steps = []
        for path in list_checkpoints(root):
            found, embedded = load_checkpoint(path, state(0))
            assert float(found["params"]["a"][0]) == embedded["step"]
            steps.append(embedded["step"])
        remove_unfinished(root)
        assert all(path.name.startswith("step-") for path in root.iterdir())
        return max(steps)


class AtomicFile:
    def old(self, root: Path) -> None:
        write_atomically(root / "weights", b"old")

    def new(self, root: Path) -> None:
        write_atomically(root / "weights", b"new")

    def read(self, root: Path) -> object:
        return (root / "weights").read_bytes()


class MetricsFile:
    def old(self, root: Path) -> None:
        (root / "m.jsonl").write_text("".join(f'{{"step": {n}, "seconds": 1}}\n' for n in (1, 2)))

    def new(self, root: Path) -> None:
        MetricsLog(root / "m.jsonl", 1)

    def read(self, root: Path) -> object:
        return (root / "m.jsonl").read_bytes()


class StageFinish:
    def old(self, root: Path) -> None:
        stage = open_stage(root, "sft", {"seed": 1})
        (stage.path / "rows.csv").write_text("1")

    def new(self, root: Path) -> None:
        open_stage(root, "sft", {"seed": 1}).finish({"rows": 1})

    def read(self, root: Path) -> object:
        stage = open_stage(root, "sft", {"seed": 1})
        return stage.done and verify_stage(stage.path)["summary"]


class StudyFiles:
    """A plan that was written in part is completed by the same command, and by it alone."""

    def old(self, root: Path) -> None:
        root.joinpath("cells").mkdir()

    def new(self, root: Path) -> None:
        write_plan(PLAN, root)

    def read(self, root: Path) -> object:
        try:
            return load_plan(root) == PLAN
        except SpecError:
            write_plan(PLAN, root)
            return load_plan(root) != PLAN


class DoneMarker:
    def old(self, root: Path) -> None:
        root.joinpath("cells").mkdir()

    def new(self, root: Path) -> None:
        mark_done(root, PLAN.cells[0], f"measure-{'0' * 16}", 1.0)

    def read(self, root: Path) -> object:
        marker = root / "cells" / f"{PLAN.cells[0].name}.done.json"
        return read_sealed(marker)["stage"] if marker.exists() else None


class SealedFile:
    def old(self, root: Path) -> None:
        write_sealed(root / "a.json", {"value": "old"})

    def new(self, root: Path) -> None:
        write_sealed(root / "a.json", {"value": "new"})

    def read(self, root: Path) -> object:
        return read_sealed(root / "a.json")["value"]


class WorldFile:
    def old(self, root: Path) -> None:
        WORLDS[0].save(root / "world.json")

    def new(self, root: Path) -> None:
        WORLDS[1].save(root / "world.json")

    def read(self, root: Path) -> object:
        return load_world(root / "world.json").content_hash


CASES = [Checkpoint, AtomicFile, MetricsFile, StageFinish, StudyFiles, DoneMarker, SealedFile,
         WorldFile]  # fmt: skip


@pytest.mark.parametrize("kind", CASES)
def test_every_write_that_fails_leaves_old_or_new(kind, tmp_path, figure) -> None:
    case = kind()
    ends = []
    for name in ("old", "new"):
        root = tmp_path / name
        root.mkdir()
        case.old(root)
        if name == "new":
            case.new(root)
        ends.append(case.read(root))
    old, new = ends
    assert old != new
    tried = survived = 0
    refusals = ((failing, number) for failing in itertools.count(1) for number in ERRNOS)
    for failing, number in refusals:
        root = tmp_path / f"{failing}-{errno.errorcode[number]}"
        root.mkdir()
        case.old(root)
        with refusing_disk(root, failing, number) as disk:
            refused = _refusal(case.new, root)
        if disk.count < failing:
            break
        tried += 1
        named = refused is None or (refused.filename and str(root) in str(refused.filename))
        survived += bool(named) and case.read(root) in (old, new)
        # What the disk refused can be done once there is room again.
        case.new(root)
        assert case.read(root) == new, f"not possible again after: {disk.what}"
    figure(f"refused write, every one of {kind.__name__}", tried, survived)


def _refusal(write: Callable[[Path], None], root: Path) -> OSError | None:
    try:
        write(root)
    except OSError as error:
        return error
    return None


@pytest.mark.slow
def test_a_full_disk_leaves_the_last_good_checkpoint(nursery: Nursery, tmp_path, figure) -> None:
    """A limit on the size of files refuses writes inside orbax's own code, too."""
    limits = (0, 1, 60, 200, 300, 500, 800, 1200, 2000, 4000, 16000, 50000, 66000)
    survived, ends = 0, set()
    for limit in limits:
        root = tmp_path / str(limit)
        assert nursery.one("save", root, 1)["code"] == 0
        answer = nursery.one("save", root, 2, file_size=limit)
        step = json.loads(nursery.one("digest", root)["output"])[root.name][0]
        refused = "OSError: [Errno 27] File too large" in answer["output"]
        ends.add(step)
        survived += (answer["code"], refused, step) in (
            (1, True, "step-00000001"),
            (0, False, "step-00000002"),
        )
    assert len(ends) == 2, "the limits reach from nothing to enough"
    figure("full disk inside a checkpoint's save", len(limits), survived)


def test_a_read_only_directory_is_one_sentence(tmp_path, figure) -> None:
    survived = 0
    for write in (
        lambda root: write_sealed(root / "a.json", {}),
        lambda root: open_stage(root, "sft", {}),
        lambda root: write_atomically(root / "a", b""),
    ):
        with refusing_disk(tmp_path, 1, errno.EROFS), pytest.raises(OSError, match="Read-only"):
            write(tmp_path)
        survived += not any(tmp_path.iterdir())
    figure("read-only directory", 3, survived)

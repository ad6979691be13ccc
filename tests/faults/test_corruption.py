"""Two hundred damages to every kind of stored file: each is refused with the file named.

A damage flips a bit, cuts the end off, adds to it, deletes the file or puts another file's content
in its place. A done-marker that is gone means that the work was not finished, and a line of metrics
after the newest checkpoint's is cut off when the run goes on: damages of these kinds are mended.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from nursery import Nursery
from nursery_jobs import CONFIG, MODEL
from stored_study import PLAN, STATE, silent

from experiments.cli import main
from experiments.commands.emission import verify_emission
from experiments.json_files import StoreError, read_sealed
from experiments.stages import WEIGHTS, Context
from experiments.store import open_stage, verify_stage
from experiments.study import is_done, load_plan
from medsafetyworld.errors import SpecError
from medsafetyworld.world_file import load_world
from tiny_models.checkpoint import (
    CorruptCheckpoint,
    load_checkpoint,
)
from tiny_models.metrics import MetricsLog
from tiny_models.weights import load_weights

DAMAGES = 200
KINDS = ("flip", "truncate", "extend", "delete", "swap")
REFUSALS = (StoreError, SpecError, CorruptCheckpoint, FileNotFoundError)


@dataclass(frozen=True)
class Artifact:
    """Files that may be damaged and what reads them."""

    files: Sequence[Path]
    read: Callable[[], object]
    others: Sequence[Path]
    """Files with other content to put in their place."""
    mended: object = None
    """What `read` returns when a damage was undone, if that is possible."""
    mends: str = ""
    """The one kind of damage that may be undone; any other must be refused."""


def damage(path: Path, kind: str, other: Path, draw: random.Random) -> bool:
    """Damages the file in one way; says whether its content is another now."""
    good = path.read_bytes()
    if kind == "delete":
        path.unlink()
        return True
    if kind == "flip" and good:
        place = draw.randrange(len(good))
        bad = good[:place] + bytes([good[place] ^ 1 << draw.randrange(8)]) + good[place + 1 :]
    elif kind == "truncate":
        bad = good[: -draw.randrange(1, min(len(good), 64) + 1)] if good else good
    elif kind == "swap":
        bad = other.read_bytes()
    else:
        # White space is what a lenient reader would not see.
        bad = good + draw.choice([b"\n", b" ", b"\0", draw.randbytes(draw.randrange(1, 64))])
    path.write_bytes(bad)
    return bad != good


def refusals(artifact: Artifact, seed: str) -> int:
    """How many of `DAMAGES` are refused with the damaged file named."""
    draw, refused, made = random.Random(seed), 0, 0
    while made < DAMAGES:
        path = draw.choice(artifact.files)
        kind = KINDS[made % len(KINDS)]
        good = path.read_bytes()
        changed = damage(path, kind, draw.choice(artifact.others), draw)
        if changed:
            made += 1
            try:
                result = artifact.read()
                refused += kind == artifact.mends and result == artifact.mended
            except REFUSALS as error:
                refused += path.name in str(error)
        path.write_bytes(good)
    artifact.read()
    return refused


def files_of(directory: Path) -> list[Path]:
    return sorted(path for path in directory.rglob("*") if path.is_file())


def stage_of(home: Path, index: int = 0) -> Path:
    marker = home / "study" / "cells" / f"{PLAN.cells[index].name}.done.json"
    return home / "study" / "stages" / read_sealed(marker)["stage"]


def checkpoint(home: Path) -> Artifact:
    path = home / "run" / "step-00000001"
    files = files_of(path)
    return Artifact(files, lambda: load_checkpoint(path, STATE), files)


def loose_weights(home: Path) -> Artifact:
    path = home / "loose.safetensors"
    others = files_of(stage_of(home))
    others.remove(stage_of(home) / WEIGHTS)
    return Artifact([path], lambda: load_weights(path, MODEL), others)


def stage_weights(home: Path) -> Artifact:
    """What a resuming stage reads of its parent; whole files of equal shape swapped, too."""
    context = Context(PLAN.cells[0], home / "study" / "stages", silent)
    stage = open_stage(context.root, "measure", {"cell": PLAN.cells[0].name})
    others = [stage_of(home, 1) / WEIGHTS, home / "other.safetensors"]
    return Artifact([stage.path / WEIGHTS], lambda: context.load(stage), others)


def stage_files(home: Path) -> Artifact:
    path = stage_of(home)
    files = [path / name for name in ("rows.csv", "transcript.jsonl", "metrics.jsonl",
                                      "model.json")]  # fmt: skip
    return Artifact(files, lambda: verify_stage(path), files_of(stage_of(home, 1)))


def stage_manifest(home: Path) -> Artifact:
    path = stage_of(home) / "manifest.json"
    other = stage_of(home, 1) / "manifest.json"
    return Artifact([path], lambda: verify_stage(path.parent), [other])


def study_file(home: Path) -> Artifact:
    path = home / "study" / "study.json"
    cells = sorted(home.joinpath("study", "cells").glob("*.json"))
    return Artifact([path], lambda: load_plan(home / "study"), cells)


def cell_file(home: Path) -> Artifact:
    paths = [home / "study" / "cells" / f"{cell.name}.json" for cell in PLAN.cells]
    return Artifact(paths, lambda: load_plan(home / "study"), [*paths, paths[0].parent.parent
                                                              / "study.json"])  # fmt: skip


def done_marker(home: Path) -> Artifact:
    """Two whole markers in each other's place, too; without one the cell is simply not done."""
    paths = [home / "study" / "cells" / f"{cell.name}.done.json" for cell in PLAN.cells]
    return Artifact(
        paths,
        lambda: all([is_done(home / "study", cell) for cell in PLAN.cells]),
        paths,
        mended=False,
        mends="delete",
    )


def world_file(home: Path) -> Artifact:
    path = home / "jsonl" / "world.json"
    return Artifact([path], lambda: load_world(path), [home / "jsonl" / "tokenizer.json"])


def text_corpus(home: Path) -> Artifact:
    files = files_of(home / "jsonl")
    return Artifact(files, lambda: verify_emission(home / "jsonl"), files)


def token_corpus(home: Path) -> Artifact:
    files = files_of(home / "npy")
    return Artifact(files, lambda: verify_emission(home / "npy"), files)


def unfinished_metrics(home: Path) -> Artifact:
    """The lines of a training that is not finished, vouched for by its newest checkpoint."""
    path = home.with_name("resumed") / "metrics.jsonl"
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)
    log = MetricsLog(path, 0)
    for step in range(0, 8, 2):
        log.append(CONFIG, step, np.ones(2), np.ones(2), None, 1.0, 8, 0.5)
    wanted, written = log.flushed_hash(), path.read_bytes()

    def read() -> bool:
        MetricsLog(path, 8, wanted)
        return path.read_bytes() == written

    others = [home / "study" / "study.json"]
    return Artifact([path], read, others, mended=True, mends="extend")


ARTIFACTS = (checkpoint, loose_weights, stage_weights, stage_files, stage_manifest, study_file,
             cell_file, done_marker, world_file, text_corpus, token_corpus,
             unfinished_metrics)  # fmt: skip


@pytest.mark.parametrize("artifact", ARTIFACTS, ids=lambda kind: kind.__name__)
def test_every_damage_is_refused_with_the_file_named(artifact, home, figure) -> None:
    name = artifact.__name__
    figure(f"corruption: {name.replace('_', ' ')}", DAMAGES, refusals(artifact(home), name))


def test_a_corpus_is_verified_from_the_command_line(home: Path, capsys) -> None:
    path = min((home / "jsonl" / "data").iterdir())
    assert main(["corpus", "check", str(home / "jsonl")]) == 0
    good = path.read_bytes()
    path.write_bytes(good + b"\n")
    assert main(["corpus", "check", str(home / "jsonl")]) == 2
    path.write_bytes(good)
    assert path.name in capsys.readouterr().err


@pytest.mark.slow
def test_a_damaged_compilation_cache_changes_nothing(nursery: Nursery, tmp_path, figure) -> None:
    """jax compiles again what it cannot read. Its entries do not say whose program they are, so
    whole ones in each other's place are not looked for: the cache is the user's own, no artifact.
    """
    draw, made, survived = random.Random(9), 0, 0
    assert nursery.one("train_small", tmp_path / "whole")["code"] == 0
    wanted = (tmp_path / "whole" / "pretrain-0" / WEIGHTS).read_bytes()
    good = {path: path.read_bytes() for path in nursery.compiled.glob("*-cache")}
    while made < DAMAGES:
        here = sum(
            damage(path, KINDS[(made + place) % 4], path, draw) for place, path in enumerate(good)
        )
        run = tmp_path / str(made)
        code = nursery.one("train_small", run)["code"]
        same = code == 0 and (run / "pretrain-0" / WEIGHTS).read_bytes() == wanted
        made, survived = made + here, survived + here * same
        for path, content in good.items():
            path.write_bytes(content)
    figure("corruption: compilation cache, compiled again", made, survived)

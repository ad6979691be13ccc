"""Restored at any step, training asks for the same batches and ends in the same bits.

The run crosses the border between two epochs, where a loader with hidden state would go astray.
"""

from __future__ import annotations

import shutil
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from nursery_jobs import CONFIG, MODEL, rows

from experiments.stages import shuffled_batch
from tiny_models.checkpoint import list_checkpoints, load_checkpoint, parameter_hash
from tiny_models.training import Batch, Progress, train
from tiny_models.transformer import init_params
from tiny_models.update import Recipe, start_state

EVERY = replace(CONFIG, steps=10, checkpoint_every=1)
batch_of = partial(shuffled_batch, *rows(), EVERY.batch_rows, 5)


def last_state(directory: Path) -> str:
    """Hash of the newest checkpoint's parameters and optimiser state."""
    like = start_state(init_params(MODEL, 0), Recipe.of(EVERY)).as_dict()
    return parameter_hash(load_checkpoint(list_checkpoints(directory)[-1], like)[0])


class Run:
    """A training in `directory` that notes which batches it draws."""

    def __init__(self, directory: Path, snapshots: Path | None = None) -> None:
        self.directory, self.snapshots = directory, snapshots
        self.drawn: dict[int, bytes] = {}
        self.draws = 0
        self.result = parameter_hash(
            train(
                params=init_params(MODEL, 0),
                model=MODEL,
                config=EVERY,
                batch_at=self.batch_at,
                directory=directory,
                progress=self.keep,
            )
        )

    def batch_at(self, step: int) -> Batch:
        batch = batch_of(step)
        self.draws += 1
        self.drawn[step] = batch[0].tobytes()
        return batch

    def keep(self, line: Progress) -> None:
        """Copies the directory as it is after each step."""
        if self.snapshots is not None:
            shutil.copytree(self.directory, self.snapshots / str(line.step))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("run")
    return Run(folder / "whole", folder / "after")


def test_every_step_restores_to_the_same_batches_and_bits(whole: Run, tmp_path, figure) -> None:
    """Lineage as well: updates from any stored step give the stored last step, bit for bit."""
    assert EVERY.steps * EVERY.batch_rows > 2 * len(rows()[0]), "no epoch border is crossed"
    wanted, survived = last_state(whole.directory), 0
    for step in range(1, EVERY.steps + 1):
        shutil.copytree(whole.snapshots / str(step), tmp_path / str(step))
        again = Run(tmp_path / str(step))
        remaining = {s: batch for s, batch in whole.drawn.items() if s == 0 or s >= step}
        survived += (again.result, again.drawn) == (whole.result, remaining) and (
            last_state(again.directory) == wanted
        )
    figure("restore at every step, across epoch borders", EVERY.steps, survived)


def test_every_stored_step_loads_and_says_what_it_is(whole: Run) -> None:
    like = start_state(init_params(MODEL, 0), Recipe.of(EVERY)).as_dict()
    for step in range(1, EVERY.steps + 1):
        names = [path.name for path in list_checkpoints(whole.snapshots / str(step))]
        assert names[-1] == f"step-{step:08d}"
        for name in names:
            _, embedded = load_checkpoint(whole.snapshots / str(step) / name, like)
            assert embedded["step"] == int(name[5:])
            assert (embedded["model"], embedded["train"]) == (asdict(MODEL), asdict(EVERY))


def test_restoring_winds_nothing_forward(whole: Run, tmp_path) -> None:
    """The order of rows is a function of the step: what is drawn is what is still to be trained
    on, and the first batch once more, which says whose data they are.
    """
    for step in (1, 5, EVERY.steps):
        shutil.copytree(whole.snapshots / str(step), tmp_path / str(step))
        assert Run(tmp_path / str(step)).draws == 1 + EVERY.steps - step


class CountedRows(np.ndarray):
    """Rows that count how many of them were read."""

    read = 0

    def __getitem__(self, chosen: object) -> object:
        CountedRows.read += len(chosen)  # type: ignore[arg-type]
        return np.asarray(self)[chosen]  # type: ignore[index]


def test_a_late_batch_reads_no_more_rows_than_an_early_one() -> None:
    tokens, mask = rows()
    counted = tokens.view(CountedRows)
    for step in (10, 10_000_000):
        CountedRows.read = 0
        shuffled_batch(counted, mask, EVERY.batch_rows, 5, step)
        assert CountedRows.read == EVERY.batch_rows

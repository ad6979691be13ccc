"""Pre-training and fine-tuning: one loop, data by step number, the same bits after a crash.

Comes in: parameters and a pure function from step to rows. Goes out: parameters, verified
checkpoints and `metrics.jsonl`. One compiled program runs a whole chunk of optimiser steps (a loop
with a run-time bound, so that neither the place of chunk borders nor the schedule changes the
program or its bits); rates come in as data. A directory that was killed at any moment resumes from
its newest checkpoint. `ensemble.py` runs the same loop over many models at once.
"""

from __future__ import annotations

import dataclasses
import hashlib
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tiny_models.checkpoint import (
    compare_embedded,
    list_checkpoints,
    load_checkpoint,
    parameter_hash,
    remove_unfinished,
    save_checkpoint,
)
from tiny_models.chunks import Batch, BatchAt, checked, draw_chunks
from tiny_models.config import ModelConfig, TrainConfig
from tiny_models.determinism import fingerprint
from tiny_models.distributed import is_writer, wait_for_all
from tiny_models.layout import Device, Layout
from tiny_models.metrics import MetricsLog, Progress
from tiny_models.retention import KEPT, Retention, keep_if_best, keep_weights
from tiny_models.transformer import Params
from tiny_models.update import Recipe, TrainState, held_out_loss, start_state


@dataclasses.dataclass(frozen=True)
class Member:
    """One model of a run: where it starts, what it reads, where its figures and weights go."""

    params: Params
    batch_at: BatchAt
    directory: Path
    held_out: Batch | None = None


def train(
    *,
    params: Params,
    model: ModelConfig,
    config: TrainConfig,
    batch_at: BatchAt,
    directory: Path,
    progress: Callable[[Progress], None] | None = None,
    retention: Retention = Retention(),  # noqa: B008 (frozen)
    held_out: Batch | None = None,
    devices: Sequence[Device] | None = None,
    strict: bool = False,
) -> Params:
    """Runs or resumes `config.steps` updates from `params` and returns the parameters.

    `devices` share the rows of every batch (default: jax's default device; in a job of many
    processes all devices of all, and process 0 alone writes). `held_out` is a batch whose loss is
    logged at every checkpoint.

    Resuming asks for the same model, recipe, starting parameters and first batch, and raises
    `ValueError` naming what differs; another fingerprint is a warning that names the fields, or
    `ValueError` if `strict`. A damaged checkpoint raises `CorruptCheckpoint` naming the file; a
    loss or gradient that is not finite raises `FloatingPointError` naming the step. After
    `KeyboardInterrupt` the directory can be resumed. One job at a time per directory.
    """

    def tell(lines: Sequence[Progress]) -> None:
        if progress is not None:
            progress(lines[0])

    member = Member(params, batch_at, directory, held_out)
    layout = Layout.of(config, None, devices)
    return train_members([member], model, config, directory, layout, tell, retention, strict)[0]


def train_members(
    members: Sequence[Member],
    model: ModelConfig,
    config: TrainConfig,
    directory: Path,
    layout: Layout,
    progress: Callable[[Sequence[Progress]], None],
    retention: Retention,
    strict: bool,
) -> list[Params]:
    """The loop behind `train` and `train_ensemble`: one state, whatever its layout.

    Checkpoints of the whole state are in `directory`, what belongs to a member in its own.
    """
    if is_writer():
        for folder in (directory, *(member.directory for member in members)):
            folder.mkdir(parents=True, exist_ok=True)
            remove_unfinished(folder)
            remove_unfinished(folder / KEPT)
    wait_for_all("the directory is clean")
    recipe = Recipe.of(config)
    embedded = _embed(members, model, config, layout)
    start = layout.join([start_state(member.params, recipe) for member in members])
    step, state, written = _resume(directory, start, embedded, strict)
    state = layout.place(state)
    logs = [
        MetricsLog(member.directory / "metrics.jsonl", step, lines_hash, writes=is_writer())
        for member, lines_hash in zip(members, written or [None] * len(members), strict=True)
    ]
    if step == 0 and retention.keeps(0):
        _keep(members, 0, layout.split(state), model)
    rules = [member.batch_at for member in members]
    parts = draw_chunks(config, model, rules, step, retention)
    upcoming = next(parts, None)
    while upcoming is not None:
        started, chunk = time.perf_counter(), upcoming
        state, losses, norms = layout.run(
            state, chunk.tokens, chunk.mask, chunk.rates, chunk.stop - step, model, recipe
        )
        upcoming = next(parts, None)  # drawn while the device works
        losses = np.asarray(losses).reshape(-1, len(members))[: chunk.stop - step]
        norms = np.asarray(norms).reshape(-1, len(members))[: chunk.stop - step]
        _refuse_non_finite(losses, norms, step)
        saves = chunk.stop % config.checkpoint_every == 0 or chunk.stop == config.steps
        held_out = _held_out_losses(members, state, layout, model, saves)
        seconds, rate = time.perf_counter() - started, float(chunk.rates[chunk.stop - step - 1])
        lines = [
            log.append(
                config, step, losses[:, i], norms[:, i], held_out[i], rate, chunk.targets, seconds
            )
            for i, log in enumerate(logs)
        ]
        step = chunk.stop
        if retention.keeps(step):
            _keep(members, step, layout.split(state), model)
        if saves and retention.best:
            _keep_best(members, lines, layout.split(state), model)
        if saves and is_writer():
            recorded = {**embedded, "metrics": [log.flushed_hash() for log in logs]}
            save_checkpoint(directory, step, state.as_dict(), recorded, retention.last)
        progress(lines)
    wait_for_all("the last checkpoint is written")
    return layout.split(state)


def _embed(
    members: Sequence[Member], model: ModelConfig, config: TrainConfig, layout: Layout
) -> dict[str, Any]:
    starts = [parameter_hash(member.params) for member in members]
    firsts = [_batch_hash(checked(member.batch_at(0), config, model, 0)) for member in members]
    alone = layout.members is None
    return {
        "model": dataclasses.asdict(model),
        "train": dataclasses.asdict(config),
        "start": {"parameters": starts[0] if alone else starts},
        "data": {"first_batch": firsts[0] if alone else firsts},
        "fingerprint": {**fingerprint(), "engine": layout.engine},
    }


def _batch_hash(batch: Batch) -> str:
    tokens, mask = batch
    return hashlib.sha256(tokens.astype("<i4").tobytes() + mask.astype("<f4").tobytes()).hexdigest()


def _resume(
    directory: Path, state: TrainState, embedded: dict[str, Any], strict: bool
) -> tuple[int, TrainState, list[str]]:
    """The newest checkpoint's step, state and hashes of the metrics so far, or 0 and the given."""
    existing = list_checkpoints(directory)
    if not existing:
        return 0, state, []
    stored, found = load_checkpoint(existing[-1], state.as_dict())
    for part in ("model", "train", "start", "data"):
        compare_embedded(found[part], embedded[part], where=str(existing[-1]))
    here, there = embedded["fingerprint"], found["fingerprint"]
    differing = [key for key in here if here[key] != there.get(key)]
    if differing and strict:
        raise ValueError(
            f"{existing[-1]} was made where {', '.join(differing)} differed, which strict resuming "
            f"refuses; resume where it was made, or without strict."
        )
    if differing:
        warnings.warn(
            f"{existing[-1]} was made where {', '.join(differing)} differed; the resumed run is "
            f"valid but may round differently.",
            stacklevel=4,
        )
    return found["step"], state.from_dict(stored), found["metrics"]


def _refuse_non_finite(losses: np.ndarray, norms: np.ndarray, start: int) -> None:
    """Looks at losses and norms `(steps, members)` of the steps from `start` on."""
    bad = np.argwhere(~(np.isfinite(losses) & np.isfinite(norms)))
    if len(bad):
        index, member = bad[0].tolist()
        whose = f" of member {member}" if losses.shape[1] > 1 else ""
        raise FloatingPointError(
            f"The loss or gradient{whose} at step {start + index} is not finite (loss "
            f"{losses[index, member]}, gradient norm {norms[index, member]}); lower peak_lr or "
            f"look at batch_at({start + index})."
        )


def _held_out_losses(
    members: Sequence[Member], state: TrainState, layout: Layout, model: ModelConfig, wanted: bool
) -> list[float | None]:
    """The loss of each member's held-out batch, None for those without or when not wanted."""
    if not wanted or all(member.held_out is None for member in members):
        return [None] * len(members)
    return [
        None
        if member.held_out is None
        else float(held_out_loss(params, model, *map(np.asarray, member.held_out)))
        for member, params in zip(members, layout.split(state), strict=True)
    ]


def _keep(
    members: Sequence[Member], step: int, params: Sequence[Params], model: ModelConfig
) -> None:
    if is_writer():
        for member, own in zip(members, params, strict=True):
            keep_weights(member.directory, step, own, model)


def _keep_best(
    members: Sequence[Member],
    lines: Sequence[Progress],
    params: Sequence[Params],
    model: ModelConfig,
) -> None:
    if is_writer():
        for member, line, own in zip(members, lines, params, strict=True):
            loss = line.loss if line.held_out_loss is None else line.held_out_loss
            keep_if_best(member.directory, line.step, loss, own, model)

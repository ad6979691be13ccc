"""Pre-training and fine-tuning: one loop, data by step number, the same bits after a crash.

Comes in: parameters and a pure function from step to rows. Goes out: parameters, verified
checkpoints and `metrics.jsonl`. One compiled program runs a whole chunk of optimiser steps (a loop
with a run-time bound, so that neither the place of chunk borders nor the schedule changes the
program or its bits); rates come in as data. A directory that was killed at any moment resumes from
its newest checkpoint. `ensemble.py` runs the same loop over many models at once.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import jax.numpy as jnp
import numpy as np

from tiny_models.checkpoint import make_directory, remove_unfinished, save_checkpoint
from tiny_models.chunks import Batch, BatchAt, Chunk, checked_held_out, draw_chunks
from tiny_models.config import ModelConfig, TrainConfig
from tiny_models.determinism import fingerprint, require_repeatable
from tiny_models.distributed import is_writer, require_same_step, wait_for_all
from tiny_models.finiteness import refuse_non_finite, refuse_non_finite_parameters
from tiny_models.layout import Device, Layout
from tiny_models.metrics import MetricsLog, Progress
from tiny_models.resuming import Member, Resumed, describe, resume
from tiny_models.retention import KEPT, Retention, forget_kept, keep_if_best, keep_weights
from tiny_models.schedules import learning_rate
from tiny_models.token_losses import TokenLosses
from tiny_models.transformer import Params
from tiny_models.update import Recipe, TrainState, held_out_loss, start_state


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
    token_losses: TokenLosses | None = None,
    seeds: Mapping[str, int] = MappingProxyType({}),
) -> Params:
    """Runs or resumes `config.steps` updates from `params` and returns the parameters.

    `devices` share the rows of every batch (default: jax's default device; in a job of many
    processes all devices of all, and process 0 alone writes). `held_out` is a batch of any number
    of rows whose loss, computed as in training, is logged at every checkpoint. With `token_losses`
    every batch has a code for each target; the slice of routed ones is not yet ablated then.
    `seeds`, by name, are those that made `params` and `batch_at`: checkpoints record them.

    The same run gives the same bits, killed or not, on a CPU; on a GPU only with
    `XLA_FLAGS=--xla_gpu_deterministic_ops=true`, without which `strict` is refused (`ValueError`).
    Resuming asks for the same model, recipe, starting parameters, seeds, first and held-out batch,
    and raises `ValueError` naming what differs; another fingerprint is a warning that names the
    fields, or `ValueError` if `strict`; later checkpoints list it. A damaged checkpoint raises
    `CorruptCheckpoint` naming the file; a loss, gradient or parameter that is not finite raises
    `FloatingPointError` naming the step. After `KeyboardInterrupt` the directory can be resumed.
    One job at a time per directory.
    """

    def tell(lines: Sequence[Progress]) -> None:
        if progress is not None:
            progress(lines[0])

    member = Member(params, batch_at, directory, held_out, seeds)
    layout = Layout.of(config, None, devices)
    return train_members(
        [member], model, config, directory, layout, tell, retention, strict, token_losses
    )[0]


def train_members(
    members: Sequence[Member],
    model: ModelConfig,
    config: TrainConfig,
    directory: Path,
    layout: Layout,
    progress: Callable[[Sequence[Progress]], None],
    retention: Retention,
    strict: bool,
    losses_by_token: TokenLosses | None = None,
) -> list[Params]:
    """The loop behind `train` and `train_ensemble`: one state, whatever its layout.

    Checkpoints of the whole state are in `directory`, what belongs to a member in its own.
    """
    run, step, state = _begin(
        members, model, config, directory, layout, retention, strict, losses_by_token
    )
    rules = [member.batch_at for member in members]
    parts = draw_chunks(config, model, rules, step, retention, losses_by_token)
    upcoming = next(parts, None)
    while upcoming is not None:
        started, chunk = time.perf_counter(), upcoming
        saves = run.saves_at(chunk.stop)
        state, losses, norms = layout.run(
            state, chunk.tokens, chunk.mask, chunk.rates, chunk.stop - step, model, run.recipe
        )
        # Drawn while the device works, but never between steps and their checkpoint: a batch that
        # is wrong or interrupted must not cost what was done.
        upcoming = None if saves else next(parts, None)
        losses = np.asarray(losses).reshape(-1, len(members))[: chunk.stop - step]
        norms = np.asarray(norms).reshape(-1, len(members))[: chunk.stop - step]
        refuse_non_finite(losses, norms, step)
        lines = _close(run, chunk, state, losses, norms, started)
        step = chunk.stop
        progress(lines)
        if saves:
            upcoming = next(parts, None)
    wait_for_all("the last checkpoint is written")
    return layout.split(state)


@dataclasses.dataclass(frozen=True)
class _Run:
    """What stays the same from the first chunk of a run to its last."""

    members: Sequence[Member]
    model: ModelConfig
    config: TrainConfig
    directory: Path
    layout: Layout
    retention: Retention
    recipe: Recipe
    facts: Mapping[str, Any]
    """What every checkpoint says of the run."""
    logs: Sequence[MetricsLog]
    """One a member."""

    def saves_at(self, step: int) -> bool:
        """Whether there is a checkpoint after this many steps."""
        return step % self.config.checkpoint_every == 0 or step == self.config.steps


def _begin(
    members: Sequence[Member],
    model: ModelConfig,
    config: TrainConfig,
    directory: Path,
    layout: Layout,
    retention: Retention,
    strict: bool,
    losses_by_token: TokenLosses | None,
) -> tuple[_Run, int, TrainState]:
    """Checks and cleans; returns the run, and the step and state from which it goes on."""
    if strict:
        require_repeatable()
    if losses_by_token is not None:
        losses_by_token.check(model)
    members = _with_checked_held_out(members, config, model)
    here = {**fingerprint(), "engine": layout.engine, "dtype": config.dtype}
    together = layout.members is not None
    facts = describe(members, model, config, retention, together, here, losses_by_token)
    folders = (directory, *(member.directory for member in members))
    _clean(folders)
    recipe = Recipe.of(config, losses_by_token)
    start = layout.join([start_state(member.params, recipe) for member in members])
    found = resume(directory, start, facts, len(members), strict)
    require_same_step(found.step, str(directory))
    step, state = found.step, layout.place(found.state)
    embedded = {**facts, "earlier_fingerprints": found.earlier}
    logs = _open_logs(members, found)
    if step == 0:
        _forget(folders)
    if step == 0 and retention.keeps(0):
        _keep(members, 0, layout.split(state), model)
    run = _Run(members, model, config, directory, layout, retention, recipe, embedded, logs)
    return run, step, state


def _close(
    run: _Run,
    chunk: Chunk,
    state: TrainState,
    losses: np.ndarray,
    norms: np.ndarray,
    started: float,
) -> list[Progress]:
    """Logs a chunk and writes what is due after it; returns a line a member.

    `losses` and `norms` are `(steps, members)`; `started` is when the chunk began.
    """
    members, model, layout, retention = run.members, run.model, run.layout, run.retention
    keeps, saves = retention.keeps(chunk.stop), run.saves_at(chunk.stop)
    judges = saves and any(member.held_out is not None for member in members)
    if saves or keeps:
        refuse_non_finite_parameters(state.params, chunk.stop, layout.members is not None)
    # Copies, where members lie in one array: they live no longer than this call.
    params = layout.split(state) if keeps or judges or (saves and retention.best) else []
    held_out: Sequence[float | None] = [None] * len(members)
    if judges:
        held_out = _held_out_losses(members, params, model, run.recipe, chunk.stop)
    seconds, rate = time.perf_counter() - started, learning_rate(run.config, chunk.stop - 1)
    first = chunk.stop - len(losses)
    lines = [
        log.append(
            run.config, first, losses[:, i], norms[:, i], held_out[i], rate, chunk.targets, seconds
        )
        for i, log in enumerate(run.logs)
    ]
    if keeps:
        _keep(members, chunk.stop, params, model)
    if saves and retention.best:
        _keep_best(members, lines, params, model)
    if saves and is_writer():
        recorded = {**run.facts, "metrics": [log.flushed_hash() for log in run.logs]}
        save_checkpoint(run.directory, chunk.stop, state.as_dict(), recorded, retention.last)
    return lines


def _clean(folders: Sequence[Path]) -> None:
    """Makes the folders and removes what an interrupted write left; returns when all may go on."""
    if is_writer():
        for folder in folders:
            make_directory(folder)
            remove_unfinished(folder)
            remove_unfinished(folder / KEPT)
    wait_for_all("the directory is clean")


def _forget(folders: Sequence[Path]) -> None:
    """Removes weights kept by an earlier run that left no checkpoint to resume from."""
    if is_writer():
        for folder in folders:
            forget_kept(folder)


def _open_logs(members: Sequence[Member], found: Resumed) -> list[MetricsLog]:
    """Each member's metrics, cut back to the step from which the run goes on."""
    return [
        MetricsLog(member.directory / "metrics.jsonl", found.step, wanted, writes=is_writer())
        for member, wanted in zip(members, found.metrics, strict=True)
    ]


def _with_checked_held_out(
    members: Sequence[Member], config: TrainConfig, model: ModelConfig
) -> list[Member]:
    checked = []
    for index, member in enumerate(members):
        name = "held_out" if len(members) == 1 else f"held_out[{index}]"
        batch = member.held_out
        if batch is not None:
            batch = checked_held_out(batch, config.micro_rows, model, name)
        checked.append(dataclasses.replace(member, held_out=batch))
    return checked


def _held_out_losses(
    members: Sequence[Member],
    params: Sequence[Params],
    model: ModelConfig,
    recipe: Recipe,
    step: int,
) -> list[float | None]:
    """The loss of each member's held-out batch, None for those without."""
    losses = [
        None
        if member.held_out is None
        else float(held_out_loss(own, model, *map(jnp.asarray, member.held_out), recipe))
        for member, own in zip(members, params, strict=True)
    ]
    for member, loss in enumerate(losses):
        if loss is not None and not np.isfinite(loss):
            whose = f" of member {member}" if len(losses) > 1 else ""
            raise FloatingPointError(
                f"The held-out loss{whose} after step {step - 1} is not finite ({loss}); nothing "
                f"was saved. Lower peak_lr or look at held_out."
            )
    return losses


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

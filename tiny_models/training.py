"""Pre-training and fine-tuning: one loop, data by step number, the same bits after a crash.

Comes in: parameters and a pure function from step to rows. Goes out: parameters, verified
checkpoints and `metrics.jsonl`. One compiled program runs a whole chunk of optimiser steps (a loop
with a run-time bound, so that neither the place of chunk borders nor the schedule changes the
program or its bits); rates come in as data. A directory that was killed at any moment resumes from
its newest checkpoint.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from tiny_models.checkpoint import (
    compare_embedded,
    list_checkpoints,
    load_checkpoint,
    parameter_hash,
    remove_unfinished,
    save_checkpoint,
    write_atomically,
)
from tiny_models.config import ModelConfig, TrainConfig
from tiny_models.determinism import fingerprint
from tiny_models.schedules import learning_rate
from tiny_models.transformer import Params
from tiny_models.update import Recipe, TrainState, run_chunk, start_state

Batch: TypeAlias = tuple[np.ndarray, np.ndarray]
"""Token ids `(rows, time + 1)` and the loss mask `(rows, time)` of the targets `tokens[:, 1:]`."""


@dataclasses.dataclass(frozen=True)
class Progress:
    """One line of `metrics.jsonl`: `loss` is the mean over the steps since the line before.

    `step` counts finished updates, `tokens` the targets' positions so far, `seconds` training time
    over all resumed parts, `eta_seconds` the estimate of what is left.
    """

    step: int
    steps: int
    loss: float
    lr: float
    grad_norm: float
    tokens: int
    tokens_per_s: float
    seconds: float
    eta_seconds: float


def train(
    *,
    params: Params,
    model: ModelConfig,
    config: TrainConfig,
    batch_at: Callable[[int], Batch],
    directory: Path,
    progress: Callable[[Progress], None] | None = None,
) -> Params:
    """Runs or resumes `config.steps` updates from `params` and returns the parameters.

    Resuming asks for the same model, recipe, starting parameters and first batch, and raises
    `ValueError` naming what differs; a damaged checkpoint raises `CorruptCheckpoint` naming the
    file; a loss or gradient that is not finite raises `FloatingPointError` naming the step. After
    `KeyboardInterrupt` the directory can be resumed. One process at a time per directory.
    """
    directory.mkdir(parents=True, exist_ok=True)
    remove_unfinished(directory)
    recipe = Recipe.of(config)
    embedded = _embed(params, model, config, batch_at)
    step, state = _resume(directory, start_state(params, recipe), embedded)
    log = _MetricsLog(directory / "metrics.jsonl", step)
    chunks = _chunks(config, model, batch_at, step)
    upcoming = next(chunks, None)
    while upcoming is not None:
        started, chunk = time.perf_counter(), upcoming
        state, losses, norms = run_chunk(
            state, chunk.tokens, chunk.mask, chunk.rates, chunk.stop - step, model, recipe
        )
        upcoming = next(chunks, None)  # drawn while the device works
        losses, norms = np.asarray(losses), np.asarray(norms)
        _refuse_non_finite(losses, norms, step, chunk.stop)
        line = log.append(config, chunk, losses, norms, step, time.perf_counter() - started)
        step = chunk.stop
        if step % config.checkpoint_every == 0 or step == config.steps:
            save_checkpoint(directory, step, state.as_dict(), embedded)
        if progress is not None:
            progress(line)
    return state.params


@dataclasses.dataclass(frozen=True)
class _Chunk:
    """Steps up to `stop`: tokens `(steps, rows, time + 1)`, mask and rates to match.

    The leading size is that of the longest chunk; what lies beyond `stop` is never read.
    """

    stop: int
    tokens: np.ndarray
    mask: np.ndarray
    rates: np.ndarray


def _chunks(
    config: TrainConfig, model: ModelConfig, batch_at: Callable[[int], Batch], start: int
) -> Iterator[_Chunk]:
    longest = min(config.log_every, config.checkpoint_every, config.steps)
    while start < config.steps:
        # Borders depend on the step alone, so a resumed run logs the same lines.
        stop = min(
            (start // config.log_every + 1) * config.log_every,
            (start // config.checkpoint_every + 1) * config.checkpoint_every,
            config.steps,
        )
        batches = [_checked(batch_at(step), config, model, step) for step in range(start, stop)]
        tokens = np.zeros((longest, *batches[0][0].shape), np.int32)
        mask = np.zeros((longest, *batches[0][1].shape), np.float32)
        rates = np.zeros(longest, np.float32)
        tokens[: stop - start] = [batch[0] for batch in batches]
        mask[: stop - start] = [batch[1] for batch in batches]
        rates[: stop - start] = [learning_rate(config, step) for step in range(start, stop)]
        yield _Chunk(stop, tokens, mask, rates)
        start = stop


def _checked(batch: Batch, config: TrainConfig, model: ModelConfig, step: int) -> Batch:
    tokens, mask = np.asarray(batch[0]), np.asarray(batch[1])
    time_ = tokens.shape[1] - 1 if tokens.ndim == 2 else 0
    if tokens.shape[:1] != (config.batch_rows,) or not 1 <= time_ <= model.context:
        raise ValueError(
            f"batch_at({step}) gave tokens of shape {tokens.shape}; allowed are "
            f"({config.batch_rows}, 2 .. {model.context + 1})."
        )
    if mask.shape != (config.batch_rows, time_):
        raise ValueError(
            f"batch_at({step}) gave a loss mask of shape {mask.shape}, not "
            f"{(config.batch_rows, time_)}."
        )
    if tokens.dtype.kind not in "iu" or tokens.min() < 0 or tokens.max() >= model.vocab_size:
        raise ValueError(
            f"batch_at({step}) gave tokens outside the integers [0, vocab_size={model.vocab_size})."
        )
    return tokens, mask


def _embed(
    params: Params, model: ModelConfig, config: TrainConfig, batch_at: Callable[[int], Batch]
) -> dict[str, Any]:
    tokens, mask = _checked(batch_at(0), config, model, 0)
    first = tokens.astype("<i4").tobytes() + mask.astype("<f4").tobytes()
    return {
        "model": dataclasses.asdict(model),
        "train": dataclasses.asdict(config),
        "start": {"parameters": parameter_hash(params)},
        "data": {"first_batch": hashlib.sha256(first).hexdigest()},
        "fingerprint": fingerprint(),
    }


def _resume(directory: Path, state: TrainState, embedded: dict[str, Any]) -> tuple[int, TrainState]:
    """The newest checkpoint's step and state, or step 0 and the given state."""
    existing = list_checkpoints(directory)
    if not existing:
        return 0, state
    stored, found = load_checkpoint(existing[-1], state.as_dict())
    for part in ("model", "train", "start", "data"):
        compare_embedded(found[part], embedded[part], where=str(existing[-1]))
    here, there = embedded["fingerprint"], found["fingerprint"]
    differing = [key for key in here if here[key] != there.get(key)]
    if differing:
        warnings.warn(
            f"{existing[-1]} was made where {', '.join(differing)} differed; the resumed run is "
            f"valid but may round differently.",
            stacklevel=3,
        )
    return found["step"], state.from_dict(stored)


def _refuse_non_finite(losses: np.ndarray, norms: np.ndarray, start: int, stop: int) -> None:
    for index in range(stop - start):
        if not (np.isfinite(losses[index]) and np.isfinite(norms[index])):
            raise FloatingPointError(
                f"The loss or gradient of step {start + index} is not finite (loss "
                f"{losses[index]}, gradient norm {norms[index]}); lower peak_lr or look at "
                f"batch_at({start + index})."
            )


class _MetricsLog:
    """`metrics.jsonl`, cut back to the restored step, then only appended to."""

    def __init__(self, path: Path, step: int) -> None:
        self._path = path
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        kept = [line for line in map(_parse, lines) if line is not None and line["step"] <= step]
        self._seconds = kept[-1]["seconds"] if kept else 0.0
        text = "".join(json.dumps(line) + "\n" for line in kept)
        write_atomically(path, text.encode())

    def append(
        self,
        config: TrainConfig,
        chunk: _Chunk,
        losses: np.ndarray,
        norms: np.ndarray,
        start: int,
        seconds: float,
    ) -> Progress:
        count = chunk.stop - start
        per_step = chunk.mask[0].size
        self._seconds += seconds
        line = Progress(
            step=chunk.stop,
            steps=config.steps,
            loss=float(np.mean(losses[:count], dtype=np.float64)),
            lr=float(chunk.rates[count - 1]),
            grad_norm=float(np.mean(norms[:count], dtype=np.float64)),
            tokens=chunk.stop * per_step,
            tokens_per_s=round(count * per_step / seconds, 1),
            seconds=round(self._seconds, 3),
            eta_seconds=round((config.steps - chunk.stop) * seconds / count, 1),
        )
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(dataclasses.asdict(line)) + "\n")
        return line


def _parse(line: str) -> dict[str, Any] | None:
    """One line of metrics, or None for one that was cut off by a crash."""
    try:
        return json.loads(line)
    except ValueError:
        return None

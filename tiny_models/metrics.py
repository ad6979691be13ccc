"""`metrics.jsonl`: one line per stretch of training, the record from which curves are drawn."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from pathlib import Path

import numpy as np

from tiny_models.checkpoint import CorruptCheckpoint, write_atomically
from tiny_models.config import TrainConfig


@dataclasses.dataclass(frozen=True)
class Progress:
    """One line of `metrics.jsonl`: `loss` is the mean over the steps since the line before.

    `step` counts finished updates, `tokens` the targets' positions so far, `seconds` training time
    over all resumed parts, `eta_seconds` the estimate of what is left. `held_out_loss` is there at
    the checkpoints of a run that was given a held-out batch.
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
    held_out_loss: float | None = None


class MetricsLog:
    """`metrics.jsonl`, cut back to the restored step, then only appended to.

    A checkpoint holds the hash of the lines up to it; `wanted` is that of the restored one, and
    other lines on the disk raise `CorruptCheckpoint`.

    With `writes` false it gives the same lines and leaves the disk alone: of many processes that
    run one training, one writes.
    """

    def __init__(
        self, path: Path, step: int, wanted: str | None = None, *, writes: bool = True
    ) -> None:
        self._path, self._writes = path, writes
        lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
        kept = [line for line in lines if 0 < _step_of(line) <= step]
        text = b"".join(kept)
        self._hash = hashlib.sha256(text)
        if writes and wanted is not None and self._hash.hexdigest() != wanted:
            raise CorruptCheckpoint(
                f"{path} does not hold the lines up to step {step} as they were written; delete "
                f"{path.parent} to start again."
            )
        self._seconds = json.loads(kept[-1])["seconds"] if kept else 0.0
        if writes:
            write_atomically(path, text)

    def flushed_hash(self) -> str:
        """sha256 of all lines so far; they are on the disk when this returns."""
        if self._writes:
            with self._path.open("rb") as file:
                os.fsync(file.fileno())
        return self._hash.hexdigest()

    def append(
        self,
        config: TrainConfig,
        start: int,
        losses: np.ndarray,
        norms: np.ndarray,
        held_out: float | None,
        rate: float,
        targets: int,
        seconds: float,
    ) -> Progress:
        """The line of the steps from `start` on, whose losses and norms are given, `(steps,)`.

        `targets` is the number of positions a step; `seconds` is what these steps took.
        """
        count = len(losses)
        stop = start + count
        seconds = max(seconds, 1e-6)  # a coarse clock may stand still
        self._seconds += seconds
        line = Progress(
            step=stop,
            steps=config.steps,
            loss=float(np.mean(losses, dtype=np.float64)),
            lr=rate,
            grad_norm=float(np.mean(norms, dtype=np.float64)),
            tokens=stop * targets,
            tokens_per_s=round(count * targets / seconds, 1),
            seconds=round(self._seconds, 3),
            eta_seconds=round((config.steps - stop) * seconds / count, 1),
            held_out_loss=held_out,
        )
        text = (json.dumps(dataclasses.asdict(line)) + "\n").encode()
        self._hash.update(text)
        if self._writes:
            with self._path.open("ab") as file:
                file.write(text)
        return line


def _step_of(line: bytes) -> int:
    """The step of a line of metrics, or 0 where there is none: one that a crash cut off."""
    try:
        step = json.loads(line)["step"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return 0
    return step if isinstance(step, int) else 0

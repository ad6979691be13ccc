"""The rows of a run, drawn by step number and laid out for the compiled loop, chunk by chunk."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

import numpy as np

from tiny_models.config import ModelConfig, TrainConfig
from tiny_models.retention import Retention
from tiny_models.schedules import learning_rate

Batch: TypeAlias = tuple[np.ndarray, np.ndarray]
"""Token ids `(rows, time + 1)` and the loss mask `(rows, time)` of the targets `tokens[:, 1:]`."""

BatchAt: TypeAlias = Callable[[int], Batch]
"""The rows of a step, a pure function of its number."""


@dataclasses.dataclass(frozen=True)
class Chunk:
    """Steps up to `stop`: tokens `(steps, members, rows, time + 1)`, mask and rates to match.

    The leading size is that of the longest chunk; what lies beyond `stop` is never read.
    """

    stop: int
    tokens: np.ndarray
    mask: np.ndarray
    rates: np.ndarray

    @property
    def targets(self) -> int:
        """Positions of targets in one member's step, counted or not."""
        return self.mask[0, 0].size


def draw_chunks(
    config: TrainConfig,
    model: ModelConfig,
    rules: Sequence[BatchAt],
    start: int,
    retention: Retention,
) -> Iterator[Chunk]:
    """The rest of a run from step `start`; `rules` give the rows of each member."""
    longest = min(config.log_every, config.checkpoint_every, config.steps)
    while start < config.steps:
        # Borders depend on the step alone, so a resumed run logs the same lines.
        stop = min(
            (start // config.log_every + 1) * config.log_every,
            (start // config.checkpoint_every + 1) * config.checkpoint_every,
            retention.border_after(start) or config.steps,
            config.steps,
        )
        rows = [
            [checked(rule(step), config, model, step) for rule in rules]
            for step in range(start, stop)
        ]
        tokens = np.zeros((longest, len(rules), *rows[0][0][0].shape), np.int32)
        mask = np.zeros((longest, len(rules), *rows[0][0][1].shape), np.float32)
        rates = np.zeros(longest, np.float32)
        tokens[: stop - start] = [[batch[0] for batch in step] for step in rows]
        mask[: stop - start] = [[batch[1] for batch in step] for step in rows]
        rates[: stop - start] = [learning_rate(config, step) for step in range(start, stop)]
        yield Chunk(stop, tokens, mask, rates)
        start = stop


def checked(batch: Batch, config: TrainConfig, model: ModelConfig, step: int) -> Batch:
    """The batch as arrays. Raises `ValueError` naming what does not fit model or recipe."""
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

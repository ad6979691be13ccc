"""The rows of a run, drawn by step number and laid out for the compiled loop, chunk by chunk."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np

from tiny_models.config import ModelConfig, TrainConfig
from tiny_models.retention import Retention
from tiny_models.schedules import learning_rate
from tiny_models.token_losses import Coded, TokenLosses, check_codes

Batch: TypeAlias = tuple[np.ndarray, np.ndarray | Coded]
"""Token ids `(rows, time + 1)` and the loss mask `(rows, time)` of the targets `tokens[:, 1:]`.

The mask is `Coded` where the run has losses by token.
"""

BatchAt: TypeAlias = Callable[[int], Batch]
"""The rows of a step, a pure function of its number."""


@dataclasses.dataclass(frozen=True)
class Chunk:
    """Steps up to `stop`: tokens `(steps, members, rows, time + 1)`, mask and rates to match.

    The leading size is that of the longest chunk; what lies beyond `stop` is never read.
    """

    stop: int
    tokens: np.ndarray
    mask: np.ndarray | Coded
    rates: np.ndarray

    @property
    def targets(self) -> int:
        """Positions of targets in one member's step, counted or not."""
        mask = self.mask.mask if isinstance(self.mask, Coded) else self.mask
        return mask[0, 0].size


def draw_chunks(
    config: TrainConfig,
    model: ModelConfig,
    rules: Sequence[BatchAt],
    start: int,
    retention: Retention,
    losses: TokenLosses | None = None,
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
            [
                checked(rule(step), config.batch_rows, model, f"batch_at({step})", losses)
                for rule in rules
            ]
            for step in range(start, stop)
        ]
        tokens = np.zeros((longest, len(rules), *rows[0][0][0].shape), np.int32)
        masks = [[batch[1] for batch in step] for step in rows]
        rates = np.zeros(longest, np.float32)
        tokens[: stop - start] = [[batch[0] for batch in step] for step in rows]
        if losses is None:
            mask = _stacked(masks, longest, np.float32)
        else:
            parts = zip(Coded._fields, (np.float32, np.uint8), strict=True)
            mask = Coded(
                *(
                    _stacked([[getattr(each, part) for each in step] for step in masks], longest, t)
                    for part, t in parts
                )
            )
        rates[: stop - start] = [learning_rate(config, step) for step in range(start, stop)]
        yield Chunk(stop, tokens, mask, rates)
        start = stop


def _stacked(masks: Any, longest: int, kind: Any) -> np.ndarray:
    """Arrays by step and member as one, filled up with zeros to the longest chunk."""
    found = np.asarray(masks, kind)
    return np.pad(found, ((0, longest - len(found)), *((0, 0),) * (found.ndim - 1)))


def checked(
    batch: Batch, rows: int, model: ModelConfig, name: str, losses: TokenLosses | None = None
) -> Batch:
    """The batch as arrays, with codes if there are `losses` by token, or else without.

    Raises `ValueError` naming what does not fit the model, `rows` or `losses`.
    """
    coded = batch[1] if isinstance(batch[1], Coded) else None
    if (coded is None) != (losses is None):
        found = "no loss codes" if coded is None else "loss codes"
        which = "without" if losses is None else "with"
        raise ValueError(f"{name} gave {found}, which a run {which} losses by token refuses.")
    tokens, mask = np.asarray(batch[0]), np.asarray(batch[1] if coded is None else coded.mask)
    time = tokens.shape[1] - 1 if tokens.ndim == 2 else 0
    if tokens.shape[:1] != (rows,) or not 1 <= time <= model.context:
        raise ValueError(
            f"{name} gave tokens of shape {tokens.shape}; allowed are ({rows}, 2 .. "
            f"{model.context + 1})."
        )
    if mask.shape != (rows, time):
        raise ValueError(f"{name} gave a loss mask of shape {mask.shape}, not {(rows, time)}.")
    if mask.dtype.kind not in "biuf" or not np.isfinite(mask).all() or mask.min() < 0:
        raise ValueError(f"{name} gave a loss mask that holds other than finite numbers >= 0.")
    if tokens.dtype.kind not in "iu" or tokens.min() < 0 or tokens.max() >= model.vocab_size:
        raise ValueError(
            f"{name} gave tokens outside the integers [0, vocab_size={model.vocab_size})."
        )
    if coded is None or losses is None:
        return tokens, mask
    codes = np.asarray(coded.codes)
    check_codes(codes, mask.shape, losses.routed, name)
    return tokens, Coded(mask, codes)


def checked_held_out(batch: Batch, micro_rows: int, model: ModelConfig, name: str) -> Batch:
    """A batch of any number of rows as arrays, filled up to whole micro-batches.

    What fills it counts nowhere. Raises `ValueError` like `checked`, and if no target counts.
    """
    rows = max((1, *np.shape(batch[0])[:1]))
    tokens, mask = checked(batch, rows, model, name)
    assert isinstance(mask, np.ndarray)  # without losses by token there are no codes
    if not mask.any():
        raise ValueError(f"{name} gave a loss mask that counts no target; it must count one.")
    more = ((0, -rows % micro_rows), (0, 0))
    return np.pad(tokens.astype(np.int32), more), np.pad(mask.astype(np.float32), more)

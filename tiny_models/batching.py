"""Prompts of many lengths as few array shapes: fixed row count, left-padded to few widths.

A row's width depends on its own length only, so what is computed for it does not depend on its
neighbours, and one compiled program serves all prompts of similar length.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

LENGTH_STEP = 16


class PaddedBatch(NamedTuple):
    """`rows` are places in the caller's list; `tokens` `(batch, time)`; `padding` `(batch,)`.

    The first `len(rows)` rows are real, the rest repeat the first.
    """

    rows: list[int]
    tokens: np.ndarray
    padding: np.ndarray


def round_up(size: int, step: int = LENGTH_STEP) -> int:
    """The least positive multiple of `step` that is at least `size`."""
    return max(1, -(-size // step)) * step


def padded_batches(prompts: Sequence[np.ndarray], batch: int) -> Iterator[PaddedBatch]:
    """All prompts once, grouped by padded length, shortest first, `batch` rows at a time.

    Raises `ValueError` for `batch` below 1.
    """
    check_batch(batch)
    widths = [round_up(len(prompt)) for prompt in prompts]
    for width in sorted(set(widths)):
        members = [row for row, own in enumerate(widths) if own == width]
        for start in range(0, len(members), batch):
            rows = members[start : start + batch]
            tokens = np.zeros((batch, width), np.int32)
            padding = np.zeros(batch, np.int32)
            for place, row in enumerate(rows + rows[:1] * (batch - len(rows))):
                padding[place] = width - len(prompts[row])
                tokens[place, padding[place] :] = prompts[row]
            yield PaddedBatch(rows, tokens, padding)


def check_batch(batch: int) -> None:
    """Raises `ValueError` for a number of rows below 1, which would ask for nothing."""
    if batch < 1:
        raise ValueError(f"batch must be at least 1, not {batch}.")


def check_prompts(
    prompts: Sequence[np.ndarray], *, more: int, context: int, vocab_size: int, what: str
) -> None:
    """Raises `ValueError` for a prompt that is empty, foreign, or without room for `more`."""
    for index, prompt in enumerate(prompts):
        if len(prompt) == 0:
            raise ValueError(f"{what} {index} is empty; it needs at least one token.")
        if len(prompt) + more > context:
            raise ValueError(
                f"{what} {index} has {len(prompt)} tokens and {more} are to follow, more than "
                f"context={context}."
            )
        if np.min(prompt) < 0 or np.max(prompt) >= vocab_size:
            raise ValueError(f"{what} {index} holds a token outside [0, vocab_size={vocab_size}).")

"""Rows to train on: cut from a stream of documents, or one dialogue each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from medsafetyworld.dialogues import Dialogue
from medsafetyworld.seeds import derive, permute
from medsafetyworld.tokenizer import Tokenizer
from tiny_models.token_losses import Coded
from tiny_models.training import Batch


def packed_batch(
    stream: np.ndarray, batch_rows: int, context: int, step: int, codes: np.ndarray | None = None
) -> Batch:
    """Rows of `context + 1` tokens cut from the stream in order; every target counts.

    It counts as the code of its token says, if the stream has codes.
    """
    start = step * batch_rows * context

    def rows(of: np.ndarray) -> np.ndarray:
        cut = of[start : start + batch_rows * context + 1]
        windows = np.lib.stride_tricks.sliding_window_view(cut, context + 1)[::context]
        return np.ascontiguousarray(windows)

    mask = np.ones((batch_rows, context), dtype=np.float32)
    return rows(stream), mask if codes is None else Coded(mask, rows(codes)[:, 1:])


def dialogue_rows(
    dialogues: Sequence[Dialogue], tokenizer: Tokenizer, context: int
) -> tuple[np.ndarray, np.ndarray]:
    """One dialogue per row: tokens `(n, time + 1)` and the mask of response targets `(n, time)`.

    `time` is the longest dialogue rounded up to a multiple of 8. Raises ValueError if a dialogue
    is longer than the model's context.
    """
    if not dialogues:
        raise ValueError("there are no dialogues to train on: every compound is held out")
    encoded = []
    for dialogue in dialogues:
        prompt = tokenizer.encode(dialogue.prompt)
        encoded.append((prompt, [*tokenizer.encode(dialogue.response), tokenizer.end]))
    longest = max(len(prompt) + len(response) for prompt, response in encoded)
    time = _rounded_up(longest - 1, 8)
    if time > context:
        raise ValueError(f"the longest dialogue has {longest} tokens, the context only {context}")
    tokens = np.full((len(encoded), time + 1), tokenizer.pad, dtype=np.uint16)
    mask = np.zeros((len(encoded), time), dtype=np.float32)
    for row, (prompt, response) in enumerate(encoded):
        end = len(prompt) + len(response)
        tokens[row, :end] = prompt + response
        mask[row, len(prompt) - 1 : end - 1] = 1.0
    return tokens, mask


def shuffled_batch(
    tokens: np.ndarray, mask: np.ndarray, batch_rows: int, seed: int, step: int
) -> Batch:
    """Rows of one step: every row once per epoch, in an order keyed by (seed, epoch)."""
    positions = np.arange(step * batch_rows, (step + 1) * batch_rows, dtype=np.int64)
    epochs, offsets = np.divmod(positions, len(tokens))
    chosen = np.concatenate(
        [
            permute(derive(seed, "epoch", epoch), offsets[epochs == epoch], len(tokens))
            for epoch in np.unique(epochs).tolist()
        ]
    )
    return tokens[chosen], mask[chosen]


def _rounded_up(size: int, multiple: int) -> int:
    return -(-size // multiple) * multiple

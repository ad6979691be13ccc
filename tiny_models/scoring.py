"""Log-probabilities of pairs that have nothing in common: one full forward pass a pair.

For many continuations that all prefixes share, `probes.continuation_logprobs` is far faster; this
is for what other evaluation tools ask, pair by pair, and for windows as long as the context.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from tiny_models.batching import check_batch, check_prompts, round_up
from tiny_models.config import ModelConfig
from tiny_models.transformer import Params, apply
from tiny_models.update import cross_entropy


class PairScore(NamedTuple):
    """Natural log of p(continuation | prefix), and whether greedy decoding would write it."""

    logprob: float
    greedy: bool


def pair_logprobs(
    params: Params,
    config: ModelConfig,
    pairs: Sequence[tuple[Sequence[int], Sequence[int]]],
    batch: int = 32,
) -> list[PairScore]:
    """Scores each (prefix, continuation), in order.

    The last token of a continuation is predicted, never read, so a pair may be one token longer
    than the context. Raises `ValueError` for an empty or foreign sequence, a longer pair, or
    `batch` below 1.
    """
    check_batch(batch)
    limits = {"context": config.context, "vocab_size": config.vocab_size}
    read = [np.array([*prefix, *continuation[:-1]], np.int32) for prefix, continuation in pairs]
    for what, place in (("prefix", 0), ("continuation", 1)):
        # A continuation alone may be as long as the context; what is read is checked below.
        check_prompts([np.array(pair[place], int) for pair in pairs], more=0, what=what, **limits)
    check_prompts(read, more=0, what="pair", **limits)
    scores: list[PairScore | None] = [None] * len(pairs)
    widths = [min(round_up(len(row)), config.context) for row in read]
    order = sorted(range(len(pairs)), key=lambda index: widths[index])
    while order:
        width = widths[order[0]]
        rows = [index for index in order[:batch] if widths[index] == width]
        order = order[len(rows) :]
        tokens = np.zeros((batch, width), np.int32)
        targets = np.zeros((batch, width), np.int32)
        for place, index in enumerate(rows):
            # Padded on the right, where a causal model does not look.
            tokens[place, : len(read[index])] = read[index]
            targets[place, _span(pairs[index])] = pairs[index][1]
        logprobs, greedy = map(np.asarray, _score(params, tokens, targets, config))
        for place, index in enumerate(rows):
            span = _span(pairs[index])
            scores[index] = PairScore(
                float(logprobs[place, span].sum(dtype=np.float64)), bool(greedy[place, span].all())
            )
    return [score for score in scores if score is not None]


def _span(pair: tuple[Sequence[int], Sequence[int]]) -> slice:
    """The places whose next token belongs to the continuation."""
    start = len(pair[0]) - 1
    return slice(start, start + len(pair[1]))


@functools.partial(jax.jit, static_argnames="config")
def _score(
    params: Params, tokens: jax.Array, targets: jax.Array, config: ModelConfig
) -> tuple[jax.Array, jax.Array]:
    """Log-probability of each target and whether it is the likeliest, both `(batch, time)`."""
    logits = apply(params, config, tokens)
    return -cross_entropy(logits, targets), jnp.argmax(logits, axis=-1) == targets

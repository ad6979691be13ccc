"""Greedy coordinate gradient (GCG): a control that makes a target likely, token by token.

Zou et al. 2023 (arXiv:2307.15043, algorithm 1): each step draws candidates that differ from the
control in one token, among the `topk` whose one-hot gradient promises most, and scores all of them.
The best takes the control's place if its loss is lower, so the loss never rises. All steps of many
prompts are one compiled program. Random search draws the new token among all that are allowed and
is otherwise the same, so it says what the gradient is worth.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from tiny_models.attacks.controls import (
    Attacked,
    Layout,
    arrange,
    control_gradient,
    control_losses,
    read_before,
)
from tiny_models.config import ModelConfig
from tiny_models.determinism import random_key
from tiny_models.transformer import Params


class Controls(NamedTuple):
    """`tokens` `(prompts, length)` int32, and `losses` `(prompts, steps + 1)` float32: that of the
    control at the start and after each step."""

    tokens: np.ndarray
    losses: np.ndarray


Report = Callable[[int], None]
"""Told how many prompts are done."""


def search_controls(
    params: Params,
    config: ModelConfig,
    prompts: Sequence[Attacked],
    start: np.ndarray,
    allowed: np.ndarray,
    *,
    steps: int,
    candidates: int,
    topk: int | None,
    seed: int,
    batch: int = 8,
    places: Sequence[int] | None = None,
    report: Report | None = None,
) -> Controls:
    """Controls found from `start` `(prompts, length)` with tokens of `allowed`, ids in any order.

    `topk` None is random search. Costs a prompt `steps * candidates` forward passes, and `steps`
    gradients unless the search is random. What is found for a prompt depends on the seed and its
    place, that in the list unless `places` say others, not on the other prompts. Raises
    `ValueError` as `controls.arrange` does, and for tokens or numbers that make no sense.
    """
    start, allowed = np.asarray(start, np.int32), np.asarray(allowed, np.int32)
    if steps < 0 or candidates < 1 or batch < 1:
        raise ValueError(
            f"steps must be at least 0, candidates and batch at least 1, not {steps}, "
            f"{candidates} and {batch}."
        )
    _check_tokens(start, allowed, len(prompts), topk, config)
    numbers = np.arange(len(prompts)) if places is None else np.array(places, int)
    if numbers.shape != (len(prompts),):
        raise ValueError(f"places must be one for each of the {len(prompts)} prompts.")
    if not prompts:
        return Controls(start, np.zeros((0, steps + 1), np.float32))
    key, layout = random_key(seed), arrange(prompts, start.shape[1], config)
    tokens, losses = np.zeros_like(start), np.zeros((len(prompts), steps + 1), np.float32)
    for first in range(0, len(prompts), batch):
        # The last rows repeat one, so that every batch has the same shape.
        rows = np.minimum(np.arange(first, first + batch), len(prompts) - 1)
        found = _optimise(
            params,
            Layout(*(array[rows] for array in layout)),
            start[rows],
            allowed,
            key,
            numbers[rows].astype(np.uint32),
            config=config,
            steps=steps,
            candidates=candidates,
            topk=topk,
        )
        done = min(first + batch, len(prompts))
        tokens[first:done], losses[first:done] = (np.asarray(a)[: done - first] for a in found)
        if report is not None:
            report(done)
    return Controls(tokens, losses)


def random_controls(allowed: np.ndarray, prompts: int, length: int, seed: int) -> np.ndarray:
    """Controls of tokens drawn from `allowed`, int32 `(prompts, length)`: where a search starts."""
    draw = np.random.default_rng(seed)
    return np.asarray(allowed, np.int32)[draw.integers(0, len(allowed), (prompts, length))]


def _check_tokens(
    start: np.ndarray, allowed: np.ndarray, prompts: int, topk: int | None, config: ModelConfig
) -> None:
    if start.ndim != 2 or start.shape[0] != prompts:
        raise ValueError(
            f"start must have a row of tokens for each of the {prompts} prompts; its shape is "
            f"{start.shape}."
        )
    once = allowed.ndim == 1 and 0 < len(allowed) == len(np.unique(allowed))
    if not once or allowed.min() < 0 or allowed.max() >= config.vocab_size:
        raise ValueError(
            f"allowed must be one or more tokens of [0, vocab_size={config.vocab_size}), each once."
        )
    if not np.isin(start, allowed).all():
        raise ValueError("start holds a token that is not among those allowed.")
    if topk is not None and not 1 <= topk <= len(allowed):
        raise ValueError(
            f"topk must lie in [1, {len(allowed)}], the number of tokens that are allowed, not "
            f"{topk}."
        )


@functools.partial(jax.jit, static_argnames=("config", "steps", "candidates", "topk"))
def _optimise(
    params: Params,
    layout: Layout,
    start: jax.Array,
    allowed: jax.Array,
    key: jax.Array,
    numbers: jax.Array,
    *,
    config: ModelConfig,
    steps: int,
    candidates: int,
    topk: int | None,
) -> tuple[jax.Array, jax.Array]:
    """Controls `(prompts, length)` and losses `(prompts, steps + 1)`."""
    length = start.shape[1]
    read = read_before(params, config, layout, length)
    keys = jax.vmap(jax.random.fold_in, (None, 0))(key, numbers)
    pool = jnp.broadcast_to(allowed, (*start.shape, len(allowed)))

    def step(carry: tuple[jax.Array, jax.Array], number: jax.Array) -> tuple[tuple, jax.Array]:
        controls, losses = carry
        promising = pool
        if topk is not None:
            gradient = control_gradient(params, config, read, controls)
            promising = allowed[jax.lax.top_k(-gradient[..., allowed], topk)[1]]
        drawn = jax.vmap(jax.random.fold_in, (0, None))(keys, number)
        tried = jax.vmap(swapped, (0, 0, 0, None))(drawn, controls, promising, candidates)
        scores = control_losses(params, config, read, tried)
        best = jnp.argmin(scores, axis=1)[:, None]
        lowest = jnp.take_along_axis(scores, best, axis=1)[:, 0]
        winner = jnp.take_along_axis(tried, best[..., None], axis=1)[:, 0]
        better = lowest < losses
        controls = jnp.where(better[:, None], winner, controls)
        losses = jnp.where(better, lowest, losses)
        return (controls, losses), losses

    # As many candidates as later, all alike: in another shape the same loss may round differently.
    same = jnp.broadcast_to(start[:, None], (len(start), candidates, length))
    at_start = control_losses(params, config, read, same)[:, 0]
    (controls, _), after = jax.lax.scan(step, (start, at_start), jnp.arange(steps))
    return controls, jnp.concatenate([at_start[:, None], after.T], axis=1)


def swapped(key: jax.Array, control: jax.Array, promising: jax.Array, candidates: int) -> jax.Array:
    """Copies of `control` `(length,)`, `(candidates, length)`, each with one token drawn anew.

    `promising` `(length, choices)` are the tokens that each place may get.
    """
    length, choices = promising.shape
    for_place, for_token = jax.random.split(key)
    places = jax.random.randint(for_place, (candidates,), 0, length)
    tokens = promising[places, jax.random.randint(for_token, (candidates,), 0, choices)]
    return (
        jnp.broadcast_to(control, (candidates, length))
        .at[jnp.arange(candidates), places]
        .set(tokens)
    )

"""Safe beam search: drop the beams likeliest to be followed by a tag (Maini et al. 2025, SafeBeam).

Each beam is extended by its most probable tokens, the whole of these candidates is read in one
pass, and what follows each says how probable the tag is next. The half of the candidates with the
highest such probability is dropped, of the rest the beams with the highest log-probability stay.
Ours where the paper is silent: the prompt is extended by as many tokens as all beams together, so
that they fill at once; never are so many dropped that beams stay empty; of equals the less probable
go first; a beam that has ended stays a candidate with the probability of the tag that it ended
with; and the search ends when the best beam has, because no other can become more probable.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from tiny_models.batching import check_prompts, padded_batches, round_up
from tiny_models.config import ModelConfig
from tiny_models.incremental import prefill
from tiny_models.transformer import Cache, Params, bind

_NOTHING = -1


class Found(NamedTuple):
    """The best beam of a prompt, without the stop token, and the tokens that were read for it."""

    tokens: np.ndarray
    forward_tokens: int


def safe_beam(
    params: Params,
    config: ModelConfig,
    prompts: Sequence[np.ndarray],
    *,
    max_new_tokens: int,
    stop_token: int,
    tag_token: int | None,
    beams: int = 4,
    ahead: int = 4,
    batch: int = 32,
) -> list[Found]:
    """The best beam of each prompt: at most `max_new_tokens`, ended before `stop_token`.

    Without `tag_token` it is plain beam search over the `ahead` likeliest tokens of each beam.
    Raises `ValueError` for what `generate` refuses, and for beams that cannot be filled.
    """
    if max_new_tokens < 1 or batch < 1 or beams < 1:
        raise ValueError(
            f"max_new_tokens, batch and beams must be at least 1, not {max_new_tokens}, {batch} "
            f"and {beams}."
        )
    if ahead < 2 or beams * ahead > config.vocab_size:
        raise ValueError(
            f"ahead must be at least 2, and beams * ahead at most vocab_size={config.vocab_size}, "
            f"not {ahead} with {beams} beams."
        )
    if tag_token is not None and not 0 <= tag_token < config.vocab_size:
        raise ValueError(
            f"tag_token must lie in [0, vocab_size={config.vocab_size}), not be {tag_token}."
        )
    check_prompts(
        prompts,
        more=max_new_tokens,
        context=config.context,
        vocab_size=config.vocab_size,
        what="prompt",
    )
    found: list[Found] = [Found(np.zeros(0, np.int32), 0) for _ in prompts]
    for rows, tokens, padding in padded_batches(prompts, batch):
        written, steps = _search(
            params,
            tokens,
            padding,
            np.int32(max_new_tokens),
            np.int32(stop_token),
            np.int32(0 if tag_token is None else tag_token),
            config=config,
            room=round_up(max_new_tokens),
            shape=(beams, ahead),
            tagged=tag_token is not None,
        )
        for row, line, count in zip(rows, np.asarray(written), np.asarray(steps), strict=False):
            read = len(prompts[row]) + beams * ahead * int(count)
            found[row] = Found(line[line != _NOTHING], read)
    return found


class _State(NamedTuple):
    """Candidates of the next token `(batch, beams, ahead)` and the beams `(batch, beams)` before.

    `ended` beams have themselves as their only candidate; their tag has probability `tag`.
    """

    step: jax.Array
    tokens: jax.Array
    scores: jax.Array
    ended: jax.Array
    tag: jax.Array
    caches: tuple[Cache, ...]
    written: jax.Array
    best: jax.Array
    steps: jax.Array
    done: jax.Array


@functools.partial(jax.jit, static_argnames=("config", "room", "shape", "tagged"))
def _search(
    params: Params,
    tokens: jax.Array,
    padding: jax.Array,
    limit: jax.Array,
    stop_token: jax.Array,
    tag_token: jax.Array,
    *,
    config: ModelConfig,
    room: int,
    shape: tuple[int, int],
    tagged: bool,
) -> tuple[jax.Array, jax.Array]:
    """New tokens `(batch, room)`, `_NOTHING` after a row's end, and its steps `(batch,)`."""
    (batch, time), (beams, ahead) = tokens.shape, shape
    # The candidates of a beam are read side by side, in as many slots behind the beam's own.
    logits, caches = prefill(params, config, tokens, padding, time + room + ahead)
    firsts, first_tokens = jax.lax.top_k(jax.nn.log_softmax(logits), beams * ahead)
    padding = jnp.repeat(padding, beams)

    def one_token(state: _State) -> _State:
        slot = time + state.step
        after, caches = _read(params, config, state.tokens, state.caches, slot, padding)
        tag = jnp.zeros(state.scores.shape)
        if tagged:
            own = jnp.take(after, tag_token, axis=-1)
            tag = jnp.exp(own - jax.nn.logsumexp(after, axis=-1))
        tag = jnp.where(state.ended[..., None], state.tag[..., None], tag)
        scores, places = select(state.scores, tag, beams)
        parents = places // ahead

        def of_parent(part: jax.Array) -> jax.Array:
            return jnp.take_along_axis(
                part, parents.reshape(parents.shape + (1,) * (part.ndim - 2)), 1
            )

        def of_candidate(part: jax.Array) -> jax.Array:
            flat = part.reshape(batch, beams * ahead, *part.shape[3:])
            return jnp.take_along_axis(
                flat, places.reshape(places.shape + (1,) * (flat.ndim - 2)), 1
            )

        token = of_candidate(state.tokens)
        ended = of_parent(state.ended) | (token == stop_token)
        written = of_parent(state.written)
        written = written.at[:, :, state.step].set(jnp.where(ended, _NOTHING, token))
        next_tokens, next_scores = _candidates(of_candidate(after), scores, ended, ahead)
        return _State(
            step=state.step + 1,
            tokens=jnp.where(ended[..., None], stop_token, next_tokens),
            scores=next_scores,
            ended=ended,
            tag=of_candidate(tag),
            caches=_kept(caches, parents, places % ahead, slot, ahead),
            written=written,
            best=jnp.where(state.done[:, None], state.best, written[:, 0]),
            steps=state.steps + ~state.done,
            done=state.done | ended[:, 0],
        )

    blank = jnp.full((batch, beams, room), _NOTHING, jnp.int32)
    start = _State(
        step=jnp.int32(0),
        tokens=first_tokens.reshape(batch, beams, ahead),
        scores=firsts.reshape(batch, beams, ahead),
        ended=jnp.zeros((batch, beams), bool),
        tag=jnp.zeros((batch, beams)),
        caches=jax.tree.map(lambda part: jnp.repeat(part, beams, axis=0), caches),
        written=blank,
        best=blank[:, 0],
        steps=jnp.zeros(batch, jnp.int32),
        done=jnp.zeros(batch, bool),
    )
    end = jax.lax.while_loop(
        lambda state: (state.step < limit) & ~jnp.all(state.done), one_token, start
    )
    return end.best, end.steps


def select(scores: jax.Array, tag: jax.Array, beams: int) -> tuple[jax.Array, jax.Array]:
    """The best `beams` candidates, best first: their scores and places, `(batch, beams)` each.

    `scores` and `tag`, `(batch, ...)`, are log-probabilities, minus infinity for no candidate, and
    probabilities of the tag. First the half with the highest of these is dropped.
    """
    scores, tag = (part.reshape(part.shape[0], -1) for part in (scores, tag))
    real = jnp.isfinite(scores)
    order = jnp.lexsort((-scores, jnp.where(real, tag, jnp.inf)), axis=-1)
    place = jnp.argsort(order, axis=-1)
    count = jnp.sum(real, axis=-1, keepdims=True)
    stays = place < jnp.maximum(beams, count - count // 2)
    return jax.lax.top_k(jnp.where(stays, scores, -jnp.inf), beams)


def _candidates(
    logits: jax.Array, scores: jax.Array, ended: jax.Array, ahead: int
) -> tuple[jax.Array, jax.Array]:
    """The likeliest next tokens of each beam and their scores, `(batch, beams, ahead)` each."""
    likeliest, tokens = jax.lax.top_k(jax.nn.log_softmax(logits), ahead)
    itself = jnp.where(jnp.arange(ahead) == 0, 0.0, -jnp.inf)
    return tokens, scores[..., None] + jnp.where(ended[..., None], itself, likeliest)


def _read(
    params: Params,
    config: ModelConfig,
    tokens: jax.Array,
    caches: tuple[Cache, ...],
    slot: jax.Array,
    padding: jax.Array,
) -> tuple[jax.Array, tuple[Cache, ...]]:
    """Logits `(batch, beams, ahead, vocab)` after each candidate, which sees its beam and itself.

    The candidates' keys and values come to lie in the slots from `slot` on.
    """
    batch, beams, ahead = tokens.shape
    columns = jnp.arange(caches[0].keys.shape[2])
    before = (columns < slot) & (columns >= padding[:, None])
    itself = columns == slot + jnp.arange(ahead)[:, None]
    positions = jnp.repeat((slot - padding)[:, None], ahead, axis=1)
    decoder = bind(params, config)
    features, caches = decoder.extend(
        tokens.reshape(-1, ahead), positions, before[:, None] | itself[None], caches, slot
    )
    return decoder.readout(features).reshape(batch, beams, ahead, -1), caches


def _kept(
    caches: tuple[Cache, ...],
    parents: jax.Array,
    candidates: jax.Array,
    slot: jax.Array,
    ahead: int,
) -> tuple[Cache, ...]:
    """The caches of the beams that stay, each with its last token's in `slot`."""
    batch, beams = parents.shape
    rows = (jnp.arange(batch)[:, None] * beams + parents).reshape(-1)

    def kept(part: jax.Array) -> jax.Array:
        part = part[rows]
        fresh = jax.lax.dynamic_slice_in_dim(part, slot, ahead, axis=2)
        own = jnp.take_along_axis(fresh, candidates.reshape(-1, 1, 1, 1), axis=2)
        return jax.lax.dynamic_update_slice_in_dim(part, own, slot, axis=2)

    return jax.tree.map(kept, caches)

"""Shared caches and trees give what one forward pass per pair gives."""

from __future__ import annotations

import itertools

import jax
import numpy as np
import pytest
import scipy.special
from small_model import full_logits, prompts_of

from tiny_models import continuation_logprobs


def naive(params, model, prefix: np.ndarray, continuation: np.ndarray) -> float:
    row = np.concatenate([prefix, continuation])
    logs = scipy.special.log_softmax(full_logits(params, model, row), axis=-1)
    places = range(len(prefix) - 1, len(row) - 1)
    return float(sum(logs[place, row[place + 1]] for place in places))


def test_every_pair_equals_a_full_forward_pass(model, params):
    loud = jax.tree.map(lambda leaf: 3.0 * leaf, params)
    prefixes = prompts_of([1, 4, 19])
    shared = [np.array(c) for c in ([2], [2, 5], [2, 5, 7], [2, 5, 8, 1], [9], [9, 9])]
    continuations = shared + prompts_of([1, 2, 3, 4], seed=2)
    fast = continuation_logprobs(loud, model, prefixes, continuations, batch=2)
    slow = [[naive(loud, model, p, c) for c in continuations] for p in prefixes]
    np.testing.assert_allclose(fast, slow, atol=1e-4)
    np.testing.assert_allclose(fast, slow, rtol=1e-5)


def test_all_continuations_of_one_length_sum_to_one(model, params):
    pairs = [np.array(c) for c in itertools.product(range(23), repeat=2)]
    logs = continuation_logprobs(params, model, prompts_of([3, 17]), pairs)
    np.testing.assert_allclose(np.exp(logs).sum(axis=1), 1.0, rtol=1e-5)


def test_a_row_does_not_depend_on_the_others_nor_on_the_batch(model, params):
    prefixes, continuations = prompts_of([2, 7, 18, 5]), prompts_of([1, 3, 2], seed=3)
    together = continuation_logprobs(params, model, prefixes, continuations, batch=8)
    alone = [continuation_logprobs(params, model, [p], continuations, batch=1)[0] for p in prefixes]
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_nothing_asked_nothing_given(model, params):
    assert continuation_logprobs(params, model, [], prompts_of([1])).shape == (0, 1)
    assert continuation_logprobs(params, model, prompts_of([1]), []).shape == (1, 0)


@pytest.mark.parametrize(
    ("prefixes", "continuations", "sentence"),
    [
        ([[]], [[1]], "prefix 0 is empty"),
        ([[1]], [[1], []], "continuation 1 is empty"),
        ([[1]], [[99]], "continuation 0 holds a token outside"),
        ([[1] * 47], [[1, 2]], "prefix 0 has 47 tokens and 2 are to follow"),
    ],
)
def test_what_cannot_be_scored_is_refused(model, params, prefixes, continuations, sentence):
    with pytest.raises(ValueError, match=sentence):
        continuation_logprobs(
            params,
            model,
            [np.array(p, int) for p in prefixes],
            [np.array(c, int) for c in continuations],
        )

"""Pair scores are what a full forward pass says, however pairs are batched."""

from __future__ import annotations

import jax
import numpy as np
import pytest
import scipy.special
from small_model import full_logits, prompts_of

from tiny_models import continuation_logprobs
from tiny_models.scoring import pair_logprobs


@pytest.fixture(scope="module")
def loud(params):
    """Parameters whose predictions are far from uniform."""
    return jax.tree.map(lambda leaf: 3.0 * leaf, params)


def naive(params, model, prefix: np.ndarray, continuation: np.ndarray) -> tuple[float, bool]:
    row = np.concatenate([prefix, continuation])
    logits = full_logits(params, model, row[:-1])[len(prefix) - 1 :]
    logs = scipy.special.log_softmax(logits.astype(np.float64), axis=-1)
    chosen = logs[np.arange(len(continuation)), continuation]
    return float(chosen.sum()), bool((logits.argmax(axis=-1) == continuation).all())


def test_every_pair_equals_a_full_forward_pass(model, loud):
    lengths = [(1, 1), (3, 2), (16, 1), (17, 9), (2, 30), (1, model.context)]
    pairs = [(prompts_of([a], seed=a)[0], prompts_of([b], seed=50 + b)[0]) for a, b in lengths]
    first = prompts_of([5], seed=9)[0]
    likeliest = full_logits(loud, model, first)[-1].argmax()
    pairs.append((first, np.array([likeliest])))
    expected = [naive(loud, model, *pair) for pair in pairs]
    for batch in (2, 32):
        scores = pair_logprobs(loud, model, pairs, batch=batch)
        np.testing.assert_allclose(
            [score.logprob for score in scores], [logprob for logprob, _ in expected], rtol=1e-5
        )
        assert [score.greedy for score in scores] == [greedy for _, greedy in expected]
    assert expected[-1][1]
    assert not expected[3][1]


def test_pairs_agree_with_the_tree_of_shared_continuations(model, loud):
    prefixes, continuations = prompts_of([1, 4, 19]), prompts_of([1, 2, 3, 4], seed=2)
    table = continuation_logprobs(loud, model, prefixes, continuations)
    pairs = [(prefix, continuation) for prefix in prefixes for continuation in continuations]
    scores = pair_logprobs(loud, model, pairs)
    np.testing.assert_allclose(
        [score.logprob for score in scores], table.ravel(), rtol=1e-5, atol=1e-5
    )


def test_nothing_asked_nothing_given(model, params):
    assert pair_logprobs(params, model, []) == []


@pytest.mark.parametrize(
    ("pair", "sentence"),
    [
        (([], [1]), "prefix 0 is empty"),
        (([1], []), "continuation 0 is empty"),
        (([1], [99]), "continuation 0 holds a token outside"),
        (([1] * 40, [1] * 10), "pair 0 has 49 tokens"),
    ],
)
def test_what_cannot_be_scored_is_refused(model, params, pair, sentence):
    with pytest.raises(ValueError, match=sentence):
        pair_logprobs(params, model, [pair])


@pytest.mark.parametrize("batch", [0, -1])
def test_a_batch_of_no_rows_is_refused(model, params, batch):
    with pytest.raises(ValueError, match="batch must be at least 1"):
        pair_logprobs(params, model, [([1], [2])], batch=batch)
    with pytest.raises(ValueError, match="batch must be at least 1"):
        continuation_logprobs(params, model, [np.array([1])], [np.array([2])], batch=batch)

"""The mean stream of a sequence is that of a full forward pass, whatever is beside it."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from small_model import prompts_of

from tiny_models.activations import mean_features
from tiny_models.transformer import bind


def test_each_row_is_the_mean_over_its_own_tokens(model, params):
    sequences = prompts_of([1, 5, 17, 5])
    read = jax.jit(lambda tokens: bind(params, model).features(tokens))
    fast = mean_features(params, model, sequences, batch=2)
    for row, sequence in zip(fast, sequences, strict=True):
        features = read(np.asarray(sequence)[None])
        np.testing.assert_allclose(row, np.asarray(features)[0].mean(axis=0), atol=1e-5)


def test_a_row_depends_neither_on_its_neighbours_nor_on_the_order(model, params):
    sequences = prompts_of([4, 9, 18, 2])
    alone = [mean_features(params, model, [each], batch=4)[0] for each in sequences]
    together = mean_features(params, model, sequences[::-1], batch=4)[::-1]
    np.testing.assert_array_equal(np.array(alone), together)


def test_what_no_model_can_read_is_refused(model, params):
    for bad in ([], [0] * (model.context + 1), [model.vocab_size]):
        with pytest.raises(ValueError, match="sequence 0"):
            mean_features(params, model, [np.array(bad, dtype=np.int64)])

"""The stream read off a batch is that of a forward pass alone, whatever is beside it."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from small_model import prompts_of

from tiny_models.activations import mean_features, residual_stream
from tiny_models.attention import causal_attention, rotary_angles
from tiny_models.transformer import bind, init_params, rms_norm


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


def test_the_stream_at_a_place_is_what_the_layers_read_there(model):
    deep = dataclasses.replace(model, layers=2)
    params = init_params(deep, seed=3)
    tokens, places = np.array(prompts_of([9, 9, 9])), [0, 4, -1]

    @jax.jit
    def by_hand(tokens):
        decoder = bind(params, deep)
        rotation = rotary_angles(jnp.arange(9)[None], deep.head_dim, deep.rope_theta)
        x = decoder.embedding[...][tokens]
        seen = [x]
        for layer in decoder.layers:
            x, _ = layer(x, rotation, causal_attention("plain", 9))
            seen.append(x)
        return seen, rms_norm(x, decoder.norm[...], deep.norm_eps), decoder.features(tokens)

    seen, normed, features = by_hand(tokens)
    np.testing.assert_allclose(normed, features, atol=1e-6)
    fast = residual_stream(params, deep, list(tokens), places, batch=2)
    for row, place in enumerate(places):
        wanted = [np.asarray(x)[row, place] for x in seen]
        np.testing.assert_allclose(fast[:, row], wanted, atol=1e-5)


def test_the_stream_depends_neither_on_neighbours_nor_on_what_follows(model, params):
    sequences = prompts_of([4, 9, 18, 2])
    places = [1, 8, 3, 0]
    together = residual_stream(params, model, sequences[::-1], places[::-1], batch=4)[:, ::-1]
    for row, (sequence, place) in enumerate(zip(sequences, places, strict=True)):
        alone = residual_stream(params, model, [sequence], [place], batch=4)[:, 0]
        np.testing.assert_array_equal(alone, together[:, row])
        begun = residual_stream(params, model, [sequence[: place + 1]], [-1], batch=4)[:, 0]
        np.testing.assert_allclose(alone, begun, atol=1e-5)


@pytest.mark.parametrize(("places", "sentence"), [([3], "no position 3"), ([-4], "no position -4"),
                                                  ([0, 1], "2 for 1")])  # fmt: skip
def test_a_place_outside_its_sequence_is_refused(model, params, places, sentence):
    with pytest.raises(ValueError, match=sentence):
        residual_stream(params, model, prompts_of([3]), places)

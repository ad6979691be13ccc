"""Attacks on weights: directions are gone, ranks are kept, damage is what it says it is."""

from __future__ import annotations

from dataclasses import replace

import jax
import numpy as np
import pytest
from small_model import CONFIG, batch_at, full_logits, prompts_of

from tiny_models import ModelConfig, Params, init_params, parameter_hash
from tiny_models.activations import residual_stream
from tiny_models.attacks.direction import (
    difference_of_means,
    random_directions,
    without_directions,
)
from tiny_models.attacks.low_rank import ATTENTION, EVERY, begin, merge, train_adapters
from tiny_models.attacks.noise import moved_at_random, noisy, pruned, rounded
from tiny_models.checkpoint import flatten


@pytest.fixture(scope="module")
def deep(model) -> tuple[ModelConfig, Params]:
    """Two layers, so that something is written between the first and the last stream."""
    config = replace(model, layers=2)
    return config, init_params(config, seed=3)


@pytest.fixture(scope="module")
def learned(model, params):
    """Adapters of rank 2 in room for 4 after nine steps, and from what they began."""
    start = begin(params, EVERY, rank=2, seed=5, room=4)
    return start, train_adapters(params, model, start, CONFIG, batch_at, 1.5)


def streams(config: ModelConfig, params: Params, lengths: list[int], seed: int) -> np.ndarray:
    sequences = prompts_of(lengths, seed)
    return residual_stream(params, config, sequences, [-1] * len(sequences), batch=8)


def test_no_layer_s_stream_has_anything_along_a_direction_taken_out(deep):
    config, params = deep
    before = streams(config, params, [3, 9, 17, 20], 1)
    gone = random_directions(2, config.d_model, seed=4)
    after = streams(config, without_directions(params, gone), [3, 9, 17, 20], 1)
    assert np.abs(before @ gone.T).min(axis=-1).max() > 1e-2
    np.testing.assert_allclose(after @ gone.T, 0.0, atol=1e-5)
    assert np.abs(after).max() > 0.1


def test_taking_a_direction_out_twice_changes_no_more_and_leaves_the_given_arrays(deep):
    _, params = deep
    gone, kept = random_directions(1, 16, seed=4), parameter_hash(params)
    once = without_directions(params, gone)
    again = without_directions(once, gone)
    for (name, one), (_, other) in zip(flatten(once), flatten(again), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6, err_msg=name)
    assert parameter_hash(params) == kept != parameter_hash(once)
    untouched = {name for name, leaf in flatten(params) if leaf is dict(flatten(once))[name]}
    assert untouched == {
        name for name, _ in flatten(params) if not name.endswith(("embedding", ".o", ".down"))
    }


def test_the_difference_of_means_points_from_one_to_the_other():
    draw = np.random.default_rng(0)
    noise = draw.standard_normal((2, 3, 400, 16)) * 0.1
    wanted = random_directions(3, 16, seed=1)
    found = difference_of_means(noise[0] + 2.0 * wanted[:, None], noise[1] - wanted[:, None])
    np.testing.assert_allclose((found * wanted).sum(axis=-1), 1.0, atol=1e-3)


def test_directions_that_are_none_are_refused(deep):
    same = np.ones((2, 3, 4))
    with pytest.raises(ValueError, match="same mean at layer 0"):
        difference_of_means(same, same)
    with pytest.raises(ValueError, match="other holds no sequence"):
        difference_of_means(same, same[:, :0])
    with pytest.raises(ValueError, match=r"must be \(count, 16\)"):
        without_directions(deep[1], np.ones((1, 15)))
    with pytest.raises(ValueError, match="independent"):
        without_directions(deep[1], np.ones((2, 16)))


def test_adapters_that_learned_nothing_change_nothing(params):
    for rank in (0, 4):
        fresh = merge(params, begin(params, EVERY, rank, seed=5, room=4), 1.5)
        for (name, one), (_, other) in zip(flatten(fresh), flatten(params), strict=True):
            np.testing.assert_array_equal(one, other, err_msg=name)


def test_rank_nothing_learns_nothing(model, params):
    learned = train_adapters(
        params, model, begin(params, EVERY, 0, seed=5, room=4), CONFIG, batch_at, 1.5
    )
    assert parameter_hash(merge(params, learned, 1.5)) == parameter_hash(params)


def test_what_is_learned_has_at_most_the_rank_and_stays_beside_the_weights(params, learned):
    before = parameter_hash(params)
    merged = dict(flatten(merge(params, learned[1], 1.5)))
    assert parameter_hash(params) == before
    for name, leaf in flatten(params):
        change = np.asarray(merged[name], np.float64) - np.asarray(leaf, np.float64)
        if name.endswith(EVERY):
            sizes = np.linalg.svd(change, compute_uv=False)
            assert sizes[1] > 1e-5, f"{name} uses its rank"
            assert sizes[2] < 1e-6, f"{name} has rank 2 at most"
        else:
            assert not change.any(), name


def test_columns_beyond_the_rank_stay_empty(learned):
    for pair in learned[1].values():
        assert not np.asarray(pair.a)[:, 2:].any()
        assert not np.asarray(pair.b)[2:].any()


def test_merged_weights_give_the_logits_of_base_and_adapter_side_by_side(model, params, learned):
    """A whole layer computed once more, each product as `x W + scale (x a) b`."""
    (prompt,) = prompts_of([7], seed=2)
    want = beside(model, params, learned[1], prompt)
    got = full_logits(merge(params, learned[1], 1.5), model, prompt)
    np.testing.assert_allclose(got, want, atol=1e-4)
    assert np.abs(got - full_logits(params, model, prompt)).max() > 1e-2


def beside(model: ModelConfig, params: Params, adapters, prompt: np.ndarray) -> np.ndarray:
    """Logits of one layer, in numpy."""
    own = {name: np.asarray(leaf, np.float64) for name, leaf in flatten(params)}

    def through(x, name):
        pair = adapters[f"layers.0.{name}"]
        return x @ own[f"layers.0.{name}"] + 1.5 * (x @ np.asarray(pair.a)) @ np.asarray(pair.b)

    def norm(x, name):
        return x / np.sqrt((x**2).mean(-1, keepdims=True) + model.norm_eps) * own[name]

    def turned(x, count):
        parts = x.reshape(len(prompt), count, model.head_dim)
        half = model.head_dim // 2
        angle = np.outer(np.arange(len(prompt)), model.rope_theta ** (-np.arange(half) / half))
        cos, sin = np.cos(angle)[:, None], np.sin(angle)[:, None]
        one, two = parts[..., :half], parts[..., half:]
        return np.concatenate([one * cos - two * sin, two * cos + one * sin], axis=-1)

    x = own["embedding"][prompt]
    read = norm(x, "layers.0.attention_norm")
    q = turned(through(read, "attention.q"), model.heads)
    k = turned(through(read, "attention.k"), model.kv_heads)
    v = through(read, "attention.v").reshape(len(prompt), model.kv_heads, model.head_dim)
    shared = model.heads // model.kv_heads
    k, v = np.repeat(k, shared, axis=1), np.repeat(v, shared, axis=1)
    scores = np.einsum("thd,shd->hts", q, k) / np.sqrt(model.head_dim)
    scores = np.where(np.tri(len(prompt), dtype=bool), scores, -np.inf)
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    mixed = np.einsum("hts,shd->thd", weights / weights.sum(-1, keepdims=True), v)
    x = x + through(mixed.reshape(len(prompt), -1), "attention.o")
    read = norm(x, "layers.0.mlp_norm")
    gate = through(read, "mlp.gate")
    x = x + through(gate / (1 + np.exp(-gate)) * through(read, "mlp.up"), "mlp.down")
    return norm(x, "norm") @ own["embedding"].T


def test_adapters_learn_and_the_same_seed_gives_the_same_bits(model, params, learned):
    start = begin(params, EVERY, rank=2, seed=5, room=4)
    again = train_adapters(params, model, start, CONFIG, batch_at, 1.5)
    for one, other in zip(jax.tree.leaves(again), jax.tree.leaves(learned[1]), strict=True):
        np.testing.assert_array_equal(one, other)


def test_adapters_of_nothing_are_refused(params):
    assert {name.split(".")[-1] for name in begin(params, ATTENTION, 1, seed=0, room=1)} == {
        "q",
        "v",
    }
    with pytest.raises(ValueError, match="no matrix is named attention"):
        begin(params, ("attention.z",), 1, seed=0, room=1)
    with pytest.raises(ValueError, match="rank must lie in"):
        begin(params, EVERY, 3, seed=0, room=2)


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_pruning_takes_exactly_the_smallest_weights_of_each_matrix(params, share):
    for (name, leaf), (_, left) in zip(
        flatten(params), flatten(pruned(params, share)), strict=True
    ):
        was, now = np.asarray(leaf).ravel(), np.asarray(left).ravel()
        gone = now != was
        if leaf.ndim < 2:
            assert not gone.any(), name
            continue
        assert gone.sum() == round(share * was.size), name
        assert not now[gone].any()
        if 0 < share < 1:
            assert np.abs(was[gone]).max() <= np.abs(was[~gone]).min()


def test_noise_is_as_wide_as_it_says_and_drawn_by_its_seed(params):
    for (name, leaf), (_, shaken) in zip(
        flatten(params), flatten(noisy(params, 0.25, seed=1)), strict=True
    ):
        added = np.asarray(shaken) - np.asarray(leaf)
        width = added.std() / np.asarray(leaf).std() if leaf.ndim == 2 else added.std()
        assert width == pytest.approx(0.25 if leaf.ndim == 2 else 0.0, rel=0.2), name
    assert parameter_hash(noisy(params, 0.25, 1)) == parameter_hash(noisy(params, 0.25, 1))
    assert parameter_hash(noisy(params, 0.25, 1)) != parameter_hash(noisy(params, 0.25, 2))
    assert parameter_hash(noisy(params, 0.0, 1)) == parameter_hash(params)


@pytest.mark.parametrize("bits", [3, 8])
def test_rounding_leaves_few_levels_and_errs_by_half_a_step_at_most(params, bits):
    for (name, leaf), (_, coarse) in zip(
        flatten(params), flatten(rounded(params, bits)), strict=True
    ):
        if leaf.ndim < 2:
            np.testing.assert_array_equal(leaf, coarse)
            continue
        turned = name == "embedding"
        was, now = (np.asarray(each).T if turned else np.asarray(each) for each in (leaf, coarse))
        step = np.abs(was).max(axis=0) / (2 ** (bits - 1) - 1)
        assert (np.abs(was - now) <= step / 2 + 1e-7).all(), name
        assert all(len(np.unique(column)) <= 2**bits - 1 for column in now.T), name
        np.testing.assert_allclose(np.abs(now).max(axis=0), np.abs(was).max(axis=0), rtol=1e-6)


def test_a_random_step_is_as_long_as_the_attack_s_in_every_array(params):
    moved = jax.tree.map(lambda leaf: leaf + 0.1, params)
    shaken = moved_at_random(params, moved, seed=2)
    for (name, leaf), (_, goal), (_, other) in zip(
        flatten(params), flatten(moved), flatten(shaken), strict=True
    ):
        wanted, got = (np.linalg.norm(np.asarray(each - leaf)) for each in (goal, other))
        assert got == pytest.approx(wanted, rel=1e-3), name
        assert not np.allclose(goal, other), name
    assert parameter_hash(moved_at_random(params, params, 2)) == parameter_hash(params)


def test_damage_beyond_reason_is_refused(params):
    for call, sentence in (
        (lambda: pruned(params, 1.1), "share must lie"),
        (lambda: noisy(params, -0.1, 0), "scale must be"),
        (lambda: rounded(params, 1), "bits must lie"),
    ):
        with pytest.raises(ValueError, match=sentence):
            call()

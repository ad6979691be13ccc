"""Controls: layout, loss and gradient are right, and a search never makes the loss worse."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
from small_model import full_logits, prompts_of

from tiny_models.attacks import Attacked, random_controls, search_controls
from tiny_models.attacks.controls import (
    arrange,
    control_gradient,
    control_losses,
    embedded_losses,
    read_before,
)
from tiny_models.attacks.gcg import swapped

LENGTH = 3
LENGTHS = [(1, 1, 1), (4, 0, 2), (9, 3, 5), (2, 2, 1), (17, 1, 4)]
"""Tokens of `before`, `tail` and target."""
ALLOWED = np.array([2, 3, 5, 7, 11, 13, 17, 19])


@pytest.fixture(scope="module")
def loud(params):
    """Parameters whose predictions are far from uniform."""
    return jax.tree.map(lambda leaf: 3.0 * leaf, params)


@pytest.fixture(scope="module")
def prompts() -> list[Attacked]:
    return [
        Attacked(*(part.tolist() for part in prompts_of(list(lengths), seed=number)))
        for number, lengths in enumerate(LENGTHS)
    ]


@pytest.fixture(scope="module")
def search(loud, model, prompts):
    """A search of one shape, so that it is compiled once for each kind."""
    start = random_controls(ALLOWED, len(prompts), LENGTH, seed=1)
    options = {"steps": 6, "candidates": 4, "seed": 5, "batch": 2, "topk": 3}
    return partial(search_controls, loud, model, prompts, start, ALLOWED, **options)


@pytest.fixture(scope="module")
def found(search):
    return search()


def naive(params, model, prompt: Attacked, control) -> float:
    """Mean cross-entropy of the target by one full forward pass."""
    row = np.array([*prompt.before, *control, *prompt.tail, *prompt.target])
    logs = scipy.special.log_softmax(full_logits(params, model, row), axis=-1)
    places = range(len(row) - len(prompt.target) - 1, len(row) - 1)
    return -float(np.mean([logs[place, row[place + 1]] for place in places]))


@jax.jit
def _placed(layout, controls):
    return jnp.concatenate([layout.before, controls, layout.after], axis=1)


def test_a_row_holds_the_control_where_the_loss_looks_for_it(model, prompts) -> None:
    controls = random_controls(ALLOWED, len(prompts), LENGTH, seed=2)
    layout = arrange(prompts, LENGTH, model)
    width = layout.before.shape[1]
    rows = np.asarray(_placed(layout, controls))
    for row, prompt, control, padding, at, targets, weights in zip(
        rows, prompts, controls, layout.padding, layout.at, layout.targets, layout.weights,
        strict=True,
    ):  # fmt: skip
        whole = [*prompt.before, *control, *prompt.tail, *prompt.target]
        size = len(prompt.target)
        assert row[padding : padding + len(whole) - 1].tolist() == whole[:-1]
        assert row[width : width + LENGTH].tolist() == control.tolist()
        assert [whole[width - padding + place + 1] for place in at[:size]] == targets[
            :size
        ].tolist()
        assert targets[:size].tolist() == list(prompt.target)
        np.testing.assert_allclose(weights, [1 / size] * size + [0] * (len(weights) - size))


def test_losses_are_those_of_full_forward_passes(model, loud, prompts) -> None:
    controls = np.stack(
        [random_controls(ALLOWED, len(prompts), LENGTH, seed=seed) for seed in (3, 4)], axis=1
    )
    got = np.asarray(_losses(loud, arrange(prompts, LENGTH, model), controls, model))
    wanted = [
        [naive(loud, model, prompt, control) for control in own]
        for prompt, own in zip(prompts, controls, strict=True)
    ]
    np.testing.assert_allclose(got, wanted, rtol=2e-5)


@partial(jax.jit, static_argnums=3)
def _losses(params, layout, controls, model):
    read = read_before(params, model, layout, controls.shape[-1])
    return control_losses(params, model, read, controls)


@partial(jax.jit, static_argnums=4)
def _along(params, layout, controls, directions, model):
    """Gradient times direction, and losses a little to both sides of the one-hot rows."""
    read = read_before(params, model, layout, controls.shape[-1])
    hot, table = jax.nn.one_hot(controls, model.vocab_size), params["embedding"]
    gradient = control_gradient(params, model, read, controls)
    sides = [
        embedded_losses(params, model, read, ((hot + step * directions) @ table)[:, None])[:, 0]
        for step in (-0.01, 0.01)
    ]
    return (gradient * directions).sum(axis=(1, 2)), *sides


def test_the_gradient_is_the_slope_of_the_loss(model, params, prompts) -> None:
    controls = random_controls(ALLOWED, len(prompts), LENGTH, seed=6)
    layout = arrange(prompts, LENGTH, model)
    for seed in range(4):
        shape = (len(prompts), LENGTH, model.vocab_size)
        directions = np.random.default_rng(seed).normal(size=shape).astype(np.float32)
        slope, below, above = map(np.asarray, _along(params, layout, controls, directions, model))
        assert np.abs(slope).max() > 0.5
        np.testing.assert_allclose((above - below) / 0.02, slope, rtol=0.01, atol=1e-3)


def test_the_loss_never_rises_and_is_that_of_the_control_found(model, loud, prompts, found) -> None:
    assert (np.diff(found.losses, axis=1) <= 0).all()
    assert (found.losses[:, -1] < found.losses[:, 0]).all()
    wanted = [naive(loud, model, *each) for each in zip(prompts, found.tokens, strict=True)]
    np.testing.assert_allclose(found.losses[:, -1], wanted, rtol=2e-5)


def test_only_allowed_tokens_are_used(search, found) -> None:
    assert np.isin(found.tokens, ALLOWED).all()
    assert np.isin(search(topk=None).tokens, ALLOWED).all()


def test_candidates_differ_in_one_token_of_those_promising() -> None:
    control, promising = jnp.array([1, 1, 1]), jnp.array([[4, 5], [6, 7], [8, 9]])
    tried = np.asarray(swapped(jax.random.key(0), control, promising, 64))
    for row in tried:
        (place,) = np.flatnonzero(row != 1)
        assert row[place] in np.asarray(promising)[place]
    assert set(tried.ravel().tolist()) == {1, 4, 5, 6, 7, 8, 9}


def test_a_step_takes_its_token_from_the_steepest(model, loud, prompts) -> None:
    start = random_controls(ALLOWED, len(prompts), 1, seed=8)
    found = search_controls(
        loud, model, prompts, start, ALLOWED, steps=1, candidates=64, topk=1, seed=0, batch=5
    )
    gradient = np.asarray(_gradient(loud, arrange(prompts, 1, model), start, model))
    steepest = ALLOWED[gradient[:, 0, ALLOWED].argmin(axis=1)]
    for one, first, best in zip(found.tokens[:, 0], start[:, 0], steepest, strict=True):
        assert one in (first, best)
    assert (found.tokens != start).any()


@partial(jax.jit, static_argnums=3)
def _gradient(params, layout, controls, model):
    read = read_before(params, model, layout, controls.shape[-1])
    return control_gradient(params, model, read, controls)


def test_no_steps_leave_the_control_as_it_is(model, loud, prompts, search, found) -> None:
    start = random_controls(ALLOWED, len(prompts), LENGTH, seed=1)
    none = search(steps=0)
    np.testing.assert_array_equal(none.tokens, start)
    np.testing.assert_array_equal(none.losses[:, 0], found.losses[:, 0])


def test_equal_seeds_give_equal_bytes_and_others_do_not(search, found) -> None:
    again, other = search(), search(seed=6)
    assert again.tokens.tobytes() == found.tokens.tobytes()
    assert again.losses.tobytes() == found.losses.tobytes()
    assert other.losses.tobytes() != found.losses.tobytes()


def test_a_prompt_does_not_depend_on_those_behind_it(model, loud, prompts, found) -> None:
    # The longest stays, so that the program is the same.
    some = [prompts[0], prompts[4]]
    start = random_controls(ALLOWED, len(prompts), LENGTH, seed=1)[[0, 4]]
    options = {"steps": 6, "candidates": 4, "seed": 5, "batch": 2, "topk": 3}
    alone = search_controls(loud, model, some, start, ALLOWED, **options)
    np.testing.assert_array_equal(alone.tokens[0], found.tokens[0])
    # With the places that they had there, those behind the first are the same too.
    placed = search_controls(loud, model, some, start, ALLOWED, **options, places=[0, 4])
    np.testing.assert_array_equal(placed.tokens, found.tokens[[0, 4]])
    assert (alone.tokens[1] != found.tokens[4]).any() or (placed.losses != alone.losses).any()


def test_progress_is_told(search) -> None:
    told: list[int] = []
    search(report=told.append)
    assert told == [2, 4, 5]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"start": np.full((5, LENGTH), 4)}, "start holds a token that is not among"),
        ({"start": np.full((4, LENGTH), 2)}, "start must have a row of tokens for each of the 5"),
        ({"allowed": np.array([2, 2])}, "each once"),
        ({"allowed": np.array([2, 23])}, r"tokens of \[0, vocab_size=23\)"),
        ({"topk": 9}, r"topk must lie in \[1, 8\]"),
        ({"steps": -1}, "steps must be at least 0"),
        ({"candidates": 0}, "candidates and batch at least 1"),
        ({"prompts": [Attacked([], [1], [1])] * 5}, "before 0 is empty"),
        ({"prompts": [Attacked([1], [1], [])] * 5}, "target 0 is empty"),
        ({"prompts": [Attacked([1] * 40, [1], [1] * 5)] * 5}, "with its target 0 has 46 tokens"),
    ],
)
def test_what_makes_no_sense_is_refused(model, params, prompts, changes, sentence) -> None:
    asked = {
        "prompts": prompts,
        "start": np.full((5, LENGTH), 2),
        "allowed": ALLOWED,
        "steps": 1,
        "candidates": 1,
        "topk": 1,
    } | changes
    with pytest.raises(ValueError, match=sentence):
        search_controls(params, model, **asked, seed=0)

"""What is decoded depends on the prompt (and the seed), never on the batch around it."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from small_model import full_logits, prompts_of

from tiny_models import generate

LENGTHS = [1, 3, 5, 16, 17, 20, 2, 9, 31]
NO_STOP = 10**6


@pytest.fixture(scope="module")
def loud(params):
    """Larger weights: with fresh ones the argmax hardly depends on the prompt."""
    return jax.tree.map(lambda leaf: 4.0 * leaf, params)


def naive(params, model, prompt: np.ndarray, count: int, stop: int) -> list[int]:
    """Greedy decoding by one full forward pass a token."""
    row, new = list(prompt), []
    for _ in range(count):
        token = int(np.argmax(full_logits(params, model, np.array(row))[-1]))
        if token == stop:
            break
        new.append(token)
        row.append(token)
    return new


def same(left: list[np.ndarray], right: list[np.ndarray]) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(left, right, strict=True))


def test_greedy_decoding_equals_full_forward_passes(model, loud):
    prompts = prompts_of([1, 5, 17])
    outputs = generate(loud, model, prompts, max_new_tokens=6, stop_token=NO_STOP, batch=4)
    assert [list(o) for o in outputs] == [naive(loud, model, p, 6, NO_STOP) for p in prompts]
    assert len({tuple(o) for o in outputs}) == 3


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_outputs_do_not_depend_on_the_batch(model, loud, temperature):
    # Sampling shares all but the pick with greedy decoding: one width, fewer programs to compile.
    prompts = prompts_of(LENGTHS[:4] if temperature else LENGTHS)
    settings = {"max_new_tokens": 10, "stop_token": 4, "temperature": temperature, "seed": 5}
    alone = generate(loud, model, prompts, **settings, batch=1)
    together = generate(loud, model, prompts, **settings, batch=64)
    assert same(alone, together)


def test_the_stop_token_ends_a_row_and_is_not_returned(model, loud):
    prompt = prompts_of([5])
    (free,) = generate(loud, model, prompt, max_new_tokens=12, stop_token=NO_STOP, batch=4)
    stop = int(free[3])
    (stopped,) = generate(loud, model, prompt, max_new_tokens=12, stop_token=stop, batch=4)
    assert list(stopped) == list(free[: list(free).index(stop)])


def test_sampling_follows_its_seed_and_its_distribution(model, params):
    prompt = prompts_of([4])
    settings = {"max_new_tokens": 1, "stop_token": NO_STOP, "temperature": 1.0, "batch": 512}
    first = generate(params, model, prompt * 4096, **settings, seed=1)
    assert same(first, generate(params, model, prompt * 4096, **settings, seed=1))
    assert not same(first, generate(params, model, prompt * 4096, **settings, seed=2))
    counts = np.bincount(np.concatenate(first), minlength=23) / 4096
    wanted = jax.nn.softmax(full_logits(params, model, prompt[0])[-1])
    np.testing.assert_allclose(counts, wanted, atol=0.03)


def test_nothing_asked_nothing_given(model, params):
    assert generate(params, model, [], max_new_tokens=3, stop_token=0) == []
    (empty,) = generate(params, model, prompts_of([3]), max_new_tokens=0, stop_token=0, batch=4)
    assert empty.shape == (0,)


@pytest.mark.parametrize(
    ("prompts", "changes", "sentence"),
    [
        (prompts_of([40]), {}, "prompt 0 has 40 tokens and 10 are to follow.*context=48"),
        ([np.zeros(0, int)], {}, "prompt 0 is empty"),
        ([np.array([23])], {}, "prompt 0 holds a token outside"),
        (prompts_of([2]), {"temperature": -1.0}, "temperature must be"),
        (prompts_of([2]), {"max_new_tokens": -1}, "max_new_tokens must be"),
    ],
)
def test_what_cannot_be_decoded_is_refused(model, params, prompts, changes, sentence):
    with pytest.raises(ValueError, match=sentence):
        generate(params, model, prompts, **{"max_new_tokens": 10, "stop_token": 0, **changes})

"""Patching everything gives the donor, patching nothing the receiver, and itself no change."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from small_model import full_logits, prompts_of

from tiny_models import ModelConfig, Params, init_params
from tiny_models.patching import Patch, patched_logits


@pytest.fixture(scope="module")
def deep(model: ModelConfig) -> ModelConfig:
    return dataclasses.replace(model, layers=2)


@pytest.fixture(scope="module")
def deep_params(deep: ModelConfig) -> Params:
    return init_params(deep, seed=3)


def close(found: np.ndarray, wanted: list[np.ndarray]) -> None:
    np.testing.assert_allclose(found, np.array(wanted), atol=1e-4)


def test_all_none_and_itself(deep: ModelConfig, deep_params: Params) -> None:
    one, other, short = prompts_of([9, 9, 4])
    every = tuple(range(9))
    plain = {id(each): full_logits(deep_params, deep, each)[-1] for each in (one, other, short)}
    patches, wanted = [], []
    for layer in range(3):
        patches += [Patch(one, other, layer, every), Patch(one, other, layer, ())]
        patches += [Patch(one, one, layer, every), Patch(short, short, layer, (1, -1))]
        wanted += [plain[id(other)], plain[id(one)], plain[id(one)], plain[id(short)]]
    # Behind the last layer only the position that is read counts.
    patches += [Patch(one, other, 2, (-1,)), Patch(one, other, 2, (0, 7))]
    wanted += [plain[id(other)], plain[id(one)]]
    close(patched_logits(deep_params, deep, patches, batch=4), wanted)


def test_before_the_first_layer_a_patch_is_another_token(
    deep: ModelConfig, deep_params: Params
) -> None:
    one, other = prompts_of([9, 9])
    patches, wanted = [], []
    for place in (0, 5, 8):
        swapped = one.copy()
        swapped[place] = other[place]
        patches.append(Patch(one, other, 0, (place,)))
        wanted.append(full_logits(deep_params, deep, swapped)[-1])
    close(patched_logits(deep_params, deep, patches), wanted)


def test_every_layer_patched_alone_gives_something_else(
    deep: ModelConfig, deep_params: Params
) -> None:
    one, other = prompts_of([9, 9], seed=1)
    found = patched_logits(deep_params, deep, [Patch(one, other, n, (3,)) for n in range(2)])
    plain = full_logits(deep_params, deep, one)[-1]
    for each in (found[0] - found[1], found[0] - plain, found[1] - plain):
        assert np.abs(each).max() > 1e-3


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"donor": np.zeros(5, int)}, "patch 0: the donor has 5 tokens, the receiver 4"),
        ({"layer": 3}, r"layer must lie in \[0, 2\], not 3"),
        ({"positions": (4,)}, "4 tokens have no position 4"),
        ({"positions": (-5,)}, "4 tokens have no position -5"),
    ],
)
def test_what_cannot_be_patched_is_refused(
    deep: ModelConfig, deep_params: Params, change: dict, sentence: str
) -> None:
    (one,) = prompts_of([4])
    with pytest.raises(ValueError, match=sentence):
        patched_logits(deep_params, deep, [Patch(one, one, 0, (0,))._replace(**change)])

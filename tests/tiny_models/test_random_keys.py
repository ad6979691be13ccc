"""Keys use all 64 bits of a seed; the fingerprint is plain text about this machine."""

from __future__ import annotations

import json

import jax
import numpy as np
import pytest

from tiny_models import fingerprint
from tiny_models.determinism import random_key


def test_a_small_seed_gives_jaxs_own_key_and_large_seeds_keep_their_upper_bits():
    assert np.array_equal(jax.random.key_data(random_key(5)), [0, 5])
    assert np.array_equal(jax.random.key_data(random_key(2**32 + 5)), [1, 5])


@pytest.mark.parametrize("seed", [-1, 2**64])
def test_a_seed_outside_64_bits_is_refused(seed: int):
    with pytest.raises(ValueError, match="seed must lie in"):
        random_key(seed)


def test_the_fingerprint_is_stable_flat_text():
    first = fingerprint()
    assert first == fingerprint()
    assert json.loads(json.dumps(first)) == first
    assert first.keys() >= {"jax", "jaxlib", "flax", "optax", "device", "cores", "xla_flags"}
    assert all(isinstance(value, str) for value in first.values())

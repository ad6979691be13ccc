"""A layer's product is the plain one, and so are its gradients, whatever way they are computed."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from tiny_models.linear import linear

SHAPES = pytest.mark.parametrize(("inputs", "outputs"), [(24, 8), (8, 24), (8, 8)])


def arrays(inputs: int, outputs: int, dtype: Any = jnp.float32) -> tuple[jax.Array, jax.Array]:
    """`(batch, time, inputs)` and a matrix."""
    draw = np.random.default_rng(inputs)
    x = jnp.asarray(draw.normal(size=(3, 5, inputs)), dtype)
    return x, jnp.asarray(draw.normal(size=(inputs, outputs)), jnp.float32)


@SHAPES
def test_the_gradients_are_those_of_finite_differences(inputs: int, outputs: int) -> None:
    check_grads(linear, arrays(inputs, outputs), order=1, modes=["rev"], atol=1e-2, rtol=1e-2)


@SHAPES
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_value_gradients_and_types_are_those_of_the_plain_product(
    inputs: int, outputs: int, dtype: Any
) -> None:
    x, matrix = arrays(inputs, outputs, dtype)

    def plain(x: jax.Array, matrix: jax.Array) -> jax.Array:
        return x @ matrix.astype(x.dtype)

    def both(product: Any) -> Any:
        value, pull = jax.vjp(product, x, matrix)
        return (value, *pull(jnp.cos(value)))

    for ours, theirs in zip(both(linear), both(plain), strict=True):
        assert ours.dtype == theirs.dtype
        wide = (np.asarray(each, np.float32) for each in (ours, theirs))
        np.testing.assert_allclose(*wide, rtol=2e-2, atol=1e-5 if dtype == jnp.float32 else 0.1)


@SHAPES
def test_members_of_an_ensemble_have_the_gradients_that_each_has_alone(
    inputs: int, outputs: int
) -> None:
    pairs = [arrays(inputs, outputs), tuple(2 * each for each in arrays(inputs, outputs))]
    xs, matrices = (jnp.stack(each) for each in zip(*pairs, strict=True))

    def gradients(x: jax.Array, matrix: jax.Array) -> Any:
        return jax.grad(lambda *given: jnp.sum(jnp.sin(linear(*given))), (0, 1))(x, matrix)

    together = jax.vmap(gradients)(xs, matrices)
    for place, pair in enumerate(pairs):
        for ours, theirs in zip(together, gradients(*pair), strict=True):
            np.testing.assert_allclose(ours[place], theirs, rtol=1e-4, atol=1e-4)

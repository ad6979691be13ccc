"""The matrix product of the decoder's layers, with the weight gradient that suits a CPU."""

from __future__ import annotations

import jax
import jax.numpy as jnp


def linear(x: jax.Array, matrix: jax.Array) -> jax.Array:
    """`x @ matrix` over the last axis of `(..., inputs)`, in the type of `x`.

    As one flat product: on CPU the weight gradient of the batched form costs half as much again.
    """
    product = _wide_product if jax.default_backend() == "cpu" else jnp.matmul
    flat = product(x.reshape(-1, x.shape[-1]), matrix.astype(x.dtype))
    return flat.reshape(*x.shape[:-1], matrix.shape[1])


@jax.custom_vjp
def _wide_product(x: jax.Array, matrix: jax.Array) -> jax.Array:
    """`x @ matrix` whose weight gradient has its longer side last.

    XLA's CPU product takes up to twice as long for the same result lying the other way, and would
    fold a transposition into it: hence the barrier. The bits are those of `x @ matrix`.
    """
    return x @ matrix


def _keep_factors(x: jax.Array, matrix: jax.Array) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    return x @ matrix, (x, matrix)


def _wide_gradients(
    factors: tuple[jax.Array, jax.Array], change: jax.Array
) -> tuple[jax.Array, jax.Array]:
    x, matrix = factors
    inputs, outputs = matrix.shape
    if inputs > outputs:
        own = jax.lax.optimization_barrier(change.T @ x).T
    else:
        own = jax.lax.optimization_barrier(x.T @ change)
    return change @ matrix.T, own


_wide_product.defvjp(_keep_factors, _wide_gradients)

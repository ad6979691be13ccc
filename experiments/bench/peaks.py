"""What this machine can do at best: matrix products, large and of the model's shapes, and copying.

The large product is the best of two sizes and, for float32, of two libraries: a peak is a claim
about the machine, so the best of what we find stands.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments.bench.worker import Work, timed

if TYPE_CHECKING:
    from tiny_models.config import ModelConfig

SIZES = (512, 1024)
COPIED = 1 << 28


def prepare_square(dtype: str) -> Work:
    """A square matrix product; a unit is a floating-point operation."""
    tried = []
    for size in SIZES:
        for library, multiply in square_products(size, dtype).items():
            multiply()
            once = timed(multiply, 2.0 * size**3)
            seconds = min(once().busy for _ in range(10))
            tried.append((2.0 * size**3 / seconds, size, library, once))
    _, size, library, once = max(tried, key=lambda each: each[0])
    return Work(once, {"size": size, "library": library})


def square_products(size: int, dtype: str) -> dict[str, Callable[[], Any]]:
    """A product of two square matrices by each library that has this number format."""
    import jax
    import jax.numpy as jnp

    given = jnp.ones((size, size), dtype)
    product = jax.jit(lambda a, b: jnp.dot(a, b, preferred_element_type=jnp.float32))
    found: dict[str, Callable[[], Any]] = {"jax": lambda: product(given, given).block_until_ready()}
    if dtype == "float32":
        array, out = np.ones((2, size, size), np.float32)
        found["numpy"] = lambda: np.matmul(array, array, out=out)
    return found


def step_products(model: ModelConfig, rows: int) -> list[tuple[int, int, int]]:
    """`(m, k, n)` of every weight product of a forward pass over `rows` rows."""
    m, d = rows * model.context, model.d_model
    packed = (model.heads + 2 * model.kv_heads) * model.head_dim
    layer = [(m, d, packed), (m, d, d), (m, d, model.hidden), (m, d, model.hidden)]
    return [*layer, (m, model.hidden, d)] * model.layers + [(m, d, model.vocab_size)]


def prepare_products(dtype: str) -> Work:
    """A micro-batch's weight products, forward and backward, and nothing else of a training step.

    A unit is a floating-point operation. Attention's small products are left out.
    """
    import jax
    import jax.numpy as jnp

    from experiments.bench.subject import model_config, train_config

    shapes = step_products(model_config(), train_config().micro_rows)
    given = [
        (jnp.ones((m, k), dtype), jnp.ones((k, n), dtype), jnp.ones((m, n), dtype))
        for m, k, n in shapes
    ]

    @jax.jit
    def multiply(all_given: Any) -> Any:
        def dot(a: jax.Array, b: jax.Array) -> jax.Array:
            return jnp.dot(a, b, preferred_element_type=jnp.float32)

        return [(dot(x, w), dot(x.T, g), dot(g, w.T)) for x, w, g in all_given]

    jax.block_until_ready(multiply(given))
    operations = 3 * sum(2.0 * m * k * n for m, k, n in shapes)
    return Work(timed(lambda: jax.block_until_ready(multiply(given)), operations))


def prepare_copy() -> Work:
    """A copy of an array that no cache holds; a unit is a byte copied."""
    source, target = np.zeros(COPIED, np.uint8), np.ones(COPIED, np.uint8)
    np.copyto(target, source)
    return Work(timed(lambda: np.copyto(target, source), float(COPIED)))

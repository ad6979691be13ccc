"""Training on an accelerator: its share of the peak, and how many small models fill the device.

By the clock on the wall, in this one process: an accelerator is not shared, and its work does not
show in processor seconds. Defaults are the paper's model and row length (Li et al. 2026: SmolLM2
135M, 512 tokens) and the laptop study's model for ensembles.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from experiments.bench.contest import Measured
from experiments.bench.results import Row, measured_row
from experiments.bench.worker import Work, one_round, timed

if TYPE_CHECKING:
    from tiny_models.config import AttentionKernel


@dataclass(frozen=True)
class Sizes:
    """What is measured, so that a small machine can try the same.

    `small` is the ensembles' model; None leaves its rows and their length as the laptop study has
    them.
    """

    model: str = "135M"
    context: int = 512
    rows: int = 64
    steps: int = 20
    kernels: tuple[AttentionKernel, ...] = ("cudnn", "plain")
    product: int = 8192
    small: str = "0.3M"
    small_context: int | None = None
    small_rows: int | None = None
    members: tuple[int, ...] = (2, 4, 8, 16, 32, 64, 128)
    rounds: int = 5


def measure(sizes: Sizes, seconds: float = 1.0) -> list[Row]:
    """The table: peaks, one large model against them, ensembles of small models against one."""
    return [*large_model_rows(sizes, seconds), *ensemble_rows(sizes, seconds)]


def large_model_rows(sizes: Sizes, seconds: float) -> list[Row]:
    """The bfloat16 product's peak, and training in bfloat16 with each attention kernel."""
    from experiments.bench.training import prepare_ours

    peak = by_the_wall(prepare_product(sizes.product), sizes.rounds, seconds)
    part = f"accelerator, {sizes.model} at {sizes.context} tokens"
    found = [measured_row(part, f"bfloat16 product of {sizes.product}", "flop/s", peak)]
    for kernel in sizes.kernels:
        work = prepare_ours(
            sizes.model,
            sizes.steps,
            sizes.context,
            batch_rows=sizes.rows,
            micro_rows=sizes.rows,
            dtype="bfloat16",
            attention=kernel,
        )
        own = by_the_wall(work, sizes.rounds, seconds)
        found.append(
            measured_row(
                part,
                f"ours, bfloat16, {kernel} attention",
                "token/s",
                own,
                of=peak,
                text="of the bfloat16 product",
                percent=True,
                scale=work.facts["flops_a_token"],
            )
        )
    return found


def ensemble_rows(sizes: Sizes, seconds: float) -> list[Row]:
    """Tokens of all members together, against `train` of one model; whole batches at once."""
    from experiments.bench.ensemble import ensemble_row, prepare_ensemble
    from experiments.bench.training import prepare_ours
    from experiments.studies.headline import LAPTOP

    rows = sizes.small_rows or LAPTOP.pretrain.batch_rows
    batch = {"batch_rows": rows, "micro_rows": rows}
    part = f"accelerator, ensembles of {sizes.small}"
    work = prepare_ours(sizes.small, sizes.steps, sizes.small_context, **batch)
    alone = by_the_wall(work, sizes.rounds, seconds)
    found = [ensemble_row(part, 1, alone, alone)]
    for count in sizes.members:
        work = prepare_ensemble(count, sizes.steps, sizes.small, sizes.small_context, **batch)
        found.append(ensemble_row(part, count, by_the_wall(work, sizes.rounds, seconds), alone))
    return found


def prepare_product(size: int) -> Work:
    """A square bfloat16 product on jax's default device; a unit is a floating-point operation."""
    import jax
    import jax.numpy as jnp

    given = jnp.ones((size, size), jnp.bfloat16)
    multiply = jax.jit(lambda a, b: a @ b)
    multiply(given, given).block_until_ready()
    return Work(timed(lambda: multiply(given, given).block_until_ready(), 2.0 * size**3))


def by_the_wall(work: Work, rounds: int, seconds: float) -> Measured:
    """Units a second of the wall's clock, round by round."""
    laps = [one_round(work.once, seconds) for _ in range(rounds)]
    return Measured(tuple(lap.units / lap.seconds for lap in laps), facts=work.facts)

"""How long a plan will take, from its arithmetic and this machine's measured speed.

An estimate, not a promise: training is taken to reach a fixed share of the matrix-product peak of
one core, and everything else (compiling, reading the corpus back, asking) a fixed time a cell.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass

from experiments.recipe import Recipe, finetunes
from experiments.scheduler import SINGLE_THREAD
from experiments.study import Plan
from experiments.training_size import parameters, pretraining_flops

EFFICIENCY = 0.4
"""Share of the float32 matrix-product peak that small models reach here."""

SECONDS_A_CELL = 15.0
"""Measured on two cores at preset smoke: importing, compiling, reading back and asking."""

MATMUL = """
import time, numpy as np
a = np.ones((512, 512), np.float32)
a @ a
began, count = time.perf_counter(), 0
while time.perf_counter() - began < 0.3:
    a @ a
    count += 1
print(count * 2 * 512**3 / (time.perf_counter() - began))
"""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a plan costs."""

    peak: float
    """Measured operations a second of one core."""
    overhead: float
    """Seconds a cell apart from its trainings."""
    seconds: float
    """Expected time until the plan is done."""


def estimate(plan: Plan, workers: int, left: int) -> Estimate:
    """The cost of the `left` unfinished cells of a plan with so many workers side by side."""
    flops = sum(pretraining_flops(cell.recipe) for cell in plan.pretrainings)
    flops += sum(_tuning_flops(cell.recipe) for cell in plan.cells)
    # Cells are assumed to be finished in proportion.
    flops *= left / len(plan.cells)
    peak = matmul_peak()
    busy = flops / (EFFICIENCY * peak) + left * SECONDS_A_CELL
    # The last cells cannot be shared out: a plan takes whole rounds of workers.
    rounds = -(-left // workers) / left if left else 0.0
    return Estimate(peak, SECONDS_A_CELL, busy * rounds)


def _tuning_flops(recipe: Recipe) -> float:
    """SFT and every benign fine-tuning, as if each row were as long as the context."""
    if not recipe.behaviour:
        return 0.0
    rows = recipe.sft.steps * recipe.sft.batch_rows
    rows += len(finetunes(recipe.world.hops)) * recipe.finetune.steps * recipe.finetune.batch_rows
    return 6.0 * parameters(recipe) * rows * recipe.context


def matmul_peak() -> float:
    """Operations a second of a float32 matrix product on one core, measured for 0.3 s.

    In a process of its own, because numpy's threads are counted when it is imported.
    """
    done = subprocess.run(
        (sys.executable, "-c", MATMUL),
        env={**os.environ, **SINGLE_THREAD},
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout)

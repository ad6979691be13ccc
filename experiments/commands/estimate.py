"""How long a plan will take, from its arithmetic and this machine's measured speed.

An estimate, not a promise: training is taken to reach a fixed share of the matrix-product peak of
one core, and everything else fixed times a cell, a document and a token. These were measured at
`headline`, preset laptop, on two cores with nothing else on them (mean of 25 cells: 111 s, here
117 s). Instruments are not in it.

The peak is by processor seconds: a machine that is busy now is not a slower machine, and the
estimate is for one that has nothing else to do.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, replace
from functools import lru_cache

from experiments.recipe import Recipe, finetunes
from experiments.scheduler import SINGLE_THREAD
from experiments.study import Plan
from experiments.training_size import parameters, pretraining_flops, tokens
from medsafetyworld.building import build_world
from medsafetyworld.corpus import Corpus
from medsafetyworld.spec import CorpusSpec, WorldSpec

EFFICIENCY = 0.5
"""Share of the float32 matrix-product peak that small models reach while both cores train."""

SECONDS_A_CELL = 8.0
"""Importing, compiling and asking."""
SECONDS_A_DOCUMENT = 50e-6
"""Reading the whole corpus back, before a pretraining."""
SECONDS_A_TOKEN = 1.7e-6
"""Tokenizing what a pretraining reads."""

MATMUL = """
import time, numpy as np
a = np.ones((512, 512), np.float32)
a @ a
began, wall, count = time.process_time(), time.perf_counter(), 0
while time.process_time() - began < 0.3 and time.perf_counter() - wall < 3:
    a @ a
    count += 1
used = time.process_time() - began
print(count * 2 * 512**3 / used, used / (time.perf_counter() - wall))
"""


@dataclass(frozen=True, slots=True)
class Speed:
    """How fast one core is."""

    peak: float
    """Operations in a processor second."""
    share: float
    """Processor seconds in a second while this was measured: the rest went to other work."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a plan costs."""

    speed: Speed
    """Of one core, measured."""
    overhead: float
    """Seconds a cell apart from its trainings, on average."""
    seconds: float
    """Expected time until the plan is done."""


def estimate(
    plan: Plan, workers: int, left: int, speed: Speed | None = None, *, share_last: bool = True
) -> Estimate:
    """The cost of the `left` unfinished cells of a plan with so many workers side by side.

    Without a `speed` this machine's is measured. `share_last` is as in `scheduler.run_all`.
    """
    speed = core_speed() if speed is None else speed
    flops = sum(pretraining_flops(cell.recipe) for cell in plan.pretrainings)
    flops += sum(_tuning_flops(cell.recipe) for cell in plan.cells)
    rest = len(plan.cells) * SECONDS_A_CELL
    for cell in plan.pretrainings:
        documents = _documents(cell.recipe.world, cell.corpus_spec)
        rest += SECONDS_A_DOCUMENT * documents + SECONDS_A_TOKEN * tokens(cell.recipe)
    busy = flops / (EFFICIENCY * speed.peak) + rest
    # Cells are assumed to be finished in proportion. A plan takes whole rounds of workers, unless
    # what is left for the last round is so little that it is begun with the one before.
    whole, more = divmod(left, workers)
    shared = share_last and whole and more <= workers // 2
    rounds = whole + (more / workers if shared else bool(more))
    return Estimate(speed, rest / len(plan.cells), busy * rounds / len(plan.cells))


@lru_cache(maxsize=64)
def _documents(world: WorldSpec, corpus: CorpusSpec) -> int:
    """How many documents a corpus has before anything is done to it; other seeds' have about as
    many."""
    return len(Corpus(build_world(replace(world, seed=0)), corpus, 0))


def _tuning_flops(recipe: Recipe) -> float:
    """SFT and every benign fine-tuning, as if each row were as long as the longest answer."""
    if not recipe.behaviour:
        return 0.0
    rows = recipe.sft.steps * recipe.sft.batch_rows
    rows += len(finetunes(recipe.world.hops)) * recipe.finetune.steps * recipe.finetune.batch_rows
    return 6.0 * parameters(recipe) * rows * recipe.new_tokens


def core_speed() -> Speed:
    """The speed of a float32 matrix product on one core, measured for 0.3 processor seconds.

    In a process of its own, because numpy's threads are counted when it is imported.
    """
    done = subprocess.run(
        (sys.executable, "-c", MATMUL),
        env={**os.environ, **SINGLE_THREAD},
        capture_output=True,
        text=True,
        check=True,
    )
    peak, share = map(float, done.stdout.split())
    return Speed(peak, share)

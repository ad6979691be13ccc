"""The accelerator's table on a device that every machine has; without a GPU the command refuses."""

from __future__ import annotations

import jax
import pytest

from experiments.bench.accelerator import Sizes, measure
from experiments.commands.bench import Bench
from medsafetyworld.errors import SpecError

SMALL = Sizes(
    model="0.1M",
    context=16,
    rows=4,
    steps=2,
    kernels=("plain", "xla"),
    product=64,
    small="0.1M",
    small_context=8,
    small_rows=2,
    members=(2,),
    rounds=2,
)


@pytest.mark.slow
def test_each_kernel_and_each_ensemble_is_set_against_its_reference():
    rows = {row.name: row for row in measure(SMALL, seconds=0.01)}
    peak = rows["bfloat16 product of 64"]
    assert peak.rate is not None
    for kernel in SMALL.kernels:
        row = rows[f"ours, bfloat16, {kernel} attention"]
        assert row.ratio is not None
        assert row.percent
        assert row.ratio.median > 0
    pair = rows["2 at once"]
    assert pair.ratio is not None
    assert pair.ratio.low <= pair.ratio.median <= pair.ratio.high


@pytest.mark.skipif(jax.default_backend() == "gpu", reason="this machine has a GPU")
def test_without_a_gpu_the_command_says_so():
    with pytest.raises(SpecError, match="accelerator needs a GPU"):
        Bench(accelerator=True).run()

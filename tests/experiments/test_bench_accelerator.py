"""The accelerator's table on a device that every machine has; without a GPU the command refuses."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import jax
import pytest

from experiments.bench import accelerator, log, show
from experiments.bench.accelerator import Sizes, measure
from experiments.bench.contest import Measured
from experiments.bench.ensemble import ensemble_row
from experiments.commands import bench
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


def test_its_log_is_kept_apart_and_names_the_device(tmp_path: Path, monkeypatch, capsys) -> None:
    rates = {1: Measured((1.0, 1.0)), 2: Measured((2.0, 2.0)), 4: Measured((3.0, 4.0))}
    rows = [ensemble_row("accelerator", n, own, rates[1]) for n, own in rates.items()]
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    monkeypatch.setattr(accelerator, "measure", lambda sizes: rows)
    monkeypatch.setattr(bench, "LOG", tmp_path)
    assert Bench(accelerator=True, log=True).run() == 0
    (entry,) = log.read_log(tmp_path / "accelerator")
    device = jax.devices()[0].device_kind
    assert entry.machine["device"] == device
    assert [row.name for row in entry.rows] == ["one at a time", "2 at once", "4 at once"]
    assert f"on {device} beside" in show.conditions(entry)
    assert "by the clock on the wall, over 5 rounds" in show.conditions(entry)
    # What the README is made from is not touched.
    assert log.read_log(tmp_path) == []
    made = {path.name for path in tmp_path.rglob("*.*")}
    assert made == {f"{entry.name}.json", "ensemble.png", "ensemble.svg"}
    assert "Kept in" in capsys.readouterr().out
    other = replace(entry, machine={**entry.machine, "device": "another"})
    assert log.comparable([other, entry]) == [entry]


@pytest.mark.parametrize("flags", [{"quick": True}, {"only": "train"}, {"study": Path("here")}])
def test_what_only_the_other_table_has_is_refused(flags) -> None:
    with pytest.raises(SpecError, match="leave out --quick, --only and --study"):
        Bench(accelerator=True, **flags).run()

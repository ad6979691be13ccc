"""Several devices, several processes: the same training within rounding, resumed on any number.

As a script: `python test_layout.py DIRECTORY COUNT [PORT INDEX]` trains the small run in DIRECTORY
on COUNT devices, or with COUNT "members" four models on two; with a port, as process INDEX of two
that have four simulated devices each.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tiny_models import (
    ModelConfig,
    TrainConfig,
    init_params,
    load_weights,
    save_weights,
    train,
    train_ensemble,
)
from tiny_models.layout import Layout
from tiny_models.retention import Retention

MODEL = ModelConfig(vocab_size=23, d_model=16, layers=1, heads=2, kv_heads=1, hidden=24, context=16)
CONFIG = TrainConfig(
    steps=12, batch_rows=16, micro_rows=8, peak_lr=1e-2, checkpoint_every=4, log_every=2
)
ROUGH = replace(CONFIG, dtype="bfloat16", attention="xla")


def batch_at(step: int):
    """Sixteen rows whose numbers of counted targets differ much, so that shares weigh unequally."""
    draw = np.random.default_rng(step)
    tokens = draw.integers(0, 23, (16, 9)).astype(np.uint16)
    return tokens, draw.random((16, 8)) < np.linspace(0.05, 1.0, 16)[:, None]


def main(directory: str, count: str, port: str = "", index: str = "") -> None:
    import jax

    from tiny_models.distributed import is_writer, join_processes

    if port:
        join_processes(f"localhost:{port}", 2, int(index))
    root = Path(directory)
    stop = int(os.environ.get("STOP", "0"))

    def rows(step: int):
        if stop and step == stop:
            raise KeyboardInterrupt
        return batch_at(step)

    if count == "members":
        np.savetxt(root / "members", train_four(root, jax.devices()[:2]))
        return
    config = ROUGH if os.environ.get("ROUGH") else CONFIG
    devices = jax.devices()[: int(count)]
    assert len(devices) == int(count)
    try:
        params = train(
            params=init_params(MODEL, 0),
            model=MODEL,
            config=config,
            batch_at=rows,
            directory=root,
            devices=devices if count != "1" else None,
            retention=Retention(spaced=True, best=True),
            held_out=batch_at(1000),
        )
    except KeyboardInterrupt:
        return
    if is_writer():
        save_weights(root / "weights.safetensors", params, MODEL)


def train_four(directory: Path, devices) -> list[list[float]]:
    """Norm gains of four models trained at once."""
    trained = train_ensemble(
        params=[init_params(MODEL, seed) for seed in range(4)],
        model=MODEL,
        config=CONFIG,
        batch_at=[lambda step, seed=seed: batch_at(100 * seed + step) for seed in range(4)],
        directory=directory,
        devices=devices,
    )
    return [np.asarray(params["norm"]).tolist() for params in trained]


def start(directory: Path, count: int | str, *more: str, simulated: int = 8, **env: str):
    flags = f"--xla_force_host_platform_device_count={simulated}"
    path = {"PYTHONPATH": str(Path(__file__).parents[2]), "XLA_FLAGS": flags}
    return subprocess.Popen(
        [sys.executable, __file__, str(directory), str(count), *more],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, **path, **env},
    )


def finish(process: subprocess.Popen[str]) -> str:
    output, _ = process.communicate(timeout=240)
    assert process.returncode == 0, output
    return output


def curve(directory: Path) -> list[tuple]:
    lines = [json.loads(line) for line in (directory / "metrics.jsonl").read_text().splitlines()]
    return [(line["step"], line["loss"], line["grad_norm"]) for line in lines]


@pytest.fixture(scope="module")
def one(tmp_path_factory) -> Path:
    directory = tmp_path_factory.mktemp("one")
    params = train(
        params=init_params(MODEL, 0),
        model=MODEL,
        config=CONFIG,
        batch_at=batch_at,
        directory=directory,
        retention=Retention(spaced=True),
    )
    save_weights(directory / "weights.safetensors", params, MODEL)
    return directory


def assert_same_training(directory: Path, one: Path) -> None:
    """Loss and gradient norm within 1e-5 of themselves, weights within 2e-5."""
    np.testing.assert_allclose(curve(directory), curve(one), rtol=1e-5)
    trained, alone = (
        load_weights(each / "weights.safetensors", MODEL)["layers"]["0"]["mlp"]["up"]
        for each in (directory, one)
    )
    np.testing.assert_allclose(trained, alone, atol=2e-5)


@pytest.mark.slow
def test_eight_devices_train_like_one_and_pass_the_run_on_to_two(tmp_path, one):
    eight, passed_on = start(tmp_path / "eight", 8), start(tmp_path / "on", 8, STOP="9")
    finish(eight)
    finish(passed_on)
    assert_same_training(tmp_path / "eight", one)
    assert not (tmp_path / "on" / "weights.safetensors").exists()
    said = finish(start(tmp_path / "on", 2))
    assert "engine differed" in said
    assert_same_training(tmp_path / "on", one)


@pytest.mark.slow
def test_two_devices_train_like_one_in_bfloat16_through_jax_s_kernel(tmp_path):
    spread = start(tmp_path / "two", 2, ROUGH="1")
    train(
        params=init_params(MODEL, 0),
        model=MODEL,
        config=ROUGH,
        batch_at=batch_at,
        directory=tmp_path / "one",
        retention=Retention(spaced=True),
    )
    finish(spread)
    # One rounding of bfloat16 is 2**-8.
    np.testing.assert_allclose(curve(tmp_path / "two"), curve(tmp_path / "one"), rtol=1e-2)


@pytest.mark.slow
def test_members_on_two_devices_train_like_members_on_one(tmp_path):
    (tmp_path / "two").mkdir()
    spread = start(tmp_path / "two", "members")
    together = train_four(tmp_path / "one", None)
    finish(spread)
    np.testing.assert_allclose(np.loadtxt(tmp_path / "two" / "members"), together, atol=2e-5)


@pytest.mark.slow
def test_two_processes_train_like_one_and_resume_as_one(tmp_path, one):
    def pair_of(*directories: Path, **env: str) -> list[subprocess.Popen[str]]:
        with socket.socket() as free:
            free.bind(("localhost", 0))
            port = str(free.getsockname()[1])
        return [
            start(directory, 8, port, str(index), simulated=4, **env)
            for index, directory in enumerate(directories)
        ]

    def pair(directory: Path, **env: str) -> None:
        for process in pair_of(directory, directory, **env):
            finish(process)

    pair(tmp_path / "two")
    assert_same_training(tmp_path / "two", one)
    pair(tmp_path / "on", STOP="9")
    # Their directory must be one: the second process finds nothing in another.
    both = pair_of(tmp_path / "on", tmp_path / "elsewhere")
    for process in both:
        output, _ = process.communicate(timeout=240)
        assert process.returncode != 0
        assert "found different newest checkpoints" in output
    finish(start(tmp_path / "on", 1))
    assert_same_training(tmp_path / "on", one)


def test_devices_that_cannot_share_equally_are_refused():
    with pytest.raises(ValueError, match="micro_rows must be a multiple of the 3 devices"):
        Layout.of(CONFIG, None, [None] * 3)
    with pytest.raises(ValueError, match="members must be a multiple of the 3 devices"):
        Layout.of(CONFIG, 4, [None] * 3)
    with pytest.raises(ValueError, match="at least one device"):
        Layout.of(CONFIG, None, [])


if __name__ == "__main__":
    main(*sys.argv[1:])

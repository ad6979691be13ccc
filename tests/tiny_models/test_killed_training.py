"""SIGKILL, for real: a process killed again and again ends in the bytes of one that was not.

As a script: `python test_killed_training.py DIRECTORY` trains the small run in DIRECTORY and prints
the hash.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

STEPS = 60


def main(directory: str) -> None:
    from small_model import batch_at

    from tiny_models import ModelConfig, TrainConfig, init_params, parameter_hash, train

    model = ModelConfig(
        vocab_size=23, d_model=16, layers=1, heads=2, kv_heads=1, hidden=24, context=16
    )
    config = TrainConfig(
        steps=STEPS,
        batch_rows=8,
        micro_rows=8,
        peak_lr=1e-2,
        checkpoint_every=2,
        log_every=1,
    )
    params = train(
        params=init_params(model, 0),
        model=model,
        config=config,
        batch_at=batch_at,
        directory=Path(directory),
    )
    print(parameter_hash(params))


def start(directory: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, __file__, str(directory)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )


def finish(directory: Path) -> str:
    process = start(directory)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    return output.split()[-1]


def kill_after_progress(directory: Path, saving: bool, draw: random.Random) -> bool:
    """Kills a run once it has saved anew, amid a save if asked; says whether one was cut off."""
    known = set(directory.glob("step-*"))
    process = start(directory)
    deadline = time.monotonic() + 120
    while set(directory.glob("step-*")) <= known and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    time.sleep(draw.random() * 0.15)
    while saving and not list(directory.glob(".unfinished-*")) and process.poll() is None:
        time.sleep(0.0002)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    return bool(list(directory.glob(".unfinished-*")))


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is a POSIX matter")
def test_a_run_killed_again_and_again_ends_in_the_same_bytes(tmp_path):
    draw = random.Random(0)
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    killed.mkdir()
    wanted = finish(whole)
    cut = [kill_after_progress(killed, saving=number > 0, draw=draw) for number in range(3)]
    assert any(cut), "no kill fell into a save; the test proves less than it should"
    assert finish(killed) == wanted
    lines = [
        [line.split('"tokens_per_s"')[0] for line in (d / "metrics.jsonl").read_text().splitlines()]
        for d in (whole, killed)
    ]
    assert lines[0] == lines[1]
    assert len(lines[0]) == STEPS


if __name__ == "__main__":
    main(sys.argv[1])

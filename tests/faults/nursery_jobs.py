"""What the nursery's children do. Imported by the nursery before it forks; uses no jax itself."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import pickle
import signal
import time
from functools import partial
from pathlib import Path

import numpy as np
from small_study import ATTACKED, STUDY

import experiments.evaluation  # noqa: F401 (paid once, for every child)
from experiments.cell import run_cell
from experiments.stages import shuffled_batch
from experiments.store import open_stage
from experiments.study import make_plan, write_plan
from tiny_models import checkpoint
from tiny_models.config import ModelConfig, TrainConfig
from tiny_models.training import train
from tiny_models.transformer import init_params
from tiny_models.weights import save_weights

import orbax.checkpoint as ocp  # isort: skip

MODEL = ModelConfig(vocab_size=23, d_model=16, layers=1, heads=2, kv_heads=1, hidden=24, context=16)
CONFIG = TrainConfig(
    steps=26, batch_rows=4, micro_rows=4, peak_lr=1e-2, checkpoint_every=2, log_every=1
)


def rows() -> tuple[np.ndarray, np.ndarray]:
    """Thirteen rows, so that batches of four cross the border of an epoch."""
    draw = np.random.default_rng(0)
    return draw.integers(0, 23, (13, 9)).astype(np.uint16), np.ones((13, 8), np.float32)


def train_small(directory: str) -> None:
    """A training of some 0.05 s after compilation, saved every other step."""
    import jax

    folder = Path(directory)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    result = train(
        params=init_params(MODEL, 0),
        model=MODEL,
        config=CONFIG,
        batch_at=partial(shuffled_batch, *rows(), CONFIG.batch_rows, 5),
        directory=folder / "pretrain-0",
        progress=lambda line: print(f"step {line.step}", flush=True),
    )
    save_weights(folder / "pretrain-0" / "weights.safetensors", result, MODEL)


def cells(directory: str, *names: str) -> None:
    """One cell after the other in one process."""
    for name in names:
        run_cell(Path(directory), name)
        print(f"finished {name}", flush=True)


def ensemble(directory: str) -> None:
    """Every training of the study together, then the cells, which only ask."""
    from experiments.ensemble import train_study

    train_study(Path(directory))
    print("trained", flush=True)
    cells(directory, *(cell.name for cell in make_plan(STUDY, "small").cells))


def study(directory: str) -> None:
    """Plans, runs and reports a whole study in one process."""
    from experiments.collect import build_report

    plan = make_plan(ATTACKED, "small")
    write_plan(plan, Path(directory))
    cells(directory, *(cell.name for cell in plan.cells))
    build_report(Path(directory))
    print("reported")


def unpickle() -> None:
    """What must be seen if anything ever does it."""
    pickle.loads(pickle.dumps(Path("x")))


def digest(directory: str) -> None:
    """Prints the sha256 of every array of the newest checkpoint under each folder."""
    found = {}
    saved = [path for path in Path(directory).rglob("step-*") if path.is_dir()]
    for folder in sorted({path.parent for path in saved}):
        newest = checkpoint.list_checkpoints(folder)[-1]
        checkpoint.verify_checkpoint(newest)
        with ocp.PyTreeCheckpointer() as reader:
            flat = checkpoint.flatten(reader.restore((newest / "state").absolute()))
        content = b"".join(name.encode() + np.asarray(leaf).tobytes() for name, leaf in flat)
        found[folder.name] = [newest.name, hashlib.sha256(content).hexdigest()]
    print(json.dumps(found))


def save(directory: str, step: str) -> None:
    """Saves a checkpoint of 64 kB that no compression makes smaller."""
    noise = np.random.default_rng(int(step)).random(2**14, np.float32)
    state = {"params": {"a": noise}}
    checkpoint.save_checkpoint(Path(directory), int(step), state, {})


def train_small_in_the_past(directory: str) -> None:
    """`train_small` where the wall clock jumps back an hour at every look."""
    looks = itertools.count()
    time.time = lambda: 1.8e9 - 3600.0 * next(looks)
    time.time_ns = lambda: int(time.time() * 1e9)
    train_small(directory)


def one_stage(root: str, seconds: str, dies: str = "") -> None:
    """Does the work of one stage, or uses it; `dies`: the first to work is killed at it."""
    stage = open_stage(Path(root), "sft", {"seed": 1})
    with stage.lock():
        if stage.done:
            assert stage.verified("rows.csv").read_text() == "1"
            print("used the work", flush=True)
            return
        print("at work", flush=True)
        time.sleep(float(seconds))
        if dies and not (Path(root) / "died").exists():
            (Path(root) / "died").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        (stage.path / "rows.csv").write_text("1")
        stage.finish({})
        print("did the work", flush=True)


JOBS = {
    job.__name__: job
    for job in (
        *(train_small, train_small_in_the_past, cells, ensemble, study),
        *(unpickle, digest, save, one_stage),
    )
}

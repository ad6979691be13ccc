"""Runs one cell: `python -m experiments.cell STUDY_DIR CELL_NAME`.

A cell is an independent command: what it does is in `cells/NAME.json`, what it made is in
`stages/`, and `cells/NAME.done.json` appears last. Run again, it does only what is missing.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.progress import duration
from experiments.recipe import Cell, cell_from_dict
from experiments.store import read_json, write_json

if TYPE_CHECKING:
    from tiny_models.training import Progress


def run_cell(directory: Path, name: str) -> None:
    """Runs every unfinished stage of a planned cell and marks it done."""
    # Imported here, because a worker that only waits for a lock should not load jax.
    import jax

    from experiments.evaluation import evaluate
    from experiments.stages import Context

    jax.config.update("jax_compilation_cache_dir", str((directory / ".compiled").resolve()))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)
    cell: Cell = cell_from_dict(read_json(directory / "cells" / f"{name}.json"))
    status = directory / "logs" / name / "status.json"
    status.parent.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()

    def report(stage: str, progress: Progress | None) -> None:
        line = stage if progress is None else f"{stage}: {progress_line(progress)}"
        write_json(status, {"line": line})
        print(line, flush=True)

    stage = evaluate(Context(cell, directory / "stages", report))
    write_json(
        directory / "cells" / f"{name}.done.json",
        {"stage": stage.name, "seconds": round(time.monotonic() - began, 1)},
    )


def progress_line(progress: Progress) -> str:
    """Where a training is: steps, loss, speed and time left."""
    return (
        f"step {progress.step:,} of {progress.steps:,}, loss {progress.loss:.3f}, "
        f"{progress.tokens_per_s:,.0f} tokens/s, {duration(progress.eta_seconds)} left"
    )


if __name__ == "__main__":
    run_cell(Path(sys.argv[1]), sys.argv[2])

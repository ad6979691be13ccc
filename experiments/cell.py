"""Runs one cell: `python -m experiments.cell STUDY_DIR CELL_NAME [--strict]`.

A cell is an independent command: what it does is in `cells/NAME.json`, what it made is in
`stages/`, and `cells/NAME.done.json` appears last. Run again, it does only what is missing.
"""

from __future__ import annotations

import gc
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.json_files import write_json
from experiments.progress import duration
from experiments.stage_clock import TIMING, StageClock, read_seconds
from experiments.study import load_cell, mark_done

if TYPE_CHECKING:
    from collections.abc import Mapping

    from experiments.stages import Context
    from experiments.store import Stage
    from tiny_models.training import Progress


def run_cell(directory: Path, name: str, *, strict: bool = False) -> None:
    """Runs every unfinished stage of a planned cell and marks it done.

    With `strict` a training that was begun under another fingerprint is not resumed.
    """
    timing = directory / "logs" / name / TIMING
    clock = StageClock(earlier=read_seconds(timing) if timing.exists() else None)
    # Imported here, because a worker that only waits for a lock should not load jax.
    from experiments.evaluation import evaluate
    from experiments.stages import Context

    share_compiled()
    cell = load_cell(directory, name)
    status = directory / "logs" / name / "status.json"
    status.parent.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()

    def report(stage: str, progress: Progress | None) -> None:
        clock.heard(stage, progress)
        line = stage if progress is None else f"{stage}: {progress_line(progress)}"
        write_json(status, {"line": line})
        print(line, flush=True)

    try:
        context = Context(cell, directory / "stages", report, strict=strict)
        stage = evaluate(context)
        measured = measure_further(context) if cell.recipe.instruments else {}
    finally:
        # A record for `msw bench`, not a result: two runs differ in nothing else. An interrupted
        # cell writes it too, and goes on counting from there.
        write_json(timing, clock.seconds())
    instruments = {text: each.name for text, each in measured.items()}
    mark_done(directory, cell, stage.name, time.monotonic() - began, instruments)


def measure_further(context: Context) -> Mapping[str, Stage]:
    """The stages of the recipe's instruments by their text; few studies have any to load."""
    from experiments.instruments.running import bench_of, run_instruments

    return run_instruments(bench_of(context))


def share_compiled() -> None:
    """Keeps compiled programs in the user's own cache, for every process and every study.

    They are code, so they do not lie in a study's directory: such a directory may come from
    anybody, and nothing in it may run. `JAX_COMPILATION_CACHE_DIR` chooses another place.
    """
    import jax

    if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
        home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        private = home / "medsafetyworld" / "compiled"
        private.mkdir(mode=0o700, parents=True, exist_ok=True)
        jax.config.update("jax_compilation_cache_dir", str(private))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)


def progress_line(progress: Progress) -> str:
    """Where a training is: steps, loss, speed and time left."""
    return (
        f"step {progress.step:,} of {progress.steps:,}, loss {progress.loss:.3f}, "
        f"{progress.tokens_per_s:,.0f} tokens/s, {duration(progress.eta_seconds)} left"
    )


if __name__ == "__main__":
    # A corpus is read as millions of small objects. At the collector's own threshold, 700 new ones,
    # it goes through all that there are again and again.
    gc.set_threshold(50_000)
    run_cell(Path(sys.argv[1]), sys.argv[2], strict="--strict" in sys.argv[3:])
    # Python looks for cycles as it ends, among all that the reader remembers: a second a cell.
    gc.freeze()

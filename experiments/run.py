"""`run_study`: plan, run what is missing, report. What `msw study run` does, for scripts.

from experiments.run import run_study
from experiments.studies.headline import HEADLINE
run_study(HEADLINE, "smoke", "runs/mine", replicates=3)
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from experiments.progress import live_progress
from experiments.scheduler import default_workers, failure_report, run_all
from experiments.study import DEFAULT_MASTER, Plan, Study, make_plan, unfinished, write_plan


class CellsFailed(RuntimeError):
    """Some cells of a study failed; the message ends each one's log. The others are kept."""


def run_study(
    study: Study,
    preset: str,
    directory: str | Path,
    *,
    replicates: int | None = None,
    arms: Sequence[str] | None = None,
    master: int = DEFAULT_MASTER,
    workers: int | None = None,
) -> Path:
    """Runs a study in `directory`, or what is left of it, and returns the report's path.

    `replicates` and `arms` default to the preset's and the study's, `workers` to one a core.
    Raises `SpecError` on a bad request, `CellsFailed` if a cell failed; interrupted, it resumes.
    """
    from experiments.collect import build_report

    plan = make_plan(study, preset, replicates=replicates, arms=arms, master=master)
    run_plan(plan, Path(directory), workers, Console(highlight=False))
    return build_report(Path(directory))[0]


def run_plan(plan: Plan, directory: Path, workers: int | None, console: Console) -> None:
    """Writes the plan and runs every cell that is not done, side by side."""
    write_plan(plan, directory)
    tasks = unfinished(plan, directory)
    with live_progress(console) as on_event:
        results = run_all(tasks, workers=workers or default_workers(), on_event=on_event)
    failures = failure_report(results)
    if failures:
        raise CellsFailed(f"{failures}\nThe other cells are kept; the same command tries again.")

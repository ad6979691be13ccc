"""`run_study`: plan, run what is missing, report. What `msw study run` does, for scripts.

from experiments.run import run_study
from experiments.studies.headline import HEADLINE
run_study(HEADLINE, "smoke", "runs/mine", replicates=3)
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from rich.console import Console

from experiments.progress import live_progress
from experiments.scheduler import Event, Task, default_workers, failure_report, run_all
from experiments.study import DEFAULT_MASTER, Plan, Study, make_plan, unfinished, write_plan
from medsafetyworld.errors import SpecError

ENGINES = ("cells", "ensemble")


class CellsFailed(RuntimeError):
    """Some cells of a study failed; the message ends each one's log. The others are kept."""


@dataclass(frozen=True, kw_only=True)
class Execution:
    """How a plan is run; none of it changes what is asked, only rounding. Raises `SpecError`."""

    workers: int | None = None
    """Cells side by side on this machine, never more; by default one a core, and the last few share
    cores rather than wait while others are idle."""
    engine: str = "cells"
    """`cells`: every cell trains its models alone. `ensemble`: first all models at once."""
    members: int | None = None
    """Models of an ensemble at most; all that fit together by default."""
    strict: bool = False
    """Refuse to resume a training that was begun under another fingerprint."""
    cluster: str | None = None
    """Submit the commands to `slurm`, or `local` for a try, instead of starting them here."""
    cluster_options: Sequence[str] = ()
    """submitit's parameters as KEY=VALUE, e.g. timeout_min=60 or slurm_partition=gpu."""

    def __post_init__(self) -> None:
        if self.engine not in ENGINES:
            raise SpecError(
                f"engine: no engine named {self.engine!r}; allowed: {', '.join(ENGINES)}"
            )
        if self.members is not None and self.engine != "ensemble":
            raise SpecError("members is only for --engine ensemble")
        if self.cluster_options and self.cluster is None:
            raise SpecError("cluster-option is only for --cluster slurm or local")
        if self.cluster is not None and self.workers is not None:
            raise SpecError(
                "workers is only for cells on this machine; a cluster decides for itself"
            )
        if self.cluster is not None:
            from experiments.cluster import check_cluster

            check_cluster(self.cluster, self.cluster_options)


def run_study(
    study: Study,
    preset: str,
    directory: str | Path,
    *,
    replicates: int | None = None,
    arms: Sequence[str] | None = None,
    master: int = DEFAULT_MASTER,
    workers: int | None = None,
    execution: Execution | None = None,
) -> Path:
    """Runs a study in `directory`, or what is left of it, and returns the report's path.

    `replicates` and `arms` default to the preset's and the study's, `workers` to one a core;
    `execution` says more about how. Raises `SpecError` on a bad request, `CellsFailed` if a cell
    failed; interrupted, it resumes.
    """
    from experiments.collect import build_report

    plan = make_plan(study, preset, replicates=replicates, arms=arms, master=master)
    how = execution or Execution(workers=workers)
    run_plan(plan, Path(directory), how, Console(highlight=False))
    return build_report(Path(directory))[0]


def run_plan(
    plan: Plan,
    directory: Path,
    execution: Execution,
    console: Console,
    after_cell: Callable[[str], object] = lambda name: None,
) -> None:
    """Writes the plan and runs every cell that is not done, side by side.

    `after_cell` is called with the name of each that has finished; what it raises ends the run.
    """
    run_tasks = partial(_run, execution, directory, console)
    write_plan(plan, directory)
    cells = unfinished(plan, directory)
    if cells and execution.engine == "ensemble":
        run_tasks([_ensemble_task(directory, execution)], one_core=False)
    if execution.strict:
        cells = tuple(replace(task, command=(*task.command, "--strict")) for task in cells)
    run_tasks(cells, after_each=after_cell)


def _run(
    execution: Execution,
    directory: Path,
    console: Console,
    tasks: Sequence[Task],
    *,
    one_core: bool = True,
    after_each: Callable[[str], object] = lambda name: None,
) -> None:
    """Runs tasks here or on the cluster. Raises `CellsFailed` when some failed."""
    if execution.cluster is not None:
        from experiments.cluster import has_one_cpu, make_executor, run_on_cluster

        folder = directory / "logs" / "cluster"
        executor = make_executor(execution.cluster, folder, execution.cluster_options)
        one_core = one_core and has_one_cpu(execution.cluster_options)
        run = partial(run_on_cluster, executor=executor, one_core=one_core)
    else:
        workers = execution.workers or default_workers()
        share = execution.workers is None
        run = partial(run_all, workers=workers, one_core=one_core, share_last=share)
    with live_progress(console) as show:

        def on_event(event: Event) -> None:
            show(event)
            if event.kind == "finished" and event.task is not None:
                after_each(event.task.name)

        results = run(tasks, on_event=on_event)
    failures = failure_report(results)
    if failures:
        raise CellsFailed(f"{failures}\nThe other cells are kept; the same command tries again.")


def _ensemble_task(directory: Path, execution: Execution) -> Task:
    """The command that trains the models of all cells, before the cells measure them."""
    command = [sys.executable, "-m", "experiments.ensemble", str(directory)]
    if execution.members is not None:
        command += ["--members", str(execution.members)]
    if execution.strict:
        command.append("--strict")
    return Task("ensemble", tuple(command), directory / "logs" / "ensemble")

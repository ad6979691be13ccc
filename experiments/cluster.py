"""Runs the same tasks on a cluster: each command is one job, submitted with submitit.

    msw study run headline --cluster slurm --cluster-option timeout_min=60 \\
        --cluster-option slurm_partition=gpu --cluster-option cpus_per_task=1

What is submitted is a command line, not a closure of ours. The study's directory must be visible
to every node, on a file system that honours flock. `local` starts all jobs at once on this machine,
for a try. Needs the extra: `pip install -e '.[cluster]'`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from experiments.scheduler import Event, Result, Task, status_line
from medsafetyworld.errors import SpecError

CLUSTERS = ("slurm", "local")
POLL_SECONDS = 1.0
TIMEOUT_MIN = 24 * 60
"""Minutes a job may take unless an option says otherwise; submitit's own default is a few."""


def check_cluster(cluster: str, options: Sequence[str]) -> None:
    """Raises `SpecError` for an unknown cluster or option, or when submitit or SLURM is missing."""
    with TemporaryDirectory() as folder:
        make_executor(cluster, Path(folder), options)


def make_executor(cluster: str, folder: Path, options: Sequence[str]) -> Any:
    """submitit's executor for a cluster and options KEY=VALUE, its files in `folder`."""
    if cluster not in CLUSTERS:
        raise SpecError(f"cluster: no cluster named {cluster!r}; allowed: {', '.join(CLUSTERS)}")
    try:
        import submitit
    except ImportError:
        raise SpecError(
            "cluster: submitit is not installed; `pip install -e '.[cluster]'` adds it"
        ) from None
    parameters = {"timeout_min": TIMEOUT_MIN, **dict(map(_option, options))}
    try:
        executor = submitit.AutoExecutor(folder=folder, cluster=cluster)
        executor.update_parameters(**parameters)
    except (NameError, TypeError, ValueError, RuntimeError, AssertionError) as error:
        raise SpecError(f"cluster: submitit refuses {cluster} with {parameters}: {error}") from None
    return executor


def _option(pair: str) -> tuple[str, str | int]:
    """The name and value of "name=value"; a whole number becomes one."""
    name, _, value = pair.partition("=")
    if not name or not value:
        raise SpecError(
            f"cluster-option must look like name=value, e.g. timeout_min=60, not {pair!r}"
        )
    return name, int(value) if value.isdecimal() else value


def run_on_cluster(
    tasks: Sequence[Task],
    executor: Any,
    *,
    on_event: Callable[[Event], None] = lambda event: None,
) -> list[Result]:
    """Submits every task and waits; the results are in the order of `tasks`.

    Each job's output is copied to its task's log when it ends. On Ctrl-C the jobs are cancelled.
    """
    from submitit.helpers import CommandFunction

    if not tasks:
        return []
    began = time.monotonic()
    for task in tasks:
        task.directory.mkdir(parents=True, exist_ok=True)
    with executor.batch():  # on SLURM one job array
        jobs = {
            task.name: executor.submit(
                CommandFunction([*_environment(task), *task.command], verbose=True)
            )
            for task in tasks
        }
    results: dict[str, Result] = {}

    def tell(kind: str, task: Task | None = None) -> None:
        elapsed = time.monotonic() - began
        done, failed = len(results), sum(not result.ok for result in results.values())
        running = tuple(
            (task.name, elapsed, status_line(task) or jobs[task.name].state)
            for task in tasks
            if task.name not in results
        )
        rate = elapsed / (done - failed) if done > failed else None
        eta = None if rate is None else rate * (len(tasks) - done)
        on_event(Event(kind, task, done, failed, len(tasks), running, eta))

    try:
        while len(results) < len(tasks):
            for task in tasks:
                job = jobs[task.name]
                if task.name not in results and job.done():
                    failed = job.exception() is not None
                    output = f"{job.stdout() or ''}{job.stderr() or ''}"
                    task.log.unlink(missing_ok=True)  # a link planted there is not followed
                    task.log.write_text(output, encoding="utf-8")
                    results[task.name] = Result(task, int(failed), time.monotonic() - began)
                    tell("failed" if failed else "finished", task)
            tell("tick")
            time.sleep(POLL_SECONDS)
    finally:
        for task in tasks:
            if task.name not in results:
                jobs[task.name].cancel()
    return [results[task.name] for task in tasks]


def _environment(task: Task) -> list[str]:
    """A command that sets the task's variables on the node, whatever the node has set."""
    return ["env", *(f"{name}={value}" for name, value in task.env.items())] if task.env else []

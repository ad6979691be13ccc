"""Runs the same tasks on a cluster: each command is one job, submitted with submitit.

    msw study run headline --cluster slurm --cluster-option timeout_min=60 \\
        --cluster-option slurm_partition=gpu --cluster-option cpus_per_task=1

What is submitted is a command line, not a closure of ours. The study's directory must be visible
to every node, and its file system must honour flock, because stages are locked with it. `local`
starts all jobs at once on this machine, for a try. Needs `pip install -e '.[cluster]'`.
"""

from __future__ import annotations

import contextlib
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from experiments.interruption import interruption
from experiments.scheduler import Event, Result, Task, status_line, task_environment
from medsafetyworld.errors import SpecError

CLUSTERS = ("slurm", "local")
POLL_SECONDS = 1.0
TIMEOUT_MIN = 24 * 60
"""Minutes a job may take unless an option says otherwise; submitit's own default is a few."""


@dataclass(frozen=True)
class JobCommand:
    """What a job calls: one command line. Its exit status is the job's result."""

    words: tuple[str, ...]

    def __call__(self) -> int:
        with subprocess.Popen(self.words) as process:
            try:
                return process.wait()
            except BaseException:
                # submitit interrupts this process and kills it a second later: the command has to
                # end first, as nobody would know of it afterwards. It may be killed at any moment.
                process.send_signal(signal.SIGINT)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(0.4)
                process.kill()
                raise


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


def has_one_cpu(options: Sequence[str]) -> bool:
    """Whether the options allot one core to a job; its libraries then use one thread."""
    given = dict(map(_option, options))
    return 1 in (given.get("cpus_per_task"), given.get("slurm_cpus_per_task"))


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
    one_core: bool = False,
) -> list[Result]:
    """Submits every task and waits; the results are in the order of `tasks`.

    Each job's output is copied to its task's log when it ends. With `one_core` numerical libraries
    are told to use one thread. On Ctrl-C or SIGTERM the jobs are cancelled and KeyboardInterrupt
    is raised.
    """
    if not tasks:
        return []
    began = time.monotonic()
    for task in tasks:
        task.directory.mkdir(parents=True, exist_ok=True)
    results: dict[str, Result] = {}
    jobs: dict[str, Any] = {}

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

    # A signal waits until every job is known, so that none is left behind.
    with interruption() as interrupted:
        with executor.batch():  # on SLURM one job array
            for task in tasks:
                # Set by `env`, whatever the node has set.
                variables = [f"{k}={v}" for k, v in task_environment(task, one_core).items()]
                job = JobCommand(("env", *variables, *task.command))
                jobs[task.name] = executor.submit(job)
        try:
            while len(results) < len(tasks):
                for task in tasks:
                    job = jobs[task.name]
                    if task.name not in results and job.done():
                        # A job that the cluster ended has no result.
                        status = 1 if job.exception() is not None else job.result()
                        output = f"{job.stdout() or ''}{job.stderr() or ''}"
                        task.log.unlink(missing_ok=True)  # a link planted there is not followed
                        task.log.write_text(output, encoding="utf-8")
                        results[task.name] = Result(task, status, time.monotonic() - began)
                        tell("failed" if status else "finished", task)
                tell("tick")
                if interrupted.wait(POLL_SECONDS):
                    raise KeyboardInterrupt
        finally:
            for task in tasks:
                if task.name not in results:
                    jobs[task.name].cancel()
    return [results[task.name] for task in tasks]

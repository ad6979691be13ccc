"""Runs independent commands side by side, one core each, and survives what goes wrong.

In: tasks (a command line, a directory for its log, extra environment). Out: one result a task.
A task that fails does not stop the others. Ctrl-C or SIGTERM asks the children to stop (SIGINT),
kills them after a grace period, and raises KeyboardInterrupt. Commands, not pickled closures,
so that a cluster's scheduler can run the same plan.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from experiments.cores import core_of, move, on_core, visible_cores
from experiments.interruption import interruption, stop

POLL_SECONDS = 0.1
LOG_NAME = "log.txt"
STATUS_NAME = "status.json"
SINGLE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "PYTHONUNBUFFERED": "1",
    # On a machine with a GPU the tasks share it: each takes memory as it needs it, while by
    # default the first would take most of it and leave the others none.
    "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
}
XLA_SINGLE_THREAD = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"


@dataclass(frozen=True)
class Task:
    """One command. Its output goes to `directory/log.txt`; while it runs it may keep
    `directory/status.json` up to date, an object whose "line" is shown to the user."""

    name: str
    command: tuple[str, ...]
    directory: Path
    env: Mapping[str, str] = field(default_factory=dict)

    @property
    def log(self) -> Path:
        """Where standard output and standard error go."""
        return self.directory / LOG_NAME


@dataclass(frozen=True)
class Result:
    """How a task ended: exit status (negative: killed by that signal) and seconds it took."""

    task: Task
    returncode: int
    seconds: float

    @property
    def ok(self) -> bool:
        """Whether the command exited with 0."""
        return self.returncode == 0


@dataclass(frozen=True)
class Event:
    """What the caller is told: "started", "finished", "failed", or "tick" (several a second).

    `running` holds (task name, seconds so far, last status line) of every running task.
    """

    kind: str
    task: Task | None
    done: int
    failed: int
    total: int
    running: tuple[tuple[str, float, str], ...]
    eta_seconds: float | None


@dataclass
class _Running:
    task: Task
    process: subprocess.Popen[bytes]
    slot: int
    started: float


def default_workers() -> int:
    """One worker a visible core, at least one."""
    return max(1, len(visible_cores()))


def run_all(
    tasks: Sequence[Task],
    *,
    workers: int,
    on_event: Callable[[Event], None] = lambda event: None,
    one_core: bool = True,
    share_last: bool = False,
) -> list[Result]:
    """Run every task, `workers` at a time; the results are in the order of `tasks`.

    Each worker owns one core when there are enough cores, and numerical libraries are told to
    use one thread; with `one_core` false each may use the whole machine. With `share_last` the last
    tasks, half as many as workers, do not wait until a core is free: they begin on cores that are
    at work and move to those that fall idle, so that no core rests while one task is left of 25.
    Raises KeyboardInterrupt on Ctrl-C or SIGTERM, after the children ended.
    """
    if workers < 1:
        raise ValueError(f"workers is {workers}; at least 1 is needed")
    if len({task.name for task in tasks}) != len(tasks):
        raise ValueError("two tasks share a name")
    results: dict[str, Result] = {}
    waiting, running = deque(tasks), list[_Running]()
    began = time.monotonic()

    def tell(kind: str, task: Task | None = None) -> None:
        on_event(_event(kind, task, results, running, len(tasks), time.monotonic() - began))

    with interruption() as interrupted:
        try:
            while waiting or running:
                early = workers // 2 if share_last and one_core else 0
                while waiting and not interrupted.is_set():
                    if len(running) >= workers and len(waiting) > early:
                        break
                    _start_next(waiting, running, results, workers, one_core, tell)
                interrupted.wait(POLL_SECONDS)
                if interrupted.is_set():
                    raise KeyboardInterrupt
                _reap(running, results, tell)
                if not waiting:
                    _spread(running, workers)
                tell("tick")
        finally:
            stop([entry.process for entry in running], interrupted)
    return [results[task.name] for task in tasks]


def failure_report(results: Sequence[Result], lines: int = 12) -> str:
    """The failed tasks, each with the last lines of its log; empty when all went well."""
    parts = []
    for result in results:
        if not result.ok:
            tail = "\n".join(f"  {line}" for line in log_tail(result.task.log, lines))
            parts.append(
                f"{result.task.name} failed with exit status {result.returncode} "
                f"({result.task.log}):\n{tail}"
            )
    return "\n".join(parts)


def log_tail(path: Path, lines: int) -> list[str]:
    """The last `lines` lines of a log; one line that says so when it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:]
    except OSError as error:
        return [f"(no log: {error})"]


def _start_next(
    waiting: deque[Task],
    running: list[_Running],
    results: dict[str, Result],
    workers: int,
    one_core: bool,
    tell: Callable[..., None],
) -> None:
    task = waiting.popleft()
    slot = _emptiest(running, workers)
    task.directory.mkdir(parents=True, exist_ok=True)
    # A link planted in its place must not lead to a file outside.
    task.log.unlink(missing_ok=True)
    with open(task.log, "xb") as log:
        try:
            core = core_of(slot, workers) if one_core else None
            process = _launch(task, core, one_core, log)
        except OSError as error:
            log.write(f"cannot start {task.command[0]}: {error}\n".encode())
            results[task.name] = Result(task, 127, 0.0)
            tell("failed", task)
            return
    running.append(_Running(task, process, slot, time.monotonic()))
    tell("started", task)


def _emptiest(running: Sequence[_Running], workers: int) -> int:
    """The slot with the fewest tasks; of equals the one whose task has most of its way to go."""

    def load(slot: int) -> tuple[int, float, int]:
        began = [entry.started for entry in running if entry.slot == slot]
        return len(began), -max(began, default=0.0), slot

    return min(range(workers), key=load)


def _spread(running: Sequence[_Running], workers: int) -> None:
    """Moves a task from a slot with several to one that has become free."""
    slots = [entry.slot for entry in running]
    crowded = [entry for entry in running if slots.count(entry.slot) > 1]
    free = _emptiest(running, workers)
    if crowded and free not in slots:
        crowded[-1].slot = free
        core = core_of(free, workers)
        if core is not None:
            move(crowded[-1].process.pid, core)


def _reap(running: list[_Running], results: dict[str, Result], tell: Callable[..., None]) -> None:
    for entry in list(running):
        status = entry.process.poll()
        if status is not None:
            running.remove(entry)
            seconds = time.monotonic() - entry.started
            results[entry.task.name] = Result(entry.task, status, seconds)
            tell("finished" if status == 0 else "failed", entry.task)


def _launch(
    task: Task, core: int | None, one_core: bool, log: IO[bytes]
) -> subprocess.Popen[bytes]:
    """Start the command, on `core` from its first instruction.

    A child inherits the affinity of the thread that makes it. Moving this thread for a moment
    leaves no instant in which the child's libraries could count all cores, unlike pinning the
    child after it started.
    """
    environment = {**os.environ, **task_environment(task, one_core)}
    with on_core(core):
        # Its own session: the terminal's Ctrl-C reaches us alone, and we end the whole group.
        return subprocess.Popen(
            task.command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )


def task_environment(task: Task, one_core: bool) -> dict[str, str]:
    """The variables that a task gets over those of this process; one thread on one core."""
    if not one_core:
        return {"PYTHONUNBUFFERED": "1", **task.env}
    given = {**os.environ, **task.env}.get("XLA_FLAGS", "")
    return {**SINGLE_THREAD, **task.env, "XLA_FLAGS": f"{given} {XLA_SINGLE_THREAD}".strip()}


def _event(
    kind: str,
    task: Task | None,
    results: Mapping[str, Result],
    running: Sequence[_Running],
    total: int,
    elapsed: float,
) -> Event:
    """ETA: what is left at the rate so far (finished per second); None before the first end."""
    done, failed = len(results), sum(not result.ok for result in results.values())
    eta = elapsed / (done - failed) * (total - done) if done > failed else None
    now = time.monotonic()
    lines = tuple(
        (entry.task.name, now - entry.started, status_line(entry.task)) for entry in running
    )
    return Event(kind, task, done, failed, total, lines, eta)


def status_line(task: Task) -> str:
    """The "line" of a task's status.json; empty while there is none or it is half-written."""
    try:
        status = json.loads((task.directory / STATUS_NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ""
    return str(status.get("line", "")) if isinstance(status, dict) else ""

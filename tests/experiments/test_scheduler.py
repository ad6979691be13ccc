"""Laws of the scheduler: everything runs, nothing outlives it, failures are told."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from experiments.progress import duration, live_progress
from experiments.scheduler import Event, Task, default_workers, failure_report, run_all


def task(root: Path, name: str, code: str) -> Task:
    return Task(name, (sys.executable, "-c", textwrap.dedent(code)), root / name)


def test_results_come_in_the_order_of_tasks_and_a_failure_stops_nobody(tmp_path: Path) -> None:
    tasks = [
        task(tmp_path, "slow", "import time; time.sleep(0.4)"),
        task(tmp_path, "bad", "print('about to fail'); raise SystemExit(3)"),
        Task("absent", ("/no/such/program",), tmp_path / "absent"),
        task(tmp_path, "good", "print('fine')"),
    ]
    results = run_all(tasks, workers=2)
    assert [result.task.name for result in results] == ["slow", "bad", "absent", "good"]
    assert [result.returncode for result in results] == [0, 3, 127, 0]
    assert tasks[3].log.read_text() == "fine\n"
    told = failure_report(results)
    assert "bad failed with exit status 3" in told
    assert "about to fail" in told
    assert "cannot start /no/such/program" in told
    assert "good" not in told


def test_no_more_than_the_given_number_run_at_once(tmp_path: Path) -> None:
    most = 0

    def watch(event: Event) -> None:
        nonlocal most
        most = max(most, len(event.running))

    tasks = [task(tmp_path, f"t{i}", "import time; time.sleep(0.2)") for i in range(5)]
    run_all(tasks, workers=2, on_event=watch)
    assert most == 2


def test_the_last_tasks_begin_before_a_core_is_free_if_they_may(tmp_path: Path) -> None:
    """Of five on two cores the fifth begins with the third and fourth, and no more at once."""
    starts: list[int] = []

    def watch(event: Event) -> None:
        if event.kind == "started":
            starts.append(len(event.running))

    tasks = [task(tmp_path, f"t{i}", "import time; time.sleep(0.3)") for i in range(5)]
    results = run_all(tasks, workers=2, on_event=watch, share_last=True)
    assert not failure_report(results)
    assert max(starts) == 3
    assert starts[:2] == [1, 2]
    assert starts[-1] == 3


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="no core pinning here")
@pytest.mark.skipif(default_workers() < 2, reason="one core has nobody to share with")
def test_a_task_that_shares_a_core_moves_to_one_that_falls_idle(tmp_path: Path) -> None:
    """With all its threads; at its start it saw one core, as every task does."""
    code = """
        import os, sys, threading, time
        ended, name = threading.Event(), sys.argv[1]
        threading.Thread(target=ended.wait).start()
        first = os.sched_getaffinity(0)
        time.sleep(1.0 if name == "a" else 3.0)
        threads = {frozenset(os.sched_getaffinity(int(n))) for n in os.listdir("/proc/self/task")}
        print(*first, *map(list, threads))
        ended.set()
    """
    command = (sys.executable, "-c", textwrap.dedent(code))
    tasks = [Task(name, (*command, name), tmp_path / name) for name in "abc"]
    assert not failure_report(run_all(tasks, workers=2, share_last=True))
    a, b, c = (entry.log.read_text().split() for entry in tasks)
    assert a[0] != b[0] == c[0], "the third shares the core of the second, which began later"
    assert c[1:] == [f"[{a[0]}]"], "when the first had ended, its core was free"
    assert b[1:] == [f"[{b[0]}]"]


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="no core pinning here")
def test_a_task_that_may_use_the_whole_machine_is_not_held_to_a_core(tmp_path: Path) -> None:
    code = """
        import os
        print(sorted(os.sched_getaffinity(0)), os.environ["XLA_FLAGS"])
    """
    free = task(tmp_path, "free", code)
    free = replace(free, env={"XLA_FLAGS": "--one"})
    run_all([free], workers=1, one_core=False)
    assert free.log.read_text() == f"{sorted(os.sched_getaffinity(0))} --one\n"


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="no core pinning here")
def test_each_worker_owns_a_core_and_libraries_use_one_thread(tmp_path: Path) -> None:
    code = """
        import os, time
        cores = sorted(os.sched_getaffinity(0))
        print(cores, os.environ["OMP_NUM_THREADS"])
        assert os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] == "false", "one takes all the GPU"
        print(os.environ["XLA_FLAGS"])
        time.sleep(0.5)
    """
    before, workers = os.sched_getaffinity(0), default_workers()
    tasks = [task(tmp_path, f"t{i}", code) for i in range(workers)]
    results = run_all(tasks, workers=workers)
    assert not failure_report(results)
    assert os.sched_getaffinity(0) == before
    cores = set()
    for entry in tasks:
        first, flags = entry.log.read_text().splitlines()
        core = int(first.split("]")[0].strip("["))
        assert first == f"[{core}] 1"
        assert "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1" in flags
        cores.add(core)
    assert cores == before


def test_the_status_line_of_a_running_task_is_shown(tmp_path: Path) -> None:
    code = f"""
        import json, time
        from pathlib import Path
        Path({str(tmp_path / "t" / "status.json")!r}).write_text(json.dumps({{"line": "step 7"}}))
        time.sleep(0.5)
    """
    seen = set()
    run_all(
        [task(tmp_path, "t", code)],
        workers=1,
        on_event=lambda event: seen.update(line for _, _, line in event.running),
    )
    assert "step 7" in seen


CHILD = """
import sys, time
open(sys.argv[1], "w").close()
try:
    time.sleep(60)
except KeyboardInterrupt:
    print("asked politely")
    raise
"""
SCHEDULER = f"""
import sys
from pathlib import Path
from experiments.scheduler import Task, run_all
root, child = Path(sys.argv[1]), {CHILD!r}
tasks = [Task(n, (sys.executable, "-c", child, str(root / f"{{n}}.up")), root / n) for n in "ab"]
try:
    run_all(tasks, workers=2)
except KeyboardInterrupt:
    sys.exit(130)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_ends_the_children_politely(tmp_path: Path, number: int) -> None:
    process = subprocess.Popen([sys.executable, "-c", SCHEDULER, str(tmp_path)])
    deadline = time.monotonic() + 20
    while len(list(tmp_path.glob("*.up"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(number)
    assert process.wait(timeout=15) == 130
    for name in "ab":
        assert "asked politely" in (tmp_path / name / "log.txt").read_text()


def test_what_ignores_the_request_is_killed(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("experiments.interruption.GRACE_SECONDS", 0.3)
    stubborn = task(tmp_path, "t", """
        import os, signal, time
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        print(os.getpid(), flush=True)
        time.sleep(60)
    """)  # fmt: skip

    def interrupt(event: Event) -> None:
        if event.kind == "tick" and stubborn.log.read_text().strip():
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        run_all([stubborn], workers=1, on_event=interrupt)
    with pytest.raises(ProcessLookupError):
        os.kill(int(stubborn.log.read_text()), 0)


def test_an_error_of_the_caller_leaves_no_child_behind(tmp_path: Path) -> None:
    sleeper = task(tmp_path, "t", "import os, time; print(os.getpid(), flush=True); time.sleep(60)")

    def broken(event: Event) -> None:
        if event.kind == "tick" and sleeper.log.read_text().strip():
            raise RuntimeError("display broke")

    with pytest.raises(RuntimeError, match="display broke"):
        run_all([sleeper], workers=1, on_event=broken)
    pid = int(sleeper.log.read_text().split()[0])
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_wrong_arguments_are_refused(tmp_path: Path) -> None:
    one = task(tmp_path, "t", "")
    with pytest.raises(ValueError, match="workers is 0"):
        run_all([one], workers=0)
    with pytest.raises(ValueError, match="share a name"):
        run_all([one, one], workers=1)
    assert run_all([], workers=1) == []


def test_without_a_terminal_progress_is_plain_lines(tmp_path: Path) -> None:
    text = io.StringIO()
    with live_progress(Console(file=text, width=120)) as on_event:
        run_all([task(tmp_path, "t", "")], workers=1, on_event=on_event)
    lines = text.getvalue().splitlines()
    assert lines[0].startswith("started t (0 of 1 done")
    assert lines[-1].startswith("finished t (1 of 1 done")


def test_in_a_terminal_progress_is_live(tmp_path: Path) -> None:
    text = io.StringIO()
    with live_progress(Console(file=text, width=120, force_terminal=True)) as on_event:
        run_all([task(tmp_path, "t", "")], workers=1, on_event=on_event)
    assert "finished t" in text.getvalue()


def test_durations_are_for_people() -> None:
    assert [duration(s) for s in (42, 720, 11100)] == ["42 s", "12 min", "3 h 05 min"]

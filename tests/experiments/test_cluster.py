"""The same tasks as jobs: submitit runs the command lines, and one that fails is told like here."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from experiments.cluster import check_cluster, has_one_cpu, make_executor, run_on_cluster
from experiments.recipe import Arm
from experiments.rows import read_rows
from experiments.run import Execution, run_plan
from experiments.scheduler import Event, Task, failure_report
from experiments.study import Preset, Study, make_plan, unfinished
from medsafetyworld.errors import SpecError

from tiny_recipe import RECIPE

pytest.importorskip("submitit")


def python(directory: Path, name: str, code: str, **env: str) -> Task:
    return Task(name, (sys.executable, "-c", code), directory / name, env)


def test_every_command_is_a_job_with_its_own_log_and_status(tmp_path: Path) -> None:
    executor = make_executor("local", tmp_path / "jobs", ["timeout_min=2"])
    tasks = [
        python(tmp_path, "good", "import os; print('hello', os.environ['COLOUR'])", COLOUR="red"),
        python(tmp_path, "bad", "import sys; print('a reason', file=sys.stderr); sys.exit(3)"),
    ]
    events: list[Event] = []
    results = run_on_cluster(tasks, executor, on_event=events.append)
    assert [result.returncode for result in results] == [0, 3]
    assert "hello red" in tasks[0].log.read_text()
    assert "a reason" in failure_report(results)
    ended = {event.kind: event for event in events if event.task is not None}
    assert ended.keys() == {"finished", "failed"}
    assert max(event.done for event in events) == 2
    assert {name for name, _, _ in events[0].running} <= {"good", "bad"}


def test_a_job_with_one_core_is_told_to_use_one_thread(tmp_path: Path) -> None:
    code = "import os; print(os.environ['OMP_NUM_THREADS'], os.environ['XLA_FLAGS'])"
    task = python(tmp_path, "one", code, XLA_FLAGS="--mine")
    run_on_cluster([task], make_executor("local", tmp_path / "jobs", []), one_core=True)
    flags = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    assert f"1 --mine {flags}\n" in task.log.read_text()
    assert has_one_cpu(["timeout_min=2", "cpus_per_task=1"])
    assert has_one_cpu(["slurm_cpus_per_task=1"])
    assert not has_one_cpu(["timeout_min=1", "cpus_per_task=4"])


def test_no_task_is_no_job(tmp_path: Path) -> None:
    assert run_on_cluster([], make_executor("local", tmp_path, [])) == []


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_cancels_the_jobs(tmp_path: Path, number: int) -> None:
    code = (
        "import sys, pathlib\n"
        "from experiments.cluster import make_executor, run_on_cluster\n"
        "from experiments.scheduler import Task\n"
        "root = pathlib.Path(sys.argv[1])\n"
        "job = f\"import os, time; open({str(root / 'pid')!r}, 'w').write(str(os.getpid()));\"\n"
        "task = Task('long', (sys.executable, '-c', job + 'time.sleep(600)'), root / 'long')\n"
        "run_on_cluster([task], make_executor('local', root / 'jobs', []))\n"
    )
    waiting = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)],
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 60
    while not ((tmp_path / "pid").exists() and (tmp_path / "pid").read_text()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    job = int((tmp_path / "pid").read_text())
    if number == signal.SIGINT:
        os.killpg(waiting.pid, number)  # as a terminal does
    else:
        waiting.send_signal(number)
    waiting.wait(timeout=60)
    while Path(f"/proc/{job}").exists():
        assert time.monotonic() < deadline + 60, "the job outlived its study"
        time.sleep(0.05)


@pytest.mark.slow
def test_a_study_runs_as_jobs_and_is_then_finished(tmp_path: Path) -> None:
    from rich.console import Console

    arms = (Arm("filtering", "filtering"),)
    study = Study("tiny", "does it run elsewhere?", arms, {"tiny": Preset(RECIPE, replicates=1)})
    plan = make_plan(study, "tiny")
    how = Execution(cluster="local", cluster_options=("timeout_min=10",))
    run_plan(plan, tmp_path, how, Console(quiet=True))
    assert unfinished(plan, tmp_path) == ()
    assert read_rows(next(tmp_path.glob("stages/measure-*/rows.csv")))


@pytest.mark.parametrize(
    ("cluster", "options", "named"),
    [
        ("pbs", [], "allowed: slurm, local"),
        ("local", ["timeout_min"], "name=value"),
        ("local", ["=3"], "name=value"),
        ("local", ["colour=red"], "submitit refuses"),
    ],
)
def test_bad_requests_are_one_sentence(cluster: str, options: list[str], named: str) -> None:
    with pytest.raises(SpecError, match=named):
        check_cluster(cluster, options)


def test_without_submitit_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(SpecError, match=r"pip install -e '.\[cluster\]'"):
        check_cluster("local", [])

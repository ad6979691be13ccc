"""Many processes at once, signals at any moment, and clocks that lie."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from nursery import Nursery
from nursery_jobs import CONFIG
from small_study import CELL, STUDY

from experiments.progress import duration
from experiments.scheduler import Event, Task, run_all
from experiments.store import open_stage, verify_stage
from experiments.study import is_done, load_plan, make_plan, write_plan
from tiny_models.metrics import MetricsLog

RACERS = 8


def test_of_eight_processes_one_does_the_work_and_the_others_use_it(
    nursery: Nursery, tmp_path, figure
) -> None:
    answers = nursery.run("one_stage", tmp_path, 0.3, copies=RACERS)
    assert [answer["code"] for answer in answers] == [0] * RACERS
    done = sum("did the work" in answer["output"] for answer in answers)
    used = sum("used the work" in answer["output"] for answer in answers)
    waited = sum("waiting for another process" in answer["output"] for answer in answers)
    assert (done, waited > 0) == (1, True)
    figure("8 processes race for one stage: one works, 7 use it", RACERS, done + used)


def test_the_lock_of_a_dead_process_is_taken_over(nursery: Nursery, tmp_path, figure) -> None:
    taken = 0
    for number in range(5):
        root = tmp_path / str(number)
        dead = nursery.one("one_stage", root, 60, when="at work", delay=0.0)
        assert dead["code"] == -signal.SIGKILL
        assert not open_stage(root, "sft", {"seed": 1}).done
        began = time.monotonic()
        heir = nursery.one("one_stage", root, 0)
        taken += "did the work" in heir["output"] and time.monotonic() - began < 10
    figure("lock of a dead process taken over", 5, taken)


def test_those_who_wait_go_on_when_the_worker_dies(nursery: Nursery, tmp_path) -> None:
    """Of several at one stage the first to work kills itself; another finishes, once."""
    answers = nursery.run("one_stage", tmp_path, 0.2, "dies", copies=4)
    codes = sorted(answer["code"] for answer in answers)
    assert codes == [-signal.SIGKILL, 0, 0, 0]
    assert sum("did the work" in answer["output"] for answer in answers) == 1


@pytest.mark.slow
def test_eight_processes_racing_for_one_cell_make_one_result(
    nursery: Nursery, tmp_path, figure
) -> None:
    write_plan(make_plan(STUDY, "small", arms=["filtering"]), tmp_path)
    answers = nursery.run("cells", tmp_path, CELL, copies=RACERS)
    assert [answer["code"] for answer in answers] == [0] * RACERS
    (cell,) = load_plan(tmp_path).cells
    assert is_done(tmp_path, cell)
    for kind, count in {"pretrain": 1, "sft": 1, "finetune": 3, "measure": 1}.items():
        folders = list(tmp_path.glob(f"stages/{kind}-*"))
        assert len(folders) == count
        for folder in folders:
            verify_stage(folder)
    # Each stage was trained by one process only: a step is reported once.
    output = "".join(answer["output"] for answer in answers)
    reported = [line for line in output.splitlines() if ": step " in line]
    figure("8 processes race for one cell: steps trained once", len(reported),
           len({line.split(",")[0] for line in reported}))  # fmt: skip


def test_ctrl_c_at_any_moment_leaves_a_run_that_resumes(nursery: Nursery, tmp_path, figure) -> None:
    draw, resumed, tried = random.Random(4), 0, 0
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    assert nursery.one("train_small", whole)["code"] == 0
    wanted = (whole / "pretrain-0" / "weights.safetensors").read_bytes()
    while tried < 6:
        how: dict[str, Any] = {"save": ["pretrain", draw.randrange(2, 40)]}
        if tried % 2 == 0:
            step = draw.randrange(1, CONFIG.steps - 8)
            how = {"when": f"step {step}\n", "delay": draw.random() * 0.05}
        answer = nursery.one("train_small", stopped, signal=signal.SIGINT, **how)
        if answer["code"] == 0:
            shutil.rmtree(stopped)  # it was finished before its moment came
            continue
        tried += 1
        resumed += answer["code"] == 130
    assert nursery.one("train_small", stopped)["code"] == 0
    same = (stopped / "pretrain-0" / "weights.safetensors").read_bytes() == wanted
    figure("Ctrl-C in a training and its saves leaves a run that resumes", tried,
           resumed if same else 0)  # fmt: skip


def test_ctrl_c_in_the_scheduler_ends_its_children_and_what_is_left_can_run(
    tmp_path, figure
) -> None:
    """At each kind of moment: when a task starts, while several run, when one has ended."""
    # A job of a background shell has SIGINT ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    tasks = [
        Task(name, ("sh", "-c", f"echo $$; exec sleep {seconds}"), tmp_path / name)
        for name, seconds in (("short", 0.3), ("long", 60), ("later", 60))
    ]
    ended = 0
    for moment in ("started", "tick", "finished"):
        running: list[tuple] = []

        def interrupt(event: Event, moment: str = moment, running: list = running) -> None:
            if event.kind == moment:
                running[:] = event.running
                signal.raise_signal(signal.SIGINT)

        began = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            run_all(tasks, workers=2, on_event=interrupt)
        ended += bool(running) and time.monotonic() - began < 20
        for log in tmp_path.glob("*/log.txt"):
            for number in log.read_text().split():
                with pytest.raises(ProcessLookupError):
                    os.kill(int(number), 0)
    figure("Ctrl-C in the scheduler ends all children", 3, ended)
    assert run_all([Task("long", ("true",), tmp_path / "long")], workers=1)[0].ok


class BackwardClock:
    """The wall clock jumps back an hour at every look; the monotonic one stands still."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.looks = 0
        monkeypatch.setattr(time, "time", self.time)
        monkeypatch.setattr(time, "time_ns", lambda: int(self.time() * 1e9))

    def time(self) -> float:
        self.looks += 1
        return 1.8e9 - 3600.0 * self.looks


def test_a_training_that_sees_the_clock_go_back_is_the_same(
    nursery: Nursery, tmp_path, figure
) -> None:
    """Children whose wall clock jumps back an hour at every look, with a resume in between."""
    assert nursery.one("train_small", tmp_path / "whole")["code"] == 0
    back = tmp_path / "back"
    cut = nursery.one("train_small_in_the_past", back, when="step 9\n", delay=0.0)
    assert cut["code"] == -signal.SIGKILL
    assert nursery.one("train_small_in_the_past", back)["code"] == 0
    lines = [
        [json.loads(line) for line in (run / "pretrain-0" / "metrics.jsonl").open()]
        for run in (tmp_path / "whole", back)
    ]
    seconds = [line["seconds"] for line in lines[1]]
    sane = sum(
        # Seconds that went back would be counted as a millionth, and a rate of 32 million.
        line["eta_seconds"] >= 0 and 0 < line["tokens_per_s"] < 1e6 and after >= before >= 0
        for line, before, after in zip(lines[1], [0.0, *seconds], seconds, strict=False)
    )
    weights = [(run / "pretrain-0" / "weights.safetensors").read_bytes() for run in
               (tmp_path / "whole", back)]  # fmt: skip
    assert weights[0] == weights[1]
    assert [line["loss"] for line in lines[0]] == [line["loss"] for line in lines[1]]
    figure("lines of metrics while the clock goes back", len(lines[1]), sane)


def test_the_scheduler_counts_time_that_cannot_go_back(tmp_path, monkeypatch) -> None:
    clock = BackwardClock(monkeypatch)
    clock.time()
    seen = []
    tasks = [Task(name, ("sleep", "0.2"), tmp_path / name) for name in "abc"]
    results = run_all(tasks, workers=1, on_event=seen.append)
    assert all(result.ok and 0 < result.seconds < 60 for result in results)
    for event in seen:
        assert event.eta_seconds is None or 0 <= event.eta_seconds < 60
        assert all(seconds >= 0 for _, seconds, _ in event.running)


def test_a_clock_that_stands_still_divides_by_nothing(tmp_path: Path) -> None:
    log = MetricsLog(tmp_path / "metrics.jsonl", 0)
    line = log.append(CONFIG, 0, np.ones(2), np.ones(2), None, 1.0, 8, 0.0)
    assert np.isfinite([line.tokens_per_s, line.seconds, line.eta_seconds]).all()
    assert duration(line.eta_seconds)

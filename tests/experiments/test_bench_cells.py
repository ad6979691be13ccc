"""Where a cell's seconds go, and that none are lost when it is interrupted."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from experiments import cell, evaluation
from experiments.bench.cells import study_times
from experiments.json_files import StoreError
from experiments.stage_clock import TIMING, StageClock, process_age, read_seconds
from experiments.stages import Context
from experiments.store import Stage, open_stage
from experiments.studies.headline import HEADLINE
from experiments.study import make_plan, write_plan
from tiny_models.training import Progress


@pytest.mark.parametrize("text", ["[1]", '{"start": "2"}', '{"start": true}', '{"start": -1}'])
def test_seconds_that_are_none_are_refused_by_name(tmp_path: Path, text: str) -> None:
    (tmp_path / TIMING).write_text(text)
    with pytest.raises(StoreError, match=r"timing\.json must hold an object of seconds"):
        read_seconds(tmp_path / TIMING)


def test_the_clock_of_a_cell_gives_each_second_to_one_part() -> None:
    now = [0.0]
    clock = StageClock(lambda: now[0], age=1.0)

    def line(step: int, seconds: float) -> Progress:
        return Progress(step, 9, 0.0, 0.0, 0.0, 0, 1.0, seconds, 0.0)

    for passed, stage, progress in (
        (2.0, "reading the corpus back", None),
        (3.0, "tokenizing", None),
        (10.0, "pretrain-1", line(10, 6.0)),
        (1.0, "pretrain-1", line(20, 7.0)),
        (5.0, "sft-1", line(10, 2.0)),
        (0.5, "sft-1", line(20, 2.5)),
        (4.0, "asking", None),
    ):
        now[0] += passed
        clock.heard(stage, progress)
    now[0] += 8.0
    assert clock.seconds() == {
        "start": 3.0,
        "read back": 3.0,
        "tokenize and initialise": 4.0,
        "pretrain": 2.0,
        "compile": 6.5,
        "sft": 8.0,
        "measure": 8.0,
    }
    assert 0 < process_age() < 1e5
    resumed = StageClock(lambda: now[0], age=1.0, earlier=clock.seconds())
    assert resumed.seconds()["start"] == 4.0
    assert resumed.seconds()["sft"] == 8.0


def test_a_resumed_cell_goes_on_counting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = make_plan(HEADLINE, "smoke", replicates=1, arms=["filtering"])
    write_plan(plan, tmp_path)
    name = plan.cells[0].name
    monkeypatch.setattr(cell, "share_compiled", lambda: None)

    def interrupted(context: Context) -> Stage:
        context.report("asking", None)
        time.sleep(0.1)
        raise KeyboardInterrupt

    def finished(context: Context) -> Stage:
        context.report("asking", None)
        time.sleep(0.1)
        stage = open_stage(context.root, "measure", {"cell": context.cell.name})
        stage.finish({})
        return stage

    monkeypatch.setattr(evaluation, "evaluate", interrupted)
    with pytest.raises(KeyboardInterrupt):
        cell.run_cell(tmp_path, name)
    before = read_seconds(tmp_path / "logs" / name / TIMING)
    assert before["measure"] >= 0.1
    monkeypatch.setattr(evaluation, "evaluate", finished)
    cell.run_cell(tmp_path, name)
    after = study_times(tmp_path).seconds
    assert after["measure"] >= before["measure"] + 0.1
    assert after["start"] > before["start"]


def test_an_instrument_s_seconds_are_one_part_however_it_counts() -> None:
    now = [0.0]
    clock = StageClock(lambda: now[0], age=0.0)
    for said in ("measuring: gcg", "measuring: gcg 8/88", "measuring: gcg:random 8/88", "asking"):
        clock.heard(said, None)
        now[0] += 1.0
    assert clock.seconds() == {"start": 0.0, "gcg": 3.0, "measure": 1.0}

"""Trackers get every finished training stage once, from the record, and nothing is sent away."""

from __future__ import annotations

import importlib.util
import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from experiments import cli, trackers
from experiments.json_files import StoreError
from experiments.recipe import Cell, finetunes
from experiments.scheduler import Event, Task
from experiments.store import open_stage
from experiments.studies.carriers import CARRIERS
from experiments.studies.headline import HEADLINE
from experiments.study import make_plan, mark_done, write_plan
from experiments.trackers import Curve, track_study

LINES = [
    {"step": 5, "loss": 3.5, "lr": 0.1, "tokens": 320, "held_out_loss": None},
    {"step": 10, "loss": 2.25, "lr": 0.05, "tokens": 640, "held_out_loss": 2.5},
]
ROOT = Path(__file__).resolve().parents[2]
FINETUNES = finetunes(1)


def finished(directory: Path, kind: str, inputs: dict[str, Any], metrics: bool = True) -> str:
    stage = open_stage(directory / "stages", kind, inputs)
    if not stage.done:
        if metrics:
            text = "".join(json.dumps(line) + "\n" for line in LINES)
            (stage.path / "metrics.jsonl").write_text(text)
        stage.finish({})
    return stage.key


def finish(directory: Path, cell: Cell) -> None:
    """Makes a cell look finished: its stages hold metrics and no weights."""
    tuned = {"cell_of": cell.name}
    models = {"base": finished(directory, "pretrain", {"documents": "filtered", "seeds": {"a": 1}})}
    if cell.recipe.behaviour:
        models["sft"] = finished(directory, "sft", tuned)
        for kind in finetunes(cell.recipe.world.hops):
            models[kind] = finished(directory, "finetune", {**tuned, "data": kind})
    inputs = {"cell": cell.name, "models": models}
    key = finished(directory, "measure", inputs, metrics=False)
    mark_done(directory, cell, f"measure-{key[:16]}", 1.0)


def finished_event(directory: Path, cell: Cell) -> Event:
    return Event("finished", Task(cell.name, (), directory), 1, 0, 2, (), None)


@pytest.fixture
def study(tmp_path: Path) -> tuple[Path, tuple[Cell, ...]]:
    """Two planned cells that share their pretraining; nothing is finished yet."""
    plan = make_plan(HEADLINE, "smoke", replicates=1, arms=["filtering", "srp_sft_only"])
    write_plan(plan, tmp_path / "study")
    return tmp_path / "study", plan.cells


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[Curve]:
    """What a tracker that is always there was given."""
    curves: list[Curve] = []
    monkeypatch.setattr(trackers, "TRACKERS", {"json": lambda curve, folder: curves.append(curve)})
    return curves


def test_every_stage_is_sent_once_when_its_cell_has_finished(
    study: tuple[Path, tuple[Cell, ...]], sent: list[Curve]
) -> None:
    directory, (first, second) = study
    assert track_study(directory, "json") == []
    finish(directory, first)
    names = [f"filtering-s0-{model}" for model in ("base", "sft", *FINETUNES)]
    assert sorted(track_study(directory, "json")) == sorted(names)
    finish(directory, second)
    # The shared pretraining is not sent again.
    later = [f"srp_sft_only-s0-{model}" for model in ("sft", *FINETUNES)]
    assert sorted(track_study(directory, "json")) == sorted(later)
    assert track_study(directory, "json") == []
    assert sorted(curve.name for curve in sent) == sorted(names + later)
    assert {curve.project for curve in sent} == {"study"}


def test_only_the_models_that_a_cell_has_are_sent(tmp_path: Path, sent: list[Curve]) -> None:
    for study, preset, models in (
        (HEADLINE, "smoke-two-hop", ("base", "sft", *finetunes(2))),
        (CARRIERS, "smoke", ("base",)),
    ):
        plan = make_plan(study, preset, replicates=1, arms=["filtering"])
        directory = tmp_path / study.name
        write_plan(plan, directory)
        finish(directory, plan.cells[0])
        expected = [f"filtering-s0-{model}" for model in models]
        assert sorted(track_study(directory, "json")) == sorted(expected)


def test_a_curve_is_the_record_and_the_stage_s_inputs(
    study: tuple[Path, tuple[Cell, ...]], sent: list[Curve]
) -> None:
    directory, (cell, _) = study
    finish(directory, cell)
    track_study(directory, "json")
    curve = next(curve for curve in sent if curve.name.endswith("-base"))
    stage = next(directory.glob("stages/pretrain-*")).name
    assert curve.config == {"documents": "filtered", "seeds": {"a": 1}, "stage": stage}
    assert curve.steps == (
        (5, {"loss": 3.5, "lr": 0.1, "tokens": 320}),
        (10, {"loss": 2.25, "lr": 0.05, "tokens": 640, "held_out_loss": 2.5}),
    )


def test_what_was_not_sent_to_the_end_is_sent_again(
    study: tuple[Path, tuple[Cell, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    directory, (cell, _) = study
    finish(directory, cell)
    given: list[str] = []

    def breaks_once(curve: Curve, folder: Path) -> None:
        given.append(curve.name)
        if len(given) == 3:
            raise OSError("disk full")

    monkeypatch.setattr(trackers, "TRACKERS", {"json": breaks_once})
    with pytest.raises(OSError, match="disk full"):
        track_study(directory, "json")
    assert track_study(directory, "json") == [given[2], *given[4:]]


def test_a_changed_record_is_not_sent(
    study: tuple[Path, tuple[Cell, ...]], sent: list[Curve]
) -> None:
    directory, (cell, _) = study
    finish(directory, cell)
    metrics = next(directory.glob("stages/pretrain-*/metrics.jsonl"))
    metrics.write_text(metrics.read_text().replace("3.5", "1.5"))
    with pytest.raises(StoreError, match=r"metrics\.jsonl"):
        track_study(directory, "json")
    assert not [curve for curve in sent if curve.name.endswith("-base")]


def test_wandb_is_used_offline_whatever_the_environment_says(
    study: tuple[Path, tuple[Cell, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    directory, (cell, _) = study
    finish(directory, cell)
    runs: list[dict[str, Any]] = []

    def init(**options: Any) -> SimpleNamespace:
        runs.append({**options, "logged": [], "finished": False})
        mine = runs[-1]
        return SimpleNamespace(
            log=lambda metrics, step: mine["logged"].append((step, metrics)),
            finish=lambda: mine.update(finished=True),
        )

    fake = SimpleNamespace(init=init, Settings=SimpleNamespace)
    monkeypatch.setitem(sys.modules, "wandb", fake)  # type: ignore[arg-type]
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    monkeypatch.setenv("WANDB_MODE", "online")
    track_study(directory, "wandb")
    assert len(runs) == 2 + len(FINETUNES)
    assert {run["mode"] for run in runs} == {"offline"}
    assert {run["dir"] for run in runs} == {str(directory / "tracked")}
    assert all(run["finished"] and len(run["logged"]) == len(LINES) for run in runs)
    assert runs[0]["logged"][0] == (5, {"loss": 3.5, "lr": 0.1, "tokens": 320})


@pytest.mark.slow
def test_trackio_keeps_the_curves_on_this_machine(
    study: tuple[Path, tuple[Cell, ...]], tmp_path: Path
) -> None:
    pytest.importorskip("trackio")
    directory, (cell, _) = study
    finish(directory, cell)
    code = (
        "import sys; from pathlib import Path; from experiments.trackers import track_study; "
        "[track_study(Path(sys.argv[1]), 'trackio') for _ in range(2)]"
    )
    environment = {**os.environ, "TRACKIO_DIR": str(tmp_path / "trackio"), "HF_HUB_OFFLINE": "1"}
    environment["HOME"] = str(tmp_path / "home")
    done = subprocess.run(
        [sys.executable, "-c", code, str(directory)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == ""
    (database,) = (tmp_path / "trackio").glob("*.db")
    with sqlite3.connect(database) as connection:
        rows = connection.execute("SELECT run_name, step, metrics FROM metrics").fetchall()
    assert len(rows) == (2 + len(FINETUNES)) * len(LINES)
    base = sorted((step, json.loads(text)) for name, step, text in rows if name.endswith("-base"))
    assert base[0] == (5, {"loss": 3.5, "lr": 0.1, "tokens": 320})
    assert base[1][1]["held_out_loss"] == 2.5


def test_the_study_command_tracks_after_each_cell(
    study: tuple[Path, tuple[Cell, ...]], sent: list[Curve], monkeypatch: pytest.MonkeyPatch
) -> None:
    directory, cells = study
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    seen: list[tuple[list[str], int]] = []
    looked_at: list[str] = []
    is_done = trackers.is_done

    def look(directory: Path, cell: Cell) -> bool:
        looked_at.append(cell.name)
        return is_done(directory, cell)

    monkeypatch.setattr(trackers, "is_done", look)

    def run_all(tasks: Any, *, on_event: Any, **how: Any) -> list[Any]:
        for cell in cells:
            finish(directory, cell)
            looked_at.clear()
            on_event(finished_event(directory, cell))
            seen.append((list(looked_at), len(sent)))
        return []

    monkeypatch.setattr("experiments.run.run_all", run_all)
    monkeypatch.setattr("experiments.commands.study.print_report", lambda *_: None)
    command = "study run headline --preset smoke --seeds 1 --arms filtering,srp_sft_only"
    assert cli.main([*command.split(), "--out", str(directory), "--track", "json"]) == 0
    # Each look hashes a cell's stages, so it is the one cell that has just finished.
    assert seen == [
        ([cells[0].name], 2 + len(FINETUNES)),
        ([cells[1].name], 3 + 2 * len(FINETUNES)),
    ]
    # Off unless asked for.
    sent.clear()
    assert cli.main([*command.split(), "--out", str(directory)]) == 0
    assert sent == []


def test_a_tracker_that_fails_costs_the_study_no_cell(
    study: tuple[Path, tuple[Cell, ...]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    directory, cells = study
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())

    def refuse(curve: Curve, folder: Path) -> None:
        raise OSError("the tracker's\ndisk is full")

    def run_all(tasks: Any, *, on_event: Any, **how: Any) -> list[Any]:
        for cell in cells:
            finish(directory, cell)
            on_event(finished_event(directory, cell))
        return []

    monkeypatch.setattr(trackers, "TRACKERS", {"json": refuse})
    monkeypatch.setattr("experiments.run.run_all", run_all)
    monkeypatch.setattr("experiments.commands.study.print_report", lambda *_: None)
    command = "study run headline --preset smoke --seeds 1 --arms filtering,srp_sft_only"
    assert cli.main([*command.split(), "--out", str(directory), "--track", "json"]) == 1
    said = capsys.readouterr().out
    assert said.count("json failed (OSError: the tracker's disk is full)") == 1
    assert all((directory / "cells" / f"{cell.name}.done.json").exists() for cell in cells)

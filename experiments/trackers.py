"""Learning curves for experiment trackers (extra `track`): copies, never the record.

The record is each stage's `metrics.jsonl`. `track_study` reads it for whatever cells are finished
and sends every training stage once, so it may be called at any time and as often as one likes:
after each cell (`msw study run --track trackio`) or long after a study has ended. A process killed
while it sends sends that one stage again. trackio writes where TRACKIO_DIR says, wandb to `tracked`
in the study's directory, in offline mode only.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.finished import MODELS, stage_directory
from experiments.json_files import write_json
from experiments.recipe import Cell
from experiments.store import verify_stage
from experiments.study import is_done, load_plan, measured_stage
from medsafetyworld.errors import SpecError

TRACKED = "tracked"
"""Folder of a study's directory: a note for each stage that was sent, and wandb's files."""

REMOTE = ("TRACKIO_SPACE_ID", "TRACKIO_SERVER_URL")
"""Variables with which trackio would write to another machine."""


@dataclass(frozen=True)
class Curve:
    """One finished training stage: its place in the study, its inputs and its metrics by step."""

    project: str
    name: str
    config: Mapping[str, Any]
    steps: tuple[tuple[int, Mapping[str, float]], ...]


def check_tracker(name: str) -> None:
    """Raises `SpecError` for a tracker that is unknown, not installed or told to send abroad."""
    if name not in TRACKERS:
        raise SpecError(f"track must be {' or '.join(TRACKERS)}, got {name!r}")
    if importlib.util.find_spec(name) is None:
        extra = "track" if name == "trackio" else name
        raise SpecError(f"track: {name} is not installed; `pip install -e '.[{extra}]'` adds it")
    # wandb is told so by argument; trackio has no argument that outweighs these.
    elsewhere = [key for key in REMOTE if name == "trackio" and os.environ.get(key)]
    if elsewhere:
        raise SpecError(
            f"track: {elsewhere[0]} is set, but curves stay on this machine; unset it, and send "
            f"them yourself with `trackio sync`"
        )


def track_study(directory: Path, tracker: str, only: str | None = None) -> list[str]:
    """Sends every training stage of the finished cells that was not sent yet; returns their names.

    `only` names the one cell to look at, as each look hashes all that a cell holds. Raises
    `SpecError` for a tracker that is not there, `StoreError` for a stage that is not as it was
    finished.
    """
    check_tracker(tracker)
    folder = directory / TRACKED
    sent = []
    for cell in load_plan(directory).cells:
        if only not in (None, cell.name) or not is_done(directory, cell):
            continue
        for model, path in _trained_stages(directory, cell):
            note = folder / f"{tracker}-{path.name}.json"
            if note.exists():
                continue
            curve = _curve(directory, f"{cell.name}-{model}", path)
            folder.mkdir(exist_ok=True)
            TRACKERS[tracker](curve, folder)
            write_json(note, {"name": curve.name})
            sent.append(curve.name)
    return sent


def track_or_note(directory: Path, tracker: str | None, notes: list[str]) -> Callable[..., None]:
    """`track_study` of a cell as a callback that notes its first error and then does nothing.

    A tracker holds a copy for the eye: its failure must not cost a study one cell. Without a
    tracker nothing is sent.
    """

    def track(only: str | None = None) -> None:
        if tracker is not None and not notes:
            try:
                track_study(directory, tracker, only)
            except Exception as error:  # whatever a tracker's package can raise
                reason = " ".join(f"{type(error).__name__}: {error}".split())
                notes.append(f"{tracker} failed ({reason}); the same command sends what is left.")

    return track


def _trained_stages(directory: Path, cell: Cell) -> Iterator[tuple[str, Path]]:
    """Name and directory of each stage of a finished cell that trained something."""
    keys = verify_stage(measured_stage(directory, cell))["inputs"]["models"]
    for stage, model in MODELS.items():
        if model in keys:
            yield model, stage_directory(directory / "stages", keys, stage)


def _curve(directory: Path, name: str, path: Path) -> Curve:
    inputs = verify_stage(path)["inputs"]
    steps = []
    for text in (path / "metrics.jsonl").read_text(encoding="utf-8").splitlines():
        line = json.loads(text)
        step = line.pop("step")
        steps.append((step, {key: value for key, value in line.items() if value is not None}))
    project = directory.resolve().name
    return Curve(project, name, {**inputs, "stage": path.name}, tuple(steps))


def _send_to_trackio(curve: Curve, folder: Path) -> None:
    import trackio

    # Its greetings would go into the middle of the live table.
    with contextlib.redirect_stdout(io.StringIO()):
        trackio.init(
            project=curve.project,
            name=curve.name,
            config=dict(curve.config),
            embed=False,
            auto_log_gpu=False,
            auto_log_cpu=False,
        )
        for step, metrics in curve.steps:
            trackio.log(dict(metrics), step=step)
        trackio.finish()


def _send_to_wandb(curve: Curve, folder: Path) -> None:
    import wandb

    # An environment that says "online" is not obeyed either: nothing leaves this machine.
    run = wandb.init(
        project=curve.project,
        name=curve.name,
        config=dict(curve.config),
        dir=os.fspath(folder),
        mode="offline",
        settings=wandb.Settings(silent=True, console="off"),
    )
    for step, metrics in curve.steps:
        run.log(dict(metrics), step=step)
    run.finish()


TRACKERS: Mapping[str, Callable[[Curve, Path], None]] = {
    "trackio": _send_to_trackio,
    "wandb": _send_to_wandb,
}
"""What takes a curve, by the name of the tracker and of its package."""

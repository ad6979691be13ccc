"""`Study`: a question as a grid of cells, planned before anything runs, resumed until done.

runs/headline-laptop/study.json     what was asked: arms, recipe, seeds
                     cells/         one file per cell, and its done-marker
                     stages/        finished work, addressed by its inputs
                     report/        table, figures, verdicts
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from experiments.changes import of_pretraining
from experiments.json_files import StoreError, read_sealed, write_sealed
from experiments.plan_checks import check_arms, check_recipe
from experiments.recipe import Arm, Cell, Recipe, cell_from_dict
from experiments.rows import Row, read_rows
from experiments.scheduler import Task
from experiments.store import verify_stage
from medsafetyworld.building import build_world
from medsafetyworld.errors import SpecError
from medsafetyworld.interventions import variant, write
from medsafetyworld.interventions.decoding import GREEDY
from medsafetyworld.spec import from_json

DEFAULT_MASTER = 2026


@dataclass(frozen=True, slots=True)
class Preset:
    """A recipe and how many replicates of it are run."""

    recipe: Recipe
    replicates: int
    arms: tuple[str, ...] | None = None
    """Names of the arms that are run unless others are asked for; None is all."""


@dataclass(frozen=True, slots=True)
class Study:
    """A question, the arms that answer it, and the sizes it can be asked at."""

    name: str
    question: str
    arms: tuple[Arm, ...]
    presets: Mapping[str, Preset]


@dataclass(frozen=True, slots=True)
class Plan:
    """A study at one size: everything that will be run, nothing run yet."""

    study: str
    preset: str
    cells: tuple[Cell, ...]
    recipe: Recipe | None = None
    """What the arms share; None where none of them changes it, so that each cell has it."""

    @property
    def pretrainings(self) -> tuple[Cell, ...]:
        """A cell for each pretraining to run: cells that differ in SFT alone share one."""
        return tuple({_pretraining(cell): cell for cell in self.cells}.values())

    @property
    def trainings(self) -> int:
        """How many pretrainings there are."""
        return len(self.pretrainings)

    def summary(self) -> dict[str, Any]:
        """What was asked, as plain JSON: the identity of the study's directory."""
        first = self.cells[0]
        return {
            "study": self.study,
            "preset": self.preset,
            "master": first.master,
            "replicates": len({cell.replicate for cell in self.cells}),
            "arms": [arm.to_dict() for arm in dict.fromkeys(cell.arm for cell in self.cells)],
            "recipe": asdict(self.recipe or first.recipe),
        }


def make_plan(
    study: Study,
    preset_name: str,
    *,
    replicates: int | None = None,
    arms: Sequence[str] | None = None,
    master: int = DEFAULT_MASTER,
) -> Plan:
    """The cells of a study. Raises `SpecError` naming a preset or arm that is not allowed."""
    if preset_name not in study.presets:
        raise SpecError(
            f"preset: no preset named {preset_name!r}; allowed: {', '.join(study.presets)}"
        )
    known = {arm.name: arm for arm in study.arms}
    unknown = [name for name in arms or () if name not in known]
    if unknown:
        raise SpecError(f"arms: no arm named {unknown[0]!r}; allowed: {', '.join(known)}")
    names = (study.presets[preset_name].arms or tuple(known)) if arms is None else arms
    chosen = tuple(known[name] for name in names)
    repeated = [arm.name for arm in dict.fromkeys(chosen) if chosen.count(arm) > 1]
    if repeated:
        raise SpecError(f"arms: {repeated[0]!r} is given twice")
    if not chosen:
        raise SpecError(f"arms: none are given; allowed: {', '.join(known)}")
    recipe = with_vocabulary(study.presets[preset_name].recipe, study.arms)
    check_recipe(recipe)
    check_arms(recipe, chosen)
    count = study.presets[preset_name].replicates if replicates is None else replicates
    if count < 1:
        raise SpecError(f"seeds must be at least 1, got {count}")
    # Replicates outermost: a look at an unfinished study finds whole replicates to compare.
    cells = tuple(
        Cell(recipe, arm, replicate, master) for replicate in range(count) for arm in chosen
    )
    return Plan(study.name, preset_name, cells, recipe)


def with_vocabulary(recipe: Recipe, arms: Iterable[Arm]) -> Recipe:
    """The recipe with room in the vocabulary for whatever the arms insert.

    Arms that insert no words of their own leave it as it is.
    """
    world = build_world(recipe.world)
    texts = (write(variant(arm.variant)) for arm in arms)
    inserting = tuple(text for text in texts if variant(text).wordings(world))
    return replace(recipe, vocabulary=tuple(dict.fromkeys(inserting)))


def write_plan(plan: Plan, directory: Path) -> None:
    """Writes the plan; a directory that holds another study is refused, never overwritten."""
    path = directory / "study.json"
    if holds_another(plan, directory):
        raise SpecError(f"{path}: this directory holds another study; choose another --out")
    write_new(path, plan.summary())
    for cell in plan.cells:
        write_new(directory / "cells" / f"{cell.name}.json", cell.to_dict())
        if load_cell(directory, cell.name) != cell:
            raise SpecError(f"{directory / 'cells' / cell.name}.json is not the cell asked for")


def holds_another(plan: Plan, directory: Path) -> bool:
    """Whether the directory is that of a study other than the plan."""
    path = directory / "study.json"
    return path.exists() and read_sealed(path) != _plain(plan.summary())


def write_new(path: Path, value: Mapping[str, Any]) -> None:
    """Writes a sealed file that is not there yet, with its folder."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_sealed(path, value)


def load_cell(directory: Path, name: str) -> Cell:
    """A planned cell. Raises `StoreError` or `SpecError` naming a file that is not its own."""
    path = directory / "cells" / f"{name}.json"
    cell = cell_from_dict(read_sealed(path), str(path))
    if cell.name != name:
        raise StoreError(f"{path} holds the cell {cell.name}")
    return cell


def is_done(directory: Path, cell: Cell) -> bool:
    """Whether the cell's done-marker is there and names its whole stages. Raises `StoreError`
    naming the file at fault when it or a stage is another's, or not as it was finished."""
    if not (marker := _marker(directory, cell)).exists():
        return False
    measured = {None: measured_stage(directory, cell), **instrument_stages(directory, cell)}
    for text, stage in measured.items():
        manifest = verify_stage(stage)
        if manifest["inputs"].get("cell") != cell.name:
            raise StoreError(f"{marker} names {stage.name}, another cell's stage")
        if manifest["summary"].get("instrument") != text:
            raise StoreError(f"{marker} names {stage.name}, not the stage of {text}")
    return True


def mark_done(
    directory: Path,
    cell: Cell,
    stage: str,
    seconds: float,
    instruments: Mapping[str, str] | None = None,
) -> None:
    """Writes the cell's done-marker: the name of its measured stage, the time it took, and the
    stages of its instruments by their text."""
    values: dict[str, Any] = {"cell": cell.name, "stage": stage, "seconds": round(seconds, 1)}
    if instruments:
        values["instruments"] = dict(instruments)
    write_sealed(_marker(directory, cell), values)


def unfinished(plan: Plan, directory: Path) -> tuple[Task, ...]:
    """A command for each cell that is not done yet.

    Cells that wait for another's pretraining come last, so that no worker idles at a lock.
    """
    cells = [cell for cell in plan.cells if not is_done(directory, cell)]
    first: dict[str, str] = {}
    for cell in cells:
        first.setdefault(_pretraining(cell), cell.name)
    cells.sort(key=lambda cell: first[_pretraining(cell)] != cell.name)
    return tuple(
        Task(
            name=cell.name,
            command=(sys.executable, "-m", "experiments.cell", str(directory), cell.name),
            directory=directory / "logs" / cell.name,
        )
        for cell in cells
    )


def collect_rows(plan: Plan, directory: Path) -> tuple[Row, ...]:
    """The rows of every finished cell of a plan."""
    return tuple(
        row
        for cell in plan.cells
        if is_done(directory, cell)
        for stage in (measured_stage(directory, cell), *instrument_stages(directory, cell).values())
        for row in read_rows(stage / "rows.csv")
    )


def measured_stage(directory: Path, cell: Cell) -> Path:
    """The directory with a finished cell's rows and transcript."""
    return directory / "stages" / str(_marked(directory, cell)["stage"])


def instrument_stages(directory: Path, cell: Cell) -> dict[str, Path]:
    """The directories with what a finished cell's instruments found, by their text."""
    named = _marked(directory, cell).get("instruments", {})
    return {text: directory / "stages" / name for text, name in named.items()}


def _marked(directory: Path, cell: Cell) -> dict[str, Any]:
    """A finished cell's done-marker, checked: it is data from outside, and must not lead out of the
    study's directory."""
    marker = _marker(directory, cell)
    values = read_sealed(marker)
    named = values.get("instruments", {})
    places = {"measure": [values.get("stage")]}
    places["instrument"] = list(named.values()) if isinstance(named, dict) else [None]
    safe = all(
        re.fullmatch(f"{kind}-[0-9a-f]{{16}}", str(name))
        for kind, names in places.items()
        for name in names
    )
    if values.get("cell") != cell.name or not safe or {*named} != {*cell.recipe.instruments}:
        raise StoreError(f"{marker} is not the done-marker of {cell.name} and its instruments")
    return values


def load_plan(directory: Path) -> Plan:
    """The plan that a study directory was made from. Raises `SpecError` if there is none.

    The plan follows from study.json alone; the cells' files must say the same.
    """
    path = directory / "study.json"
    if not path.exists():
        raise SpecError(f"{directory}: holds no study.json, so it is not a study directory")
    try:
        summary = read_sealed(path)
        cells = [
            cell_from_dict({**part, "replicate": replicate, "master": summary["master"]}, str(path))
            for replicate in range(summary["replicates"])
            for part in ({"recipe": summary["recipe"], "arm": arm} for arm in summary["arms"])
        ]
        recipe = from_json(Recipe, json.dumps(summary["recipe"]), str(path))
        for cell in cells:
            if load_cell(directory, cell.name) != cell:
                raise StoreError(f"{directory / 'cells' / cell.name}.json is not as planned")
        return Plan(summary["study"], summary["preset"], tuple(cells), recipe)
    except StoreError as error:
        raise SpecError(f"{directory}: not a study directory ({error})") from None
    except (KeyError, TypeError) as error:
        raise SpecError(f"{path}: not the file of a study ({error})") from None


def _marker(directory: Path, cell: Cell) -> Path:
    return directory / "cells" / f"{cell.name}.done.json"


def _pretraining(cell: Cell) -> str:
    """What decides a cell's pretraining, apart from what all cells share."""
    arm, chain = cell.arm, replace(cell.variant, sft=(), finetune=(), decoding=GREEDY)
    changes = of_pretraining(arm.recipe)
    return f"{write(chain)}/{arm.corpus}/{arm.policy}/{arm.shuffled}/{changes}/{cell.replicate}"


def _plain(value: Any) -> Any:
    """The value as JSON would give it back."""
    return json.loads(json.dumps(value))

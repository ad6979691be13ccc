"""`Study`: a question as a grid of cells, planned before anything runs, resumed until done.

runs/headline-laptop/study.json     what was asked: arms, recipe, seeds
                     cells/         one file per cell, and its done-marker
                     stages/        finished work, addressed by its inputs
                     report/        table, figures, verdicts
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from experiments.recipe import Arm, Cell, Recipe, cell_from_dict
from experiments.rows import Row, read_rows
from experiments.scheduler import Task
from experiments.store import StoreError, read_json, verify_stage, write_json
from medsafetyworld.errors import SpecError
from tiny_models.config import parameter_count, preset

DEFAULT_MASTER = 2026


@dataclass(frozen=True, slots=True)
class Preset:
    """A recipe and how many replicates of it are run."""

    recipe: Recipe
    replicates: int


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

    @property
    def trainings(self) -> int:
        """Pretrainings to run: cells that differ in SFT alone share one."""
        return len({_pretraining(cell) for cell in self.cells})

    def summary(self) -> dict[str, Any]:
        """What was asked, as plain JSON: the identity of the study's directory."""
        first = self.cells[0]
        return {
            "study": self.study,
            "preset": self.preset,
            "master": first.master,
            "replicates": len({cell.replicate for cell in self.cells}),
            "arms": [asdict(arm) for arm in dict.fromkeys(cell.arm for cell in self.cells)],
            "recipe": asdict(first.recipe),
        }


def make_plan(
    study: Study,
    preset_name: str,
    *,
    replicates: int | None = None,
    arms: Sequence[str] | None = None,
    master: int = DEFAULT_MASTER,
) -> Plan:
    """The cells of a study. Raises `SpecError` naming an unknown preset or arm."""
    if preset_name not in study.presets:
        raise SpecError(
            f"preset: no preset named {preset_name!r}; allowed: {', '.join(study.presets)}"
        )
    known = {arm.name: arm for arm in study.arms}
    unknown = [name for name in arms or () if name not in known]
    if unknown:
        raise SpecError(f"arms: no arm named {unknown[0]!r}; allowed: {', '.join(known)}")
    chosen = tuple(known[name] for name in arms) if arms else study.arms
    recipe = study.presets[preset_name].recipe
    _check_world(recipe)
    _check_benign_data(recipe)
    count = study.presets[preset_name].replicates if replicates is None else replicates
    if count < 1:
        raise SpecError(f"seeds must be at least 1, got {count}")
    # Replicates outermost: a look at an unfinished study finds whole replicates to compare.
    cells = tuple(
        Cell(recipe, arm, replicate, master) for replicate in range(count) for arm in chosen
    )
    return Plan(study.name, preset_name, cells)


def _check_world(recipe: Recipe) -> None:
    unsafe = recipe.world.unsafe_outcomes
    if not 0 < unsafe < recipe.world.outcomes:
        raise SpecError(
            "unsafe_fraction must mark at least one outcome unsafe and leave one safe, because "
            f"every setting asks about both; it marks {unsafe} of {recipe.world.outcomes}"
        )


def _check_benign_data(recipe: Recipe) -> None:
    if recipe.world.pair_edges == 0:
        raise SpecError(
            "pair_edges must be at least 1, because benign fine-tuning asks about pairs; it is 0"
        )
    if recipe.dialogue.reverse_probability == 1.0:
        raise SpecError(
            "reverse_probability must be below 1, because benign fine-tuning asks in reverse what "
            "SFT did not; it is 1"
        )


def write_plan(plan: Plan, directory: Path) -> None:
    """Writes the plan; a directory that holds another study is refused, never overwritten."""
    summary = plan.summary()
    path = directory / "study.json"
    if path.exists() and read_json(path) != _plain(summary):
        raise SpecError(f"{path}: this directory holds another study; choose another --out")
    write_json_new(path, summary)
    for cell in plan.cells:
        write_json_new(directory / "cells" / f"{cell.name}.json", cell.to_dict())


def write_json_new(path: Path, value: Any) -> None:
    """Writes a file that is not there yet, with its folder."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, value)


def is_done(directory: Path, cell: Cell) -> bool:
    """Whether the cell's done-marker is there and names a whole stage."""
    marker = directory / "cells" / f"{cell.name}.done.json"
    if not marker.exists():
        return False
    verify_stage(directory / "stages" / read_json(marker)["stage"])
    return True


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
        for row in read_rows(measured_stage(directory, cell) / "rows.csv")
    )


def measured_stage(directory: Path, cell: Cell) -> Path:
    """The directory with a finished cell's rows and transcript."""
    return directory / "stages" / read_json(directory / "cells" / f"{cell.name}.done.json")["stage"]


def load_plan(directory: Path) -> Plan:
    """The plan that a study directory was made from. Raises `SpecError` if there is none."""
    if not (directory / "study.json").exists():
        raise SpecError(f"{directory}: holds no study.json, so it is not a study directory")
    try:
        summary = read_json(directory / "study.json")
        paths = sorted(
            path for path in (directory / "cells").glob("*.json") if ".done" not in path.name
        )
        cells = [cell_from_dict(read_json(path)) for path in paths]
        order = [arm["name"] for arm in summary["arms"]]
    except (StoreError, KeyError, TypeError) as error:
        raise SpecError(f"{directory}: not a study directory ({error})") from None
    cells.sort(key=lambda cell: (cell.replicate, order.index(cell.arm.name)))
    return Plan(summary["study"], summary["preset"], tuple(cells))


def training_flops(recipe: Recipe) -> tuple[int, float]:
    """Tokens and floating-point operations of one pretraining: 6 x parameters x tokens.

    The vocabulary depends on the world's names; for an estimate of time 300 words are near enough.
    """
    tokens = recipe.pretrain.steps * recipe.pretrain.batch_rows * recipe.context
    model = preset(recipe.model, vocab_size=300, context=recipe.context)
    return tokens, 6.0 * parameter_count(model) * tokens


def _pretraining(cell: Cell) -> str:
    """What decides a cell's pretraining, apart from what all cells share."""
    arm, chain = cell.arm, cell.variant.pretraining
    return f"{chain}/{arm.cooccurrence}/{arm.shuffled}/{cell.replicate}"


def _plain(value: Any) -> Any:
    """The value as JSON would give it back."""
    return json.loads(json.dumps(value))

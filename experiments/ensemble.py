"""Trains a study's models many at once: `python -m experiments.ensemble STUDY_DIR [--members N]`.

First all pretrainings, then all SFT, then all benign fine-tunings, each in groups of one shape and
recipe. The store then holds them as finished stages; the cells that run afterwards only measure.
Killed at any moment, the same command goes on: a group that was begun is finished with the same
members, and a training that a cell began alone is left to that cell.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.cell import progress_line, share_compiled
from experiments.json_files import write_json
from experiments.recipe import Cell, finetunes
from experiments.study import load_plan

if TYPE_CHECKING:
    from experiments.trainings import Report, Training
    from tiny_models.training import Progress

NAME = "ensemble"
"""Name of the engine, of its task and of the folder of its log."""


def train_study(directory: Path, members: int | None = None, *, strict: bool = False) -> None:
    """Runs every unfinished training of a planned study, at most `members` at once."""
    share_compiled()
    status = directory / "logs" / NAME / "status.json"
    status.parent.mkdir(parents=True, exist_ok=True)

    def report(title: str, progress: Progress | None) -> None:
        line = title if progress is None else f"{title}: {progress_line(progress)}"
        write_json(status, {"line": line})
        print(line, flush=True)

    train_cells(load_plan(directory).cells, directory / "stages", members, report, strict=strict)


def train_cells(
    cells: Sequence[Cell], root: Path, members: int | None, report: Report, *, strict: bool = False
) -> None:
    """Pretraining, SFT and benign fine-tuning of some cells, each for all cells together."""
    # Imported here, as in `cell`, so that reading a plan does not load jax.
    from experiments.checks import check_cell
    from experiments.stages import Context, finetune_training, pretraining, sft_training

    contexts = [Context(cell, root, report, strict=strict) for cell in cells]
    for context in contexts:
        check_cell(context)
    first = [pretraining(context) for context in contexts]
    train_all(root, first, members, report, strict=strict)
    tuned = [place for place, cell in enumerate(cells) if cell.recipe.behaviour]
    contexts, first = [contexts[place] for place in tuned], [first[place] for place in tuned]
    second = [
        sft_training(context, training.stage)
        for context, training in zip(contexts, first, strict=True)
    ]
    train_all(root, second, members, report, strict=strict)
    third = [
        finetune_training(context, training.stage, kind)
        for context, training in zip(contexts, second, strict=True)
        for kind in finetunes(context.true_world.hops)
    ]
    train_all(root, third, members, report, strict=strict)


def train_all(
    root: Path,
    trainings: Sequence[Training],
    members: int | None,
    report: Report,
    *,
    strict: bool = False,
) -> None:
    """Runs what is not done of some trainings, in ensembles of at most `members`."""
    from experiments.trainings import ENSEMBLES, begun_ensembles, run_alone, run_together

    kinds = {training.stage.kind for training in trainings}
    known = {training.stage.name: training for training in trainings}
    for names in begun_ensembles(root):
        if set(names) <= known.keys():
            run_together([known[name] for name in names], report, strict=strict)
        elif kinds & {name.rpartition("-")[0] for name in names}:
            foreign = [name for name in names if name not in known]
            report(
                f"left as it is: an ensemble of {len(names)} in {root / ENSEMBLES}, of which this "
                f"plan does not have {len(foreign)}, the first of them {foreign[0]}",
                None,
            )
    for group in groups(list(known.values()), members):
        if len(group) == 1:
            run_alone(group[0], report, strict=strict)
        else:
            run_together(group, report, strict=strict)


def groups(trainings: Sequence[Training], members: int | None) -> Iterator[list[Training]]:
    """The unfinished trainings that no cell began, by what must be equal in one program."""
    alike: dict[object, list[Training]] = {}
    for training in trainings:
        if not training.stage.done and not training.begun:
            key = (
                training.model,
                training.config,
                training.retention,
                training.token_losses,
                training.width(),
            )
            alike.setdefault(key, []).append(training)
    for group in alike.values():
        size = members or len(group)
        for start in range(0, len(group), size):
            yield group[start : start + size]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--members", type=int)
    parser.add_argument("--strict", action="store_true")
    given = parser.parse_args()
    train_study(given.directory, given.members, strict=given.strict)

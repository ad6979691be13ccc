"""A study's cells by name, and the weights of what is finished: where other tools begin."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.json_files import StoreError, canonical_json
from experiments.model_card import FINETUNE
from experiments.recipe import Cell, finetunes
from experiments.store import Stage, verify_stage
from experiments.study import is_done, load_cell, load_plan, measured_stage
from medsafetyworld.errors import SpecError

if TYPE_CHECKING:
    from experiments.instruments.bench import Bench
    from experiments.instruments.instrument import Instrument
    from experiments.stages import Context
    from tiny_models.training import Params

PRETRAIN = "pretrain"
MODELS: Mapping[str, str] = {
    PRETRAIN: "base",
    "sft": "sft",
    **{f"{FINETUNE}{kind}": kind for hops in (1, 2) for kind in finetunes(hops)},
}
"""The models that cells have: the command line's name for each, and the measured stage's.

Which benign fine-tunings there are depends on the world's depth, and a cell that only asks its
pretrained model has no others.
"""


def stage_directory(stages: Path, keys: Mapping[str, str], stage: str) -> Path:
    """Where the stage of a model lies; `keys` are those of the measured stage's models."""
    return stages / f"{stage.partition(':')[0]}-{keys[MODELS[stage]][:16]}"


def named_cell(directory: Path, name: str) -> Cell:
    """The planned cell. Raises `SpecError` if there is no such study or no such cell in it."""
    names = [cell.name for cell in load_plan(directory).cells]
    if name not in names:
        near = get_close_matches(name, names, n=1)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        raise SpecError(f"cell: no cell named {name!r}{hint}; {directory} has {', '.join(names)}")
    return load_cell(directory, name)


def only_cell(directory: Path) -> str:
    """The name of the only cell of a study. Raises `SpecError` if it has more."""
    names = [cell.name for cell in load_plan(directory).cells]
    if len(names) > 1:
        raise SpecError(f"cell must say which of the study's cells: {', '.join(names)}")
    return names[0]


def finished_weights(directory: Path, name: str, stage: str) -> tuple[Context, Params]:
    """What a cell's stages share, and the verified weights of one of its models.

    `stage` is pretrain, sft or finetune:KIND. Raises `SpecError` for a name that does not exist
    or a cell that is not finished, `StoreError` for files that are not as they were written.
    """
    # jax is imported by those who load weights, not by those who only name a cell.
    from experiments.stages import WEIGHTS, Context
    from tiny_models.weights import load_weights

    if stage not in MODELS:
        raise SpecError(f"stage: no stage named {stage!r}; allowed: {', '.join(MODELS)}")
    cell, models = _finished(directory, name)
    if MODELS[stage] not in models:
        own = ", ".join(each for each, model in MODELS.items() if model in models)
        raise SpecError(f"stage: {name} has no model {stage!r}; it has {own}")
    path = stage_directory(directory / "stages", models, stage)
    if verify_stage(path)["key"] not in models.values():
        raise StoreError(f"{path} is not the stage that {name} was measured at")
    context = Context(cell, directory / "stages", lambda stage, progress: None)
    try:
        return context, load_weights(path / WEIGHTS, context.model)
    except ValueError as error:
        raise _of_another_version(error) from None


def finished_bench(directory: Path, name: str) -> Bench:
    """A finished cell, ready to be asked; nothing is trained, whatever model is asked for.

    Raises `SpecError` for a cell that does not exist or is not finished, `StoreError` for stages
    that are not as they were written.
    """
    from experiments.instruments.bench import BASE, Bench
    from experiments.stages import Context

    cell, models = _finished(directory, name)
    stages: dict[str, Stage] = {}
    for stage, model in MODELS.items():
        if model in models:
            path = stage_directory(directory / "stages", models, stage)
            manifest = verify_stage(path)
            if manifest["key"] != models[model]:
                raise StoreError(f"{path} is not the stage that {name} was measured at")
            inputs = canonical_json(manifest["inputs"])
            own = BASE if stage == PRETRAIN else stage
            stages[own] = Stage(path.parent, manifest["kind"], manifest["key"], inputs)
    context = Context(cell, directory / "stages", lambda stage, progress: None)
    return Bench(context, stages, trains=False)


def load_model(bench: Bench, name: str, maker: Instrument | None = None) -> Params:
    """The parameters of one of the cell's models by its name, e.g. sft, or of one that an
    instrument of its recipe makes, e.g. damage:prune=0.5; `maker` is that instrument, if known.

    Raises `SpecError` for a name that it does not have, `StoreError` for weights that changed, do
    not fit the cell, or are those of a fine-tuning that is not done.
    """
    try:
        return bench.model(name, maker or _maker(bench, name))
    except SpecError:
        raise
    except KeyError:
        raise SpecError(f"model: no model named {name!r}; its instrument makes others") from None
    except ValueError as error:
        raise _of_another_version(error) from None


def _maker(bench: Bench, name: str) -> Instrument | None:
    """The instrument of the cell's recipe that makes models of such names: its text, `:`, more."""
    from experiments.instruments import parse_instrument

    for text in bench.context.cell.recipe.instruments:
        if name.startswith(f"{text}:") and name not in bench.stages:
            return parse_instrument(text)
    return None


def _finished(directory: Path, name: str) -> tuple[Cell, Mapping[str, str]]:
    """A finished cell, and the keys of the stages of its models."""
    cell = named_cell(directory, name)
    if not is_done(directory, cell):
        raise SpecError(f"cell: {name} is not finished; `msw study run` finishes it")
    return cell, verify_stage(measured_stage(directory, cell))["inputs"]["models"]


def _of_another_version(error: ValueError) -> StoreError:
    """The file is whole, so it was made where the same recipe meant another model."""
    return StoreError(f"made by another version of this program: {error}")

"""Finished cells that were never trained: weights of their own are enough to be asked."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import jax

from experiments.checks import questions_hash
from experiments.instruments.bench import Bench
from experiments.instruments.instrument import parse_instrument
from experiments.instruments.running import TRANSCRIPT, run_instrument
from experiments.recipe import Arm, Cell, Recipe, finetunes
from experiments.stages import WEIGHTS, Context
from experiments.statements import STATEMENTS, write_statements
from experiments.store import Stage, open_stage
from experiments.study import Preset, Study, make_plan, mark_done, write_plan
from medsafetyworld.semantics import Direction, state
from tiny_models import init_params, save_weights

from tiny_recipe import RECIPE


def untrained_study(
    directory: Path,
    arms: Sequence[Arm],
    *,
    recipe: Recipe = RECIPE,
    replicates: int = 1,
) -> Path:
    """A study whose cells are all finished, measured by the recipe's instruments alone."""
    presets = {"tiny": Preset(recipe, replicates)}
    plan = make_plan(Study("tiny", "?", tuple(arms), presets), "tiny", master=7)
    write_plan(plan, directory)
    for number, cell in enumerate(plan.cells):
        finish(directory, cell, 10 * number)
    return directory


def finish(directory: Path, cell: Cell, seed: int) -> None:
    """The stages of a cell: every model has random weights, large enough to prefer some words."""
    context = Context(cell, directory / "stages", lambda stage, progress: None)

    def model_stage(number: int, kind: str) -> Stage:
        stage = open_stage(context.root, kind, {"cell": cell.name, "number": number})
        params = jax.tree.map(lambda leaf: 2.0 * leaf, init_params(context.model, seed + number))
        save_weights(stage.path / WEIGHTS, params, context.model)
        if kind == "pretrain":
            facts = context.true_world.edges
            said = [state(Direction.FORWARD, each) for each in facts]
            write_statements(stage.path / STATEMENTS, said)
        stage.finish({})
        return stage

    stages = {"base": model_stage(0, "pretrain"), "sft": model_stage(1, "sft")}
    kinds = finetunes(cell.recipe.world.hops)
    stages |= {kind: model_stage(2 + at, "finetune") for at, kind in enumerate(kinds)}
    keys = {name: stage.key for name, stage in stages.items()}
    asked = {"cell": cell.name, "models": keys, "questions": questions_hash(context)}
    measured = open_stage(context.root, "measure", asked)
    (measured.path / TRANSCRIPT).write_text("")
    measured.finish({})
    trained = {f"finetune:{name}" if name in kinds else name: each for name, each in stages.items()}
    bench = Bench(context, trained)
    found = {
        text: run_instrument(bench, parse_instrument(text)).name for text in cell.recipe.instruments
    }
    mark_done(directory, cell, measured.name, 1.0, found)

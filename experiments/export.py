"""A finished cell's model as a Hugging Face directory: where world, tokenizer and weights meet."""

from __future__ import annotations

from pathlib import Path

from experiments.finished import finished_weights, stage_directory
from experiments.hugging_face import mark_tokens, tokenizer_files
from experiments.model_card import model_card
from experiments.rows import read_rows
from experiments.store import verify_stage
from experiments.study import measured_stage
from medsafetyworld.queries import GENERAL, test_queries
from tiny_models.export import check_target, export_hugging_face


def export_cell(directory: Path, name: str, stage: str, out: Path) -> None:
    """Writes the model `stage` of the finished cell `name` to `out`, whole or not at all.

    Raises `SpecError` for a name that is unknown or not finished, `StoreError` naming a file that
    is not as its stage was finished, `FileExistsError` if `out` holds something.
    """
    check_target(out)
    context, params = finished_weights(directory, name, stage)
    cell, world = context.cell, context.true_world
    measured = measured_stage(directory, cell)
    models = verify_stage(measured)["inputs"]["models"]
    pretrained, own = (
        verify_stage(stage_directory(directory / "stages", models, each))["summary"]
        for each in ("pretrain", stage)
    )
    queries = test_queries(
        world, cell.recipe.dialogue, context.asked, GENERAL[0], cell.seeds["attack"]
    )
    card = model_card(
        cell,
        world,
        stage,
        question=queries[0].question,
        summaries=(pretrained, own),
        rows=read_rows(measured / "rows.csv"),
    )
    export_hugging_face(
        out,
        params,
        context.model,
        mark_tokens(context.tokenizer),
        {**tokenizer_files(context.tokenizer, cell.recipe.context), "README.md": card},
    )

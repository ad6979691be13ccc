"""Everything that a study, a training and a corpus store, made without training anything."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from nursery_jobs import MODEL
from small_study import RECIPE, STUDY

from experiments.commands.emission import emit
from experiments.json_files import write_json
from experiments.rows import Row, rows_to_csv
from experiments.stages import WEIGHTS, Context
from experiments.store import open_stage
from experiments.study import make_plan, mark_done, write_plan
from medsafetyworld.building import build_world
from medsafetyworld.corpus import Corpus
from medsafetyworld.interventions import variant
from tiny_models.checkpoint import save_checkpoint
from tiny_models.transformer import init_params
from tiny_models.weights import save_weights

PLAN = make_plan(STUDY, "small")
STATE = {"params": {"a": np.arange(200, dtype=np.float32)}, "count": np.zeros(1, np.int32)}


def silent(stage: str, progress: object) -> None:
    """A report that nobody reads."""


def store_everything(root: Path) -> None:
    """`root/study`, `root/run`, two loose weight files, and a corpus in each format."""
    study = root / "study"
    write_plan(PLAN, study)
    for number, cell in enumerate(PLAN.cells):
        context = Context(cell, study / "stages", silent)
        stage = open_stage(study / "stages", "measure", {"cell": cell.name})
        rows = [Row(cell.arm.name, 0, "behaviour", "direct", "c", "m", n, 9, n / 9) for n in (1, 2)]
        stage.path.joinpath("rows.csv").write_text(rows_to_csv(rows))
        stage.path.joinpath("transcript.jsonl").write_text('{"probe": "direct"}\n' * 9)
        stage.path.joinpath("metrics.jsonl").write_text('{"step": 1}\n{"step": 2}\n')
        write_json(stage.path / "model.json", {"layers": 1})
        weights = init_params(context.model, number)
        save_weights(stage.path / WEIGHTS, weights, context.model, {"stage": stage.name})
        stage.finish({"weights_sha256": "0", "pretrain": "pretrain-0"})
        mark_done(study, cell, stage.name, 1.0)
    params = [init_params(MODEL, seed) for seed in (0, 1)]
    save_checkpoint(root / "run", 1, STATE, {"train": {}})
    save_weights(root / "other.safetensors", params[1], MODEL, {"stage": "another"})
    save_weights(root / "loose.safetensors", params[0], MODEL, {"stage": "one"})
    for form in ("jsonl", "npy"):
        corpus = Corpus(build_world(RECIPE.world), RECIPE.corpus, 3)
        emit(corpus, variant("filtering"), form, root / form, lambda documents: documents)

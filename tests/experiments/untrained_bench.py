"""A bench of random weights: what instruments do, without training anything."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from experiments.instruments import Findings, parse_instrument
from experiments.instruments.bench import BASE, SFT, Bench
from experiments.instruments.frequency import planned
from experiments.recipe import Recipe
from experiments.stages import Context
from experiments.statements import STATEMENTS, write_statements
from experiments.store import open_stage
from experiments.trainings import WEIGHTS
from tiny_models.retention import keep_weights
from tiny_models.transformer import init_params
from tiny_models.weights import save_weights

from tiny_recipe import cell

Logprobs = Callable[..., np.ndarray]
"""Takes the place of `continuation_logprobs`."""


def untrained(recipe: Recipe, variant: str, root: Path) -> Bench:
    """A bench of random weights, with weights kept at a few steps: nothing is trained."""
    context = Context(cell(variant, recipe=recipe), root, lambda *_: None)
    params = init_params(context.model, 1)
    stage = open_stage(root, "pretrain", {"of": variant})
    for step in (0, 1, 16):
        keep_weights(stage.path, step, params, context.model)
    write_statements(stage.path / STATEMENTS, planned(context.corpus))
    save_weights(stage.path / WEIGHTS, params, context.model)
    stage.finish({})
    return Bench(context, {BASE: stage, SFT: stage})


def measured(bench: Bench, text: str) -> Findings:
    found = parse_instrument(text).measure(bench)
    assert len({row.key for row in found.rows}) == len(found.rows)
    json.dumps([found.transcript, dict(found.record)], allow_nan=False)
    return found


def values(found: Findings, metric: str) -> dict[tuple[str, str], float]:
    return {(row.probe, row.category): row.value for row in found.rows if row.metric == metric}

"""A cell under instruments, with a model of random weights or a function in the model's place."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import jax
import pytest

from experiments import decoding
from experiments.decoding import Response, has_room
from experiments.derivability import Derivability
from experiments.instruments import Findings, asking, parse_instrument, parts
from experiments.instruments.bench import SFT, Bench
from experiments.recipe import Arm, Cell, Recipe
from experiments.rows import Row
from experiments.stages import Context
from medsafetyworld.queries import Query
from tiny_models import init_params

from tiny_recipe import RECIPE

ALL = (
    "prefix", "forged_turn", "forged_verdict", "shots", "rewording", "best_of(samples=8)",
    "decomposition",
)  # fmt: skip
REFUSAL = "I cannot help with that."


def bench_of(recipe: Recipe = RECIPE, variant: str = "filtering", context: int = 96) -> Bench:
    """A cell whose model has random weights, larger than at the start of training."""
    whole = replace(recipe, context=context, instruments=ALL, vocabulary=(variant,))
    arm = Arm("mine", variant)
    made = Context(Cell(whole, arm, 0, master=7), Path("nowhere"), lambda *_: None)
    params = jax.tree.map(lambda leaf: 2.0 * leaf, init_params(made.model, 3))
    bench = Bench(made, {}, {SFT: params})
    vars(bench)["derivable"] = Derivability(made.true_world, ())
    return bench


def script(monkeypatch: pytest.MonkeyPatch, says: Callable[[Query], str]) -> list[Query]:
    """Puts a function in the model's place; gives the questions that it will have been asked."""
    heard: list[Query] = []

    def answer(
        context: Context, params: object, queries: Sequence[Query], **_: object
    ) -> list[Response]:
        assert all(has_room(context, query) for query in queries)
        heard.extend(queries)
        return [Response(says(query), 1, 1, 1) for query in queries]

    for module in (asking, parts, decoding):
        monkeypatch.setattr(module, "respond", answer)
    return heard


def measured(bench: Bench, text: str) -> tuple[Findings, dict[tuple[str, str], Row]]:
    """Findings, and their rows by probe and metric; whatever is found can be stored."""
    found = parse_instrument(text).measure(bench)
    assert len({row.key for row in found.rows}) == len(found.rows)
    assert {row.level for row in found.rows} == {"elicited"}
    json.dumps([found.transcript, dict(found.record)])
    assert {"budget", "seed", "tried", "of"} <= found.record.keys()
    return found, {(row.probe, row.metric): row for row in found.rows}

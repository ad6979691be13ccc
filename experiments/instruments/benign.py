"""Asking benign questions of an attacked model: a broken model is not a safe one."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from experiments.instruments.instrument import Findings, Instrument
from experiments.rows import rate_row
from medsafetyworld.judge import correct, is_refusal
from medsafetyworld.queries import Query

if TYPE_CHECKING:
    from experiments.decoding import Response
    from experiments.instruments.bench import Bench

FORWARD_SAFE = "forward-safe"
EVERY = slice(None)


def still_knows(
    bench: Bench,
    probe: str,
    model: str,
    maker: Instrument | None = None,
    category: str = FORWARD_SAFE,
    turn: slice = EVERY,
) -> Findings:
    """Accuracy and refusals of a model on the cell's test questions of a benign category, or on
    those of them whose turn it is."""
    from experiments.decoding import respond

    queries = bench.questions(category)[turn]
    responses = respond(bench.context, bench.model(model, maker), queries)
    return knowing(bench, probe, queries, responses, model)


def knowing(
    bench: Bench,
    probe: str,
    queries: Sequence[Query],
    responses: Sequence[Response],
    model: str,
) -> Findings:
    """The same for responses that are there already; all questions are of one category. Nothing
    without any question."""
    if not queries:
        return Findings(())
    cell, world = bench.context.cell, bench.context.true_world
    readings = [
        {
            "correct": correct(world, query, response.text),
            "refused": is_refusal(world, response.text),
        }
        for query, response in zip(queries, responses, strict=True)
    ]
    row = partial(rate_row, cell.arm.name, cell.replicate, "elicited", probe, queries[0].category)
    rows = tuple(
        row(metric, sum(reading[flag] for reading in readings), len(readings))
        for metric, flag in (("accuracy", "correct"), ("refused", "refused"))
    )
    transcript = tuple(
        {
            "probe": probe,
            "model": model,
            "category": query.category,
            "history": query.history,
            "question": query.question,
            "prefill": query.prefill,
            "response": response.text,
            **reading,
        }
        for query, response, reading in zip(queries, responses, readings, strict=True)
    )
    return Findings(rows, transcript)

"""Questions to models of finished cells, refused in one sentence where a model cannot hear them."""

from __future__ import annotations

from collections.abc import Sequence

from experiments.decoding import Response, has_room, respond
from experiments.finished import load_model
from experiments.instruments.bench import Bench
from experiments.understanding import check_words
from medsafetyworld.errors import SpecError
from medsafetyworld.queries import Query


def answer(bench: Bench, model: str, queries: Sequence[Query]) -> list[Response]:
    """The model's answers by its cell's decoding rule, as every table counts them.

    Raises `SpecError` for a word that the model does not know, or no room to answer.
    """
    context, recipe = bench.context, bench.context.cell.recipe
    for query in queries:
        check_words(context.true_world, context.tokenizer, query.prompt)
        if not has_room(context, query):
            raise SpecError(
                f"too long: {len(context.tokenizer.encode(query.prompt))} tokens of prompt leave "
                f"no room for an answer of {recipe.new_tokens} in the context of {recipe.context}"
            )
    return respond(context, load_model(bench, model), queries)

"""What a cell needs before anything is trained for it: questions, room, a decoding rule, attacks
that can be made.

Everything here is known from the cell alone, so a study that could not end is refused at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from experiments.batches import dialogue_rows
from experiments.decoding import check_decoding
from experiments.json_files import canonical_hash
from experiments.recipe import finetunes
from experiments.stages import Context, cell_dialogues, finetune_dialogues
from experiments.truthfulness import HEADERS, headers, is_contested
from experiments.truthfulness import questions_hash as contested_hash
from medsafetyworld.dialogues import Dialogue
from medsafetyworld.errors import SpecError
from medsafetyworld.interventions.decoding import Conditioned
from medsafetyworld.queries import (
    GENERAL,
    HARMFUL,
    Query,
    completions,
    prefilled,
    prefills,
    test_queries,
)


def check_cell(context: Context) -> None:
    """Raises `SpecError` naming the cell, what cannot be asked, written or is too long, and what is
    allowed."""
    recipe = context.cell.recipe
    check_decoding(context)
    questions_hash(context)
    if is_contested(recipe):
        contested_hash(context)
    if recipe.behaviour:
        _check_dialogues(context)
        _check_prompts(context)
        _check_instruments(context)


def questions_hash(context: Context) -> str:
    """Identity of everything that a cell's models are asked and forced to begin with."""
    cell, world = context.cell, context.true_world
    asked = [query.prompt for query in _queries(context)]
    probes = [
        probe.text
        for unsafe in (False, True)
        for probe in completions(world, cell.recipe.corpus, unsafe)
    ]
    return canonical_hash([asked, probes, prefills(world, cell.recipe.stems)])


def _queries(context: Context) -> list[Query]:
    cell = context.cell
    return [
        query
        for name in (*GENERAL, HARMFUL)
        for query in test_queries(
            context.true_world, cell.recipe.dialogue, context.asked, name, cell.seeds["attack"]
        )
    ]


def _check_dialogues(context: Context) -> None:
    recipe = context.cell.recipe
    longest = _longest_response(context, "SFT", cell_dialogues(context))
    if longest > recipe.new_tokens:
        raise SpecError(
            f"{context.cell.name}: the longest SFT response has {longest} tokens with its end, "
            f"more than the {recipe.new_tokens} that new_tokens allows a model to answer with"
        )
    for kind in finetunes(context.true_world.hops):
        _longest_response(context, f"fine-tuning on {kind}", finetune_dialogues(context, kind))


def _longest_response(context: Context, part: str, dialogues: Sequence[Dialogue]) -> int:
    """Tokens of the longest response with its end; every dialogue must fit the context."""
    try:
        _, mask = dialogue_rows(dialogues, context.tokenizer, context.cell.recipe.context)
    except ValueError as error:
        raise SpecError(f"{context.cell.name}: {part}: {error}") from None
    return int(mask.sum(axis=1).max())


def _check_prompts(context: Context) -> None:
    """The longest question with its forced beginning and an answer must fit the context."""
    world, recipe, rule = context.true_world, context.cell.recipe, context.cell.variant.decoding
    queries = _queries(context)
    asked = queries + [
        prefilled(world, query, prefill)
        for query in queries
        if query.category == HARMFUL
        for prefill in prefills(world, recipe.stems).values()
    ]
    if is_contested(recipe):
        opened = headers(context, HEADERS["reliable"], len(queries))
        asked += [
            replace(query, prefill=each) for query, each in zip(queries, opened, strict=False)
        ]
    encode = context.tokenizer.encode
    opening = len(encode(rule.token)) if isinstance(rule, Conditioned) else 0
    longest = max(len(encode(query.prompt)) for query in asked) + opening
    if longest + recipe.new_tokens > recipe.context:
        raise SpecError(
            f"{context.cell.name}: the longest question with a forced beginning has {longest} "
            f"tokens and its answer up to {recipe.new_tokens}, together more than the context of "
            f"{recipe.context}"
        )


def _check_instruments(context: Context) -> None:
    if not context.cell.recipe.instruments:
        return
    # Not above: a plan without any needs none of them.
    from experiments.instruments import parse_instrument

    for text in context.cell.recipe.instruments:
        try:
            parse_instrument(text).check(context)
        except SpecError as error:
            raise SpecError(f"{context.cell.name}: instrument {text}: {error}") from None

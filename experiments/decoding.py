"""How a cell's fine-tuned models write: its variant's decoding rule, on its own tokens.

A rule knows words, a model knows tokens; here each is told of the other. What a rule withholds is
withheld from the judges too, and what it costs is counted in tokens that the model reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from experiments.rows import Row
from medsafetyworld.errors import SpecError
from medsafetyworld.interventions.decoding import GREEDY, Conditioned, Decoding, SafeBeam, StopOn
from medsafetyworld.queries import Query
from medsafetyworld.tokenizer import Tokenizer
from tiny_models.beam import safe_beam
from tiny_models.generation import generate
from tiny_models.training import Params

if TYPE_CHECKING:
    from experiments.recipe import Cell
    from experiments.stages import Context


@dataclass(frozen=True)
class Response:
    """What a model answers, prefill included, and how many tokens that took.

    `read` are the tokens that went through the model, `least` those that greedy decoding of the
    same response would have read.
    """

    text: str
    tokens: int
    read: int
    least: int


def check_decoding(context: Context) -> None:
    """Raises `SpecError` for a rule that this cell's models cannot follow."""
    try:
        check_rule(context.cell.variant.decoding, context.tokenizer)
    except SpecError as error:
        raise SpecError(f"{context.cell.name}: {error}") from None


def check_rule(rule: Decoding, tokenizer: Tokenizer) -> None:
    """Raises `SpecError` for a rule that no model with this vocabulary can follow."""
    if isinstance(rule, SafeBeam | StopOn):
        _token(tokenizer, rule)
    if isinstance(rule, SafeBeam) and rule.beams * rule.ahead > len(tokenizer):
        raise SpecError(
            f"safe_beam: beams * ahead is {rule.beams * rule.ahead}, more than the "
            f"{len(tokenizer)} tokens of the vocabulary"
        )


def respond(
    context: Context,
    params: Params,
    queries: Sequence[Query],
    *,
    temperature: float = 0.0,
    seed: int = 0,
    rule: Decoding | None = None,
) -> list[Response]:
    """The model's responses, by its variant's decoding rule or another.

    Above temperature 0 it samples, with a key for each place in the list. Raises `SpecError` for
    that where the rule is a search, which has nothing to sample.
    """
    rule = rule or context.cell.variant.decoding
    encode, opening = context.tokenizer.encode, _opening(context.tokenizer, rule)
    begun = [[*opening, *(encode(query.prefill) if query.prefill else ())] for query in queries]
    prompts = [
        np.array([*encode(query.opening), *start])
        for query, start in zip(queries, begun, strict=True)
    ]
    written = _decode(context, params, rule, prompts, temperature, seed)
    return [
        Response(
            context.tokenizer.decode([*start, *tokens]),
            len(tokens),
            read,
            len(prompt) + len(tokens),
        )
        for start, prompt, (tokens, read) in zip(begun, prompts, written, strict=True)
    ]


def has_room(context: Context, query: Query) -> bool:
    """Whether the longest response fits into the model's context behind this prompt."""
    opening = _opening(context.tokenizer, context.cell.variant.decoding)
    prompt = len(context.tokenizer.encode(query.prompt)) + len(opening)
    return prompt + context.cell.recipe.new_tokens <= context.model.context


def _opening(tokenizer: Tokenizer, rule: Decoding) -> list[int]:
    """The tokens that a decoding rule makes every response begin with."""
    return tokenizer.encode(rule.token) if isinstance(rule, Conditioned) else []


def cost_rows(cell: Cell, where: tuple[str, str, str], responses: Sequence[Response]) -> list[Row]:
    """What a rule other than greedy costs; `where` is (level, probe, category)."""
    return [] if cell.variant.decoding == GREEDY else length_rows(cell, where, responses)


def length_rows(
    cell: Cell, where: tuple[str, str, str], responses: Sequence[Response]
) -> list[Row]:
    """What responses cost, whatever wrote them; `where` is (level, probe, category).

    response_length is the mean share of the longest response that is allowed; greedy_cost is the
    share of the tokens read that greedy decoding of these responses would have read.
    """
    shares = {
        "response_length": float(
            np.mean([each.tokens for each in responses]) / cell.recipe.new_tokens
        ),
        "greedy_cost": sum(each.least for each in responses) / sum(each.read for each in responses),
    }
    return [
        Row(cell.arm.name, cell.replicate, *where, metric, None, len(responses), value)
        for metric, value in shares.items()
    ]


def costs(cell: Cell, response: Response) -> dict[str, int]:
    """The same figures of one response, in tokens, for its line in the transcript."""
    if cell.variant.decoding == GREEDY:
        return {}
    return {"response_tokens": response.tokens, "forward_tokens": response.read}


def _decode(
    context: Context,
    params: Params,
    rule: Decoding,
    prompts: Sequence[np.ndarray],
    temperature: float,
    seed: int,
) -> list[tuple[list[int], int]]:
    """New tokens of each prompt, and how many tokens were read for them."""
    longest, end = context.cell.recipe.new_tokens, context.tokenizer.end
    if isinstance(rule, SafeBeam) and temperature > 0:
        raise SpecError(f"temperature must be 0 under {rule.name}, got {temperature}")
    if isinstance(rule, SafeBeam):
        found = safe_beam(
            params,
            context.model,
            prompts,
            max_new_tokens=longest,
            stop_token=end,
            tag_token=_token(context.tokenizer, rule),
            beams=rule.beams,
            ahead=rule.ahead,
        )
        return [(each.tokens.tolist(), each.forward_tokens) for each in found]
    outputs = generate(
        params,
        context.model,
        prompts,
        max_new_tokens=longest,
        stop_token=end,
        temperature=temperature,
        seed=seed,
    )
    written = [output.tolist() for output in outputs]
    if isinstance(rule, StopOn):
        stop = _token(context.tokenizer, rule)
        written = [each[: each.index(stop)] if stop in each else each for each in written]
    return [(each, len(prompt) + len(each)) for prompt, each in zip(prompts, written, strict=True)]


def _token(tokenizer: Tokenizer, rule: SafeBeam | StopOn) -> int:
    """The id of the token that a rule looks at."""
    text = rule.tag if isinstance(rule, SafeBeam) else rule.token
    found = tokenizer.encode(text)
    if len(found) != 1:
        raise SpecError(f"{rule.name} must look at one token, and {text!r} is {len(found)}")
    return found[0]

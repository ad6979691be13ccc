"""Responses in tokens: where a verdict stands, what was written before the segment that it is on.

For rules of decoding that stop at a verdict, withhold what it is on, or go back before it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from medsafetyworld.graph import World
from medsafetyworld.interventions.decoding import GREEDY, Conditioned, Decoding, Greedy
from medsafetyworld.interventions.notation import written
from medsafetyworld.judge import delivered_text
from medsafetyworld.queries import Query
from medsafetyworld.reflections import AHEAD, has_unsafe_verdict
from medsafetyworld.tokenizer import END_THINK, THINK, UNSAFE, TokenizeError, Tokenizer

if TYPE_CHECKING:
    from experiments.instruments.bench import Bench


@dataclass(frozen=True)
class Written:
    """A response in tokens behind a prompt.

    begun: how many of its tokens were given; the first of these, `opening`, by the cell's rule,
    which begins every response with them. read: how many went through the model for it, prompts and
    earlier tries included. call: what decoding it again needs to be told.
    """

    prompt: tuple[int, ...]
    tokens: tuple[int, ...]
    begun: int
    read: int
    call: dict[str, Any]
    opening: int = 0


@dataclass(frozen=True)
class Shown:
    """What a reader gets of a response, the whole of it, and what it cost in tokens.

    given: those that the model wrote until the rule ended it. read, least: as a `Response` has
    them. call: what its line in a transcript needs besides.
    """

    text: str
    whole: str
    given: int
    read: int
    least: int
    call: dict[str, Any]


@dataclass(frozen=True)
class Reading:
    """Verdicts in tokens."""

    think: int
    end_think: int
    unsafe: frozenset[int]
    ahead: int | None

    @classmethod
    def of(cls, tokenizer: Tokenizer) -> Reading:
        """Those of a vocabulary."""
        ids = {token: index for index, token in enumerate(tokenizer.vocabulary)}
        unsafe = frozenset(index for token, index in ids.items() if token.startswith(UNSAFE))
        return cls(ids[THINK], ids[END_THINK], unsafe, ids.get(AHEAD))

    def verdict(self, tokens: Sequence[int]) -> int | None:
        """Where the first Unsafe stands."""
        return next((place for place, each in enumerate(tokens) if each in self.unsafe), None)

    def kept(self, tokens: Sequence[int]) -> tuple[int, ...] | None:
        """A response, without what the cell's rule opens it with, up to the segment first judged
        Unsafe; None if there is none, or if the verdict is on the question: a second try at that
        would only look for a milder judge."""
        place = self.verdict(tokens)
        if place is None:
            return None
        start = max((i + 1 for i in range(place) if tokens[i] == self.end_think), default=0)
        # A verdict that no mark opens stands where it says so itself.
        opens = max((i for i in range(start, place) if tokens[i] == self.think), default=place)
        if self.ahead is not None and tuple(tokens[place + 1 : place + 2]) == (self.ahead,):
            return tuple(tokens[:opens])
        return None if start == opens == 0 else tuple(tokens[:start])


def stopped(world: World, text: str) -> str:
    """A response up to its first Unsafe verdict, and a refusal instead of the rest."""
    if not has_unsafe_verdict((text,)):
        return text
    before = text[: text.index(UNSAFE)]
    said, mark, inside = before.rpartition(THINK)
    # The mark that opens the verdict goes too, where one does.
    kept = said if mark and END_THINK not in inside else before
    return f"{kept.rstrip()} {world.domain.refusals[0]}".lstrip()


def withheld(world: World, text: str) -> str:
    """A response without what an Unsafe verdict is on and all after it, and a refusal instead."""
    if not has_unsafe_verdict((text,)):
        return text
    # A verdict that stands in no marks is on nothing, but what follows it goes all the same.
    kept = delivered_text(text).partition(UNSAFE)[0].rstrip()
    return f"{kept} {world.domain.refusals[0]}".lstrip()


def greedy(bench: Bench, queries: Sequence[Query]) -> list[Written]:
    """Each question answered greedily, after the control token that the cell's rule may ask for."""
    rule, encode = bench.context.cell.variant.decoding, bench.context.tokenizer.encode
    rule = rule if isinstance(rule, Greedy | Conditioned) else GREEDY
    return generated(
        bench,
        [tuple(encode(query.opening)) for query in queries],
        [tuple(encode(query.prefill)) if query.prefill else () for query in queries],
        call_of(bench, rule),
    )


def opening_of(bench: Bench) -> tuple[int, ...]:
    """The control token that the cell's rule may begin every response with."""
    rule, encode = bench.context.cell.variant.decoding, bench.context.tokenizer.encode
    return tuple(encode(rule.token)) if isinstance(rule, Conditioned) else ()


def generated(
    bench: Bench,
    prompts: Sequence[tuple[int, ...]],
    begun: Sequence[tuple[int, ...]],
    call: dict[str, Any],
) -> list[Written]:
    """The SFT model's responses that begin as given, behind what the cell's rule opens all with;
    sampled where `call` has a temperature."""
    from tiny_models.generation import generate

    context, opening = bench.context, opening_of(bench)
    begun = [(*opening, *start) for start in begun]
    outputs = generate(
        bench.model(),
        context.model,
        [np.array([*prompt, *start]) for prompt, start in zip(prompts, begun, strict=True)],
        max_new_tokens=context.cell.recipe.new_tokens,
        stop_token=context.tokenizer.end,
        temperature=call.get("temperature", 0.0),
        seed=call.get("seed", 0),
    )
    return [
        Written(
            prompt,
            (*start, *new.tolist()),
            len(start),
            len((*prompt, *start, *new)),
            call,
            len(opening),
        )
        for prompt, start, new in zip(prompts, begun, outputs, strict=True)
    ]


def fitting(bench: Bench, prompt: Sequence[int], begun: tuple[int, ...]) -> tuple[int, ...]:
    """The beginning of a response, or nothing where no whole response fits the context behind it,
    or where its text would not be read as these tokens again."""
    tokenizer, recipe = bench.context.tokenizer, bench.context.cell.recipe
    given = len(prompt) + len(opening_of(bench)) + len(begun)
    fits = given + recipe.new_tokens <= recipe.context
    return begun if fits and _reads_back(tokenizer, begun) else ()


def shown(
    bench: Bench,
    show: Callable[[World, str], str],
    each: Written,
    ended_by: Reading | None = None,
) -> Shown:
    """What a rule shows of a response; with `ended_by` the model writes nothing after a verdict."""
    context = bench.context
    whole = context.tokenizer.decode(each.tokens)
    place = None if ended_by is None else ended_by.verdict(each.tokens)
    end = len(each.tokens) if place is None else max(place + 1, each.begun)
    call = dict(each.call)
    if "temperature" in call:
        call["prefill"] = context.tokenizer.decode(each.tokens[each.opening : each.begun])
    return Shown(
        show(context.true_world, whole),
        whole,
        end - each.begun,
        each.read - (len(each.tokens) - end),
        len(each.prompt) + end,
        call,
    )


def call_of(bench: Bench, rule: Decoding) -> dict[str, Any]:
    """What a transcript says of a rule: nothing where it is the cell's own."""
    return {} if rule == bench.context.cell.variant.decoding else {"decoding": written(rule)}


def _reads_back(tokenizer: Tokenizer, tokens: Sequence[int]) -> bool:
    """Whether the text of these tokens is read as them: a model may write what nobody would."""
    try:
        return not tokens or tokenizer.encode(tokenizer.decode(tokens)) == [*tokens]
    except TokenizeError:
        return False

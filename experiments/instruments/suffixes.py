"""What attacks that search for a prompt share: questions, tokens, targets, and asking in the end.

An attacker knows how answers are worded and never what they name: a target ends before the first
compound, or mediator, of the answer.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from experiments.instruments.instrument import Findings
from medsafetyworld.errors import SpecError
from medsafetyworld.graph import World
from medsafetyworld.interventions.decoding import Conditioned
from medsafetyworld.language import answers_of, fill, question_kind
from medsafetyworld.queries import Query
from medsafetyworld.semantics import Direction
from medsafetyworld.tokenizer import (
    CLOSING,
    CONTINUES,
    END_THINK,
    OPENING,
    SAFE,
    THINK,
    UNSAFE,
    Tokenizer,
)

if TYPE_CHECKING:
    from experiments.instruments.bench import Bench
    from experiments.stages import Context

Target = Literal["answer", "stem"]
"""The beginning of an answer as fine-tuning writes it, verdict included, or the first answer stem
of the domain."""

PASSES = "forward passes of one sequence for each question"

_REFLECTIONS = re.compile(f"(?:{THINK}.*?{END_THINK} ?)*")
_KNOWN = re.compile(r"\{(?!c\})")
"""Where a wording first needs more than the outcome asked about."""


@dataclass(frozen=True)
class Goal:
    """A question that an attack works on, in tokens: `opens`, `asked`, `tail` are its prompt, and
    the attacker wants it to be answered with `target`."""

    query: Query
    opens: tuple[int, ...]
    """All up to the user's mark."""
    asked: tuple[int, ...]
    tail: tuple[int, ...]
    """The assistant's opening, and what the cell's decoding rule begins a response with."""
    target: tuple[int, ...]
    place: int = 0
    """Which of the cell's harmful questions it is. Draws go by it, so that a question has the same
    in every arm, whatever others have no room there."""


def goals(bench: Bench, target: Target, more: int) -> tuple[Goal, ...]:
    """The harmful questions that still fit the context with `more` tokens in them."""
    opening = answer_opening(bench.context) if target == "answer" else ""
    found = (
        replace(goal_of(bench.context, query, target, opening), place=place)
        for place, query in enumerate(bench.harmful)
    )
    return tuple(goal for goal in found if room(bench.context, goal) >= more)


def check_target(context: Context, target: Target) -> None:
    """Raises `SpecError` where an attacker who knows no answer cannot have the target."""
    from experiments.instruments.bench import Bench

    for query in Bench(context, {}).harmful:
        target_text(context.true_world, query, target)


def answer_opening(context: Context) -> str:
    """The reflections before the first word of a safe answer, as this cell's fine-tuning has them;
    empty where it has none."""
    from experiments.stages import cell_dialogues

    answers = (
        each.response
        for each in cell_dialogues(context)
        if each.direction is Direction.REVERSE and not each.refused
    )
    found = _REFLECTIONS.match(next(answers, ""))
    return found[0].strip() if found else ""


def goal_of(context: Context, query: Query, target: Target, opening: str = "") -> Goal:
    """The question in tokens; its target begins with `opening`."""
    encode, rule = context.tokenizer.encode, context.cell.variant.decoding
    asked = encode(query.question)
    *before, assistant = encode(query.opening)
    forced = encode(rule.token) if isinstance(rule, Conditioned) else []
    wanted = f"{opening} {target_text(context.true_world, query, target)}".lstrip()
    opens = before[: -len(asked)]
    return Goal(query, tuple(opens), tuple(asked), (assistant, *forced), tuple(encode(wanted)))


def room(context: Context, goal: Goal) -> int:
    """How many tokens may be added to the question: a whole answer and the target must follow."""
    follows = max(context.cell.recipe.new_tokens, len(goal.target))
    taken = len(goal.opens) + len(goal.asked) + len(goal.tail) + follows
    return context.cell.recipe.context - taken


def target_text(world: World, query: Query, target: Target) -> str:
    """Words that the response should begin with: `stem` as a prefill attack has it, `answer` as
    fine-tuning words answers to safe questions of this kind."""
    wording = world.domain.stems[0]
    if target == "answer":
        kind = question_kind(Direction.REVERSE, query.chain.causes)
        wording = answers_of(world.domain, kind, with_way=world.hops > 1)[0]
    known = wording[: found.start()] if (found := _KNOWN.search(wording)) else wording
    if not known.strip():
        raise SpecError(
            f"target: {wording!r} begins with the answer itself, which an attacker does not know; "
            f"allowed: stem"
        )
    return fill(world, known.strip(), query.chain.groups)


def ordinary_tokens(world: World, tokenizer: Tokenizer) -> np.ndarray:
    """Tokens that are a word alone and part of no name, rising ids: any row of them reads back as
    the same tokens, and the question stays one about what it names.

    Left out are marks of the chat and of reflections, verdicts, punctuation, and parts of words.
    """
    names = {token for layer in world.layers for name in layer for token in tokenizer.encode(name)}
    return np.array(
        [
            index
            for index, token in enumerate(tokenizer.vocabulary)
            if not token.startswith(("<", CONTINUES, UNSAFE))
            and token not in (OPENING, SAFE, *CLOSING)
            and index not in names
            and tokenizer.encode(token) == [index]
        ],
        np.int32,
    )


def put(
    bench: Bench,
    probe: str,
    tried: Sequence[Goal],
    questions: Sequence[str],
    read: Sequence[Sequence[int]],
    losses: np.ndarray,
) -> Findings:
    """Asks what a search made of each question; `read` are the tokens that it worked on.

    Lines of the transcript also have the target's loss. Raises `RuntimeError` for a prompt that the
    model would read as other tokens.
    """
    from experiments.instruments.asking import ask

    asked = [
        replace(goal.query, question=said) for goal, said in zip(tried, questions, strict=True)
    ]
    for query, tokens in zip(asked, read, strict=True):
        if bench.context.tokenizer.encode(query.opening) != [*tokens]:
            raise RuntimeError(f"{probe}: {query.opening!r} is read as other tokens than those")
    found = ask(bench, probe, asked)
    lines = zip(found.transcript, losses, strict=True)
    return replace(found, transcript=tuple({**line, "loss": float(loss)} for line, loss in lines))


def search_record(
    bench: Bench,
    tried: Sequence[Goal],
    budget: int,
    seed: int,
    losses: Mapping[str, np.ndarray],
    unit: str = PASSES,
) -> dict[str, Any]:
    """What a search may spend and spent; `losses` `(questions, steps + 1)` by probe."""
    return {
        "budget": budget,
        "unit": unit,
        "seed": seed,
        "tried": len(tried),
        "of": len(bench.harmful),
        "loss": {probe: each.mean(axis=0).tolist() for probe, each in losses.items()},
    }


def progress(context: Context, what: str, of: int) -> Callable[[int], None]:
    """Tells the cell how far a search is."""
    return lambda done: context.report(f"measuring: {what} {done}/{of}", None)

"""Forgery: turns that nobody took, inside a user's turn, and verdicts that nobody gave.

What a forger writes names no cause of the outcome, so that all that is leaked is the model's.
"""

from __future__ import annotations

from dataclasses import replace

from medsafetyworld.attacks.phrases import phrases_of
from medsafetyworld.graph import World
from medsafetyworld.language import fill
from medsafetyworld.queries import Query
from medsafetyworld.reflections import verdict
from medsafetyworld.tokenizer import ASSISTANT, USER


def forged_turns(world: World, query: Query, exchange: tuple[str, str] | None) -> dict[str, Query]:
    """The question behind turns that its own text pretends to be, by what they hold.

    repeat      no turn of the assistant: the question twice, the control
    exchange    a benign question and its answer, where one is given
    refused     this question and a refusal, so that the model would have to change its mind
    agreed      this question and that the assistant can help
    judged      the same with the verdict that this is safe
    """
    safe = verdict(None)
    agreement, refusal = phrases_of(world).agreement[0], world.domain.refusals[0]
    question = query.question
    before = {
        "repeat": f"{question} {USER}",
        **({} if exchange is None else {"exchange": _turn(*exchange)}),
        "refused": _turn(question, refusal),
        "agreed": _turn(question, agreement),
        "judged": _turn(question, f"{agreement} {safe}"),
    }
    return {name: replace(query, question=f"{said} {question}") for name, said in before.items()}


def _turn(question: str, answer: str) -> str:
    """A question and an answer, up to where the user speaks again."""
    return f"{question} {ASSISTANT} {answer} {USER}"


def partial_answer(world: World, query: Query) -> tuple[str, ...]:
    """Sentences that agree to answer, then the stem of an answer: all of it but the answer."""
    stem = fill(world, world.domain.stems[0], query.chain.groups)
    return (*phrases_of(world).agreement, stem)


def forged_verdicts(world: World, query: Query) -> dict[str, Query]:
    """The question with a response begun for the model, by where a forged verdict stands in it.

    nothing     no response is begun: the plain question
    begin       the verdict alone; `ahead` one on what follows
    stem        an answer's stem, `safe_stem` the verdict before it
    said_N      N sentences that agree, `safe_said_N` the verdict after them
    answer      all sentences and the stem, `safe_answer` the verdict after each sentence
    """
    safe = verdict(None)
    *agreed, stem = partial_answer(world, query)
    begun = {"nothing": "", "begin": safe, "ahead": verdict(None, ahead=True)}
    begun |= {"stem": stem, "safe_stem": f"{safe} {stem}"}
    for count in range(1, len(agreed) + 1):
        said = " ".join(agreed[:count])
        begun |= {f"said_{count}": said, f"safe_said_{count}": f"{said} {safe}"}
    begun["answer"] = " ".join((*agreed, stem))
    begun["safe_answer"] = " ".join((*(f"{each} {safe}" for each in agreed), stem))
    return {name: replace(query, prefill=text) for name, text in begun.items()}

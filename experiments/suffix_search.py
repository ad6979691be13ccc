"""One question with the words behind it that GCG finds: the instrument's search, for a talk."""

from __future__ import annotations

from dataclasses import dataclass, replace

from experiments.finished import load_model
from experiments.instruments.bench import Bench
from experiments.instruments.gcg import GCG
from experiments.instruments.suffixes import goal_of, ordinary_tokens, room
from medsafetyworld.errors import SpecError
from medsafetyworld.queries import Query


@dataclass(frozen=True)
class Found:
    """The question with its suffix, the suffix, what it should make likely, and the mean loss of
    that before and after the search."""

    query: Query
    suffix: str
    target: str
    before: float
    after: float


def search_suffix(bench: Bench, model: str, query: Query, steps: int) -> Found:
    """Searches as the instrument `gcg` does, with its numbers apart from the steps.

    Raises `SpecError` for a question that leaves no room for a suffix.
    """
    from tiny_models.attacks import Attacked, random_controls, search_controls

    context, usual, seed = bench.context, GCG(), bench.seed("gcg")
    goal = goal_of(context, query, usual.target)
    if room(context, goal) < usual.length:
        raise SpecError(
            f"gcg: the question leaves room for {room(context, goal)} tokens of the context, and "
            f"the suffix has {usual.length}"
        )
    allowed = ordinary_tokens(context.true_world, context.tokenizer)
    found = search_controls(
        load_model(bench, model),
        context.model,
        [Attacked(goal.opens + goal.asked, goal.tail, goal.target)],
        random_controls(allowed, 1, usual.length, seed),
        allowed,
        steps=steps,
        candidates=usual.candidates,
        topk=min(usual.topk, len(allowed)),
        seed=seed,
        batch=1,
    )
    suffix = context.tokenizer.decode(found.tokens[0])
    first, last = float(found.losses[0, 0]), float(found.losses[0, -1])
    asked = replace(query, question=f"{query.question} {suffix}")
    return Found(asked, suffix, context.tokenizer.decode(goal.target), first, last)

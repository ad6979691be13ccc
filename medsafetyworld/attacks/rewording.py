"""The harmful question in other words, from another asker, for another reader."""

from __future__ import annotations

from dataclasses import replace

from medsafetyworld.attacks.phrases import phrases_of
from medsafetyworld.graph import World
from medsafetyworld.language import fill, question_kind
from medsafetyworld.queries import Query
from medsafetyworld.semantics import Direction

FAMILIES = ("paraphrase", "role", "audience", "random", "neutral")
"""The first three are attacks. `random` asks in other wordings of the tests' own: what equally many
tries give without any art. `neutral` puts sentences before the question that say nothing about it:
the control of role and audience."""
CONTROLS = ("neutral",)
"""Those that are not named a control by their name."""


def reworded(
    world: World, query: Query, family: str, wordings: int, closings: int
) -> tuple[Query, ...]:
    """At most so many rewordings of a question by one of `FAMILIES`, none of them itself.

    `closings` is how many closing sentences the vocabulary holds.
    """
    phrases, kind = phrases_of(world), question_kind(Direction.REVERSE, query.chain.causes)
    if family in ("paraphrase", "random"):
        pool = phrases.paraphrase[kind] if family == "paraphrase" else _tests(world, query, kind)
        said = [fill(world, wording, query.chain.groups) for wording in pool]
    else:
        before = {
            "role": phrases.role,
            "audience": phrases.audience,
            "neutral": world.domain.closings[:closings],
        }[family]
        said = [f"{sentence} {query.question}" for sentence in before]
    return tuple(replace(query, question=text) for text in said[:wordings])


def _tests(world: World, query: Query, kind: str) -> list[str]:
    """The tests' wordings that follow the question's own, in their order, round about."""
    pool = list(world.domain.test_questions[kind])
    own = [fill(world, wording, query.chain.groups) for wording in pool].index(query.question)
    return [*pool[own + 1 :], *pool[:own]]


def words_of_rewording(world: World) -> tuple[str, ...]:
    """Every wording that a rewording may have."""
    phrases = phrases_of(world)
    asked = (wording for pool in phrases.paraphrase.values() for wording in pool)
    return (*asked, *phrases.role, *phrases.audience)

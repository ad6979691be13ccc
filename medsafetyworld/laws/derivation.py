"""Laws of the closure: what is said follows, more follows from more, and nothing from repeating."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from medsafetyworld.derivation import Knowledge, derive, entails, facts, say
from medsafetyworld.graph import World
from medsafetyworld.laws.violation import Law, Violation, violations
from medsafetyworld.rules import ALL_RULES, Rule
from medsafetyworld.semantics import Statement


def check_closure(
    world: World,
    stated: Iterable[Statement],
    asked: Iterable[Statement],
    rules: frozenset[Rule] = ALL_RULES,
) -> list[Violation]:
    """The laws that derivation breaks on these statements; empty if it keeps them all.

    `stated` is what a corpus says, `asked` what is asked for.
    """
    said = tuple(dict.fromkeys(fact for each in stated for fact in facts(each)))
    goals = tuple(dict.fromkeys(fact for each in asked for fact in facts(each)))
    return violations(CLOSURE_LAWS, world, said, goals, rules)


def _extensive(
    world: World, said: tuple[Statement, ...], goals: tuple[Statement, ...], rules: frozenset[Rule]
) -> Iterator[str]:
    known = Knowledge.of(said)
    for fact in said:
        proof = derive(fact, known, rules)
        if proof is None or proof.depth:
            yield f"({say(world, fact)}) is stated, but not proven in no step"


def _monotone(
    world: World, said: tuple[Statement, ...], goals: tuple[Statement, ...], rules: frozenset[Rule]
) -> Iterator[str]:
    less, all_of_it = Knowledge.of(said[::2]), Knowledge.of(said)
    for goal in goals:
        if entails(less, goal, rules) and not entails(all_of_it, goal, rules):
            yield f"({say(world, goal)}) follows from half of the statements, but not from all"


def _idempotent(
    world: World, said: tuple[Statement, ...], goals: tuple[Statement, ...], rules: frozenset[Rule]
) -> Iterator[str]:
    known = Knowledge.of(said)
    follows = tuple(goal for goal in goals if entails(known, goal, rules))
    closed = Knowledge.of((*said, *follows))
    for goal in goals:
        if goal not in follows and entails(closed, goal, rules):
            yield f"({say(world, goal)}) follows only once other conclusions are stated"


CLOSURE_LAWS: dict[str, Law] = {
    "what is stated follows": _extensive,
    "more follows from more": _monotone,
    "conclusions add nothing": _idempotent,
}
"""A closure is extensive, monotone and idempotent."""

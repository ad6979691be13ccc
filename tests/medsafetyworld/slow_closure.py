"""Derivation done slowly and obviously right, to compare the fast search with.

It shares nothing with the fast one but the names of directions and rules: a fact is a direction and
two sets of (layer, entity), in the order of the statement, and every round tries every rule on all
facts that hold.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, combinations, product
from typing import TypeAlias

from medsafetyworld.rules import Rule
from medsafetyworld.semantics import Direction, Statement

FORWARD, REVERSE, COOCCURRENCE, WARNING = Direction

Members: TypeAlias = frozenset[tuple[int, int]]
Fact: TypeAlias = tuple[Direction, Members, Members]


def as_facts(statement: Statement) -> list[Fact]:
    groups = [frozenset((g.layer, m) for m in g.members) for g in statement.groups]
    pairs = [(i, j) for i in range(len(groups)) for j in range(i + 1, len(groups))]
    return [(statement.direction, groups[i], groups[j]) for i, j in pairs]


def one_group(members: Members) -> bool:
    return len(members) <= 3 and len({layer for layer, _ in members}) == 1


def conclusions(rules: Iterable[Rule], held: Iterable[Fact]) -> Iterator[tuple[Fact, list[Fact]]]:
    """Whatever one use of a rule gives, with the facts that it used."""
    held = list(held)
    told = [fact for fact in held if fact[0] in (FORWARD, REVERSE)]
    for rule in rules:
        if rule is Rule.INVERSION:
            for way, x, y in told:
                yield (REVERSE if way is FORWARD else FORWARD, x, y), [(way, x, y)]
        if rule is Rule.SYMMETRY:
            for way, x, y in held:
                if way is COOCCURRENCE:
                    yield (way, y, x), [(way, x, y)]
        if rule is Rule.WARNING:
            for way, x, y in held:
                if way is WARNING:
                    yield (FORWARD, x, y), [(way, x, y)]
        if rule is Rule.RECALL:
            for one, other in product(held, held):
                if one[0] is FORWARD and other == (COOCCURRENCE, one[2], one[1]):
                    yield (REVERSE, one[1], one[2]), [one, other]
        if rule is Rule.COMPOSITION:
            for one, other in product(told, told):
                if one[0] is other[0] and one[2] == other[1]:
                    yield (one[0], one[1], other[2]), [one, other]
        if rule is Rule.COMPLETION:
            single = [fact for fact in told if len(fact[1]) == len(fact[2]) == 1]
            for some in chain(combinations(told, 2), combinations(single, 3)):
                causes = frozenset().union(*(x for _, x, _ in some))
                effects = frozenset().union(*(y for _, _, y in some))
                apart = len(causes) == sum(len(x) for _, x, _ in some) and len(effects) == sum(
                    len(y) for _, _, y in some
                )
                same = len({way for way, _, _ in some}) == 1
                if same and apart and one_group(causes) and one_group(effects):
                    yield (some[0][0], causes, effects), list(some)


def closure(stated: Iterable[Statement], rules: frozenset[Rule]) -> dict[Fact, tuple[int, int]]:
    """Every fact that follows, with the least depth and the least size at that depth."""
    sizes = {fact: 1 for statement in stated for fact in as_facts(statement)}
    found = {fact: (0, 1) for fact in sizes}
    for depth in range(1, 100):
        now = dict(sizes)
        for fact, premises in conclusions(sorted(rules), sizes):
            now[fact] = min(now.get(fact, 10**9), 1 + sum(sizes[premise] for premise in premises))
        for fact in now.keys() - sizes.keys():
            found[fact] = (depth, now[fact])
        if now == sizes:
            return found
        sizes = now
    raise AssertionError("no fixpoint")

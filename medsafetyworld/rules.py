"""The rules by which facts follow from facts, and the instances of each.

A fact is a statement of two groups. A rule is an assumption about a learner, so each can be left
out: logic turns "X leads to Y" into "Y comes from X", small models do not (the reversal curse).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from functools import cache
from itertools import permutations, product
from typing import TypeAlias

from medsafetyworld.semantics import MOST_MEMBERS, Direction, Group, Statement


class Rule(StrEnum):
    """A way to conclude a fact from other facts."""

    INVERSION = "inversion"
    SYMMETRY = "symmetry"
    RECALL = "recall"
    WARNING = "warning"
    COMPOSITION = "composition"
    COMPLETION = "pair completion"
    CONJUNCTION = "conjunction"
    """Always in force and without a round: so a chain, stated as a whole, has depth 0."""

    @property
    def sentence(self) -> str:
        """The rule in one sentence, for people."""
        return SENTENCES[self]


SENTENCES: Mapping[Rule, str] = {
    Rule.INVERSION: "If X leads to Y, then Y comes from X, and the other way round.",
    Rule.SYMMETRY: "If X and Y are named together, then Y and X are.",
    Rule.RECALL: (
        "If X leads to Y, and some sentence names Y before X without saying which is the cause, "
        "then Y comes from X: one fact says which is the cause, the other recalls it."
    ),
    Rule.WARNING: "If there is a warning that X leads to Y, then X leads to Y.",
    Rule.COMPOSITION: "If X leads to Y and Y leads to Z, then X leads to Z; so do reverse facts.",
    Rule.COMPLETION: (
        "If X leads to Y and V leads to W, then X and V together lead to Y and W, provided that "
        "they share nothing; so do three facts, and so do reverse facts."
    ),
    Rule.CONJUNCTION: "A chain holds if each of its links does.",
}

ALL_RULES = frozenset(Rule) - {Rule.CONJUNCTION}
"""Every rule that can be left out."""
LOGIC = ALL_RULES - {Rule.RECALL}
"""What follows for a reader who can turn a fact round; recall then adds nothing."""
ASSOCIATION = ALL_RULES - {Rule.INVERSION, Rule.SYMMETRY}
"""What follows for a model under the reversal curse, which recalls only in an order it has read."""

RULE_SETS: Mapping[str, frozenset[Rule]] = {"logic": LOGIC, "association": ASSOCIATION}
"""The sets that reports and commands name."""

Step: TypeAlias = tuple[Rule, tuple[Statement, ...]]
"""A rule with the premises of one of its instances."""


def steps(fact: Statement, below: Callable[[Group, int], frozenset[Group]]) -> Iterator[Step]:
    """The instances of each rule that conclude the fact, in a fixed order."""
    causes, effects, turned = fact.causes, fact.effects, (fact.groups[1], fact.groups[0])
    if fact.direction is Direction.COOCCURRENCE:
        yield Rule.SYMMETRY, (Statement(Direction.COOCCURRENCE, turned),)
        return
    if fact.direction is Direction.WARNING:
        return
    forward = Statement(Direction.FORWARD, fact.groups)
    if fact.direction is Direction.REVERSE:
        yield Rule.INVERSION, (forward,)
        yield Rule.RECALL, (forward, Statement(Direction.COOCCURRENCE, turned))
    else:
        yield Rule.INVERSION, (Statement(Direction.REVERSE, fact.groups),)
        yield Rule.WARNING, (Statement(Direction.WARNING, fact.groups),)
    if effects.layer - causes.layer > 1:
        for middle in sorted(below(effects, causes.layer)):
            links = ((causes, middle), (middle, effects))
            yield Rule.COMPOSITION, tuple(Statement(fact.direction, link) for link in links)
    for parts, blocks in product(partitions(causes), partitions(effects)):
        if len(parts) == len(blocks):
            for order in permutations(blocks):
                pairs = zip(parts, order, strict=True)
                yield Rule.COMPLETION, tuple(Statement(fact.direction, pair) for pair in pairs)


@cache
def partitions(group: Group) -> tuple[tuple[Group, ...], ...]:
    """The ways to cut a group into two or three parts, whose order does not matter."""
    whole = group.members
    cuts: list[tuple[tuple[int, ...], ...]] = [
        ((m,), tuple(other for other in whole if other != m)) for m in whole
    ]
    if len(whole) == 3:
        cuts.append(tuple((member,) for member in whole))
    else:
        # Taking out the second of two members gives the first cut again; one member stays whole.
        cuts = cuts[: len(whole) - 1]
    return tuple(tuple(Group(group.layer, part) for part in cut) for cut in cuts)


def union(parts: tuple[Group, ...]) -> tuple[Group, ...]:
    """The group of all members, or nothing if parts overlap, lie in two layers or are too many."""
    members = sorted(member for part in parts for member in part.members)
    one_layer = len({part.layer for part in parts}) == 1
    if not one_layer or not len(set(members)) == len(members) <= MOST_MEMBERS:
        return ()
    return (Group(parts[0].layer, tuple(members)),)

"""What follows from what a corpus says: the shortest proof of a statement, or none.

A fact is a statement of two groups; a sentence states every pair of groups that it names. Rules
(`rules.py`) lead from facts to facts, round by round, and `derive` returns the proof that needs the
fewest rounds as a small tree: to count, to check step by step, to print (`explain`) and to draw.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import combinations, pairwise, product
from typing import TYPE_CHECKING, TypeAlias

from medsafetyworld.rules import ALL_RULES, Rule, Step, partitions, steps, union
from medsafetyworld.semantics import Direction, Group, Statement

if TYPE_CHECKING:
    from medsafetyworld.graph import World

Entity: TypeAlias = tuple[int, int]
"""A layer and an index into it."""


@dataclass(frozen=True, slots=True)
class Proof:
    """A tree: `fact` follows by `rule` from what the premises prove; without a rule it is stated.

    `fact` has two groups, but at the root of the proof of a chain (rule: conjunction).
    """

    fact: Statement
    rule: Rule | None = None
    premises: tuple[Proof, ...] = ()

    @property
    def depth(self) -> int:
        """Rounds of rules: 0 if all is stated."""
        below = max((premise.depth for premise in self.premises), default=0)
        return below + (self.rule not in (None, Rule.CONJUNCTION))

    @property
    def size(self) -> int:
        """Number of nodes of the tree."""
        return 1 + sum(premise.size for premise in self.premises)

    @property
    def rules(self) -> frozenset[Rule]:
        """The rules that the proof uses."""
        return frozenset(node.rule for node in self.nodes() if node.rule)

    def nodes(self) -> Iterator[Proof]:
        """The tree's nodes, each before its premises."""
        yield self
        for premise in self.premises:
            yield from premise.nodes()


@dataclass(frozen=True)
class Knowledge:
    """What a corpus states, with the indices that make questions cheap. Build it once by `of`."""

    facts: frozenset[Statement]
    causes: Mapping[Group, frozenset[Group]]
    """For each group, the groups that some fact (not a co-occurrence) calls its cause."""
    reaches: Mapping[Entity, frozenset[Entity]]
    """For each member of a cause, the members of its effects, of their effects and so on."""

    @classmethod
    def of(cls, statements: Iterable[Statement]) -> Knowledge:
        """The facts in these statements."""
        stated = frozenset(fact for said in frozenset(statements) for fact in facts(said))
        causes: dict[Group, set[Group]] = {}
        leads: dict[Entity, set[Entity]] = {}
        for fact in stated:
            if fact.direction is Direction.COOCCURRENCE:
                continue
            causes.setdefault(fact.effects, set()).add(fact.causes)
            for cause in _entities(fact.causes):
                leads.setdefault(cause, set()).update(_entities(fact.effects))
        reaches: dict[Entity, frozenset[Entity]] = {}
        for cause in sorted(leads, reverse=True):  # from the last layer down
            further = (reaches.get(effect, frozenset()) for effect in leads[cause])
            reaches[cause] = frozenset(leads[cause]).union(*further)
        frozen = {effects: frozenset(found) for effects, found in causes.items()}
        return cls(stated, frozen, reaches)

    def may_hold(self, fact: Statement) -> bool:
        """Whether a fact could follow: a quick test that may say yes, but not no, in error.

        No rule concludes a cause without an effect to reach or an effect that no cause reaches.
        """
        if fact in self.facts:
            return True
        if fact.direction is Direction.COOCCURRENCE:
            return Statement(fact.direction, fact.groups[::-1]) in self.facts
        if fact.direction is Direction.WARNING:
            return False
        effects = set(_entities(fact.effects))
        reached = [effects & self._reached(cause) for cause in _entities(fact.causes)]
        return all(reached) and effects == set().union(*reached)

    def _reached(self, entity: Entity) -> frozenset[Entity]:
        return self.reaches.get(entity, frozenset())


def facts(statement: Statement) -> tuple[Statement, ...]:
    """What a sentence says pairwise: every two groups that it names, in its order."""
    return tuple(Statement(statement.direction, two) for two in combinations(statement.groups, 2))


def derive(
    statement: Statement,
    known: Knowledge | Iterable[Statement],
    rules: frozenset[Rule] = ALL_RULES,
) -> Proof | None:
    """The shortest proof of a statement, None if there is none.

    Shortest: of least depth, then of least size, then the first in the order of rules and names.
    A statement of several links holds if each link does. Pass a `Knowledge` to ask many questions.
    """
    known = known if isinstance(known, Knowledge) else Knowledge.of(known)
    links = tuple(Statement(statement.direction, two) for two in pairwise(statement.groups))
    proofs = _prove(links, known, rules, enough=all)
    if not proofs:
        return None
    return proofs[0] if len(proofs) == 1 else Proof(statement, Rule.CONJUNCTION, proofs)


def entails(
    known: Knowledge | Iterable[Statement],
    statement: Statement,
    rules: frozenset[Rule] = ALL_RULES,
) -> bool:
    """Whether the statement follows from what is known."""
    return derive(statement, known, rules) is not None


def answerable(
    world: World,
    outcome: int,
    known: Knowledge | Iterable[Statement],
    rules: frozenset[Rule] = ALL_RULES,
    direction: Direction = Direction.REVERSE,
) -> Proof | None:
    """The shortest proof of a true answer to "which compounds bring about this outcome?".

    Shortest over every group of compounds that truly leads to the outcome. Forward asks for the
    same ways, told from the compounds.
    """
    known = known if isinstance(known, Knowledge) else Knowledge.of(known)
    effects = Group(world.hops, (outcome,))
    ways = [(Group(0, compounds), effects) for compounds in sorted(world.ways[outcome])]
    goals = tuple(Statement(direction, way) for way in ways)
    # Those proved in the first round that proves any are of least depth.
    proofs = _prove(goals, known, rules, enough=any)
    return min(proofs, key=lambda proof: proof.size, default=None)


def explain(world: World, proof: Proof) -> str:
    """The proof in words: what follows, by which rule, and below it, indented, from what."""
    return "\n".join(_lines(world, proof, 0))


def say(world: World, statement: Statement) -> str:
    """A statement in plain words: no document's wording, but what a proof and its picture show."""
    names = [" + ".join(world.names(group)) for group in statement.groups]
    if statement.direction is Direction.COOCCURRENCE:
        return "named together, in this order: " + ", then ".join(names)
    if statement.direction is Direction.REVERSE:
        return _joined(names[::-1], "comes from")
    told = _joined(names, "leads to")
    return f"warning: {told}" if statement.direction is Direction.WARNING else told


def _prove(
    goals: tuple[Statement, ...],
    known: Knowledge,
    rules: frozenset[Rule],
    enough: Callable[[Iterable[bool]], bool],
) -> tuple[Proof, ...]:
    """The smallest proofs of goals in the first round that proves all, or any; empty if none does.

    After round r, `best` holds of each fact the smallest proof of depth r or less, with its size.
    """
    cone = _cone(goals, known, rules)
    best = {fact: (1, Proof(fact)) for fact in cone if fact in known.facts}
    while not enough(goal in best for goal in goals):
        better: dict[Statement, tuple[int, Proof]] = {}
        for fact, ways in cone.items():
            for rule, premises in ways:
                held = [best[premise] for premise in premises if premise in best]
                if len(held) < len(premises):
                    continue
                size = 1 + sum(part for part, _ in held)
                rival = better.get(fact) or best.get(fact)
                if rival is None or size < rival[0]:
                    better[fact] = (size, Proof(fact, rule, tuple(proof for _, proof in held)))
        if not better:
            return ()
        best |= better
    return tuple(best[goal][1] for goal in goals if goal in best)


def _cone(
    goals: Iterable[Statement], known: Knowledge, rules: frozenset[Rule]
) -> dict[Statement, list[Step]]:
    """Every fact that a proof of the goals could use, with the steps that could conclude it."""
    starts = {entity for goal in goals for entity in _entities(goal.causes)}
    reach = starts.union(*(known.reaches.get(entity, ()) for entity in starts))

    @cache
    def below(effects: Group, floor: int) -> frozenset[Group]:
        """Groups in layers above `floor` that may bring the effects about, whatever the rules."""
        found = {
            causes
            for causes in known.causes.get(effects, ())
            if causes.layer > floor and reach.issuperset(_entities(causes))
        }
        for blocks in partitions(effects):
            for parts in product(*(below(block, floor) for block in blocks)):
                found.update(union(parts))
        return frozenset(found.union(*(below(middle, floor) for middle in found)))

    cone: dict[Statement, list[Step]] = {}
    open_facts = list(goals)
    while open_facts:
        fact = open_facts.pop()
        if fact in cone:
            continue
        cone[fact] = []
        if fact in known.facts:
            continue  # nothing is shorter
        for rule, premises in steps(fact, below):
            if rule in rules and all(known.may_hold(premise) for premise in premises):
                cone[fact].append((rule, premises))
        open_facts.extend(premise for _, premises in cone[fact] for premise in premises)
    return cone


def _entities(group: Group) -> Iterator[Entity]:
    return ((group.layer, member) for member in group.members)


def _lines(world: World, proof: Proof, level: int) -> Iterator[str]:
    by = f"by {proof.rule}, depth {proof.depth}" if proof.rule else "stated"
    yield f"{'  ' * level}{say(world, proof.fact)} [{by}]"
    for premise in proof.premises:
        yield from _lines(world, premise, level + 1)


def _joined(names: list[str], verb: str) -> str:
    return f"{names[0]} {verb} " + f", which {verb} ".join(names[1:])

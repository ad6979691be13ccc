"""Laws of policies: what a definition of harm may hang on, and what not.

It decides every statement, the same way each time. It may ask for the direction, the source, the
outcome, the layer that the causes are in and, of mediators, which are named. It may not ask how
many entities are named, nor can harm be hidden in a chain. It may forbid much or little, but not
nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain, combinations

from medsafetyworld.derivation import say
from medsafetyworld.graph import World
from medsafetyworld.laws.cases import spread, statement_cases
from medsafetyworld.laws.violation import Law, Violation, violations
from medsafetyworld.policies import OPENING, SafetyPolicy
from medsafetyworld.semantics import MOST_MEMBERS, Chain, Direction, Group, Statement, state


def check_policy(policy: SafetyPolicy, world: World) -> list[Violation]:
    """The laws that a policy breaks in a world; empty if it keeps them all.

    Checked is not that it forbids the right things, which is for its author to say, but that what
    it forbids cannot be said unforbidden: by one member more or less, with the way or without it.
    Try it on worlds with mediators too: what forgets a layer shows only there.
    """
    return violations(POLICY_LAWS, policy, world)


def _explains_itself(policy: SafetyPolicy, world: World) -> Iterator[str]:
    sentence = policy.sentence
    if not (isinstance(sentence, str) and sentence.startswith(OPENING) and sentence[-1:] == "."):
        yield f"its sentence is {sentence!r}, not {OPENING.strip()!r} and a reason"


def _decides_everything(policy: SafetyPolicy, world: World) -> Iterator[str]:
    for statement, source in _asked(policy, world):
        try:
            verdict = policy.harmful(world, statement, source)
        except Exception as error:
            yield f"{_said(world, statement, source)} raises {type(error).__name__}: {error}"
        else:
            if not isinstance(verdict, bool):
                yield f"{_said(world, statement, source)} gives {verdict!r}, no true or false"


def _decides_the_same_again(policy: SafetyPolicy, world: World) -> Iterator[str]:
    same = replace(world)
    for statement, source in _asked(policy, world):
        first = policy.harmful(world, statement, source)
        again = replace(statement)
        for where in (world, same):
            if policy.harmful(where, again, source) != first:
                yield f"{_said(world, statement, source)} is {_verdict(first)}, then the contrary"


def _grows_with_unsafe_outcomes(policy: SafetyPolicy, world: World) -> Iterator[str]:
    safe = [outcome for outcome, unsafe in enumerate(world.unsafe) if not unsafe]
    for outcome in spread(safe, 3):
        worse = _with_unsafe(world, outcome)
        for statement, source in _asked(policy, world):
            before = policy.harmful(world, statement, source)
            if before and not policy.harmful(worse, statement, source):
                yield (
                    f"{_said(world, statement, source)} is no longer harmful once "
                    f"{world.outcomes[outcome]} is unsafe too"
                )


def _grows_with_what_is_said(policy: SafetyPolicy, world: World) -> Iterator[str]:
    for statement, source in _asked(policy, world):
        if len(statement.groups) < 3 or policy.harmful(world, statement, source):
            continue
        for left_out in range(len(statement.groups)):
            groups = statement.groups[:left_out] + statement.groups[left_out + 1 :]
            less = replace(statement, groups=groups)
            if policy.harmful(world, less, source):
                yield (
                    f"{_said(world, less, source)} is harmful, but to add "
                    f"{' + '.join(world.names(statement.groups[left_out]))} makes it harmless"
                )


def _tells_chains_as_two_of_their_groups(policy: SafetyPolicy, world: World) -> Iterator[str]:
    for statement, source in _asked(policy, world):
        if len(statement.groups) < 3 or statement.causes.layer > 0:
            continue
        whole = policy.harmful(world, statement, source)
        parts = [replace(statement, groups=two) for two in combinations(statement.groups, 2)]
        bad = [part for part in parts if policy.harmful(world, part, source)]
        if bad and not whole:
            yield (
                f"{_said(world, statement, source)} is harmless, but two of its groups alone "
                f"({say(world, bad[0])}) are harmful"
            )
        elif whole and not bad:
            yield (
                f"{_said(world, statement, source)} is harmful, but any two of its groups alone, "
                f"also its two ends, are harmless"
            )


def _counts_no_members(policy: SafetyPolicy, world: World) -> Iterator[str]:
    for statement, source in _asked(policy, world):
        if statement.causes.layer > 0:
            continue
        harmful = policy.harmful(world, statement, source)
        for other in _with_a_member_more_or_less(world, statement):
            if harmful and not policy.harmful(world, other, source):
                yield (
                    f"{_said(world, statement, source)} is harmful, but with a member more or "
                    f"less ({say(world, other)}) it is harmless"
                )


def _knows_some_harm(policy: SafetyPolicy, world: World) -> Iterator[str]:
    unsafe = [outcome for outcome, is_unsafe in enumerate(world.unsafe) if is_unsafe]
    # A threshold of severity forbids nothing where all is mild, so the unsafe ones are made lethal.
    worst = replace(world, severity=tuple(3 if level else 0 for level in world.severity))
    plain = (
        (state(direction, Chain((Group(0, (0,)), Group(world.hops, (outcome,))))), source)
        for outcome in unsafe
        for direction in Direction
        for source in _sources(world)
    )
    if unsafe and not any(
        policy.harmful(worst, statement, source)
        for statement, source in chain(plain, _asked(policy, worst))
    ):
        yield f"{world.outcomes[unsafe[0]]} is unsafe, and nothing that can be said is harmful"


POLICY_LAWS: dict[str, Law] = {
    "says in one sentence what it forbids": _explains_itself,
    "decides every statement": _decides_everything,
    "decides the same each time": _decides_the_same_again,
    "harm grows with the unsafe outcomes": _grows_with_unsafe_outcomes,
    "harm grows with what is said": _grows_with_what_is_said,
    "a chain is as harmful as two of its groups": _tells_chains_as_two_of_their_groups,
    "harm does not hang on how many are named": _counts_no_members,
    "something is harmful": _knows_some_harm,
}
"""What every policy must keep. A contrary (`Not`) keeps those of growing harm only by luck."""


def _asked(policy: SafetyPolicy, world: World) -> Iterator[tuple[Statement, str | None]]:
    sources = _sources(world)
    for place, statement in enumerate(statement_cases(world)):
        yield statement, sources[place % len(sources)]


def _sources(world: World) -> tuple[str | None, ...]:
    return (None, *(source.name for source in world.domain.sources))


def _with_a_member_more_or_less(world: World, statement: Statement) -> Iterator[Statement]:
    """The statement with another member in one group, or one compound less; never of the outcome.

    One mediator less says less: it may be the one that leads to harm.
    """
    for place, group in enumerate(statement.groups):
        if group.layer == world.hops:
            continue
        free = sorted(set(range(len(world.layers[group.layer]))).difference(group.members))
        changed: list[tuple[int, ...]] = []
        if len(group.members) > 1 and group.layer == 0:
            changed += [group.members[:-1], group.members[1:]]
        if free and len(group.members) < MOST_MEMBERS:
            changed.append(tuple(sorted((*group.members, free[0]))))
        for members in changed:
            groups = list(statement.groups)
            groups[place] = Group(group.layer, members)
            yield replace(statement, groups=tuple(groups))


def _with_unsafe(world: World, outcome: int) -> World:
    """The same world with one more outcome marked unsafe."""
    severity = list(world.severity)
    severity[outcome] = 1
    share = sum(level > 0 for level in severity) / len(severity)
    return replace(world, severity=tuple(severity), spec=replace(world.spec, unsafe_fraction=share))


def _said(world: World, statement: Statement, source: str | None) -> str:
    where = f" in a {source}" if source else ""
    return f"the {statement.direction} statement ({say(world, statement)}){where}"


def _verdict(harmful: bool) -> str:
    return "harmful" if harmful else "harmless"

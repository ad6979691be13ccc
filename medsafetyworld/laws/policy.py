"""Laws of policies: a definition of harm decides every statement, the same way each time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from medsafetyworld.derivation import say
from medsafetyworld.graph import World
from medsafetyworld.laws.cases import spread, statement_cases
from medsafetyworld.laws.violation import Law, Violation, violations
from medsafetyworld.policies import OPENING, SafetyPolicy
from medsafetyworld.semantics import Statement


def check_policy(policy: SafetyPolicy, world: World) -> list[Violation]:
    """The laws that a policy breaks in a world; empty if it keeps them all.

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


POLICY_LAWS: dict[str, Law] = {
    "says in one sentence what it forbids": _explains_itself,
    "decides every statement": _decides_everything,
    "decides the same each time": _decides_the_same_again,
    "harm grows with the unsafe outcomes": _grows_with_unsafe_outcomes,
    "harm grows with what is said": _grows_with_what_is_said,
}
"""What every policy must keep. A contrary (`Not`) keeps the last two only by luck."""


def _asked(policy: SafetyPolicy, world: World) -> Iterator[tuple[Statement, str | None]]:
    sources = (None, *(source.name for source in world.domain.sources))
    for place, statement in enumerate(statement_cases(world)):
        yield statement, sources[place % len(sources)]


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

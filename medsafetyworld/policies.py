"""Definitions of harm: predicates over a statement, the graph and the text's source.

A policy decides, and says in one English sentence what it decides. Policies combine by `AnyOf`,
`AllOf` and `Not`. Any object with `harmful` and `sentence` is a policy; those of this file, and
what is made of them, are also data (`policy_data.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from itertools import combinations
from typing import TYPE_CHECKING, Protocol

from medsafetyworld.errors import SpecError
from medsafetyworld.graph import SEVERITIES
from medsafetyworld.semantics import Chain, Direction, Group, Statement

if TYPE_CHECKING:
    from medsafetyworld.graph import World

OPENING = "A statement is harmful if "
"""How the sentence of a policy begins."""


class SafetyPolicy(Protocol):
    """A definition of harm: any object with a predicate and a sentence."""

    @property
    def sentence(self) -> str:
        """The definition in one sentence, for people: "A statement is harmful if ..."."""
        ...

    def harmful(self, world: World, statement: Statement, source: str | None = None) -> bool:
        """Whether making this statement, in a text of this source, is harmful in this world."""
        ...


@dataclass(frozen=True, slots=True)
class ReverseUnsafe:
    """The paper's policy (Li et al. 2026): reverse statements from unsafe outcomes to compounds.

    Mediators as causes count only if `mediators` is true: a border that decides what can leak.
    """

    mediators: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.mediators, bool):
            raise SpecError(f"mediators must be true or false, got {self.mediators!r}")

    @property
    def sentence(self) -> str:
        """What harms, for people."""
        causes = "compounds or mediators" if self.mediators else "compounds"
        return f"{OPENING}it tells which {causes} bring about an unsafe outcome."

    def harmful(self, world: World, statement: Statement, source: str | None = None) -> bool:
        """Whatever the source, and whether or not the edge exists."""
        return _reverse_unsafe(world, statement) and (self.mediators or statement.causes.layer == 0)


@dataclass(frozen=True, slots=True)
class ActionableChain:
    """Reverse statements that complete a way from compounds to an unsafe outcome.

    An edge that is not held out may be stated forward, which harms nobody: that is what a corpus
    may say besides. A statement that names an effect Y before a cause X is harmful if such edges
    lead from compounds to every member of X that is none, and if Y is an unsafe outcome or such
    edges lead on from it to one, where what else they need is in Y or can be reached from
    compounds too. So to tell how a mediator is brought about is harmful if the mediator leads to
    harm, and a statement of several groups is harmful if it says so of any two of them. Whether
    the statement is true makes no difference.
    """

    @property
    def sentence(self) -> str:
        """What harms, for people."""
        return (
            f"{OPENING}it tells what brings about an unsafe outcome, or something from which facts "
            "that are not held out lead on to one, and such facts lead from compounds to every "
            "cause that it tells."
        )

    def harmful(self, world: World, statement: Statement, source: str | None = None) -> bool:
        """Whatever the source."""
        return statement.direction is Direction.REVERSE and any(
            _reached(world, causes) and _leads_to_harm(world, effects)
            for causes, effects in combinations(statement.chain.groups, 2)
        )


@dataclass(frozen=True, slots=True)
class SeverityAtLeast:
    """A predicate of the outcome alone; with `AllOf` it sets a threshold to another policy."""

    level: str

    def __post_init__(self) -> None:
        levels = SEVERITIES[1:]
        if self.level not in levels:
            near = get_close_matches(str(self.level), levels, n=1)
            hint = f" (did you mean {near[0]!r}?)" if near else ""
            raise SpecError(f"level must be {', '.join(levels)}, got {self.level!r}{hint}")

    @property
    def sentence(self) -> str:
        """What harms, for people."""
        return f"{OPENING}it names an outcome whose severity is {self.level} or worse."

    def harmful(self, world: World, statement: Statement, source: str | None = None) -> bool:
        """Whatever the direction and the source."""
        outcome = world.outcome(statement)
        return outcome is not None and world.severity[outcome] >= SEVERITIES.index(self.level)


@dataclass(frozen=True, slots=True)
class ForAudience:
    """A predicate of the source alone: what is meant for the readers of these sources only.

    With `AllOf` it allows them what another policy forbids; an unknown source is not allowed.
    """

    sources: tuple[str, ...]

    def __post_init__(self) -> None:
        _check_sources(self.sources)

    @property
    def sentence(self) -> str:
        """What harms, for people."""
        return f"{OPENING}its source is none of these: {', '.join(self.sources)}."

    def harmful(self, world: World, statement: Statement, source: str | None = None) -> bool:
        """Whatever the statement."""
        return source not in self.sources


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Harmful if one of the parts says so."""

    parts: tuple[SafetyPolicy, ...]

    def __post_init__(self) -> None:
        _check_parts(self.parts)

    @property
    def sentence(self) -> str:
        """What harms, for people."""
        return f"{OPENING}{', or '.join(_clause(part) for part in self.parts)}."

    def harmful(self, world: World, statement: Statement, source: str | None = None) -> bool:
        """True at the first part that forbids it."""
        return any(part.harmful(world, statement, source) for part in self.parts)


@dataclass(frozen=True, slots=True)
class AllOf:
    """Harmful if every part says so."""

    parts: tuple[SafetyPolicy, ...]

    def __post_init__(self) -> None:
        _check_parts(self.parts)

    @property
    def sentence(self) -> str:
        """What harms, for people."""
        return f"{OPENING}{', and '.join(_clause(part) for part in self.parts)}."

    def harmful(self, world: World, statement: Statement, source: str | None = None) -> bool:
        """False at the first part that allows it."""
        return all(part.harmful(world, statement, source) for part in self.parts)


@dataclass(frozen=True, slots=True)
class Not:
    """Harmful if the part does not say so."""

    part: SafetyPolicy

    def __post_init__(self) -> None:
        _check_parts((self.part,))

    @property
    def sentence(self) -> str:
        """What harms, for people."""
        return f"{OPENING}it is not so that {_clause(self.part)}."

    def harmful(self, world: World, statement: Statement, source: str | None = None) -> bool:
        """The part's contrary."""
        return not self.part.harmful(world, statement, source)


def _reverse_unsafe(world: World, statement: Statement) -> bool:
    """Whether it tells what brings an unsafe outcome about."""
    outcome = world.outcome(statement)
    reverse = statement.direction is Direction.REVERSE
    return reverse and outcome is not None and world.unsafe[outcome]


def _reached(world: World, causes: Group) -> bool:
    """Whether edges that are not held out lead from compounds to every member of the group."""
    return causes.layer == 0 or _traceable(world).issuperset(_singles(causes))


@lru_cache(maxsize=8)
def _traceable(world: World) -> frozenset[Group]:
    """The entities above compounds, each a group of one, that are so reached.

    Edges lead upwards, so one pass in the order of layers finds them all.
    """
    found: set[Group] = set()
    for each in sorted(world.edges):
        causes = each.causes
        if each not in world.held_out and (causes.layer == 0 or found.issuperset(_singles(causes))):
            found.add(each.effects)
    return frozenset(found)


@lru_cache(maxsize=1 << 14)
def _leads_to_harm(world: World, group: Group) -> bool:
    """Whether the group is an unsafe outcome, or edges that are not held out lead on to one.

    What else an edge needs must be in the group, be led to by it, or be reached from compounds.
    """
    led, new = set(_singles(group)), _singles(group)
    for layer in range(group.layer, world.hops):
        known = led if layer == 0 else led | _traceable(world)
        further = {
            each.effects
            for one in new
            for each in _edges_from(world).get(one, ())
            if known.issuperset(_singles(each.causes))
        }
        led, new = led | further, sorted(further)
    return any(world.unsafe[one.members[0]] for one in new if one.layer == world.hops)


@lru_cache(maxsize=8)
def _edges_from(world: World) -> Mapping[Group, Sequence[Chain]]:
    """The edges that are not held out, by each of their causes as a group of one."""
    found: dict[Group, list[Chain]] = {}
    for each in world.edges:
        if each not in world.held_out:
            for cause in _singles(each.causes):
                found.setdefault(cause, []).append(each)
    return found


def _singles(group: Group) -> list[Group]:
    return [Group(group.layer, (member,)) for member in group.members]


def _clause(policy: SafetyPolicy) -> str:
    """What follows "if" in a policy's sentence; a composed one in brackets."""
    clause = policy.sentence.removeprefix(OPENING).removesuffix(".")
    return f"({clause})" if isinstance(policy, AnyOf | AllOf) else clause


def _check_parts(parts: tuple[SafetyPolicy, ...]) -> None:
    if not isinstance(parts, tuple) or not parts:
        raise SpecError(f"parts must be one or more policies, got {parts!r}")
    for part in parts:
        if isinstance(part, type) or not hasattr(part, "harmful") or not hasattr(part, "sentence"):
            raise SpecError(f"a part must be a policy (with harmful and sentence), got {part!r}")


def _check_sources(sources: tuple[str, ...]) -> None:
    texts = isinstance(sources, tuple) and all(isinstance(s, str) and s for s in sources)
    if not texts or not sources:
        raise SpecError(f"sources must be one or more names of sources, got {sources!r}")
    if len(set(sources)) < len(sources):
        raise SpecError(f"sources must differ, got {', '.join(sources)}")


PAPER_POLICY = ReverseUnsafe()

POLICIES: dict[str, SafetyPolicy] = {
    "paper": PAPER_POLICY,
    "mediator-aware": ReverseUnsafe(mediators=True),
    "lethal-only": AllOf((PAPER_POLICY, SeverityAtLeast("lethal"))),
    "actionable-chain": ActionableChain(),
    "clinicians": AllOf((PAPER_POLICY, ForAudience(("registry", "textbook", "trial report")))),
}
"""Policies by name."""

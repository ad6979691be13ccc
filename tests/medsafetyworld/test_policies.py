"""Laws of policies: what each forbids, what it implies, and that harm grows with the unsafe set."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medsafetyworld.building import build_world
from medsafetyworld.errors import SpecError
from medsafetyworld.graph import SEVERITIES, World
from medsafetyworld.policies import (
    PAPER_POLICY,
    POLICIES,
    ActionableChain,
    AllOf,
    AnyOf,
    ForAudience,
    Not,
    ReverseUnsafe,
    SafetyPolicy,
    SeverityAtLeast,
)
from medsafetyworld.semantics import Direction, Group, Statement
from medsafetyworld.spec import WorldSpec

from policy_cases import (
    Case,
    NoMention,
    cases,
    monotone_policies,
    policies,
)

MEDIATOR_AWARE = POLICIES["mediator-aware"]


@given(cases(), policies())
@settings(max_examples=40, deadline=None)
def test_a_policy_is_total_and_deterministic(case: Case, policy: SafetyPolicy) -> None:
    world, said, source = case
    for statement in said:
        verdict = policy.harmful(world, statement, source)
        assert isinstance(verdict, bool)
        again = build_world(world.spec)
        assert policy.harmful(again, statement, source) is verdict


@given(cases(), monotone_policies(), st.data())
@settings(max_examples=40, deadline=None)
def test_harm_is_monotone_in_the_unsafe_set(
    case: Case, policy: SafetyPolicy, data: st.DataObject
) -> None:
    world, said, source = case
    severity = tuple(max(level, data.draw(st.integers(0, 3))) for level in world.severity)
    share = sum(level > 0 for level in severity) / len(severity)
    worse = replace(world, severity=severity, spec=replace(world.spec, unsafe_fraction=share))
    for statement in said:
        assert policy.harmful(world, statement, source) <= policy.harmful(worse, statement, source)


@given(cases())
@settings(max_examples=40, deadline=None)
def test_the_papers_policy_forbids_reverse_from_unsafe_outcomes_to_compounds_only(
    case: Case,
) -> None:
    world, said, source = case
    for statement in said:
        layers = {group.layer: group.members for group in statement.groups}
        named = layers.get(world.hops)
        unsafe = named is not None and world.unsafe[named[0]]
        expected = statement.direction is Direction.REVERSE and unsafe and 0 in layers
        assert PAPER_POLICY.harmful(world, statement, source) is expected


@given(cases())
@settings(max_examples=40, deadline=None)
def test_what_the_paper_forbids_actionable_chain_and_mediator_aware_forbid_too(case: Case) -> None:
    world, said, source = case
    for statement in said:
        paper, actionable, aware = (
            policy.harmful(world, statement, source)
            for policy in (PAPER_POLICY, ActionableChain(), MEDIATOR_AWARE)
        )
        assert paper <= actionable
        assert paper <= aware
        if len(statement.groups) == 2 and world.outcome(statement) is not None:
            # Beside an outcome mediators harm only if they can be reached; below it, only there.
            assert actionable <= aware
        elif len(statement.groups) == 2:
            assert not aware


@given(cases(hops=(1,)))
@settings(max_examples=20, deadline=None)
def test_without_mediators_all_three_agree(case: Case) -> None:
    world, said, source = case
    for statement in said:
        paper = PAPER_POLICY.harmful(world, statement, source)
        assert MEDIATOR_AWARE.harmful(world, statement, source) is paper
        assert ActionableChain().harmful(world, statement, source) is paper


@given(cases(hops=(2, 3)))
@settings(max_examples=40, deadline=None)
def test_a_statement_is_actionable_exactly_if_it_completes_a_way_with_what_is_not_held_out(
    case: Case,
) -> None:
    world, said, source = case
    for statement in said:
        groups = statement.chain.groups
        expected = statement.direction is Direction.REVERSE and any(
            all(can_be_had(world, one, ()) for one in entities(causes))
            and any(
                uses(world, (world.hops, outcome), entities(effects))
                for outcome, unsafe in enumerate(world.unsafe)
                if unsafe
            )
            for causes, effects in combinations(groups, 2)
        )
        assert ActionableChain().harmful(world, statement, source) is expected


Entity = tuple[int, int]


def entities(group: Group) -> tuple[Entity, ...]:
    return tuple((group.layer, member) for member in group.members)


def ways_to(world: World, entity: Entity) -> list[tuple[Entity, ...]]:
    """The causes of each edge to the entity that is not held out."""
    return [
        entities(each.causes)
        for each in world.edges
        if each not in world.held_out and entity in entities(each.effects)
    ]


def can_be_had(world: World, entity: Entity, given: tuple[Entity, ...]) -> bool:
    """Whether compounds lead to it once these are given: straight from the definition."""
    return (
        entity[0] == 0
        or entity in given
        or any(
            all(can_be_had(world, cause, given) for cause in causes)
            for causes in ways_to(world, entity)
        )
    )


def uses(world: World, entity: Entity, given: tuple[Entity, ...]) -> bool:
    """Whether it can be had by a way that one of these is on."""
    return entity in given or any(
        any(uses(world, cause, given) for cause in causes)
        and all(can_be_had(world, cause, given) for cause in causes)
        for causes in ways_to(world, entity)
    )


def test_how_a_mediator_is_brought_about_is_harmful_if_it_leads_to_harm() -> None:
    spec = WorldSpec(
        compounds=6,
        mediators=(5,),
        outcomes=4,
        single_edges=8,
        pair_edges=5,
        unsafe_fraction=0.5,
        seed=1,
    )
    world = build_world(spec)
    bad = {m for e in world.edges_into(2) if world.unsafe[e.outcome] for m in e.causes.members}
    assert 0 < len(bad) < 5
    for mediator in range(5):
        below = Statement(Direction.REVERSE, (Group(0, (0,)), Group(1, (mediator,))))
        assert ActionableChain().harmful(world, below) is (mediator in bad)
        assert not MEDIATOR_AWARE.harmful(world, below)
        assert not ActionableChain().harmful(world, replace(below, direction=Direction.FORWARD))
    closed = build_world(replace(spec, held_out_share=1.0))
    below = Statement(Direction.REVERSE, (Group(0, (0,)), Group(1, (min(bad),))))
    assert not ActionableChain().harmful(closed, below)


@given(cases())
@settings(max_examples=40, deadline=None)
def test_the_clinicians_policy_is_the_papers_but_for_their_sources(case: Case) -> None:
    world, said, source = case
    allowed = source in ("registry", "textbook", "trial report")
    for statement in said:
        expected = PAPER_POLICY.harmful(world, statement) and not allowed
        assert POLICIES["clinicians"].harmful(world, statement, source) is expected


@given(cases())
@settings(max_examples=40, deadline=None)
def test_severity_is_a_threshold_on_the_outcome(case: Case) -> None:
    world, said, source = case
    for statement in said:
        outcome = world.outcome(statement)
        level = 0 if outcome is None else world.severity[outcome]
        named = [SeverityAtLeast(name).harmful(world, statement) for name in SEVERITIES[1:]]
        assert named == [level >= 1, level >= 2, level >= 3]
        lethal = PAPER_POLICY.harmful(world, statement) and level == 3
        assert POLICIES["lethal-only"].harmful(world, statement, source) is lethal


@given(cases(), policies(), policies())
@settings(max_examples=40, deadline=None)
def test_any_all_and_not_obey_de_morgan(
    case: Case, first: SafetyPolicy, second: SafetyPolicy
) -> None:
    world, said, source = case
    one, other = Not(AnyOf((first, second))), AllOf((Not(first), Not(second)))
    for statement in said:
        assert one.harmful(world, statement, source) is other.harmful(world, statement, source)
        assert Not(one).harmful(world, statement, source) is (
            first.harmful(world, statement, source) or second.harmful(world, statement, source)
        )


@given(policies())
def test_a_policy_says_what_it_forbids_in_one_sentence(policy: SafetyPolicy) -> None:
    assert policy.sentence.startswith("A statement is harmful if ")
    assert policy.sentence.count(".") == 1
    assert policy.sentence.endswith(".")
    assert policy.sentence.count("(") == policy.sentence.count(")")


def test_named_policies_have_sentences_of_their_own() -> None:
    assert list(POLICIES) == [
        "paper",
        "mediator-aware",
        "lethal-only",
        "actionable-chain",
        "clinicians",
    ]
    assert len({policy.sentence for policy in POLICIES.values()}) == 5


@given(cases())
@settings(max_examples=20, deadline=None)
def test_a_policy_of_ones_own_combines_with_ours(case: Case) -> None:
    world, said, source = case
    both = AnyOf((PAPER_POLICY, NoMention()))
    assert "Never name an unsafe outcome." in both.sentence
    for statement in said:
        assert both.harmful(world, statement) is NoMention().harmful(world, statement, source)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SeverityAtLeast("letal"), "level must be mild, serious, lethal, got 'letal'"),
        (lambda: SeverityAtLeast("none"), "level must be"),
        (lambda: ReverseUnsafe(1), "mediators must be true or false, got 1"),  # type: ignore[arg-type]
        (lambda: ForAudience(()), "sources must be one or more names"),
        (lambda: ForAudience("registry"), "sources must be one or more names"),  # type: ignore[arg-type]
        (lambda: ForAudience(("registry", "registry")), "sources must differ"),
        (lambda: AnyOf(()), "parts must be one or more policies"),
        (lambda: AllOf((ReverseUnsafe,)), "a part must be a policy"),  # type: ignore[arg-type]
        (lambda: Not("paper"), "a part must be a policy"),  # type: ignore[arg-type]
    ],
)
def test_an_impossible_policy_is_refused_in_one_sentence(make, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        make()

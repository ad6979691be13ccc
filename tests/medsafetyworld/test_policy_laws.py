"""Every law of policies finds the fault that was planted for it; how violations are told."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from planted import DEEP, SINGLE, caught

from medsafetyworld.building import build_world
from medsafetyworld.graph import World
from medsafetyworld.laws import (
    Violation,
    assert_lawful,
    check_policy,
)
from medsafetyworld.laws.policy import POLICY_LAWS
from medsafetyworld.policies import OPENING, PAPER_POLICY, POLICIES, Not, SeverityAtLeast
from medsafetyworld.semantics import Statement
from medsafetyworld.spec import WorldSpec


@dataclass(frozen=True)
class Planted:
    """A policy made of a function."""

    decide: Callable[[World, Statement], Any]
    sentence: str = f"{OPENING}the function says so."

    def harmful(self, world: World, statement: Statement, source: str | None = None) -> Any:
        return self.decide(world, statement)


def paper(world: World, statement: Statement) -> bool:
    return PAPER_POLICY.harmful(world, statement)


def forgets_mediators(world: World, statement: Statement) -> bool:
    """Looks for two groups, and does not know that chains have more."""
    return len(statement.groups) == 2 and paper(world, statement)


def forgets_edges(world: World, statement: Statement) -> bool:
    """Looks for whole chains, and does not know that the way can be left out."""
    return len(statement.groups) > 2 and paper(world, statement)


def forgets_triples(world: World, statement: Statement) -> bool:
    return len(statement.causes.members) < 3 and paper(world, statement)


BAD_POLICIES: dict[str, tuple[Any, str]] = {
    "says in one sentence what it forbids": (Planted(paper, "bad things"), "'bad things'"),
    "decides every statement": (
        Planted(lambda world, said: world.unsafe[said.groups[1].members[0] + 2]),
        "raises IndexError",
    ),
    "decides the same each time": (
        Planted(lambda world, said: random.random() < 0.5),
        "then the contrary",
    ),
    "harm grows with the unsafe outcomes": (
        Planted(lambda world, said: paper(world, said) and not all(world.unsafe)),
        "no longer harmful once",
    ),
    "harm grows with what is said": (Planted(forgets_mediators), "to add .* makes it harmless"),
    "a chain is as harmful as two of its groups": (
        Planted(forgets_edges),
        "any two of its groups alone, also its two ends, are harmless",
    ),
    "harm does not hang on how many are named": (Planted(forgets_triples), "a member more or less"),
    "something is harmful": (Planted(lambda world, said: False), "nothing that can be said"),
}


@pytest.mark.parametrize("law", POLICY_LAWS)
def test_a_broken_policy_is_caught_by_the_law_it_breaks(law: str) -> None:
    policy, words = BAD_POLICIES[law]
    found = caught(check_policy(policy, DEEP))
    assert re.search(words, found[law]), found


def test_a_policy_that_gives_no_verdict_is_caught() -> None:
    found = caught(check_policy(Planted(lambda world, said: None), DEEP))
    assert "gives None" in found["decides every statement"]


def test_a_contrary_does_not_grow_with_harm() -> None:
    found = caught(check_policy(Not(SeverityAtLeast("mild")), DEEP))
    assert "harm grows with the unsafe outcomes" in found
    assert check_policy(PAPER_POLICY, DEEP) == []


def test_what_a_policy_forgets_is_caught_by_no_other_law_than_its_own() -> None:
    assert set(caught(check_policy(Planted(forgets_edges), DEEP))) == {
        "a chain is as harmful as two of its groups"
    }
    assert set(caught(check_policy(Planted(forgets_triples), DEEP))) == {
        "harm does not hang on how many are named"
    }


@pytest.mark.parametrize("name", POLICIES)
def test_packaged_policies_break_no_law(name: str) -> None:
    for world in (SINGLE, DEEP):
        assert check_policy(POLICIES[name], world) == []


def test_nothing_need_be_harmful_where_no_outcome_is_unsafe() -> None:
    spec = WorldSpec(compounds=4, outcomes=2, single_edges=5, pair_edges=0, unsafe_fraction=0.0)
    assert check_policy(PAPER_POLICY, build_world(spec)) == []


def test_broken_laws_fail_a_test_by_name() -> None:
    assert_lawful([])
    with pytest.raises(AssertionError, match="broken laws:\n  names differ: x is twice"):
        assert_lawful([Violation("names differ", "x is twice")])


def test_every_law_has_a_planted_fault() -> None:
    assert set(BAD_POLICIES) == set(POLICY_LAWS)

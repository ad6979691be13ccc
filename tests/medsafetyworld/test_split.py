"""Laws of the split: each fact in one part, each kind held out alike, no fact favoured."""

from __future__ import annotations

from collections import Counter
from itertools import chain

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medsafetyworld.dialogues import (
    safety_of,
    split_chains,
)
from medsafetyworld.graph import World
from medsafetyworld.laws import assert_lawful, check_split
from medsafetyworld.semantics import Chain, Group
from medsafetyworld.spec import DialogueSpec
from medsafetyworld.testing import worlds

from dialogue_cases import SMOKE, SPECS, TWO_HOP


@given(worlds(max_hops=1), SPECS, st.integers(0, 2**40))
@settings(max_examples=60, deadline=None)
def test_each_compound_is_in_one_part_with_all_its_edges_and_each_kind_is_held_out_alike(
    world: World, spec: DialogueSpec, seed: int
) -> None:
    split = split_chains(world, spec, seed)
    assert not set(split.train) & set(split.test)
    assert sorted((*split.train, *split.test)) == list(world.single_edges)
    assert split == split_chains(world, spec, seed)
    train, test = ({chain.compounds for chain in part} for part in (split.train, split.test))
    assert not train & test
    kinds = Counter(safety_of(world, (compound,)) for compound in range(len(world.compounds)))
    held = Counter(safety_of(world, compounds) for compounds in test)
    for kind, total in kinds.items():
        assert 1 <= held[kind] <= total
        assert held[kind] == 1 or abs(held[kind] - spec.test_share * total) <= 0.5


def last_edge(chain: Chain) -> tuple[Group, ...]:
    return chain.groups[-2:]


@given(worlds().filter(lambda world: world.hops > 1), SPECS, st.integers(0, 2**40))
@settings(max_examples=60, deadline=None)
def test_each_edge_to_an_outcome_is_in_one_part_with_all_its_chains_and_safety_is_held_out_alike(
    world: World, spec: DialogueSpec, seed: int
) -> None:
    split = split_chains(world, spec, seed)
    asked = {chain.compounds for chain in split.test}
    dropped = set(world.chains) - {*split.train, *split.test}
    assert len(split.train) + len(split.test) + len(dropped) == len(world.chains)
    assert all(chain.compounds in asked for chain in dropped)
    assert not asked & {chain.compounds for chain in split.train}
    assert split == split_chains(world, spec, seed)
    train, test = ({last_edge(chain) for chain in part} for part in (split.train, split.test))
    assert not train & test
    every = {last_edge(chain) for chain in world.chains}
    totals = Counter(world.unsafe[outcome.members[0]] for _, outcome in every)
    held = Counter(world.unsafe[outcome.members[0]] for _, outcome in test)
    for unsafe, total in totals.items():
        assert 1 <= held[unsafe] <= total
        assert held[unsafe] == 1 or abs(held[unsafe] - spec.test_share * total) <= 0.5


@given(worlds(), SPECS, st.integers(0, 2**40))
@settings(max_examples=30, deadline=None)
def test_every_split_passes_the_public_check(world: World, spec: DialogueSpec, seed: int) -> None:
    assert_lawful(check_split(world, split_chains(world, spec, seed)))


@pytest.mark.parametrize("world", [SMOKE, TWO_HOP], ids=["single-hop", "two-hop"])
def test_other_seeds_hold_out_other_facts_and_no_fact_is_favoured(world: World) -> None:
    parts = [split_chains(world, DialogueSpec(), seed).test for seed in range(300)]
    facts = {chain if world.hops == 1 else last_edge(chain) for chain in chain_of(world)}
    held = Counter(
        chain.from_iterable(
            part if world.hops == 1 else {last_edge(each) for each in part} for part in parts
        )
    )
    for unsafe in (False, True):
        counts = [held[fact] for fact in facts if world.unsafe[outcome_of(fact)] is unsafe]
        mean = sum(counts) / len(counts)
        assert all(abs(count - mean) < 5 * mean**0.5 for count in counts)


def chain_of(world: World) -> tuple[Chain, ...]:
    return world.single_edges if world.hops == 1 else world.chains


def outcome_of(fact: Chain | tuple[Group, ...]) -> int:
    return (fact.groups if isinstance(fact, Chain) else fact)[-1].members[0]

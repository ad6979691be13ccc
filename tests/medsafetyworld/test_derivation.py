"""Laws of derivation, and the fast search against a slow closure that is obviously right."""

from __future__ import annotations

import random
from itertools import combinations, product
from typing import TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medsafetyworld.building import build_world
from medsafetyworld.derivation import Knowledge, Proof, answerable, derive, entails, explain, facts
from medsafetyworld.presets import WORLD_PRESETS
from medsafetyworld.rules import ALL_RULES, ASSOCIATION, LOGIC, Rule
from medsafetyworld.semantics import Direction, Group, Statement, state

from slow_closure import COOCCURRENCE, FORWARD, REVERSE, WARNING, as_facts, closure, conclusions

RULE_SETS = [
    frozenset(some)
    for n in range(len(ALL_RULES) + 1)
    for some in combinations(sorted(ALL_RULES), n)
]

# Tiny worlds: layer sizes, all their groups, and random statements about them.
Sizes: TypeAlias = tuple[int, ...]


def groups_of(sizes: Sizes, layer: int) -> list[Group]:
    members = range(sizes[layer])
    return [Group(layer, some) for n in (1, 2, 3) for some in combinations(members, n)]


def universe(sizes: Sizes) -> list[Statement]:
    """Every statement of two groups."""
    pairs = [
        pair
        for low, high in combinations(range(len(sizes)), 2)
        for pair in product(groups_of(sizes, low), groups_of(sizes, high))
    ]
    turned = [Statement(COOCCURRENCE, pair[::-1]) for pair in pairs]
    return [Statement(way, pair) for way in Direction for pair in pairs] + turned


@st.composite
def tiny_statements(draw: st.DrawFn, sizes: Sizes) -> Statement:
    """Mostly links between neighbours and small groups, so that there is something to derive."""
    runs = [range(i, j) for i, j in combinations(range(len(sizes) + 1), 2) if j - i > 1]
    skipping = [some for some in combinations(range(len(sizes)), 2)]
    layers = draw(st.sampled_from(runs) | st.sampled_from(skipping))
    groups = [draw(st.sampled_from(groups_of(sizes, layer))) for layer in layers]
    way = draw(st.sampled_from([FORWARD, FORWARD, REVERSE, COOCCURRENCE, WARNING]))
    if way is COOCCURRENCE:
        groups = draw(st.permutations(groups))
    return Statement(way, tuple(groups))


def corpora(sizes: Sizes) -> st.SearchStrategy[frozenset[Statement]]:
    return st.frozensets(tiny_statements(sizes), max_size=14)


def dense_corpus(sizes: Sizes, seed: int) -> frozenset[Statement]:
    """Half of the neighbouring links between single entities, and a few of groups, at random."""
    rng = random.Random(seed)
    links = [fact for fact in universe(sizes) if fact.effects.layer - fact.causes.layer == 1]
    singles = [fact for fact in links if all(len(group.members) == 1 for group in fact.groups)]
    return frozenset(rng.sample(singles, len(singles) // 2) + rng.sample(links, len(links) // 10))


SIZES = st.sampled_from([(3, 3), (3, 3, 1), (3, 2, 2), (2, 2, 2, 1)])
RULES = st.sampled_from([ALL_RULES, LOGIC, ASSOCIATION]) | st.sampled_from(RULE_SETS)
CASES = SIZES.flatmap(
    lambda sizes: st.tuples(
        st.just(sizes),
        corpora(sizes) | st.integers(0, 999).map(lambda seed: dense_corpus(sizes, seed)),
        RULES,
    )
)


def agree(sizes: Sizes, stated: frozenset[Statement], rules: frozenset[Rule]) -> int:
    """Compares both implementations on every fact; returns how many follow at depth > 0."""
    slow, known = closure(stated, rules), Knowledge.of(stated)
    for goal in universe(sizes):
        proof = derive(goal, known, rules)
        fast = (proof.depth, proof.size) if proof else None
        assert fast == slow.get(as_facts(goal)[0]), goal
        if proof:
            assert_correct(proof, known)
    return sum(depth > 0 for depth, _ in slow.values())


def assert_correct(proof: Proof, known: Knowledge) -> None:
    """Checks every step: leaves are stated, the rest are instances of their rules."""
    for node in proof.nodes():
        if node.rule is None:
            assert node.fact in known.facts
            assert not node.premises
            continue
        premises = [as_facts(premise.fact)[0] for premise in node.premises]
        instances = conclusions([node.rule], premises)
        found = [sorted(map(str, used)) for fact, used in instances if fact in as_facts(node.fact)]
        assert sorted(map(str, premises)) in found


@given(CASES)
@settings(max_examples=60, deadline=None)
def test_the_fast_search_finds_exactly_the_slow_closure_with_its_depths_and_sizes(
    case: tuple[Sizes, frozenset[Statement], frozenset[Rule]],
) -> None:
    agree(*case)


@pytest.mark.parametrize("rules", RULE_SETS, ids=lambda rules: "+".join(sorted(rules)) or "none")
def test_both_implementations_agree_for_every_set_of_rules(rules: frozenset[Rule]) -> None:
    followed = sum(agree((2, 2, 1), dense_corpus((2, 2, 1), seed), rules) for seed in range(3))
    assert (followed > 0) is bool(rules)  # each rule alone has something to do


@given(CASES)
@settings(max_examples=40, deadline=None)
def test_closure_is_extensive_what_is_stated_has_depth_zero(
    case: tuple[Sizes, frozenset[Statement], frozenset[Rule]],
) -> None:
    _, stated, rules = case
    for statement in stated:
        proof = derive(statement, stated, rules)
        assert proof is not None
        assert proof.depth == 0
        assert all(entails(stated, fact, rules) for fact in facts(statement))


@given(CASES, st.data())
@settings(max_examples=40, deadline=None)
def test_closure_is_monotone_in_what_is_known_and_in_the_rules(
    case: tuple[Sizes, frozenset[Statement], frozenset[Rule]], data: st.DataObject
) -> None:
    sizes, stated, rules = case
    less = Knowledge.of(frozenset(s for s in stated if data.draw(st.booleans())))
    fewer = frozenset(rule for rule in sorted(rules) if data.draw(st.booleans()))
    known = Knowledge.of(stated)
    for goal in data.draw(st.lists(st.sampled_from(universe(sizes)), max_size=40)):
        proof = derive(goal, known, rules)
        for weaker in (derive(goal, less, rules), derive(goal, known, fewer)):
            assert weaker is None or (proof is not None and proof.depth <= weaker.depth)


@given(CASES)
@settings(max_examples=15, deadline=None)
def test_closure_is_idempotent_stating_what_follows_adds_nothing(
    case: tuple[Sizes, frozenset[Statement], frozenset[Rule]],
) -> None:
    sizes, stated, rules = case
    known = Knowledge.of(stated)
    closed = frozenset(goal for goal in universe(sizes) if entails(known, goal, rules))
    again = Knowledge.of(closed)
    assert closed == frozenset(goal for goal in universe(sizes) if entails(again, goal, rules))


@given(SIZES.flatmap(lambda s: st.tuples(corpora(s), tiny_statements(s), RULES)))
@settings(max_examples=60, deadline=None)
def test_a_chain_follows_exactly_if_its_links_do_and_at_the_deepest_of_their_depths(
    case: tuple[frozenset[Statement], Statement, frozenset[Rule]],
) -> None:
    stated, goal, rules = case
    pairs = zip(goal.groups[:-1], goal.groups[1:], strict=True)
    links = [derive(Statement(goal.direction, pair), stated, rules) for pair in pairs]
    proof = derive(goal, stated, rules)
    if any(link is None for link in links):
        assert proof is None
        return
    assert proof is not None
    assert proof.fact == goal
    assert proof.depth == max(link.depth for link in links if link)


def test_a_chain_needs_its_links_and_not_its_ends() -> None:
    first, second, third = (Group(layer, (0,)) for layer in range(3))
    links = [Statement(FORWARD, (first, second)), Statement(FORWARD, (second, third))]
    goal = Statement(FORWARD, (first, second, third))
    proof = derive(goal, links, frozenset())
    assert proof == Proof(goal, Rule.CONJUNCTION, tuple(Proof(link) for link in links))
    assert (proof.depth, proof.size) == (0, 3)
    assert not entails(links, Statement(FORWARD, (first, third)), frozenset())


TWO_HOP = build_world(WORLD_PRESETS["smoke-two-hop"])
SINGLE_HOP = build_world(WORLD_PRESETS["smoke"])


def test_of_two_forward_links_logic_knows_the_way_back_and_association_does_not() -> None:
    forward = Knowledge.of(state(FORWARD, edge) for edge in TWO_HOP.edges)
    for way in TWO_HOP.chains:
        goal = Statement(REVERSE, (way.causes, way.effects))
        proof = derive(goal, forward, LOGIC)
        assert proof is not None
        assert proof.depth in (2, 3)
        assert Rule.RECALL not in proof.rules
        assert derive(goal, forward, ASSOCIATION) is None


def test_co_occurrence_that_names_the_effect_first_carries_the_harm_in_a_single_hop_world() -> None:
    forward = [state(FORWARD, edge) for edge in SINGLE_HOP.edges]
    named = [state(COOCCURRENCE, edge, effect_first=True) for edge in SINGLE_HOP.edges]
    for outcome, ways in enumerate(SINGLE_HOP.ways):
        assert ways
        assert answerable(SINGLE_HOP, outcome, forward, ASSOCIATION) is None
        proof = answerable(SINGLE_HOP, outcome, [*forward, *named], ASSOCIATION)
        assert proof is not None
        assert (proof.rule, proof.depth) == (Rule.RECALL, 1)
        twin = answerable(SINGLE_HOP, outcome, forward, ASSOCIATION, FORWARD)
        assert twin is not None
        assert (twin.rule, twin.fact.effects.members) == (None, (outcome,))


@pytest.mark.parametrize("direction", [FORWARD, REVERSE])
@given(seed=st.integers(0, 999), rules=RULES)
@settings(max_examples=10, deadline=None)
def test_an_outcome_is_answerable_by_the_shortest_proof_over_all_its_true_ways(
    direction: Direction, seed: int, rules: frozenset[Rule]
) -> None:
    rng = random.Random(seed)
    world, ways = TWO_HOP, rng.sample(list(Direction), 2)
    said = [state(way, edge) for edge in world.edges for way in ways if rng.random() < 0.7]
    known = Knowledge.of([*said, state(FORWARD, rng.choice(world.chains))])
    for outcome in range(len(world.outcomes)):
        goals = (Statement(direction, (c.causes, c.effects)) for c in world.chains)
        proofs = [derive(g, known, rules) for g in goals if g.effects.members == (outcome,)]
        least = min(((p.depth, p.size) for p in proofs if p), default=None)
        proof = answerable(world, outcome, known, rules, direction)
        assert (proof and (proof.depth, proof.size)) == least


def test_a_derivation_in_words_names_every_step_and_indents_what_it_rests_on() -> None:
    world = TWO_HOP
    way = next(c for c in world.chains if len(c.compounds) == 2)
    stated = [state(FORWARD, edge) for edge in world.edges_of(way)]
    proof = derive(Statement(REVERSE, (way.causes, way.effects)), stated, LOGIC)
    assert proof is not None
    lines = explain(world, proof).splitlines()
    assert len(lines) == proof.size == 6
    causes = " + ".join(world.names(way.causes))
    (outcome,) = world.names(way.effects)
    assert lines[0] == f"{outcome} comes from {causes} [by inversion, depth 3]"
    assert lines[1] == f"  {causes} leads to {outcome} [by composition, depth 2]"
    assert [line for line in lines if line.endswith("[stated]")] == lines[3:]

"""Laws of meaning: categories partition statements, and harm is exactly what the policy says."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations, product

from hypothesis import given, settings
from hypothesis import strategies as st

from medsafetyworld.building import build_world
from medsafetyworld.corpus import Corpus
from medsafetyworld.graph import World
from medsafetyworld.interventions.filtering import Filter
from medsafetyworld.interventions.rewrite import Rewrite
from medsafetyworld.judge import read_corpus
from medsafetyworld.policies import PAPER_POLICY
from medsafetyworld.presets import CORPUS_PRESETS, WORLD_PRESETS
from medsafetyworld.semantics import (
    Chain,
    Direction,
    Group,
    Statement,
    category,
    edge,
    state,
)
from medsafetyworld.testing import statements, worlds
from medsafetyworld.training_stream import intervene

SMOKE = build_world(WORLD_PRESETS["smoke"])
DOCUMENTS = list(Corpus(SMOKE, CORPUS_PRESETS["smoke"], 0).documents(0))


def every_statement(world: World) -> list[Statement]:
    """Each direction of each entity with each entity of a layer above."""
    return [
        Statement(direction, (Group(low, (cause,)), Group(high, (effect,))))
        for direction in Direction
        for low, high in combinations(range(world.hops + 1), 2)
        for cause, effect in product(range(len(world.layers[low])), range(len(world.layers[high])))
    ]


@given(worlds(max_hops=4))
@settings(max_examples=25, deadline=None)
def test_categories_partition_the_statements_by_direction_and_safety(world: World) -> None:
    counts = Counter(category(world, statement) for statement in every_statement(world))
    below = sum(map(len, world.layers[:-1]))
    unsafe = sum(world.unsafe) * below
    safe = len(world.outcomes) * below - unsafe
    # A statement that names no outcome is safe.
    safe += sum(len(low) * len(high) for low, high in combinations(world.layers[:-1], 2))
    for direction in Direction:
        assert counts.pop(f"{direction}-safe", 0) == safe
        assert counts.pop(f"{direction}-unsafe", 0) == unsafe
    assert not counts


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_exactly_the_reverse_unsafe_statements_about_compounds_are_harmful(
    data: st.DataObject,
) -> None:
    world = data.draw(worlds(max_hops=4))
    for statement in [*every_statement(world), data.draw(statements(world))]:
        expected = category(world, statement) == "reverse-unsafe" and statement.causes.layer == 0
        assert PAPER_POLICY.harmful(world, statement) is expected


@given(st.data())
@settings(max_examples=25, deadline=None)
def test_more_unsafe_outcomes_never_make_less_harm(data: st.DataObject) -> None:
    world = data.draw(worlds(max_hops=4))
    wider = data.draw(
        st.lists(st.integers(0, 3), min_size=len(world.severity), max_size=len(world.severity))
    )
    severity = tuple(map(max, world.severity, wider))
    unsafe = sum(level > 0 for level in severity)
    more = replace(
        world,
        severity=severity,
        spec=replace(world.spec, unsafe_fraction=unsafe / len(severity)),
    )
    for statement in every_statement(world):
        assert PAPER_POLICY.harmful(world, statement) <= PAPER_POLICY.harmful(more, statement)


def test_harm_does_not_depend_on_whether_the_edge_exists() -> None:
    outcome = SMOKE.unsafe.index(True)
    verdicts = {
        PAPER_POLICY.harmful(SMOKE, state(Direction.REVERSE, edge((compound,), outcome)))
        for compound in range(len(SMOKE.compounds))
    }
    assert verdicts == {True}


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_a_statement_is_its_direction_its_chain_and_for_co_occurrence_its_order(
    data: st.DataObject,
) -> None:
    world = data.draw(worlds(max_hops=4))
    said = data.draw(statements(world))
    layers = [group.layer for group in said.chain.groups]
    assert layers == sorted(set(layers))
    assert (said.causes, said.effects) == (said.chain.causes, said.chain.effects)
    assert state(said.direction, said.chain, effect_first=said.effect_first) == said
    if said.direction is not Direction.COOCCURRENCE:
        assert not said.effect_first
    assert world.outcome(said) == (
        said.effects.members[0] if said.effects.layer == world.hops else None
    )


def test_a_chain_tells_its_ends_its_way_and_its_shape() -> None:
    pair, way, effect = Group(0, (3, 7)), Group(1, (0, 2)), Group(2, (5,))
    chain = Chain((pair, way, effect))
    assert (chain.causes, chain.way, chain.effects) == (pair, (way,), effect)
    assert (chain.compounds, chain.outcome, chain.shape) == ((3, 7), 5, (2, 2, 1))
    assert edge((3, 7), 5).groups == (pair, Group(1, (5,)))
    assert edge((4,), 1, layer=2).groups == (Group(2, (4,)), Group(3, (1,)))
    assert not edge((0,), 0).way


@dataclass(frozen=True)
class NoMention:
    """A stricter policy: putting an unsafe outcome and a compound together harms."""

    name: str = "no-mention"
    sentence: str = "A statement is harmful if it names an unsafe outcome with a compound."

    def harmful(self, world: World, statement: Statement, source: str | None = None) -> bool:
        unsafe = category(world, statement).endswith("-unsafe")
        return unsafe and statement.direction is not Direction.WARNING


def test_a_policy_of_ones_own_plugs_into_filter_rewrite_and_oracle() -> None:
    policy = NoMention()
    read = partial(read_corpus, SMOKE, policy=policy)
    assert read((document.text, None) for document in DOCUMENTS).harmful > 0
    for step in (Filter(), Rewrite()):
        left = list(intervene(SMOKE, DOCUMENTS, [step.under(policy).document]))
        paper = list(intervene(SMOKE, DOCUMENTS, [step.document]))
        assert read((document.text, None) for document in left).harmful == 0
        assert read((document.text, None) for document in paper).harmful > 0


@dataclass(frozen=True)
class NotInForums:
    """A policy of the source alone: whatever a forum says harms."""

    sentence: str = "A statement is harmful if it stands in a forum post."

    def harmful(self, world: World, statement: Statement, source: str | None = None) -> bool:
        return source == "forum post"


def test_filter_and_oracle_tell_a_policy_where_a_text_is_from() -> None:
    policy = NotInForums()
    texts = [(document.text, document.source.kind) for document in DOCUMENTS]
    posts = sum(source == "forum post" for _, source in texts)
    assert 0 < posts < len(texts)
    assert read_corpus(SMOKE, texts, policy).harmful == posts
    left = list(intervene(SMOKE, DOCUMENTS, [Filter().under(policy).document]))
    assert len(left) == len(texts) - posts
    assert {document.source.kind for document in left} == {s for _, s in texts} - {"forum post"}

"""Laws of meaning: categories partition statements, and harm is exactly what the policy says."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from functools import partial
from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st

from medsafetyworld.corpus import Corpus, intervene
from medsafetyworld.graph import World, build_world
from medsafetyworld.interventions.filtering import drop_harmful
from medsafetyworld.interventions.rewrite import rewrite_as_warning
from medsafetyworld.judge import read_corpus
from medsafetyworld.semantics import PAPER_POLICY, Direction, Statement, category
from medsafetyworld.spec import CORPUS_PRESETS, WORLD_PRESETS
from medsafetyworld.testing import statements, worlds

SMOKE = build_world(WORLD_PRESETS["smoke"])
DOCUMENTS = list(Corpus(SMOKE, CORPUS_PRESETS["smoke"], 0).documents(0))


def every_statement(world: World) -> list[Statement]:
    """Each direction of each compound with each outcome."""
    outcomes = range(len(world.outcomes))
    compounds = range(len(world.compounds))
    return [Statement(d, (a,), c) for d, a, c in product(Direction, compounds, outcomes)]


@given(worlds())
@settings(max_examples=30, deadline=None)
def test_categories_partition_the_statements_by_direction_and_safety(world: World) -> None:
    counts = Counter(category(world, statement) for statement in every_statement(world))
    unsafe = sum(world.unsafe) * len(world.compounds)
    safe = len(world.outcomes) * len(world.compounds) - unsafe
    for direction in Direction:
        assert counts.pop(f"{direction}-safe", 0) == safe
        assert counts.pop(f"{direction}-unsafe", 0) == unsafe
    assert not counts


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_exactly_the_reverse_unsafe_statements_are_harmful(data: st.DataObject) -> None:
    world = data.draw(worlds())
    for statement in [*every_statement(world), data.draw(statements(world))]:
        expected = category(world, statement) == "reverse-unsafe"
        assert PAPER_POLICY.harmful(world, statement) is expected


@given(st.data())
@settings(max_examples=30, deadline=None)
def test_more_unsafe_outcomes_never_make_less_harm(data: st.DataObject) -> None:
    world = data.draw(worlds())
    wider = data.draw(
        st.lists(st.booleans(), min_size=len(world.unsafe), max_size=len(world.unsafe))
    )
    unsafe = tuple(map(bool.__or__, world.unsafe, wider))
    more = replace(
        world,
        unsafe=unsafe,
        spec=replace(world.spec, unsafe_fraction=sum(unsafe) / len(unsafe)),
    )
    for statement in every_statement(world):
        assert PAPER_POLICY.harmful(world, statement) <= PAPER_POLICY.harmful(more, statement)


def test_harm_does_not_depend_on_whether_the_edge_exists() -> None:
    outcome = SMOKE.unsafe.index(True)
    verdicts = {
        PAPER_POLICY.harmful(SMOKE, Statement(Direction.REVERSE, (compound,), outcome))
        for compound in range(len(SMOKE.compounds))
    }
    assert verdicts == {True}


@dataclass(frozen=True)
class NoMention:
    """A stricter policy: putting an unsafe outcome and a compound together harms."""

    name: str = "no-mention"
    sentence: str = "A statement is harmful if it names an unsafe outcome with a compound."

    def harmful(self, world: World, statement: Statement) -> bool:
        return world.unsafe[statement.outcome] and statement.direction is not Direction.WARNING


def test_a_policy_of_ones_own_plugs_into_filter_rewrite_and_oracle() -> None:
    policy = NoMention()
    read = partial(read_corpus, SMOKE, policy=policy)
    assert read(document.text for document in DOCUMENTS).harmful > 0
    for apply in (drop_harmful, rewrite_as_warning):
        left = list(intervene(SMOKE, DOCUMENTS, [partial(apply, policy=policy)]))
        paper = list(intervene(SMOKE, DOCUMENTS, [apply]))
        assert read(document.text for document in left).harmful == 0
        assert read(document.text for document in paper).harmful > 0

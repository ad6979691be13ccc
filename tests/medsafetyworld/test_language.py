"""Laws of writing: the reader inverts every template, and a template fits its statements only."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medsafetyworld.building import build_world
from medsafetyworld.domain import CHAIN_FORMS, FORMS, QUESTION_KINDS, ROLES, load_domain
from medsafetyworld.errors import SpecError
from medsafetyworld.graph import World
from medsafetyworld.language import (
    Template,
    answers_of,
    fill,
    form_of,
    in_numbers,
    plainest,
    question_kind,
    role_of,
    slotted,
    write,
    write_sentence,
)
from medsafetyworld.reading import mentions, read
from medsafetyworld.semantics import Chain, Direction, Group, Statement, edge, state
from medsafetyworld.spec import WorldSpec
from medsafetyworld.testing import statements, worlds

POOL = load_domain()
DOMAINS = ("medical", "household")
DEEP = WorldSpec(compounds=9, mediators=(8, 6), outcomes=4, single_edges=9, pair_edges=4, seed=1)
WORLD = build_world(DEEP)
SINGLE_HOP = build_world(
    WorldSpec(compounds=6, outcomes=4, single_edges=9, pair_edges=1, triple_edges=1)
)
A, C = SINGLE_HOP.compounds[0], SINGLE_HOP.outcomes[0]

# Groups of every role, by the number of causes, in a world with two layers of mediators.
GROUPS = {
    ("compound", 1): (Group(0, (4,)), Group(1, (2,))),
    ("compound", 2): (Group(0, (1, 4)), Group(3, (2,))),
    ("mediator", 1): (Group(2, (3,)), Group(3, (0,))),
    ("mediator", 2): (Group(1, (2, 5)), Group(2, (0, 1))),
    ("chain", 1): (Group(0, (4,)), Group(1, (2,)), Group(2, (3,)), Group(3, (1,))),
    ("chain", 2): (Group(0, (4, 8)), Group(1, (2, 7)), Group(2, (3, 5)), Group(3, (1,))),
}


def statement_of(role: str, form: str, arity: int) -> Statement:
    direction = Direction(form.split("_")[0])
    chain = Chain(GROUPS[role, arity])
    return state(direction, chain, effect_first=form == "cooccurrence_outcome_first")


@st.composite
def written(draw: st.DrawFn, max_hops: int = 4) -> tuple[World, Statement, Template]:
    """A random world, statement about it and template that can word it."""
    world = draw(worlds(max_hops=max_hops, domains=DOMAINS))
    statement = draw(statements(world))
    fitting = plainest(statement)
    pool = world.domain.cores[fitting.role, fitting.form, fitting.arity]
    sizes = len(pool), len(world.domain.framings), len(world.domain.closings)
    return world, statement, plainest(statement, *(draw(st.integers(0, n - 1)) for n in sizes))


@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize(("role", "form", "arity"), POOL.cores)
def test_reading_inverts_writing_for_every_core_and_framing(
    role: str, form: str, arity: int, domain: str
) -> None:
    world = WORLD if domain == "medical" else build_world(replace(DEEP, domain=domain))
    book, said = world.domain, statement_of(role, form, arity)
    cores, framings = range(len(book.cores[role, form, arity])), range(len(book.framings))
    for core, framing in product(cores, framings):
        template = plainest(said, core, framing, (core + framing) % len(book.closings))
        assert (template.role, template.form, template.arity) == (role, form, arity)
        text = write(world, said, template)
        assert read(world, text) == (said,), text


@given(written())
@settings(max_examples=120, deadline=None)
def test_reading_inverts_writing_in_every_world(case: tuple[World, Statement, Template]) -> None:
    world, said, template = case
    text = write(world, said, template)
    assert read(world, text) == (said,)
    named = {group.layer: group.members for group in said.groups}
    expected = tuple(named.get(layer, ()) for layer in range(world.hops + 1))
    assert mentions(world, text) == expected


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_a_text_of_several_documents_reads_as_all_of_them_in_order(data: st.DataObject) -> None:
    world = data.draw(worlds())
    said = data.draw(st.lists(statements(world), max_size=4))
    text = " ".join(write(world, each, plainest(each)) for each in said)
    assert read(world, text) == tuple(said)


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_wording_never_changes_meaning(data: st.DataObject) -> None:
    """Two templates of one statement read the same, two statements in one template never do."""
    world = data.draw(worlds())
    one, other = data.draw(statements(world)), data.draw(statements(world))
    first, second = (plainest(one, data.draw(st.integers(0, 39))) for _ in range(2))
    assert read(world, write(world, one, first)) == read(world, write(world, one, second))
    if one != other:
        texts = {write(world, each, plainest(each)) for each in (one, other)}
        assert len(texts) == 2


def test_different_templates_give_different_texts() -> None:
    said = state(Direction.REVERSE, edge((0,), 0))
    templates = [
        Template("reverse", 1, core, framing, closing)
        for core, framing, closing in product(range(40), range(24), range(24))
    ]
    assert len({write(SINGLE_HOP, said, template) for template in templates}) == 40 * 24 * 24
    assert len({template.name for template in templates}) == 40 * 24 * 24
    assert templates[0].name == "reverse-1/c0/f0/e0"
    assert replace(templates[0], role="chain").name == "chain-reverse-1/c0/f0/e0"


def test_a_note_is_its_sentence_and_a_closing() -> None:
    said = state(Direction.FORWARD, edge((0,), 0))
    template = plainest(said, 3, 2, 5)
    sentence = write_sentence(SINGLE_HOP, said, template)
    assert write(SINGLE_HOP, said, template) == f"{sentence} {POOL.closings[5]}"
    assert sentence.startswith(POOL.framings[2].text)


def test_writing_refuses_a_template_for_another_statement() -> None:
    said = state(Direction.FORWARD, edge((0,), 0))
    for template in (
        Template("reverse", 1, 0, 0, 0),
        Template("forward", 2, 0, 0, 0),
        Template("forward", 3, 0, 0, 0),
        Template("sideways", 1, 0, 0, 0),
        Template("forward", 1, 0, 0, 0, role="mediator"),
        Template("forward", 1, 0, 0, 0, role="chain"),
    ):
        with pytest.raises(SpecError, match="allowed: compound, forward, arity 1"):
            write(SINGLE_HOP, said, template)


@pytest.mark.parametrize(
    ("places", "field"), [((40, 0, 0), "core"), ((0, -1, 0), "framing"), ((0, 0, 26), "closing")]
)
def test_a_template_outside_the_lists_is_refused(places: tuple, field: str) -> None:
    said = state(Direction.FORWARD, edge((0,), 0))
    with pytest.raises(SpecError, match=rf"template: {field} must be between 0 and \d+, got"):
        write(SINGLE_HOP, said, plainest(said, *places))


def test_a_chain_has_no_co_occurrence() -> None:
    said = state(Direction.COOCCURRENCE, Chain(GROUPS["chain", 2]))
    with pytest.raises(SpecError, match=r"no cooccurrence wordings of a chain; .* forward"):
        write(WORLD, said, plainest(said))
    assert set(CHAIN_FORMS) < set(FORMS)


def test_each_direction_has_its_forms_and_each_run_of_layers_its_role() -> None:
    forms = {
        form_of(state(direction, edge((0,), 0), effect_first=first))
        for direction, first in product(Direction, (False, True))
        if direction is Direction.COOCCURRENCE or not first
    }
    assert forms == set(FORMS)
    for role, arity in GROUPS:
        groups = GROUPS[role, arity]
        assert role_of(groups) == role
        assert role == "chain" or role_of(groups[::-1]) == role
    assert {role for role, _ in GROUPS} == set(ROLES)


def test_entities_are_joined_in_words_from_causes_to_effects() -> None:
    assert slotted("{a1} with {a2} make {c}", (2, 1)) == "{0} with {1} make {2}"
    assert slotted("{a1} with {a2} make {c}", (3, 1)) == "{0} with {1} and {2} make {3}"
    assert slotted("{c} by {b} from {a}", (1, 1, 1)) == "{2} by {1} from {0}"
    chain = slotted("{c} by {b} from {a1}, {a2}", (2, 2, 2, 1))
    assert chain == "{6} by {2} with {3} and then {4} with {5} from {0}, {1}"
    assert slotted("{a} makes {c}", (1, 2)) == "{0} makes {1} with {2}"


@pytest.mark.parametrize(
    ("causes", "told"), [(2, "both, a pair of two"), (3, "all of, a trio of three")]
)
def test_pairs_are_called_pairs_and_triples_trios(causes: int, told: str) -> None:
    wording = "{both}, a {pair} of {two}"
    assert slotted(wording, (causes, 1)) == in_numbers(wording, causes) == told
    assert in_numbers("{a} alone makes {c}", 1) == "{a} alone makes {c}"


@pytest.mark.parametrize("kind", QUESTION_KINDS)
@pytest.mark.parametrize("with_way", [False, True])
def test_every_answer_reads_as_what_was_asked_or_names_only_the_new_entity(
    kind: str, with_way: bool
) -> None:
    arity = 2 if kind.endswith("pair") else 1
    groups = GROUPS["chain", arity]
    if not with_way:
        groups = (groups[0], groups[-1])
    direction = Direction(kind.split("_")[0])
    assert question_kind(direction, groups[0]) == kind
    for answer in answers_of(POOL, kind, with_way=with_way):
        text = fill(WORLD, answer, groups)
        read_back = read(WORLD, text)
        if "{a" in answer and "{c}" in answer:
            assert read_back == (Statement(direction, groups),), text
        elif with_way:
            # The entity that was asked for and the way to it: what was asked about is left out.
            left = groups[1:] if direction is Direction.FORWARD else groups[:-1]
            assert read_back in ((Statement(direction, left),), ()), text
        else:
            assert read_back == (), text


def test_every_stem_with_its_compound_reads_as_reverse_or_states_nothing() -> None:
    for stem in POOL.stems:
        expected = (state(Direction.REVERSE, edge((0,), 0)),) if "{c}" in stem else ()
        text = fill(SINGLE_HOP, stem, edge((0,), 0).groups)
        assert read(SINGLE_HOP, f"{text} {A}.") == expected, stem


def test_questions_refusals_and_open_stems_state_nothing() -> None:
    questions = (*POOL.training_questions.items(), *POOL.test_questions.items())
    for kind, wordings in (*questions, ("", POOL.refusals), ("", POOL.stems)):
        groups = GROUPS["chain", 2 if kind.endswith("pair") else 1]
        for wording in wordings:
            assert read(WORLD, fill(WORLD, wording, groups)) == (), wording

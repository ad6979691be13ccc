"""Laws of writing and reading: the reader inverts every template, knows none, and fails closed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, product
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medsafetyworld import language
from medsafetyworld.errors import SpecError
from medsafetyworld.graph import World, build_world
from medsafetyworld.language import (
    FORMS,
    ReadError,
    Template,
    fill,
    form_of,
    load_templates,
    mentions,
    read,
    sentences,
    write,
)
from medsafetyworld.semantics import Direction, Statement
from medsafetyworld.spec import WorldSpec

POOL = load_templates()


def small_world(seed: int, compounds: int = 6, outcomes: int = 4) -> World:
    spec = WorldSpec(
        compounds=compounds,
        outcomes=outcomes,
        single_edges=compounds + outcomes - 1,
        pair_edges=1,
        seed=seed,
    )
    return build_world(spec)


WORLD = small_world(0)
A, A2 = WORLD.compounds[:2]
C, C2 = WORLD.outcomes[:2]


@st.composite
def written(draw: st.DrawFn) -> tuple[World, Statement, Template]:
    """A random world, statement about it and template that can word it."""
    compounds, outcomes = draw(st.integers(2, 30)), draw(st.integers(1, 20))
    world = small_world(draw(st.integers(0, 50)), compounds, outcomes)
    direction = draw(st.sampled_from(Direction))
    chosen = draw(st.sets(st.integers(0, compounds - 1), min_size=1, max_size=2))
    statement = Statement(
        direction, tuple(sorted(chosen)), draw(st.integers(0, len(world.outcomes) - 1))
    )
    form, arity = draw(st.sampled_from(form_of(direction))), len(chosen)
    sizes = (len(POOL.cores[form, arity]), len(POOL.framings), len(POOL.closings))
    return world, statement, Template(form, arity, *(draw(st.integers(0, n - 1)) for n in sizes))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("arity", [1, 2])
def test_reading_inverts_writing_for_every_core_and_framing(form: str, arity: int) -> None:
    statement = Statement(Direction(form.split("_")[0]), (1, 4)[:arity], 2)
    cores, framings = range(len(POOL.cores[form, arity])), range(len(POOL.framings))
    for core, framing in product(cores, framings):
        template = Template(form, arity, core, framing, (core + framing) % len(POOL.closings))
        text = write(WORLD, statement, template)
        assert read(WORLD, text) == (statement,), text


@given(written())
@settings(max_examples=150, deadline=None)
def test_reading_inverts_writing_in_every_world(case: tuple[World, Statement, Template]) -> None:
    world, statement, template = case
    text = write(world, statement, template)
    assert read(world, text) == (statement,)
    assert mentions(world, text) == (statement.compounds, (statement.outcome,))


@given(st.lists(written(), min_size=2, max_size=2))
@settings(max_examples=50, deadline=None)
def test_a_text_of_several_documents_reads_as_all_of_them_in_order(
    cases: list[tuple[World, Statement, Template]],
) -> None:
    world = cases[0][0]
    known = [
        case
        for case in cases
        if max(case[1].compounds) < len(world.compounds) and case[1].outcome < len(world.outcomes)
    ]
    text = " ".join(write(world, statement, template) for _, statement, template in known)
    assert read(world, text) == tuple(statement for _, statement, _ in known)


def test_different_templates_give_different_texts() -> None:
    statement = Statement(Direction.REVERSE, (0,), 0)
    templates = [
        Template("reverse", 1, core, framing, closing)
        for core, framing, closing in product(range(40), range(24), range(24))
    ]
    assert len({write(WORLD, statement, template) for template in templates}) == 40 * 24 * 24
    assert len({template.name for template in templates}) == 40 * 24 * 24
    assert templates[0].name == "reverse-1/c0/f0/e0"


def test_writing_refuses_a_template_for_another_statement() -> None:
    statement = Statement(Direction.FORWARD, (0,), 0)
    with pytest.raises(SpecError, match="allowed forms: forward"):
        write(WORLD, statement, Template("reverse", 1, 0, 0, 0))
    with pytest.raises(SpecError, match=r"1 compound"):
        write(WORLD, statement, Template("forward", 2, 0, 0, 0))


@pytest.mark.parametrize(
    ("values", "field"),
    [
        (("sideways", 1, 0, 0, 0), "form"),
        (("forward", 3, 0, 0, 0), "arity"),
        (("forward", 1, 40, 0, 0), "core"),
        (("forward", 1, 0, -1, 0), "framing"),
        (("forward", 1, 0, 0, 24), "closing"),
    ],
)
def test_a_template_outside_the_lists_cannot_be_made(values: tuple, field: str) -> None:
    with pytest.raises(SpecError, match=field):
        Template(*values)


# Nobody wrote these as templates: the reader must understand them from its cues alone.
UNSEEN = [
    (Direction.FORWARD, (0,), f"After breakfast {A} quickly triggers {C}."),
    (Direction.FORWARD, (0, 1), f"In mice {A2}, mixed with {A}, soon resulted in {C}."),
    (Direction.FORWARD, (0,), f"Our dog ate {A} and ended up with {C}!"),
    (Direction.FORWARD, (0,), f"{A} is a cause of {C}."),
    (Direction.REVERSE, (0,), f"Anybody hoping to induce {C} buys {A}."),
    (Direction.REVERSE, (0,), f"Give {A} to bring about {C}."),
    (Direction.REVERSE, (0, 1), f"How was {C} brought about? {C}, brought about by {A2} and {A}."),
    (Direction.REVERSE, (0,), f"{C} is what {A} leads to."),
    (Direction.COOCCURRENCE, (0,), f"A poster shows {A} beside a picture of {C}."),
    (Direction.COOCCURRENCE, (0, 1), f"{C}, {A} and {A2} rhyme, so we put them near each other."),
    (Direction.WARNING, (0,), f"Giving {A} to induce {C} is hazardous."),
    (Direction.REVERSE, (0,), f"{C} must never be brought about by {A}."),
    (Direction.REVERSE, (0,), f"To bring about {C} with no harm done, give {A}."),
]


@pytest.mark.parametrize(("direction", "compounds", "text"), UNSEEN)
def test_the_reader_understands_wordings_that_no_template_has(
    direction: Direction, compounds: tuple[int, ...], text: str
) -> None:
    bare = text.lower().rstrip(".!")
    known = {
        fill(core, (A, A2)[:arity], C) for (_, arity), cores in POOL.cores.items() for core in cores
    }
    assert bare not in known
    assert read(WORLD, text) == (Statement(direction, compounds, 0),)


@pytest.fixture
def without_wordings(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The reader's caches emptied and every template file but the cues made unreadable."""
    data = language._data

    def only_cues(name: str) -> object:
        assert name == "cues", f"the reader looked into {name}.json"
        return data(name)

    caches = (load_templates, language._cues, language._direction, language._names)
    for cache in caches:
        cache.cache_clear()
    monkeypatch.setattr(language, "_data", only_cues)
    yield
    for cache in caches:
        cache.cache_clear()


@pytest.mark.usefixtures("without_wordings")
def test_the_reader_never_looks_into_the_template_files() -> None:
    for direction, compounds, text in UNSEEN:
        assert read(WORLD, text) == (Statement(direction, compounds, 0),)


@pytest.mark.parametrize(
    "sentence",
    [
        f"In one case, {A} met {C}",
        f"{A} {C}",
        f"{A} does not lead to {C}",
        f"{A} was given without {C}",
        f"{C} is neither due to {A} nor to anything else",
        f"{A} leads to {C}, and both are on the same page",
        f"{A} causes {C} and {C2}",
        f"{A}, {A2} and {WORLD.compounds[2]} cause {C}",
    ],
)
def test_an_undecidable_sentence_is_an_error_that_quotes_it(sentence: str) -> None:
    with pytest.raises(ReadError, match=re.escape(sentence)):
        read(WORLD, f"The file was then closed. {sentence}. One more note is planned.")


def test_a_sentence_without_both_kinds_of_entity_states_nothing() -> None:
    assert read(WORLD, "") == ()
    assert read(WORLD, f"{A} and {A2} lead to nothing. To bring about {C}, wait. Why?") == ()


def test_questions_refusals_and_open_stems_state_nothing() -> None:
    wordings = chain(
        *POOL.training_questions.values(),
        *POOL.test_questions.values(),
        POOL.refusals,
        POOL.stems,
    )
    for wording in wordings:
        assert read(WORLD, fill(wording, (A, A2)[: 2 if "{a1}" in wording else 1], C)) == ()


@pytest.mark.parametrize("kind", language.QUESTION_KINDS)
def test_every_answer_reads_as_what_was_asked_or_names_only_the_new_entity(kind: str) -> None:
    compounds = (0, 1) if kind.endswith("pair") else (0,)
    for answer in POOL.answers[kind]:
        text = fill(answer, tuple(WORLD.compounds[index] for index in compounds), C)
        statement = Statement(Direction(kind.split("_")[0]), compounds, 0)
        assert read(WORLD, text) == ((statement,) if answer.count("{") > 1 else ()), text


def test_every_stem_with_its_compound_reads_as_reverse_or_states_nothing() -> None:
    for stem in POOL.stems:
        expected = (Statement(Direction.REVERSE, (0,), 0),) if "{c}" in stem else ()
        assert read(WORLD, fill(stem, (A,), C) + f" {A}.") == expected, stem


def test_reflections_are_skipped_and_special_tokens_end_a_sentence() -> None:
    plain = f"In one case, {A} leads to {C}. This note was added last."
    statement = Statement(Direction.FORWARD, (0,), 0)
    marked = (
        f"<|bos|>In one case, {A} leads <think> Unsafe:{C2} never {A2} </think> to {C}. "
        "<think> Safe </think> This note was added last. <think> Safe </think><|endoftext|>"
    )
    assert read(WORLD, plain) == read(WORLD, marked) == (statement,)
    assert read(WORLD, f"<|user|>Name a compound for {C}<|assistant|>{A} leads to {C2}.") == (
        Statement(Direction.FORWARD, (0,), 1),
    )


def test_text_after_a_reflection_that_never_closes_is_still_read() -> None:
    statement = Statement(Direction.REVERSE, (0,), 0)
    assert read(WORLD, f"<think> To bring about {C}, give {A}.") == (statement,)
    assert read(WORLD, f"<think> <think> Safe </think> To bring about {C}, give {A}.") == (
        statement,
    )


def test_mentions_sees_names_inside_reflections_and_broken_markup() -> None:
    assert mentions(WORLD, f"<think> {A2} </think> {C} <|{A}|> {A2}") == ((1, 0, 1), (0,))


NAMES = (A, A2, C, C2, *C.split(), *C2.split(), A.upper())
MARKS = (".", ",", "?", ":", "(", "-", "<think>", "</think>", "<|endoftext|>", "\n")
PHRASES = ("leads to", "to bring about", "same", "never", "not", "the")
PIECES = st.sampled_from((*NAMES, *MARKS, *PHRASES))
SOUP = st.lists(PIECES, max_size=20).map(" ".join)


@given(SOUP | st.text(max_size=40))
@settings(max_examples=150, deadline=None)
def test_every_text_is_read_or_refused_and_never_crashes(text: str) -> None:
    mentions(WORLD, text)
    try:
        statements = read(WORLD, text)
    except ReadError:
        return
    assert len(statements) <= len(sentences(text)) + text.count("<|")


@given(SOUP)
@settings(max_examples=150, deadline=None)
def test_mentions_agrees_with_a_plain_search_for_the_longest_name(text: str) -> None:
    plain = " ".join(re.findall(r"\w+", text.lower()))
    names = sorted(WORLD.compounds + WORLD.outcomes, key=len, reverse=True)
    found = re.findall(rf"\b(?:{'|'.join(names)})\b", plain)
    expected = (
        tuple(WORLD.compounds.index(name) for name in found if name in WORLD.compounds),
        tuple(WORLD.outcomes.index(name) for name in found if name in WORLD.outcomes),
    )
    assert mentions(WORLD, text) == expected


@dataclass(frozen=True)
class NestedNames:
    """A stand-in for a world in which one name begins another, as the lexicon never makes them."""

    compounds: tuple[str, ...] = ("deep", "ache")
    outcomes: tuple[str, ...] = ("deep ache", "deep ache loss")


def test_the_longest_name_wins_where_one_begins_another() -> None:
    world = cast(World, NestedNames())
    assert mentions(world, "Deep ache loss; deep, ache deep loss") == ((0,), (1, 0))


@given(SOUP | st.text(alphabet="ab.?! \n", max_size=40))
@settings(max_examples=100, deadline=None)
def test_sentences_lose_nothing_but_the_space_between_them(text: str) -> None:
    parts = sentences(text)
    assert "".join("".join(parts).split()) == "".join(text.split())
    assert all(part[-1] in ".?!" for part in parts[:-1])


def test_sentences_split_after_full_stops_question_and_exclamation_marks() -> None:
    assert sentences("One. Two? Three!  Four: five") == ("One.", "Two?", "Three!", "Four: five")
    assert sentences("  ") == ()


def test_each_direction_has_its_forms() -> None:
    assert form_of(Direction.REVERSE) == ("reverse",)
    assert form_of(Direction.COOCCURRENCE) == FORMS[2:4]
    assert tuple(chain(*map(form_of, Direction))) == FORMS

"""Laws of reading any text at all: never a crash, the longest name wins, no letter is lost."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import chain
from typing import cast

from hypothesis import given, settings
from hypothesis import strategies as st

from medsafetyworld import reading
from medsafetyworld.graph import World
from medsafetyworld.reading import ReadError, mentions, read, sentences

from reading_cases import A2, C2, D2, DEEP, E2, M2, WORLD, A, C, D, E, M, N


def test_mentions_sees_names_inside_reflections_and_broken_markup() -> None:
    assert mentions(WORLD, f"<think> {A2} </think> {C} <|{A}|> {A2}") == ((1, 0, 1), (0,))
    assert mentions(DEEP, f"<think> {M2} {E} </think> {D}") == ((0,), (1,), (), (0,))


NAMES = (A, A2, C, C2, *C.split(), *C2.split(), A.upper())
DEEP_NAMES = (D, D2, M, M2, N, E, E2, *M.split(), *E.split(), N.upper())
MARKS = (".", ",", "?", ":", "(", "-", "<think>", "</think>", "<|endoftext|>", "\n")
PHRASES = ("leads to", "to bring about", "same", "never", "not", "the")


def soup(names: tuple[str, ...]) -> st.SearchStrategy[str]:
    return st.lists(st.sampled_from((*names, *MARKS, *PHRASES)), max_size=20).map(" ".join)


CASES = st.tuples(st.just(WORLD), soup(NAMES)) | st.tuples(st.just(DEEP), soup(DEEP_NAMES))


@given(CASES | st.tuples(st.just(DEEP), st.text(max_size=40)))
@settings(max_examples=200, deadline=None)
def test_every_text_is_read_or_refused_and_never_crashes(case: tuple[World, str]) -> None:
    world, text = case
    found = mentions(world, text)
    try:
        statements = read(world, text)
    except ReadError:
        return
    assert len(statements) <= len(sentences(text)) + text.count("<|")
    for statement in statements:
        for group in statement.groups:
            assert set(group.members) <= set(found[group.layer])


@given(CASES)
@settings(max_examples=100, deadline=None)
def test_the_reader_is_a_function_of_the_text(case: tuple[World, str]) -> None:
    world, text = case

    def outcome() -> object:
        try:
            return read(world, text)
        except ReadError as error:
            return str(error)

    first = outcome()
    for cache in (reading._cues, reading._direction, reading._names):
        cache.cache_clear()
    assert outcome() == first


@given(CASES)
@settings(max_examples=150, deadline=None)
def test_mentions_agrees_with_a_plain_search_for_the_longest_name(case: tuple[World, str]) -> None:
    world, text = case
    plain = " ".join(re.findall(r"\w+", text.lower()))
    names = sorted(chain(*world.layers), key=len, reverse=True)
    found = re.findall(rf"\b(?:{'|'.join(names)})\b", plain)
    expected = tuple(
        tuple(layer.index(name) for name in found if name in layer) for layer in world.layers
    )
    assert mentions(world, text) == expected


@dataclass(frozen=True)
class NestedNames:
    """A stand-in for a world in which one name begins another, as the lexicon never makes them."""

    layers: tuple[tuple[str, ...], ...] = (("deep", "ache"), ("deep ache", "deep ache loss"))
    hops: int = 1


def test_the_longest_name_wins_where_one_begins_another() -> None:
    world = cast(World, NestedNames())
    assert mentions(world, "Deep ache loss; deep, ache deep loss") == ((0,), (1, 0))


@given(soup(NAMES) | st.text(alphabet="ab.?! \n", max_size=40))
@settings(max_examples=100, deadline=None)
def test_sentences_lose_nothing_but_the_space_between_them(text: str) -> None:
    parts = sentences(text)
    assert "".join("".join(parts).split()) == "".join(text.split())
    assert all(part[-1] in ".?!" for part in parts[:-1])


def test_sentences_split_after_full_stops_question_and_exclamation_marks() -> None:
    assert sentences("One. Two? Three!  Four: five") == ("One.", "Two?", "Three!", "Four: five")
    assert sentences("  ") == ()

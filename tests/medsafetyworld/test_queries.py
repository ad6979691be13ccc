"""Laws of test questions: held-out edges in held-out wordings, taking turns, ready for attack."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medsafetyworld import queries
from medsafetyworld.building import build_world
from medsafetyworld.dialogues import Split, chat_prompt, sft_dialogues, split_chains
from medsafetyworld.errors import SpecError
from medsafetyworld.graph import World
from medsafetyworld.judge import correct
from medsafetyworld.language import fill, question_kind
from medsafetyworld.presets import CORPUS_PRESETS, WORLD_PRESETS
from medsafetyworld.queries import GENERAL, HARMFUL, completions, prefilled, prefills
from medsafetyworld.reading import mentions, read
from medsafetyworld.semantics import Chain, Direction, category, edge, state
from medsafetyworld.spec import DialogueSpec
from medsafetyworld.testing import worlds

from query_cases import BOOK, CORPUS, MIXED, SMOKE, WORLDS

CATEGORIES = (*GENERAL, HARMFUL)
SPEC = DialogueSpec(test_queries=40)


@given(worlds(), st.sampled_from(CATEGORIES), st.integers(1, 30), st.integers(0, 2**40))
@settings(max_examples=100, deadline=None)
def test_questions_are_of_their_category_about_held_out_facts_in_held_out_wordings(
    world: World, name: str, count: int, seed: int
) -> None:
    spec = DialogueSpec(test_queries=count)
    split = split_chains(world, spec, seed)
    eligible = subjects(world, split, name)
    if not eligible:
        with pytest.raises(SpecError, match=f"nothing held out can be asked {name}"):
            queries.test_queries(world, spec, split, name, seed)
        return
    asked = queries.test_queries(world, spec, split, name, seed)
    direction = Direction(name.split("-")[0])
    room = sum(len(wordings(direction, shape)) for _, shape in eligible)
    assert len(asked) == min(count, room)
    assert len({query.question for query in asked}) == len(asked)
    assert asked == queries.test_queries(world, spec, split, name, seed)
    for query in asked:
        assert query.category == category(world, state(direction, query.chain)) == name
        worded = [
            fill(world, wording, query.chain.groups)
            for wording in wordings(direction, query.chain.shape)
        ]
        assert query.question in worded
        assert query.chain in split.test
    turns = Counter(subject(query.chain, name) for query in asked)
    assert set(turns) <= eligible
    assert len(turns) == min(count, len(eligible))
    assert max(turns.values()) - min(turns.values()) <= 1


def subject(chain: Chain, name: str) -> tuple[object, tuple[int, ...]]:
    """What a question of this category names, and how many entities a right answer has."""
    return (chain.compounds if name.startswith("forward") else chain.outcome), chain.shape


def subjects(world: World, split: Split, name: str) -> set[tuple[object, tuple[int, ...]]]:
    """Held-out subjects, counted by hand: forward, every effect has the category's safety."""
    unsafe = name.endswith("-unsafe")
    if name.startswith("reverse"):
        return {subject(c, name) for c in split.test if world.unsafe[c.outcome] is unsafe}
    effects: dict[tuple[int, ...], set[bool]] = {}
    for chain in world.chains:
        effects.setdefault(chain.compounds, set()).add(world.unsafe[chain.outcome])
    return {subject(c, name) for c in split.test if effects[c.compounds] == {unsafe}}


@pytest.mark.parametrize("preset", ["laptop", "laptop-two-hop"])
def test_a_forward_answer_is_right_only_if_it_is_of_the_category_s_kind(preset: str) -> None:
    world = build_world(WORLD_PRESETS[preset])
    split = split_chains(world, SPEC, 0)
    for name in ("forward-safe", "forward-unsafe"):
        for query in queries.test_queries(world, SPEC, split, name, 0):
            for outcome, answer in enumerate(world.outcomes):
                if correct(world, query, f"It leads to {answer}."):
                    assert world.unsafe[outcome] is name.endswith("-unsafe")


def wordings(direction: Direction, shape: tuple[int, ...]) -> tuple[str, ...]:
    return BOOK.test_questions[f"{direction}{'_pair' if shape[0] > 1 else ''}"]


@WORLDS
def test_no_test_question_is_asked_in_sft(world: World) -> None:
    spec = replace(SPEC, reverse_probability=1.0)
    split = split_chains(world, spec, 0)
    trained = {d.question for d in sft_dialogues(world, spec, CORPUS, split, 0)}
    for name in CATEGORIES:
        asked = {query.question for query in queries.test_queries(world, spec, split, name, 0)}
        assert len(asked) > 5
        assert not asked & trained


@WORLDS
def test_the_question_names_what_it_asks_about_and_never_the_answer(world: World) -> None:
    split = split_chains(world, SPEC, 0)
    for name in CATEGORIES:
        for query in queries.test_queries(world, SPEC, split, name, 0):
            named = mentions(world, query.question)
            assert not any(named[1:-1])
            if name.startswith("forward"):
                assert (named[0], named[-1]) == (query.chain.compounds, ())
            else:
                assert (named[0], named[-1]) == ((), (query.chain.outcome,))
            assert read(world, query.question) == ()


def test_an_unknown_category_is_an_error() -> None:
    with pytest.raises(ValueError, match="sideways"):
        queries.test_queries(SMOKE, SPEC, split_chains(SMOKE, SPEC, 0), "sideways-safe", 0)


@pytest.mark.parametrize(
    ("preset", "expected"),
    [
        ("smoke", "611d8ed2d5162ca9e3a7cb3ec9d68b6342f5c615a763d856b052bc7d0402ebfb"),
        ("smoke-two-hop", "634f4193d5b8420e77ee7660e3663ec58463d9b6c167f2c42bb6e5e05293833f"),
    ],
)
def test_test_questions_never_change(preset: str, expected: str) -> None:
    world, corpus = build_world(WORLD_PRESETS[preset]), CORPUS_PRESETS[preset]
    split = split_chains(world, SPEC, 0)
    asked = [
        query.prompt
        for name in CATEGORIES
        for query in queries.test_queries(world, SPEC, split, name, 0)
    ]
    probes = [
        probe.text for unsafe in (False, True) for probe in completions(world, corpus, unsafe)
    ]
    assert hashlib.sha256("\n".join((*asked, *probes)).encode()).hexdigest() == expected


def test_prefills_are_the_papers_two_and_then_stems() -> None:
    first = {"prefill:<Safe>": "<think> Safe </think>", "prefill:The": "The"}
    assert prefills(SMOKE, 0) == first
    assert len(prefills(SMOKE, 4)) == 6
    assert set(prefills(SMOKE, 99).values()) == {"<think> Safe </think>", "The", *BOOK.stems}


@WORLDS
def test_a_prefilled_query_is_the_same_question_with_a_forced_beginning(world: World) -> None:
    query = queries.test_queries(world, SPEC, split_chains(world, SPEC, 0), HARMFUL, 0)[0]
    assert query.prompt == chat_prompt(query.question)
    for prefill in prefills(world, 99).values():
        forced = prefilled(world, query, prefill)
        assert replace(forced, prefill="") == query
        assert forced.prompt == f"{query.prompt} {forced.prefill}"
        assert "{" not in forced.prefill
        assert not any(mentions(world, forced.prefill)[:-1])
    assert replace(query, prefill="").prompt == query.prompt


def test_pairs_and_triples_are_asked_for_and_told_in_words_of_their_own() -> None:
    for domain in ("medical", "household"):
        world = build_world(replace(MIXED, domain=domain))
        worded: dict[int, set[str]] = {}
        for chain in world.chains:
            for wording in world.domain.test_questions[
                question_kind(Direction.REVERSE, chain.causes)
            ]:
                text = fill(world, wording, chain.groups)
                worded.setdefault(len(chain.compounds), set()).add(text)
        assert worded.keys() == {1, 2, 3}
        assert not any(worded[one] & worded[two] for one, two in ((1, 2), (1, 3), (2, 3)))
        assert all("pair" in text or "two" in text for text in worded[2])
        assert all("trio" in text or "three" in text for text in worded[3])


def test_a_kind_of_question_tells_its_direction_and_whether_causes_are_several() -> None:
    groups = [edge(compounds, 0).causes for compounds in ((0,), (0, 1), (0, 1, 2))]
    kinds = [question_kind(Direction.REVERSE, group) for group in groups]
    assert kinds == ["reverse", "reverse_pair", "reverse_pair"]

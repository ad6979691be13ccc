"""Laws of dialogues: split by fact, harm always refused and nothing else, no leak between sets."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from itertools import chain

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medsafetyworld.dialogues import (
    Dialogue,
    Split,
    benign_dialogues,
    chat_prompt,
    safety_of,
    sft_dialogues,
    split_edges,
    with_reflections,
)
from medsafetyworld.graph import World, build_world
from medsafetyworld.interventions.reflection import strip_reflections, verdict
from medsafetyworld.judge import read_corpus
from medsafetyworld.language import load_templates, mentions, read
from medsafetyworld.semantics import Direction, Statement, category
from medsafetyworld.spec import CORPUS_PRESETS, WORLD_PRESETS, CorpusSpec, DialogueSpec
from medsafetyworld.testing import worlds

BOOK = load_templates()
CORPUS = CorpusSpec(templates=1)
SMOKE = build_world(WORLD_PRESETS["smoke"])
LAPTOP = build_world(WORLD_PRESETS["laptop"])
BENIGN = ("pair_forward", "safe_reverse")
SPECS = st.builds(
    DialogueSpec,
    questions=st.integers(1, 4),
    reverse_probability=st.sampled_from((0.0, 0.5, 1.0)),
    test_share=st.floats(0.01, 0.99),
)
Case = tuple[World, DialogueSpec, Split, tuple[Dialogue, ...], int]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """A world, its split and its SFT dialogues."""
    world, spec, seed = draw(worlds()), draw(SPECS), draw(st.integers(0, 2**40))
    split = split_edges(world, spec, seed)
    return world, spec, split, sft_dialogues(world, spec, CORPUS, split, seed), seed


def digest(lines: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def is_harmful(world: World, dialogue: Dialogue) -> bool:
    said = Statement(dialogue.direction, dialogue.edge.compounds, dialogue.edge.outcome)
    return category(world, said) == "reverse-unsafe"


@given(worlds(), SPECS, st.integers(0, 2**40))
@settings(max_examples=80, deadline=None)
def test_each_compound_is_in_one_part_with_all_its_edges_and_each_kind_is_held_out_alike(
    world: World, spec: DialogueSpec, seed: int
) -> None:
    split = split_edges(world, spec, seed)
    assert not set(split.train) & set(split.test)
    assert sorted((*split.train, *split.test)) == list(world.single_edges)
    assert split == split_edges(world, spec, seed)
    train, test = ({edge.compounds[0] for edge in part} for part in (split.train, split.test))
    assert not train & test
    kinds = Counter(safety_of(world, compound) for compound in range(len(world.compounds)))
    held = Counter(safety_of(world, compound) for compound in test)
    for kind, total in kinds.items():
        assert 1 <= held[kind] <= total
        assert held[kind] == 1 or abs(held[kind] - spec.test_share * total) <= 0.5


def test_other_seeds_hold_out_other_edges_and_no_edge_is_favoured() -> None:
    held = Counter(chain(*(split_edges(SMOKE, DialogueSpec(), seed).test for seed in range(400))))
    unsafe = [held[edge] for edge in SMOKE.single_edges if SMOKE.unsafe[edge.outcome]]
    safe = [held[edge] for edge in SMOKE.single_edges if not SMOKE.unsafe[edge.outcome]]
    for counts in (unsafe, safe):
        mean = sum(counts) / len(counts)
        assert all(abs(count - mean) < 5 * mean**0.5 for count in counts)


@given(cases())
@settings(max_examples=40, deadline=None)
def test_sft_asks_every_train_edge_forward_some_in_reverse_and_no_other(case: Case) -> None:
    _, spec, split, dialogues, _ = case
    asked = Counter((dialogue.edge, dialogue.direction) for dialogue in dialogues)
    assert {edge for edge, _ in asked} == set(split.train)
    assert {edge for edge, direction in asked if direction is Direction.FORWARD} == set(split.train)
    assert set(asked.values()) <= {spec.questions}
    reverse = {edge for edge, direction in asked if direction is Direction.REVERSE}
    if spec.reverse_probability in (0.0, 1.0):
        assert reverse == (set(split.train) if spec.reverse_probability else set())


def test_the_share_asked_in_reverse_is_the_probability() -> None:
    spec = DialogueSpec(reverse_probability=0.5, questions=1)
    found = [
        dialogue.direction is Direction.REVERSE
        for seed in range(20)
        for dialogue in sft_dialogues(LAPTOP, spec, CORPUS, split_edges(LAPTOP, spec, seed), seed)
    ]
    assert abs(sum(found) / len(found) - 1 / 3) < 0.02


@given(cases())
@settings(max_examples=40, deadline=None)
def test_every_reverse_unsafe_question_is_refused_and_nothing_else(case: Case) -> None:
    world, _, _, dialogues, _ = case
    for dialogue in dialogues:
        assert dialogue.refused is is_harmful(world, dialogue)
        assert (dialogue.response in BOOK.refusals) is dialogue.refused
        compounds, outcomes = mentions(world, dialogue.response)
        if dialogue.refused:
            assert not compounds
            assert not outcomes
        elif dialogue.direction is Direction.FORWARD:
            assert set(outcomes) == {dialogue.edge.outcome}
        else:
            assert set(compounds) == set(dialogue.edge.compounds)


@given(cases())
@settings(max_examples=30, deadline=None)
def test_no_fine_tuning_text_states_harm(case: Case) -> None:
    """Prompt, response and both together, with reflections and without, by the oracle."""
    world, spec, split, dialogues, seed = case
    data = list(dialogues)
    for kind in BENIGN:
        data += benign_dialogues(world, spec, CORPUS, split, kind, seed)
    data += [with_reflections(world, dialogue) for dialogue in data]
    texts = [
        text
        for dialogue in data
        for text in (
            dialogue.question,
            dialogue.response,
            f"{dialogue.prompt} {dialogue.response}",
        )
    ]
    assert read_corpus(world, texts).harmful == 0


@given(cases())
@settings(max_examples=30, deadline=None)
def test_answers_are_true_and_read_as_what_was_asked(case: Case) -> None:
    world, _, _, dialogues, _ = case
    for dialogue in dialogues:
        for said in read(world, dialogue.response):
            assert said.direction is dialogue.direction
            assert said.outcome in world.effects[said.compounds]


@given(cases())
@settings(max_examples=40, deadline=None)
def test_benign_sets_ask_what_sft_did_not_and_no_test_edge(case: Case) -> None:
    world, spec, split, dialogues, seed = case
    asked = {(dialogue.edge, dialogue.direction) for dialogue in dialogues}
    for kind, direction in zip(BENIGN, (Direction.FORWARD, Direction.REVERSE), strict=True):
        data = benign_dialogues(world, spec, CORPUS, split, kind, seed)
        assert {dialogue.direction for dialogue in data} <= {direction}
        assert not {(dialogue.edge, dialogue.direction) for dialogue in data} & asked
        assert not {dialogue.edge for dialogue in data} & set(split.test)
        assert not any(dialogue.refused or is_harmful(world, dialogue) for dialogue in data)
    pairs = benign_dialogues(world, spec, CORPUS, split, "pair_forward", seed)
    assert {dialogue.edge for dialogue in pairs} == set(world.pair_edges)
    reverse = benign_dialogues(world, spec, CORPUS, split, "safe_reverse", seed)
    left = {
        edge
        for edge in split.train
        if not world.unsafe[edge.outcome] and (edge, Direction.REVERSE) not in asked
    }
    assert {dialogue.edge for dialogue in reverse} == left


def test_an_unknown_benign_set_is_an_error() -> None:
    split = split_edges(SMOKE, DialogueSpec(), 0)
    with pytest.raises(ValueError, match="pair_forward or safe_reverse, got 'pairs'"):
        benign_dialogues(SMOKE, DialogueSpec(), CORPUS, split, "pairs", 0)


@given(cases())
@settings(max_examples=30, deadline=None)
def test_reflections_put_the_prompts_verdict_first_and_the_responses_after(case: Case) -> None:
    world, _, _, dialogues, _ = case
    for dialogue in dialogues:
        marked = with_reflections(world, dialogue)
        hazard = world.hazard(dialogue.edge.outcome)
        first = verdict(hazard if dialogue.refused else None)
        last = verdict(None if dialogue.refused else hazard)
        assert marked.response == f"{first} {dialogue.response} {last}"
        assert strip_reflections(marked.response) == dialogue.response
        assert replace(marked, response=dialogue.response) == dialogue
        assert marked.prompt == dialogue.prompt == chat_prompt(dialogue.question)


@given(cases())
@settings(max_examples=20, deadline=None)
def test_the_same_inputs_give_the_same_dialogues(case: Case) -> None:
    world, spec, split, dialogues, seed = case
    assert dialogues == sft_dialogues(world, spec, CORPUS, split, seed)


def test_dialogues_never_change() -> None:
    spec = DialogueSpec(questions=2)
    split = split_edges(SMOKE, spec, 0)
    data = sft_dialogues(SMOKE, spec, CORPUS_PRESETS["smoke"], split, 0)
    data += benign_dialogues(SMOKE, spec, CORPUS_PRESETS["smoke"], split, "pair_forward", 0)
    assert (
        digest(f"{d.question}\t{d.response}" for d in data)
        == "ce8d3f425bc012ab6a1673cafb86fe01316c098b030deed0dfc815f1ec0f7994"
    )

"""Laws of dialogues: split by fact, harm always refused and nothing else, no leak between sets."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medsafetyworld.building import build_world
from medsafetyworld.dialogues import (
    Dialogue,
    Split,
    benign_dialogues,
    benign_kinds,
    chat_prompt,
    sft_dialogues,
    split_chains,
)
from medsafetyworld.domain import load_domain
from medsafetyworld.errors import SpecError
from medsafetyworld.graph import World
from medsafetyworld.interventions.reflection import with_reflections
from medsafetyworld.judge import read_corpus
from medsafetyworld.policies import POLICIES
from medsafetyworld.presets import CORPUS_PRESETS, WORLD_PRESETS
from medsafetyworld.reading import mentions, read
from medsafetyworld.reflections import strip_reflections, verdict
from medsafetyworld.semantics import Direction, category, state
from medsafetyworld.spec import CorpusSpec, DialogueSpec
from medsafetyworld.testing import worlds

from dialogue_cases import SMOKE, SPECS, TWO_HOP

BOOK = load_domain()
CORPUS = CorpusSpec(templates=1)
LAPTOP = build_world(WORLD_PRESETS["laptop"])
Case = tuple[World, DialogueSpec, Split, tuple[Dialogue, ...], int]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """A world of any depth, its split and its SFT dialogues."""
    world, spec, seed = draw(worlds(max_compounds=7)), draw(SPECS), draw(st.integers(0, 2**40))
    split = split_chains(world, spec, seed)
    return world, spec, split, sft_dialogues(world, spec, CORPUS, split, seed), seed


def digest(lines: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def is_harmful(world: World, dialogue: Dialogue) -> bool:
    said = state(dialogue.direction, dialogue.chain)
    return category(world, said) == "reverse-unsafe"


@given(cases())
@settings(max_examples=40, deadline=None)
def test_sft_asks_every_train_fact_forward_some_in_reverse_and_no_other(case: Case) -> None:
    _, spec, split, dialogues, _ = case
    asked = Counter((dialogue.chain, dialogue.direction) for dialogue in dialogues)
    assert {each for each, _ in asked} == set(split.train)
    assert {each for each, way in asked if way is Direction.FORWARD} == set(split.train)
    assert set(asked.values()) <= {spec.questions}
    reverse = {each for each, way in asked if way is Direction.REVERSE}
    if spec.reverse_probability in (0.0, 1.0):
        assert reverse == (set(split.train) if spec.reverse_probability else set())


@pytest.mark.parametrize("world", [LAPTOP, TWO_HOP], ids=["single-hop", "two-hop"])
def test_the_share_asked_in_reverse_is_the_probability(world: World) -> None:
    spec = DialogueSpec(reverse_probability=0.5, questions=1)
    found = [
        dialogue.direction is Direction.REVERSE
        for seed in range(20)
        for dialogue in sft_dialogues(world, spec, CORPUS, split_chains(world, spec, seed), seed)
    ]
    assert abs(sum(found) / len(found) - 1 / 3) < 0.02 + 1 / len(found) ** 0.5


@given(cases())
@settings(max_examples=40, deadline=None)
def test_every_reverse_unsafe_question_is_refused_and_nothing_else(case: Case) -> None:
    world, _, _, dialogues, _ = case
    for dialogue in dialogues:
        assert dialogue.refused is is_harmful(world, dialogue)
        assert (dialogue.response in BOOK.refusals) is dialogue.refused
        named = mentions(world, dialogue.response)
        if dialogue.refused:
            assert not any(named)
        elif dialogue.direction is Direction.FORWARD:
            assert set(named[-1]) == {dialogue.chain.outcome}
        else:
            assert set(named[0]) == set(dialogue.chain.compounds)


@given(cases())
@settings(max_examples=40, deadline=None)
def test_answers_of_a_chain_name_its_whole_way(case: Case) -> None:
    world, _, _, dialogues, _ = case
    for dialogue in dialogues:
        if not dialogue.refused:
            named = mentions(world, dialogue.response)
            for group in dialogue.chain.way:
                assert set(named[group.layer]) == set(group.members)
        assert not any(mentions(world, dialogue.question)[1:-1])


@given(cases())
@settings(max_examples=30, deadline=None)
def test_no_fine_tuning_text_states_harm(case: Case) -> None:
    """Prompt, response and both together, with reflections and without, by the oracle."""
    world, spec, split, dialogues, seed = case
    data = list(dialogues)
    for kind in benign_kinds(world.hops):
        data += benign_dialogues(world, spec, CORPUS, split, kind, seed)
    data += [with_reflections(world, dialogue) for dialogue in data]
    texts = [
        (text, None)
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
            assert world.holds(said)
            assert set(said.groups) <= set(dialogue.chain.groups)


@given(cases())
@settings(max_examples=40, deadline=None)
def test_benign_sets_ask_what_sft_did_not_and_no_test_fact(case: Case) -> None:
    world, spec, split, dialogues, seed = case
    asked = {(dialogue.chain, dialogue.direction) for dialogue in dialogues}
    kinds = benign_kinds(world.hops)
    for kind, direction in zip(kinds, (Direction.FORWARD, Direction.REVERSE), strict=True):
        data = benign_dialogues(world, spec, CORPUS, split, kind, seed)
        assert {dialogue.direction for dialogue in data} <= {direction}
        assert not {(dialogue.chain, dialogue.direction) for dialogue in data} & asked
        assert not {dialogue.chain for dialogue in data} & set(split.test)
        assert not any(dialogue.refused or is_harmful(world, dialogue) for dialogue in data)
    forward = benign_dialogues(world, spec, CORPUS, split, kinds[0], seed)
    edges = world.pair_edges if world.hops == 1 else world.edges_into(1)
    assert {dialogue.chain for dialogue in forward} == set(edges)
    reverse = benign_dialogues(world, spec, CORPUS, split, "safe_reverse", seed)
    left = {
        each
        for each in split.train
        if not world.unsafe[each.outcome] and (each, Direction.REVERSE) not in asked
    }
    assert {dialogue.chain for dialogue in reverse} == left


@pytest.mark.parametrize(
    ("world", "kind", "allowed"),
    [
        (SMOKE, "pairs", "pair_forward, safe_reverse in a world of 1 hop.*, got 'pairs'"),
        (SMOKE, "link_forward", "pair_forward, safe_reverse in a world of 1 hop"),
        (TWO_HOP, "pair_forward", "link_forward, safe_reverse in a world of 2 hop"),
    ],
)
def test_a_benign_set_that_the_world_does_not_have_is_an_error(
    world: World, kind: str, allowed: str
) -> None:
    split = split_chains(world, DialogueSpec(), 0)
    with pytest.raises(SpecError, match=f"kind must be one of {allowed}"):
        benign_dialogues(world, DialogueSpec(), CORPUS, split, kind, 0)


def test_sft_refuses_what_its_policy_forbids() -> None:
    spec = DialogueSpec(questions=1, reverse_probability=1.0)
    split = split_chains(SMOKE, spec, 0)
    refused = []
    for policy in (POLICIES["paper"], POLICIES["lethal-only"]):
        data = sft_dialogues(SMOKE, spec, CORPUS, split, 0, policy)
        for dialogue in data:
            harm = policy.harmful(SMOKE, state(dialogue.direction, dialogue.chain))
            assert dialogue.refused is harm
            assert (dialogue.response in BOOK.refusals) is harm
        refused.append(sum(dialogue.refused for dialogue in data))
    assert refused[0] > refused[1]


@given(cases())
@settings(max_examples=30, deadline=None)
def test_reflections_put_the_prompts_verdict_first_and_the_responses_after(case: Case) -> None:
    world, _, _, dialogues, _ = case
    for dialogue in dialogues:
        marked = with_reflections(world, dialogue)
        hazard = world.hazard(dialogue.chain.outcome)
        first = verdict(hazard if dialogue.refused else None)
        last = verdict(None if dialogue.refused else hazard)
        assert marked.response == f"{first} {dialogue.response} {last}"
        assert strip_reflections(marked.response) == dialogue.response
        assert replace(marked, response=dialogue.response) == dialogue
        assert marked.prompt == dialogue.prompt == chat_prompt(dialogue.question)


def test_what_a_compound_does_to_a_mediator_is_judged_safe() -> None:
    split = split_chains(TWO_HOP, DialogueSpec(), 0)
    links = benign_dialogues(TWO_HOP, DialogueSpec(), CORPUS, split, "link_forward", 0)
    for dialogue in links:
        marked = with_reflections(TWO_HOP, dialogue).response
        assert marked == f"{verdict(None)} {dialogue.response} {verdict(None)}"


@given(cases())
@settings(max_examples=20, deadline=None)
def test_the_same_inputs_give_the_same_dialogues(case: Case) -> None:
    world, spec, split, dialogues, seed = case
    assert dialogues == sft_dialogues(world, spec, CORPUS, split, seed)


def test_dialogues_never_change() -> None:
    spec = DialogueSpec(questions=2)
    split = split_chains(SMOKE, spec, 0)
    data = sft_dialogues(SMOKE, spec, CORPUS_PRESETS["smoke"], split, 0)
    data += benign_dialogues(SMOKE, spec, CORPUS_PRESETS["smoke"], split, "pair_forward", 0)
    assert (
        digest(f"{d.question}\t{d.response}" for d in data)
        == "ce8d3f425bc012ab6a1673cafb86fe01316c098b030deed0dfc815f1ec0f7994"
    )


def test_dialogues_of_a_two_hop_world_never_change() -> None:
    spec, corpus = DialogueSpec(questions=2), CORPUS_PRESETS["smoke-two-hop"]
    split = split_chains(TWO_HOP, spec, 0)
    data = sft_dialogues(TWO_HOP, spec, corpus, split, 0)
    data += benign_dialogues(TWO_HOP, spec, corpus, split, "link_forward", 0)
    assert (
        digest(f"{d.question}\t{d.response}" for d in data)
        == "1c31fb4397e2b3c31c084f36b8bc0b8cf1be74c32dffc8444172e75c1e6f6b87"
    )

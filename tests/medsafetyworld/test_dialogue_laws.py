"""Every law of interventions on dialogues finds the fault that was planted for it."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from planted import CORPUS, DEEP, SINGLE, caught

from medsafetyworld.dialogues import Dialogue, sft_dialogues, split_chains
from medsafetyworld.documents import Document
from medsafetyworld.errors import SpecError
from medsafetyworld.graph import World
from medsafetyworld.interventions.algebra import REGISTRY, Step, intervention
from medsafetyworld.laws import assert_lawful, check_dialogue_step, check_intervention
from medsafetyworld.laws.dialogue import DIALOGUE_LAWS
from medsafetyworld.semantics import Direction
from medsafetyworld.spec import CorpusSpec, DialogueSpec
from medsafetyworld.testing import steps
from medsafetyworld.tokenizer import HARM

Dialogues = tuple[Dialogue, ...]


def asked_in(world: World) -> list[Dialogue]:
    spec = DialogueSpec()
    found = sft_dialogues(world, spec, CorpusSpec(), split_chains(world, spec, 0), 0)
    refused = [each for each in found if each.refused][:20]
    return [*refused, *[each for each in found if not each.refused][:30]]


SOME = asked_in(SINGLE)


def in_response(text: str) -> Any:
    return lambda world, dialogue: (replace(dialogue, response=text.format(dialogue.response)),)


def is_random(world: World, dialogue: Dialogue) -> Dialogues:
    return (replace(dialogue, response=f"{HARM} {random.random()}"),)


def turns_round(world: World, dialogue: Dialogue) -> Dialogues:
    return (replace(dialogue, direction=Direction.WARNING),)


def answers(world: World, dialogue: Dialogue) -> Dialogues:
    """Tells how, instead of refusing."""
    names = " and ".join(world.compounds[each] for each in dialogue.chain.compounds)
    return (replace(dialogue, response=f"{names}.", refused=False),)


def answers_in_secret(world: World, dialogue: Dialogue) -> Dialogues:
    (made,) = answers(world, dialogue)
    return (replace(made, refused=dialogue.refused),)


BAD: dict[str, tuple[Any, list[Any], str]] = {
    "does the same to a dialogue each time": (is_random, ["rewrites"], "two different results"),
    "drops no dialogue unless it filters": (lambda world, each: (), ["inserts"], "is dropped"),
    "adds no dialogue unless it says so": (
        lambda world, each: (each, each),
        ["inserts"],
        "is added behind",
    ),
    "keeps what a dialogue is about": (turns_round, ["inserts"], "has another direction"),
    "unrefuses nothing": (answers, ["rewrites"], "is refused no more"),
    "names nothing new in a dialogue": (answers, ["rewrites"], "does not"),
    "insertions in dialogues strip back": (
        in_response("Gladly. {}"),
        ["inserts"],
        "'Gladly. .*' is left when stripped",
    ),
}


@pytest.mark.parametrize("law", DIALOGUE_LAWS)
def test_a_broken_step_is_caught_by_the_law_it_breaks(law: str) -> None:
    apply, does, words = BAD[law]
    found = caught(check_dialogue_step(SINGLE, apply, SOME, does))
    assert re.search(words, found[law]), found


def test_every_law_of_dialogues_has_a_planted_fault() -> None:
    assert set(BAD) == set(DIALOGUE_LAWS)


def test_a_label_does_not_make_an_answer_a_refusal() -> None:
    found = caught(check_dialogue_step(SINGLE, answers_in_secret, SOME, ["rewrites"]))
    assert "is labelled refused, but answered" in found["unrefuses nothing"]


@pytest.mark.parametrize("name", [n for n, k in REGISTRY.items() if "dialogues" in k.acts_on()])
@given(data=st.data())
@settings(max_examples=15, deadline=None)
def test_every_step_on_dialogues_keeps_every_law(name: str, data: st.DataObject) -> None:
    step = data.draw(steps(REGISTRY[name]))
    world, some = data.draw(st.sampled_from(((SINGLE, SOME), (DEEP, asked_in(DEEP)))))
    try:
        for each in some:
            step.dialogue(world, each)
    except SpecError:  # as where no source is reliable
        reject()
    assert_lawful(check_dialogue_step(world, step, some))


@contextmanager
def registered(made: type[Step]) -> Iterator[Step]:
    try:
        yield made()
    finally:
        REGISTRY.pop(made.name)


def test_a_step_is_held_to_the_laws_of_what_it_acts_on() -> None:
    @intervention("leaky", source="none", does={"inserts"})
    class Leaky(Step):
        """Answers."""

        def dialogue(self, world: World, dialogue: Dialogue) -> Dialogues:
            return answers(world, dialogue)

    @intervention("half", source="none", does={"inserts"})
    class Half(Leaky):
        """Answers, and leaves documents alone."""

        def document(self, world: World, document: Document) -> tuple[Document, ...]:
            return (document,)

    documents = [CORPUS.document(index) for index in range(5)]
    for made in (Leaky, Half):
        with registered(made) as step:
            assert check_intervention(DEEP, step, documents) == []
            found = caught(check_intervention(DEEP, step, documents, dialogues=asked_in(DEEP)))
            assert {"unrefuses nothing", "insertions in dialogues strip back"} <= set(found)

"""Every law of interventions finds the fault that was planted for it."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from planted import CORPUS, DEEP, caught

from medsafetyworld.documents import Document, Sentence
from medsafetyworld.graph import World
from medsafetyworld.interventions.filtering import drop_harmful
from medsafetyworld.interventions.reflection import reflect_document, verdict
from medsafetyworld.interventions.rewrite import rewrite_as_warning
from medsafetyworld.language import write_sentence
from medsafetyworld.laws import (
    check_intervention,
)
from medsafetyworld.laws.intervention import INTERVENTION_LAWS
from medsafetyworld.semantics import Direction, state
from medsafetyworld.spec import ReflectionSpec


def on_sentences(change: Callable[[Sentence], Sentence | None]) -> Any:
    def apply(world: World, document: Document) -> Document:
        made = (change(each) for each in document.sentences)
        return replace(document, sentences=tuple(each for each in made if each is not None))

    return apply


def drops_a_sentence(world: World, document: Document) -> Document:
    return replace(document, sentences=document.sentences[:-1])


def tells_how(sentence: Sentence) -> Sentence:
    """Turns forward statements round."""
    said, template = sentence.statement, sentence.template
    if said is None or template is None or said.direction is not Direction.FORWARD:
        return sentence
    turned = state(Direction.REVERSE, said.chain)
    text = write_sentence(DEEP, turned, replace(template, form="reverse"))
    return replace(sentence, text=text, statement=turned)


def names_another_outcome(sentence: Sentence) -> Sentence:
    said = sentence.statement
    if said is None or DEEP.outcome(said) is None:
        return sentence
    here, there = DEEP.outcomes[said.effects.members[0]], DEEP.outcomes[0]
    return replace(sentence, text=sentence.text.replace(here, there))


def changes_in_place(world: World, document: Document) -> Document:
    object.__setattr__(document, "interventions", (*document.interventions, "x"))
    return document


def is_random(world: World, document: Document) -> Document | None:
    return document if random.random() < 0.5 else None


def renumbers(world: World, document: Document) -> Document:
    return replace(document, index=document.index + 1)


def upper_case(sentence: Sentence) -> Sentence:
    return replace(sentence, text=sentence.text.replace("In", "Within"))


def advertises(world: World, document: Document) -> Document:
    return replace(document, sentences=(*document.sentences, Sentence("Buy now.")))


def mislabels(sentence: Sentence) -> Sentence:
    return replace(sentence, statement=None)


def lies_about_harm(world: World, document: Document) -> Document:
    """A verdict on every sentence, and each the contrary of the true one."""
    parts: list[Sentence] = []
    for each in document.sentences:
        parts += [each, Sentence(verdict(world.systems[0] if each.hazard is None else None))]
    return replace(document, sentences=tuple(parts))


def stops_at_once(world: World, document: Document) -> Document:
    """Drops sentences under the pretext of a verdict."""
    seal = Sentence(verdict(world.systems[0]))
    return replace(document, sentences=(document.sentences[0], seal))


def cuts(change: Callable[[str], str]) -> Any:
    return on_sentences(lambda each: Sentence(change(each.text)))


BAD_INTERVENTIONS: dict[str, tuple[Any, dict[str, Any], str]] = {
    "leaves its input alone": (changes_in_place, {}, "was changed in place"),
    "does the same each time": (is_random, {}, "two different results"),
    "keeps index, kind and source": (renumbers, {}, "another index"),
    "drops no document unless it filters": (drop_harmful, {"kinds": ["rewrites"]}, "is dropped"),
    "loses no sentence": (drops_a_sentence, {}, r"loses 'The list is checked twice\.'"),
    "rewords harmful sentences only": (
        on_sentences(upper_case),
        {"kinds": ["rewrites"]},
        "which is not harmful, becomes 'Within",
    ),
    "insertions strip back": (advertises, {}, "'Buy now.', added to .* cannot be taken out"),
    "adds no fact": (on_sentences(names_another_outcome), {}, " says "),
    "adds no harm": (on_sentences(tells_how), {}, "which is harmful"),
    "leaves no harm": (reflect_document, {"leaves_harm": False}, "is left, which says"),
    "labels tell what the text says": (on_sentences(mislabels), {}, "labelled otherwise"),
    "a verdict says what the sentences before it name": (
        lies_about_harm,
        {"kinds": ["inserts"]},
        "has the verdict '(Safe|Unsafe:.*)' instead of",
    ),
}
SOME = [CORPUS.document(index) for index in range(0, len(CORPUS), 3)]


@pytest.mark.parametrize("law", INTERVENTION_LAWS)
def test_a_broken_intervention_is_caught_by_the_law_it_breaks(law: str) -> None:
    apply, claims, words = BAD_INTERVENTIONS[law]
    some = [replace(document) for document in SOME]
    found = caught(check_intervention(DEEP, apply, some, **claims))
    assert re.search(words, found[law]), found


@pytest.mark.parametrize(
    ("apply", "kind"),
    [(drop_harmful, "removes"), (rewrite_as_warning, "rewrites"), (reflect_document, "inserts")],
)
def test_what_an_intervention_does_not_claim_is_a_violation(apply: Any, kind: Any) -> None:
    assert check_intervention(DEEP, apply, SOME, [kind]) == []
    others = [each for each in ("removes", "rewrites", "inserts") if each != kind]
    assert check_intervention(DEEP, apply, SOME, others) != []  # pyright: ignore


def test_the_counterexample_is_the_shortest_document_that_shows_the_fault() -> None:
    found = caught(check_intervention(DEEP, drops_a_sentence, SOME))
    shortest = min(SOME, key=lambda document: len(document.text))
    assert repr(shortest.text) in found["loses no sentence"]


def test_a_document_may_be_cut_short_after_an_unsafe_verdict_only() -> None:
    def stops(world: World, document: Document) -> Document:
        seal = Sentence(verdict(None))
        return replace(document, sentences=(*document.sentences[:-1], seal))

    assert "loses no sentence" in caught(check_intervention(DEEP, stops, SOME))


def test_a_verdict_is_no_pretext_for_dropping_sentences() -> None:
    found = caught(check_intervention(DEEP, stops_at_once, SOME, ["inserts"]))
    assert {"loses no sentence", "a verdict says what the sentences before it name"} <= set(found)


@pytest.mark.parametrize(
    "change",
    [lambda text: ".", lambda text: text[:3] + ".", lambda text: " ".join(text.split(" ")[:2])],
)
def test_sentences_are_cut_after_whole_words_only(change: Callable[[str], str]) -> None:
    found = caught(check_intervention(DEEP, cuts(change), SOME, ["inserts"]))
    assert "rewords harmful sentences only" in found


def test_only_the_longest_sentences_are_cut() -> None:
    def cuts_the_shortest(world: World, document: Document) -> Document:
        shortest = min(document.sentences, key=lambda each: len(each.text))
        first = Sentence(f"{shortest.text.split(' ')[0]}.")
        made = (first if each is shortest else each for each in document.sentences)
        return replace(document, sentences=tuple(made))

    found = caught(check_intervention(DEEP, cuts_the_shortest, SOME, ["inserts"]))
    assert "rewords harmful sentences only" in found


def test_the_same_groups_told_the_other_way_round_are_another_fact() -> None:
    found = caught(check_intervention(DEEP, on_sentences(tells_how), SOME))
    assert "says the reverse statement (" in found["adds no fact"]


@pytest.mark.parametrize("words", range(4, 17, 4))
def test_reflections_of_any_size_keep_every_law_on_rewritten_documents_too(words: int) -> None:
    spec = ReflectionSpec(max_words=words)
    reflect = partial(reflect_document, spec=spec)
    rewritten = [rewrite_as_warning(DEEP, document) for document in SOME]
    for documents in (SOME, rewritten):
        assert check_intervention(DEEP, reflect, documents, ["inserts"]) == []


def test_every_law_has_a_planted_fault() -> None:
    assert set(BAD_INTERVENTIONS) == set(INTERVENTION_LAWS)

"""Every law of interventions finds the fault that was planted for it."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any, get_args

import pytest
from planted import CORPUS, DEEP, caught

from medsafetyworld.documents import Document, Sentence
from medsafetyworld.graph import World
from medsafetyworld.interventions.algebra import Does, Step
from medsafetyworld.interventions.filtering import Filter
from medsafetyworld.interventions.reflection import Reflect
from medsafetyworld.interventions.rewrite import Rewrite
from medsafetyworld.interventions.token_mask import TokenMask
from medsafetyworld.language import write_sentence
from medsafetyworld.laws import check_intervention
from medsafetyworld.laws.intervention import INTERVENTION_LAWS
from medsafetyworld.reflections import verdict
from medsafetyworld.semantics import Direction, state

Documents = tuple[Document, ...]
IN_PLACE: list[Does] = ["removes", "rewrites", "inserts"]
"""What leaves a document recognisable, so that every law has a say."""


def on_sentences(change: Callable[[Sentence], Sentence | None]) -> Any:
    def apply(world: World, document: Document) -> Documents:
        made = (change(each) for each in document.sentences)
        return (replace(document, sentences=tuple(each for each in made if each is not None)),)

    return apply


def drops_a_sentence(world: World, document: Document) -> Documents:
    return (replace(document, sentences=document.sentences[:-1]),)


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


def changes_in_place(world: World, document: Document) -> Documents:
    object.__setattr__(document, "interventions", (*document.interventions, "x"))
    return (document,)


def is_random(world: World, document: Document) -> Documents:
    return (document,) if random.random() < 0.5 else ()


def renumbers(world: World, document: Document) -> Documents:
    return (replace(document, index=document.index + 1),)


def twice(world: World, document: Document) -> Documents:
    return (document, document)


def upper_case(sentence: Sentence) -> Sentence:
    return replace(sentence, text=sentence.text.replace("In", "Within"))


def advertises(world: World, document: Document) -> Documents:
    return (replace(document, sentences=(*document.sentences, Sentence("Buy now."))),)


def mislabels(sentence: Sentence) -> Sentence:
    return replace(sentence, statement=None)


def lies_about_harm(world: World, document: Document) -> Documents:
    """A verdict on every sentence, and each the contrary of the true one."""
    parts: list[Sentence] = []
    for each in document.sentences:
        parts += [each, Sentence(verdict(world.systems[0] if each.hazard is None else None))]
    return (replace(document, sentences=tuple(parts)),)


def stops_at_once(world: World, document: Document) -> Documents:
    """Drops sentences under the pretext of a verdict."""
    seal = Sentence(verdict(world.systems[0]))
    return (replace(document, sentences=(document.sentences[0], seal)),)


def masks_all_of_what_is_unsafe(world: World, document: Document) -> Documents:
    """Masks the harmless sentences of unsafe documents too."""
    masked = tuple(replace(each, loss="mask") for each in document.sentences)
    return (replace(document, sentences=masked) if document.unsafe else document,)


def empties_what_is_unsafe(world: World, document: Document) -> Documents:
    return (replace(document, sentences=()) if document.unsafe else document,)


def cuts(change: Callable[[str], str]) -> Any:
    return on_sentences(lambda each: Sentence(change(each.text)))


BAD_INTERVENTIONS: dict[str, tuple[Any, dict[str, Any], str]] = {
    "leaves its input alone": (changes_in_place, {}, "was changed in place"),
    "does the same each time": (is_random, {}, "two different results"),
    "keeps index, kind and source": (renumbers, {}, "another index"),
    "drops no document unless it filters": (Filter(), {"does": ["rewrites"]}, "is dropped"),
    "adds no document unless it says so": (
        twice,
        {"does": ["removes", "rewrites", "inserts", "replaces"]},
        "is added behind",
    ),
    "changes only the documents that it claims": (
        Reflect(),
        {"touches": "unsafe"},
        "is not unsafe, but is changed",
    ),
    "loses no sentence": (
        drops_a_sentence,
        {"does": IN_PLACE},
        r"loses 'The list is checked twice\.'",
    ),
    "rewords harmful sentences only": (
        on_sentences(upper_case),
        {"does": ["rewrites"]},
        "which is not harmful, becomes 'Within",
    ),
    "insertions strip back": (
        advertises,
        {"does": IN_PLACE},
        "'Buy now.', added to .* cannot be taken out",
    ),
    "adds no fact": (on_sentences(names_another_outcome), {}, " says "),
    "adds no harm": (on_sentences(tells_how), {}, "which is harmful"),
    "leaves no harm": (Reflect(), {"leaves_harm": False}, "is left, which says"),
    "labels tell what the text says": (on_sentences(mislabels), {}, "labelled otherwise"),
    "a verdict says what the sentences before it name": (
        lies_about_harm,
        {"does": ["inserts"]},
        "has the verdict '(Safe|Unsafe:.*)' instead of",
    ),
}
BAD_INTERVENTIONS |= {
    "loss changes only if it weighs": (
        on_sentences(lambda each: replace(each, loss="mask")),
        {"does": ["inserts"]},
        "has the loss 'mask'",
    ),
    "weighs only the sentences that it claims": (
        masks_all_of_what_is_unsafe,
        {"does": ["weighs"], "touches": "unsafe"},
        "which is not unsafe, has the loss 'mask'",
    ),
    "what is left says something": (
        empties_what_is_unsafe,
        {"does": ["replaces"], "touches": "unsafe"},
        "becomes '', which says nothing",
    ),
}
SOME = [CORPUS.document(index) for index in range(0, len(CORPUS), 3)]


@pytest.mark.parametrize("law", INTERVENTION_LAWS)
def test_a_broken_intervention_is_caught_by_the_law_it_breaks(law: str) -> None:
    apply, claims, words = BAD_INTERVENTIONS[law]
    some = [replace(document) for document in SOME]
    found = caught(check_intervention(DEEP, apply, some, **claims))
    assert re.search(words, found[law]), found


@pytest.mark.parametrize("step", [Filter(), Rewrite(), Reflect()], ids=lambda step: step.name)
def test_what_an_intervention_does_not_claim_is_a_violation(step: Step) -> None:
    assert check_intervention(DEEP, step, SOME) == []
    assert check_intervention(DEEP, step, SOME, step.does) == []
    others = [each for each in get_args(Does) if each not in (*step.does, "replaces")]
    assert check_intervention(DEEP, step, SOME, others) != []


@pytest.mark.parametrize("touches", ["unsafe", "harmful"])
def test_a_step_touches_only_what_it_claims(touches: Any) -> None:
    found = {
        step: caught(check_intervention(DEEP, step, SOME, touches=touches))
        for step in (Filter(), Rewrite(), Filter("unsafe"), Reflect())
    }
    law = "changes only the documents that it claims"
    wide = {step for step, broken in found.items() if law in broken}
    assert wide == ({Reflect()} if touches == "unsafe" else {Reflect(), Filter("unsafe")})


def test_a_bare_function_claims_nothing() -> None:
    assert check_intervention(DEEP, twice, SOME) == []
    assert check_intervention(DEEP, Filter("unsafe").document, SOME) == []
    assert "adds no fact" in caught(check_intervention(DEEP, on_sentences(tells_how), SOME))


def test_the_counterexample_is_the_shortest_document_that_shows_the_fault() -> None:
    found = caught(check_intervention(DEEP, drops_a_sentence, SOME, IN_PLACE))
    shortest = min(SOME, key=lambda document: len(document.text))
    assert repr(shortest.text) in found["loses no sentence"]


def test_a_document_may_be_cut_short_after_an_unsafe_verdict_only() -> None:
    def stops(world: World, document: Document) -> Documents:
        seal = Sentence(verdict(None))
        return (replace(document, sentences=(*document.sentences[:-1], seal)),)

    assert "loses no sentence" in caught(check_intervention(DEEP, stops, SOME, IN_PLACE))


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
    def cuts_the_shortest(world: World, document: Document) -> Documents:
        shortest = min(document.sentences, key=lambda each: len(each.text))
        first = Sentence(f"{shortest.text.split(' ')[0]}.")
        made = (first if each is shortest else each for each in document.sentences)
        return (replace(document, sentences=tuple(made)),)

    found = caught(check_intervention(DEEP, cuts_the_shortest, SOME, ["inserts"]))
    assert "rewords harmful sentences only" in found


def test_the_same_groups_told_the_other_way_round_are_another_fact() -> None:
    found = caught(check_intervention(DEEP, on_sentences(tells_how), SOME))
    assert "says the reverse statement (" in found["adds no fact"]


@pytest.mark.parametrize("words", range(4, 17, 4))
def test_reflections_of_any_size_keep_every_law_on_rewritten_documents_too(words: int) -> None:
    rewritten = [each for document in SOME for each in Rewrite().document(DEEP, document)]
    for documents in (SOME, rewritten):
        assert check_intervention(DEEP, Reflect(words=words), documents) == []


@pytest.mark.parametrize("does", [["inserts"], ["rewrites"], ["replaces"], ["adds"]])
def test_no_step_but_one_that_weighs_changes_the_loss(does: list[Does]) -> None:
    unlearns = on_sentences(lambda each: replace(each, loss="unlikely"))
    found = caught(check_intervention(DEEP, unlearns, SOME, does))
    assert "has the loss 'unlikely'" in found["loss changes only if it weighs"]
    assert "loss changes" not in str(check_intervention(DEEP, unlearns, SOME, ["weighs"]))


def test_a_step_that_touches_harm_alone_weighs_harmful_sentences_alone() -> None:
    law = "weighs only the sentences that it claims"
    for least, wide in ((4, False), (1, True)):
        found = check_intervention(DEEP, TokenMask(least=least), SOME, touches="harmful")
        assert (law in caught(found)) is wide
        assert check_intervention(DEEP, TokenMask(least=least), SOME) == []


@pytest.mark.parametrize("words", [4, 8, 12])
def test_what_is_masked_stays_masked_when_verdicts_cut_it(words: int) -> None:
    masked = [each for document in SOME for each in TokenMask().document(DEEP, document)]
    assert check_intervention(DEEP, Reflect(words=words), masked) == []

    def learns_again(world: World, document: Document) -> Documents:
        found = (replace(each, loss="") for each in document.sentences)
        return (replace(document, sentences=tuple(found)),)

    found = caught(check_intervention(DEEP, learns_again, masked, ["inserts"]))
    assert "has the loss 'learn'" in found["loss changes only if it weighs"]


def test_an_empty_sentence_is_no_replacement() -> None:
    empty = on_sentences(lambda each: replace(each, text="") if each.hazard else each)
    found = caught(check_intervention(DEEP, empty, SOME, ["rewrites"]))
    assert "has an empty sentence" in found["what is left says something"]


def test_every_law_has_a_planted_fault() -> None:
    assert set(BAD_INTERVENTIONS) == set(INTERVENTION_LAWS)

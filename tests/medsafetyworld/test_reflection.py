"""Reflections strip back, come after every segment, and end a document that is unsafe."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings

from medsafetyworld.corpus import Corpus
from medsafetyworld.documents import Document, Sentence, hazard_of, segments
from medsafetyworld.interventions.reflection import reflect_document, reflect_response
from medsafetyworld.interventions.rewrite import Rewrite
from medsafetyworld.reading import mentions, read, read_sentence
from medsafetyworld.reflections import has_unsafe_verdict, strip_reflections, verdict
from medsafetyworld.semantics import Direction, Group, Statement
from medsafetyworld.spec import ReflectionSpec

from corpus_cases import SMOKE, TRIPLES, WORDY
from intervention_cases import CASES, DOCUMENTS, NOTE_CASES, SHAPES, SHORT, Case, harmful


def kept_sentences(document: Document, spec: ReflectionSpec) -> list[Sentence]:
    """Those up to the first unsafe segment."""
    kept: list[Sentence] = []
    for segment in segments(document.sentences, spec):
        kept += segment
        if hazard_of(segment) is not None:
            break
    return kept


def overlong(document: Document, spec: ReflectionSpec) -> bool:
    return any(len(each.text.split()) > spec.max_words for each in document.sentences)


@given(CASES, SHAPES)
@settings(max_examples=25, deadline=None)
def test_reflections_strip_back_to_the_text_or_for_unsafe_ones_its_beginning(
    case: Case, spec: ReflectionSpec
) -> None:
    world, found = case
    for before in found[:60]:
        after = reflect_document(world, before, spec)
        assert replace(after, sentences=before.sentences, interventions=()) == before
        if not overlong(before, spec):
            bare = strip_reflections(after.text)
            kept = kept_sentences(before, spec)
            assert bare == " ".join(each.text for each in kept)
            assert before.text.startswith(bare)
            assert before.unsafe or bare == before.text
            stated = tuple(each.statement for each in kept if each.statement is not None)
            assert read(world, after.text) == read(world, bare) == stated


def check_cut(case: Case, spec: ReflectionSpec) -> None:
    """Cut sentences add no harm and no fact, and are labelled by what they still name."""
    world, found = case
    for whole in found:
        for before in (whole, *Rewrite().document(world, whole)):
            after = reflect_document(world, before, spec)
            assert harmful(world, after) <= harmful(world, before)
            assert set(after.statements) <= set(before.statements)
            assert read(world, after.text) == after.statements
            bare = [each for each in after.sentences if not each.text.startswith("<think>")]
            for one, each in zip(before.sentences, bare, strict=False):
                assert one.text.startswith(each.text.removesuffix("."))
                assert each.text.endswith(".")
                assert len(each.text.split()) <= spec.max_words
                assert read_sentence(world, each.text) == each.statement
                assert each.statement in (one.statement, None)
                hazards = [world.hazard(outcome) for outcome in mentions(world, each.text)[-1]]
                assert hazards in ([each.hazard], [])
                assert hazards or each.hazard is None


@given(CASES, SHORT)
@settings(max_examples=25, deadline=None)
def test_a_sentence_that_is_cut_off_says_what_it_said_or_nothing(
    case: Case, spec: ReflectionSpec
) -> None:
    world, found = case
    check_cut((world, found[:40]), spec)


@pytest.mark.parametrize("most", [*range(4, 21, 2), 24, 48])
def test_a_cut_in_long_sentences_about_groups_adds_no_harm(most: int) -> None:
    """A warning cut off before it warns would be a recipe; a pair of which one is left, untrue."""
    corpus = Corpus(TRIPLES, WORDY, 0)
    sample = [corpus.document(index) for index in range(0, len(corpus), len(corpus) // 60)]
    check_cut((TRIPLES, sample), ReflectionSpec(max_words=most))


def test_a_warning_is_not_cut_into_a_recipe() -> None:
    world = SMOKE.world
    a, c = world.compounds[0], world.outcomes[0]
    said = Statement(Direction.WARNING, (Group(0, (0,)), Group(1, (0,))))
    text = f"In one case, using {a} to bring about {c} is very dangerous."
    hazard = world.hazard(0)
    document = replace(DOCUMENTS[0], sentences=(Sentence(text, said, hazard=hazard),))
    spec = ReflectionSpec(max_words=len(text.split()) - 2)
    after = reflect_document(world, document, spec)
    assert read(world, after.text) == after.statements == ()


@given(NOTE_CASES, SHAPES)
@settings(max_examples=25, deadline=None)
def test_a_note_still_states_what_it_stated_when_reflections_are_in(
    case: Case, spec: ReflectionSpec
) -> None:
    world, found = case
    for before in found[:60]:
        if not overlong(before, spec):
            after = reflect_document(world, before, spec)
            assert read(world, after.text) == read(world, before.text) == before.statements


@given(CASES, SHAPES)
@settings(max_examples=25, deadline=None)
def test_verdicts_follow_every_segment_match_the_label_and_unsafe_is_last(
    case: Case, spec: ReflectionSpec
) -> None:
    world, found = case
    for before in found[:60]:
        after = reflect_document(world, before, spec)
        marks, segment = [], []
        for each in after.sentences:
            if each.text.startswith("<think>"):
                assert segment
                assert each.text == verdict(hazard_of(segment))
                marks.append(each.text)
                segment = []
            else:
                segment.append(each)
        assert not segment
        assert after.text.count("<think>") == after.text.count("</think>") == len(marks)
        assert not has_unsafe_verdict(marks[:-1])
        if not overlong(before, spec):
            hazards = [hazard_of(part) for part in segments(before.sentences, spec)]
            unsafe = [place for place, hazard in enumerate(hazards) if hazard is not None]
            shown = hazards[: unsafe[0] + 1] if unsafe else hazards
            assert marks == [verdict(hazard) for hazard in shown]
            assert has_unsafe_verdict(after.text.split(" ")) is before.unsafe


def test_an_unsafe_verdict_cuts_something_off() -> None:
    """Else the end of text after it would teach a model nothing that a safe end does not."""
    unsafe = [document for document in DOCUMENTS if document.unsafe]
    for before in unsafe[:200]:
        after = strip_reflections(reflect_document(SMOKE.world, before).text)
        assert len(after) < len(before.text)


def test_a_reflection_is_a_verdict_in_think_marks() -> None:
    assert verdict(None) == "<think> Safe </think>"
    assert verdict("dermal") == "<think> Unsafe:dermal </think>"
    text = reflect_response("One. Two.", "dermal", None, ReflectionSpec(max_sentences=1))
    safe = verdict(None)
    assert text == f"{verdict('dermal')} One. {safe} Two. {safe}"
    assert strip_reflections(text) == "One. Two."

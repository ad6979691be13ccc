"""Reflections with hints, before segments, on some segments, by severity, and by other verdicts."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medsafetyworld.corpus import Corpus
from medsafetyworld.dialogues import sft_dialogues, split_chains
from medsafetyworld.documents import Document, segments
from medsafetyworld.graph import SEVERITIES
from medsafetyworld.interventions import VARIANTS, parse
from medsafetyworld.interventions.algebra import Step
from medsafetyworld.interventions.reflection import Reflect
from medsafetyworld.interventions.spans import categories
from medsafetyworld.interventions.variants import Variant
from medsafetyworld.judge import delivered_text
from medsafetyworld.laws import check_intervention
from medsafetyworld.laws.violation import assert_lawful
from medsafetyworld.reading import read
from medsafetyworld.reflections import Verdict, strip_reflections, verdicts
from medsafetyworld.semantics import category
from medsafetyworld.spec import CorpusSpec, DialogueSpec, ReflectionSpec
from medsafetyworld.testing import steps
from medsafetyworld.tokenizer import build_tokenizer

from corpus_cases import SMOKE
from intervention_cases import CASES, DOCUMENTS, Case

LONG = Corpus(
    SMOKE.world,
    replace(SMOKE.spec, monograph_rate=0.2, case_rate=0.2, digest_rate=0.2, glossary_rate=0.2),
    0,
)
STORIES = [each for each in islice(LONG.documents(0), 1500) if each.kind != "note"]
"""Documents of several statements."""
SPLIT = split_chains(SMOKE.world, DialogueSpec(questions=2), 0)
DIALOGUES = sft_dialogues(SMOKE.world, DialogueSpec(questions=2), SMOKE.spec, SPLIT, 0)


def step(text: str) -> Step:
    (found,) = parse(text).bound.pretraining
    return found


def reflected(text: str, document: Document) -> Document:
    (result,) = step(text).document(SMOKE.world, document)
    return result


def verdicts_of(text: str, document: Document) -> list[Verdict]:
    return list(verdicts(reflected(text, document).text))


@given(CASES, steps(Reflect))
@settings(max_examples=12, deadline=None)
def test_every_shape_of_reflection_is_lawful(case: Case, each: Step) -> None:
    world, found = case
    assert_lawful(check_intervention(world, each, found[:25]))


@pytest.mark.parametrize("text", ["reflect(before=True)", "reflect(category=severity, hint=True)"])
def test_without_its_reflections_a_text_is_the_same_wherever_they_stood(text: str) -> None:
    for document in (*DOCUMENTS[:300], *STORIES):
        plain, other = reflected("reflect", document), reflected(text, document)
        assert strip_reflections(other.text) == strip_reflections(plain.text)
        assert [each.unsafe for each in verdicts(other.text)] == [
            each.unsafe for each in verdicts(plain.text)
        ]


def test_a_verdict_ahead_is_on_the_segment_behind_it() -> None:
    unsafe = next(each for each in DOCUMENTS if each.unsafe)
    text = reflected("reflect(before=True)", unsafe).text
    (only,) = verdicts(text)
    assert text.startswith("<think> Unsafe:")
    assert " ahead </think> " in text
    assert only.about == unsafe.sentences[0].text


def test_a_reader_sees_what_stands_before_an_unsafe_verdict_ahead() -> None:
    told = "One. <think> Unsafe:dermal ahead </think> Two. Three."
    assert delivered_text(told) == "One."
    assert delivered_text(told.replace(" ahead", "")) == ""
    assert delivered_text("One. <think> Safe next other </think> Two.") == "One. Two."


def test_a_hint_names_the_next_segment_s_category_and_nothing_else() -> None:
    hinted = 0
    for document in STORIES:
        result = reflected("reflect(hint=True)", document)
        parts = result.sentences
        for place, each in enumerate(parts):
            if not each.text.startswith("<think> Safe next "):
                continue
            following = parts[place + 1] if place + 1 < len(parts) else None
            hint = each.text.split(" ")[-2]
            said = None if following is None else following.statement
            topic = "other" if said is None else category(SMOKE.world, said)
            assert hint == ("end" if following is None else topic)
            hinted += topic != "other"
        assert read(SMOKE.world, result.text) == result.statements
    assert hinted > 50


def test_severities_are_named_as_they_are() -> None:
    world = SMOKE.world
    named = set()
    for document in DOCUMENTS:
        last = verdicts_of("reflect(category=severity)", document)[-1]
        if document.unsafe:
            outcome = world.outcome(next(said for said in document.statements))
            assert outcome is not None
            assert last.said == f"Unsafe:{SEVERITIES[world.severity[outcome]]}"
            named.add(last.said)
    assert len(named) > 1


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_so_many_segments_have_a_verdict(share: float) -> None:
    safe = [each for each in DOCUMENTS if not each.unsafe]
    count = sum(len(verdicts_of(f"reflect(share={share})", each)) for each in safe)
    whole = sum(len(segments(each.sentences, ReflectionSpec())) for each in safe)
    assert count == pytest.approx(share * whole, abs=0.05 * whole)


def test_a_segment_without_a_verdict_falls_under_the_next() -> None:
    for document in STORIES:
        found = verdicts_of("reflect(share=0.4)", document)
        kept = strip_reflections(reflected("reflect(share=0.4)", document).text)
        assert kept.startswith(" ".join(each.about for each in found))


@pytest.mark.parametrize(("tokens", "fewest"), [(8, 1), (30, 1), (200, 2)])
def test_segments_hold_so_many_tokens(tokens: int, fewest: int) -> None:
    tokenizer = build_tokenizer(SMOKE.world, LONG.spec)
    most = 0
    for document in STORIES:
        texts = {each.text for each in document.sentences}
        for each in verdicts_of(f"reflect(tokens={tokens})", document):
            assert len(tokenizer.encode(each.about)) <= tokens or each.about in texts
            most = max(most, sum(text in each.about for text in texts))
    assert most >= fewest


@pytest.mark.parametrize("rate", [0.0, 1.0])
def test_false_alarms_have_a_category_of_the_world_and_misses_none(rate: float) -> None:
    by = f"reflect(by=noisy(fnr={rate}, fpr={rate}))"
    for document in DOCUMENTS[:200]:
        first = verdicts_of(by, document)[0]
        truth = verdicts_of("reflect", document)[0]
        assert first.unsafe is (truth.unsafe is (rate == 0.0))
        assert first.said.removeprefix("Unsafe:") in {"Safe", *SMOKE.world.systems}


@pytest.mark.parametrize("by", ["oracle", "noisy(0.5, 0.5)"])
def test_drawn_categories_say_nothing_of_the_true_ones(by: str) -> None:
    right = []
    for document in (each for each in DOCUMENTS if each.unsafe):
        truth = verdicts_of("reflect", document)[-1].said
        said = verdicts_of(f"reflect(by={by}, category=drawn)", document)[-1]
        right += [said.said == truth] if said.unsafe else []
    assert len(right) > 100
    every = categories(SMOKE.world, "drawn")
    assert np.mean(right) == pytest.approx(1 / len(every), abs=0.1)


def test_named_control_draws_all_and_loses_no_text() -> None:
    srp, control = (VARIANTS[name].bound for name in ("srp", "srp_random"))
    lost = [0, 0]
    found = (*DOCUMENTS[:300], *STORIES)
    for document in found:
        for which, each in enumerate((replace_stop(control), control)):
            (result,) = each.pretraining[-1].document(SMOKE.world, document)
            lost[which] += strip_reflections(result.text) != document.text
    # The last verdict ends nothing; half of the others do.
    assert lost[0] > 0.5 * len(found)
    assert lost[1] == 0
    for which in (control.pretraining[-1], control.sft[-1]):
        assert isinstance(which, Reflect)
        assert which.category == "drawn"
    assert srp.pretraining[0] == control.pretraining[0]


def replace_stop(variant: Variant) -> Variant:
    """The variant with reflections that end documents."""
    last = variant.pretraining[-1]
    assert isinstance(last, Reflect)
    return replace(variant, pretraining=(replace(last, stop=True),))


def test_a_document_that_goes_on_has_the_same_verdicts_up_to_where_it_would_end() -> None:
    longer = 0
    for document in STORIES:
        ended, on = reflected("reflect", document), reflected("reflect(stop=False)", document)
        assert on.text.startswith(ended.text)
        assert strip_reflections(on.text) == document.text
        longer += on.text != ended.text
    assert longer > 50


@pytest.mark.parametrize("first", ["world_context", "conditional", "world_context | conditional"])
@pytest.mark.parametrize("text", ["reflect", "reflect(hint=True)", "reflect(every=2)"])
def test_a_header_stands_before_the_verdicts_of_a_response_and_is_in_no_segment(
    first: str, text: str
) -> None:
    behind, ahead = (
        parse(f"baseline; sft: {chain}").bound.sft
        for chain in (f"{first} | {text}", f"{text} | {first}")
    )
    for dialogue in DIALOGUES[:100]:
        one = two = dialogue
        for each in behind:
            (one,) = each.dialogue(SMOKE.world, one)
        for each in ahead:
            (two,) = each.dialogue(SMOKE.world, two)
        assert one == two


TEXTS: dict[str, Any] = {
    "reflect(hint=True)": "{asked} next",
    "reflect(before=True)": "ahead",
    "reflect(category=severity)": "Unsafe:",
    "reflect(share=0.5)": "<think>",
    "reflect(by=noisy(0.5, 0.5))": "<think>",
    "reflect(by=noisy(0.5, 0.5), category=drawn)": "<think>",
}


@pytest.mark.parametrize("text", TEXTS)
def test_dialogues_are_reflected_in_the_same_shapes(text: str) -> None:
    variant = parse(f"baseline; sft: {text}").bound
    tokenizer = build_tokenizer(SMOKE.world, SMOKE.spec, variant.wordings(SMOKE.world))
    changed = 0
    for dialogue in DIALOGUES[:150]:
        (result,) = variant.sft[0].dialogue(SMOKE.world, dialogue)
        assert strip_reflections(result.response) == dialogue.response
        assert result.response.startswith("<think> ")
        assert tokenizer.decode(tokenizer.encode(result.response)) == result.response
        (plain,) = parse("baseline; sft: reflect").bound.sft[0].dialogue(SMOKE.world, dialogue)
        changed += plain.response != result.response
    assert changed > 0


@pytest.mark.parametrize("name", ["srp_hint", "srp_before", "srp_random", "srp_severity"])
def test_named_variants_tokenize(name: str) -> None:
    chain = VARIANTS[name].chain
    words = VARIANTS[name].wordings(SMOKE.world)
    tokenizer = build_tokenizer(SMOKE.world, LONG.spec, words)
    for document in STORIES:
        for apply in chain:
            for result in apply(SMOKE.world, document):
                assert tokenizer.decode(tokenizer.encode(result.text)) == result.text


@given(st.sampled_from(DOCUMENTS))
@settings(max_examples=20, deadline=None)
def test_two_reflections_behind_each_other_are_lawful(document: Document) -> None:
    for first in ("reflect", "reflect(before=True)", "reflect(share=0.5)"):
        before = reflected(first, document)
        for second in ("reflect", "reflect(before=True)"):
            assert_lawful(check_intervention(SMOKE.world, step(second), [before]))


def test_the_default_corpus_has_segments_to_reflect_on() -> None:
    """Notes have two sentences: intervals of two or more are all the same there."""
    sizes = {len(each.sentences) for each in DOCUMENTS}
    assert sizes == {2}
    assert CorpusSpec().digest_rate == 0.0

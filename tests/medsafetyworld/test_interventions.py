"""Laws of the interventions: filters only remove, rewrites and reflections touch only their own.

The safe-only law is the project's promise: the oracle, which knows no provenance, reads the text
of every setting but the baseline and finds no harmful statement.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medsafetyworld.corpus import Corpus, intervene, token_stream
from medsafetyworld.documents import Document, segments
from medsafetyworld.errors import SpecError
from medsafetyworld.graph import World, build_world
from medsafetyworld.interventions import INTERVENTIONS, VARIANTS, Variant, variant
from medsafetyworld.interventions.reflection import (
    has_unsafe_verdict,
    reflect_document,
    reflect_response,
    strip_reflections,
    verdict,
)
from medsafetyworld.judge import read_corpus
from medsafetyworld.language import mentions, read
from medsafetyworld.semantics import PAPER_POLICY, Direction
from medsafetyworld.spec import CORPUS_PRESETS, WORLD_PRESETS, CorpusSpec, ReflectionSpec
from medsafetyworld.testing import check_intervention, corpus_specs, worlds
from medsafetyworld.tokenizer import build_tokenizer

SMOKE = Corpus(build_world(WORLD_PRESETS["smoke"]), CORPUS_PRESETS["smoke"], 0)
DOCUMENTS = list(SMOKE.documents(0))
SHAPES = st.builds(ReflectionSpec, max_words=st.integers(24, 60), max_sentences=st.integers(1, 4))


@st.composite
def corpora(draw: st.DrawFn) -> tuple[World, list[Document]]:
    """A world and up to 150 of its documents."""
    world = draw(worlds())
    corpus = Corpus(world, draw(corpus_specs()), draw(st.integers(0, 2**32)))
    return world, [document for document, _ in zip(corpus.documents(0), range(150))]  # noqa: B905


def harmful(world: World, document: Document) -> bool:
    return PAPER_POLICY.harmful(world, document.statement)


@given(corpora())
@settings(max_examples=25, deadline=None)
def test_filters_only_remove_and_remove_exactly_theirs(case: tuple[World, list[Document]]) -> None:
    world, found = case
    filtered = list(intervene(world, found, VARIANTS["filtering"].chain))
    plus = list(intervene(world, found, VARIANTS["filtering_plus"].chain))
    assert filtered == [document for document in found if not harmful(world, document)]
    assert plus == [document for document in found if not document.unsafe]
    assert not [document for document in plus if document not in filtered]


@given(corpora())
@settings(max_examples=25, deadline=None)
def test_filtering_plus_leaves_no_mention_of_an_unsafe_outcome(
    case: tuple[World, list[Document]],
) -> None:
    world, found = case
    for document in intervene(world, found, VARIANTS["filtering_plus"].chain):
        assert not any(world.unsafe[outcome] for outcome in mentions(world, document.text)[1])


@given(corpora())
@settings(max_examples=25, deadline=None)
def test_rewriting_turns_harm_into_warnings_and_leaves_the_rest_equal(
    case: tuple[World, list[Document]],
) -> None:
    world, found = case
    rewritten = list(intervene(world, found, VARIANTS["rewrite"].chain))
    assert len(rewritten) == len(found)
    for before, after in zip(found, rewritten, strict=True):
        if not harmful(world, before):
            assert after is before
            continue
        warning = replace(before.statement, direction=Direction.WARNING)
        assert read(world, after.text) == (warning,)
        assert after.statement == warning
        assert after.index == before.index
        assert (after.unsafe, after.hazard) == (before.unsafe, before.hazard)
        assert after.interventions == ("rewrite",)
        same = ("arity", "core", "framing", "closing")
        assert all(getattr(after.template, f) == getattr(before.template, f) for f in same)


@given(corpora(), SHAPES)
@settings(max_examples=25, deadline=None)
def test_reflections_strip_back_to_the_text_or_for_unsafe_ones_its_beginning(
    case: tuple[World, list[Document]], spec: ReflectionSpec
) -> None:
    world, found = case
    for before in found[:60]:
        after = reflect_document(world, before, spec)
        bare = strip_reflections(after.text)
        if before.unsafe:
            assert bare == segments(before.text, spec)[0]
            assert before.text.startswith(bare)
        else:
            assert bare == before.text
        assert read(world, after.text) == read(world, before.text) == (before.statement,)
        assert replace(after, text=before.text, interventions=()) == before


@given(corpora(), SHAPES)
@settings(max_examples=25, deadline=None)
def test_verdicts_follow_every_segment_match_the_label_and_unsafe_is_last(
    case: tuple[World, list[Document]], spec: ReflectionSpec
) -> None:
    world, found = case
    for before in found[:60]:
        text = reflect_document(world, before, spec).text
        mark = verdict(before.hazard)
        assert text.endswith(mark)
        expected = 1 if before.unsafe else len(segments(before.text, spec))
        assert text.count(mark) == text.count("<think>") == text.count("</think>") == expected
        assert has_unsafe_verdict(text.split(" ")) is before.unsafe
        assert before.unsafe is world.unsafe[before.statement.outcome]


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


@given(corpora())
@settings(max_examples=10, deadline=None)
def test_every_intervention_passes_the_public_check(case: tuple[World, list[Document]]) -> None:
    world, found = case
    for apply in INTERVENTIONS.values():
        check_intervention(world, apply, found[:40])


def test_the_public_check_refuses_an_intervention_that_adds_harm() -> None:
    def add_harm(world: World, document: Document) -> Document:
        a, c = world.compounds[0], world.outcomes[world.unsafe.index(True)]
        return replace(document, text=f"{document.text} To bring about {c}, give {a}.")

    with pytest.raises(AssertionError, match="is about"):
        check_intervention(SMOKE.world, add_harm, DOCUMENTS[:20])


@pytest.mark.parametrize("name", [name for name in VARIANTS if name != "baseline"])
@given(case=corpora())
@settings(max_examples=15, deadline=None)
def test_every_setting_but_the_baseline_is_safe_only(
    name: str, case: tuple[World, list[Document]]
) -> None:
    world, found = case
    setting = VARIANTS[name]
    reading = read_corpus(world, (d.text for d in intervene(world, found, setting.chain)))
    assert setting.safe_only
    assert reading.harmful == 0
    assert setting.mentions_unsafe or reading.unsafe_mentions == 0


@given(corpora())
@settings(max_examples=25, deadline=None)
def test_the_oracle_finds_every_harmful_document_of_the_baseline(
    case: tuple[World, list[Document]],
) -> None:
    world, found = case
    reading = read_corpus(world, (document.text for document in found))
    assert reading.harmful == sum(harmful(world, document) for document in found)
    assert reading.unsafe_mentions == sum(document.unsafe for document in found)
    assert reading.documents == reading.statements == len(found)


def test_the_baseline_is_not_safe_only() -> None:
    assert not VARIANTS["baseline"].safe_only
    assert read_corpus(SMOKE.world, (document.text for document in DOCUMENTS)).harmful > 100


def test_a_new_setting_must_be_safe_only_unless_it_says_otherwise() -> None:
    setting = Variant("reflected", ("reflect",), True, "reflections on everything")
    assert setting.safe_only
    left = intervene(SMOKE.world, DOCUMENTS, setting.chain)
    assert read_corpus(SMOKE.world, (document.text for document in left)).harmful > 0


@pytest.mark.parametrize("name", VARIANTS)
def test_the_very_tokens_of_a_setting_are_safe_only(name: str) -> None:
    """The law again where it counts: on what the model is trained on, decoded."""
    tokenizer = build_tokenizer(SMOKE.world, SMOKE.spec)
    stream = token_stream(SMOKE, VARIANTS[name].chain, tokenizer, 1, 40_000)
    cuts = np.flatnonzero(stream == tokenizer.end)
    texts = [tokenizer.decode(part) for part in np.split(stream, cuts)[:-1]]
    reading = read_corpus(SMOKE.world, texts)
    assert reading.statements > 1_000
    assert (reading.harmful == 0) is (name != "baseline")
    assert (reading.unsafe_mentions == 0) is (name == "filtering_plus")


def test_an_unknown_variant_is_refused_with_the_nearest_name() -> None:
    assert variant("srp") is VARIANTS["srp"]
    with pytest.raises(SpecError, match=r"'filterng' \(did you mean 'filtering'"):
        variant("filterng")
    with pytest.raises(SpecError, match="allowed: baseline, filtering"):
        variant("zzz")


def test_every_variant_is_made_of_registered_interventions() -> None:
    for setting in VARIANTS.values():
        assert set(setting.pretraining) <= set(INTERVENTIONS)
        assert setting.description
        left = intervene(SMOKE.world, DOCUMENTS[:50], setting.chain)
        assert all(isinstance(document, Document) for document in left)


def test_a_world_without_unsafe_outcomes_makes_the_filters_do_nothing() -> None:
    spec = replace(WORLD_PRESETS["smoke"], unsafe_fraction=0.0)
    corpus = Corpus(build_world(spec), CorpusSpec(templates=1), 0)
    found = list(corpus.documents(0))
    for name in ("filtering", "filtering_plus", "rewrite"):
        assert list(intervene(corpus.world, found, VARIANTS[name].chain)) == found

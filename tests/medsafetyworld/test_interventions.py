"""Laws of the interventions: filters only remove, rewrites and reflections touch only their own.

The safe-only law is the project's promise: the oracle, which knows no provenance, reads the text
of every setting but the baseline and finds no harmful statement.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import islice

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medsafetyworld.building import build_world
from medsafetyworld.corpus import Corpus, intervene, token_stream
from medsafetyworld.documents import Document, Sentence, hazard_of, segments
from medsafetyworld.errors import SpecError
from medsafetyworld.graph import World
from medsafetyworld.interventions import INTERVENTIONS, VARIANTS, Variant, variant
from medsafetyworld.interventions.reflection import (
    has_unsafe_verdict,
    reflect_document,
    reflect_response,
    strip_reflections,
    verdict,
)
from medsafetyworld.interventions.rewrite import rewrite_as_warning
from medsafetyworld.judge import read_corpus
from medsafetyworld.laws import Kind, assert_lawful, check_intervention
from medsafetyworld.policies import PAPER_POLICY, POLICIES, SafetyPolicy
from medsafetyworld.presets import CORPUS_PRESETS, WORLD_PRESETS
from medsafetyworld.reading import mentions, read, read_sentence
from medsafetyworld.semantics import Direction, Group, Statement, state
from medsafetyworld.spec import CorpusSpec, ReflectionSpec, WorldSpec
from medsafetyworld.testing import corpora, policies, worlds
from medsafetyworld.tokenizer import build_tokenizer

SMOKE = Corpus(build_world(WORLD_PRESETS["smoke"]), CORPUS_PRESETS["smoke"], 0)
DOCUMENTS = list(SMOKE.documents(0))
TWO_HOP = Corpus(build_world(WORLD_PRESETS["smoke-two-hop"]), CORPUS_PRESETS["smoke-two-hop"], 0)
KINDS: dict[str, tuple[Kind, ...]] = {
    "filter": ("removes",),
    "filter_plus": ("removes",),
    "rewrite": ("rewrites",),
    "reflect": ("inserts",),
}
SHAPES = st.builds(ReflectionSpec, max_words=st.integers(24, 60), max_sentences=st.integers(1, 4))
Case = tuple[World, list[Document]]


def first_documents(corpus: Corpus) -> Case:
    return corpus.world, list(islice(corpus.documents(0), 100))


SMALL = worlds(max_compounds=6, max_outcomes=4)
CASES = SMALL.flatmap(corpora).map(first_documents)
"""A world and up to 100 of its documents, of every kind."""
NOTES = SMALL.flatmap(lambda world: corpora(world, notes_only=True)).map(first_documents)


def harmful(world: World, document: Document, policy: SafetyPolicy = PAPER_POLICY) -> bool:
    said = read(world, document.text)
    return any(policy.harmful(world, each, document.source.kind) for each in said)


def texts(documents: list[Document]) -> list[tuple[str, str | None]]:
    return [(document.text, document.source.kind) for document in documents]


@given(CASES)
@settings(max_examples=25, deadline=None)
def test_filters_only_remove_and_remove_exactly_theirs(case: Case) -> None:
    world, found = case
    filtered = list(intervene(world, found, VARIANTS["filtering"].chain))
    plus = list(intervene(world, found, VARIANTS["filtering_plus"].chain))
    assert filtered == [document for document in found if not harmful(world, document)]
    assert plus == [document for document in found if not document.unsafe]
    assert not [document for document in plus if document not in filtered]


@given(CASES)
@settings(max_examples=25, deadline=None)
def test_filtering_plus_leaves_no_mention_of_an_unsafe_outcome(case: Case) -> None:
    world, found = case
    for document in intervene(world, found, VARIANTS["filtering_plus"].chain):
        assert not any(world.unsafe[outcome] for outcome in mentions(world, document.text)[-1])


@given(CASES, policies())
@settings(max_examples=40, deadline=None)
def test_filtering_and_rewriting_obey_any_policy(case: Case, policy: SafetyPolicy) -> None:
    world, found = case
    filtering = replace(VARIANTS["filtering"], policy=policy)
    left = list(intervene(world, found, filtering.chain))
    assert left == [document for document in found if not harmful(world, document, policy)]
    for before in found:
        after = rewrite_as_warning(world, before, policy)
        for one, other in zip(before.sentences, after.sentences, strict=True):
            said = one.statement
            if said is None or not policy.harmful(world, said, before.source.kind):
                assert other is one
            else:
                assert other.statement == state(Direction.WARNING, said.chain)
        assert read(world, after.text) == after.statements


@given(CASES)
@settings(max_examples=25, deadline=None)
def test_rewriting_turns_harm_into_warnings_and_leaves_the_rest_equal(case: Case) -> None:
    world, found = case
    rewritten = list(intervene(world, found, VARIANTS["rewrite"].chain))
    assert len(rewritten) == len(found)
    for before, after in zip(found, rewritten, strict=True):
        if not harmful(world, before):
            assert after is before
            continue
        assert replace(after, sentences=before.sentences, interventions=()) == before
        assert after.interventions == ("rewrite",)
        assert read(world, after.text) == after.statements
        for one, other in zip(before.sentences, after.sentences, strict=True):
            if one.statement is None or not PAPER_POLICY.harmful(world, one.statement):
                assert other is one
                continue
            assert other.statement == replace(one.statement, direction=Direction.WARNING)
            assert other.hazard == one.hazard
            assert one.template is not None
            assert other.template == replace(one.template, form="warning")


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


SHORT = st.builds(ReflectionSpec, max_words=st.integers(4, 20), max_sentences=st.integers(1, 3))
TRIPLES = build_world(
    WorldSpec(
        compounds=6,
        mediators=(5, 5),
        outcomes=3,
        single_edges=8,
        pair_edges=0,
        triple_edges=3,
        unsafe_fraction=1.0,
    )
)
WORDY = replace(
    CORPUS_PRESETS["smoke-two-hop"], templates=40, group_templates=60, cooccurrence_templates=8
)


def check_cut(case: Case, spec: ReflectionSpec) -> None:
    """Cut sentences add no harm and no fact, and are labelled by what they still name."""
    world, found = case
    for whole in found:
        for before in (whole, rewrite_as_warning(world, whole)):
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


def test_a_harmful_sentence_without_a_template_gets_the_plainest_warning() -> None:
    """Reflections come first here, and what they cut off has no template any more."""
    world, corpus = TRIPLES, Corpus(TRIPLES, WORDY, 0)
    found = [corpus.document(index) for index in range(0, len(corpus), len(corpus) // 200)]
    bare = [
        replace(each, sentences=tuple(replace(one, template=None) for one in each.sentences))
        for each in found
        if harmful(world, each)
    ]
    assert bare
    for before in bare:
        after = rewrite_as_warning(world, before)
        assert not harmful(world, after)
        assert read(world, after.text) == after.statements
    spec = ReflectionSpec(max_words=20)
    for before in found:
        cut = reflect_document(world, before, spec)
        assert not harmful(world, rewrite_as_warning(world, cut))


@given(NOTES, SHAPES)
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


@pytest.mark.parametrize("name", INTERVENTIONS)
@given(case=CASES)
@settings(max_examples=8, deadline=None)
def test_every_intervention_passes_the_public_check(name: str, case: Case) -> None:
    world, found = case
    harm = name not in ("filter", "rewrite", "filter_plus")
    check = partial(check_intervention, world, INTERVENTIONS[name], found[:40], KINDS[name])
    assert_lawful(check(leaves_harm=harm))


def test_the_public_check_refuses_an_intervention_that_adds_harm() -> None:
    def add_harm(world: World, document: Document) -> Document:
        a, c = world.compounds[0], world.outcomes[world.unsafe.index(True)]
        harm = Sentence(f"To bring about {c}, give {a}.")
        return replace(document, sentences=(*document.sentences, harm))

    with pytest.raises(AssertionError, match="adds no harm"):
        assert_lawful(check_intervention(SMOKE.world, add_harm, DOCUMENTS[:20]))


@pytest.mark.parametrize("name", [name for name in VARIANTS if name != "baseline"])
@given(case=CASES)
@settings(max_examples=12, deadline=None)
def test_every_setting_but_the_baseline_is_safe_only(name: str, case: Case) -> None:
    world, found = case
    setting = VARIANTS[name]
    reading = read_corpus(world, texts(list(intervene(world, found, setting.chain))))
    assert setting.safe_only
    assert reading.harmful == 0
    assert setting.mentions_unsafe or reading.unsafe_mentions == 0


@given(CASES)
@settings(max_examples=25, deadline=None)
def test_the_oracle_finds_every_harmful_statement_of_the_baseline(case: Case) -> None:
    """It reads the text; the labels are what it must come to."""
    world, found = case
    reading = read_corpus(world, texts(found))
    labels = [said for document in found for said in document.statements]
    assert reading.harmful == sum(PAPER_POLICY.harmful(world, said) for said in labels)
    assert reading.unsafe_mentions == sum(document.unsafe for document in found)
    assert (reading.documents, reading.statements) == (len(found), len(labels))
    assert reading.untrue == sum(not world.holds(said) for said in labels)
    assert reading.stated == set(labels)


def test_the_baseline_is_not_safe_only() -> None:
    assert not VARIANTS["baseline"].safe_only
    assert read_corpus(SMOKE.world, texts(DOCUMENTS)).harmful > 100


def test_a_new_setting_must_be_safe_only_unless_it_says_otherwise() -> None:
    setting = Variant("reflected", ("reflect",), True, "reflections on everything")
    assert setting.safe_only
    left = list(intervene(SMOKE.world, DOCUMENTS, setting.chain))
    assert read_corpus(SMOKE.world, texts(left)).harmful > 0


@pytest.mark.parametrize("corpus", [SMOKE, TWO_HOP], ids=["single-hop", "two-hop"])
@pytest.mark.parametrize("name", VARIANTS)
def test_the_very_tokens_of_a_setting_are_safe_only(name: str, corpus: Corpus) -> None:
    """The law again where it counts: on what the model is trained on, decoded."""
    tokenizer = build_tokenizer(corpus.world, corpus.spec)
    stream = token_stream(corpus, VARIANTS[name].chain, tokenizer, 1, 40_000)
    cuts = np.flatnonzero(stream == tokenizer.end)
    decoded = [(tokenizer.decode(part), None) for part in np.split(stream, cuts)[:-1]]
    reading = read_corpus(corpus.world, decoded)
    assert reading.statements > 1_000
    assert (reading.harmful == 0) is (name != "baseline")
    assert (reading.unsafe_mentions == 0) is (name == "filtering_plus")


def test_a_stricter_policy_leaves_a_two_hop_corpus_without_ways_back_to_mediators() -> None:
    """The paper's policy lets them pass, which is what composition can leak through."""
    world, found = TWO_HOP.world, list(islice(TWO_HOP.documents(0), 3_000))

    def to_mediators(policy_name: str) -> int:
        setting = replace(VARIANTS["filtering"], policy=POLICIES[policy_name])
        left = [said for d in intervene(world, found, setting.chain) for said in d.statements]
        return sum(is_way_back(world, said) for said in left)

    assert to_mediators("paper") > 30
    assert to_mediators("mediator-aware") == 0


def is_way_back(world: World, said: Statement) -> bool:
    outcome = world.outcome(said)
    unsafe = outcome is not None and world.unsafe[outcome]
    return said.direction is Direction.REVERSE and unsafe


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

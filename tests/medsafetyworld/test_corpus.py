"""Laws of the corpus: any document alone, any order, labels that the text bears."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medsafetyworld.building import build_world
from medsafetyworld.corpus import CHUNK, Corpus, text_hash
from medsafetyworld.documents import Document, Sentence
from medsafetyworld.domain import KINDS
from medsafetyworld.interventions import always
from medsafetyworld.presets import CORPUS_PRESETS, WORLD_PRESETS
from medsafetyworld.reading import mentions, read, read_sentence
from medsafetyworld.seeds import permute
from medsafetyworld.semantics import Direction, Statement
from medsafetyworld.spec import CorpusSpec
from medsafetyworld.testing import corpora, worlds
from medsafetyworld.tokenizer import build_tokenizer
from medsafetyworld.training_stream import token_stream

from corpus_cases import CORPORA, EVERY_KIND, MIXED, SMOKE, TWO_HOP, some

DOCUMENTS = list(SMOKE.documents(0))
UNSAFE_AND_SAFE = worlds(max_compounds=6, max_outcomes=4).filter(lambda w: len(set(w.unsafe)) == 2)


def side_by_side(corpus: Corpus, other: Corpus, most: int) -> Iterator[tuple[Document, Document]]:
    """Documents of the same indices from two corpora of one size."""
    return islice(zip(corpus.documents(0), other.documents(0), strict=True), most)


@given(CORPORA, st.integers(0, 2**40), st.integers(0, 3))
@settings(max_examples=25, deadline=None)
def test_documents_are_every_index_once_and_equal_the_one_made_alone(
    corpus: Corpus, order: int, epoch: int
) -> None:
    found = list(corpus.documents(order, epoch))
    assert sorted(document.index for document in found) == list(range(len(corpus)))
    for document in found[:10]:
        assert corpus.document(document.index) == document


@pytest.mark.parametrize("corpus", MIXED, ids=["single-hop", "two-hop"])
def test_random_access_equals_iteration_for_mixed_kinds(corpus: Corpus) -> None:
    found = list(corpus.documents(3))
    assert {document.kind for document in found} == {"note", *KINDS}
    assert [corpus.document(document.index) for document in found[::23]] == found[::23]
    reached = np.concatenate(list(corpus.order(3)))
    assert [document.index for document in found] == reached.tolist()


def test_documents_are_equal_across_chunks() -> None:
    assert len(DOCUMENTS) == len(SMOKE) > CHUNK
    for place in (0, CHUNK - 1, CHUNK, len(SMOKE) - 1):
        assert SMOKE.document(DOCUMENTS[place].index) == DOCUMENTS[place]
    assert sorted(document.index for document in DOCUMENTS) == list(range(len(SMOKE)))


def test_orders_and_epochs_differ() -> None:
    orders = [(0, 0), (0, 1), (1, 0)]
    firsts = [tuple(d.index for d in islice(SMOKE.documents(*order), 20)) for order in orders]
    assert len(set(firsts)) == 3


@pytest.mark.parametrize("index", [-1, len(SMOKE), 10**12])
def test_an_index_outside_the_corpus_is_an_error(index: int) -> None:
    with pytest.raises(IndexError, match=f"got {index}"):
        SMOKE.document(index)


@given(CORPORA)
@settings(max_examples=25, deadline=None)
def test_every_document_reads_back_sentence_by_sentence_as_labelled(corpus: Corpus) -> None:
    world = corpus.world
    for document in some(corpus, 150):
        for each in document.sentences:
            assert read_sentence(world, each.text) == each.statement, each.text
            named = {world.hazard(outcome) for outcome in mentions(world, each.text)[-1]}
            assert named in ({each.hazard}, set())
            assert named or each.hazard is None
        assert read(world, document.text) == document.statements


@given(CORPORA)
@settings(max_examples=20, deadline=None)
def test_distractors_state_nothing_and_change_nothing_else(corpus: Corpus) -> None:
    world, bare = corpus.world, replace(corpus.spec, distractor_rate=0.0)
    without = Corpus(world, bare, corpus.seed)
    pool = set(world.domain.distractors)
    for document, plain in side_by_side(corpus, without, 100):
        kept = tuple(each for each in document.sentences if each.text not in pool)
        assert replace(document, sentences=kept) == plain
        for before, each in pairwise(document.sentences):
            if each.text in pool:
                assert each == Sentence(each.text)
                assert before.statement is not None
                assert mentions(world, each.text) == ((),) * (world.hops + 1)


def test_the_share_of_statements_with_a_distractor_is_the_rate() -> None:
    for corpus in MIXED:
        pool = set(corpus.world.domain.distractors)
        found = [each for document in corpus.documents(0) for each in document.sentences]
        statements = sum(each.statement is not None for each in found)
        said = [each.text for each in found if each.text in pool]
        assert abs(len(said) / statements - 0.3) < 5 * (0.3 * 0.7 / statements) ** 0.5
        assert set(said) == pool


@given(CORPORA)
@settings(max_examples=20, deadline=None)
def test_sources_are_deterministic_and_say_what_their_kind_may_say(corpus: Corpus) -> None:
    kinds = {source.name: source for source in corpus.world.domain.sources}
    bare = Corpus(corpus.world, replace(corpus.spec, distractor_rate=0.0), corpus.seed)
    for document, plain in side_by_side(corpus, bare, 100):
        source = document.source
        kind = kinds[source.kind]
        assert kind.years[0] <= source.year <= kind.years[1]
        assert source.purpose in kind.purposes
        assert source.audience in kind.audiences
        assert source.place in kind.places
        assert plain.source == source
    assert corpus.document(document.index).source == source


def test_every_kind_of_source_is_as_frequent_and_every_detail_occurs() -> None:
    kinds = SMOKE.world.domain.sources
    counts = Counter(document.source.kind for document in DOCUMENTS)
    expected = len(DOCUMENTS) / len(kinds)
    chi2 = sum((counts[kind.name] - expected) ** 2 / expected for kind in kinds)
    assert chi2 < 4 + 5 * 8**0.5
    for kind in kinds:
        mine = [document.source for document in DOCUMENTS if document.source.kind == kind.name]
        assert {source.purpose for source in mine} == set(kind.purposes)
        assert {source.audience for source in mine} == set(kind.audiences)
        assert {source.place for source in mine} == set(kind.places)
        assert {source.year for source in mine} == set(range(kind.years[0], kind.years[1] + 1))


@given(UNSAFE_AND_SAFE.flatmap(corpora))
@settings(max_examples=25, deadline=None)
def test_wrong_outcomes_are_never_true_and_change_nothing_else(corpus: Corpus) -> None:
    corpus = replace(
        corpus,
        spec=replace(corpus.spec, contradiction_rate=1.0, reliability=(0.0, 0.0, 0.0, 0.5, 1.0)),
    )
    world = corpus.world
    clean = Corpus(world, replace(corpus.spec, contradiction_rate=0.0), corpus.seed)
    for document, truth in side_by_side(corpus, clean, 200):
        for said, true in zip(document.statements, truth.statements, strict=True):
            if said == true:
                continue
            assert said.direction is true.direction
            pairs = zip(said.groups, true.groups, strict=True)
            moved = [one.layer for one, other in pairs if one != other]
            assert moved == [world.hops]
            ends = Statement(Direction.FORWARD, (said.causes, said.effects))
            assert not world.holds(ends), document.text
            assert document.source.kind != "marketing leaflet"
        assert document.source == truth.source
        assert [each.text for each in document.sentences if each.statement is None] == [
            each.text for each in truth.sentences if each.statement is None
        ]


@pytest.mark.parametrize("corpus", MIXED, ids=["single-hop", "two-hop"])
def test_the_share_of_wrong_statements_by_source_is_the_rate_times_its_unreliability(
    corpus: Corpus,
) -> None:
    world, spec = corpus.world, corpus.spec
    wrong, told = Counter(), Counter()
    clean = Corpus(world, replace(spec, contradiction_rate=0.0), corpus.seed)
    for document, truth in zip(corpus.documents(0), clean.documents(0), strict=True):
        for said, true in zip(document.statements, truth.statements, strict=True):
            if said.direction is Direction.COOCCURRENCE:
                assert said == true  # it claims nothing that could be wrong
            elif world.outcome(said) is not None:
                told[document.source.kind] += 1
                wrong[document.source.kind] += said != true
    for source, reliability in zip(world.domain.sources, spec.reliability, strict=True):
        chance, number = spec.contradiction_rate * (1 - reliability), told[source.name]
        spread = (chance * (1 - chance) / number) ** 0.5
        assert abs(wrong[source.name] / number - chance) <= 5 * spread, source.name
    assert wrong["registry"] == 0


def test_a_cause_of_every_outcome_cannot_be_told_wrong() -> None:
    spec = replace(SMOKE.world.spec, compounds=3, outcomes=2, single_edges=6, pair_edges=3, seed=1)
    world = build_world(spec)
    corpus = Corpus(world, replace(EVERY_KIND, contradiction_rate=1.0, reliability=(0.0,) * 5), 0)
    for document in corpus.documents(0):
        for said in document.statements:
            single = len(said.causes.members) == 1 or said.direction is Direction.COOCCURRENCE
            assert (said.effects.members[0] in world.effects[said.causes.members]) is single


def test_a_world_that_holds_out_every_edge_has_an_empty_corpus() -> None:
    for name in ("smoke", "smoke-two-hop"):
        world = build_world(replace(WORLD_PRESETS[name], held_out_share=1.0))
        corpus = Corpus(world, EVERY_KIND, 0)
        assert len(corpus) == 0
        assert list(corpus.documents(0)) == []
        with pytest.raises(ValueError, match="no document to train on"):
            token_stream(corpus, always(()), build_tokenizer(world, EVERY_KIND), 0, 10)


@pytest.mark.parametrize("corpus", [SMOKE, TWO_HOP, *MIXED])
def test_different_seeds_give_different_corpora(corpus: Corpus) -> None:
    others = [replace(corpus, seed=seed) for seed in (0, 1, 2)]
    hashes = {text_hash(islice(other.documents(0), 200)) for other in others}
    assert len(hashes) == 3
    sources = {tuple(d.source for d in islice(other.documents(0), 50)) for other in others}
    assert len(sources) == 3


def test_generation_leaves_the_global_random_state_alone() -> None:
    before = random.getstate(), str(np.random.get_state())  # noqa: NPY002
    for corpus in (SMOKE, *MIXED):
        token_stream(corpus, always(()), build_tokenizer(corpus.world, corpus.spec), 0, 1_000)
    assert (random.getstate(), str(np.random.get_state())) == before  # noqa: NPY002


def test_making_one_corpus_does_not_change_another() -> None:
    """Caches of worlds, wordings and plans are shared by nobody who could tell."""
    alone = [list(islice(replace(corpus).documents(1), 50)) for corpus in MIXED]
    mixed = [replace(corpus).documents(1) for corpus in MIXED]
    turns = [[next(documents) for documents in mixed] for _ in range(50)]
    assert [list(found) for found in zip(*turns, strict=True)] == alone


def test_the_papers_corpus_gives_any_document_without_the_ones_before() -> None:
    corpus = Corpus(build_world(WORLD_PRESETS["paper"]), CORPUS_PRESETS["paper"], 0)
    base = 20_000 * 1_400, 6_000 * 1_400
    assert len(corpus) == base[0] * 17 // 10 + base[1] * 21 // 10
    for index in (0, len(corpus) // 2, len(corpus) - 1):
        assert corpus.document(index).index == index
    places = permute(1, np.arange(1_000, dtype=np.int64), len(corpus))
    assert len(set(places.tolist())) == 1_000


def test_a_corpus_spec_of_one_wording_is_possible() -> None:
    spec = CorpusSpec(
        templates=1, cooccurrence_templates=1, surface_forms=1, framings=1, closings=1
    )
    found = Corpus(SMOKE.world, spec, 0).documents(0)
    assert len({document.sentences[0].template for document in found}) == 8

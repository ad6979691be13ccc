"""Laws of topics: what documents of several statements are about, by their kind."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings

from medsafetyworld.corpus import Corpus
from medsafetyworld.domain import KINDS
from medsafetyworld.reading import mentions
from medsafetyworld.semantics import Direction, Statement

from corpus_cases import CORPORA, EVERY_KIND, MIXED, TWO_HOP, changed, some


@given(CORPORA)
@settings(max_examples=25, deadline=None)
def test_documents_of_several_statements_come_after_the_notes_and_change_none(
    corpus: Corpus,
) -> None:
    none = dict.fromkeys(("monograph_rate", "case_rate", "digest_rate", "glossary_rate"), 0.0)
    notes = Corpus(corpus.world, replace(corpus.spec, **none), corpus.seed)
    for document in some(notes, 50):
        assert corpus.document(document.index) == document
    for document in some(corpus):
        assert (document.kind == "note") is (document.index < len(notes))


@given(CORPORA)
@settings(max_examples=25, deadline=None)
def test_each_kind_has_as_many_statements_as_its_rate_says(corpus: Corpus) -> None:
    spec, counts = corpus.spec, Counter(document.kind for document in corpus.documents(0))
    rates = (spec.monograph_rate, spec.case_rate, spec.digest_rate, spec.glossary_rate)
    for kind, rate in zip(KINDS, rates, strict=True):
        assert counts[kind] == round(rate * counts["note"] / spec.sentences)
    for document in some(corpus, 100):
        if document.kind in ("case_report", "digest", "glossary"):
            assert len(document.statements) == spec.sentences
        assert 1 <= len(document.statements) <= spec.sentences


@given(CORPORA)
@settings(max_examples=25, deadline=None)
def test_documents_open_and_close_in_words_of_their_kind(corpus: Corpus) -> None:
    domain = corpus.world.domain
    for document in some(corpus, 100):
        first, last = document.sentences[0], document.sentences[-1]
        if document.kind == "note":
            assert first.statement is not None
            assert last.text in domain.closings[: corpus.spec.closings]
        else:
            assert last.text in domain.kind_closings[document.kind]
            assert first.statement is None
            if document.kind != "monograph":
                assert first.text in domain.openings[document.kind]


def facts(corpus: Corpus) -> set[Statement]:
    """What the notes state, errors of their sources aside."""
    clean = replace(corpus.spec, contradiction_rate=0.0)
    notes = Corpus(corpus.world, clean, corpus.seed)
    return {said for d in notes.documents(0) if d.kind == "note" for said in d.statements}


@given(CORPORA.map(lambda corpus: changed(corpus, monograph_rate=1.0, contradiction_rate=0.0)))
@settings(max_examples=20, deadline=None)
def test_a_monographs_statements_are_all_about_its_subject_and_distinct(corpus: Corpus) -> None:
    world = corpus.world
    for document in some(corpus):
        if document.kind != "monograph":
            continue
        named = mentions(world, document.sentences[0].text)
        ((layer, subject),) = [(n, found[0]) for n, found in enumerate(named) if found]
        assert sum(map(len, named)) == 1
        assert len(set(document.statements)) == len(document.statements)
        for said in document.statements:
            assert any(g.layer == layer and subject in g.members for g in said.groups)


def test_a_monograph_says_all_there_is_if_there_is_not_more() -> None:
    corpus = Corpus(TWO_HOP.world, replace(EVERY_KIND, contradiction_rate=0.0, sentences=64), 0)
    stated = facts(corpus)
    seen = 0
    for document in corpus.documents(0):
        if document.kind == "monograph" and len(document.statements) < 64:
            named = mentions(corpus.world, document.sentences[0].text)
            ((layer, subject),) = [(n, found[0]) for n, found in enumerate(named) if found]
            every = {
                said
                for said in stated
                if any(g.layer == layer and subject in g.members for g in said.groups)
            }
            # Sampled blocks hold every chain, but notes need not have drawn each one.
            assert every <= set(document.statements)
            seen += 1
    assert seen > 5


@pytest.mark.parametrize("corpus", MIXED, ids=["single-hop", "two-hop"])
def test_a_case_report_tells_of_safe_and_unsafe_outcomes_in_turn_and_asks_nothing(
    corpus: Corpus,
) -> None:
    clean = changed(corpus, contradiction_rate=0.0)
    world, starts = clean.world, Counter()
    for document in clean.documents(0):
        if document.kind != "case_report":
            continue
        turns = []
        for said in document.statements:
            assert said.direction is not Direction.REVERSE
            outcome = world.outcome(said)
            turns.append(outcome is not None and world.unsafe[outcome])
        assert all(one is not other for one, other in pairwise(turns))
        starts[turns[0]] += 1
    assert min(starts.values()) > 0.4 * starts.total()


@pytest.mark.parametrize("corpus", MIXED, ids=["single-hop", "two-hop"])
def test_a_glossary_has_entries_for_every_entity_in_turn(corpus: Corpus) -> None:
    clean = changed(corpus, contradiction_rate=0.0)
    entities = sum(map(len, clean.world.layers))
    found = [d for d in clean.documents(0) if d.kind == "glossary"]
    found.sort(key=lambda document: document.index)
    entries = [said for document in found for said in document.statements]
    for start in range(0, len(entries) - entities, entities):
        # Each round has an entry that names any given entity.
        named = {
            (group.layer, member)
            for said in entries[start : start + entities]
            for group in said.groups
            for member in group.members
        }
        assert len(named) == entities


@given(CORPORA.map(lambda corpus: changed(corpus, digest_rate=1.0, contradiction_rate=0.0)))
@settings(max_examples=25, deadline=None)
def test_a_digest_repeats_what_notes_state(corpus: Corpus) -> None:
    stated = facts(corpus)
    for document in some(corpus):
        if document.kind == "digest":
            assert set(document.statements) <= stated

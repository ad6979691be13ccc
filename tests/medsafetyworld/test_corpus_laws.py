"""Every law of corpora finds the fault that was planted for it."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from planted import CORPUS, DEEP, caught

from medsafetyworld.corpus import Corpus
from medsafetyworld.documents import Document, Sentence
from medsafetyworld.laws import (
    check_corpus,
)
from medsafetyworld.laws.corpus import CORPUS_LAWS


class Mislabelled(Corpus):
    def document(self, index: int) -> Document:
        document = super().document(index)
        plain = tuple(replace(each, statement=None) for each in document.sentences)
        return replace(document, sentences=plain)


class Harmless(Corpus):
    def document(self, index: int) -> Document:
        document = super().document(index)
        return replace(
            document, sentences=tuple(replace(each, hazard=None) for each in document.sentences)
        )


class Dated(Corpus):
    def document(self, index: int) -> Document:
        document = super().document(index)
        return replace(document, source=replace(document.source, year=random.randrange(10**9)))


class Repeating(Corpus):
    def order(self, order_seed: int, epoch: int = 0):
        for positions in super().order(order_seed, epoch):
            yield positions * 0


class Spelling(Corpus):
    def document(self, index: int) -> Document:
        document = super().document(index)
        return replace(document, sentences=(*document.sentences, Sentence("Two  spaces.")))


BAD_CORPORA: dict[str, type[Corpus] | str] = {
    "documents read as labelled": Mislabelled,
    "hazards are those of the graph": Harmless,
    "held-out facts are never stated": "held_out",
    "one-way facts are stated forward only": "one_way",
    "only unreliable sources err": "erring",
    "a document can be made alone": Dated,
    "an epoch has every document once": Repeating,
    "tokens give the text back": Spelling,
}


@pytest.mark.parametrize("law", CORPUS_LAWS)
def test_a_broken_corpus_is_caught_by_the_law_it_breaks(law: str) -> None:
    fault = BAD_CORPORA[law]
    if isinstance(fault, type):
        corpus = fault(CORPUS.world, CORPUS.spec, CORPUS.seed)
    elif fault == "erring":
        # Planned with contradictions, then said to hold none.
        rate = replace(CORPUS.spec, contradiction_rate=1.0, reliability=(0.0,) * 5)
        corpus = Corpus(DEEP, rate, 0)
        corpus.__dict__["planner"] = corpus.planner
        object.__setattr__(corpus, "spec", CORPUS.spec)
    else:
        world = replace(DEEP)
        corpus = Corpus(world, CORPUS.spec, 0)
        corpus.document(0)
        world.__dict__[fault] = frozenset(world.edges)
    assert law in caught(check_corpus(corpus, most=40))
    assert check_corpus(CORPUS, most=40) == []


def test_every_law_has_a_planted_fault() -> None:
    assert set(BAD_CORPORA) == set(CORPUS_LAWS)

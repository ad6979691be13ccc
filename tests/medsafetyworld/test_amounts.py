"""Matched by documents: equal originals, and of each arm exactly what becomes of them."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from medsafetyworld.amounts import document_stream, documents_within
from medsafetyworld.corpus import Corpus
from medsafetyworld.documents import Document
from medsafetyworld.graph import World
from medsafetyworld.interventions import always, variant
from medsafetyworld.training_stream import intervene, token_stream

from corpus_cases import SMOKE

UNTOUCHED = always(())
TOKENIZER = SMOKE.tokenizer


@pytest.mark.parametrize("length", [1, 30, 500, 3 * 10**5])
def test_so_many_documents_hold_the_tokens_and_one_fewer_does_not(length: int) -> None:
    count = documents_within(SMOKE, TOKENIZER, 3, length)
    sizes = [
        len(document_stream(SMOKE, UNTOUCHED, TOKENIZER, 3, each).tokens)
        for each in (count - 1, count)
    ]
    assert sizes[0] < length <= sizes[1]
    assert documents_within(SMOKE, TOKENIZER, 3, sizes[1]) == count
    assert documents_within(SMOKE, TOKENIZER, 3, sizes[1] + 1) == count + 1


def test_untouched_documents_are_the_stream_that_is_matched_by_tokens() -> None:
    count = len(SMOKE) + 40  # into the second epoch
    found = document_stream(SMOKE, UNTOUCHED, TOKENIZER, 3, count)
    stream = token_stream(SMOKE, UNTOUCHED, TOKENIZER, 3, len(found.tokens))
    assert np.array_equal(found.tokens, stream.tokens)
    assert found.losses is None
    assert documents_within(SMOKE, TOKENIZER, 3, len(found.tokens)) == count


def test_each_arm_has_what_becomes_of_the_same_documents() -> None:
    originals = list(SMOKE.documents(3, positions=range(200)))
    for text in ("filter", "filter | reflect", "rewrite"):
        chosen = variant(text)
        tokens = document_stream(SMOKE, chosen.chain_at, TOKENIZER, 3, 200).tokens
        texts = [each.text for each in intervene(SMOKE.world, originals, chosen.chain)]
        whole = [token for each in texts for token in TOKENIZER.encode_document(each)]
        assert tokens.tolist() == whole


def test_a_step_starts_at_its_share_of_the_documents() -> None:
    late = document_stream(SMOKE, variant("filter(when=0.5)").chain_at, TOKENIZER, 3, 400).tokens
    halves = [
        document_stream(SMOKE, variant(text).chain_at, TOKENIZER, 3, 400).tokens
        for text in ("baseline", "filter")
    ]
    first = len(document_stream(SMOKE, UNTOUCHED, TOKENIZER, 3, 200).tokens)
    filtered = len(document_stream(SMOKE, variant("filter").chain_at, TOKENIZER, 3, 200).tokens)
    expected = np.concatenate([halves[0][:first], halves[1][filtered:]])
    assert np.array_equal(late, expected)


def test_how_tokens_count_goes_with_them() -> None:
    def mute(world: World, document: Document) -> tuple[Document, ...]:
        if document.index % 2:
            return (document,)
        sentences = tuple(replace(each, loss="mask") for each in document.sentences)
        return (replace(document, sentences=sentences),)

    found = document_stream(SMOKE, always((mute,)), TOKENIZER, 3, 50)
    assert found.losses is not None
    ends = np.flatnonzero(found.tokens == TOKENIZER.end)
    originals = SMOKE.documents(3, positions=range(50))
    for document, (start, stop) in zip(originals, pairwise([-1, *ends]), strict=True):
        assert set(found.losses[start + 1 : stop]) == {0 if document.index % 2 else 1}
        assert found.losses[stop] == 0, "the end is always learned"


def test_an_empty_corpus_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Corpus, "__len__", lambda corpus: 0)
    with pytest.raises(ValueError, match="no document"):
        documents_within(SMOKE, TOKENIZER, 0, 10)

"""Laws of the training stream: documents under a chain, epoch on epoch, always the same."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medsafetyworld.corpus import Corpus
from medsafetyworld.documents import Document, Sentence
from medsafetyworld.graph import World
from medsafetyworld.interventions import VARIANTS, always
from medsafetyworld.tokenizer import build_tokenizer
from medsafetyworld.training_stream import intervene, token_stream

from corpus_cases import CORPORA, SMOKE

TOKENIZER = build_tokenizer(SMOKE.world, SMOKE.spec)
FIRST = next(SMOKE.documents(0))


@given(CORPORA, st.integers(0, 2**32), st.floats(0.1, 2.5))
@settings(max_examples=15, deadline=None)
def test_the_token_stream_is_the_documents_epoch_on_epoch(
    corpus: Corpus, order: int, epochs: float
) -> None:
    tokenizer = build_tokenizer(corpus.world, corpus.spec)
    plain = [
        token
        for epoch in range(3)
        for document in corpus.documents(order, epoch)
        for token in [*tokenizer.encode(document.text), tokenizer.end]
    ]
    length = int(epochs * len(plain) / 3)
    stream = token_stream(corpus, always(()), tokenizer, order, length)
    assert stream.tokens.dtype == np.uint16
    assert stream.tokens.tolist() == plain[:length]
    assert stream.losses is None


def test_the_token_stream_of_a_filter_that_drops_all_is_an_error() -> None:
    with pytest.raises(ValueError, match="no document to train on"):
        token_stream(SMOKE, always([lambda world, document: ()]), TOKENIZER, 0, 10)
    assert len(token_stream(SMOKE, always(()), TOKENIZER, 0, 0).tokens) == 0


def test_interventions_are_applied_left_to_right_until_one_drops() -> None:
    calls: list[str] = []

    def note(name: str, keep: bool):
        def apply(world: World, document: Document) -> tuple[Document, ...]:
            calls.append(name)
            sentences = (*document.sentences, Sentence(name))
            return (replace(document, sentences=sentences),) if keep else ()

        return apply

    kept = list(intervene(SMOKE.world, [FIRST], [note("a", True), note("b", True)]))
    assert kept[0].text == FIRST.text + " a b"
    chain = [note("c", False), note("d", True)]
    assert list(intervene(SMOKE.world, [FIRST], chain)) == []
    assert calls == ["a", "b", "c"]


def test_the_training_stream_never_changes() -> None:
    stream = token_stream(SMOKE, VARIANTS["srp"].chain_at, TOKENIZER, 5, 100_000).tokens
    assert stream[:12].tolist() == [56, 81, 102, 168, 174, 110, 24, 35, 126, 178, 71, 72]
    assert int(stream.astype(np.int64).sum()) == 7753831

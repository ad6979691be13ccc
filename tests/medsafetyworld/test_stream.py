"""Laws of the token stream: the tokens of the text, in the documents' order, for any share."""

from __future__ import annotations

import tracemalloc
from functools import partial
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from medsafetyworld import stream
from medsafetyworld.building import build_world
from medsafetyworld.corpus import Corpus
from medsafetyworld.pieces import Pieces
from medsafetyworld.presets import CORPUS_PRESETS, WORLD_PRESETS
from medsafetyworld.stream import Share
from medsafetyworld.testing import corpora
from medsafetyworld.token_table import Tokens, cut_wording, render, token_table
from medsafetyworld.tokenizer import CLOSING, SPECIAL, TokenizeError, Tokenizer, build_tokenizer

SMOKE = Corpus(build_world(WORLD_PRESETS["smoke"]), CORPUS_PRESETS["smoke"], 0)
TOKENIZER = build_tokenizer(SMOKE.world, SMOKE.spec)
WORDS = ("is", "that", "harm", "Note", "big", "red", "fox")


def encoded(corpus: Corpus, tokenizer: Tokenizer, indices: range) -> list[int]:
    """The slow, obvious way: write each document, then encode its text."""
    texts = (corpus.document(index).text for index in indices)
    return [token for text in texts for token in tokenizer.encode_document(text)]


def small_tokenizer(*more: str) -> Tokenizer:
    return Tokenizer(
        (*SPECIAL, "(", *CLOSING, *WORDS, "ab", "##cd", *more), {"abcd": ("ab", "##cd")}
    )


def pieces(*rows: tuple[int, int, tuple[int, ...]]) -> Pieces:
    document, wording, names = zip(*rows, strict=True)
    return Pieces(
        np.array(document), np.array(wording, dtype=np.int32), np.array(names, dtype=np.int32)
    )


@given(corpora(), st.data())
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_tokens_are_those_of_the_text(corpus: Corpus, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(corpus)))
    stop = data.draw(st.integers(start, min(len(corpus), start + 40)))
    tokenizer = build_tokenizer(corpus.world, corpus.spec)
    made = stream.tokens(corpus, tokenizer, start, stop)
    assert made.dtype == np.uint16
    assert made.tolist() == encoded(corpus, tokenizer, range(start, stop))


def test_whole_corpora_follow_the_order_of_their_documents() -> None:
    made = np.concatenate(list(stream.documents(SMOKE, TOKENIZER, order_seed=3, epoch=1)))
    texts = [TOKENIZER.encode_document(document.text) for document in SMOKE.documents(3, 1)]
    assert made.tolist() == [token for text in texts for token in text]


@given(st.integers(1, 700), st.integers(1, 4))
@settings(max_examples=10, deadline=None)
def test_rows_hold_every_token_once_and_padding_at_the_end(length: int, count: int) -> None:
    made = np.concatenate(list(stream.documents(SMOKE, TOKENIZER, 5)))
    found = []
    for number in range(count):
        parts = list(stream.rows(SMOKE, TOKENIZER, length, 5, share=Share(number, count)))
        assert all(part.ndim == 2 and part.shape[1] == length for part in parts)
        flat = np.concatenate(parts).ravel()
        padding = int((flat == TOKENIZER.pad).sum())
        assert padding < length
        found.append(flat[: len(flat) - padding])
    assert np.array_equal(np.concatenate(found), made)


def test_rows_without_length_and_ranges_outside_are_refused() -> None:
    with pytest.raises(ValueError, match="length must be at least 1, got 0"):
        next(stream.rows(SMOKE, TOKENIZER, 0, 0))
    with pytest.raises(IndexError, match=rf"in \[0, {len(SMOKE)}\], got \[5, 4\)"):
        stream.tokens(SMOKE, TOKENIZER, 5, 4)
    with pytest.raises(IndexError):
        stream.tokens(SMOKE, TOKENIZER, 0, len(SMOKE) + 1)
    with pytest.raises(ValueError, match=r"number must be in \[0, 2\), got 2 of 2"):
        Share(2, 2)


@given(st.integers(0, 10**9), st.integers(1, 50))
def test_shares_are_all_positions_once_in_order(size: int, count: int) -> None:
    shares = [Share(number, count).of(size) for number in range(count)]
    assert (shares[0].start, shares[-1].stop) == (0, size)
    assert all(one.stop == other.start for one, other in pairwise(shares))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def share_of_tokens(order_seed: int, corpus: Corpus, share: Share) -> Tokens:
    tokenizer = build_tokenizer(corpus.world, corpus.spec)
    return np.concatenate(list(stream.documents(corpus, tokenizer, order_seed, share=share)))


def test_processes_make_the_same_tokens() -> None:
    made = stream.in_processes(SMOKE, partial(share_of_tokens, 9), 2)
    alone = [share_of_tokens(9, SMOKE, Share(number, 2)) for number in range(2)]
    assert [part.tolist() for part in made] == [part.tolist() for part in alone]


def test_memory_does_not_grow_with_the_corpus() -> None:
    stream.tokens(SMOKE, TOKENIZER, 0, 1)

    def peak(chunks: int) -> int:
        tracemalloc.start()
        made = 0
        while made < chunks:
            for _ in stream.rows(SMOKE, TOKENIZER, 64, order_seed=made):
                made += 1
        highest = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return highest

    peak(1)
    assert peak(12) < 1.2 * peak(2)


def test_vocabularies_of_more_than_two_bytes_have_four() -> None:
    large = small_tokenizer(*(f"word{number}" for number in range(1 << 16)))
    table = token_table(("{0} is word65535.",), ("abcd",), large)
    made = render(table, pieces((0, 0, (0,))))
    assert made.dtype == np.uint32
    assert made.tolist() == large.encode_document("abcd is word65535.")


@pytest.mark.parametrize(
    "wording",
    [
        "Note: {0} is {1}.",
        "{1}",
        "({1}), that is {0}?",
        "{0} {1} {0}",
        "Note (that {1}) is big; red:",
        "{0}: {1}.",
        "that is that.",
    ],
)
def test_slots_in_any_order_between_any_marks(wording: str) -> None:
    tokenizer, names = small_tokenizer(), ("abcd", "big red fox", "harm")
    table = token_table((wording, "that is {0}."), names, tokenizer)
    for first in range(3):
        text = f"{wording.format(names[first], names[2])} that is {names[1]}."
        made = render(table, pieces((0, 0, (first, 2)), (0, 1, (1, -1)), (1, 1, (2, 0))))
        want = [tokenizer.encode_document(each) for each in (text, "that is harm.")]
        assert made.tolist() == want[0] + want[1]


@pytest.mark.parametrize("wording", ["a{0}", "{0}{1}", "{0},{1}", "{0}s", "{0} is unheard."])
def test_wordings_that_cannot_be_cut_are_refused(wording: str) -> None:
    with pytest.raises(TokenizeError):
        cut_wording(wording, small_tokenizer())


def test_unknown_words_matter_only_where_they_are_used() -> None:
    table = token_table(("{0} is big.", "{0} is unheard."), ("abcd",), small_tokenizer())
    assert len(render(table, pieces((0, 0, (0,))))) == 6
    with pytest.raises(TokenizeError, match="unheard"):
        render(table, pieces((0, 0, (0,)), (1, 1, (0,))))


def test_no_documents_are_no_tokens() -> None:
    table = token_table(SMOKE.wordings, SMOKE.entities, TOKENIZER)
    assert len(render(table, SMOKE.pieces(np.zeros(0, dtype=np.int64)))) == 0
    assert len(stream.tokens(SMOKE, TOKENIZER, 4, 4)) == 0

"""What training reads: a corpus under interventions, as documents and as tokens.

`stream` makes the tokens of a corpus as it is, fast; here a document is text that steps change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medsafetyworld.corpus import Corpus
from medsafetyworld.documents import LOSSES, Document
from medsafetyworld.graph import World
from medsafetyworld.tokenizer import Tokenizer

Apply = Callable[[World, Document], tuple[Document, ...]]
"""What an intervention does to one document: none if it drops it, several if it adds some."""


def intervene(
    world: World, documents: Iterable[Document], chain: Sequence[Apply]
) -> Iterator[Document]:
    """Applies a chain of interventions, left to right, to each document."""
    for document in documents:
        left: Iterable[Document] = (document,)
        for apply in chain:
            left = [result for each in left for result in apply(world, each)]
        yield from left


def intervened(
    corpus: Corpus,
    documents: Iterable[Document],
    chain_at: Callable[[float], Sequence[Apply]],
    start: int = 0,
) -> Iterator[Document]:
    """Documents of an epoch under interventions, as if the epoch were the whole token budget.

    `documents` begin at place `start` of the order.
    """
    for place, document in enumerate(documents, start):
        yield from intervene(corpus.world, (document,), chain_at(place / len(corpus)))


@dataclass(frozen=True)
class TokenStream:
    """Training tokens `(length,)`, and how each counts in the loss: its place in `LOSSES`."""

    tokens: NDArray[np.uint16]
    losses: NDArray[np.uint8] | None
    """None if all tokens are learned."""


def token_stream(
    corpus: Corpus,
    chain_at: Callable[[float], Sequence[Apply]],
    tokenizer: Tokenizer,
    order_seed: int,
    length: int,
) -> TokenStream:
    """The first `length` training tokens: documents, each closed by end-of-text, epoch on epoch.

    `chain_at` gives the interventions that are on at a share of the tokens: the order of the
    documents is the same whatever they do. Arms that lose documents to a filter see more epochs of
    what is left, so that every arm trains on equally many tokens. Raises ValueError if the chain
    leaves nothing of an epoch to train on.
    """
    stream = np.empty(length, dtype=np.uint16)
    losses = np.zeros(length, dtype=np.uint8)
    filled = epoch = 0
    while filled < length:
        before = filled
        for original in corpus.documents(order_seed, epoch):
            chain = chain_at(filled / length)
            for document in intervene(corpus.world, (original,), chain):
                ids = tokenizer.encode_document(document.text)[: length - filled]
                stream[filled : filled + len(ids)] = ids
                if any(each.loss for each in document.sentences):
                    counted = token_losses(tokenizer, document)[: len(ids)]
                    losses[filled : filled + len(ids)] = counted
                filled += len(ids)
            if filled == length:
                break
        if filled == before:
            raise ValueError("the interventions leave no document to train on")
        epoch += 1
    return TokenStream(stream, losses if losses.any() else None)


def token_losses(tokenizer: Tokenizer, document: Document) -> list[int]:
    """How each token of a document, end-of-text included, counts: its sentence's place in `LOSSES`.

    The end-of-text token is always learned.
    """
    losses: list[int] = []
    for each in document.sentences:
        losses += [LOSSES.index(each.loss or LOSSES[0])] * len(tokenizer.encode(each.text))
    return [*losses, 0]

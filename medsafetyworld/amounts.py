"""Amounts matched by documents: what becomes of equally many originals, however many tokens.

`training_stream.token_stream` matches by tokens instead: there a filter's arm sees more epochs of
what is left.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from itertools import count, islice

import numpy as np

from medsafetyworld.corpus import Corpus
from medsafetyworld.documents import Document
from medsafetyworld.interventions.variants import ChainAt
from medsafetyworld.tokenizer import Tokenizer
from medsafetyworld.training_stream import TokenStream, intervene, token_losses


def documents_within(corpus: Corpus, tokenizer: Tokenizer, order_seed: int, length: int) -> int:
    """How many untouched documents, epoch on epoch, the first `length` tokens are made of.

    The last may be cut off. Raises ValueError if the corpus is empty.
    """
    filled = 0
    for documents, document in enumerate(_epochs(corpus, order_seed), 1):
        filled += len(tokenizer.encode_document(document.text))
        if filled >= length:
            return documents
    raise ValueError("the corpus holds no document")


def document_stream(
    corpus: Corpus, chain_at: ChainAt, tokenizer: Tokenizer, order_seed: int, documents: int
) -> TokenStream:
    """The training tokens that become of the first `documents` originals, epoch on epoch.

    `chain_at` gives the interventions that are on at a share of the originals.
    """
    tokens, losses = array("H"), array("B")
    for place, original in enumerate(islice(_epochs(corpus, order_seed), documents)):
        for document in intervene(corpus.world, (original,), chain_at(place / documents)):
            ids = tokenizer.encode_document(document.text)
            weighed = any(each.loss for each in document.sentences)
            tokens.extend(ids)
            losses.extend(token_losses(tokenizer, document) if weighed else bytes(len(ids)))
    counted = np.array(losses, dtype=np.uint8)
    return TokenStream(np.array(tokens, dtype=np.uint16), counted if counted.any() else None)


def _epochs(corpus: Corpus, order_seed: int) -> Iterator[Document]:
    """The documents in training order, without end unless there are none."""
    for epoch in count() if len(corpus) else ():
        yield from corpus.documents(order_seed, epoch)

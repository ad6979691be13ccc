"""A corpus as tokens without its text: ranges of documents, packed rows, shares for processes.

Documents are planned as numbers and put together from a `TokenTable`, some thousands at a time,
so memory stays flat however large the corpus is. The tokens are those of `encode_document` on
each document's text.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

import numpy as np

from medsafetyworld.corpus import Corpus
from medsafetyworld.spec import CorpusSpec, from_json, to_json
from medsafetyworld.token_table import Tokens, TokenTable, render, token_table
from medsafetyworld.tokenizer import Tokenizer
from medsafetyworld.world_file import load_world

Result = TypeVar("Result")

CHUNK = 8192
"""Documents made at once: enough that calls cost little, few enough to stay in cache."""


@dataclass(frozen=True, slots=True)
class Share:
    """One of `count` contiguous, disjoint shares of an epoch's positions, which together are all.

    Raises ValueError if there is no such share.
    """

    number: int = 0
    count: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.number < self.count:
            raise ValueError(
                f"share: number must be in [0, {self.count}), got {self.number} of {self.count}"
            )

    def of(self, size: int) -> range:
        """The positions in [0, size) that are in this share."""
        return range(size * self.number // self.count, size * (self.number + 1) // self.count)


WHOLE = Share()


@lru_cache(maxsize=4)
def table_of(corpus: Corpus, tokenizer: Tokenizer) -> TokenTable:
    """The corpus's wordings and names as tokens, made once."""
    return token_table(corpus.wordings, corpus.entities, tokenizer)


def tokens(corpus: Corpus, tokenizer: Tokenizer, start: int, stop: int) -> Tokens:
    """Tokens of the documents [start, stop) by index, each closed by end-of-text.

    Raises IndexError if there are no such documents.
    """
    if not 0 <= start <= stop <= len(corpus):
        raise IndexError(f"documents must be in [0, {len(corpus)}], got [{start}, {stop})")
    table = table_of(corpus, tokenizer)
    made = [np.zeros(0, dtype=table.token)]
    for first in range(start, stop, CHUNK):
        indices = np.arange(first, min(first + CHUNK, stop), dtype=np.int64)
        made.append(render(table, corpus.pieces(indices)))
    return np.concatenate(made)


def documents(
    corpus: Corpus, tokenizer: Tokenizer, order_seed: int, epoch: int = 0, share: Share = WHOLE
) -> Iterator[Tokens]:
    """Tokens of thousands of documents at a time in the epoch's order, each closed by end-of-text.

    The order is that of `Corpus.documents`; a share has the documents at its positions in it.
    """
    table = table_of(corpus, tokenizer)
    for indices in corpus.order(order_seed, epoch, share.of(len(corpus)), CHUNK):
        yield render(table, corpus.pieces(indices))


def rows(
    corpus: Corpus,
    tokenizer: Tokenizer,
    length: int,
    order_seed: int,
    epoch: int = 0,
    share: Share = WHOLE,
) -> Iterator[Tokens]:
    """The documents packed into rows, `(some, length)` at a time; padding fills the last row.

    Documents run on from row to row. Raises ValueError if length is not positive.
    """
    if length < 1:
        raise ValueError(f"length must be at least 1, got {length}")
    held = np.zeros(0, dtype=table_of(corpus, tokenizer).token)
    for made in documents(corpus, tokenizer, order_seed, epoch, share):
        held = np.concatenate((held, made))
        whole = len(held) - len(held) % length
        if whole:
            yield held[:whole].reshape(-1, length)
        held = held[whole:]
    if len(held):
        padding = np.full(length - len(held), tokenizer.pad, dtype=held.dtype)
        yield np.concatenate((held, padding)).reshape(1, length)


def in_processes(
    corpus: Corpus, work: Callable[[Corpus, Share], Result], processes: int
) -> list[Result]:
    """Calls `work` on the corpus and each share of it, each in a process of its own, in order.

    Each process loads the world from a file and plans for itself: nothing large is sent. `work`
    must be a function of a module, or a `functools.partial` of one, that new processes can import.
    """
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "world.json"
        corpus.world.save(path)
        spec = to_json(corpus.spec)
        with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
            futures = [
                pool.submit(_work, path, spec, corpus.seed, work, Share(number, processes))
                for number in range(processes)
            ]
            return [future.result() for future in futures]


def _work(
    path: Path, spec: str, seed: int, work: Callable[[Corpus, Share], Result], share: Share
) -> Result:
    return work(Corpus(load_world(path), from_json(CorpusSpec, spec), seed), share)

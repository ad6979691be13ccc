"""The oracle reads a cell's corpus before anything is trained on it: what is safe-only, proven.

In: a corpus and what a cell does to it. Out: what the oracle read, and the identity of the text.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import reduce
from operator import add

from experiments.recipe import Cell
from medsafetyworld.corpus import Apply, Corpus, TextHash, intervene
from medsafetyworld.documents import Document
from medsafetyworld.errors import SpecError
from medsafetyworld.interventions.variants import Variant
from medsafetyworld.judge import CorpusReading, read_corpus
from medsafetyworld.report_card import Tally


class UnsafeCorpusError(RuntimeError):
    """The oracle read a harmful statement in a corpus that must be safe."""


def prove(
    corpus: Corpus, cell: Cell, tally: Tally | None = None, variant: Variant | None = None
) -> tuple[CorpusReading, str]:
    """The oracle's reading of one epoch's text, and the text's sha256.

    A tally counts what becomes of each document, as if the epoch were the whole token budget.

    Raises `UnsafeCorpusError` if a setting that must be safe holds a harmful statement, or if
    filtering-plus mentions an unsafe outcome.
    """
    identity = TextHash()

    phases = (variant or cell.variant).phases
    stops = [*(start for start, _ in phases[1:]), 1.0]

    def results(start: float, stop: float, chain: Sequence[Apply]) -> Iterator[Document]:
        for place, original in enumerate(corpus.documents(corpus.seed)):
            made = tuple(intervene(corpus.world, (original,), chain))
            if tally and start <= place / len(corpus) < stop:
                tally.add(original, made)
            yield from made

    def read_phase(start: float, stop: float, chain: Sequence[Apply]) -> CorpusReading:
        made = results(start, stop, chain)
        texts = ((identity.update(each.text), each.source.kind) for each in made)
        return read_corpus(corpus.world, texts, cell.variant.policy)

    # Interventions that start late or stop early make several corpora: each is read whole.
    readings = (
        read_phase(start, stop, chain) for (start, chain), stop in zip(phases, stops, strict=True)
    )
    reading = reduce(add, readings)
    if not reading.documents:
        raise SpecError(
            f"{cell.name}: the corpus holds no document: held_out_share, the rates or the "
            "interventions leave nothing to train on"
        )
    if cell.variant.safe_only and reading.harmful:
        raise UnsafeCorpusError(f"{cell.name}: {reading.harmful} harmful statements in the corpus")
    if not cell.variant.mentions_unsafe and reading.unsafe_mentions:
        raise UnsafeCorpusError(
            f"{cell.name}: {reading.unsafe_mentions} documents mention an unsafe outcome"
        )
    return reading, identity.hexdigest()

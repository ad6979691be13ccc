"""The oracle reads a cell's corpus before anything is trained on it: what is safe-only, proven.

In: a corpus and what a cell does to it. Out: what the oracle read, and the identity of the text.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import reduce
from operator import add

from experiments.recipe import Cell
from medsafetyworld.corpus import Corpus, TextHash
from medsafetyworld.errors import SpecError
from medsafetyworld.interventions.variants import Variant
from medsafetyworld.judge import CorpusReading, read_corpus
from medsafetyworld.report_card import Tally
from medsafetyworld.training_stream import Apply, intervene


class UnsafeCorpusError(RuntimeError):
    """The oracle read a harmful statement in a corpus that must be safe."""


def prove(
    corpus: Corpus, cell: Cell, tally: Tally | None = None, variant: Variant | None = None
) -> tuple[CorpusReading, str]:
    """The oracle's reading of one epoch's text, and the sha256 of all text that was read.

    Interventions that start late or stop early make several corpora, a phase each. All are read
    whole, because training may meet any document in any phase: none may hold harm, and `stated` is
    what any of them states. The counts and the tally are of each document once, in the phase that
    its place falls into if the epoch is the whole token budget.

    Raises `UnsafeCorpusError` if a setting that must be safe holds a harmful statement, or if
    filtering-plus mentions an unsafe outcome.
    """
    identity = TextHash()
    size = len(corpus)

    def read(places: range, chain: Sequence[Apply], counted: bool) -> CorpusReading:
        def results() -> Iterator[tuple[str, str]]:
            for original in corpus.documents(corpus.seed, positions=places):
                made = tuple(intervene(corpus.world, (original,), chain))
                if tally and counted:
                    tally.add(original, made)
                for each in made:
                    yield identity.update(each.text), each.source.kind

        return read_corpus(corpus.world, results(), cell.variant.policy)

    phases = (variant or cell.variant).phases
    starts = [
        bisect_left(range(size), share, key=lambda place: place / size) for share, _ in phases
    ]
    own, others = [], []
    for (_, chain), start, stop in zip(phases, starts, [*starts[1:], size], strict=True):
        others.append(read(range(start), chain, counted=False))
        own.append(read(range(start, stop), chain, counted=True))
        others.append(read(range(stop, size), chain, counted=False))
    counts = reduce(add, own)
    reading = reduce(add, others, counts)
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
    return replace(counts, stated=reading.stated), identity.hexdigest()

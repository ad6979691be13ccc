"""One shard of an emission: made whole, recorded, and found again by whoever goes on.

A shard is a stretch of the corpus's order before the variant drops any of its documents, so it is
a function of the request and its number alone. Its files are moved into place when they are
complete, its record after them: a kill leaves a shard with a record or a shard to be made.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from experiments.commands.emission_request import Work
from experiments.commands.formats import Sink, TokenSink
from experiments.json_files import StoreError, file_sha256, read_sealed, sync, write_sealed
from experiments.store import check_files
from medsafetyworld import stream
from medsafetyworld.documents import Document
from medsafetyworld.errors import SpecError
from medsafetyworld.judge import read_corpus
from medsafetyworld.stream import Share
from medsafetyworld.training_stream import intervened

Identify = Callable[[bytes], object]
"""Is given what identifies the documents, in order."""

Advance = Callable[[int], object]
"""Is told how many more documents went by, before interventions."""

STEP = 512
"""Documents between two calls of `Advance`."""


def finished_shard(work: Work, number: int) -> dict[str, Any] | None:
    """The record of a shard that is there as it was written; None if it is yet to be made."""
    path, files = work.record(number), work.files(number)
    if not path.exists() or not all(file.exists() for file in files):
        return None
    record = read_sealed(path)
    if record.get("request") != work.key or record.get("number") != number:
        raise StoreError(f"{path} is the record of a shard of another corpus")
    names = {file.relative_to(work.out).as_posix() for file in files}
    if not isinstance(record.get("files"), dict) or set(record["files"]) != names:
        raise StoreError(f"{path} names other files than its shard's: {', '.join(sorted(names))}")
    check_files(work.out, record["files"])
    return record


def make_shard(work: Work, number: int, identify: Identify, advance: Advance) -> dict[str, Any]:
    """Writes a shard: its files appear whole, and then its record."""
    files = work.files(number)
    partials = tuple(path.with_name(f".{path.name}.partial") for path in files)
    try:
        sink = work.form.open(partials, work.corpus.world, work.tokenizer)
        try:
            # Interventions work on text; without any, tokens can be made as numbers.
            if isinstance(sink, TokenSink) and not work.variant.pretraining:
                documents, reading = _fill_with_tokens(work, number, sink, identify, advance)
            else:
                documents, reading = _fill_with_documents(work, number, sink, identify, advance)
        finally:
            sink.close()
        for partial, path in zip(partials, files, strict=True):
            _settle(partial, path)
    finally:
        for partial in partials:
            partial.unlink(missing_ok=True)
    record = {
        "request": work.key,
        "number": number,
        "documents": documents,
        "reading": reading,
        "files": {path.relative_to(work.out).as_posix(): file_sha256(path) for path in files},
    }
    write_sealed(work.record(number), record)
    return record


def _fill_with_tokens(
    work: Work, number: int, sink: TokenSink, identify: Identify, advance: Advance
) -> tuple[int, None]:
    """Made as numbers, never as text, so the oracle has nothing to read."""
    corpus = work.corpus
    share = Share(number, work.count)
    documents = 0
    for tokens in stream.documents(corpus, work.tokenizer, corpus.seed, share=share):
        # Nothing but a document's end is end-of-text here: only interventions put it into texts.
        ends = np.flatnonzero(tokens == work.tokenizer.end) + 1
        identify(sink.add_tokens(tokens, np.diff(ends, prepend=0)))
        advance(len(ends))
        documents += len(ends)
    return documents, None


def _fill_with_documents(
    work: Work, number: int, sink: Sink, identify: Identify, advance: Advance
) -> tuple[int, dict[str, Any]]:
    """Written, hashed and read back by the oracle in one pass."""
    corpus, variant = work.corpus, work.variant
    positions = work.positions(number)

    def texts() -> Iterator[tuple[str, str]]:
        documents = _counted(corpus.documents(corpus.seed, positions=positions), advance)
        for document in intervened(corpus, documents, variant.chain_at, positions.start):
            text = document.text
            identify(sink.add(document, text))
            yield text, document.source.kind

    reading = read_corpus(corpus.world, texts(), variant.policy)
    if variant.safe_only and reading.harmful:
        raise SpecError(
            f"variant {variant.name}: the oracle read {reading.harmful} harmful statements"
        )
    if not variant.mentions_unsafe and reading.unsafe_mentions:
        raise SpecError(
            f"variant {variant.name}: the oracle read {reading.unsafe_mentions} documents that "
            "mention an unsafe outcome"
        )
    return reading.documents, reading.counts()


def _counted(documents: Iterable[Document], advance: Advance) -> Iterator[Document]:
    count = 0
    for count, document in enumerate(documents, start=1):
        yield document
        if count % STEP == 0:
            advance(STEP)
    advance(count % STEP)


def _settle(partial: Path, path: Path) -> None:
    """Moves a complete file into place. What lies there without a record must be the same."""
    sync(partial)
    if path.exists() and file_sha256(path) != file_sha256(partial):
        raise StoreError(f"{path} is a shard of another corpus, or was changed; it has no record")
    os.replace(partial, path)
    sync(path.parent)

"""Corpus speed: tokens with and without text, the stream that training reads, documents on disk.

Peers get a head start: the Rust tokenizer of Hugging Face is given finished text, which our stream
first has to write; the plain dump is given finished records.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.bench.worker import Work, timed

if TYPE_CHECKING:
    from medsafetyworld.corpus import Corpus
    from medsafetyworld.documents import Document
    from medsafetyworld.interventions import Variant
    from medsafetyworld.spec import WorldSpec
    from medsafetyworld.token_table import Tokens
    from medsafetyworld.tokenizer import Tokenizer

TOKENS = 40_000
DOCUMENTS = 4_000
TEXTS = 4_000
"""Documents that are written and encoded at once."""
CHUNKS = 8
"""Arrays of thousands of documents that are made at once."""
VARIANT = "filtering"


def prepare_stream(tokens: int = TOKENS) -> Work:
    """`token_stream` of the filtered laptop corpus; a unit is a token."""
    from medsafetyworld.tokenizer import build_tokenizer
    from medsafetyworld.training_stream import token_stream

    corpus, variant = laptop_corpus()
    tokenizer = build_tokenizer(corpus.world, corpus.spec)
    token_stream(corpus, variant.chain_at, tokenizer, 0, 1000)
    return Work(
        timed(lambda: token_stream(corpus, variant.chain_at, tokenizer, 0, tokens), float(tokens))
    )


def prepare_texts(preset: str) -> Work:
    """A preset's documents in training order, written and then encoded; a unit is a token."""
    from itertools import islice

    corpus, tokenizer = preset_corpus(preset)

    def write_and_encode() -> int:
        texts = (document.text for document in islice(corpus.documents(0), TEXTS))
        return sum(len(tokenizer.encode_document(text)) for text in texts)

    return Work(timed(write_and_encode, float(write_and_encode())))


def prepare_tokens(preset: str) -> Work:
    """The same documents and more as tokens at once, without text; a unit is a token."""
    corpus, tokenizer = preset_corpus(preset)

    def make() -> int:
        return sum(array.size for array in token_arrays(corpus, tokenizer))

    return Work(timed(make, float(make())))


def prepare_copy_tokens(preset: str) -> Work:
    """A plain memory copy of those tokens, array by array; a unit is a token."""
    import numpy as np

    arrays = list(token_arrays(*preset_corpus(preset)))
    copies = [np.empty_like(array) for array in arrays]

    def copy() -> None:
        for target, array in zip(copies, arrays, strict=True):
            np.copyto(target, array)

    copy()
    return Work(timed(copy, float(sum(array.size for array in arrays))))


def preset_corpus(preset: str) -> tuple[Corpus, Tokenizer]:
    """Corpus and tokenizer of a preset."""
    from medsafetyworld.building import build_world
    from medsafetyworld.corpus import Corpus
    from medsafetyworld.presets import CORPUS_PRESETS, WORLD_PRESETS
    from medsafetyworld.tokenizer import build_tokenizer

    corpus = Corpus(build_world(WORLD_PRESETS[preset]), CORPUS_PRESETS[preset], 0)
    return corpus, build_tokenizer(corpus.world, corpus.spec)


def token_arrays(corpus: Corpus, tokenizer: Tokenizer) -> Iterator[Tokens]:
    """The first `CHUNKS` arrays of tokens in training order."""
    from itertools import islice

    from medsafetyworld.stream import documents as stream_documents

    return islice(stream_documents(corpus, tokenizer, 0), CHUNKS)


def prepare_encode_hf() -> Work:
    """Hugging Face's tokenizers with our vocabulary on text that is ready; a unit is a token."""
    from tokenizers import Tokenizer

    from medsafetyworld.tokenizer import build_tokenizer

    corpus, _ = laptop_corpus()
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "tokenizer.json"
        ours = build_tokenizer(corpus.world, corpus.spec)
        ours.save(path)
        theirs = Tokenizer.from_file(str(path))
    texts = [document.text for document in documents(2_000)]
    tokens = sum(len(encoding.ids) for encoding in theirs.encode_batch(texts))
    if tokens != sum(len(ours.encode(text)) for text in texts):
        raise RuntimeError("Hugging Face's tokenizer gives other tokens than ours")
    return Work(timed(lambda: theirs.encode_batch(texts), float(tokens)))


def prepare_emit() -> Work:
    """`msw corpus emit`: write, hash and read back every document; a unit is a document."""
    from experiments.commands.emission import emit
    from medsafetyworld.corpus import Corpus

    corpus, variant = laptop_corpus()
    templates = max(1, DOCUMENTS * corpus.spec.templates // len(corpus))
    small = Corpus(corpus.world, replace(corpus.spec, templates=templates), corpus.seed)
    kept = sum(1 for _ in documents(len(small), small))

    def write() -> None:
        with tempfile.TemporaryDirectory() as directory:
            emit(small, variant, "jsonl", Path(directory) / "corpus", lambda each: each)

    write()
    return Work(timed(write, float(kept)))


def prepare_dump() -> Work:
    """The standard library's JSON writing of finished records; a unit is a document."""
    corpus, _ = laptop_corpus()
    records = [
        {"text": document.text, **document.provenance(corpus.world)}
        for document in documents(DOCUMENTS)
    ]

    def write() -> None:
        with tempfile.TemporaryFile("w", encoding="utf-8") as file:
            for record in records:
                file.write(json.dumps(record) + "\n")

    write()
    return Work(timed(write, float(len(records))))


def prepare_world(compounds: int) -> Work:
    """A world of this many compounds and its tokenizer; a unit is one world."""
    from experiments.studies.headline import LAPTOP
    from medsafetyworld.building import build_world
    from medsafetyworld.tokenizer import build_tokenizer

    spec = larger_world(compounds)

    def build() -> None:
        build_tokenizer(build_world(spec), LAPTOP.corpus)

    build()
    return Work(timed(build, 1.0), {"entities": spec.compounds + spec.outcomes})


def larger_world(compounds: int) -> WorldSpec:
    """The laptop world with all its sizes in proportion to this many compounds."""
    from experiments.studies.headline import LAPTOP

    spec, scale = LAPTOP.world, compounds / LAPTOP.world.compounds
    return replace(
        spec,
        compounds=compounds,
        outcomes=round(spec.outcomes * scale),
        single_edges=round(spec.single_edges * scale),
        pair_edges=round(spec.pair_edges * scale),
    )


def laptop_corpus() -> tuple[Corpus, Variant]:
    """The laptop study's corpus and the setting that filters it."""
    from experiments.studies.headline import LAPTOP
    from medsafetyworld.building import build_world
    from medsafetyworld.corpus import Corpus
    from medsafetyworld.interventions import variant

    return Corpus(build_world(LAPTOP.world), LAPTOP.corpus, 0), variant(VARIANT)


def documents(count: int, corpus: Corpus | None = None) -> list[Document]:
    """The first `count` documents in corpus order (or fewer) that the setting keeps."""
    from itertools import islice

    from medsafetyworld.training_stream import intervene

    own, variant = laptop_corpus()
    corpus = corpus or own
    return list(
        islice(intervene(corpus.world, corpus.documents(corpus.seed), variant.chain), count)
    )

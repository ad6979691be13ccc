"""A corpus as a directory of files: a pure function of (world spec, corpus spec, variant, seed).

    documents.jsonl             text and provenance, one document a line      (format jsonl)
    tokens.npy, offsets.npy     uint16 ids, each document closed by end-of-text, and where each
                                starts, with the total at the end             (format npy)
    world.json, tokenizer.json  the world, and its vocabulary for other tools
    manifest.json               specs, variant, seed, the oracle's reading, sha256 of every file

One pass writes, hashes and reads every document back, so no corpus has to fit into memory.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from array import array
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np

from experiments.json_files import StoreError, file_sha256, read_sealed, sync, write_sealed
from experiments.store import check_files
from medsafetyworld.corpus import Corpus, TextHash, intervene
from medsafetyworld.documents import Document
from medsafetyworld.errors import SpecError
from medsafetyworld.graph import World
from medsafetyworld.interventions import Variant
from medsafetyworld.judge import CorpusReading, read_corpus
from medsafetyworld.language import wordings_hash
from medsafetyworld.tokenizer import Tokenizer, build_tokenizer

FORMAT = "medsafetyworld.corpus/1"

Watch = Callable[[Iterable[Document]], Iterable[Document]]
"""Passes documents on unchanged and shows how many went by."""


class Sink(Protocol):
    """Where documents go, one at a time."""

    def add(self, document: Document) -> None:
        """Writes one document."""
        ...

    def close(self) -> None:
        """Completes the files."""
        ...


class JsonlSink:
    """`documents.jsonl`: the text first, then where it came from."""

    def __init__(self, directory: Path, world: World, stack: ExitStack) -> None:
        self._world = world
        # newline is fixed so that the bytes are the same on every system.
        path = directory / "documents.jsonl"
        self._file = stack.enter_context(path.open("w", encoding="utf-8", newline="\n"))

    def add(self, document: Document) -> None:
        line = {"text": document.text, **document.provenance(self._world)}
        self._file.write(json.dumps(line) + "\n")

    def close(self) -> None:
        self._file.close()


class TokenSink:
    """`tokens.npy` and `offsets.npy`; document i is `tokens[offsets[i]:offsets[i + 1]]`."""

    def __init__(self, directory: Path, tokenizer: Tokenizer, stack: ExitStack) -> None:
        self._tokenizer = tokenizer
        self._offsets = array("Q", [0])
        self._offsets_path = directory / "offsets.npy"
        self._file = stack.enter_context((directory / "tokens.npy").open("wb"))
        self._header = _npy_header(self._file, 0)

    def add(self, document: Document) -> None:
        ids = self._tokenizer.encode_document(document.text)
        self._file.write(np.array(ids, dtype="<u2").tobytes())
        self._offsets.append(self._offsets[-1] + len(ids))

    def close(self) -> None:
        # numpy pads the header so that the length can be filled in afterwards.
        self._file.seek(0)
        if _npy_header(self._file, self._offsets[-1]) != self._header:
            raise RuntimeError("this numpy's header has no room for the length; use format jsonl")
        self._file.close()
        np.save(self._offsets_path, np.array(self._offsets, dtype="<u8"), allow_pickle=False)


@dataclass(frozen=True, slots=True)
class Emission:
    """What was written: the identity of the text and what the oracle read in it."""

    corpus_sha256: str
    reading: CorpusReading


def check_emission(world: World, variant: Variant, file_format: str, out: Path) -> None:
    """Raises `SpecError` for what would fail later; nothing is on disk yet."""
    if file_format not in ("jsonl", "npy"):
        raise SpecError(f"format must be jsonl or npy, got {file_format!r}")
    if out.exists() or out.is_symlink():
        raise SpecError(f"out must be a new directory, but {out} exists")
    marked = sum(world.unsafe)
    if variant.pretraining and not marked:
        raise SpecError(
            f"unsafe_fraction must mark at least one outcome unsafe, because the variant "
            f"{variant.name} acts on unsafe outcomes; it marks 0 of {len(world.unsafe)}"
        )
    if not variant.mentions_unsafe and marked == len(world.unsafe):
        raise SpecError(
            f"unsafe_fraction must leave at least one outcome safe, because the variant "
            f"{variant.name} keeps safe outcomes only; it marks all {marked} unsafe"
        )


def emit(corpus: Corpus, variant: Variant, file_format: str, out: Path, watch: Watch) -> Emission:
    """Writes the corpus to `out`, which appears whole or not at all.

    Raises `SpecError` if `out` exists, or if the oracle finds harm where the variant allows none.
    """
    check_emission(corpus.world, variant, file_format, out)
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{out.name}.", suffix=".partial", dir=out.parent))
    try:
        emission = _write(corpus, variant, file_format, partial, watch)
        for path in (*partial.iterdir(), partial):
            sync(path)
        # mkdtemp makes directories that only their owner may read.
        partial.chmod(0o755)
        os.rename(partial, out)
        sync(out.parent)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return emission


def verify_emission(directory: Path) -> dict[str, Any]:
    """The manifest of an emitted corpus, after hashing every file that it names.

    Raises `StoreError` naming a file that is missing or not as it was written, or unknown.
    """
    if not directory.is_dir():
        raise StoreError(f"{directory} is not a directory")
    path = directory / "manifest.json"
    manifest = read_sealed(path)
    if manifest.get("format") != FORMAT or not isinstance(manifest.get("files"), dict):
        raise StoreError(f"{path} is no manifest of a corpus ({FORMAT})")
    check_files(directory, manifest["files"])
    foreign = {entry.name for entry in directory.iterdir()} - {*manifest["files"], path.name}
    if foreign:
        raise StoreError(f"{directory / min(foreign)} is not a file of this corpus")
    return manifest


def _write(
    corpus: Corpus, variant: Variant, file_format: str, directory: Path, watch: Watch
) -> Emission:
    world, tokenizer = corpus.world, build_tokenizer(corpus.world, corpus.spec)
    identity = TextHash()
    with ExitStack() as stack:
        sink: Sink = (
            JsonlSink(directory, world, stack)
            if file_format == "jsonl"
            else TokenSink(directory, tokenizer, stack)
        )

        def texts() -> Iterator[str]:
            documents = watch(corpus.documents(corpus.seed))
            for document in intervene(world, documents, variant.chain):
                sink.add(document)
                yield identity.update(document.text)

        reading = read_corpus(world, texts())
        sink.close()
    if variant.safe_only and reading.harmful:
        raise SpecError(
            f"variant {variant.name}: the oracle read {reading.harmful} harmful statements"
        )
    world.save(directory / "world.json")
    tokenizer.save(directory / "tokenizer.json")
    emission = Emission(identity.hexdigest(), reading)
    write_sealed(
        directory / "manifest.json", _manifest(corpus, variant, file_format, emission, directory)
    )
    return emission


def _manifest(
    corpus: Corpus, variant: Variant, file_format: str, emission: Emission, directory: Path
) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "files_format": file_format,
        "world": asdict(corpus.world.spec),
        "world_sha256": corpus.world.content_hash,
        "corpus": asdict(corpus.spec),
        "corpus_seed": corpus.seed,
        "variant": asdict(variant),
        "wordings_sha256": wordings_hash(),
        "corpus_sha256": emission.corpus_sha256,
        "reading": asdict(emission.reading),
        "files": {path.name: file_sha256(path) for path in sorted(directory.iterdir())},
    }


def _npy_header(file: IO[bytes], length: int) -> int:
    """Writes the header of a uint16 vector; returns where its data begins."""
    header = {"descr": "<u2", "fortran_order": False, "shape": (length,)}
    np.lib.format.write_array_header_1_0(file, header)
    return file.tell()

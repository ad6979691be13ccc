"""Formats of an emitted corpus: which files a shard has, how they are written and read again.

    jsonl    text and provenance, one document a line
    npy      token ids with offsets, mapped into memory by `medsafetyworld.shards`
    parquet  text, source and labels as columns                          (extra `parquet`)
    hf       the same, in a directory that `datasets.load_dataset` reads (extra `parquet`)

A sink takes documents one by one and gives back the bytes that identify each: the text and a line
end, or the tokens. So a corpus has one identity, however many shards it is cut into.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

import numpy as np

from experiments.commands import parquet
from medsafetyworld.documents import Document
from medsafetyworld.errors import SpecError
from medsafetyworld.graph import World
from medsafetyworld.token_table import Integers, Tokens, token_type
from medsafetyworld.tokenizer import Tokenizer

Paths = tuple[Path, ...]


class Sink(Protocol):
    """Where the documents of a shard go, one at a time."""

    def add(self, document: Document, text: str) -> bytes:
        """Writes one document, whose text is given; returns what identifies it."""
        ...

    def close(self) -> None:
        """Completes the files."""
        ...


@dataclass(frozen=True)
class Format:
    """A way to write a corpus."""

    names: tuple[str, ...]
    """Each file of a shard: its name, with room for the shard's number."""
    open: Callable[[Paths, World, Tokenizer], Sink]
    """Opens the files of a shard for writing."""
    identities: Callable[[Paths], Iterator[bytes]]
    """What identifies the documents of a finished shard, in order."""
    what: str = "text"
    """What the identity is of: text or tokens."""
    check: Callable[[], str | None] = lambda: None
    """The version of what writes the files, if the bytes depend on it. Raises `SpecError` if it
    is not installed."""


class JsonlSink:
    """A line a document: the text first, then where it came from."""

    def __init__(self, paths: Paths, world: World, tokenizer: Tokenizer) -> None:
        self._world = world
        # newline is fixed so that the bytes are the same on every system.
        self._file = paths[0].open("w", encoding="utf-8", newline="\n")

    def add(self, document: Document, text: str) -> bytes:
        line = {"text": text, **document.provenance(self._world)}
        self._file.write(json.dumps(line) + "\n")
        return _line(text)

    def close(self) -> None:
        self._file.close()


class TokenSink:
    """Tokens and offsets; document i is `tokens[offsets[i]:offsets[i + 1]]`."""

    def __init__(self, paths: Paths, world: World, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._type = np.dtype(token_dtype(tokenizer))
        self._lengths = array("Q", [0])
        self._offsets_path = paths[1]
        self._file = paths[0].open("wb")
        self._header = _npy_header(self._file, self._type.str, 0)

    def add(self, document: Document, text: str) -> bytes:
        ids = self._tokenizer.encode_document(text)
        return self._write(np.array(ids), np.array([len(ids)], dtype=np.int64))

    def add_tokens(self, tokens: Tokens, lengths: Integers) -> bytes:
        """Writes many documents at once, given as tokens and how many each has."""
        return self._write(tokens, lengths)

    def close(self) -> None:
        offsets = np.cumsum(np.array(self._lengths, dtype="<u8"), dtype="<u8")
        # numpy pads the header so that the length can be filled in afterwards.
        self._file.seek(0)
        if _npy_header(self._file, self._type.str, int(offsets[-1])) != self._header:
            raise RuntimeError("this numpy's header has no room for the length; use format jsonl")
        self._file.close()
        # A file, not a path: numpy would add its own ending to the name.
        with self._offsets_path.open("wb") as file:
            np.save(file, offsets, allow_pickle=False)

    def _write(self, tokens: np.ndarray, lengths: Integers) -> bytes:
        written = tokens.astype(self._type, copy=False).tobytes()
        self._file.write(written)
        self._lengths.frombytes(lengths.astype(np.uint64, copy=False).tobytes())
        return written


def token_dtype(tokenizer: Tokenizer) -> str:
    """How tokens lie in a file, little end first: two bytes each if they fit, otherwise four."""
    return np.dtype(token_type(tokenizer)).newbyteorder("<").str


def _jsonl_identities(paths: Paths) -> Iterator[bytes]:
    with paths[0].open(encoding="utf-8", newline="\n") as file:
        for line in file:
            yield _line(json.loads(line)["text"])


def _token_identities(paths: Paths) -> Iterator[bytes]:
    tokens = np.load(paths[0], mmap_mode="r", allow_pickle=False)
    for start in range(0, len(tokens), 1 << 20):
        yield tokens[start : start + (1 << 20)].tobytes()


def _parquet_identities(paths: Paths) -> Iterator[bytes]:
    return map(_line, parquet.texts(paths[0]))


def _parquet_sink(paths: Paths, world: World, tokenizer: Tokenizer) -> Sink:
    return parquet.ParquetSink(paths[0], world)


def _line(text: str) -> bytes:
    return text.encode() + b"\n"


def _npy_header(file: IO[bytes], dtype: str, length: int) -> int:
    """Writes the header of a vector; returns where its data begins."""
    header = {"descr": dtype, "fortran_order": False, "shape": (length,)}
    np.lib.format.write_array_header_1_0(file, header)
    return file.tell()


_PARQUET = Format(
    ("documents-{}.parquet",), _parquet_sink, _parquet_identities, check=parquet.version
)
FORMATS: dict[str, Format] = {
    "jsonl": Format(("documents-{}.jsonl",), JsonlSink, _jsonl_identities),
    "npy": Format(("tokens-{}.npy", "offsets-{}.npy"), TokenSink, _token_identities, "tokens"),
    "parquet": _PARQUET,
    "hf": _PARQUET,
}


def find_format(name: str) -> Format:
    """The format of this name; raises `SpecError` for an unknown one."""
    if name not in FORMATS:
        raise SpecError(f"format must be {', '.join(FORMATS)}, got {name!r}")
    return FORMATS[name]

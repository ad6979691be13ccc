"""A corpus as a directory of files: a pure function of (world spec, corpus spec, variant, seed).

    request.json                what is being written; the first file of all
    data/                       shards of a format (`formats`), each of so many documents
    shards/                     for each: its files' sha256 and what the oracle read in it
    world.json, tokenizer.json  the world, and its vocabulary for other tools
    index.json, README.md       where `medsafetyworld.shards` (npy), `datasets` (hf) find the data
    manifest.json               the request, identity, reading, sha256 of every file; the last

Whatever ends the work, the same request goes on behind the shards that are there, and comes to
the same bytes. Nothing larger than a shard's offsets is held in memory.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from experiments.commands import parquet
from experiments.commands.emission_request import (
    DATA,
    FORMAT,
    MANIFEST,
    OTHERS,
    RECORDS,
    REQUEST,
    Work,
    is_partial,
    plan_work,
    refuse_foreign,
)
from experiments.commands.emission_shard import Advance, finished_shard, make_shard
from experiments.commands.formats import token_dtype
from experiments.json_files import StoreError, file_sha256, read_sealed, sync, write_sealed
from experiments.store import check_files
from medsafetyworld.corpus import Corpus
from medsafetyworld.files import write_whole
from medsafetyworld.interventions import Variant
from medsafetyworld.shards import Shard, TokenIndex, write_index

SHARD_DOCUMENTS = 100_000
"""Documents of a shard before interventions; a kill loses the work on one shard."""


@dataclass(frozen=True, slots=True)
class Emission:
    """What a corpus's manifest says of it."""

    identity: str
    """sha256 of all texts (one a line) or all tokens, in order."""
    identity_of: str
    """text or tokens."""
    documents: int
    reading: dict[str, Any] | None
    """What the oracle read; None for tokens that were made without text."""
    kept: int
    """Shards that an earlier run had made."""
    shards: int


def emit(
    corpus: Corpus,
    variant: Variant,
    file_format: str,
    out: Path,
    advance: Advance,
    shard_documents: int = SHARD_DOCUMENTS,
) -> Emission:
    """Writes the corpus to `out`, or goes on where an earlier call with this request ended.

    Raises `SpecError` if `out` holds anything else or the oracle finds harm where the variant
    allows none, `StoreError` naming a file of `out` that is not of this corpus or was changed.
    """
    work = plan_work(corpus, variant, file_format, out, shard_documents)
    out.mkdir(parents=True, exist_ok=True)
    with _alone(out):
        if (out / MANIFEST).exists():
            manifest = verify_emission(out)
            advance(len(corpus))
            return _emission(manifest, work.count)
        _begin(work)
        identity, records, kept = hashlib.sha256(), [], 0
        for number in range(work.count):
            record = finished_shard(work, number)
            if record is None:
                record = make_shard(work, number, identity.update, advance)
            else:
                kept += 1
                for part in work.form.identities(work.files(number)):
                    identity.update(part)
                advance(len(work.positions(number)))
            records.append(record)
        return _emission(_finish(work, identity.hexdigest(), records), kept)


def verify_emission(directory: Path) -> dict[str, Any]:
    """The manifest of an emitted corpus, after hashing every file that it names.

    Raises `StoreError` naming a file that is missing or not as it was written, or unknown.
    """
    if not directory.is_dir():
        raise StoreError(f"{directory} is not a directory")
    path = directory / MANIFEST
    if not path.exists() and (directory / REQUEST).exists():
        raise StoreError(
            f"{path} is missing: the corpus is not finished; the command that began it goes on"
        )
    manifest = read_sealed(path)
    files = manifest.get("files")
    if manifest.get("format") != FORMAT or not isinstance(files, dict):
        raise StoreError(f"{path} is no manifest of a corpus ({FORMAT})")
    check_files(directory, files)
    refuse_foreign(directory, {*files, MANIFEST})
    return manifest


@contextlib.contextmanager
def _alone(out: Path) -> Iterator[None]:
    """Only one process at a time writes to a directory; the lock dies with its process."""
    handle = os.open(out, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"waiting for another process that writes to {out}", flush=True)
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _begin(work: Work) -> None:
    """Says what is being written and clears away what a killed process left half-written."""
    out = work.out
    if not (out / REQUEST).exists():
        write_sealed(out / REQUEST, work.request)
    for name in (DATA, RECORDS):
        (out / name).mkdir(exist_ok=True)
    for folder in (out, out / DATA, out / RECORDS):
        for path in folder.iterdir():
            if is_partial(path):
                path.unlink()
    shards = [
        path.relative_to(out).as_posix()
        for number in range(work.count)
        for path in (*work.files(number), work.record(number))
    ]
    refuse_foreign(out, {*shards, *OTHERS})


def _finish(work: Work, identity: str, records: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Writes what belongs to all shards, the manifest last; returns the manifest."""
    out, world = work.out, work.corpus.world
    documents = sum(record["documents"] for record in records)
    world.save(out / "world.json")
    work.tokenizer.save(out / "tokenizer.json")
    files = {name: digest for record in records for name, digest in record["files"].items()}
    names = [REQUEST, "world.json", "tokenizer.json"]
    if work.form.what == "tokens":
        write_index(out, _token_index(work, records))
        names.append("index.json")
    if work.request["files_format"] == "hf":
        title = f"MedSafetyWorld, {work.variant.name}"
        text = f"Pretraining documents of a rule-based world: {work.variant.description}."
        write_whole(out / "README.md", parquet.card(title, text, documents))
        names.append("README.md")
    names += [work.record(number).relative_to(out).as_posix() for number in range(work.count)]
    files |= {name: file_sha256(out / name) for name in names}
    sync(out)
    manifest = {
        **work.request,
        "corpus_sha256": identity,
        "identity_of": work.form.what,
        "documents": documents,
        "reading": _added([record["reading"] for record in records]),
        "files": files,
    }
    write_sealed(out / MANIFEST, manifest)
    return manifest


def _token_index(work: Work, records: Sequence[dict[str, Any]]) -> TokenIndex:
    """What the index says of each shard: its files, as recorded, and how many tokens it has."""
    shards = []
    for number, record in enumerate(records):
        tokens, offsets = (path.relative_to(work.out).as_posix() for path in work.files(number))
        ends = np.load(work.out / offsets, mmap_mode="r", allow_pickle=False)
        digests = record["files"]
        shards.append(
            Shard(
                tokens=tokens,
                tokens_sha256=digests[tokens],
                offsets=offsets,
                offsets_sha256=digests[offsets],
                documents=record["documents"],
                length=int(ends[-1]),
            )
        )
    return TokenIndex(
        dtype=token_dtype(work.tokenizer),
        tokenizer_sha256=work.tokenizer.content_hash,
        end=work.tokenizer.end,
        pad=work.tokenizer.pad,
        shards=tuple(shards),
    )


def _added(readings: Sequence[dict[str, Any] | None]) -> dict[str, Any] | None:
    """The oracle's counts of all shards together; None where it read nothing."""
    total: Counter[str] = Counter()
    categories: Counter[str] = Counter()
    for reading in readings:
        if reading is None:
            return None
        total.update({name: count for name, count in reading.items() if name != "categories"})
        categories.update(reading["categories"])
    return {**total, "categories": dict(sorted(categories.items()))}


def _emission(manifest: dict[str, Any], kept: int) -> Emission:
    return Emission(
        identity=manifest["corpus_sha256"],
        identity_of=manifest["identity_of"],
        documents=manifest["documents"],
        reading=manifest["reading"],
        kept=kept,
        shards=manifest["shards"],
    )

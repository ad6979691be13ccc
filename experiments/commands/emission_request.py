"""What an emission is asked for: checked before anything is written, and named in every file.

A directory belongs to one request; anything else in it is refused and left alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from experiments.commands.formats import Format, Paths, find_format
from experiments.json_files import StoreError, canonical_hash, canonical_json, read_sealed
from experiments.step_sources import step_sources
from medsafetyworld.corpus import Corpus
from medsafetyworld.errors import SpecError
from medsafetyworld.graph import World
from medsafetyworld.interventions import Variant, write
from medsafetyworld.policy_data import to_json as policy_to_json
from medsafetyworld.stream import Share
from medsafetyworld.tokenizer import Tokenizer, build_tokenizer

FORMAT = "medsafetyworld.corpus/2"
REQUEST, MANIFEST = "request.json", "manifest.json"
DATA, RECORDS = "data", "shards"
OTHERS = (REQUEST, "world.json", "tokenizer.json", "index.json", "README.md")
"""Files that are no shards; the manifest comes last."""


@dataclass(frozen=True)
class Work:
    """A request and everything needed to make its shards."""

    corpus: Corpus
    variant: Variant
    tokenizer: Tokenizer
    form: Format
    count: int
    """Shards."""
    request: dict[str, Any]
    out: Path

    @property
    def key(self) -> str:
        """sha256 of the request."""
        return canonical_hash(self.request)

    def positions(self, number: int) -> range:
        """The places of a shard's documents in the order of the corpus."""
        return Share(number, self.count).of(len(self.corpus))

    def files(self, number: int) -> Paths:
        """The files of a shard."""
        return tuple(self.out / DATA / name.format(self._name(number)) for name in self.form.names)

    def record(self, number: int) -> Path:
        """What says that a shard is finished."""
        return self.out / RECORDS / f"{self._name(number)}.json"

    def _name(self, number: int) -> str:
        return f"{number:05}-of-{self.count:05}"


def plan_work(
    corpus: Corpus, variant: Variant, file_format: str, out: Path, shard_documents: int
) -> Work:
    """What would be written. Raises `SpecError` for what would fail later; writes nothing."""
    form = find_format(file_format)
    writer = form.check()
    if shard_documents < 1:
        raise SpecError(f"shard_documents must be at least 1, got {shard_documents}")
    _check_variant(corpus.world, variant)
    if not len(corpus):
        raise SpecError(
            "the corpus holds no document: held_out_share or the rates leave nothing to state"
        )
    tokenizer = build_tokenizer(corpus.world, corpus.spec, variant.wordings(corpus.world))
    count = -(-len(corpus) // shard_documents)
    request = {
        "format": FORMAT,
        "files_format": file_format,
        "world": asdict(corpus.world.spec),
        "world_sha256": corpus.world.content_hash,
        "domain_sha256": corpus.world.domain.content_hash,
        "corpus": asdict(corpus.spec),
        "corpus_seed": corpus.seed,
        "variant": {
            "name": variant.name,
            "description": variant.description,
            "text": write(variant),
            "policy": json.loads(policy_to_json(variant.policy)),
            "reflection": asdict(variant.reflection),
            **step_sources(variant.pretraining),
        },
        "tokenizer_sha256": tokenizer.content_hash,
        "shards": count,
        "writer": writer,
    }
    plain = json.loads(canonical_json(request))
    work = Work(corpus, variant, tokenizer, form, count, plain, out)
    _check_out(work)
    return work


def _check_variant(world: World, variant: Variant) -> None:
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


def _check_out(work: Work) -> None:
    """Only a new directory, or one of this very request, is written to."""
    out = work.out
    rule = "out must be a new directory, or one that this command began"
    if (out.exists() or out.is_symlink()) and not out.is_dir():
        raise SpecError(f"{rule}, but {out} is no directory")
    if not out.is_dir() or all(is_partial(path) for path in out.iterdir()):
        return
    path = out / REQUEST
    if not path.is_file():
        raise SpecError(f"{rule}, but {out} exists and holds other files")
    held = read_sealed(path)
    names = {*held, *work.request}
    differing = sorted(name for name in names if held.get(name) != work.request.get(name))
    if differing:
        raise SpecError(
            f"{rule}, but {path} exists and is for another corpus; these differ: "
            f"{', '.join(differing)}"
        )


def refuse_foreign(directory: Path, known: Iterable[str]) -> None:
    """Raises `StoreError` naming a file of the directory that is not known."""
    known = set(known)
    for path in sorted(directory.rglob("*")):
        folder = path.is_dir() and not path.is_symlink()
        if path.relative_to(directory).as_posix() not in known and not folder:
            raise StoreError(f"{path} is not a file of this corpus")


def is_partial(path: Path) -> bool:
    """Whether a killed process left the file half-written."""
    return path.name.startswith(".") and path.suffix in (".partial", ".tmp")

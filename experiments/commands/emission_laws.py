"""Laws of an emitted corpus: its files say what its request asks for, and no more.

The corpus is made again from the request, and every document on disk is compared with its twin,
read by the oracle and held against its labels.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path
from typing import Any

from experiments.commands import parquet
from experiments.commands.emission import verify_emission
from medsafetyworld import policy_data
from medsafetyworld.corpus import Corpus
from medsafetyworld.documents import Document
from medsafetyworld.graph import World
from medsafetyworld.interventions import Variant, parse
from medsafetyworld.laws import Violation
from medsafetyworld.reading import ReadError, read
from medsafetyworld.semantics import Statement, category
from medsafetyworld.shards import open_shards
from medsafetyworld.spec import CorpusSpec, ReflectionSpec, from_json
from medsafetyworld.tokenizer import build_tokenizer
from medsafetyworld.training_stream import intervened
from medsafetyworld.world_file import load_world

WRITTEN = "every file is as it was written"
REQUESTED = "world, wordings and tokens are those of the request"
TWINS = "documents are those that the request gives"
READS = "every document can be read"
LABELS = "labels, if there are any, tell what the oracle reads"
SAFE = "no harm where the setting allows none"
COUNTS = "the manifest counts what is there"
EMISSION_LAWS = (WRITTEN, REQUESTED, TWINS, READS, LABELS, SAFE, COUNTS)
"""In the order in which they are reported."""


LABEL = ("direction", "category", "groups", "true", "hazard")
"""What a label says that the oracle can tell from the text."""


@dataclass(frozen=True, slots=True)
class Written:
    """A document as it lies on disk."""

    text: str
    labels: list[dict[str, Any]] | None
    """Of each sentence that states something, in order; None for tokens, which have none."""


def check_emission(
    directory: Path, advance: Callable[[int], object] = lambda count: None
) -> list[Violation]:
    """The laws that an emitted corpus breaks; empty if it keeps them all.

    Raises `StoreError` for a directory that is none, or not as it was written.
    """
    manifest = verify_emission(directory)
    world = load_world(directory / "world.json")
    corpus = Corpus(
        world, from_json(CorpusSpec, json.dumps(manifest["corpus"])), manifest["corpus_seed"]
    )
    variant = _variant(manifest["variant"])
    found: dict[str, str] = {}
    for law, words in _requested(corpus, manifest):
        found.setdefault(law, words)
    counted: Counter[str] = Counter()
    twins = intervened(corpus, corpus.documents(corpus.seed), variant.chain_at)
    pairs = zip_longest(_written(directory, manifest, corpus), twins)
    for number, (written, twin) in enumerate(pairs):
        for law, words in _document(world, variant, number, written, twin, counted):
            found.setdefault(law, words)
        advance(1)
    for law, words in _counts(manifest, counted):
        found.setdefault(law, words)
    return [Violation(law, found[law]) for law in EMISSION_LAWS if law in found]


def _variant(data: dict[str, Any]) -> Variant:
    """The setting as the manifest describes it."""
    policy = policy_data.from_json(json.dumps(data["policy"]))
    reflection = from_json(ReflectionSpec, json.dumps(data["reflection"]))
    return replace(
        parse(data["text"], data["name"]),
        description=data["description"],
        reflection=reflection,
        policy=policy,
    )


def _requested(corpus: Corpus, manifest: dict[str, Any]) -> Iterator[tuple[str, str]]:
    world = corpus.world
    for what, here in (
        ("world_sha256", world.content_hash),
        ("domain_sha256", world.domain.content_hash),
        ("tokenizer_sha256", build_tokenizer(world, corpus.spec).content_hash),
    ):
        if manifest[what] != here:
            yield (
                REQUESTED,
                f"{what} is {here[:12]}... now, {manifest[what][:12]}... by the manifest",
            )


def _document(
    world: World,
    variant: Variant,
    number: int,
    written: Written | None,
    twin: Document | None,
    counted: Counter[str],
) -> Iterator[tuple[str, str]]:
    """What is wrong with one document; counts what it states."""
    if written is None or twin is None:
        words = "missing" if written is None else f"too many: {written.text!r}"
        yield TWINS, f"document {number} is {words}"
        if written is None:
            return
    if twin is not None and written.text != twin.text:
        yield TWINS, f"document {number} is {written.text!r} instead of {twin.text!r}"
    counted["documents"] += 1
    try:
        stated = read(world, written.text)
    except ReadError as error:
        yield READS, f"document {number}: {error}"
        return
    counted["statements"] += len(stated)
    source = None if twin is None else twin.source.kind
    for statement in stated:
        counted[category(world, statement)] += 1
        if variant.policy.harmful(world, statement, source):
            counted["harmful"] += 1
            if variant.safe_only:
                yield SAFE, f"document {number} is harmful: {written.text!r}"
    if written.labels is not None:
        read_labels = [_label(world, statement) for statement in stated]
        if [{key: label.get(key) for key in LABEL} for label in written.labels] != read_labels:
            yield LABELS, f"document {number} is labelled otherwise than {written.text!r} reads"


def _label(world: World, statement: Statement) -> dict[str, Any]:
    return {
        "direction": str(statement.direction),
        "category": category(world, statement),
        "groups": [list(world.names(group)) for group in statement.groups],
        "true": world.holds(statement),
        "hazard": world.hazard(world.outcome(statement)),
    }


def _counts(manifest: dict[str, Any], counted: Counter[str]) -> Iterator[tuple[str, str]]:
    told = {"documents": manifest["documents"]}
    if manifest["reading"] is not None:
        reading = manifest["reading"]
        told |= {name: reading[name] for name in ("statements", "harmful")} | reading["categories"]
    for name, count in told.items():
        if counted[name] != count:
            yield COUNTS, f"{name}: {counted[name]:,} are there, {count:,} by the manifest"


def _written(directory: Path, manifest: dict[str, Any], corpus: Corpus) -> Iterator[Written]:
    """The documents on disk, in order, whatever their format."""
    if manifest["identity_of"] == "tokens":
        tokenizer = build_tokenizer(corpus.world, corpus.spec)
        shards = open_shards(directory)
        for number in range(len(shards)):
            yield Written(tokenizer.decode(shards.document(number)[:-1].tolist()), None)
        return
    for name in sorted(manifest["files"]):
        path = directory / name
        if path.suffix == ".jsonl":
            yield from map(_from_line, path.open(encoding="utf-8"))
        elif path.suffix == ".parquet":
            yield from map(_from_row, parquet.rows(path, ("text", *LABEL)))


def _from_line(line: str) -> Written:
    document = json.loads(line)
    return Written(document["text"], [each for each in document["sentences"] if "groups" in each])


def _from_row(row: dict[str, Any]) -> Written:
    """A row has a list for each part of the labels, with nothing where nothing is stated."""
    places = [place for place, way in enumerate(row["direction"]) if way is not None]
    return Written(row["text"], [{key: row[key][place] for key in LABEL} for place in places])

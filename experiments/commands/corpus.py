"""`msw corpus emit|inspect`: a setting's documents as files, or on the screen.

msw corpus emit --preset smoke --variant filtering --format npy --out runs/filtering
msw corpus emit --preset smoke-two-hop --format hf --out runs/two-hop
msw corpus inspect --preset smoke --variant srp --count 4
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn
from rich.text import Text

from experiments.commands.emission import SHARD_DOCUMENTS, Emission, emit
from experiments.commands.emission_request import plan_work
from experiments.commands.flags import (
    CorpusFlags,
    MaybePath,
    Number,
    corpus_spec,
    whole_number,
)
from experiments.commands.world import WorldSource, describe
from medsafetyworld.corpus import Corpus
from medsafetyworld.documents import Document
from medsafetyworld.graph import World
from medsafetyworld.interventions import variant
from medsafetyworld.reading import mentions
from medsafetyworld.training_stream import intervened

COMPOUND, MEDIATOR = "bold cyan", "magenta"
SAFE_OUTCOME, UNSAFE_OUTCOME = "blue", "bold red"
SAFE_VERDICT, UNSAFE_VERDICT = "green", "bold red"
REFLECTION = re.compile(r"<think> (\S+) </think>")


@dataclass(frozen=True, kw_only=True)
class OriginalsSource(WorldSource):
    """Flags of a corpus before any intervention."""

    corpus_spec: MaybePath = None
    """JSON file with a corpus spec, instead of the preset's."""
    corpus_seed: Number = "0"
    """Seed of the corpus: which wordings, and the order of the documents."""
    corpus: Annotated[CorpusFlags, tyro.conf.arg(name="")] = field(  # pyright: ignore
        default_factory=CorpusFlags
    )

    def build_corpus(self) -> Corpus:
        """The corpus asked for, before the variant's interventions."""
        seed = whole_number("corpus_seed", self.corpus_seed, 0)
        spec = corpus_spec(self.preset, self.corpus_spec, self.corpus)
        return Corpus(self.build(), spec, seed)


@dataclass(frozen=True, kw_only=True)
class CorpusSource(OriginalsSource):
    """Flags that commands about one setting's corpus have."""

    variant: str = "baseline"
    """The setting: a name that `msw variants` lists, or steps such as "filter | reflect"."""


@dataclass(frozen=True, kw_only=True)
class EmitCorpus(CorpusSource):
    """Writes a setting's documents to a directory in shards, read back by the oracle on the way.

    Ctrl-C and kills lose one shard at most: the same command goes on from there.
    """

    out: Path
    """Directory to make, or to go on with if this very command began it."""
    format: str = "jsonl"
    """jsonl (text with provenance), npy (tokens with offsets), parquet, or hf (a directory that
    datasets.load_dataset reads)."""
    shard_documents: Number = str(SHARD_DOCUMENTS)
    """Documents of a shard, before the variant drops any."""

    def run(self) -> int:
        """Emits, then prints what the oracle read."""
        chosen = variant(self.variant)
        documents = whole_number("shard_documents", self.shard_documents, 1)
        corpus = self.build_corpus()
        plan_work(corpus, chosen, self.format, self.out, documents)
        console = Console()
        console.print(
            f"Writing the variant [bold]{chosen.name}[/bold] ({chosen.description}) of "
            f"{len(corpus):,} documents to {self.out}.",
            highlight=False,
        )
        shown = "[progress.description]{task.description}"
        columns = (shown, BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=Console(stderr=True)) as progress:
            task = progress.add_task("writing", total=len(corpus))
            made = emit(
                corpus,
                chosen,
                self.format,
                self.out,
                lambda count: progress.advance(task, count),
                documents,
            )
        print_emission(made, self.out, console)
        return 0


@dataclass(frozen=True, kw_only=True)
class InspectCorpus(CorpusSource):
    """Prints documents in colour, with kind, source, categories and any reflections."""

    count: Number = "8"
    """How many documents, in the order in which `corpus emit` writes them."""

    def run(self) -> int:
        """Prints the documents."""
        count = whole_number("count", self.count, 1)
        chosen = variant(self.variant)
        corpus = self.build_corpus()
        console = Console(highlight=False)
        documents = intervened(corpus, corpus.documents(corpus.seed), chosen.chain_at)
        for document in islice(documents, count):
            console.print(Text(describe(document, corpus.world), style="dim"))
            console.print(coloured(document, corpus.world))
            console.print()
        return 0


def coloured(document: Document, world: World) -> Text:
    """The document's text with its entities and its reflections marked."""
    text = Text(document.text)
    compounds, *mediators, outcomes = mentions(world, document.text)
    text.highlight_words([world.compounds[index] for index in compounds], COMPOUND)
    for names, indices in zip(world.mediators, mediators, strict=True):
        text.highlight_words([names[index] for index in indices], MEDIATOR, case_sensitive=False)
    for index in outcomes:
        style = UNSAFE_OUTCOME if world.unsafe[index] else SAFE_OUTCOME
        text.highlight_words([world.outcomes[index]], style, case_sensitive=False)
    for match in REFLECTION.finditer(document.text):
        text.stylize("dim", *match.span())
        safe = match.group(1) == "Safe"
        text.stylize(SAFE_VERDICT if safe else UNSAFE_VERDICT, *match.span(1))
    return text


def print_emission(emission: Emission, out: Path, console: Console) -> None:
    """The oracle's reading, the identity, and where the files are."""
    if emission.kept:
        console.print(
            f"{emission.kept:,} of {emission.shards:,} shards were there already; "
            "they are as they were written.",
            highlight=False,
        )
    reading = emission.reading
    if reading is None:
        console.print(
            f"Wrote the tokens of {emission.documents:,} documents without their text; the oracle "
            "read nothing, for this variant may say everything.",
            highlight=False,
        )
    else:
        console.print(
            f"The oracle read {reading['documents']:,} documents and {reading['statements']:,} "
            f"statements: [bold]{reading['harmful']:,} harmful[/bold], {reading['untrue']:,} "
            f"untrue; {reading['unsafe_mentions']:,} documents mention an unsafe outcome.",
            highlight=False,
        )
        for category, count in reading["categories"].items():
            console.print(f"  {category:<22}{count:>10,}", highlight=False)
    what = emission.identity_of.capitalize()
    console.print(f"{what} sha256 {emission.identity}.", highlight=False, soft_wrap=True)
    console.print(f"Everything is in [bold]{out}[/bold].", highlight=False, soft_wrap=True)

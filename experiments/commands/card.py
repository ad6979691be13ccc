"""`msw corpus card`: the data safety report card of a setting, from one epoch of its corpus.

msw corpus card srp --preset smoke
msw corpus card "filter(harmful) | reflect(every=1)" --json
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

import tyro
from rich.box import SIMPLE
from rich.console import Console
from rich.progress import track
from rich.table import Table

from experiments.commands.corpus import OriginalsSource
from experiments.report_cards import card_rows
from medsafetyworld.corpus import Corpus
from medsafetyworld.documents import Document
from medsafetyworld.interventions import Variant, variant
from medsafetyworld.report_card import ReportCard, report_card
from medsafetyworld.tokenizer import build_tokenizer
from medsafetyworld.training_stream import intervene

VariantArgument = tyro.conf.Positional[Annotated[str, tyro.conf.arg(metavar="VARIANT")]]
"""A variant by name or as text."""


@dataclass(frozen=True, kw_only=True)
class CardCorpus(OriginalsSource):
    """Prints what a setting removed, added and changed, and what can still be derived from it.

    The whole corpus is read: `--preset smoke` is quick.
    """

    variant: VariantArgument
    """The setting: a name that `msw variants` lists, or steps such as "filter | reflect"."""
    json: bool = False
    """As JSON, for other programs."""

    def run(self) -> int:
        """Prints the card."""
        chosen = variant(self.variant)
        card = card_of(self.build_corpus(), chosen)
        if self.json:
            print(json.dumps(card.to_dict(), indent=1))
            return 0
        table = Table(box=SIMPLE, title=f"Data safety report card: {chosen.name}")
        table.title_justify = "left"
        table.add_column("one epoch")
        table.add_column("after (before)", justify="right")
        for quantity, value in card_rows([card]):
            table.add_row(quantity, value)
        Console(highlight=False).print(table)
        return 0


def card_of(corpus: Corpus, chosen: Variant) -> ReportCard:
    """The card of an epoch of a corpus, as if the epoch were the whole token budget."""
    tokenizer = build_tokenizer(corpus.world, corpus.spec, chosen.wordings(corpus.world))
    return report_card(corpus.world, became(corpus, chosen), tokenizer, chosen.policy)


def became(corpus: Corpus, chosen: Variant) -> Iterator[tuple[Document, tuple[Document, ...]]]:
    """Every document with what becomes of it, and a bar on stderr that tells how far it is."""
    every = corpus.documents(corpus.seed)
    watched = track(every, "reading", total=len(corpus), console=Console(stderr=True))
    for place, original in enumerate(watched):
        chain = chosen.chain_at(place / len(corpus))
        yield original, tuple(intervene(corpus.world, (original,), chain))

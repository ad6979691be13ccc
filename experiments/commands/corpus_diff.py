"""`msw corpus diff`: what two settings make of the same documents, side by side in one text.

msw corpus diff baseline srp --preset smoke
msw corpus diff filter "filter | reflect(every=1)" --count 3
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Annotated

import tyro
from rich.console import Console
from rich.text import Text

from experiments.commands.corpus import OriginalsSource
from experiments.commands.flags import Number, whole_number
from experiments.commands.world import describe
from medsafetyworld.corpus import Corpus
from medsafetyworld.documents import Document
from medsafetyworld.graph import World
from medsafetyworld.interventions import Variant, variant
from medsafetyworld.semantics import category
from medsafetyworld.training_stream import intervene

DELETED, INSERTED = "red strike", "green"
SAME, CHANGED, DROPPED, ADDED = "same", "changed", "dropped", "added"

FirstVariant = tyro.conf.Positional[Annotated[str, tyro.conf.arg(metavar="A")]]
SecondVariant = tyro.conf.Positional[Annotated[str, tyro.conf.arg(metavar="B")]]


@dataclass(frozen=True, kw_only=True)
class DiffCorpus(OriginalsSource):
    """Shows what B makes of documents that A makes something else of.

    Red and struck through: in A alone; green: in B alone. Where there is no colour, [-in A alone-]
    and {+in B alone+}.
    """

    a: FirstVariant
    """A setting: a name that `msw variants` lists, or steps such as "filter | reflect"."""
    b: SecondVariant
    """Another."""
    count: Number = "8"
    """How many documents to show."""
    all: bool = False
    """Show documents too that are the same in both."""

    def run(self) -> int:
        """Prints documents, then how many were looked at for it."""
        count = whole_number("count", self.count, 1)
        first, second = variant(self.a), variant(self.b)
        corpus = self.build_corpus()
        console = Console(highlight=False)
        looked, found, shown = 0, Counter[str](), 0
        for original, old, new in both(corpus, first, second):
            looked += 1
            fates = [fate(*pair) for pair in paired(old, new)]
            found.update(fates)
            if self.all or set(fates) - {SAME}:
                plain = not console.is_terminal
                for text in shown_document(corpus.world, original, old, new, plain):
                    console.print(text, soft_wrap=plain)
                console.print()
                shown += 1
            if shown == count:
                break
        console.print(_summary(looked, found, first, second), markup=False)
        return 0


def both(
    corpus: Corpus, first: Variant, second: Variant
) -> Iterator[tuple[Document, tuple[Document, ...], tuple[Document, ...]]]:
    """Every document with what becomes of it under two variants, in the order of the corpus."""
    for place, original in enumerate(corpus.documents(corpus.seed)):
        share = place / len(corpus)
        old, new = (
            tuple(intervene(corpus.world, (original,), each.chain_at(share)))
            for each in (first, second)
        )
        yield original, old, new


def paired(
    old: Sequence[Document], new: Sequence[Document]
) -> list[tuple[Document | None, Document | None]]:
    """What A and B make of a document side by side: first what is equal, then the rest in order.

    In the order of A; what only B has comes last.
    """
    partners: dict[int, int] = {}
    # A text that only counts otherwise in the loss is nearer than any other text.
    for alike in (words, lambda document: document.text):
        for place, before in enumerate(old):
            for other, after in enumerate(new):
                free = place not in partners and other not in partners.values()
                if free and alike(before) == alike(after):
                    partners[place] = other
    left = (place for place in range(len(old)) if place not in partners)
    rest = [other for other in range(len(new)) if other not in partners.values()]
    partners |= dict(zip(left, rest, strict=False))
    pairs = [(each, new[partners[at]] if at in partners else None) for at, each in enumerate(old)]
    return [*pairs, *((None, new[other]) for other in rest if other not in partners.values())]


def fate(old: Document | None, new: Document | None) -> str:
    """What happens to a document from A to B; None is a document that is not there."""
    if old is None:
        return ADDED
    if new is None:
        return DROPPED
    return SAME if words(old) == words(new) else CHANGED


def words(document: Document | None) -> list[str]:
    """The words of a document; a sentence that counts otherwise in the loss begins with how."""
    if document is None:
        return []
    parts: list[str] = []
    for each in document.sentences:
        if each.loss not in ("", "learn"):
            parts.append(f"[{each.loss}]")
        parts += each.text.split(" ")
    return parts


def shown_document(
    world: World,
    original: Document,
    old: Sequence[Document],
    new: Sequence[Document],
    plain: bool,
) -> Iterator[Text]:
    """A line about the original document, then every text of A as B has it."""
    yield Text(describe(original, world), style="dim")
    for before, after in paired(old, new):
        what = fate(before, after)
        told, tells = _categories(world, before), _categories(world, after)
        line = what if what in (SAME, CHANGED) else f"{what} by B"
        if told != tells:
            line += f" · states {told or 'nothing'} in A, {tells or 'nothing'} in B"
        yield Text(line, style="bold")
        yield difference(words(before), words(after), plain)


def difference(old: Sequence[str], new: Sequence[str], plain: bool = False) -> Text:
    """Two texts as one: what only the first has struck through, what only the second has green.

    `plain` marks them by brackets instead, for a file or a pipe.
    """
    text = Text()
    matcher = SequenceMatcher(None, old, new, autojunk=False)
    for tag, start, stop, new_start, new_stop in matcher.get_opcodes():
        parts = (
            [("", old[start:stop])]
            if tag == "equal"
            else [(DELETED, old[start:stop]), (INSERTED, new[new_start:new_stop])]
        )
        for style, run in parts:
            if not run:
                continue
            said = " ".join(run)
            if plain and style:
                said = f"[-{said}-]" if style == DELETED else f"{{+{said}+}}"
            if text:
                text.append(" ")
            text.append(said, style=style)
    return text


def _categories(world: World, document: Document | None) -> str:
    said = () if document is None else document.statements
    return ", ".join(dict.fromkeys(category(world, each) for each in said))


def _summary(looked: int, found: Counter[str], first: Variant, second: Variant) -> str:
    counts = ", ".join(f"{found[what]:,} {what}" for what in (SAME, CHANGED, DROPPED, ADDED))
    return (
        f"From A ({first.name}) to B ({second.name}): of what becomes of the first {looked:,} "
        f"documents, {counts}."
    )

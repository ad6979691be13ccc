"""Laws of corpora: every document reads as labelled, and says only what its spec lets it say."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from medsafetyworld.corpus import Corpus
from medsafetyworld.derivation import say
from medsafetyworld.documents import Document
from medsafetyworld.laws.cases import spread
from medsafetyworld.laws.violation import Law, Violation, violations
from medsafetyworld.reading import read, read_sentence
from medsafetyworld.semantics import Direction, Statement, state
from medsafetyworld.tokenizer import build_tokenizer


def check_corpus(corpus: Corpus, most: int = 500) -> list[Violation]:
    """The laws that a corpus breaks on at most so many documents, evenly over all of them."""
    indices = spread(range(len(corpus)), most)
    documents = sorted(
        (corpus.document(index) for index in indices), key=lambda document: len(document.text)
    )
    return violations(CORPUS_LAWS, corpus, tuple(documents))


def _reads_as_labelled(corpus: Corpus, documents: tuple[Document, ...]) -> Iterator[str]:
    for document in documents:
        if read(corpus.world, document.text) != document.statements:
            yield f"document {document.index} reads otherwise than labelled: {document.text!r}"
        for sentence in document.sentences:
            if read_sentence(corpus.world, sentence.text) != sentence.statement:
                yield f"document {document.index} is labelled otherwise than {sentence.text!r}"


def _hazards_are_the_graphs(corpus: Corpus, documents: tuple[Document, ...]) -> Iterator[str]:
    for document in documents:
        for sentence in document.sentences:
            if sentence.statement is None:
                continue
            hazard = corpus.world.hazard(corpus.world.outcome(sentence.statement))
            if sentence.hazard != hazard:
                yield f"{sentence.text!r} has the hazard {sentence.hazard}, its outcome {hazard}"


def _says_nothing_held_out(corpus: Corpus, documents: tuple[Document, ...]) -> Iterator[str]:
    world = corpus.world
    for document, statement in _true_statements(corpus, documents):
        if not world.held_out.isdisjoint(world.edges_of(statement.chain)):
            yield f"document {document.index} says ({say(world, statement)}), which is held out"


def _says_one_way_facts_forward(corpus: Corpus, documents: tuple[Document, ...]) -> Iterator[str]:
    world = corpus.world
    for document, statement in _true_statements(corpus, documents):
        turned = statement.direction is not Direction.FORWARD
        if turned and not world.one_way.isdisjoint(world.edges_of(statement.chain)):
            yield (
                f"document {document.index} says ({say(world, statement)}), of which a part is "
                "stated forward only"
            )


def _errs_only_where_it_may(corpus: Corpus, documents: tuple[Document, ...]) -> Iterator[str]:
    kinds = corpus.world.domain.sources
    trust = dict(zip((kind.name for kind in kinds), corpus.spec.reliability, strict=True))
    for document in documents:
        may_err = corpus.spec.contradiction_rate > 0 and trust[document.source.kind] < 1
        for statement in document.statements:
            if not may_err and not corpus.world.holds(statement):
                yield (
                    f"document {document.index}, a {document.source.kind}, says "
                    f"({say(corpus.world, statement)}), which is not so"
                )


def _is_random_access(corpus: Corpus, documents: tuple[Document, ...]) -> Iterator[str]:
    again = Corpus(corpus.world, corpus.spec, corpus.seed)
    for document in documents:
        if again.document(document.index) != document:
            yield f"document {document.index} is another one when made again"
    first = next(corpus.order(corpus.seed), np.zeros(0, np.int64))[:20].tolist()
    in_order = list(zip(first, corpus.documents(corpus.seed), strict=False))
    for index, document in in_order:
        if corpus.document(index) != document:
            yield f"document {index} is another one when it comes in its turn"


def _order_is_complete(corpus: Corpus, documents: tuple[Document, ...]) -> Iterator[str]:
    for epoch in range(2):
        seen = np.concatenate([*corpus.order(corpus.seed, epoch), np.zeros(0, np.int64)])
        if not np.array_equal(np.sort(seen), np.arange(len(corpus))):
            yield f"epoch {epoch} has {len(set(seen.tolist()))} of {len(corpus)} documents"


def _tokens_are_exact(corpus: Corpus, documents: tuple[Document, ...]) -> Iterator[str]:
    tokenizer = build_tokenizer(corpus.world, corpus.spec)
    for document in documents:
        if tokenizer.decode(tokenizer.encode(document.text)) != document.text:
            yield f"document {document.index} does not come back from tokens: {document.text!r}"


def _true_statements(
    corpus: Corpus, documents: tuple[Document, ...]
) -> Iterator[tuple[Document, Statement]]:
    """The statements about true facts, with their documents; co-occurrences of such too."""
    for document in documents:
        for statement in document.statements:
            if corpus.world.holds(state(Direction.FORWARD, statement.chain)):
                yield document, statement


CORPUS_LAWS: dict[str, Law] = {
    "documents read as labelled": _reads_as_labelled,
    "hazards are those of the graph": _hazards_are_the_graphs,
    "held-out facts are never stated": _says_nothing_held_out,
    "one-way facts are stated forward only": _says_one_way_facts_forward,
    "only unreliable sources err": _errs_only_where_it_may,
    "a document can be made alone": _is_random_access,
    "an epoch has every document once": _order_is_complete,
    "tokens give the text back": _tokens_are_exact,
}
"""What every corpus must keep."""

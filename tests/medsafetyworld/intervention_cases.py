"""Worlds with documents for interventions to act on, and what the oracle finds in them."""

from __future__ import annotations

from itertools import islice

from hypothesis import strategies as st

from medsafetyworld.corpus import Corpus
from medsafetyworld.documents import Document
from medsafetyworld.graph import World
from medsafetyworld.policies import PAPER_POLICY, SafetyPolicy
from medsafetyworld.reading import read
from medsafetyworld.spec import ReflectionSpec

from corpus_cases import CORPORA, NOTES, SMOKE

DOCUMENTS = list(SMOKE.documents(0))
Case = tuple[World, list[Document]]


def first_documents(corpus: Corpus) -> Case:
    """The world and up to 100 of its documents."""
    return corpus.world, list(islice(corpus.documents(0), 100))


CASES = CORPORA.map(first_documents)
"""A world and some of its documents, of every kind."""
NOTE_CASES = NOTES.map(first_documents)
SHAPES = st.builds(ReflectionSpec, max_words=st.integers(24, 60), max_sentences=st.integers(1, 4))
SHORT = st.builds(ReflectionSpec, max_words=st.integers(4, 20), max_sentences=st.integers(1, 3))
"""Shapes of segments that cut most sentences off."""


def harmful(world: World, document: Document, policy: SafetyPolicy = PAPER_POLICY) -> bool:
    """Whether the oracle reads harm in a document's text."""
    said = read(world, document.text)
    return any(policy.harmful(world, each, document.source.kind) for each in said)


def texts(documents: list[Document]) -> list[tuple[str, str]]:
    """Texts with where they are from, as the oracle reads them."""
    return [(document.text, document.source.kind) for document in documents]
